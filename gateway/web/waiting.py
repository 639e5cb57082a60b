"""Callers who would rather wait for a person than come back: `Prefer: wait=60`, `Prefer: respond-async` (RFC 7240)."""

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from gateway.approvals.standing import NEEDED, standing
from gateway.call import Arrival
from gateway.errors import GatewayError, Held, Refused
from gateway.pipeline.ports import Ports
from ledger.entry import format_time
from ledger.ids import new_id

MOST_SECONDS = 600
LOOK_SECONDS = 0.5
COMMENT_SECONDS = 15.0
"""How often a stream that waits says that it is still there."""
ASK_AGAIN_SECONDS = 5
_WAIT = re.compile(r"wait\s*=\s*\"?(\d{1,9})\"?")


class Preference(NamedTuple):
    """What a caller prefers where a person is asked: to wait for so many seconds, or not to be told by an error."""

    wait: int = 0
    asynchronous: bool = False


NONE = Preference()


def preference_of(headers: Mapping[str, str]) -> Preference:
    """Return what the header `prefer` says; what it says beside that is for others."""
    said = headers.get("prefer", "")
    if not said:
        return NONE
    words = [one.strip().lower() for one in re.split("[,;]", said)]
    waits = [int(found[1]) for one in words if (found := _WAIT.fullmatch(one))]
    return Preference(min(MOST_SECONDS, max(waits, default=0)), "respond-async" in words)


def approval_of(error: GatewayError) -> str:
    """Return the approval that a call waits for; empty where it failed for another reason."""
    if isinstance(error, Held):
        return error.approval
    return str(error.inputs["approval"]) if isinstance(error, Refused) and error.code == NEEDED else ""


def status_url(approval: str) -> str:
    return f"/api/v1/approvals/{approval}"


def accepted(approval: str, call: str) -> dict[str, Any]:
    """Return what a caller gets who does not want an error."""
    return {
        "object": "approval", "id": approval, "status_url": status_url(approval), "whyledger_call": call,
    }  # fmt: skip


async def decided(ports: Ports, approval: str, seconds: int, gone: Callable[[], bool]) -> bool:
    """Wait for people; return whether they have decided, or it is over: then the request says what came of it.

    Args:
        gone: tells whether the caller has left.
    """
    until = time.monotonic() + seconds
    while row := await ports.approvals.row(approval):
        stands = standing(row, format_time(ports.clock()))
        if stands != "requested":
            return not gone()
        if time.monotonic() >= until or gone():
            return False
        await asyncio.sleep(LOOK_SECONDS)
    return False


def resumed(arrival: Arrival, approval: str, ports: Ports) -> Arrival:
    """Return the same request as the caller would send it again: a call of its own that names the approval."""
    call = new_id("call", ports.clock())
    return arrival._replace(call=call, headers={**arrival.headers, "x-whyledger-approval": approval})
