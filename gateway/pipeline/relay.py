"""Stages 9 and 10 of 10: forward the answer, hold its end, close the call.

A whole answer is read, checked, closed, and only then sent. Of a stream, what arrived in one read leaves in one write,
once each event of it was judged (`judging.py`); whatever may end the whole answer is held until `call.closed` is
durable. However the relay ends, exactly one close is handed to the writer: by `end` on the ordinary paths, by `abandon`
when the task is cancelled, without awaiting anything.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Literal, NamedTuple

from gateway.approvals.standing import asked_for
from gateway.call import Call, Opened, Outcome, Plan, Principal, Target
from gateway.charging.charge import charge
from gateway.configuration.model import Workflow
from gateway.dialects.pairs import SAME, Pair
from gateway.dialects.sse import Event, EventTooLarge
from gateway.dialects.words import decoded
from gateway.errors import AnswerWithheld, EvidenceLost, Held, UpstreamError, UpstreamFailed
from gateway.pipeline.attempt import Tries, first_answer
from gateway.pipeline.beginning import Begun
from gateway.pipeline.judging import Judge
from gateway.pipeline.ports import Cached, Ports
from gateway.pipeline.record import Record
from gateway.pipeline.screen import output_format
from gateway.pipeline.settle import close_unit
from gateway.pipeline.similar import Alike, look_up
from gateway.policies.answers import watch_of
from gateway.policies.evaluating import Applying
from gateway.repeats import digest_of
from gateway.tools.grants import grants_of
from ledger.entry import format_time
from ledger.errors import LedgerError
from ledger.unit import Written

DRAIN_SECONDS = 30.0


class Head(NamedTuple):
    """What is known before the first byte of the body goes out."""

    content_type: str
    cache: str
    cost_nano_eur: int | None
    """None while a stream runs: its cost is known at its end."""
    early: bool = False
    """No target has answered yet, so how long the gateway itself took is not known."""


@dataclass(slots=True, kw_only=True, eq=False)
class Relay:
    """The answer of one opened call, on its way to the client."""

    call: Call
    principal: Principal
    workflow: Workflow
    plan: Plan
    policies: Sequence[Applying]
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
    tail: bytes = b""
    """The end of a stream, which waited for the close. There once `stream` is through."""
    _upstream: Begun | None = None
    _closing: Awaitable[Written] | None = None
    _judge: Judge = field(init=False)
    _cost: int | None = None
    _hit: Cached | None = None  # looked up once, so that it cannot expire between head and body of a stream
    _alike: Alike | None = None
    _started: float = field(default_factory=monotonic)
    _first_byte: float | None = None

    def __post_init__(self) -> None:
        self._judge = self._judge_of(SAME[self.call.dialect.name])

    def _judge_of(self, pair: Pair) -> Judge:
        asked, form = self.call.asked, output_format(self.call, self.workflow)
        grants, most = grants_of(self.workflow.tools, form), self.workflow.max_tool_calls
        approval: Literal["", "given", "asked"] = "asked" if self.record.keep else ""
        approval = "given" if self.record.released is not None else approval
        writer = pair.writer(asked, int(self.ports.clock().timestamp())) if pair.is_translation else None
        return Judge(
            asked, pair.server, writer, grants, most, form, self.principal.key, self.ports.room,
            self.workflow.tool_rules, approval, watch_of(self.policies, self.call),
        )  # fmt: skip

    async def whole(self) -> tuple[Head, bytes]:
        """Stages 8 to 10 of an answer that is not streamed: return it once its close is durable.

        Raises:
            UpstreamFailed, AnswerWithheld: recorded; nothing is given out.
            EvidenceLost: the answer may not be given out.
        """
        self._hit = await self._given_again()
        if cached := self._hit:
            await self._give(cached)
            head = Head(content_type=cached.content_type, cache=self._cache_word(), cost_nano_eur=self._cost)
            return head, cached.body
        upstream = await self._answer()
        waited = monotonic()
        try:
            body = await upstream.read()
        except UpstreamError as error:
            result = "stopped" if self.is_stopped() else "upstream_cut"
            await self.end(self._judge.outcome(result))
            raise self._broken(result) from error
        self._first_byte = monotonic()
        self.upstream_seconds += self._first_byte - waited
        result = self._judge.whole(body)
        if result == "answered" and self.is_stopped():
            result = "stopped"
        await self.end(await self._compared(self._judge.outcome(result)))
        if result != "answered":
            raise self._broken(result)
        content_type = upstream.headers.get("content-type", "application/json")
        self._remember(content_type)
        head = Head(content_type=content_type, cache=self._cache_word(), cost_nano_eur=self._cost)
        return head, b"".join(self._judge.sent)

    async def begin(self) -> Head:
        """Stage 8 of a stream: return when the first target has answered, or the cache will."""
        self._hit = await self._given_again()
        if self._hit:
            return Head(content_type="text/event-stream", cache=self._cache_word(), cost_nano_eur=None)
        upstream = await self._answer()
        content_type = upstream.headers.get("content-type", "")
        head = self.early_head()  # whatever the provider calls it, events are what goes out
        events = content_type.lower().startswith(head.content_type)
        return head._replace(content_type=content_type, early=False) if events else head._replace(early=False)

    def early_head(self) -> Head:
        """Return the head of a stream that has not begun."""
        return Head(content_type="text/event-stream", cache=self._cache_word(), cost_nano_eur=None, early=True)

    async def stream(self, gone: Callable[[], bool]) -> AsyncIterator[bytes]:
        """Stages 9 and 10 of a stream: yield what goes to the client; its end is in `tail` once the close is durable.

        Args:
            gone: tells whether the client has left; the upstream is then drained so that real usage settles.

        Raises:
            UpstreamFailed, AnswerWithheld, EvidenceLost: after which the stream must not end cleanly.
        """
        if cached := self._hit:
            await self._give(cached)
            self.tail = cached.body
            return
        if self._upstream is None:
            raise RuntimeError("stream() before begin()")
        batches = self._upstream.batches()
        try:
            result = "answered"
            async for events in batches:
                if self._first_byte is None:
                    self._first_byte = monotonic()
                result, ready = self._looked_at(events, gone)
                if ready:
                    yield ready
                if result != "answered":
                    await self._drain(batches)
                if self._judge.complete or result != "answered":
                    break
            if result == "answered":
                result = self._judge.end()
            if result == "held":
                result = self._judge.kept_whole()
        except (UpstreamError, EventTooLarge):
            result = "stopped" if self.is_stopped() else "upstream_cut"
        await self.end(await self._compared(self._judge.outcome(result)))
        if result == "answered":
            self._remember("text/event-stream")
            self.tail = self._judge.rest()
        elif result != "client_gone":
            raise self._broken(result)

    def _looked_at(self, events: list[Event], gone: Callable[[], bool]) -> tuple[str, bytes]:
        """Judge what arrived in one read; return how the call stands, and what may leave."""
        ended = "stopped" if self.is_stopped() else "client_gone" if gone() else ""
        if not ended:
            return self._judge.events(events)
        self._judge.drain(events)
        return ended, b""

    def _broken(self, result: str) -> UpstreamFailed:
        if result == "refused_answer":
            return self._withheld()
        if result == "held" and self.record.holding:
            calls = "; ".join(f"{one.tool}: {one.because}" for one in self._judge.asked)
            return Held(approval := self.record.holding.new, asked_for(approval, f" ({calls})"))
        if result == "stopped":
            return AnswerWithheld("stopped", "a person stopped this while the answer was running")
        if result == "unreadable":
            unread = self._judge.unread
            return AnswerWithheld("upstream_unreadable", f"{unread}; what could not be checked was withheld")
        said = self.call.dialect.as_error(self._judge.transcript.error)
        message = "the upstream answered with an error" if result == "failed" else "the upstream broke off its answer"
        return UpstreamFailed("upstream_failed", message, body=said)

    async def _answer(self) -> Begun:
        waited = monotonic()
        try:
            self.target, self._upstream = await first_answer(
                self.call, self.plan, self.opened, self.tries, self.ports, is_stopped=self.is_stopped
            )
        except UpstreamFailed:
            self.stages["attempt"] = monotonic() - waited
            await self.end(Outcome(result="stopped" if self.is_stopped() else "failed"))
            raise
        if self.target.pair.server is not self.call.dialect:
            self._judge = self._judge_of(self.target.pair)
        self.stages["attempt"] = monotonic() - waited
        self.upstream_seconds += self.stages["attempt"]
        return self._upstream

    async def _drain(self, batches: AsyncIterator[list[Event]]) -> None:
        """Read on to the upstream's end for the usage it reports last."""
        if self.is_stopped():
            return  # whoever stopped it wants the upstream let go
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self._judge.complete:
                    self._judge.drain(await anext(batches))
        except (UpstreamError, EventTooLarge, TimeoutError, StopAsyncIteration):
            return

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

    @property
    def dropped(self) -> tuple[str, ...]:
        """Members of the request that the target's format had no place for."""
        return self.tries.made[-1].dropped if self.tries.made else ()

    def _withheld(self) -> AnswerWithheld:
        if policy := self._judge.watch.broken:
            return AnswerWithheld("policy_denied", f"the policy {policy} withholds the answer: {self._says(policy)}")
        if broken := self._judge.broken_rule:
            return AnswerWithheld(
                "policy_denied",
                f"the model called a tool in a way that workflow {self.principal.workflow} does not allow "
                f"({broken.tool}: {broken.part}); the answer was withheld",
            )
        return AnswerWithheld(
            "policy_denied",
            f"the model called a tool that workflow {self.principal.workflow} is not granted, or more than "
            f"{self.workflow.max_tool_calls} at once; the answer was withheld",
        )

    def _says(self, policy: str) -> str:
        found = next(one.policy for one in self.policies if one.name == policy)
        return found.says or "its conditions hold of what it says"

    async def _given_again(self) -> Cached | None:
        """Return the earlier answer that serves this call, if there is one."""
        if (held := self.record.holding) and held.answer is not None:
            return Cached(call=held.row["call"], content_type="application/json", body=held.answer.encode(), cost=0)
        if self.plan.cache_ttl and (cached := self.ports.cache.get(self.cache_key)):
            return cached
        if self.plan.similar and not self.is_stopped():
            began = monotonic()
            keep = self.record.keep and self.call.sent is None  # what no provider may get is not embedded either
            self._alike = await look_up(self.call, self.principal, self.plan, self.opened, keep, self.tries, self.ports)
            self.upstream_seconds += monotonic() - began if self.tries.look_ups else 0.0
        return self._alike.served if self._alike and not self.is_stopped() else None

    def _again(self, cached: Cached) -> Outcome:
        """Return how a call ends that an earlier answer serves."""
        return Outcome(
            result="answered", finish="stop", cached_from=cached.call, saved=cached.cost, answer=decoded(cached.body),
            similar=self._alike.facts if self._alike else None,
        )  # fmt: skip

    async def _give(self, cached: Cached) -> None:
        """Close a call that an earlier answer serves. One that waited for a person is judged by the rules of today.

        Raises:
            AnswerWithheld: they do not let it through.
        """
        if self.record.released is None:
            await self.end(self._again(cached))
            return
        judge, reader = self._judge, self.call.dialect.reader()
        if self.call.asked.stream:
            result, _ = judge.events([*reader.feed(cached.body), *reader.finish()])
            result = judge.end() if result == "answered" else result
        else:
            result = judge.whole(cached.body)
        outcome = judge.outcome("stopped" if self.is_stopped() else result)
        await self.end(outcome._replace(reported=None, raw_usage=None, released_from=cached.call))
        if outcome.result != "answered":
            raise self._broken(outcome.result)

    async def _compared(self, outcome: Outcome) -> Outcome:
        """Return the outcome with what a look-up found, held against what was answered."""
        if self._alike is None or outcome.result != "answered":
            return outcome
        body = b"".join(self._judge.sent)
        return outcome._replace(similar=await self._alike.compared(body, self.plan, self.tries, self.ports))

    def _cache_word(self) -> str:
        if self._hit and self.record.released is None:
            return "similar" if self._alike else "hit"
        return "miss" if self.plan.cache_ttl else "off"

    def _remember(self, content_type: str) -> None:
        if not self._may_be_kept():
            return
        if self.plan.cache_ttl:
            self.ports.cache.put(self.cache_key, self._as_cached(content_type), ttl=self.plan.cache_ttl)
        if self._alike:
            self._alike.keep(self._as_cached(content_type))

    def _as_cached(self, content_type: str) -> Cached:
        """What may be given again is what the caller got, in the caller's format."""
        body = b"".join(self._judge.sent)
        return Cached(call=self.call.id, content_type=content_type, body=body, cost=self._cost or 0)

    def _may_be_kept(self) -> bool:
        said = self._judge.transcript
        return not self._judge.cut and said.finish == "stop" and not said.tool_calls()

    async def end(self, outcome: Outcome) -> None:
        """Hand the close to the writer and wait until it is durable.

        Raises:
            EvidenceLost: it could not be committed.
        """
        if self.record.keeping and outcome.answer:
            await self.record.keeping.read({"answer": outcome.answer})
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
            self._hand_over(self._judge.outcome("cancelled"))
        self.interrupt()

    def _hand_over(self, outcome: Outcome) -> None:
        if self._closing is not None:
            return
        now = monotonic()
        timing = {"total": int((now - self._started) * 1000)}
        if self._first_byte is not None:
            timing["first_byte"] = int((self._first_byte - self._started) * 1000)
        rules = self.ports.rules.now
        charged = charge(
            self.plan, self.opened, self.tries.made, self.tries.look_ups, self.target, outcome, rules.rate, rules.prices
        )
        self._cost = charged.amount
        unit = close_unit(
            self.call, self.principal, self.plan, self.record, self.opened, self.tries.made, self.target, outcome,
            charged, timing, self.ports,
        )  # fmt: skip
        self._closing = self.ports.evidence.close(unit)
        self._judge.release()
