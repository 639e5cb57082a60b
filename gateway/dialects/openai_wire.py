"""The OpenAI chat-completions wire format: requests rewritten, byte streams cut into events, without I/O.

Events keep their raw bytes, so that what is forwarded is what was received. What cannot be read as an event with a
JSON object is marked as unreadable: some client may read it all the same, so no check can pass over it.
Source: the types of openai 3.54.0 and the vendor's API reference, read 2026-11-23; the WHATWG HTML standard, section
9.2, for events.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

# Two line ends in a row, of any of the three kinds; a lone CR LF is one.
_BOUNDARY = re.compile(rb"\r\n(?:\r\n|\n|\r)|\n(?:\r\n|\n|\r)|\r(?!\n)(?:\r\n|\n|\r)")
_LIMITS = ("max_completion_tokens", "max_tokens")
_FIELDS = frozenset({b"data", b"event", b"id", b"retry"})
_COMMON = frozenset(
    {"id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier", "provider"}
    | {"timings", "obfuscation"}
)
"""What an event may hold and still say nothing but the usage."""
_PLAIN = re.compile(rb"[ !#-\[\]-~]*")
"""Characters that stand in a JSON text as they are: printable ASCII but the quotation mark and the backslash."""
BOM = b"\xef\xbb\xbf"
MAX_EVENT = 8 * 1024 * 1024


class EventTooLarge(Exception):
    """A server-sent event that has no end within `MAX_EVENT` bytes."""


def rewrite(request: Mapping[str, Any], *, model: str, limit_field: str, limit: int, asks_usage: bool = True) -> bytes:
    """Return the body to send upstream: the client's, with the model, the output limit, and usage asked for.

    The limit is always written, in the field that this provider reads and in no other: what was reserved rests on it.
    """
    body = {name: value for name, value in request.items() if name not in _LIMITS}
    body["model"] = model
    body[limit_field] = limit
    if not asks_usage:
        body.pop("stream_options", None)
    elif body.get("stream"):
        options = body.get("stream_options")
        body["stream_options"] = {**(options if isinstance(options, dict) else {}), "include_usage": True}
    return orjson.dumps(body)


def wants_usage(request: Mapping[str, Any]) -> bool:
    """Tell whether the client itself asked for the usage chunk of a stream."""
    options = request.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


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
    """It says what an event before it said, with another piece of text, and nothing else."""


class EventReader:
    """Cuts a byte stream into events. Handles CR, LF and CRLF, multi-line data, comments, any chunking."""

    def __init__(self) -> None:
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
            events = [self._again(one) or self._event(one + b"\n\n") for one in whole]
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

    def _again(self, raw: bytes) -> Event | None:
        """Recognise an event that differs from one already read in its text only: most of a stream are such."""
        before, between, after = self._form
        if not before or not raw.startswith(before) or not raw.endswith(after):
            return None
        text = raw[len(before) : len(raw) - len(after)]
        if between:
            text, found, padding = text.partition(between)
            text = text + padding if found else b'"'
        return Event(raw + b"\n\n", again=True) if _PLAIN.fullmatch(text) else None

    def _event(self, raw: bytes) -> Event:
        if self._first:
            self._first = False
            return read_event(raw.removeprefix(BOM))._replace(raw=raw)
        event = read_event(raw)
        if text := _only_text(event.value):
            self._form = _form_of(raw.removesuffix(b"\n\n"), text)
        return event


def _form_of(raw: bytes, text: bytes) -> tuple[bytes, bytes, bytes]:
    """Return what stands around the texts of an event that says nothing else; empty where that is not plain."""
    before, found, after = raw.partition(b'"content":"%b"' % text)
    if not found or b'"content":' in before + after:
        return b"", b"", b""
    between, padded, rest = after.partition(b'"obfuscation":"')
    if not padded:
        return before + b'"content":"', b"", b'"' + after
    return before + b'"content":"', b'"' + between + padded, rest[rest.find(b'"') :]


def _only_text(value: dict[str, Any] | None) -> bytes:
    """Return the text of an event that says nothing else, if no character of it needs an escape."""
    if value is None or not value.keys() <= _COMMON or value.get("usage") is not None:
        return b""
    if not isinstance(padding := value.get("obfuscation", ""), str) or not _PLAIN.fullmatch(padding.encode()):
        return b""
    choices = value.get("choices")
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choice := choices[0], dict):
        return b""
    delta = choice.get("delta")
    if not choice.keys() <= _OF_EMPTY or choice.get("finish_reason") is not None or not isinstance(delta, dict):
        return b""
    text = delta.get("content") if delta.keys() <= {"content", "role"} else None
    encoded = text.encode() if isinstance(text, str) else b""
    return encoded if _PLAIN.fullmatch(encoded) else b""


def read_event(raw: bytes) -> Event:
    """Read one event, with or without the blank line at its end."""
    if raw.startswith(b"data: ") and raw.find(b"\n") == len(raw) - 2 and b"\r" not in raw:  # as nearly all are
        return _with_data(raw, raw[6:-2])
    texts: list[bytes] = []
    error = False
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
        error = error or (name == b"event" and value.strip() == b"error")
    return _with_data(raw, b"\n".join(texts), error=error)


def _with_data(raw: bytes, text: bytes, *, error: bool = False) -> Event:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        stripped = text.strip()
        if not stripped or stripped == b"[DONE]":
            return Event(raw, done=bool(stripped), error=error)
        return Event(raw, error=error, unreadable="its data is not JSON")
    if not isinstance(value, dict):
        return Event(raw, error=error, unreadable="its data is not a JSON object")
    return Event(raw, value, False, error)


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def is_usage_only(event: Event) -> bool:
    """Tell whether this event exists because usage was asked for, and says nothing else."""
    value = event.value
    if value is None or not isinstance(value.get("usage"), dict) or not value.keys() <= _COMMON:
        return False
    choices = value.get("choices")
    return not choices or (isinstance(choices, list) and all(map(_is_empty, choices)))


def _is_empty(choice: Any) -> bool:
    """Tell whether a choice adds nothing: no finish, and a delta of empty members and a role."""
    if not isinstance(choice, dict) or choice.get("finish_reason") or not choice.keys() <= _OF_EMPTY:
        return False
    delta = choice.get("delta") or {}
    return isinstance(delta, dict) and not any(value for name, value in delta.items() if name != "role")


_OF_EMPTY = frozenset({"index", "delta", "finish_reason", "native_finish_reason", "logprobs"})
