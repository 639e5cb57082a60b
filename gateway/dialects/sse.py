"""Server-sent events: byte streams cut into events, without I/O.

Events keep their raw bytes, so that what is forwarded is what was received. What cannot be read as an event with a
JSON object is marked as unreadable: some client may read it all the same, so no check can pass over it.
Source: the WHATWG HTML standard, section 9.2, read 2026-11-23.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import orjson

from gateway.dialects.strict import loaded, says_twice

# Two line ends in a row, of any of the three kinds; a lone CR LF is one.
_BOUNDARY = re.compile(rb"\r\n(?:\r\n|\n|\r)|\n(?:\r\n|\n|\r)|\r(?!\n)(?:\r\n|\n|\r)")
_FIELDS = frozenset({b"data", b"event", b"id", b"retry"})
PLAIN = re.compile(rb"[ !#-\[\]-~]*")
"""Characters that stand in a JSON text as they are: printable ASCII but the quotation mark and the backslash."""
BOM = b"\xef\xbb\xbf"
MAX_EVENT = 8 * 1024 * 1024


class EventTooLarge(Exception):
    """A server-sent event that has no end within `MAX_EVENT` bytes."""


class Event(NamedTuple):
    """One server-sent event: its raw bytes, the JSON object it carries if any, and what else it is."""

    raw: bytes
    value: dict[str, Any] | None = None
    done: bool = False
    """It is `[DONE]`."""
    error: bool = False
    """It is marked as an error by its fields."""
    unreadable: str = ""
    """Why it cannot be read; empty when it can."""
    again: bool = False
    """It says what an event before it said, with another piece of text, and nothing else; so may several in a row."""
    name: str = ""
    """What its `event:` line says."""


Text = tuple[bytes, bytes]
"""The member in which a text stands, and the text in UTF-8."""


class EventReader:
    """Cuts a byte stream into events. Handles CR, LF and CRLF, multi-line data, comments, any chunking."""

    def __init__(self, text_of: Callable[[dict[str, Any]], Text | None]) -> None:
        """`text_of` gives the text of an event that says nothing else, of one that does None."""
        self._text_of = text_of
        self._rest = b""
        self._first = True
        self._form = (b"", b"", b"")
        """What stands before, between and after the texts of an event that carries nothing else; empty until one came.
        The second text is OpenAI's padding against those who measure the size of packets (`obfuscation`)."""

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that `data` completes.

        Raises:
            EventTooLarge: an event has no end within `MAX_EVENT` bytes. Those before it were returned.
        """
        if len(self._rest) > MAX_EVENT:
            raise EventTooLarge
        text = self._rest + data
        if b"\r" in text:
            events = self._with_returns(text)
        else:
            *whole, self._rest = text.split(b"\n\n")
            events = self._events(whole)
        if not events and len(self._rest) > MAX_EVENT:
            raise EventTooLarge
        return events

    def _with_returns(self, text: bytes) -> list[Event]:
        events, start = [], 0
        for match in _BOUNDARY.finditer(text):
            if match.end() == len(text) and match.group().endswith(b"\r"):
                break  # may be the first half of a CR LF; wait for more
            events.append(self._event(text[start : match.end()]))
            start = match.end()
        self._rest = text[start:]
        return events

    def finish(self) -> list[Event]:
        """Return what is left when the stream ends without a final blank line."""
        raw, self._rest = self._rest, b""
        return [self._event(raw)] if raw else []

    def _events(self, whole: Iterable[bytes]) -> list[Event]:
        """Return events by their texts without the blank line. Those that are known again in a row come as one."""
        events: list[Event] = []
        known: list[bytes] = []
        for one in whole:
            if self._is_known(one):
                known.append(one)
                continue
            if known:
                events.append(_joined(known))
                known = []
            events.append(self._event(one + b"\n\n"))
        return [*events, _joined(known)] if known else events

    def _is_known(self, raw: bytes) -> bool:
        """Tell whether an event differs from one already read in its text only: most of a stream are such."""
        before, between, after = self._form
        if not before or not raw.startswith(before) or not raw.endswith(after) or len(raw) < len(before) + len(after):
            return False  # one quotation mark cannot be both the first and the last
        text = raw[len(before) : len(raw) - len(after)]
        if between:
            text, found, padding = text.partition(between)
            text = text + padding if found else b'"'
        return PLAIN.fullmatch(text) is not None

    def _event(self, raw: bytes) -> Event:
        if self._first:
            self._first = False
            return read_event(raw.removeprefix(BOM))._replace(raw=raw)
        event = read_event(raw)
        text = self._text_of(event.value) if event.value is not None else None
        if text and text[1] and PLAIN.fullmatch(text[1]):
            self._form = _form_of(raw.removesuffix(b"\n\n"), *text)
        return event


def _joined(known: list[bytes]) -> Event:
    return Event(b"\n\n".join([*known, b""]), again=True)


def _form_of(raw: bytes, member: bytes, text: bytes) -> tuple[bytes, bytes, bytes]:
    """Return what stands around the texts of an event that says nothing else; empty where that is not plain."""
    before, found, after = raw.partition(b'"%b":"%b"' % (member, text))
    if not found or b'"%b":' % member in before + after:
        return b"", b"", b""
    between, padded, rest = after.partition(b'"obfuscation":"')
    if not padded:
        return before + b'"%b":"' % member, b"", b'"' + after
    return before + b'"%b":"' % member, b'"' + between + padded, rest[rest.find(b'"') :]


def read_event(raw: bytes) -> Event:
    """Read one event, with or without the blank line at its end."""
    if raw.startswith(b"data: ") and raw.find(b"\n") == len(raw) - 2 and b"\r" not in raw:  # as nearly all are
        return _with_data(raw, raw[6:-2])
    texts: list[bytes] = []
    error, named = False, b""
    for line in raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
        name, _, value = line.partition(b":")
        if name == b"data":
            texts.append(value.removeprefix(b" "))
        elif name == b"error":  # llama.cpp, before its errors were events
            return Event(raw, {"error": _object(value) or "no words"}, error=True)
        elif name and name not in _FIELDS:
            body = _object(raw)
            if body and body.get("error") and not body.get("choices"):
                return Event(raw, body, error=True)
            return Event(raw, unreadable="it is no server-sent event")
        elif name == b"event":
            named = value.strip()
            error = error or named == b"error"
    if len(texts) > 1 and any(one.strip() == b"[DONE]" or _object(one) is not None for one in texts):
        return Event(raw, error=error, unreadable="one line of its data is an event to clients that read line by line")
    return _with_data(raw, b"\n".join(texts), error=error, name=named.decode("utf-8", "replace"))


def _with_data(raw: bytes, text: bytes, *, error: bool = False, name: str = "") -> Event:
    if text == b"[DONE]":
        return Event(raw, done=True, error=error)
    try:
        value = loaded(text)
    except orjson.JSONDecodeError:
        stripped = text.strip()
        if not stripped or stripped == b"[DONE]":
            return Event(raw, done=bool(stripped), error=error)
        return Event(raw, error=error, unreadable="its data is not JSON")
    if not isinstance(value, dict):
        return Event(raw, error=error, unreadable="its data is not a JSON object")
    if says_twice(text, value):
        return Event(raw, error=error, unreadable="a member stands in it twice")
    return Event(raw, value, False, error, name=name)


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        value = loaded(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
