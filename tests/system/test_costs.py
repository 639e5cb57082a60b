"""What it cost: every figure is recomputed here from the entries, by code that shares nothing with the product."""

import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import openai
import pytest
from stage import Stage, stage

from gateway.economics.costs import QuestionInvalid, as_csv, as_focus, grouped, read_by, whole
from gateway.economics.reading import Period, period_of, sums_of
from gateway.oversight import access, acts
from gateway.oversight.corrections import correct_cost
from gateway.oversight.people import Box
from gateway.store.rebuild import replay
from ledger.entry import format_time

pytestmark = pytest.mark.slow
ALWAYS = Period(date(2020, 1, 1), date(2100, 1, 1), "Europe/Berlin")


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("costs") / "home", timeout=1) as opened:
        for number in range(3):
            opened.ask(task="ticket:1", text=f"a {number}")
        opened.ask(key="quiet", text="no task")
        opened.ask("cached", "the same", task="ticket:2")
        opened.ask("cached", "the same", task="ticket:2")
        opened.ask(key="fresh-dev", model="model-b")
        with pytest.raises(openai.PermissionDeniedError):
            opened.ask(key="fresh")
        with pytest.raises(openai.APIStatusError):
            opened.ask("unpriced")
        _time_out(opened)
        opened.settled("call.closed", 8)
        yield opened


def _time_out(on: Stage) -> None:
    """A call that may have been billed: it is charged at its worst case, and a person corrects one of two."""
    import asyncio

    async def never(*_: Any) -> Any:
        await asyncio.sleep(5)

    on.upstream.answer = never
    for task in ("ticket:1", None):
        with pytest.raises(openai.APIStatusError):
            on.ask(task=task, text=f"slow {task}")
    on.upstream.answer = None
    bounded = [one for one in on.settled("call.closed", 8) if one.facts["cost_state"] == "upper_bound"]
    assert len(bounded) == 2
    access.grant(on.installation, on.person("ada"), "ada", "finance")
    for cost in (2_000, 1_000):
        correct_cost(on.installation, on.person("ada"), str(bounded[0].call), cost, "the invoice says so")


def recomputed(on: Stage) -> dict[tuple[str, ...], Counter[str]]:
    """Sums by day, workflow, environment, route, model and key, from the entries alone."""
    opened, found = {}, defaultdict[tuple[str, ...], Counter[str]](Counter)
    places: dict[str, tuple[str, ...]] = {}
    for entry in on.entries():
        facts = entry.facts
        day = datetime.fromisoformat(entry.at).astimezone(ZoneInfo("Europe/Berlin")).date().isoformat()
        if entry.kind == "call.opened":
            opened[entry.call] = (day, entry)
        elif entry.kind in ("call.closed", "call.interrupted"):
            day, first = opened[entry.call]
            served = facts.get("served")
            model = f"{served['provider']} {served['model']}" if served else "cache" if facts["cache"] == "hit" else ""
            place = (day, entry.workflow, facts["environment"], first.facts["route_ref"], model, first.facts["key"])
            places[str(entry.call)] = place
            usage = facts.get("usage") or {}
            found[place] += Counter(
                calls=1, cost=facts["cost_nano_eur"], bounded=facts["cost_state"] == "upper_bound",
                bound_cost=facts["cost_nano_eur"] * (facts["cost_state"] == "upper_bound"),
                named_cost=facts["cost_nano_eur"] * (entry.task is not None), saved=facts.get("saved_nano_eur", 0),
                tokens_in=sum(n for name, n in usage.items() if name in ("input_tokens", "cached_tokens")),
                tokens_out=usage.get("output_tokens", 0),
            )  # fmt: skip
            found[place][f"r:{facts.get('result', 'interrupted')}"] += 1
        elif entry.kind == "call.refused" and entry.workflow:
            place = (day, entry.workflow, facts["environment"], facts.get("route", ""), "", facts["key"])
            found[place] += Counter({"calls": 1, "r:refused": 1})
        elif entry.kind == "cost.corrected":
            place = places[str(entry.call)]
            moved = facts["after_nano_eur"] - facts["before_nano_eur"]
            found[place]["cost"] += moved
            found[place]["named_cost"] += moved * (entry.task is not None)
            if found[place]["bound_cost"] >= facts["before_nano_eur"] and f"c:{entry.call}" not in found[place]:
                found[place].update({f"c:{entry.call}": 1, "bounded": -1, "bound_cost": -facts["before_nano_eur"]})
    return found


def test_every_sum_is_that_of_the_entries_to_the_nano_eur(on: Stage) -> None:
    wanted = recomputed(on)
    rows = {
        tuple(row.removeprefix("sum:").split("|")): sums for row, sums in on.installation.reader.states("sum:").items()
    }
    assert rows.keys() == wanted.keys()
    for place, sums in rows.items():
        mine = wanted[place]
        for name in ("calls", "cost", "bounded", "bound_cost", "named_cost", "saved"):
            assert sums[name] == mine[name], (place, name)
        assert (sums["in"], sums["out"]) == (mine["tokens_in"], mine["tokens_out"])
        assert sums["results"] == {name[2:]: count for name, count in mine.items() if name.startswith("r:") and count}
    assert sum(mine["bounded"] for mine in wanted.values()) == 1
    assert sum(mine["saved"] for mine in wanted.values()) > 0


@pytest.mark.parametrize(
    "by", ["day", "workflow", "environment,route", "model,key", "day,workflow,environment,route,model,key", ""]
)
def test_groups_agree_with_the_entries_whatever_is_asked_for(on: Stage, by: str) -> None:
    names = read_by(by)
    at = [("day", "workflow", "environment", "route", "model", "key").index(name) for name in names]
    wanted: Counter[tuple[str, ...]] = Counter()
    for place, sums in recomputed(on).items():
        wanted[tuple(place[one] for one in at)] += sums["cost"]
    rows = sums_of(on.installation.reader, ALWAYS)
    assert {one.name: one.sums["cost"] for one in grouped(rows, names)} == dict(wanted)
    table = list(csv.DictReader(io.StringIO(as_csv(grouped(rows, names), names))))
    assert sum(int(row["cost_nano_eur"]) for row in table) == whole(rows).sums["cost"]


def test_the_costs_of_tasks_are_those_of_their_calls(on: Stage) -> None:
    wanted: Counter[tuple[Any, Any]] = Counter()
    for entry in on.entries():
        if entry.task and entry.kind in ("call.closed", "call.interrupted"):
            wanted[entry.workflow, entry.task] += entry.facts["cost_nano_eur"]
        elif entry.task and entry.kind == "cost.corrected":
            wanted[entry.workflow, entry.task] += entry.facts["after_nano_eur"] - entry.facts["before_nano_eur"]
    rows = on.installation.reader.states("task:")
    assert {tuple(row.removeprefix("task:").rsplit(":", 1)): one["cost"] for row, one in rows.items()} == dict(wanted)


def test_the_rows_follow_from_the_entries(on: Stage) -> None:
    state, _ = replay(on.installation.reader)
    for prefix in ("sum:", "task:", "bound:"):
        assert {row: value for row, value in state.items() if row.startswith(prefix)} == on.installation.reader.states(
            prefix
        )


def test_focus_lines_sum_to_the_same_and_name_tokens(on: Stage) -> None:
    rows = sums_of(on.installation.reader, ALWAYS)
    table = list(csv.DictReader(io.StringIO(as_focus(rows, "Example", "Europe/Berlin"))))
    cost = sum(int(row["EffectiveCost"].replace(".", "")) for row in table)
    assert cost == whole(rows).sums["cost"]
    assert {row["ConsumedUnit"] for row in table} == {"Tokens"}
    assert {row["ServiceSubcategory"] for row in table} == {"Generative AI"}
    assert all(json.loads(row["Tags"])["workflow"] for row in table)


def test_a_period_holds_its_days_alone(on: Stage) -> None:
    reader, zone = on.installation.reader, "Europe/Berlin"
    today = datetime.now(ZoneInfo(zone)).date()
    day = timedelta(days=1)
    assert whole(sums_of(reader, Period(today - 30 * day, today, zone))).sums["calls"] == 0
    assert whole(sums_of(reader, Period(today + day, today + 2 * day, zone))).sums["calls"] == 0
    assert sums_of(reader, Period(today, today + day, zone)) == sums_of(reader, ALWAYS)
    assert str(period_of(None, None, zone, datetime.now(ZoneInfo(zone)))).startswith(str(today.replace(day=1)))


@pytest.mark.parametrize(("start", "end"), [("2026-13-01", None), ("soon", None), ("2026-12-01", "2026-11-01")])
def test_a_period_that_is_none_is_refused(start: str, end: str | None) -> None:
    with pytest.raises(QuestionInvalid):
        period_of(start, end, "UTC", datetime.now(ZoneInfo("UTC")))


@pytest.mark.parametrize("by", ["colour", "day,day", "day;drop"])
def test_what_cannot_be_grouped_by_is_named(by: str) -> None:
    with pytest.raises(QuestionInvalid, match="--by"):
        read_by(by)


def test_the_month_before_a_month_is_a_month() -> None:
    assert str(Period(date(2026, 3, 1), date(2026, 4, 1), "UTC").before) == "2026-02-01 to 2026-02-28"
    assert str(Period(date(2027, 1, 1), date(2027, 4, 1), "UTC").before) == "2026-10-01 to 2026-12-31"
    assert str(Period(date(2026, 3, 10), date(2026, 3, 17), "UTC").before) == "2026-03-03 to 2026-03-09"


def test_the_api_answers_the_same_and_an_auditor_sees_their_workflows(on: Stage) -> None:
    box = Box(format_time(on.installation.clock() + timedelta(days=1)), ("quiet",))
    on.tokens["tina"] = acts.enrol(on.installation, on.person("ada"), "tina", ["auditor"], box)
    with httpx2.Client(base_url=on.url) as client:

        def get(who: str, **query: str) -> Any:
            return client.get("/api/v1/costs", params=query, headers={"authorization": f"Bearer {on.tokens[who]}"})

        answer = get("ada", by="workflow", **{"from": "2020-01-01"}).json()
        assert answer["together"]["cost_nano_eur"] == whole(sums_of(on.installation.reader, ALWAYS)).sums["cost"]
        assert {one["by"]["workflow"] for one in answer["groups"]} == {"agent", "quiet", "fresh"}
        assert {one["by"]["workflow"] for one in get("tina").json()["groups"]} == {"quiet"}
        assert get("ada", format="csv").text.startswith("workflow,calls,refused")
        assert get("ada", by="colour").status_code == 400
        assert client.get("/api/v1/costs").status_code == 401


def test_the_command_line_prints_the_sum(on: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from typer.testing import CliRunner

    from gateway.cli import app

    result = CliRunner().invoke(app, ["--home", str(on.settings.home), "costs", "--by", "model"])
    assert result.exit_code == 0, result.output
    assert "together EUR" in result.output
    assert "at an upper bound" in result.output
    assert "USD per EUR of" in result.output


def test_a_log_of_an_earlier_version_gets_its_sums_when_it_is_migrated(tmp_path: Path) -> None:
    from gateway.store.installation import migrate

    with stage(tmp_path / "home") as on:
        on.ask(task="ticket:1")
        on.settled("call.closed")
        kept = on.installation.reader.states("sum:")
    with on.installation.engine.execution_options(writes=True).begin() as connection:
        connection.exec_driver_sql("DELETE FROM state WHERE key LIKE 'sum:%'")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0004'")
    migrate(on.settings)
    assert on.installation.reader.states("sum:") == kept != {}


def test_on_postgresql_rows_are_in_the_order_of_bytes_whatever_the_language_of_the_server() -> None:
    """In most languages a server sorts punctuation and letters otherwise, and a prefix is no range of it."""
    import postgresql

    from gateway.store.rebuild import upgrade_log
    from ledger.store.engine import open_engine
    from ledger.store.reader import Reader

    engine = open_engine(postgresql.new_database())
    upgrade_log(engine, None)
    keys = ["sum:2026-11-01|a", "sum:2026-11-01|B", "sum:2026-11-02|a", "sumo", "sum;", "task:a:x", "taska:x"]
    with engine.begin() as connection:
        for key in keys:
            connection.exec_driver_sql("INSERT INTO state (key, value) VALUES (%s, '1')", (key,))
        asked = (
            "SELECT collation_name FROM information_schema.columns WHERE table_name = 'state' AND column_name = 'key'"
        )
        assert connection.exec_driver_sql(asked).scalar_one() == "C"
    reader = Reader(engine)
    assert list(reader.states("sum:")) == sorted(key for key in keys if key.startswith("sum:"))
    assert list(reader.states_between("sum:2026-11-01", "sum:2026-11-02")) == ["sum:2026-11-01|B", "sum:2026-11-01|a"]
    assert list(reader.states("task:")) == ["task:a:x"]
    engine.dispose()


def test_an_export_of_what_is_on_record_is_explained_and_a_bypass_is_not(on: Stage, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from gateway.cli import app

    lines = ["day,model,amount,currency"]
    for entry in on.entries("call.opened"):
        ends = [one for one in on.entries("call.closed", "cost.corrected") if one.call == entry.call]
        cost = ends[-1].facts.get("after_nano_eur", ends[-1].facts.get("cost_nano_eur"))
        if ends[0].facts.get("served"):
            amount = f"{cost // 10**9}.{cost % 10**9:09d}"
            lines.append(f"{entry.at[:10]},{ends[0].facts['served'].get('reported_model', 'model-a')},{amount},EUR")
    file = tmp_path / "export.csv"
    file.write_text("\n".join(lines))
    command = ["--home", str(on.settings.home), "reconcile", str(file), "--provider", "upstream"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert "unexplained EUR 0.000000000 billed beyond the record, EUR 0.000000000 on" in result.output
    file.write_text("\n".join([*lines, f"{lines[1][:10]},model-a,12.34,EUR"]))
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert "unexplained EUR 12.340000000 billed beyond the record, EUR 0.000000000 on" in result.output
