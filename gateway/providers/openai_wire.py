"""The OpenAI chat-completions wire format, read and rewritten without I/O.

Events are cut from the byte stream with their raw bytes kept, so that what is forwarded is what was received. A
parse fault never breaks the pass-through: an event that is not JSON is forwarded and counts as carrying nothing.
Source: the types of openai 3.54.0 and the vendor's API reference, read 2026-11-23.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

import orjson

from gateway.economics.money import Usage

# Two line ends in a row, of any of the three kinds; a lone CR LF is one.
_BOUNDARY = re.compile(rb"\r\n(?:\r\n|\n|\r)|\n(?:\r\n|\n|\r)|\r(?!\n)(?:\r\n|\n|\r)")
_LIMITS = ("max_completion_tokens", "max_tokens")
MAX_EVENT = 8 * 1024 * 1024


class EventTooLarge(Exception):
    """A server-sent event that has no end within `MAX_EVENT` bytes."""


def rewrite(request: Mapping[str, Any], *, model: str, limit_field: str, limit: int) -> bytes:
    """Return the body to send upstream: the client's, with the model, the output limit, and usage asked for.

    The limit is always written, in the field that this provider reads and in no other: what was reserved rests on it.
    """
    body = {name: value for name, value in request.items() if name not in _LIMITS}
    body["model"] = model
    body[limit_field] = limit
    if body.get("stream"):
        options = body.get("stream_options")
        body["stream_options"] = {**(options if isinstance(options, dict) else {}), "include_usage": True}
    return orjson.dumps(body)


def wants_usage(request: Mapping[str, Any]) -> bool:
    """Tell whether the client itself asked for the usage chunk of a stream."""
    options = request.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def usage_of(value: Any) -> Usage | None:
    """Return the disjoint usage of a `usage` object, or None when it is absent or malformed: missing is not zero."""
    if not isinstance(value, dict):
        return None
    prompt, output, total = value.get("prompt_tokens"), value.get("completion_tokens"), value.get("total_tokens")
    if not _count(prompt) or not _count(output):
        return None
    if _count(total):
        output = max(output, total - prompt)  # some count reasoning in the total only
    cached, written = _details(value.get("prompt_tokens_details"), "cached_tokens", "cache_write_tokens")
    from_cache = min(cached, prompt) if _count(cached) else 0
    to_cache = min(written, prompt - from_cache) if _count(written) else 0
    (reasoning,) = _details(value.get("completion_tokens_details"), "reasoning_tokens")
    return Usage(
        input=prompt - from_cache - to_cache,
        cached=from_cache,
        cache_write=to_cache,
        output=output,
        reasoning=reasoning if _count(reasoning) else 0,
    )


def _details(value: Any, *names: str) -> list[Any]:
    return [value.get(name) if isinstance(value, dict) else None for name in names]


def _count(value: Any) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < 10**8


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event: its raw bytes, the JSON it carries if any, and whether it is `[DONE]`."""

    raw: bytes
    value: dict[str, Any] | None
    done: bool


class EventReader:
    """Cuts a byte stream into events. Handles CR, LF and CRLF, multi-line data, comments, any chunking."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Event]:
        """Yield the events that `data` completes."""
        self._rest += data
        start = 0
        for match in _BOUNDARY.finditer(self._rest):
            if match.end() == len(self._rest) and match.group().endswith(b"\r"):
                break  # may be the first half of a CR LF; wait for more
            yield read_event(self._rest[start : match.end()])
            start = match.end()
        self._rest = self._rest[start:]
        if len(self._rest) > MAX_EVENT:
            raise EventTooLarge

    def finish(self) -> Iterator[Event]:
        """Yield what is left when the stream ends without a final blank line."""
        if self._rest:
            yield self._flush()

    def _flush(self) -> Event:
        raw, self._rest = self._rest, b""
        return read_event(raw)


def read_event(raw: bytes) -> Event:
    lines = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    text = b"\n".join(line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:"))
    if text.strip() == b"[DONE]":
        return Event(raw, None, done=True)
    try:
        value = orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        value = None
    return Event(raw, value if isinstance(value, dict) else None, done=False)


class Transcript:
    """What an answer, whole or streamed, has said so far."""

    def __init__(self, choices: int = 1) -> None:
        """Args: choices: how many answers were asked for (`n`); a stream is finished when each has its end."""
        self._choices = choices
        self._finished_choices: set[int] = set()
        self.response_id: str | None = None
        self.finish: str | None = None
        self.usage: Usage | None = None
        self.error: bool = False
        self.finished: bool = False
        """Every choice of the stream has its finish reason."""
        self._calls: dict[tuple[int, int, int], list[str]] = {}
        self._ids: dict[tuple[int, int], tuple[int, str]] = {}

    def see_whole(self, body: bytes) -> bool:
        """Read a non-streamed answer; returns False when it is not a chat completion."""
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            return False
        if not isinstance(value, dict) or not isinstance(value.get("choices"), list):
            return False
        self._header(value)
        for position, choice in enumerate(value["choices"]):
            if isinstance(choice, dict):
                self._finish(choice.get("finish_reason"))
                self._tool_calls(position, choice.get("message"), whole=True)
        self.finished = True
        return True

    def see(self, event: Event) -> bool:
        """Read one event of a stream; returns True when it carries a finish marker or comes after one."""
        value = event.value
        if event.done:
            self.finished = True
        if value is None:
            return self.finished
        if value.get("error"):
            self.error = True
            return True
        self._header(value)
        choices = value.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, dict):
                continue
            index = choice.get("index")
            number = index if _count(index) else 0
            self._tool_calls(number, choice.get("delta"))
            if choice.get("finish_reason"):
                self._finish(choice["finish_reason"])
                self._finished_choices.add(number)
                self.finished = self.finished or len(self._finished_choices) >= self._choices
        return self.finished or self.finish is not None

    def tool_calls(self) -> list[tuple[str, str]]:
        """Return (name, arguments) of each tool call in order."""
        return [(name, arguments) for _, (name, arguments) in sorted(self._calls.items())]

    def _header(self, value: dict[str, Any]) -> None:
        if isinstance(value.get("id"), str) and value["id"]:
            self.response_id = value["id"]
        self.usage = usage_of(value.get("usage")) or self.usage

    def _finish(self, reason: Any) -> None:
        if isinstance(reason, str):
            self.finish = reason

    def _tool_calls(self, choice: int, message: Any, *, whole: bool = False) -> None:
        if not isinstance(message, dict):
            return
        calls = message.get("tool_calls")
        for position, call in enumerate(calls if isinstance(calls, list) else ()):
            if isinstance(call, dict):
                index = position if whole or not _count(call.get("index")) else call["index"]
                turn = 0 if whole else self._turn(choice, index, call.get("id"))
                self._piece((choice, index, turn), call.get("function") or call.get("custom"))
        if isinstance(message.get("function_call"), dict):  # the deprecated single call
            self._piece((choice, 1000, 0), message["function_call"])

    def _turn(self, choice: int, index: int, identifier: Any) -> int:
        """Some servers number all parallel calls 0: another id at the same index is another call."""
        turn, known = self._ids.get((choice, index), (0, ""))
        if isinstance(identifier, str) and identifier and identifier != known:
            turn, known = turn + bool(known), identifier
        self._ids[choice, index] = (turn, known)
        return turn

    def _piece(self, place: tuple[int, int, int], function: Any) -> None:
        if not isinstance(function, dict):
            return
        call = self._calls.setdefault(place, ["", ""])
        for slot, names in ((0, ("name",)), (1, ("arguments", "input"))):
            for name in names:
                piece = function.get(name)
                if isinstance(piece, str):
                    call[slot] += piece
                elif piece is not None:
                    call[slot] += repr(piece)  # not the format, and kept as what it is


def is_usage_only(event: Event) -> bool:
    """Tell whether this is the extra last chunk that exists because usage was asked for."""
    return event.value is not None and event.value.get("choices") == [] and "usage" in event.value
