"""What the guards know of a language: its word lists, how it inflects, and which language a text is in."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from classifiers.resources import read_yaml
from classifiers.similarity.words import Token, tokens

PACKAGE = "classifiers.similarity"
LEAST_KNOWN = 0.25
"""Share of the words of a text that must be known for the text to be in a language."""
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th)")
_ENGLISH = re.compile(r"(?:(?<=..)(?:ing|(?<!e)ed)|(?<=......)ly|(?<=.......)ation|(?<=.....)ion|(?<=..)[eyi])$")
_GERMAN = re.compile(r"(?<=....)(?:ern|en|em|er|es|e|s|n)$")
_PLURALS = (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("shes", "sh"), ("s", ""))


@dataclass(frozen=True, eq=False)
class Phrases:
    """Words and phrases, each with what it stands for."""

    meanings: Mapping[tuple[str, ...], str]

    @classmethod
    def of(cls, rows: Mapping[str, Sequence[str]]) -> "Phrases":
        return cls({
            tuple(token.word for token in tokens(phrase)): meaning
            for meaning, phrases in rows.items()
            for phrase in phrases
        })  # fmt: skip

    @cached_property
    def longest(self) -> int:
        return max(map(len, self.meanings), default=0)

    def found(self, words: Sequence[str]) -> dict[int, tuple[int, str]]:
        """Return where phrases begin, how many words they have and what they mean; the longest wins."""
        found: dict[int, tuple[int, str]] = {}
        at = 0
        while at < len(words):
            for length in range(min(self.longest, len(words) - at), 0, -1):
                meaning = self.meanings.get(tuple(words[at : at + length]))
                if meaning is not None:
                    found[at] = (length, meaning)
                    at += length - 1
                    break
            at += 1
        return found


@dataclass(frozen=True, eq=False)
class Lexicon:
    """The lists of one language."""

    name: str
    rows: Mapping[str, Any]

    @cached_property
    def function(self) -> frozenset[str]:
        return frozenset(self.rows["function"])

    @cached_property
    def empty(self) -> frozenset[str]:
        """Words that carry no content of their own."""
        return self.function | frozenset(self.rows["fillers"])

    @cached_property
    def negation(self) -> frozenset[str]:
        return frozenset(self.rows["negation"])

    @cached_property
    def numbers(self) -> dict[str, str]:
        return {word: _ORDINAL.sub(r"\1th", str(value)) for word, value in self.rows["numbers"].items()}

    @cached_property
    def phrases(self) -> dict[str, Phrases]:
        names = ("dates", "comparisons", "comparisons_before_numbers", "scope", "questions", "small_words")
        return {name: Phrases.of(self.rows[name]) for name in names}

    @cached_property
    def known(self) -> frozenset[str]:
        """Every word of the lists."""
        groups = [
            *self.rows["opposites"],
            *self._rows_of_equals,
            self.function,
            self.empty,
            self.negation,
            self.numbers,
        ]
        phrases = {word for one in self.phrases.values() for phrase in one.meanings for word in phrase}
        return frozenset(phrases.union(*map(set, groups)))

    @cached_property
    def general(self) -> frozenset[str]:
        """Stems of words that say how something is asked sooner than what."""
        return frozenset(self.stem(word) for row in self.rows["equals_of_wording"] for word in row)

    @property
    def _rows_of_equals(self) -> list[list[str]]:
        return [*self.rows["equals_of_wording"], *self.rows["equals_of_substance"]]

    @cached_property
    def _equals(self) -> dict[str, frozenset[str]]:
        return _by_member(self.stem, self._rows_of_equals)

    @cached_property
    def _opposites(self) -> dict[str, frozenset[str]]:
        return _by_member(self.stem, self.rows["opposites"])

    @cached_property
    def _complements(self) -> dict[str, frozenset[str]]:
        return _by_member(self.stem, self.rows["complements"])

    def stem(self, word: str) -> str:
        """Return a word without its inflection. It errs towards one stem for two words rather than two for one."""
        return _english_stem(word) if self.name == "english" else _german_stem(word)

    def keys(self, word: str) -> frozenset[str]:
        """Return what a word can be matched by: its stem, and the rows of equals that it stands in."""
        stem = self.stem(word)
        return self._equals.get(stem, frozenset()) | {stem}

    def opposed(self, one: str, other: str) -> bool:
        """Say whether two words are opposites: by the lists, or by a beginning such as un- in one of them."""
        if self.keys(one) & self.keys(other):
            return False
        rows = (self._opposites.get(self.stem(word), frozenset()) for word in (one, other))
        return bool(frozenset.intersection(*rows)) or self._turned(one, other)

    def related(self, ours: Iterable[str], theirs: Iterable[str]) -> frozenset[tuple[str, str]]:
        """Return the pairs that may be opposites or complements; of two long texts no others need to be looked at."""
        marked: dict[str, list[str]] = {}
        for word in theirs:
            for mark in self._marks(word):
                marked.setdefault(mark, []).append(word)
        return frozenset((word, other) for word in ours for mark in self._marks(word) for other in marked.get(mark, ()))

    def _marks(self, word: str) -> Iterator[str]:
        """Yield what two words that are opposed or complementary have in common: a row, or what is behind un-."""
        stem = self.stem(word)
        yield from (f"opposite {row}" for row in self._opposites.get(stem, ()))
        yield from (f"complement {row}" for row in self._complements.get(stem, ()))
        yield f"stem {stem}"
        yield from (f"stem {stem.removeprefix(one)}" for one in self.rows["negating_prefixes"] if stem.startswith(one))
        beginnings = {one for pair in self.rows.get("opposite_beginnings", ()) for one in pair}
        yield from (f"rest {word.removeprefix(one)}" for one in beginnings if word.startswith(one))

    def complementary(self, one: str, other: str) -> bool:
        """Say whether "not the one" means the other."""
        shared = self._complements.get(self.stem(one), frozenset()) & self._complements.get(
            self.stem(other), frozenset()
        )
        return bool(shared) or self._negated(one, other)

    def _turned(self, one: str, other: str) -> bool:
        pairs = self.rows.get("opposite_beginnings", ())
        return self._negated(one, other) or any(
            (one.startswith(first) and other.startswith(second) and one[len(first) :] == other[len(second) :] != "")
            or (one.startswith(second) and other.startswith(first) and one[len(second) :] == other[len(first) :] != "")
            for first, second in pairs
        )

    def _negated(self, one: str, other: str) -> bool:
        longer, shorter = sorted((self.stem(one), self.stem(other)), key=len, reverse=True)
        return len(shorter) > 2 and any(longer == f"{start}{shorter}" for start in self.rows["negating_prefixes"])


def _english_stem(word: str) -> str:
    if len(word) > 3 and not word.endswith(("ss", "us", "is")):
        for ending, instead in _PLURALS:
            if word.endswith(ending):
                word = word.removesuffix(ending) + instead
                break
    cut = _ENGLISH.sub("", word)
    if not re.search(r"[aeiouy]", cut):
        return word
    if len(word) - len(cut) > 1 and cut[-1] == cut[-2] and cut[-1] not in "lsz":
        cut = cut[:-1]  # stopped
    return re.sub(r"(?<=..)[eyi]$", "", cut)  # copi-ed and copy


def _german_stem(word: str) -> str:
    return _GERMAN.sub("", word)


def _by_member(stem: Callable[[str], str], rows: Iterable[Sequence[str]]) -> dict[str, frozenset[str]]:
    """Return for each word the rows that it stands in, named by their number."""
    found: dict[str, set[str]] = {}
    for at, row in enumerate(rows):
        for word in row:
            found.setdefault(stem(word), set()).add(f"row {at}")
    return {word: frozenset(names) for word, names in found.items()}


@cache
def lexicons() -> tuple[Lexicon, ...]:
    """Return the languages that the guards know."""
    return tuple(Lexicon(name, read_yaml(PACKAGE, f"{name}.yaml")) for name in ("english", "german"))


@cache
def units() -> tuple[dict[str, str], dict[str, str]]:
    """Return the units by what they are written as: those anywhere, and those after a number only."""
    rows = read_yaml(PACKAGE, "units.yaml")
    return {word: unit for unit, words in rows["anywhere"].items() for word in words}, rows["after_numbers"]


@cache
def _elsewhere() -> tuple[frozenset[str], ...]:
    """Return the small words of other languages, without those that prove nothing because ours have them too."""
    ours = frozenset().union(*(one.empty for one in lexicons()))
    return tuple(frozenset(words) - ours for words in read_yaml(PACKAGE, "elsewhere.yaml").values())


def language(tokens: Sequence[Token]) -> Lexicon | None:
    """Return the language of a text; None when it is none that the guards know, or when that cannot be told."""
    words = [token.word for token in tokens if token.kind == "word" and token.word not in units()[0]]
    counts = [(sum(word in one.known for word in words), one) for one in lexicons()]
    counts.sort(key=lambda pair: -pair[0])
    (most, found), (second, _) = counts[:2]
    others = max(sum(word in one for word in words) for one in _elsewhere())
    return found if most >= LEAST_KNOWN * len(words) and most > max(second, others) else None
