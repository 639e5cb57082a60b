"""The beginning of an answer, looked at before its target is settled: an error inside it, or nothing, is no answer.

Until something was passed on, another target can still serve the call.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

import orjson

from gateway.dialects.openai_wire import Event, EventReader, EventTooLarge
from gateway.pipeline.ports import UpstreamAnswer, UpstreamError

MAX_SAID = 300
"""Characters of a provider's message that are passed on."""


class Begun:
    """An answer whose beginning was read; it reads on as it came. Meets `UpstreamAnswer`."""

    def __init__(self, answer: UpstreamAnswer) -> None:
        self._answer, self._chunks = answer, answer.chunks()
        self.status: int = answer.status
        self.headers: Mapping[str, str] = answer.headers
        self._taken: list[bytes] = []
        self._body: bytes | None = None
        self._error: UpstreamError | None = None

    async def look_at_whole(self) -> Any:
        """Read the answer; return the error that it is instead, `EMPTY` where there is none of it, or None."""
        try:
            self._body = await self._answer.read()
        except UpstreamError as error:
            self._error = error
            return None
        if b'"choices"' in self._body:
            return None
        return error_in(self._body) if self._body.strip() else EMPTY

    async def look_at_stream(self) -> Any:
        """Read up to the first event; return the error that it is, `EMPTY` if there is none, or None."""
        reader = EventReader()
        try:
            async for chunk in self._chunks:
                self._taken.append(chunk)
                for event in reader.feed(chunk):
                    if _says_something(event):
                        return _error_of(event)
            last = next(filter(_says_something, reader.finish()), None)
        except UpstreamError as error:
            self._error = error
            return None
        except EventTooLarge:
            return None  # whoever reads on finds it too
        return EMPTY if last is None or last.done else _error_of(last)

    async def read(self) -> bytes:
        if self._error is not None:
            raise self._error
        if self._body is None:
            raise RuntimeError("read() before look_at_whole()")
        return self._body

    async def chunks(self) -> AsyncIterator[bytes]:
        for chunk in self._taken:
            yield chunk
        if self._error is not None:
            raise self._error
        async for chunk in self._chunks:
            yield chunk

    def close(self) -> None:
        self._answer.close()

    def redacted(self, text: bytes) -> bytes:
        return self._answer.redacted(text)


EMPTY: dict[str, Any] = {"message": "an empty answer"}


def error_in(body: bytes) -> Any:
    """Return what a body says went wrong; None where it is no error."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value.get("error") if isinstance(value, dict) and not value.get("choices") else None


def _says_something(event: Event) -> bool:
    return event.value is not None or event.done or event.error or bool(event.unreadable)


def _error_of(event: Event) -> Any:
    if event.done:
        return EMPTY
    value = event.value or {}
    if event.error or (value.get("error") and not value.get("choices")):
        return value.get("error") or value or True
    return None


class Said(NamedTuple):
    """What a provider said went wrong: a word that programs read, and a sentence."""

    code: str | None
    message: str


def said_in(error: Any) -> Said:
    """Return the words of an error object, in any of the forms in which providers write it."""
    if isinstance(error, list) and error:
        error = error[0]
    if isinstance(error, dict) and isinstance(inner := error.get("error"), dict | str):
        error = inner
    if not isinstance(error, dict):
        return Said(None, str(error)[:MAX_SAID] if isinstance(error, str) else "")
    texts = (error.get(name) for name in ("message", "detail", "msg"))
    message = next((one for one in texts if isinstance(one, str) and one), "")
    words = (error.get(name) for name in ("code", "type", "status"))
    code = next((one for one in words if isinstance(one, str) and one), None)
    return Said(code, " ".join(message.split())[:MAX_SAID])


def said_by(body: bytes) -> Said:
    """Return the words of the body of an error status; of one that is no JSON its beginning, unless it is a page."""
    try:
        return said_in(orjson.loads(body))
    except orjson.JSONDecodeError:
        text = " ".join(body[: 4 * MAX_SAID].decode("utf-8", "replace").split())
        return Said(None, "" if text.startswith("<") else text[:MAX_SAID])
