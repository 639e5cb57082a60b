"""The texts of documents in one catalogue, and translations of it: a file each, taken when a template is read.

A text is what stands between two tags or blocks of a template, or a string of several words inside an expression.
`{{ ... }}` inside a text are places for values; a translation keeps each of them. Texts that a translation leaves out
stay English, and so do sentences of law, of people and of the why answer.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

_APART = re.compile(r"""<style>.*?</style>|\{%.*?%\}|\{\#.*?\#\}|<(?:[^<>"']|"[^"]*"|'[^']*')*>""", re.DOTALL)
_PLACE = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_LITERAL = re.compile(r'"([^"]*)"')
_MARKS = re.compile(r'[{}<>"\\]')
_WORD = re.compile(r"[A-Za-z]{2}")
PACKAGE, TEMPLATES = "reports.pack", ("pack.html.j2", "brief.html.j2")


class TranslationInvalid(Exception):
    """The file is no translation of this catalogue; the message names the text and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Translation:
    """A translation. `language` is a BCP 47 tag; `said`, printed in front, tells who confirmed it, if anybody did."""

    language: str = "en"
    texts: Mapping[str, str] = field(default_factory=dict)
    said: str = ""

    def apply(self, source: str) -> str:
        """Return a template with the texts that this translation has."""
        done, at = [], 0
        for start, end, text in spans(source):
            done += [source[at:start], self.texts.get(text, text)]
            at = end
        return "".join(done) + source[at:]

    def of(self, value: Any) -> Any:
        """Return fixed words, in whatever lists and mappings they stand, as this translation has them."""
        if isinstance(value, str):
            return self.texts.get(value, value)
        if isinstance(value, Mapping):
            return {name: self.of(one) for name, one in value.items()}
        return [self.of(one) for one in value] if isinstance(value, list | tuple) else value


ENGLISH = Translation()


def spans(source: str) -> Iterator[tuple[int, int, str]]:
    """Yield where the texts of a template stand, in order, without overlap."""
    at = 0
    for apart in (*_APART.finditer(source), None):
        end = apart.start() if apart else len(source)
        yield from _texts(source, at, end)
        if apart and not apart[0].startswith("<style"):
            yield from _literals(apart[0], apart.start())
        at = apart.end() if apart else end


def _texts(source: str, start: int, end: int) -> Iterator[tuple[int, int, str]]:
    whole = source[start:end]
    text = whole.strip()
    low = start + whole.find(text)
    if _WORD.search(_PLACE.sub("", text)):
        yield low, low + len(text), text
        return
    yield from _literals(whole, start)


def _literals(piece: str, start: int) -> Iterator[tuple[int, int, str]]:
    for place in _PLACE.finditer(piece):
        for one in _LITERAL.finditer(place[0]):
            if " " in one[1].strip() and _WORD.search(one[1]):
                low = start + place.start() + one.start(1)
                yield low, low + len(one[1]), one[1]


def catalogue(fixed: Any) -> list[str]:
    """Return all texts: those of the templates in their order, then the fixed words."""
    found: dict[str, None] = {}
    for name in TEMPLATES:
        source = files(PACKAGE).joinpath("templates", name).read_text("utf-8")
        found |= dict.fromkeys(text for _, _, text in spans(source))
    return list(found | dict.fromkeys(_strings(fixed)))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _strings(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _strings(one)


def read_translation(document: Any, known: list[str]) -> Translation:
    """Return the translation of a file.

    Raises:
        TranslationInvalid: not of the form, a text that the catalogue does not have, a place that is not kept, markup.
    """
    if (
        not isinstance(document, dict)
        or set(document) != {"language", "texts"}
        or not isinstance(document["texts"], dict)
    ):
        raise TranslationInvalid("a translation has `language` and `texts`: English text to translated text")
    if not re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*", str(document["language"])):
        raise TranslationInvalid(f"{document['language']!r} is no language tag such as de")
    texts = {english: said for english, said in document["texts"].items() if said}
    for english, said in texts.items():
        _require_same_places(english, said, known)
    return Translation(str(document["language"]), texts)


def _require_same_places(english: str, said: Any, known: list[str]) -> None:
    if english not in known:
        raise TranslationInvalid(f"no text of this version: {english[:80]!r}")
    if not isinstance(said, str) or Counter(_PLACE.findall(english)) != Counter(_PLACE.findall(said)):
        raise TranslationInvalid(f"keeps not each {{{{ ... }}}} as it is: {english[:80]!r}")
    apart, own = _PLACE.sub("", said), _PLACE.sub("", english)
    if Counter(_MARKS.findall(apart)) - Counter(_MARKS.findall(own)):
        raise TranslationInvalid(f"has markup or quotation marks that the text does not have: {english[:80]!r}")
