"""A text as words, numbers, ids and signs."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

OPENING, CLOSING = "([{\"'“”„«»‚‘’`*", ".,;:!?)]}\"'“”«»’‘`…*"
QUOTES = frozenset("\"“”„«»‚‘’'`")
SIGNS = frozenset("*/^|&~")
"""Signs that say something where they stand alone, besides those of mathematics; others are dashes and bullets."""
ENDING_A_SENTENCE = ".!?:"
CONTRACTED_BEFORE_NOT = {"wo": "will", "sha": "shall", "ca": "can"}
BEFORE_IS = frozenset({"what", "who", "how", "where", "when", "why", "it", "that", "there", "here", "he", "she"})
ENDINGS = {"ll": "will", "d": "would", "m": "am", "re": "are", "ve": "have"}
_APART = re.compile(r"[\s—…]+|(?<!\d)[,;](?=\S)|(?<=\S)[,;](?!\d)")
_NUMBER = re.compile(
    r"(?P<before>[€$£¥₹]?)(?P<number>[-+−]?\d+(?:[.,:’'/–-]\d+)*)(?P<joint>-?)(?P<after>[^\W\d_]+|%|‰|°[CFcf]?|[€$£¥₹])?"
)
_ABBREVIATED = re.compile(r"[^\W\d_](\.[^\W\d_])+")
_WORD = re.compile(r"[^\W\d_]+")
_SEVERAL = re.compile(r"[^\W\d_]+(?:[-/‐‑][^\W\d_]+)+")
_CAMEL = re.compile(r"[^\W\d_]*[a-z][A-Z][^\W\d_]*")


@dataclass(frozen=True, slots=True)
class Token:
    """One word, number, id, sign or picture of a text."""

    kind: Literal["word", "number", "id", "sign", "picture"]
    text: str
    """As it is written, without what surrounds it."""
    initial: bool
    """Whether it begins a sentence, so that a capital letter says nothing."""

    quoted: bool = False
    """Whether it stands in quotation marks or backticks by itself, as names of things do."""

    @property
    def word(self) -> str:
        return self.text.lower()

    @property
    def capital(self) -> bool:
        return self.text[:1].isupper() and self.text != "I"


def plain(text: str) -> str:
    """Return a text in Unicode's composed form with single spaces: what of two texts may differ in any case."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def tokens(text: str) -> tuple[Token, ...]:
    """Return what a text consists of, in its order."""
    return tuple(_tokens(unicodedata.normalize("NFC", text)))


def _tokens(text: str) -> Iterator[Token]:
    initial = True
    for line in text.splitlines():
        initial = True
        for chunk in _APART.split(line):
            if chunk:
                bare = chunk.lstrip(OPENING).rstrip(CLOSING)
                found = _parts(bare, initial or chunk[0] in OPENING)
                yield from (replace(one, quoted=True) for one in found) if _quoted(chunk) else found
                abbreviated = chunk.endswith(".") and len(bare) <= 3  # Dr. Smith
                initial = chunk[-1] in ENDING_A_SENTENCE and not abbreviated


def _quoted(chunk: str) -> bool:
    chunk = chunk.rstrip(".,;:!?")
    return len(chunk) > 2 and chunk[0] in QUOTES and chunk[-1] in QUOTES


def _parts(chunk: str, initial: bool) -> Iterator[Token]:
    if not any(one.isalnum() for one in chunk):
        yield from _signs(chunk, initial)
    elif any(one.isnumeric() for one in chunk):
        yield from _numbers(chunk, initial)
    else:
        yield from _words(chunk, initial)


def _signs(chunk: str, initial: bool) -> Iterator[Token]:
    if len(chunk) == 1 and (unicodedata.category(chunk) == "Sc" or chunk in "%‰°"):
        yield Token("word", chunk, initial)  # a unit, apart from its number
    elif SIGNS & set(chunk) or any(unicodedata.category(one) in ("Sm", "Sc") for one in chunk):
        yield Token("sign", chunk, initial)
    elif any(unicodedata.category(one) == "So" for one in chunk):
        yield Token("picture", chunk, initial)


def _numbers(chunk: str, initial: bool) -> Iterator[Token]:
    """Split `€10`, `10kg` and `10-day`; whatever else holds a digit is an id."""
    found = _NUMBER.fullmatch(chunk)
    if not found or (found["joint"] and not found["after"]):
        yield Token("id", chunk, initial)
        return
    if found["before"]:
        yield Token("word", found["before"], initial)
    yield Token("number", found["number"], initial)
    if found["after"]:
        yield Token("word", found["after"], initial=False)


def _words(chunk: str, initial: bool) -> Iterator[Token]:
    chunk = chunk.replace("’", "'")
    stem, apostrophe, ending = chunk.partition("'")
    if apostrophe and _WORD.fullmatch(stem):
        yield from _contracted(stem, ending, initial)
    elif _SEVERAL.fullmatch(chunk):
        if chunk.lower() == "e-mail":
            chunk = "email"
        for at, part in enumerate(re.split(r"[-/‐‑]", chunk)):
            yield Token("word", part, initial and at == 0)
    elif _CAMEL.fullmatch(chunk) or not (_WORD.fullmatch(chunk) or _ABBREVIATED.fullmatch(chunk)):
        yield Token("id", chunk, initial)
    else:
        yield Token("word", chunk, initial)


def _contracted(stem: str, ending: str, initial: bool) -> Iterator[Token]:
    """Take `don't` for `do not` and `what's` for `what is`, and drop the end of `Acme's`."""
    if ending == "t" and stem.lower().endswith("n"):
        short = stem[:-1]
        yield Token("word", CONTRACTED_BEFORE_NOT.get(short.lower(), short), initial)
        yield Token("word", "not", initial=False)
        return
    yield Token("word", stem, initial)
    if ending == "s" and stem.lower() in BEFORE_IS:
        yield Token("word", "is", initial=False)
    elif ending != "s" and ending:
        yield Token("word", ENDINGS.get(ending, ending), initial=False)
