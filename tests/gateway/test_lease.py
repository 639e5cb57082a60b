"""Leases: who was held for dead ends, who was only late goes on, and who was late itself judges nobody."""

from datetime import timedelta
from typing import Any

from conftest import Clock, OpenLog

from gateway.store import lifecycle
from ledger.entry import b64, decode
from ledger.ids import new_id
from ledger.unit import Step, Unit

BUILD = b64(bytes(32))
LATE = lifecycle.LEASE + timedelta(seconds=1)


def begun(log: OpenLog, boot: str) -> None:
    """Let a process start and open a call."""
    call: dict[str, Any] = {
        "boot": boot, "task": None, "workflow": "agent", "environment": "prod", "reserved": 7, "budgets": ["budget:a"],
    }  # fmt: skip
    log.log.append(lifecycle.start_unit(boot, BUILD, "1"))
    used = {"spent": 0, "reserved": 7}
    rows = {f"call:{new_id('call', log.clock())}": call, "budget:a": used}
    log.log.append(Unit(keys=lambda _at: (), run=lambda _state, _at: Step(changes=rows)))


def renewed(log: OpenLog, boot: str) -> bool:
    return bool(log.log.append(lifecycle.renew_unit(boot)).answer)


def swept(log: OpenLog, boot: str) -> list[str]:
    """Let a process close what the dead left open; returns whose calls it closed."""
    size = log.reader.head().size
    if unit := lifecycle.sweep_unit(log.reader, BUILD, boot):
        log.log.append(unit)
    return [decode(data).facts["boot"] for data in log.reader.raw(size, log.reader.head().size)]


def test_who_was_held_for_dead_may_not_renew(on_file: OpenLog, clock: Clock) -> None:
    begun(on_file, "dead")
    clock.now += LATE
    on_file.log.append(lifecycle.start_unit("judge", BUILD, "1"))
    assert swept(on_file, "judge") == ["dead"]
    assert not renewed(on_file, "dead")
    assert swept(on_file, "judge") == []


def test_who_was_late_unnoticed_goes_on_and_keeps_its_calls(on_file: OpenLog, clock: Clock) -> None:
    begun(on_file, "late")
    clock.now += LATE
    assert swept(on_file, "late") == []  # not by itself either
    assert renewed(on_file, "late")
    assert swept(on_file, "late") == []


def test_who_was_late_itself_holds_nobody_for_dead_before_a_lease_has_passed(on_file: OpenLog, clock: Clock) -> None:
    begun(on_file, "first")
    on_file.log.append(lifecycle.start_unit("second", BUILD, "1"))
    clock.now += LATE  # a full disk, or a clock set forward: both were late
    assert renewed(on_file, "second")
    assert swept(on_file, "second") == []
    for _ in range(6):
        clock.now += timedelta(seconds=2)
        assert renewed(on_file, "second")
    assert swept(on_file, "second") == ["first"]


def test_who_stops_closes_its_own_calls(on_file: OpenLog) -> None:
    begun(on_file, "stopped")
    on_file.log.append(lifecycle.stop_unit("stopped", BUILD))
    assert "stopped" in swept(on_file, "stopped")
