"""Stage 8 of 10: try the targets in order until one answers. Every try is a value in the entry.

An attempt that may have been billed without an answer (time-out or cut after sending) needs a second reservation
before the next one; where that does not fit the caps, nothing more is tried. Once a response head with status 200 is
here, the target is settled: the provider is never switched after that.
"""

import asyncio
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic

from gateway.call import Attempt, Call, LookUp, Opened, Plan, Target
from gateway.dialects.envelope import EMPTY
from gateway.dialects.openai_error import Said, said_by
from gateway.dialects.protocol import Outgoing, Server
from gateway.dialects.words import as_identifier
from gateway.errors import (
    AnswerWithheld,
    Limited,
    NoCredential,
    UpstreamCut,
    UpstreamFailed,
    UpstreamTimeout,
    UpstreamUnreached,
)
from gateway.minimisation.restoring import Restorer
from gateway.pipeline.beginning import Begun
from gateway.pipeline.open import extend_unit
from gateway.pipeline.ports import Ports, UpstreamAnswer
from ledger.errors import LedgerError

RETRIED = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
PASSED_ON = frozenset({400, 413, 415, 422})
"""The caller's own mistake: another target would refuse it too."""
AMBIGUOUS = frozenset({408, 504, *range(201, 300)})
"""A proxy that gave up, or a success that is none: the provider may have worked, and bill."""
GIVEN_UP = frozenset({"exhausted", "no_credential"})
MAX_ATTEMPTS = 16
MAX_WAIT = 5.0
LIMITED = 429
NOTHING_SAID = Said()
_REQUEST_IDS = ("x-request-id", "request-id", "apim-request-id", "x-amzn-requestid")
"""Headers in which providers name a request: OpenAI and most others, Anthropic, Azure, Bedrock."""


@dataclass(slots=True)
class Tries:
    """The attempts of a call so far; survives whatever ends the trying."""

    made: list[Attempt] = field(default_factory=list)
    look_ups: list[LookUp] = field(default_factory=list)
    """What was embedded to find an answer that was given before."""
    current: UpstreamAnswer | None = None
    """The answer that is being read: whoever stops the call lets go of it."""


async def first_answer(
    call: Call, plan: Plan, opened: Opened, tries: Tries, ports: Ports, *, is_stopped: Callable[[], bool]
) -> tuple[Target, Begun]:
    """Return the first target that answers with status 200, and its answer.

    Args:
        is_stopped: asked before every attempt; a stop ends the trying.

    Raises:
        UpstreamFailed: no target did, or a person stopped it.
    """
    failure: UpstreamFailed | None = None
    until = monotonic() + plan.retry_within
    limits, soonest = 0, math.inf
    for target in plan.targets:
        server = Server(target.model, plan.output_limit, target.limit_field, target.asks_usage)
        outgoing = target.pair.outgoing(call.sent or call.asked, server)
        for round_ in range(plan.max_retries + 1):
            if failure is not None and (len(tries.made) >= MAX_ATTEMPTS or monotonic() > until):
                raise failure
            if is_stopped():
                raise AnswerWithheld("stopped", "a person stopped this before a target had answered")
            if tries.made and tries.made[-1].billed == "unknown":
                await _require_second_reservation(plan, opened, ports)
            ports.breaker.begin(target, monotonic())
            answer = await _one(call, target, outgoing, plan, tries, ports)
            if not isinstance(answer, UpstreamFailed):
                ports.breaker.note(target, "answered", 0.0)
                return target, answer
            failure = answer
            ports.breaker.note(target, tries.made[-1].outcome, monotonic(), wait=failure.wait)
            if failure.status in PASSED_ON or (failure.code == "upstream_timeout" and not plan.retry_timeouts):
                raise failure
            if failure.code in GIVEN_UP or (failure.status is not None and failure.status not in RETRIED):
                break  # this target will not do better; the next one may
            if isinstance(failure, Limited) and failure.wait > MAX_WAIT:
                break  # asked before then, it would limit us again
            if round_ < plan.max_retries:
                await asyncio.sleep(_wait(failure, round_))
        if isinstance(failure, Limited):
            limits, soonest = limits + 1, min(soonest, failure.wait)
    if failure and limits == len(plan.targets) and not any(one.billed == "unknown" for one in tries.made):
        raise Limited(failure.message, soonest)
    raise failure or UpstreamFailed("upstream_failed", "no target answered")


async def _require_second_reservation(plan: Plan, opened: Opened, ports: Ports) -> None:
    try:
        written = await ports.evidence.submit(extend_unit(opened, plan.attempt_reserved, plan.caps, ports))
    except LedgerError as error:
        raise UpstreamFailed("upstream_failed", f"a second attempt could not be recorded: {error}") from error
    if not written.answer:
        raise UpstreamFailed(
            "upstream_failed",
            "an attempt got no answer but may have been billed, and the caps have no room for a second one",
        )


async def _one(
    call: Call, target: Target, outgoing: Outgoing, plan: Plan, tries: Tries, ports: Ports
) -> Begun | UpstreamFailed:
    started = monotonic()
    request_id: str | None = None

    def note(outcome: str, billed: str, status: int | None = None, said: Said = NOTHING_SAID) -> None:
        spent = int((monotonic() - started) * 1000)
        code = as_identifier(said.code) if said.code else None
        tries.made.append(
            Attempt(target, outcome, billed, status, spent, request_id, code, said.message, outgoing.dropped)
        )

    try:
        answer = await ports.upstream.send(
            target, outgoing, timeout=plan.timeout, first_byte=plan.first_byte, whole_answer=plan.whole_answer
        )
        request_id, tries.current = request_id_in(answer.headers), answer
        if answer.status == 200:
            begun = Begun(answer, target.pair.server, Restorer(call.values) if call.values else None)
            wrong = await (begun.look_at_stream() if call.asked.stream else begun.look_at_whole())
            if wrong is None:
                note("answered", "reported", 200)
                return begun
            begun.close()
            if wrong is EMPTY:
                note("empty", "unknown" if begun.greeted else "no", 200)
                return UpstreamFailed("upstream_failed", f"{target.provider} gave an empty answer")
            content = answer.redacted(call.dialect.as_error(wrong) or b"{}")
            note("error", "no", 200, said := said_by(content))
            code = "exhausted" if said.exhausted else "upstream_failed"
            return UpstreamFailed(code, f"{target.provider} answered with an error: {said.message}", body=content)
        content = await answer.read()
    except NoCredential as error:
        note("no_credential", "no")
        return UpstreamFailed("no_credential", f"{target.provider} was not asked: {error}")
    except UpstreamUnreached as error:
        note("unreached", "no")
        return UpstreamFailed("upstream_unreached", f"{target.provider} could not be reached: {error}")
    except (UpstreamTimeout, UpstreamCut) as error:
        timed_out = isinstance(error, UpstreamTimeout)
        note("timeout" if timed_out else "cut", "unknown")
        code = "upstream_timeout" if timed_out else "upstream_failed"
        return UpstreamFailed(code, f"{target.provider} gave no answer: {error}")
    except asyncio.CancelledError:
        note("cancelled", "unknown")
        raise
    said = said_by(content)
    note(f"http_{answer.status}", "unknown" if answer.status in AMBIGUOUS else "no", answer.status, said)
    return _failed(target, answer, target.pair.error(content), said)


def _failed(target: Target, answer: UpstreamAnswer, content: bytes, said: Said) -> UpstreamFailed:
    message = f"{target.provider} answered {answer.status}" + (f": {said.message}" if said.message else "")
    wait = _asked_to_wait(answer.headers)
    if answer.status == LIMITED and not said.exhausted:
        return Limited(message, wait)
    code = "exhausted" if answer.status == LIMITED else "upstream_failed"
    return UpstreamFailed(code, message, status=answer.status, body=content, wait=wait)


def request_id_in(headers: Mapping[str, str]) -> str | None:
    """Return what the provider calls a request."""
    return next((as_identifier(headers[name]) for name in _REQUEST_IDS if headers.get(name)), None)


def _asked_to_wait(headers: Mapping[str, str]) -> float:
    """Return how many seconds a provider asked to wait; 0 where it did not say."""
    for name, divisor in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            asked = float(headers[name]) / divisor
            return max(0.0, asked) if math.isfinite(asked) else 0.0
        except (KeyError, ValueError):
            continue
    return 0.0


def _wait(failure: UpstreamFailed, round_: int) -> float:
    if failure.wait:
        return min(failure.wait, MAX_WAIT)
    return float(min(0.1 * 2**round_, MAX_WAIT) * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
