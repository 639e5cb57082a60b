"""The database fails over under load: with a synchronous standby nothing is lost; without one, what is lost halts every
gateway until a person declares it."""

from pathlib import Path

import pytest
from cluster import whyledger
from environment import require_sound_log
from failing_over import HALTED, Failover, failing_over

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
        halt = failover.go_back()
        assert halt.outcome.lost > 0, "the standby was not behind"
        assert halt.answers == [HALTED, HALTED]
        assert halt.outcome.after == 0, "a call was acknowledged on another history"
        assert (halt.opened, halt.sent) == (0, 0)
        assert halt.head_kept, "the signed head was replaced"
        said = capfd.readouterr()
        told = [line for line in (said.out + said.err).splitlines() if "whyledger recover" in line]
        assert len(told) == len(failover.ports), "each process says once what to do"
        failover.recover()
        assert failover.live_on(), "a process was restarted"
        require_one_end_each(failover)
        assert [entry.kind for entry in failover.entries()].count("gap.declared") == 1


def require_one_end_each(failover: Failover) -> None:
    """Hold that every call on record has one end, that the sums are right, and that the log verifies."""
    failover.on.until_all_ended()
    failover.on.end()
    require_sound_log(failover.on.settings, [])


def test_doctor_says_when_no_standby_is_synchronous(tmp_path: Path) -> None:
    with failing_over(tmp_path, synchronous=False) as failover:
        assert "no standby is synchronous" in whyledger(failover.on, "doctor").stdout
        failover.pair.wait_for_standby()
        failover.pair.until_standby_is("sync")
        assert "no standby is synchronous" not in whyledger(failover.on, "doctor").stdout
