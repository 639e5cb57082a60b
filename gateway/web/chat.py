"""POST /v1/chat/completions as raw ASGI: read the body, run the ten stages, send the relay.

This is the response class that owns the duty to close: whatever ends it (an answer, a departed client, a failed send,
a cancelled task), `finally` hands the close to the writer without awaiting anything.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

import structlog
from starlette.types import Message, Receive, Scope, Send

from gateway.errors import EvidenceLost, GatewayError, Limited, Refused
from gateway.pipeline.call import Arrival
from gateway.pipeline.open import refuse
from gateway.pipeline.ports import Ports
from gateway.pipeline.relay import Head, Relay
from gateway.pipeline.run import authenticate, handle_call
from gateway.web.limits import decoded, too_large
from gateway.web.metrics import Metrics
from gateway.web.problems import METHOD_NOT_ALLOWED, RETRYABLE, openai_event, openai_response
from ledger.amounts import eur
from ledger.errors import LedgerUnavailable
from ledger.ids import new_id

MAX_BODY = 20 * 1024 * 1024
MAX_IN_FLIGHT = 512
BODY_SECONDS = 60.0
UNRECORDED = frozenset({"unknown_key", "key_revoked", "busy"})
"""Refusals of which there may be no entry, so that a link would lead nowhere."""

log = structlog.get_logger()

Headers = list[tuple[bytes, bytes]]
_T = TypeVar("_T")


class StreamBroken(Exception):
    """Raised into the server to end a connection without a clean end of body."""


class ChatCompletions:
    """The hot route."""

    def __init__(self, ports: Callable[[], Ports], metrics: Metrics) -> None:
        self._ports, self._metrics = ports, metrics
        self._reading: set[_Reading] = set()
        self._relays: set[Relay] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ports = self._ports()
        call = new_id("call", ports.clock())
        started = time.perf_counter()
        try:
            if scope["method"] != "POST":
                raise GatewayError("method_not_allowed", "send a POST")
            relay = await self._admit(call, scope, receive, ports)
        except GatewayError as error:
            self._metrics.refused(error.code)
            await _send_error(send, error, call)
            return
        try:
            await self._send_relay(relay, receive, send, started)
        finally:
            self._relays.discard(relay)
            relay.abandon()
            self._metrics.staged(relay.stages)

    async def _admit(self, call: str, scope: Scope, receive: Receive, ports: Ports) -> Relay:
        """Read the request and run the stages up to the open.

        Raises:
            GatewayError: the call was not opened.
        """
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            principal = await authenticate(_secret(headers), ports)
            if len(self._reading) + len(self._relays) >= MAX_IN_FLIGHT:
                raise Refused("busy", f"{MAX_IN_FLIGHT} calls are in flight; try again in a moment", stage=0)
            reading = _Reading()
            self._reading.add(reading)
            try:
                try:
                    body = decoded(headers.get("content-encoding", ""), await _body(scope, receive, reading), MAX_BODY)
                    reading.until = math.inf  # from here on nothing may cancel a call that is being opened
                except Refused as refusal:
                    await refuse(refusal, call, None, principal, ports)
                    raise
                relay = await handle_call(Arrival(call=call, headers=headers, body=body), principal, ports)
                self._relays.add(relay)  # no await since the open: what is opened is now owned
                return relay
            finally:
                self._reading.discard(reading)
        except GatewayError:
            raise
        except LedgerUnavailable as error:
            raise EvidenceLost("ledger_unavailable", f"the call was not sent: {error}") from error
        except Exception as error:
            log.exception("a call failed before it was opened", call=call)
            raise GatewayError("internal_error", "an internal error; the call was not sent") from error

    def hurry(self) -> None:
        """End the reading of bodies that do not arrive; called twice a second, which costs a call less than a timer."""
        now = time.monotonic()
        for reading in self._reading:
            if now > reading.until and not reading.late:
                reading.late = True
                reading.task.cancel()

    def enforce_stops(self) -> None:
        """End what runs although a person has stopped it; called when the rules have been read again."""
        for relay in self._relays:
            if relay.is_stopped():
                relay.interrupt()

    async def _send_relay(self, relay: Relay, receive: Receive, send: Send, started: float) -> None:
        try:
            if relay.call.stream:
                await self._send_stream(relay, receive, send, started)
            else:
                await self._send_whole(relay, send, started)
            self._metrics.closed("answered", time.perf_counter() - started)
        except GatewayError as error:
            self._metrics.closed(error.code, time.perf_counter() - started)
            await _send_error(send, error, relay.call.id, decided="allow")

    async def _send_whole(self, relay: Relay, send: Send, started: float) -> None:
        head, body = await _answered(relay.whole(), relay)
        headers = _headers(relay, head, started) + [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _send_stream(self, relay: Relay, receive: Receive, send: Send, started: float) -> None:
        head = await _answered(relay.begin(), relay)
        await send({"type": "http.response.start", "status": 200, "headers": _headers(relay, head, started)})
        leaving = asyncio.ensure_future(_disconnected(receive))
        try:
            async for part in relay.stream(leaving.done):
                await send({"type": "http.response.body", "body": part, "more_body": True})
        except asyncio.CancelledError:  # the process ends: a caller must not take what it has for the whole
            gone = GatewayError("shutting_down", "the gateway was stopped while the answer was running")
            with contextlib.suppress(Exception):
                await send({"type": "http.response.body", "body": openai_event(gone, relay.call.id), "more_body": True})
            raise
        except Exception as error:
            broken = error if isinstance(error, GatewayError) else _internal(relay.call.id)
            self._metrics.closed(broken.code, time.perf_counter() - started)
            # The dialect's error event, and no clean end: an SDK must not take this for a whole answer.
            await send({"type": "http.response.body", "body": openai_event(broken, relay.call.id), "more_body": True})
            raise StreamBroken(broken.code) from error
        finally:
            leaving.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})


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


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


class _Reading:
    """A body on its way."""

    __slots__ = ("late", "task", "until")

    def __init__(self) -> None:
        self.task: asyncio.Task[None] = cast("asyncio.Task[None]", asyncio.current_task())
        self.until = time.monotonic() + BODY_SECONDS
        self.late = False


async def _body(scope: Scope, receive: Receive, reading: _Reading) -> bytes:
    """Read the request body.

    Raises:
        Refused: too_large.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > MAX_BODY:
            raise too_large(MAX_BODY)
    parts: list[bytes] = []
    size = 0
    try:
        while True:
            message: Message = await receive()
            if message["type"] == "http.disconnect":
                raise Refused("invalid_request", "the client left before it had sent the body", stage=0)
            parts.append(part := message.get("body", b""))
            size += len(part)
            if size > MAX_BODY:
                raise too_large(MAX_BODY)
            if not message.get("more_body"):
                return b"".join(parts)
    except asyncio.CancelledError:
        if not reading.late:
            raise
        reading.task.uncancel()
        raise Refused("invalid_request", f"the body did not arrive within {BODY_SECONDS:g} s", stage=0) from None


def _secret(headers: dict[str, str]) -> str | None:
    kind, _, token = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key") or headers.get("api-key")


def _headers(relay: Relay, head: Head, started: float) -> Headers:
    overhead = (time.perf_counter() - started - relay.upstream_seconds) * 1000
    headers = [
        (b"content-type", head.content_type.encode("latin-1", "replace")),
        (b"x-request-id", relay.call.id.encode()),
        (b"x-whyledger-call", relay.call.id.encode()),
        (b"x-whyledger-why", f"/why/{relay.call.id}".encode()),
        (b"x-whyledger-decision", b"allow"),
        (b"x-whyledger-cache", head.cache.encode()),
        (b"x-whyledger-overhead-ms", f"{overhead:.2f}".encode()),
    ]
    if relay.call.stream:  # no proxy may hold events back, compress them or give them to somebody else
        headers += [(b"cache-control", b"no-cache, no-transform"), (b"x-accel-buffering", b"no")]
    if relay.plan.output_limit_set:
        headers.append((b"x-whyledger-output-limit", str(relay.plan.output_limit).encode()))
    if head.cost_nano_eur is not None:
        headers.append((b"x-whyledger-cost-eur", eur(head.cost_nano_eur).removeprefix("EUR ").encode()))
    return headers


async def _send_error(send: Send, error: GatewayError, call: str, *, decided: str = "deny") -> None:
    status, body = openai_response(error, call)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", call.encode()),
        (b"x-whyledger-call", call.encode()),
        (b"x-whyledger-decision", decided.encode()),
        (b"x-should-retry", b"true" if error.code in RETRYABLE else b"false"),
    ]
    if isinstance(error, EvidenceLost) and error.code in RETRYABLE:
        headers.append((b"retry-after", b"1"))
    if isinstance(error, Limited):
        headers.append((b"retry-after", str(max(1, math.ceil(error.wait))).encode()))
    if decided == "allow" or (isinstance(error, Refused) and error.code not in UNRECORDED):
        headers.append((b"x-whyledger-why", f"/why/{call}".encode()))
    if status == METHOD_NOT_ALLOWED:
        headers.append((b"allow", b"POST"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
