"""Words that set aside what was said before, and marks that only a chat template writes. Pure."""

import re
from collections.abc import Iterator, Sequence
from functools import cache

from classifiers.resources import read_yaml

TEMPLATE = (
    r"<\|(?:im_start|im_end|system|assistant|user|endoftext|(?:start|end)_header_id|eot_id)\|>|\[/?inst\]|<</?sys>>"
)
"""Marks that divide turns in the templates of open models: no tool writes them, and no person."""
_NEAR = r"[^.!?。！？\n]{0,24}?"


def phrases_in(text: str) -> Iterator[tuple[int, int]]:
    """Yield where such words stand in a text in its one spelling (`normal`)."""
    for verbs, things, pattern in _languages():
        if any([word in text for word in verbs]) and any([word in text for word in things]):
            for found in pattern.finditer(text):
                yield found.start(), found.end()


@cache
def _languages() -> list[tuple[Sequence[str], Sequence[str], re.Pattern[str]]]:
    """Return for each language verbs and things of which one each must stand in a text, and the pattern, a dear one."""
    languages = read_yaml("classifiers.injection", "phrases.yaml").values()
    patterns = [(said["verb"], said["what"], re.compile("|".join(_of_language(said)))) for said in languages]
    return [(("<|", "inst]", "sys>>"), ("",), re.compile(TEMPLATE)), *patterns]


def _of_language(said: dict[str, Sequence[str]]) -> Iterator[str]:
    verb, which, what = (_any(said[part]) for part in ("verb", "which", "what"))
    aside = f"(?:{which}{_NEAR}{what}|{what}{_NEAR}{which})"
    yield verb + _NEAR + aside
    if said.get("verb_last"):
        yield aside + _NEAR + verb


def _any(words: Sequence[str]) -> str:
    """Return what takes one of some words: whole ones where a language divides words by spaces."""
    either = "|".join(map(re.escape, words))
    return rf"\b(?:{either})\b" if words[0][0] < "\u0900" else f"(?:{either})"
