"""What an answer may give out: every event, or the whole, is read and judged before any of it leaves. Does no I/O.

What may end the whole answer is held, and so is what carries the beginning of a tool's name. What has left is kept for
the record.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from gateway.call import Asking, Check, Outcome, ToolCall
from gateway.dialects.protocol import Asked, Called, Dialect, Transcript, Unreadable, Writer
from gateway.dialects.saying import pieces_of, said_in
from gateway.dialects.sse import Event
from gateway.dialects.strict import loaded
from gateway.dialects.words import decoded
from gateway.policies.answers import NOBODY_WATCHES, Watch
from gateway.tools.grants import Grants
from gateway.tools.provenance import Said
from gateway.tools.rules import (
    NONE,
    Broken,
    Rules,
    approval_checks,
    are_judged,
    asked_in,
    broken_in,
    rule_checks,
    rule_of,
)

MAX_KEPT = 20 * 1024 * 1024
MAX_KEPT_OF_KEY = 256 * 1024 * 1024
NOT_KEPT = "approval: nothing is kept of the call, so nobody could see it"


class Room:
    """Bytes of running answers that wait to be recorded, by key: no key takes all of the memory."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    def take(self, key: str, size: int) -> bool:
        """Take room; returns False where there is none left."""
        if self._taken[key] + size > MAX_KEPT_OF_KEY:
            return False
        self._taken[key] += size
        return True

    def free(self, key: str, size: int) -> None:
        self._taken[key] -= size
        if not self._taken[key]:
            del self._taken[key]


class Judge:
    """Reads one answer as it comes."""

    __slots__ = (
        "_approval", "_asked", "_begun", "_called", "_dialect", "_most", "_format", "_grants", "_held", "_kept", "_key",
        "_room", "_judged", "_rules", "_said", "_said_so_far", "_undecided", "_writer", "asked", "broken_rule",
        "complete", "cut", "sent", "transcript", "unread", "watch",
    )  # fmt: skip

    def __init__(
        self, asked: Asked, dialect: Dialect, writer: Writer | None, grants: Grants, most_calls: int,
        output_format: str, key: str, room: Room, rules: Rules = NONE, approval: Literal["", "given", "asked"] = "",
        watch: Watch = NOBODY_WATCHES,
    ) -> None:  # fmt: skip
        """`dialect`: in which the answer is written. `writer`: writes it in the caller's, where that is another.
        `approval`: whether a person has approved its calls, or may be asked to; empty where nothing of it is kept."""
        self.transcript: Transcript = dialect.transcript(asked)
        self.complete = False
        """All of it came."""
        self.unread = ""
        """Why some of it could not be read; empty when all of it was."""
        self.sent: list[bytes] = []
        """What was given out or may be, as far as it is kept."""
        self.cut = False
        """Not all of it is kept."""
        self.broken_rule: Broken | None = None
        """The tool whose rule a call of it breaks, if one does."""
        self.asked: tuple[Asking, ...] = ()
        """Its calls that wait for a person, or that one has approved."""
        self._approval, self.watch = approval, watch
        self._said = Said(asked.fields)
        self._judged: Sequence[Called] = ()
        self._key, self._room, self._rules = key, room, rules
        self._grants, self._format, self._asked = grants, output_format, asked
        self._dialect, self._writer, self._most = dialect, writer, most_calls
        self._held: list[bytes] = []
        self._undecided: list[tuple[int, bytes]] = []
        self._begun = False  # a name that may still come to a granted one is in the air
        self._called = self._kept = self._said_so_far = 0

    def whole(self, body: bytes) -> str:
        """Read a whole answer; return how the call ends by it."""
        self.sent.append(body)
        self.complete = True
        try:
            self.transcript.see_whole(body)
        except Unreadable as error:
            self.unread = str(error)
            return "unreadable"
        if self.transcript.error:
            return "failed"
        if self.watch:
            self.watch.add(said_in(loaded(body)))
        if self._is_refused():
            return "refused_answer"
        if self._writer:
            self.sent = [self._writer.whole(body)]
        return "held" if self._waits() else "answered"

    def events(self, events: Sequence[Event]) -> tuple[str, bytes]:
        """Read events of a stream; return how things stand, and what may leave now.

        When they stand badly, the rest of the events is read for what it says and given to nobody.
        """
        ready: list[bytes] = []
        for position, event in enumerate(events):
            ending = self._see(event)
            result = self._verdict(ending)
            if result != "answered":
                self.drain(events[position:], seen=1)
                return result, b"".join(ready)
            if not self._dialect.is_extra(event, self._asked):
                raw = self._written(event)
                self._keep(raw)
                if ending:
                    self._held.append(raw)
                elif self._begun or self._held or self._undecided or self.watch:
                    self._pass_on(raw, ready)
                else:
                    ready.append(raw)
            if event.done:
                self.complete = self.transcript.finished
                if not self.complete:  # where `[DONE]` is no end, it is one to some client all the same
                    return "upstream_cut", b"".join(ready)
                break
        return "answered", b"".join(ready)

    def _pass_on(self, raw: bytes, ready: list[bytes]) -> None:
        # What was held was the end of one choice among others.
        self._undecided += [(self._said_so_far, one) for one in (*self._held, raw)]
        self._held.clear()
        if not self._begun:
            free = self.watch.free_until()
            count = next((at for at, (said, _) in enumerate(self._undecided) if said > free), len(self._undecided))
            ready += [one for _, one in self._undecided[:count]]
            del self._undecided[:count]

    def drain(self, events: Sequence[Event], *, seen: int = 0) -> None:
        """Read on for the usage that is reported last; what is said is kept, not sent. `seen`: how many were read."""
        for position, event in enumerate(events):
            if position >= seen:
                self._see(event)
            # A writer reads what it writes: of what cannot be read the record has the provider's own bytes.
            if self.unread or not self._dialect.is_extra(event, self._asked):
                self._keep(event.raw if self.unread else self._written(event))
            self.complete = self.complete or (event.done and self.transcript.finished)

    def end(self) -> str:
        """A stream is over: without a finish marker it was cut, and a name left in the air was not granted."""
        self._see_end()
        if self.transcript.error or not self.transcript.finished:
            return "upstream_cut"
        if self._is_refused():
            return "refused_answer"
        if self._writer and (last := self._writer.end()):
            self._keep(last)
            self._held.append(last)
        return "held" if self._waits() else "answered"

    def kept_whole(self) -> str:
        """Make ready what waits for a person; return `held`, or how a stream ends of which not all came or is kept."""
        self._see_end()
        if not self.complete:
            return "upstream_cut"
        if self._is_refused() or not self.asked:
            return "refused_answer"  # another choice has come since
        if self._writer and (last := self._writer.end()):
            self._keep(last)
        if self.cut:
            self.broken_rule = Broken(self.asked[0].tool, NOT_KEPT)
        return "refused_answer" if self.cut else "held"

    def _see_end(self) -> None:
        if not self.complete:
            self.transcript.see_end()
            self.complete = self.transcript.finished

    def rest(self) -> bytes:
        """Return what was held back."""
        return b"".join([*(one for _, one in self._undecided), *self._held])

    def _written(self, event: Event) -> bytes:
        return self._writer.event(event) if self._writer else event.raw

    def _see(self, event: Event) -> bool:
        """Read an event; returns True while the answer may end with it."""
        try:
            if self.watch:
                self._said_so_far = self.watch.add(pieces_of(event))
            return self.transcript.see(event)
        except Unreadable as error:
            self.unread = self.unread or str(error)
            return True

    def _verdict(self, ending: bool) -> str:
        """Judge the stream as far as it has come. Names are looked at when something was called, or may end."""
        if ending and self.watch:
            self.watch.end()
        if self.watch.broken:
            return "refused_answer"
        if ending or self.transcript.called != self._called:
            self._called = self.transcript.called
            missing = self._not_granted()
            ruled = self._rules and are_judged(self.transcript.tool_calls(), self._rules)
            # Arguments come in pieces, and no format says of all of them which one is the last: all of them wait.
            self._begun = (bool(ruled) and not ending) or any(map(self._grants.may_come_to, missing))
            over = self.transcript.finished  # streams may cut a name into pieces, and then nothing more comes
            if any(over or not self._grants.may_come_to(name) for name in missing):
                return "refused_answer"
            # Of an answer that breaks off with an error its last call is not whole, and that is not the model's doing.
            if self._too_many() or (ending and not self.transcript.error and self._breaks_rule()):
                return "refused_answer"
            if ending and not self.unread and self._waits():
                return "held"
        return "unreadable" if self.unread else "answered"

    def _is_refused(self) -> bool:
        """Judge all of it, once nothing more comes."""
        if self.watch:
            self.watch.end()
        return bool(self._not_granted() or self._too_many() or self._breaks_rule() or self.watch.broken)

    def _not_granted(self) -> list[str]:
        return [one.name for one in self.transcript.tool_calls() if not self._grants.allow(one.name)]

    def _too_many(self) -> bool:
        return len(self.transcript.tool_calls()) > self._most

    def _breaks_rule(self) -> bool:
        if self._rules and (calls := tuple(self.transcript.tool_calls())) != self._judged:
            self._judged, self.broken_rule = calls, broken_in(calls, self._rules, self._said)
            self.asked = () if self.broken_rule else asked_in(calls, self._rules, self._said)
            if self.asked and not self._approval:
                self.broken_rule, self.asked = Broken(self.asked[0].tool, NOT_KEPT), ()
        return self.broken_rule is not None

    def _waits(self) -> bool:
        return bool(self.asked) and self._approval != "given"

    def _keep(self, raw: bytes) -> None:
        size = len(raw)
        if self.cut or self._kept + size > MAX_KEPT or not self._room.take(self._key, size):
            self.cut = True  # from here on: a record with a hole in it would say what nobody said
            return
        self._kept += size
        self.sent.append(raw)

    def release(self) -> None:
        """Give the room back: what was kept is handed over."""
        self._room.free(self._key, self._kept)
        self._kept = 0

    def outcome(self, result: str) -> Outcome:
        """Return what is to be recorded of the answer."""
        said = self.transcript
        tools = tuple(
            ToolCall(
                one.name,
                one.arguments,
                self._grants.allow(one.name),
                output_format=bool(one.name) and one.name == self._format,
                provider_run=one.provider_run,
                effect=rule.effect if (rule := rule_of(one.name, self._rules)) else "",
            )
            for one in said.tool_calls()
        )
        return Outcome(
            result=result, finish=said.finish, reported=said.reported(),
            raw_usage=said.raw_usage() if self._asked.stream or self._writer else None, model=said.model,
            service_tier=said.service_tier,
            complete=self.complete, response_id=said.response_id, tool_calls=tools, checks=self._checks(tools),
            asked=self.asked,
            answer=decoded(b"".join(self.sent)) if self.sent and self._dialect.keeps_answer else None,
        )  # fmt: skip

    def _checks(self, tools: Sequence[ToolCall]) -> tuple[Check, ...]:
        cut = (Check("answer-kept", "flag", "only the beginning of the answer is kept"),) if self.cut else ()
        whole = self.complete and not self.unread
        if whole:
            self._breaks_rule()
        ruled = rule_checks(are_judged(tools, self._rules), self.broken_rule, whole=whole)
        return (
            self._checked(tools),
            *ruled,
            *approval_checks(self.asked, given=not self._waits()),
            *self.watch.checks(whole=not self.unread),
            *cut,
        )

    def _checked(self, tools: Sequence[ToolCall]) -> Check:
        """Return what came of looking at the tool calls. What nobody could read is never passed."""
        ungranted = sum(not one.granted for one in tools)
        if ungranted:
            inputs = {"called": len(tools), "ungranted": ungranted}
            return Check("granted-tool-calls", "deny", "the answer calls a tool that is not granted", inputs)
        if len(tools) > self._most:
            inputs = {"called": len(tools), "limit": self._most}
            return Check("granted-tool-calls", "deny", "the answer calls too many tools at once", inputs)
        if self.unread:
            return Check("granted-tool-calls", "flag", "not all of the answer could be read")
        return Check("granted-tool-calls", "pass")
