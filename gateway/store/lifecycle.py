"""A process's life in the ledger: it starts, renews its lease, closes what dead processes left open, stops.

A boot id has a lease on the ledger's clock. Only calls of boots whose lease has run out (or was given back) become
`call.interrupted`, charged at their worst case; so a restarting process never touches the live calls of its siblings.
Whoever interrupts the calls of a boot takes its lease away in the same transaction: a process that slept past its
lease and was held for dead opens nothing more. One whose lease ran out unnoticed (a full disk, a clock that was set
forward) renews it and goes on; what stopped it may have stopped the others too, so for the length of a lease it holds
nobody for dead.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from gateway.state.changes import changes_of
from gateway.state.rows import rows_of_end
from ledger.entry import Draft, format_time
from ledger.ids import new_id
from ledger.store.reader import Reader
from ledger.unit import GAP, HALT, State, Step, Unit

LEASE = timedelta(seconds=10)
RENEW_SECONDS = 2.0


def start_unit(boot: str, build: str, version: str) -> Unit:
    """Take a lease and record `gateway.started`."""

    def run(_state: State, at: datetime) -> Step:
        facts = {"boot": boot, "version": version, "lease_seconds": int(LEASE.total_seconds())}
        draft = Draft(id=new_id("ent", at), kind="gateway.started", facts=facts, refs={"build": build})
        return Step(drafts=[draft], changes={f"boot:{boot}": {"until": format_time(at + LEASE)}})

    return Unit(keys=lambda _at: (), run=run)


def halt_unit(finding: str, size: int, gap: Any) -> Unit:
    """Halt the log for all processes, because the database contradicts what was signed (`ledger.continuity`).

    Args:
        gap: the last declared gap when that was found. Where a person has declared one since, what was found is what
            they declared, and nothing is halted anew.
    """
    row = {"finding": finding, "size": size}
    return Unit(
        keys=lambda _at: (GAP,), run=lambda state, _at: Step(changes={HALT: row} if state.get(GAP) == gap else {})
    )


def renew_unit(boot: str, *, revive: bool = False) -> Unit:
    """Prolong a lease. The answer tells whether there was one; it is gone when another process took it away.

    Args:
        revive: take one anew where there is none: the database went back, and a person has declared that since.
    """

    def run(state: State, at: datetime) -> Step:
        lease = state.get(f"boot:{boot}")
        if lease is None and not revive:
            return Step(answer=False)
        lease = lease or {"until": ""}
        back = {"back": format_time(at)} if lease["until"] < format_time(at) else {}
        return Step(changes={f"boot:{boot}": lease | back | {"until": format_time(at + LEASE)}}, answer=True)

    return Unit(keys=lambda _at: (f"boot:{boot}",), run=run)


def stop_unit(boot: str, build: str) -> Unit:
    """Give the lease back and record `gateway.stopped`."""

    def run(_state: State, at: datetime) -> Step:
        draft = Draft(id=new_id("ent", at), kind="gateway.stopped", facts={"boot": boot}, refs={"build": build})
        return Step(drafts=[draft], changes={f"boot:{boot}": None})

    return Unit(keys=lambda _at: (f"boot:{boot}",), run=run)


def sweep_unit(reader: Reader, build: str, own: str) -> Unit | None:
    """Return the unit by which the boot `own` interrupts the open calls of dead boots, or None when no call is open."""
    calls = {key: row for key, row in reader.states("call:").items()}
    if not calls:
        return None
    boots = sorted({own, *(row["boot"] for row in calls.values())})
    rows = {f"boot:{boot}" for boot in boots}
    for key, call in calls.items():
        name = key.removeprefix("call:")
        rows |= {*rows_of_end(name, call["budgets"], call["workflow"], call["task"], _facts_of(call), call)}

    def run(state: State, at: datetime) -> Step:
        alive = {boot for boot in boots if (state.get(f"boot:{boot}") or {"until": ""})["until"] >= format_time(at)}
        alive |= {boot for boot in _spared(state, own, at, boots) if f"boot:{boot}" in state}
        dead = [key for key in calls if key in state and state[key]["boot"] not in alive]
        return _interrupt(dead, state, at, build)

    return Unit(keys=lambda _at: sorted(rows), run=run)


def _facts_of(call: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of an interruption."""
    return {
        "boot": call["boot"], "cost_nano_eur": call["reserved"], "cost_state": "upper_bound",
        "environment": call["environment"], "reason": "process_ended",
    }  # fmt: skip


def _spared(state: State, own: str, at: datetime, boots: Sequence[str]) -> Sequence[str]:
    """Return the boots whose lapsed lease says nothing yet: our own, and all when our own had lapsed a moment ago."""
    back = (state.get(f"boot:{own}") or {}).get("back", "")
    return boots if back > format_time(at - LEASE) else [own]


def _interrupt(dead: Sequence[str], state: State, at: datetime, build: str) -> Step:
    working = dict(state)
    drafts: list[Draft] = []
    changes: dict[str, Any] = {}
    for key in dead:
        call = working[key]
        changes[f"boot:{call['boot']}"] = None  # held for dead: it must not open another call
        draft = Draft(
            id=new_id("ent", at), kind="call.interrupted", call=key.removeprefix("call:"), task=call["task"],
            workflow=call["workflow"], facts=_facts_of(call), refs={"build": build},
        )  # fmt: skip
        moved = changes_of(draft, working)
        working |= {name: row for name, row in moved.items() if row is not None}
        working.pop(key)
        changes |= moved
        drafts.append(draft)
    return Step(drafts=drafts, changes=changes, answer=len(drafts))


def unknown_keys_unit(count: int, boot: str, build: str) -> Unit:
    """One entry for all tries with unknown keys since the last one."""

    def run(_state: State, at: datetime) -> Step:
        facts = {"boot": boot, "reason_ref": "unknown_key", "stage": 2, "count": count, "inputs": {}}
        return Step(drafts=[Draft(id=new_id("ent", at), kind="call.refused", facts=facts, refs={"build": build})])

    return Unit(keys=lambda _at: (), run=run)
