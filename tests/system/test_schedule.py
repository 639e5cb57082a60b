"""Packs on a schedule: the period that ended last, once, whatever happens; days are the organisation's."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from stage import Stage, stage

from gateway.configuration.load import load
from gateway.console.packs import Packs
from gateway.oversight import acts
from gateway.schedule import Schedule, due, last_period
from gateway.store.installation import Installation
from ledger.verify import verify_pack

pytestmark = pytest.mark.slow
AGENT = "workflows: {agent: {purpose: p, owner: o}}\n"
PACKS = "packs:\n  - {every: month}\n  - {every: year, workflow: agent, brief: true}\n"


@pytest.mark.parametrize(
    ("every", "today", "start", "end"),
    [
        ("month", date(2026, 12, 1), date(2026, 11, 1), date(2026, 12, 1)),
        ("month", date(2027, 1, 31), date(2026, 12, 1), date(2027, 1, 1)),
        ("quarter", date(2026, 12, 31), date(2026, 7, 1), date(2026, 10, 1)),
        ("quarter", date(2027, 2, 1), date(2026, 10, 1), date(2027, 1, 1)),
        ("year", date(2026, 11, 28), date(2025, 1, 1), date(2026, 1, 1)),
    ],
)
def test_the_period_that_ended_last(every: str, today: date, start: date, end: date) -> None:
    assert last_period(every, today) == (start, end)  # type: ignore[arg-type]


def test_a_month_ends_when_it_ends_in_the_time_zone_of_the_organisation() -> None:
    configuration = load("organisation: {time_zone: Europe/Berlin}\n" + AGENT + PACKS)
    before, after = (datetime(2026, 11, 30, 22, 59, tzinfo=UTC), datetime(2026, 11, 30, 23, 0, tzinfo=UTC))
    assert due(configuration, before)[0].end == "2026-10-31T23:00:00.000000Z"
    assert due(configuration, before)[0].start == "2026-09-30T22:00:00.000000Z"
    assert due(configuration, after)[0].end == "2026-11-30T23:00:00.000000Z"


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path / "home") as opened:
        text = opened.installation.vault.text(acts.active_configuration(opened.installation)[1]) or ""
        acts.activate(opened.installation, opened.person("ada"), text + PACKS, "packs by themselves")
        opened.ask(task="ticket:7")
        opened.settled("call.closed")
        opened.installation.checkpointer.sign(now=True)
        yield opened


def next_year(on: Stage) -> Installation:
    """The installation a year later, as far as the schedule looks; the process that signs."""
    later = replace(on.installation, clock=lambda: datetime(on.installation.clock().year + 1, 1, 1, 12, tzinfo=UTC))
    later.checkpointer.has_turn = lambda: True  # type: ignore[method-assign]
    return later


def test_what_ended_is_made_once_and_each_is_an_entry(on: Stage, tmp_path: Path) -> None:
    later, packs = next_year(on), Packs(tmp_path / "packs")
    configuration, _ = acts.active_configuration(later)
    Schedule(later, packs).look(configuration)
    made = on.entries("pack.exported")
    assert [(one.facts["scheduled"], one.facts["brief"], one.workflow, one.act) for one in made] == [
        ("month", False, None, None),
        ("year", True, "agent", None),
    ]
    assert all(job.failed is False for job in packs.jobs), packs.jobs
    kept = {one.name.removesuffix(".pdf") for one in packs.kept(later.reader)}
    assert kept == {one.facts["pack_ref"] for one in made}
    for name in kept:
        assert verify_pack(packs.read(f"{name}.pdf") or b"", vkeys=[later.signer.vkey]).failed is False
    Schedule(later, packs).look(configuration)
    assert len(on.entries("pack.exported")) == 2


def test_two_processes_at_once_record_one_pack(on: Stage, tmp_path: Path) -> None:
    later, configuration = next_year(on), load("packs: [{every: month}]\n")
    several = [Packs(tmp_path / str(number)) for number in range(2)]
    threads = [threading.Thread(target=Schedule(later, one).look, args=(configuration,)) for one in several]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(on.entries("pack.exported")) == 1
    assert sorted(len(list(one.kept(later.reader))) for one in several) == [0, 1]


def test_a_period_before_the_log_began_is_no_pack_and_a_process_that_does_not_sign_makes_none(
    on: Stage, tmp_path: Path
) -> None:
    configuration, packs = load(AGENT + PACKS), Packs(tmp_path / "packs")
    now = replace(on.installation)
    Schedule(now, packs).look(configuration)
    later = next_year(on)
    later.checkpointer.has_turn = lambda: False  # type: ignore[method-assign]
    Schedule(later, packs).look(configuration)
    assert on.entries("pack.exported") == []


def test_a_pack_whose_process_ended_after_the_entry_is_listed(on: Stage, tmp_path: Path) -> None:
    later, packs = next_year(on), Packs(tmp_path / "packs")
    Schedule(later, packs).look(load("packs: [{every: month}]\n"))
    (made,) = (tmp_path / "packs").glob("*.pdf")
    made.replace(made.with_suffix(".part"))
    assert [one.name for one in packs.kept(later.reader)] == [made.name]
