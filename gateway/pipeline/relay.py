"""Stages 9 and 10 of 10: forward the answer, hold its end, close the call.

A whole answer is read, checked, closed, and only then sent. A stream is forwarded event by event; whatever may end the
whole answer is held until `call.closed` is durable. However the relay ends, exactly one close is handed to
the writer: by `end` on the ordinary paths, by `abandon` when the task is cancelled, without awaiting anything.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import NamedTuple

from gateway.configuration.model import Workflow
from gateway.dialects.openai_answer import Transcript, Unreadable
from gateway.dialects.openai_error import as_error
from gateway.dialects.openai_wire import Event, EventReader, EventTooLarge, is_usage_only, wants_usage
from gateway.dialects.words import decoded
from gateway.errors import AnswerWithheld, EvidenceLost, UpstreamFailed
from gateway.pipeline.attempt import Tries, first_answer
from gateway.pipeline.call import Call, Check, Opened, Outcome, Plan, Principal, Target, ToolCall
from gateway.pipeline.charge import charge
from gateway.pipeline.grants import Grants, grants_of
from gateway.pipeline.open import Record
from gateway.pipeline.ports import Cached, Ports, UpstreamAnswer, UpstreamError
from gateway.pipeline.repeats import digest_of
from gateway.pipeline.screen import output_format
from gateway.pipeline.settle import close_unit
from ledger.entry import format_time
from ledger.errors import LedgerError
from ledger.unit import Written

DRAIN_SECONDS = 30.0
MAX_KEPT = 20 * 1024 * 1024


class Head(NamedTuple):
    """What is known before the first byte of the body goes out."""

    content_type: str
    cache: str
    cost_nano_eur: int | None
    """None while a stream runs: its cost is known at its end."""


@dataclass(slots=True, kw_only=True, eq=False)
class Relay:
    """The answer of one opened call, on its way to the client."""

    call: Call
    principal: Principal
    workflow: Workflow
    plan: Plan
    record: Record
    opened: Opened
    cache_key: str
    ports: Ports
    tries: Tries = field(default_factory=Tries)
    target: Target | None = None
    stages: dict[str, float]
    """Seconds of each stage so far: decide (1 to 6), open (7), attempt (8), relay (9), close (10)."""
    upstream_seconds: float = 0.0
    """How long the upstream was waited for, until its answer (whole) or its first event (stream)."""
    _upstream: UpstreamAnswer | None = None
    _closing: Awaitable[Written] | None = None
    _transcript: Transcript = field(init=False)
    _format: str = field(init=False)
    _grants: Grants = field(init=False)
    _sent: list[bytes] = field(default_factory=list)
    _kept: int = 0
    _complete: bool = False
    _unread: str = ""
    """Why some of the answer could not be read; empty when all of it was."""
    _cost: int | None = None
    _hit: Cached | None = None  # of a stream: looked up once, so that it cannot expire between head and body
    _started: float = field(default_factory=monotonic)
    _first_byte: float | None = None

    def __post_init__(self) -> None:
        self._transcript = Transcript(self.call.choices)
        self._format = output_format(self.call, self.workflow)
        self._grants = grants_of(self.workflow.tools, self._format)

    async def whole(self) -> tuple[Head, bytes]:
        """Stages 8 to 10 of an answer that is not streamed: return it once its close is durable.

        Raises:
            UpstreamFailed, AnswerWithheld: recorded; nothing is given out.
            EvidenceLost: the answer may not be given out.
        """
        if cached := self._cached():
            await self.end(_again(cached))
            return Head(content_type=cached.content_type, cache="hit", cost_nano_eur=0), cached.body
        upstream = await self._answer()
        waited = monotonic()
        try:
            body = await upstream.read()
        except UpstreamError as error:
            result = "stopped" if self.is_stopped() else "upstream_cut"
            await self.end(self._outcome(result))
            raise self._broken(result) from error
        self._first_byte = monotonic()
        self.upstream_seconds += self._first_byte - waited
        self._sent.append(body)
        self._complete = True
        result = self._judged(body)
        if result != "answered":
            await self.end(self._outcome(result))
            raise self._broken(result)
        await self.end(self._outcome("answered"))
        content_type = upstream.headers.get("content-type", "application/json")
        self._remember(content_type)
        return Head(content_type=content_type, cache=self._cache_word(), cost_nano_eur=self._cost), body

    async def begin(self) -> Head:
        """Stage 8 of a stream: return when the first target has answered, or the cache will."""
        self._hit = self._cached()
        if self._hit:
            return Head(content_type="text/event-stream", cache="hit", cost_nano_eur=None)
        upstream = await self._answer()
        content_type = upstream.headers.get("content-type", "")
        if not content_type.lower().startswith("text/event-stream"):
            content_type = "text/event-stream"  # whatever the provider calls it, events are what goes out
        return Head(content_type=content_type, cache=self._cache_word(), cost_nano_eur=None)

    async def stream(self, gone: Callable[[], bool]) -> AsyncIterator[bytes]:
        """Stages 9 and 10 of a stream: yield what goes to the client, the end only after the close is durable.

        Args:
            gone: tells whether the client has left; the upstream is then drained so that real usage settles.

        Raises:
            UpstreamFailed, AnswerWithheld, EvidenceLost: after which the stream must not end cleanly.
        """
        if cached := self._hit:
            await self.end(_again(cached))
            yield cached.body
            return
        held: list[bytes] = []
        undecided: list[bytes] = []  # events that carry the beginning of a tool's name
        result = "answered"
        events = self._events()
        try:
            async for event in events:
                ending = self._see(event)
                result = self._verdict(gone)
                if result != "answered":
                    await self._drain(event, events)
                    break
                if is_usage_only(event) and not wants_usage(self.call.request):
                    continue  # asked for by us, not by the client
                self._keep(event.raw)
                if ending:
                    held.append(event.raw)
                    continue
                undecided += (*held, event.raw)  # what was held was the end of one choice among others
                held.clear()
                if not self._is_undecided():
                    yield b"".join(undecided)
                    undecided.clear()
        except (UpstreamError, EventTooLarge):
            result = "stopped" if self.is_stopped() else "upstream_cut"
        result = self._final(result)
        await self.end(self._outcome(result))
        if result == "answered":
            self._remember("text/event-stream")
            yield b"".join([*undecided, *held])
        elif result != "client_gone":
            raise self._broken(result)

    def _judged(self, body: bytes) -> str:
        """Read a whole answer and judge it."""
        try:
            self._transcript.see_whole(body)
        except Unreadable as error:
            self._unread = str(error)
            return "unreadable"
        if self._transcript.error:
            return "failed"
        if self.is_stopped():
            return "stopped"
        return "refused_answer" if self._ungranted() else "answered"

    def _see(self, event: Event) -> bool:
        """Read an event of a stream; returns True while the answer may end with it."""
        try:
            return self._transcript.see(event)
        except Unreadable as error:
            self._unread = str(error)
            return True

    def _verdict(self, gone: Callable[[], bool]) -> str:
        """Judge the stream as far as it has come."""
        if self._ungranted():
            return "refused_answer"
        if self._unread:
            return "unreadable"
        if self.is_stopped():
            return "stopped"
        return "client_gone" if gone() else "answered"

    def _final(self, result: str) -> str:
        """Judge a stream at its end: without a finish marker it was cut, a name left in the air was not granted."""
        if result != "answered":
            return result
        if self._transcript.error or not self._transcript.finished:
            return "upstream_cut"
        return "refused_answer" if self._not_granted() else "answered"

    def _broken(self, result: str) -> UpstreamFailed:
        if result == "refused_answer":
            return self._withheld()
        if result == "stopped":
            return AnswerWithheld("stopped", "a person stopped this while the answer was running")
        if result == "unreadable":
            return AnswerWithheld("upstream_unreadable", f"{self._unread}; what could not be checked was withheld")
        said = as_error(self._transcript.error)
        message = "the upstream answered with an error" if result == "failed" else "the upstream broke off its answer"
        return UpstreamFailed("upstream_failed", message, body=said)

    async def _answer(self) -> UpstreamAnswer:
        waited = monotonic()
        try:
            self.target, self._upstream = await first_answer(
                self.call, self.plan, self.opened, self.tries, self.ports, is_stopped=self.is_stopped
            )
        except UpstreamFailed:
            self.stages["attempt"] = monotonic() - waited
            await self.end(Outcome(result="stopped" if self.is_stopped() else "failed"))
            raise
        self.stages["attempt"] = monotonic() - waited
        self.upstream_seconds += self.stages["attempt"]
        return self._upstream

    async def _events(self) -> AsyncGenerator[Event, None]:
        """Yield the events of the upstream up to `[DONE]` or its end."""
        upstream = self._upstream
        if upstream is None:
            raise RuntimeError("stream() before begin()")
        reader = EventReader()
        async for chunk in upstream.chunks():
            if self._first_byte is None:
                self._first_byte = monotonic()
            for event in reader.feed(chunk):
                self._complete = event.done
                yield event
                if event.done:
                    return
        for event in reader.finish():
            yield event
        self._transcript.see_end()
        self._complete = self._transcript.finished

    async def _drain(self, last: Event, events: AsyncIterator[Event]) -> None:
        """Read on to the upstream's end for the usage it reports last; what it says is kept, not sent."""
        self._keep(last.raw)
        if self.is_stopped():
            return  # whoever stopped it wants the upstream let go
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                async for event in events:
                    self._see(event)
                    self._keep(event.raw)
        except (UpstreamError, EventTooLarge, TimeoutError):
            return

    def _keep(self, raw: bytes) -> None:
        self._kept += len(raw)
        if self._kept <= MAX_KEPT:
            self._sent.append(raw)

    def interrupt(self) -> None:
        """Let go of the upstream, so that whoever waits for it finds the stop at once."""
        if upstream := self._upstream or self.tries.current:
            upstream.close()

    def is_stopped(self) -> bool:
        """Tell whether a person has stopped what this call belongs to, or revoked its key."""
        stop = self.ports.rules.now.stop_for(
            key=self.principal.key, workflow=self.principal.workflow, task_id=self.call.task_id
        )
        return stop is not None

    def _ungranted(self) -> bool:
        """Tell whether the answer calls a tool that is not granted. Streams may cut a name into pieces."""
        begun = not self._transcript.finished
        return any(not (begun and self._grants.may_come_to(name)) for name in self._not_granted())

    def _not_granted(self) -> list[str]:
        return [name for name, _ in self._transcript.tool_calls() if not self._grants.allow(name)]

    def _is_undecided(self) -> bool:
        return any(self._grants.may_come_to(name) for name in self._not_granted())

    def _withheld(self) -> AnswerWithheld:
        return AnswerWithheld(
            "policy_denied",
            f"the model called a tool that workflow {self.principal.workflow} is not granted; the answer was withheld",
        )

    def _outcome(self, result: str) -> Outcome:
        transcript = self._transcript
        tools = tuple(
            ToolCall(name, arguments, self._grants.allow(name), output_format=bool(name) and name == self._format)
            for name, arguments in transcript.tool_calls()
        )
        return Outcome(
            result=result, finish=transcript.finish, reported=transcript.reported(),
            raw_usage=transcript.raw_usage() if self.call.stream else None, model=transcript.model,
            service_tier=transcript.service_tier, complete=self._complete, response_id=transcript.response_id,
            tool_calls=tools, checks=(self._checked(tools),),
            answer=decoded(b"".join(self._sent)) if self._sent else None,
        )  # fmt: skip

    def _checked(self, tools: Sequence[ToolCall]) -> Check:
        """Return what came of looking at the tool calls. What nobody could read is never passed."""
        ungranted = sum(not one.granted for one in tools)
        if ungranted:
            inputs = {"called": len(tools), "ungranted": ungranted}
            return Check("granted-tool-calls", "deny", "the answer calls a tool that is not granted", inputs)
        if self._unread:
            return Check("granted-tool-calls", "flag", "not all of the answer could be read")
        return Check("granted-tool-calls", "pass")

    def _cached(self) -> Cached | None:
        return self.ports.cache.get(self.cache_key) if self.plan.cache_ttl else None

    def _cache_word(self) -> str:
        return "miss" if self.plan.cache_ttl else "off"

    def _remember(self, content_type: str) -> None:
        if self.plan.cache_ttl and self._transcript.finish == "stop" and not self._transcript.tool_calls():
            body = b"".join(self._sent)
            answer = Cached(call=self.call.id, content_type=content_type, body=body, cost=self._cost or 0)
            self.ports.cache.put(self.cache_key, answer, ttl=self.plan.cache_ttl)

    async def end(self, outcome: Outcome) -> None:
        """Hand the close to the writer and wait until it is durable.

        Raises:
            EvidenceLost: it could not be committed.
        """
        relayed = monotonic()
        self.stages["relay"] = relayed - self._started - self.stages.get("attempt", 0.0)
        self._hand_over(outcome)
        if self._closing is None:
            return
        try:
            await self._closing
        except LedgerError as error:
            self.remember_undelivered()
            raise EvidenceLost("outcome_not_recorded", f"the outcome could not be recorded: {error}") from error
        finally:
            self.stages["close"] = monotonic() - relayed

    def remember_undelivered(self) -> None:
        """What cannot be on record now must not be bought again meanwhile."""
        digest = digest_of(self.call, self.principal, self.ports.contents.pseudonym)
        self.ports.undelivered.note(digest, self.call.id, format_time(self.ports.clock()))

    def abandon(self) -> None:
        """Make sure that the call is closed, whatever ended the relay. Awaits nothing; does nothing when it is."""
        if self._closing is None:
            self._hand_over(self._outcome("cancelled"))
        self.interrupt()

    def _hand_over(self, outcome: Outcome) -> None:
        if self._closing is not None:
            return
        now = monotonic()
        timing = {"total": int((now - self._started) * 1000)}
        if self._first_byte is not None:
            timing["first_byte"] = int((self._first_byte - self._started) * 1000)
        rate = self.ports.rules.now.rate
        charged = charge(self.plan, self.opened, self.tries.made, self.target, outcome, rate)
        self._cost = charged.amount
        unit = close_unit(
            self.call, self.principal, self.plan, self.record, self.opened, self.tries.made, self.target, outcome,
            charged, timing, self.ports,
        )  # fmt: skip
        self._closing = self.ports.evidence.close(unit)


def _again(cached: Cached) -> Outcome:
    """Return how a call ends that an earlier answer serves."""
    return Outcome(
        result="answered", finish="stop", cached_from=cached.call, saved=cached.cost, answer=decoded(cached.body)
    )  # fmt: skip
