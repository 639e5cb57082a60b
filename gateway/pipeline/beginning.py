"""The beginning of an answer, looked at before its target is settled: an error inside it, or nothing, is no answer.

Until something was passed on, another target can still serve the call.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from gateway.dialects.openai_error import EMPTY, error_in, error_of
from gateway.dialects.openai_wire import Event, EventReader, EventTooLarge
from gateway.pipeline.ports import UpstreamAnswer, UpstreamError


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
        return error_in(self._body)

    async def look_at_stream(self) -> Any:
        """Read up to the first event; return the error that it is, `EMPTY` if there is none, or None."""
        reader = EventReader()
        try:
            async for chunk in self._chunks:
                self._taken.append(chunk)
                for event in reader.feed(chunk):
                    if _says_something(event):
                        return error_of(event)
            last = next(filter(_says_something, reader.finish()), None)
        except UpstreamError as error:
            self._error = error
            return None
        except EventTooLarge:
            return None  # whoever reads on finds it too
        return EMPTY if last is None or last.done else error_of(last)

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


def _says_something(event: Event) -> bool:
    return event.value is not None or event.done or event.error or bool(event.unreadable)
