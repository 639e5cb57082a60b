"""Addresses in an answer, wherever a renderer or a chat would follow them, and those that carry something out. Pure.

Images and other sources are asked without anybody's doing; links in a chat are asked for a preview. So all of them are
judged alike: an address whose host is not allowed, and that carries something to it, is a leak.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from classifiers.leaks.addresses import Address, address_of
from classifiers.leaks.spelling import Read, read

_ATTRIBUTE = re.compile(
    r"\b(src|srcset|poster|background|data|href|xlink:href|action|formaction|cite|ping|lowsrc|longdesc|content)"
    r"\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>\"']+))",
    re.IGNORECASE,
)
_STYLE = re.compile(r"url\(\s*['\"]?([^)'\"]+)", re.IGNORECASE)
_INLINE = re.compile(r"\]\(\s*(?:<([^<>\n]*)>|([^\s)<][^\s)]*))")
_DEFINITION = re.compile(r"^[ >]*\[[^\]\n]+\]:\s*(?:<([^<>\n]*)>|(\S+))", re.MULTILINE)
_BARE = re.compile(
    r"(?<![a-z0-9+.-])(?:https?:[^\s<>\"'`|()\[\]]+|mailto:[^\s<>\"'`|()]+|(?:[a-z][a-z0-9+.-]{1,20}:)?[/\\]{2}"
    r"[^\s<>\"'`|()\[\]]+)",
    re.IGNORECASE,
)
_AUTOLINK = re.compile(r"<([a-z][a-z0-9+.-]{1,31}:[^\s<>]*)>", re.IGNORECASE)
_WWW = re.compile(r"\bwww\.[^\s<>\"'`|()\[\]]+", re.IGNORECASE)
_MARKS = ("//", "\\", "http:", "https:", "ws:", "wss:", "ftp:", "mailto:", "www.")
_LAST = ".,;:!?*_~"
"""What stands behind an address in a sentence and is no part of it."""


@dataclass(frozen=True, slots=True)
class Leak:
    """An address that carries something to a host that is not allowed. Places are code points of the text."""

    type: str
    """image, link, reference, html, style or url."""
    start: int
    end: int
    host: str
    carries: tuple[str, ...]


class _Found(NamedTuple):
    type: str
    start: int
    end: int
    written: str


def leaks_in(text: str, allowed: Collection[str] = ()) -> list[Leak]:
    """Return the leaks of a text in their order.

    Args:
        allowed: hosts in ASCII and lower case; `*.example.com` for every host below one.
    """
    as_read = read(text)
    if not _may_ask(as_read.text):
        return []
    leaks: list[Leak] = []
    for one in sorted(_found(as_read), key=lambda one: (one.start, -one.end)):
        address = address_of(one.written)
        if address is not None and _is_leak(address, allowed):
            start, end = as_read.written(one.start, one.end)
            if not leaks or start >= leaks[-1].end:
                leaks.append(Leak(one.type, start, end, address.host, address.carries))
    return leaks


def _may_ask(text: str) -> bool:
    """Tell whether an address of somebody else can stand in a text: most texts have none, and this is soon seen."""
    dense = "".join(text.split()).lower()
    return any(mark in dense for mark in _MARKS)


def _is_leak(address: Address, allowed: Collection[str]) -> bool:
    return bool(address.carries) and not address.is_of(allowed)


def _found(as_read: Read) -> Iterator[_Found]:
    text = as_read.text
    for found in _ATTRIBUTE.finditer(text) if "=" in text else ():
        group = next(number for number in (2, 3, 4) if found[number] is not None)
        yield from _sources(found[1].lower(), found.start(group), found[group])
    for found in _STYLE.finditer(text) if "(" in text else ():
        yield _Found("style", found.start(1), found.end(1), found[1])
    images = _images(text)
    for found in _INLINE.finditer(text):
        yield _pointed("image" if found.start() in images else "link", found)
    for found in _DEFINITION.finditer(text):
        yield _pointed("reference", found)
    for found in _AUTOLINK.finditer(text):
        yield _Found("url", found.start(1), found.end(1), found[1])
    for pattern, before in ((_BARE, ""), (_WWW, "//")):
        for found in pattern.finditer(text):
            written = found[0].rstrip(_LAST)
            yield _Found("url", found.start(), found.start() + len(written), before + written)


def _sources(attribute: str, start: int, value: str) -> Iterator[_Found]:
    """Yield the addresses of an attribute: several stand in a `srcset`."""
    if attribute != "srcset":
        yield _Found("html", start, start + len(value), value)
        return
    for found in re.finditer(r"[^\s,][^\s]*", value):
        yield _Found("html", start + found.start(), start + found.end(), found[0].rstrip(","))


def _pointed(kind: str, found: re.Match[str]) -> _Found:
    group = 1 if found[1] is not None else 2
    return _Found(kind, found.start(group), found.end(group), found[group])


def _images(text: str) -> set[int]:
    """Return where brackets close that were opened behind an exclamation mark."""
    opened: list[int] = []
    images: set[int] = set()
    for bracket in re.finditer(r"[\[\]]", text):
        if bracket[0] == "[":
            opened.append(bracket.start())
        elif opened and (at := opened.pop()) and text[at - 1] == "!":
            images.add(bracket.start())
    return images
