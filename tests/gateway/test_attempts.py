"""Cost per outcome over rows that are written here: windows, restated periods, the shape of the sums."""

from typing import Any

import pytest

from gateway.configuration.outcomes import OutcomeType
from gateway.economics.attempts import attempts_of, outcome_costs, tasks_of

DEFINITION = OutcomeType(workflows=("a", "b"), window_days=7)
END = "2026-12-01T00:00:00.000000Z"


def done(
    day: str, status: str = "success", recorded: str = "2026-11-20T10:00:00.000000Z", **more: Any
) -> dict[str, Any]:
    return {
        "status": status,
        "value": 0,
        "other": 5,
        "at": f"{day}T09:00:00.000000Z",
        "recorded": recorded,
        "earlier": [],
    } | more


def row(day: str, task: str) -> str:
    return f"done:x|{day}|{task}"


def calls(first: str, last: str, cost: int = 100) -> dict[str, Any]:
    return {"calls": 2, "cost": cost, "first": first, "last": last}


@pytest.mark.parametrize(
    ("first", "last", "counts"),
    [
        ("2026-11-20", "2026-11-20", True),
        ("2026-11-01", "2026-11-13", True),
        ("2026-11-01", "2026-11-12", False),
        ("2026-11-21", "2026-11-21", False),
        ("2026-11-20", "2026-11-25", True),
    ],
)
def test_an_outcome_counts_from_its_first_call_to_seven_days_after_its_last(
    first: str, last: str, counts: bool
) -> None:
    found, outside = attempts_of(
        {row("2026-11-20", "t"): done("2026-11-20")}, {"task:a:t": calls(first, last)}, DEFINITION
    )
    assert (len(found), outside) == ((1, 0) if counts else (0, 1))


def test_the_calls_of_all_its_workflows_count_and_of_no_other() -> None:
    tasks = {"task:a:t": calls("2026-11-19", "2026-11-19", 7), "task:b:t": calls("2026-11-20", "2026-11-20", 8)}
    assert tasks_of([row("2026-11-20", "t")], DEFINITION) == ["task:a:t", "task:b:t"]
    (found,), _ = attempts_of({row("2026-11-20", "t"): done("2026-11-20")}, tasks, DEFINITION)
    assert (found.llm, found.other, found.cost) == (15, 5, 20)


def test_what_came_after_the_end_restates_the_period_and_the_first_figure_is_kept() -> None:
    later = "2026-12-03T08:00:00.000000Z"
    rows = {
        row("2026-11-20", "known"): done("2026-11-20"),
        row("2026-11-21", "late"): done("2026-11-21", recorded=later),
        row("2026-11-22", "turned"): done(
            "2026-11-22", "failure", later, earlier=[["2026-11-23T00:00:00.000000Z", "success", 0, 3]]
        ),
    }
    tasks = {f"task:a:{name}": calls("2026-11-20", "2026-11-20") for name in ("known", "late", "turned")}
    found, outside = attempts_of(rows, tasks, DEFINITION)
    costs = outcome_costs("x", found, outside, end=END, target=None)
    assert (costs.attempts, costs.successes, costs.cost) == (3, 2, 315)
    assert costs.restated == 2
    assert costs.first_known == (105 + 103, 2)
    assert outcome_costs("x", found[:1], 0, end=END, target=None).first_known is None


def test_nothing_is_none_and_not_zero() -> None:
    costs = outcome_costs("x", [], 0, end=END, target=None)
    assert (costs.per_success, costs.median, costs.p95) == (None, None, None)
    assert costs.interval.low is None
