"""Answers that count the tokens of a request: providers bill nothing for them."""

from typing import Any

from gateway.dialects.protocol import Called, Unreadable
from gateway.dialects.reading import answer_in
from gateway.dialects.sse import Event
from gateway.pricing.money import Reported, Usage


class CountTranscript:
    """What an answer says that is one number. There is no stream of it."""

    response_id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    finish: str | None = None
    error: Any = None
    called = 0
    finished = False

    def __init__(self, member: str) -> None:
        """`member`: in which the number stands."""
        self._member = member

    def see_whole(self, body: bytes) -> None:
        if self._member not in answer_in(body):
            raise Unreadable(f"the answer has no {self._member}")

    def see(self, event: Event) -> bool:
        raise Unreadable("a count came as a stream")

    def see_end(self) -> None:
        """There is no stream."""

    def tool_calls(self) -> list[Called]:
        return []

    def reported(self) -> Reported | None:
        """Nothing is billed: what the number counts would be, if it were sent."""
        return Reported(Usage())

    def raw_usage(self) -> str | None:
        return None
