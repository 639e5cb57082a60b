"""May two prompts share one answer? An embedding cannot tell "on" from "off"; guards refuse what it cannot vouch for.

Each guard compares one kind of word. A refusal costs a call to the model; a wrong answer costs more, so a guard that
cannot tell refuses: a text in no language of the lists, or one that is too long, is never like another one.
"""

from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import pairwise

from classifiers.similarity.reading import Reading, Word, read
from classifiers.similarity.words import plain

MOST_CHARACTERS = 4_000
"""Longer texts are not compared: no embedding reads them to their end either."""
STRICTNESS = 1
WORDS_PER_SWAP = 4
"""Of so many content words one may lack a counterpart, where the wording differs elsewhere too."""
FEW_WORDS = 8
"""Below so many content words, names have parts whose order says who does what; a longer text names more than those."""
HARD_SCOPES = frozenset({"only", "first", "last", "top", "bottom", "except", "most", "less"})
"""Words of scope that nobody adds without meaning them."""


def difference(a: str, b: str, *, strictness: int = STRICTNESS) -> str | None:
    """Return why two prompts may not share an answer, in one or two words without anything of their text; else None.

    `difference(a, b)` is `difference(b, a)`. None does not mean that they ask the same: it means that nothing was
    found that a similarity of the whole texts would miss.

    Args:
        a: a prompt in any language; two that are the same but for white space differ in nothing.
        b: the other one.
        strictness: how to take content words of one that have no counterpart in the other. Where the rest is the same
            word for word they always make a difference. 0: there only. 1: also where one was exchanged for another or
            some were put in, and the rest was merely worded anew. 2: everywhere. Words of wording count for little.
    """
    if plain(a) == plain(b):
        return None
    if max(len(a), len(b)) > MOST_CHARACTERS:
        return "length"
    first, second = map(read, sorted((a, b)))  # so that no guard can depend on which comes first
    if first is None or second is None or first.lexicon is not second.lexicon:
        return "language"
    pair = Pair(first, second)
    for reason, differs in GUARDS.items():
        if differs(pair):
            return reason
    return "words" if _swapped(pair, strictness) else None


class Pair:
    """Two readings, and which content words of one have no counterpart in the other."""

    def __init__(self, first: Reading, second: Reading) -> None:
        self.first, self.second = first, second
        self.lexicon = first.lexicon
        self.cancelled = 0
        self.equal: set[str] = set()
        """Opposites of which one is negated."""
        left = _without_counterpart(first, second), _without_counterpart(second, first)
        self.left = self._uncancelled(*left)

    def _uncancelled(self, ours: list[Word], theirs: list[Word]) -> tuple[list[Word], list[Word]]:
        """Take `not invisible` for `visible`: the pair leaves both lists, and the negation is accounted for."""
        related = self.lexicon.related({one.word for one in ours}, {one.word for one in theirs})
        for one in list(ours):
            for other in list(theirs):
                pair = (one.word, other.word)
                if pair in related and one.negated != other.negated and self.lexicon.complementary(*pair):
                    ours.remove(one)
                    theirs.remove(other)
                    self.equal.update(pair)
                    self.cancelled += 1 if one.negated else -1
                    break
        return ours, theirs

    @cached_property
    def verbatim(self) -> bool:
        """Whether the texts are the same word for word, but for words without a counterpart."""
        return _frame(self.first, self.left[0]) == _frame(self.second, self.left[1])

    @property
    def turned(self) -> bool:
        """Whether one text is in the passive and the other is not."""
        return self.first.passive != self.second.passive

    @property
    def shorter(self) -> int:
        """Content words of the text that has fewer."""
        return min(len(self.first.content), len(self.second.content))

    @property
    def same_content(self) -> bool:
        """Whether all content words are the same, so that small words make the difference."""
        return not any(self.left)


def _without_counterpart(ours: Reading, theirs: Reading) -> list[Word]:
    keys = {key for word in theirs.content for key in word.keys}
    return [word for word in ours.content if not word.keys & keys]


def _aligned(pair: Pair) -> bool:
    """Say whether the content words that have a counterpart stand in the same order."""
    first, second = (
        [word for word in reading.content if word not in left]
        for reading, left in ((pair.first, pair.left[0]), (pair.second, pair.left[1]))
    )
    return len(first) == len(second) and all(one.keys & other.keys for one, other in zip(first, second, strict=True))


def _frame(reading: Reading, left: list[Word]) -> list[str]:
    without = {word.word for word in left} | frozenset(reading.lexicon.rows["fillers"])
    return [word for word in reading.sequence if word not in without]


def _numbers(pair: Pair) -> bool:
    if pair.first.numbers != pair.second.numbers or pair.first.ids != pair.second.ids:
        return True
    first, second = pair.first.pictures, pair.second.pictures
    return bool(first - second and second - first)  # one or none is a matter of taste


def _tag(name: str) -> Callable[[Pair], bool]:
    def differs(pair: Pair) -> bool:
        return pair.first.tags[name] != pair.second.tags[name]

    return differs


def _names(pair: Pair) -> bool:
    return any(
        not _named(name, theirs)
        for ours, theirs in ((pair.first, pair.second), (pair.second, pair.first))
        for name in ours.names
    )


def _named(name: str, theirs: Reading) -> bool:
    """Say whether a text has a name, inflected or not. In German every noun is one here: nothing tells them apart."""
    if name in theirs.words or f"{name}s" in theirs.words or name.removesuffix("s") in theirs.words:
        return True
    if not theirs.lexicon.known & {name}:
        return theirs.lexicon.name == "german" and theirs.lexicon.stem(name) in map(theirs.lexicon.stem, theirs.words)
    keys = theirs.lexicon.keys(name)
    return any(keys & word.keys for word in theirs.content)


def _negation(pair: Pair) -> bool:
    return pair.first.negations - pair.second.negations != pair.cancelled


def _opposites(pair: Pair) -> bool:
    ours, theirs = (pair.first.words - pair.second.words, pair.second.words - pair.first.words)
    related = pair.lexicon.related(ours - pair.equal, theirs - pair.equal)
    return any(pair.lexicon.opposed(*words) for words in related)


def _scope(pair: Pair) -> bool:
    first, second = pair.first.tags["scope"], pair.second.tags["scope"]
    if (first ^ second) & HARD_SCOPES:
        return True
    return first != second and (pair.same_content or bool(first and second and not first & second))


def _questions(pair: Pair) -> bool:
    first, second = pair.first.tags["questions"], pair.second.tags["questions"]
    open_ended = "what" in first | second and any(one.startswith("how") for one in first | second)
    return bool(first and second and not first & second) and not open_ended  # what are the steps, what is the number


def _small_words(pair: Pair) -> bool:
    """Say whether texts with the same content words tell apart by what stands between them: `in` or `on`, is or was."""
    if not pair.same_content:
        return False
    if not pair.first.order and not pair.second.order:
        return not pair.verbatim  # there is nothing but small words
    first, second = (reading.tags["small_words"] for reading in (pair.first, pair.second))
    choices = [{tag.split()[0] for tag in tags if " " in tag} for tags in (first - second, second - first)]
    return any(" " not in tag for tag in first ^ second) or bool(choices[0] & choices[1])


def _direction(pair: Pair) -> bool:
    """Say whether words changed places: round a word such as `to`, behind a number, or the same words their order."""
    theirs = set(_sides(pair.second))
    if any((right, between, left) in theirs for left, between, right in _sides(pair.first) if left != right):
        return True
    if sorted(pair.first.sequence) == sorted(pair.second.sequence):
        return pair.first.contents != pair.second.contents or pair.first.sequence != pair.second.sequence
    if pair.same_content and pair.turned and pair.first.contents == pair.second.contents:
        return True
    return _counted(pair) or (pair.shorter < FEW_WORDS and _roles(pair))


def _roles(pair: Pair) -> bool:
    """Say whether two people or things who are named changed their parts; in the passive they stand the other way."""
    first, second = (
        [name for name in ours.names if name in theirs.names]
        for ours, theirs in ((pair.first, pair.second), (pair.second, pair.first))
    )
    return len(first) > 1 and (first == second) == pair.turned


def _counted(pair: Pair) -> bool:
    """Say whether a number counts one thing here and another thing there, both of which are in both texts."""
    both = frozenset(pair.first.contents) & frozenset(pair.second.contents)
    first, second = (
        {(left, right) for left, right in pairwise(reading.contents) if left in reading.figures and right in both}
        for reading in (pair.first, pair.second)
    )
    return any(number == same and what != other for number, what in first - second for same, other in second - first)


def _sides(reading: Reading) -> Iterator[tuple[str, str, str]]:
    directions = frozenset(reading.lexicon.rows["directions"])
    for (at, left), (to, right) in pairwise(reading.order):
        for between in reading.between(at, to) & directions:
            yield left, between, right


def _swapped(pair: Pair, strictness: int) -> bool:
    """Say whether one text is the other with words put in, taken out or exchanged, rather than another wording."""
    if pair.same_content or pair.verbatim or not strictness:
        return pair.verbatim and not pair.same_content
    few, aligned = pair.shorter < WORDS_PER_SWAP, _aligned(pair)
    if few and aligned and all(pair.left):
        return True
    ours, theirs = (len([word for word in left if not word.keys & pair.lexicon.general]) for left in pair.left)
    if strictness > 1:
        return bool(ours or theirs)
    if ours > len(pair.first.content) / 2 or theirs > len(pair.second.content) / 2:
        return True
    if ours and theirs:
        return ours == theirs == 1 and (few or aligned)
    return max(ours, theirs) > pair.shorter // WORDS_PER_SWAP


GUARDS: dict[str, Callable[[Pair], bool]] = {
    "numbers": _numbers,
    "dates": _tag("dates"),
    "units": _tag("units"),
    "comparisons": _tag("comparisons"),
    "names": _names,
    "negation": _negation,
    "opposites": _opposites,
    "scope": _scope,
    "questions": _questions,
    "direction": _direction,
    "small words": _small_words,
}
"""The guards in the order in which they are asked, by the reason that they give."""
