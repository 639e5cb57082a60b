"""What a text says that decides whether an answer fits: numbers, dates, units, names, negations and the words left."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from classifiers.similarity.lexicon import Lexicon, language, units
from classifiers.similarity.words import Token, tokens

TAGS = ("dates", "comparisons", "scope", "questions", "small_words")
_THOUSANDS = {"english": re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?"), "german": re.compile(r"\d{1,3}(\.\d{3})+(,\d+)?")}


@dataclass(frozen=True, slots=True)
class Word:
    """A word with content of its own."""

    at: int
    """Its place among the tokens of the text."""
    word: str
    keys: frozenset[str]
    """What it can be matched by."""
    negated: bool
    """Whether a negation stands right before it."""


@dataclass(frozen=True, eq=False)
class Reading:
    """One text, read. What is compared whatever else a text says comes first."""

    lexicon: Lexicon
    numbers: tuple[str, ...]
    """Numbers and written-out numbers, in their order: 5 for 10 is not 10 for 5."""
    ids: frozenset[str]
    """Ids, names of code, addresses and signs."""
    pictures: frozenset[str]
    tags: Mapping[str, frozenset[str]]
    """What is named of units and of each of `TAGS`."""
    names: tuple[str, ...]
    """Words with a capital letter where grammar asks for none, in their order."""
    sequence: tuple[str, ...]
    """All words, ids and signs in lower case; an empty text where a number or a picture stands."""
    negations: int
    passive: bool
    """Whether somebody is said to have something done to them: a participle stands before a word such as `by`."""
    content: tuple[Word, ...]
    order: tuple[tuple[int, str], ...]
    """Where each number, unit and content word stands, for the direction between them."""

    @cached_property
    def words(self) -> frozenset[str]:
        """The different words of the text."""
        return frozenset(self.sequence) - {""}

    @cached_property
    def contents(self) -> tuple[str, ...]:
        """Numbers, units and content words in their order."""
        return tuple(what for _, what in self.order)

    @cached_property
    def figures(self) -> frozenset[str]:
        """Those of them that are numbers."""
        return frozenset(what for at, what in self.order if not self.sequence[at] or what in self.lexicon.numbers)

    def between(self, start: int, end: int) -> frozenset[str]:
        """Return the words between two places."""
        return frozenset(self.sequence[start + 1 : end])


def read(text: str) -> Reading | None:
    """Read a text; None when it is in no language that the guards know."""
    found = tokens(text)
    lexicon = language(found)
    return _Reader(lexicon, _with_acronyms(found, lexicon)).reading() if lexicon else None


def _with_acronyms(found: Sequence[Token], lexicon: Lexicon) -> list[Token]:
    """Take `IT` and `US` for ids and not for the small words that they look like, unless all is in capitals."""
    words = [token for token in found if token.kind == "word"]
    if all(token.text.isupper() for token in words):
        return list(found)
    acronyms = {
        token for token in words if len(token.text) > 1 and token.text.isupper() and token.word in lexicon.empty
    }
    return [replace(token, kind="id") if token in acronyms else token for token in found]


class _Reader:
    """One text on its way to a `Reading`."""

    def __init__(self, lexicon: Lexicon, found: Sequence[Token]) -> None:
        self.lexicon, self.tokens = lexicon, found
        self.words = [token.word if token.kind == "word" else "" for token in found]
        self.quantity = [token.kind == "number" or token.word in lexicon.numbers for token in found]
        self.meaningless = lexicon.empty | lexicon.numbers.keys()
        self.taken: set[int] = set()
        """Tokens whose meaning is compared on its own, so that they are no content."""

    def reading(self) -> Reading:
        numbers = tuple(self._numbers())
        before_numbers = frozenset(self._before_numbers())
        tags = {name: frozenset(self._tagged(name)) for name in TAGS}
        tags["comparisons"] |= before_numbers
        tags["units"] = frozenset(self._units())
        negated = [at for at, word in enumerate(self.words) if word in self.lexicon.negation and at not in self.taken]
        content = tuple(self._content(set(negated)))
        return Reading(
            lexicon=self.lexicon,
            numbers=numbers,
            ids=frozenset(token.text for token in self.tokens if token.kind in ("id", "sign")),
            pictures=frozenset(token.text for token in self.tokens if token.kind == "picture"),
            tags=tags,
            names=tuple(dict.fromkeys(self._names())),
            sequence=tuple("" if token.kind in ("number", "picture") else token.word for token in self.tokens),
            negations=len(negated),
            passive=self._passive(),
            content=content,
            order=tuple(self._order(content)),
        )

    def _phrases(self, name: str) -> dict[int, tuple[int, str]]:
        return self.lexicon.phrases[name].found(self.words)

    def _tagged(self, name: str) -> Iterator[str]:
        for at, (length, meaning) in self._phrases(name).items():
            yield meaning
            if name in ("dates", "comparisons", "small_words") or length > 1:
                self.taken.update(range(at, at + length))

    def _before_numbers(self) -> Iterator[str]:
        """Yield comparisons that are prepositions elsewhere: `over 100`, but not `over the phone`."""
        dates = self._phrases("dates")
        for at, (length, meaning) in self._phrases("comparisons_before_numbers").items():
            after = at + length
            after += after < len(self.words) and self.words[after] in units()[0]  # over EUR 100
            if after < len(self.words) and (self.quantity[after] or after in dates):
                self.taken.update(range(at, at + length))
                yield meaning

    def _units(self) -> Iterator[str]:
        anywhere, after_numbers = units()
        for at, word in enumerate(self.words):
            unit = anywhere.get(word) or (after_numbers.get(word) if at and self.quantity[at - 1] else None)
            if unit and word:
                self.taken.add(at)
                yield unit

    def _passive(self) -> bool:
        by = self.lexicon.rows["passive"]
        return any(word in by and before.endswith(("d", "n", "t")) for before, word in pairwise(self.words))

    def _numbers(self) -> Iterator[str]:
        endings = self.lexicon.rows["ordinal_endings"]
        beside = [token.word in self.lexicon.rows["beside_numbers"] for token in self.tokens]
        for at, token in enumerate(self.tokens):
            after = self.words[at + 1] if at + 1 < len(self.words) else ""
            if token.kind == "number":
                ordinal = after in endings
                self.taken.update({at + 1} if ordinal else ())
                yield self._value(token.text) + "th" * ordinal
            elif token.word in self.lexicon.numbers:
                yield self.lexicon.numbers[token.word]
            elif token.word in self.lexicon.rows["one"] and any(beside[max(0, at - 1) : at + 2]):
                yield "1"

    def _value(self, number: str) -> str:
        german = self.lexicon.name == "german"
        if _THOUSANDS[self.lexicon.name].fullmatch(number):
            number = number.replace("." if german else ",", "")
        return number.replace(",", ".") if german and re.fullmatch(r"\d+,\d+", number) else number

    def _names(self) -> Iterator[str]:
        for at, token in enumerate(self.tokens):
            named = token.quoted or (token.capital and not token.initial)
            if token.kind == "word" and named and at not in self.taken and token.word not in self.meaningless:
                yield token.word

    def _content(self, negations: set[int]) -> Iterator[Word]:
        for at, word in enumerate(self.words):
            if word and at not in self.taken and at not in negations and word not in self.meaningless:
                yield Word(at, word, self.lexicon.keys(word), at - 1 in negations)

    def _order(self, content: Sequence[Word]) -> Iterator[tuple[int, str]]:
        of_content = {word.at: min(word.keys) for word in content}
        anywhere, _ = units()
        for at, token in enumerate(self.tokens):
            if self.quantity[at] or token.kind == "id":
                yield at, token.word
            elif at in of_content or token.word in anywhere:
                yield at, of_content.get(at) or anywhere[token.word]
