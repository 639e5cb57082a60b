"""The beginning of an answer, looked at before its target is settled: an error inside it, or nothing, is no answer.

Until something was passed on, another target can still serve the call.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from gateway.dialects.envelope import EMPTY
from gateway.dialects.protocol import Dialect
from gateway.dialects.sse import Event, EventReader, EventTooLarge
from gateway.errors import UpstreamError
from gateway.minimisation.restoring import Restorer
from gateway.pipeline.ports import UpstreamAnswer


class Begun:
    """An answer whose beginning was read; it reads on as it came."""

    def __init__(self, answer: UpstreamAnswer, dialect: Dialect, restorer: Restorer | None = None) -> None:
        """`restorer`: puts back what was replaced in the request, before anybody reads the answer."""
        self._answer, self._dialect, self._restorer = answer, dialect, restorer
        self._events = _events_of(answer, dialect.reader())
        self.headers: Mapping[str, str] = answer.headers
        self._taken: list[list[Event]] = []
        self._body: bytes | None = None
        self.greeted = False
        """It said that the provider has begun, whose work may be billed."""
        self._error: UpstreamError | EventTooLarge | None = None

    async def look_at_whole(self) -> Any:
        """Read the answer; return the error that it is instead, `EMPTY` where there is none of it, or None."""
        try:
            self._body = await self._answer.read()
        except UpstreamError as error:
            self._error = error
            return None
        return self._dialect.error_in(self._body)

    async def look_at_stream(self) -> Any:
        """Read up to the first event; return the error that it is, `EMPTY` if there is none, or None."""
        last: Event | None = None
        try:
            async for events in self._events:
                self._taken.append(events)
                last = next(filter(self._says_something, events), None)
                if last is not None:
                    break
        except (UpstreamError, EventTooLarge) as error:
            self._error = error
            return None
        return EMPTY if last is None else self._dialect.error_of(last)

    async def read(self) -> bytes:
        """Return the whole body. Raises `UpstreamError`."""
        if isinstance(self._error, UpstreamError):
            raise self._error
        if self._body is None:
            raise RuntimeError("read() before look_at_whole()")
        return self._restorer.whole(self._body) if self._restorer else self._body

    async def batches(self) -> AsyncIterator[list[Event]]:
        """Yield the events as they arrive, those of one read together. Raises `UpstreamError`, `EventTooLarge`."""
        if self._restorer is None:
            async for events in self._read():
                yield events
            return
        broken: UpstreamError | EventTooLarge | None = None
        try:
            async for events in self._read():
                yield self._restorer.events(events)
        except (UpstreamError, EventTooLarge) as error:
            broken = error
        yield self._restorer.rest()
        if broken is not None:
            raise broken

    async def _read(self) -> AsyncIterator[list[Event]]:
        for events in self._taken:
            yield events
        if self._error is not None:
            raise self._error
        async for events in self._events:
            yield events

    def _says_something(self, event: Event) -> bool:
        told = event.value is not None or event.done or event.error or bool(event.unreadable)
        greets = told and self._dialect.is_greeting(event)
        self.greeted = self.greeted or greets
        return told and not greets

    def close(self) -> None:
        self._answer.close()


async def _events_of(answer: UpstreamAnswer, reader: EventReader) -> AsyncIterator[list[Event]]:
    async for chunk in answer.chunks():
        yield reader.feed(chunk)
    if rest := reader.finish():
        yield rest
