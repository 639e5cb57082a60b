"""The hot route as raw ASGI, in whatever dialect: read the body, run the ten stages, send the relay.

This is the response class that owns the duty to close: whatever ends it (an answer, a departed client, a failed send,
a cancelled task), `finally` hands the close to the writer without awaiting anything.
"""

import asyncio
import contextlib
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import orjson
import structlog
from starlette.types import Receive, Scope, Send

from gateway.call import Arrival, Principal
from gateway.dialects.protocol import Dialect
from gateway.errors import EvidenceLost, GatewayError, Held, Limited, Refused
from gateway.pipeline.ports import Ports
from gateway.pipeline.refusing import refuse
from gateway.pipeline.relay import Head, Relay
from gateway.pipeline.run import authenticate, handle_call
from gateway.web.callers import MAX_BODY, Leaving, Reading, Sending, body_of, key_shown, let_go, with_comments
from gateway.web.limits import decoded
from gateway.web.metrics import Metrics
from gateway.web.places import Place
from gateway.web.problems import METHOD_NOT_ALLOWED, RETRYABLE, error_event, error_response
from gateway.web.waiting import (
    ASK_AGAIN_SECONDS,
    COMMENT_SECONDS,
    NONE,
    Preference,
    accepted,
    approval_of,
    decided,
    preference_of,
    resumed,
    status_url,
)
from ledger.amounts import eur
from ledger.errors import LedgerUnavailable
from ledger.ids import new_id

EVENT_SECONDS = 0.3
"""How long an error event stands before the stream is broken off: clients that get both at once (Cline, opencode) lose
the event, take it for a fault of the network and repeat."""
MAX_IN_FLIGHT, MAX_OF_KEY = 512, 384
"""Calls in flight: of everybody, and of one key, so that no key takes every place."""
LEFT = "the caller took nothing more of it"
ACCEPTED = 202
UNRECORDED = frozenset({"unknown_key", "key_revoked", "busy"})
"""Refusals of which there may be no entry, so that a link would lead nowhere."""

log = structlog.get_logger()

Headers = list[tuple[bytes, bytes]]
_T = TypeVar("_T")


class StreamBroken(Exception):
    """Raised into the server to end a connection without a clean end of body."""


class Calls:
    """The calls of this process."""

    def __init__(self, ports: Callable[[], Ports], metrics: Metrics) -> None:
        self._ports, self._metrics = ports, metrics
        self._reading: set[Reading] = set()
        self._relays: dict[Relay, Arrival] = {}
        self._of_key: Counter[str] = Counter()
        self._sending: set[Sending] = set()

    async def answer(self, place: Place, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        ports = self._ports()
        call = new_id("call", ports.clock())
        started = time.perf_counter()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            if scope["method"] != "POST":
                raise GatewayError("method_not_allowed", "send a POST")
            relay = await self._admit(place, call, headers, scope, receive, ports)
        except GatewayError as error:
            self._metrics.refused(error.code)
            await _send_error(send, error, place.dialect, call, prefer=preference_of(headers))
            return
        try:
            await self._send_relay(relay, receive, send, started)
        finally:
            self._let_go(relay)

    def _let_go(self, relay: Relay) -> None:
        self._relays.pop(relay, None)
        self._of_key[relay.principal.key] -= 1
        relay.abandon()
        self._metrics.staged(relay.stages)

    async def _admit(
        self, place: Place, call: str, headers: dict[str, str], scope: Scope, receive: Receive, ports: Ports
    ) -> Relay:
        """Read the request and run the stages up to the open.

        Raises:
            GatewayError: the call was not opened.
        """
        try:
            principal = await authenticate(key_shown(headers), ports)
            if len(self._reading) + len(self._relays) >= MAX_IN_FLIGHT:
                raise Refused("busy", f"{MAX_IN_FLIGHT} calls are in flight; try again in a moment", stage=0)
            if self._of_key[principal.key] >= MAX_OF_KEY:
                raise Refused("busy", f"{MAX_OF_KEY} calls of this key are in flight; try again in a moment", stage=0)
            reading = Reading()
            self._reading.add(reading)
            self._of_key[principal.key] += 1  # until it is let go
            try:
                try:
                    body = decoded(
                        headers.get("content-encoding", ""), await body_of(scope, receive, reading), MAX_BODY
                    )
                    reading.until = math.inf  # from here on nothing may cancel a call that is being opened
                except Refused as refusal:
                    await refuse(refusal, call, None, principal, ports, dialect=place.dialect.name)
                    raise
                arrival = Arrival(call, headers, body, place.dialect, place.path)
                leaving = Leaving(receive)
                try:
                    return await self._handled(arrival, principal, ports, leaving)
                finally:
                    leaving.cancel()
            except BaseException:
                self._of_key[principal.key] -= 1
                raise
            finally:
                self._reading.discard(reading)
        except GatewayError:
            raise
        except LedgerUnavailable as error:
            raise EvidenceLost("ledger_unavailable", f"the call was not sent: {error}") from error
        except Exception as error:
            log.exception("a call failed before it was opened", call=call)
            raise GatewayError("internal_error", "an internal error; the call was not sent") from error

    async def _handled(self, arrival: Arrival, principal: Principal, ports: Ports, gone: Callable[[], bool]) -> Relay:
        """Run the stages up to the open; where a person is asked and the caller prefers to wait, once more then."""
        try:
            relay = await handle_call(arrival, principal, ports)
        except Refused as refusal:
            approval, wait = approval_of(refusal), preference_of(arrival.headers).wait
            if not approval or not wait or not await decided(ports, approval, wait, gone):
                raise
            relay = await handle_call(resumed(arrival, approval, ports), principal, ports)
        self._relays[relay] = arrival  # no await since the open: what is opened is now owned
        return relay

    async def _approved(self, relay: Relay, held: Held, gone: Callable[[], bool]) -> Relay:
        """Wait until a person has approved what is held, if the caller prefers to; return the call that has it.

        Raises:
            Held: nobody has, or the caller does not wait.
        """
        arrival, ports = self._relays[relay], self._ports()
        wait = preference_of(arrival.headers).wait
        try:
            if not wait or not await decided(ports, held.approval, wait, gone):
                raise held
            again = await self._handled(resumed(arrival, held.approval, ports), relay.principal, ports, gone)
        except GatewayError:
            raise
        except Exception as error:
            log.exception("a caller who waited was not served", call=relay.call.id)
            raise held from error  # the caller learns how to fetch it
        self._of_key[relay.principal.key] += 1
        return again

    @property
    def is_busy(self) -> bool:
        """Some call is on its way."""
        return bool(self._reading or self._relays)

    def hurry(self) -> None:
        """End the reading of bodies that do not arrive and the sending to callers who take nothing; called twice a
        second, which costs a call less than a timer."""
        now = time.monotonic()
        for reading in self._reading:
            if now > reading.until and not reading.late:
                reading.late = True
                reading.task.cancel()
        for sending in self._sending:
            sending.look(now)

    def enforce_stops(self) -> None:
        """End what runs although a person has stopped it; called when the rules have been read again."""
        for relay in self._relays:
            if relay.is_stopped():
                relay.interrupt()

    async def _send_relay(self, relay: Relay, receive: Receive, send: Send, started: float) -> None:
        try:
            if relay.call.asked.stream:
                await self._send_stream(relay, receive, send, started)
            else:
                await self._send_whole(relay, receive, send, started)
            self._metrics.closed("answered", time.perf_counter() - started)
        except GatewayError as error:
            self._metrics.closed(error.code, time.perf_counter() - started)
            prefer = preference_of(self._relays[relay].headers)
            await _send_error(send, error, relay.call.dialect, relay.call.id, decided="allow", prefer=prefer)

    async def _send_whole(self, relay: Relay, receive: Receive, send: Send, started: float) -> None:
        try:
            head, body = await _answered(relay.whole(), relay)
        except Held as held:
            leaving = Leaving(receive)
            try:
                again = await self._approved(relay, held, leaving)
            finally:
                leaving.cancel()
            try:
                await self._send_whole(again, receive, send, started)
            finally:
                self._let_go(again)
            return
        headers = _headers(relay, head, started) + [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        sending = Sending(lambda: False)  # it is on record as given out
        self._sending.add(sending)
        try:
            await sending.send(send, {"type": "http.response.body", "body": body})
        finally:
            self._sending.discard(sending)
        if sending.late:
            let_go(send)
            raise StreamBroken(LEFT)

    async def _send_stream(self, relay: Relay, receive: Receive, send: Send, started: float) -> None:
        head, beginning = await _begun(relay)
        await send({"type": "http.response.start", "status": 200, "headers": _headers(relay, head, started)})
        leaving = Leaving(receive)
        sending = Sending(relay.is_stopped)
        self._sending.add(sending)
        try:
            parts = _all_of(beginning, self._given(relay, lambda: sending.late or leaving()))
            waits = COMMENT_SECONDS if preference_of(self._relays[relay].headers).wait else 0.0
            every = relay.plan.keep_alive or waits
            async for part in with_comments(parts, every) if every else parts:
                await sending.send(send, _part(part))
            await sending.send(send, {"type": "http.response.body", "body": relay.tail, "more_body": False})
            if sending.late:
                raise StreamBroken(LEFT)
        except asyncio.CancelledError:  # the process ends: a caller must not take what it has for the whole
            gone = GatewayError("shutting_down", "the gateway was stopped while the answer was running")
            with contextlib.suppress(Exception):
                async with asyncio.timeout(1):  # who takes nothing is not waited for
                    await send(_part(error_event(gone, relay.call.dialect, relay.call.id)))
            raise
        except Exception as error:
            if sending.late:  # who reads nothing is told nothing
                let_go(send)
                raise StreamBroken(LEFT) from error
            broken = error if isinstance(error, GatewayError) else _internal(relay.call.id)
            self._metrics.closed(broken.code, time.perf_counter() - started)
            # The dialect's error event, and no clean end: an SDK must not take this for a whole answer.
            await send(_part(error_event(broken, relay.call.dialect, relay.call.id)))
            if not leaving():
                await asyncio.sleep(EVENT_SECONDS)
            raise StreamBroken(broken.code) from error
        finally:
            self._sending.discard(sending)
            leaving.cancel()

    async def _given(self, relay: Relay, gone: Callable[[], bool]) -> AsyncIterator[bytes]:
        """Yield what goes to the caller; what waited for a person, if they wait with it, is the end of it."""
        given = 0
        try:
            async for part in relay.stream(gone):
                given += len(part)
                yield part
        except Held as held:
            again = await self._approved(relay, held, gone)
            try:
                await again.begin()
                async for _ in again.stream(gone):
                    continue
                relay.tail = again.tail[given:]  # the whole of it; its beginning was given
            finally:
                self._let_go(again)


async def _begun(relay: Relay) -> tuple[Head, "asyncio.Task[Head] | None"]:
    """Wait until a stream begins, or, where the route keeps callers alive, until it is time for a sign of life: then
    its head is given out early, and the task that waits on."""
    if not relay.plan.keep_alive:
        return await _answered(relay.begin(), relay), None
    beginning = asyncio.ensure_future(relay.begin())
    try:
        await asyncio.wait({beginning}, timeout=relay.plan.keep_alive)
    except asyncio.CancelledError:
        beginning.cancel()
        raise
    if beginning.done():
        return await _answered(beginning, relay), None
    return relay.early_head(), beginning


def _all_of(beginning: "asyncio.Task[Head] | None", parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async def after(begun: "asyncio.Task[Head]") -> AsyncIterator[bytes]:
        await begun
        async for part in parts:
            yield part

    return parts if beginning is None else after(beginning)


def _part(body: bytes) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": True}


async def _answered(answer: Awaitable[_T], relay: Relay) -> _T:
    """Await an answer; what nobody expected becomes an error that no SDK repeats, because it may have been bought."""
    try:
        return await answer
    except GatewayError:
        raise
    except Exception as error:
        relay.remember_undelivered()
        raise _internal(relay.call.id) from error


def _internal(call: str) -> GatewayError:
    log.exception("a call failed after it was opened", call=call)
    return GatewayError("internal_error", "an internal error after the call was opened; it is on record")


def _headers(relay: Relay, head: Head, started: float) -> Headers:
    headers = [
        (b"content-type", head.content_type.encode("latin-1", "replace")),
        (relay.call.dialect.id_header, relay.call.id.encode()),
        (b"x-whyledger-call", relay.call.id.encode()),
        (b"x-whyledger-why", f"/why/{relay.call.id}".encode()),
        (b"x-whyledger-decision", b"allow"),
        (b"x-whyledger-cache", head.cache.encode()),
    ]
    if not head.early:
        overhead = (time.perf_counter() - started - relay.upstream_seconds) * 1000
        headers.append((b"x-whyledger-overhead-ms", f"{overhead:.2f}".encode()))
    if relay.call.asked.stream:  # no proxy may hold events back, compress them or give them to somebody else
        headers += [(b"cache-control", b"no-cache, no-transform"), (b"x-accel-buffering", b"no")]
    if relay.plan.output_limit_set:
        headers.append((b"x-whyledger-output-limit", str(relay.plan.output_limit).encode()))
    if relay.plan.stepped_down:
        headers.append((b"x-whyledger-step-down", b"true"))
    if dropped := relay.dropped:
        headers.append((b"x-whyledger-dropped", ", ".join(dropped).encode("ascii", "replace")))
    if head.cost_nano_eur is not None:
        headers.append((b"x-whyledger-cost-eur", eur(head.cost_nano_eur).removeprefix("EUR ").encode()))
    return headers


async def _send_error(
    send: Send, error: GatewayError, dialect: Dialect, call: str, *, decided: str = "deny", prefer: Preference = NONE
) -> None:
    status, body = error_response(error, dialect, call)
    if approval := approval_of(error):
        decided = "hold"
        if prefer.asynchronous:
            status, body = ACCEPTED, orjson.dumps(accepted(approval, call))
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (dialect.id_header, call.encode()),
        (b"x-whyledger-call", call.encode()),
        (b"x-whyledger-decision", decided.encode()),
        (b"x-should-retry", b"true" if error.code in RETRYABLE else b"false"),
    ]
    if approval:
        headers += [(b"x-whyledger-approval", approval.encode()), (b"location", status_url(approval).encode())]
    if status == ACCEPTED:
        headers.append((b"retry-after", str(ASK_AGAIN_SECONDS).encode()))
    if isinstance(error, EvidenceLost) and error.code in RETRYABLE:
        headers.append((b"retry-after", b"1"))
    if isinstance(error, Limited):
        headers.append((b"retry-after", str(max(1, math.ceil(error.wait))).encode()))
    if decided != "deny" or (isinstance(error, Refused) and error.code not in UNRECORDED):
        headers.append((b"x-whyledger-why", f"/why/{call}".encode()))
    if status == METHOD_NOT_ALLOWED:
        headers.append((b"allow", b"POST"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
