"""The database fails over under load: with a synchronous standby nothing is lost; without one, what is lost halts every
gateway until a person declares it."""

import time
from pathlib import Path

import pytest
from cluster import whyledger
from conftest import Clock, OpenLog, appending
from environment import require_sound_log, until
from failing_over import HALTED, Failover, Halt, failing_over
from replicas import replicas

from ledger.errors import LedgerUnavailable

_WAITING = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"

pytestmark = pytest.mark.slow


def test_a_failover_to_a_synchronous_standby_loses_nothing_acknowledged_and_calls_go_on(tmp_path: Path) -> None:
    with failing_over(tmp_path, synchronous=True) as failover:
        outcome, _ = failover.keep_going()
        assert outcome.lost == 0
        assert [failover.on.call(port)[0] for port in failover.ports] == [200, 200]
        assert failover.live_on()
        require_one_end_each(failover)


def test_a_failover_that_lost_entries_halts_every_gateway_until_a_person_declares_the_gap(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with failing_over(tmp_path, synchronous=False) as failover:
        require_halted(failover.go_back())
        said = capfd.readouterr()
        told = [line for line in (said.out + said.err).splitlines() if "whyledger recover" in line]
        assert len(told) == len(failover.ports), "each process says once what to do"
        require_going_on(failover)


def test_entries_that_were_lost_before_a_head_covered_them_halt_every_gateway_too(tmp_path: Path) -> None:
    with failing_over(tmp_path, synchronous=False) as failover:
        require_halted(failover.go_back_behind_the_head())
        require_going_on(failover)


def require_halted(halt: Halt) -> None:
    """Hold that the gateways refuse calls by the right name, and wrote, sent and signed nothing on the other history."""
    assert halt.outcome.lost > 0, "the standby was not behind"
    assert halt.answers == [HALTED, HALTED]
    assert halt.outcome.after == 0, "a call was acknowledged on another history"
    assert (halt.opened, halt.sent) == (0, 0)
    assert halt.head_kept, "the signed head was replaced"


def require_going_on(failover: Failover) -> None:
    """Declare the gap as a person; hold that the same processes go on, and that the log is sound."""
    failover.recover()
    assert failover.live_on(), "a process was restarted"
    require_one_end_each(failover)
    assert [entry.kind for entry in failover.entries()].count("gap.declared") == 1


def require_one_end_each(failover: Failover) -> None:
    """End the gateways, which interrupts calls whose ends were lost; every call must have one end, and the log verify."""
    failover.on.end()
    require_sound_log(failover.on.settings, [])


def test_doctor_says_when_no_standby_is_synchronous(tmp_path: Path) -> None:
    with failing_over(tmp_path, synchronous=False) as failover:
        assert "no standby is synchronous" in whyledger(failover.on, "doctor").stdout
        failover.pair.wait_for_standby()
        failover.pair.until_standby_is("sync")
        assert "no standby is synchronous" not in whyledger(failover.on, "doctor").stdout


def test_what_a_restarted_primary_alone_holds_is_not_acknowledged(tmp_path: Path) -> None:
    with replicas(synchronous=True) as pair:
        opened = OpenLog(tmp_path, Clock(), pair.environment()["WHYLEDGER_DATABASE_OWNER"])
        opened.log.append(appending("call.opened"))
        pair.cut_standby_off()
        handed = opened.log.submit(appending("call.closed"))
        until(lambda: pair.primary.ask(_WAITING), "the commit does not wait for the standby")
        pair.primary.stop()  # a crash: what was flushed here and not sent to the standby is there after the restart
        pair.primary.start()
        time.sleep(2)
        acknowledged = handed.done()
        pair.primary.kill()
        pair.standby.promote()
        assert not acknowledged, "what the standby does not hold was acknowledged"
        with pytest.raises(LedgerUnavailable):
            handed.result(timeout=60)
        opened.log.close()
        opened.engine.dispose()
