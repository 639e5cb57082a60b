"""Cost per outcome: the attempts of a type in a period, with everything each of them cost. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from gateway.configuration.outcomes import OutcomeType
from gateway.state.rows import task_row
from reports.statistics import Interval, median, percentile, ratio_interval


class Attempt(NamedTuple):
    """A task with an outcome. Amounts are nano-EUR."""

    task: str
    status: str
    llm: int
    evaluation: int
    """Of the judges that scored its answers."""
    other: int
    value: int
    recorded: str
    earlier: tuple[tuple[str, str, int, int], ...]
    """Outcomes that counted before: recorded when, status, value, other cost."""

    @property
    def cost(self) -> int:
        return self.llm + self.evaluation + self.other


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeCosts:
    """What the outcomes of one type cost in a period. Amounts are nano-EUR; `per_success` is a fraction."""

    type: str
    attempts: int
    statuses: Mapping[str, int]
    cost: int
    llm: int
    evaluation: int
    other: int
    value: int
    median: float | None
    p95: int | None
    interval: Interval
    outside: int
    """Outcomes outside the attribution window of their task, or of a task without calls: not counted."""
    restated: int
    """Outcomes of the period that were recorded or changed after it had ended."""
    first_known: tuple[int, int] | None
    """Cost and successes as they were known when the period ended, where that was something else."""
    largest: tuple[Attempt, ...]
    target: int | None

    @property
    def successes(self) -> int:
        return self.statuses.get("success", 0)

    @property
    def per_success(self) -> float | None:
        return self.cost / self.successes if self.successes else None


LARGEST = 5


def tasks_of(done: Iterable[str], definition: OutcomeType) -> list[str]:
    """Name the rows of the tasks behind outcomes, for each workflow of their definition."""
    return [task_row(workflow, row.rpartition("|")[2]) for row in done for workflow in definition.workflows]


def attempts_of(
    done: Mapping[str, Mapping[str, Any]], tasks: Mapping[str, Mapping[str, Any]], definition: OutcomeType
) -> tuple[list[Attempt], int]:
    """Return the attempts of a period, and how many outcomes were left out because no call leads to them in time.

    Args:
        done: the rows of outcomes of one type and period.
        tasks: the rows of `tasks_of` that exist.
    """
    found, outside = list[Attempt](), 0
    prefixes = [task_row(workflow, "") for workflow in definition.workflows]
    for row, outcome in done.items():  # there may be tens of thousands
        head, _, task = row.rpartition("|")
        llm = evaluation = 0
        first, last = "9", ""
        for prefix in prefixes:
            one = tasks.get(prefix + task)
            if one is None:
                continue
            llm += one.get("cost", 0)
            evaluation += one.get("evaluation", 0)
            if "last" in one:
                first, last = min(first, one["first"]), max(last, one["last"])
        if not _in_window(first, last, head[-10:], definition.window_days):
            outside += 1
            continue
        found.append(
            Attempt(
                task, outcome["status"], llm, evaluation, outcome["other"], outcome["value"], outcome["recorded"],
                tuple(map(tuple, outcome["earlier"])),
            )
        )  # fmt: skip
    return found, outside


def _in_window(first: str, last: str, day: str, window: int) -> bool:
    """Tell whether a task's calls began on or before the day of its outcome, and the last is recent enough."""
    return first <= day and last >= _oldest(day, window)


@lru_cache(maxsize=1024)
def _oldest(day: str, window: int) -> str:
    return (date.fromisoformat(day) - timedelta(days=window)).isoformat()


def outcome_costs(
    type_: str, attempts: Sequence[Attempt], outside: int, *, end: str, target: int | None
) -> OutcomeCosts:
    """Return what the outcomes of a type cost.

    Args:
        end: the instant at which the period ended, RFC 3339: what came later restates it.
    """
    costs, successes = [one.cost for one in attempts], [one.status == "success" for one in attempts]
    statuses = {name: sum(one.status == name for one in attempts) for name in sorted({one.status for one in attempts})}
    known = [before for one in attempts if (before := _as_of(one, end)) is not None]
    first = (sum(cost for cost, _ in known), sum(success for _, success in known))
    late = sum(one.recorded >= end for one in attempts)
    total = sum(costs)
    return OutcomeCosts(
        type=type_, attempts=len(attempts), statuses=statuses, cost=total, llm=sum(one.llm for one in attempts),
        evaluation=sum(one.evaluation for one in attempts), other=sum(one.other for one in attempts),
        value=sum(one.value for one in attempts), median=median(costs), p95=percentile(costs, 0.95),
        interval=ratio_interval(costs, successes, f"{type_} {end}"), outside=outside, restated=late,
        first_known=first if late else None, target=target,
        largest=tuple(sorted(attempts, key=lambda one: (-one.cost, one.task))[:LARGEST]),
    )  # fmt: skip


def _as_of(one: Attempt, end: str) -> tuple[int, bool] | None:
    """Return cost and success of an attempt as its outcome was known at an instant; None where there was none yet."""
    if one.recorded < end:
        return one.cost, one.status == "success"
    known = [(status, other) for at, status, _, other in one.earlier if at < end]
    return (one.llm + one.evaluation + known[-1][1], known[-1][0] == "success") if known else None
