"""From the rows of a period to a scorecard: figures, how they compare with the period before, what to decide."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import inf, sqrt
from typing import Any
from urllib.parse import urlencode

from gateway.configuration.model import Configuration
from gateway.economics.attempts import OutcomeCosts
from gateway.economics.costs import CostRow, grouped, whole
from gateway.economics.quality import by_prompt, offline, quality_lines
from gateway.economics.reading import Period, age_of_prices, every_outcome, sums_of
from gateway.evaluation.sampling import ELIGIBLE
from gateway.oversight.looking import within
from gateway.pricing.money import nano_eur
from gateway.state.rows import release_of
from gateway.store.installation import Installation
from ledger.amounts import counted
from reports.scorecard.card import CLEAR, Card, Line, Row, money
from reports.statistics import Interval, Z, difference_is_clear, wilson

ERROR_TARGET = 0.01
MOST_UNATTRIBUTED = 0.05
MOST_BOUNDED = 0.1
OLD_PRICES_DAYS = 90
FEWEST_DAYS = 7
"""Full days that a forecast needs."""
ERROR_DEFINITION = (
    "Calls that ended without the answer that was asked for (no answer from any target, broken off, unreadable, "
    "withheld by policy, process ended first) of all calls that were opened and ended. Refusals and callers who left "
    "are apart."
)


@dataclass(frozen=True, slots=True)
class _Part:
    """The sums of a subject in a period."""

    rows: Mapping[str, Mapping[str, Any]]
    all: CostRow
    outcomes: Mapping[str, OutcomeCosts]
    human: Mapping[str, int]
    incidents: tuple[int, int]
    """Opened in the period; open now."""
    quality: Mapping[str, Any]


def scorecard(
    installation: Installation, configuration: Configuration, period: Period, workflow: str | None = None,
    scope: Collection[str] | None = None,
) -> Card:  # fmt: skip
    """Return the scorecard of a workflow, or of all that lie within a scope."""
    size = installation.reader.head().size
    now, before = (_part(installation, configuration, one, workflow, scope) for one in (period, period.before))
    owner = configuration.workflows[workflow].owner if workflow in configuration.workflows else ""
    eligible = sum(now.all.sums["results"].get(name, 0) for name in ELIGIBLE)
    quality = quality_lines(installation.reader, configuration.evaluation, now.quality, before.quality, eligible)
    lines = [
        *_outcome_lines(now, before), *_call_lines(now, before, workflow, period), *quality, *_people_lines(now, before)
    ]  # fmt: skip
    budget = _budget(configuration, period, now, workflow, installation.clock().date())
    return Card(
        subject=workflow or "all workflows", owner=owner, period=str(period), before=str(period.before),
        zone=period.zone, as_of=size, prices=age_of_prices(configuration, installation.clock()),
        lines=(*lines, *budget), days=_days(now, period), models=_by(now, "model"),
        routes=tuple((one.name[0], one.ended, one.sums["in"], one.sums["out"]) for one in grouped(now.rows, ["route"])),
        largest=_largest(now), workflows=_workflows(now, configuration) if workflow is None else (),
        prompts=_prompts(now), offline=offline(installation.reader, period, {workflow} if workflow else scope),
        decisions=tuple(_decisions(installation, configuration, now, lines)),
        not_measured=tuple(_not_measured(configuration, now)),
    )  # fmt: skip


def _part(
    installation: Installation, configuration: Configuration, period: Period, workflow: str | None,
    scope: Collection[str] | None,
) -> _Part:  # fmt: skip
    reader, names = installation.reader, {workflow} if workflow is not None else scope
    rows = sums_of(reader, period, names)
    outcomes = every_outcome(reader, configuration, period, scope, workflow)
    human: dict[str, int] = {}
    for row, counts in reader.states_between(f"human:{period.start}", f"human:{period.end}").items():
        if within(row.partition("|")[2], names):
            human |= {name: human.get(name, 0) + count for name, count in counts.items()}
    known = [one for one in reader.states("incident:").values() if within(one["workflow"], names)]
    opened = sum(str(period.start) <= one["day"] < str(period.end) for one in known)
    scores = reader.states_between(f"quality:{period.start}", f"quality:{period.end}")
    quality = {row: counts for row, counts in scores.items() if within(row.split("|")[1], names)}
    return _Part(rows, whole(rows), outcomes, human, (opened, sum(one["open"] for one in known)), quality)


def _outcome_lines(now: _Part, before: _Part) -> list[Line]:
    return [line for type_, one in now.outcomes.items() for line in _of_type(one, before.outcomes[type_])]


def _of_type(one: OutcomeCosts, before: OutcomeCosts) -> list[Line]:
    restated = (
        f" Restated: {counted(one.restated, 'outcome')} came or changed after the period ended" if one.restated else ""
    )
    if one.restated and one.first_known:
        known, reached = one.first_known
        until = f"{reached} success(es), {money(known / reached)} each" if reached else "no success"
        restated += f"; until then {until}"
    spread = f"median {money(one.median)}, 95th percentile {money(one.p95)} a task" if one.median is not None else ""
    parts = f"calls {money(one.llm)}, evaluation {money(one.evaluation)}, tools and people {money(one.other)}"
    parts += f"; worth {money(one.value)} as stated" if one.value else ""
    outside = f"; {counted(one.outside, 'outcome')} outside the attribution window left out" if one.outside else ""
    high = one.interval.high
    cost = Line(
        id=f"cost-per-{one.type}", title=f"Cost per {_words(one.type)}", unit="eur",
        definition=f"Cost of all attempts, failed ones too, over the tasks with the outcome {one.type}: success. "
        "By task: its calls, the judges that scored them, and tools and human minutes as the definition says.",
        value=one.per_success, numerator=one.cost, denominator=one.successes, low=one.interval.low,
        high=None if high in (None, inf) else high, how=one.interval.how, before=before.per_success,
        change=_ratio_change(one, before), target=one.target,
        status=_against(one.interval, one.per_success, one.target),
        note=f"{spread}; {parts}{outside}.{restated}".lstrip("; "),
    )  # fmt: skip
    rate = _share(
        f"success-{one.type}", f"{_words(one.type).capitalize()}: successes",
        f"Tasks with the outcome {one.type}: success, of all tasks with an outcome of this type in the period.",
        (one.successes, one.attempts), (before.successes, before.attempts),
        note=", ".join(f"{name} {count}" for name, count in one.statuses.items()),
    )  # fmt: skip
    return [cost, rate]


def _call_lines(now: _Part, before: _Part, workflow: str | None, period: Period) -> list[Line]:
    sums, then = now.all.sums, before.all.sums
    loose = sums["cost"] - sums["named_cost"]
    query = ({"workflow": workflow} if workflow else {}) | {"from": str(period.start), "to": str(period.end)}
    calls = f"/calls?{urlencode(query)}"
    refused = sums["results"].get("refused", 0)
    judges = sum(counts.get("cost", 0) for counts in now.quality.values())
    return [
        Line(
            id="spend", title="Spend", unit="eur", value=float(sums["cost"]), before=float(then["cost"]), href=calls,
            definition="Cost of all calls opened in the period, by the price row and rate of each call.",
            note=f"{counted(sums['bounded'], 'call')} at an upper bound, {money(sums['bound_cost'])} of it; "
            f"caches saved {money(sums['saved'])}",
        ),
        _share(
            "unattributed", "Spend of calls that name no task", "Cost of calls without a task, of all cost: no outcome "
            "can be attributed to it.", (loose, sums["cost"]), None, target=MOST_UNATTRIBUTED, amounts=True,
        ),
        _share(
            "evaluation", "Cost of evaluation", "What judges cost that scored answers of the period, beside all spend "
            "of the period. It is spend of the judges' own workflow.", (judges, sums["cost"]), None, amounts=True,
        ),
        _share(
            "errors", "Error rate", ERROR_DEFINITION, (now.all.error_calls, now.all.ended),
            (before.all.error_calls, before.all.ended), target=ERROR_TARGET,
            note=f"{refused} refused before they began", href=f"/calls?{urlencode(query | {'only': 'errors'})}",
        ),
    ]  # fmt: skip


def _people_lines(now: _Part, before: _Part) -> list[Line]:
    opened, left = now.incidents
    overrides = sum(count for name, count in now.human.items() if name not in ("approve", "stop"))
    then = sum(count for name, count in before.human.items() if name not in ("approve", "stop"))
    return [
        Line(
            id="incidents", title="Incidents", unit="count", value=float(opened), before=float(before.incidents[0]),
            definition="Incidents put on record with a day in the period.", note=f"{left} open now",
        ),
        Line(
            id="oversight", title="Overrides by people", unit="count", value=float(overrides), before=float(then),
            definition="Calls that a person changed, set aside, reversed or interrupted.",
            note=f"{now.human.get('approve', 0)} approved, {counted(now.human.get('stop', 0), 'stop')}",
        ),
    ]  # fmt: skip


def _share(
    id_: str, title: str, definition: str, now: tuple[int, int], before: tuple[int, int] | None, *,
    target: float | None = None, note: str = "", href: str = "", amounts: bool = False,
) -> Line:  # fmt: skip
    count, of = now
    value = count / of if of else None
    low, high = wilson(count, of) if of and not amounts else (None, None)
    then = before[0] / before[1] if before and before[1] else None
    clear = difference_is_clear(count, of, *before) if before and of and before[1] else None
    change = _change(clear, value, then) if before else ""
    interval = Interval(low, high, "Wilson" if low is not None else "")
    known = Interval(value, value, "") if amounts else interval
    return Line(
        id=id_, title=title, unit="share", definition=definition, value=value, numerator=count, denominator=of, low=low,
        high=high, how="Wilson" if low is not None else "" if amounts else "no case in the period", before=then,
        change=change, target=target, status=_against(known, value, target), note=note, href=href,
    )  # fmt: skip


def _change(clear: bool | None, value: float | None, before: float | None) -> str:
    if not clear or value is None or before is None:
        return CLEAR[clear]
    return f"{'higher' if value > before else 'lower'} ({CLEAR[True]})"


def _ratio_change(now: OutcomeCosts, before: OutcomeCosts) -> str:
    """Compare two costs per outcome: clear when the interval of their difference leaves out 0."""
    if now.per_success is None or before.per_success is None:
        return CLEAR[None]
    errors = [_error(one.interval) for one in (now, before)]
    if errors[0] is None or errors[1] is None:
        return CLEAR[None]
    apart = abs(now.per_success - before.per_success)
    return _change(apart > Z * sqrt(errors[0] ** 2 + errors[1] ** 2), now.per_success, before.per_success)


def _error(interval: Interval) -> float | None:
    if interval.low is None or interval.high is None or interval.is_open:
        return None
    return (interval.high - interval.low) / (2 * Z)


def _against(interval: Interval, value: float | None, target: float | None) -> str:
    if target is None or value is None:
        return ""
    if interval.high is not None and interval.high <= target:
        return "within target"
    if interval.low is not None and interval.low > target:
        return "above target"
    return "not clear"


def _budget(configuration: Configuration, period: Period, now: _Part, workflow: str | None, today: date) -> list[Line]:
    """Return spend against the daily caps of the period, and where the month is heading."""
    caps = [configuration.workflows[workflow].max_budget_daily] if workflow in configuration.workflows else []
    if workflow is None:
        caps = [one.max_budget_daily for one in configuration.environments.values()]
    number = (period.end - period.start).days
    budget = sum(nano_eur(cap) for cap in caps if cap is not None) * number
    spent = now.all.sums["cost"]
    lines = [
        Line(
            id="budget", title="Daily caps of the period", unit="eur", value=float(budget) if budget else None,
            definition="The daily hard caps in force now times the days of the period; no call is bought beyond a cap.",
            note=f"{money(spent)} spent, {spent / budget * 100:.1f} % of it" if budget else "no cap of its own is set",
        )
    ]  # fmt: skip
    return [*lines, _forecast(now, period, today)]


def _forecast(now: _Part, period: Period, today: date) -> Line:
    """Continue the mean of the full days so far to the end of the calendar month."""
    month = period.start.replace(day=1)
    end = (month + timedelta(days=32)).replace(day=1)
    spent, days = float(now.all.sums["cost"]), [(day, float(cost)) for day, _, cost in _days(now, period)]
    begun = next((at for at, (_, cost) in enumerate(days) if cost), len(days))
    full = [cost for day, cost in days[begun:] if day < str(today)]
    title, definition = "Forecast for the month", (
        "Spend so far, and for each day after today the mean of the full days since the first spend; the interval from "
        "their spread, as if days were independent."
    )  # fmt: skip
    left = (end - max(today, period.start)).days - 1
    if period.start != month or not month <= today < end or len(full) < FEWEST_DAYS:
        why = "given for the running month from its first day on, after seven full days with calls"
        return Line(id="forecast", title=title, unit="eur", definition=definition, value=None, note=why)
    mean = sum(full) / len(full)
    spread = Z * sqrt(sum((one - mean) ** 2 for one in full) / (len(full) - 1) * (left + left * left / len(full)))
    value = spent + mean * left
    return Line(
        id="forecast", title=title, unit="eur", definition=definition, value=value, how="spread of full days",
        low=max(spent, value - spread), high=value + spread, note=f"{len(full)} full days, {left} after today",
    )  # fmt: skip


def _days(now: _Part, period: Period) -> tuple[tuple[str, int, int], ...]:
    found = {one.name[0]: one for one in grouped(now.rows, ["day"])}
    days = [(period.start + timedelta(days=at)).isoformat() for at in range(min(92, (period.end - period.start).days))]
    return tuple((day, found[day].ended, found[day].sums["cost"]) if day in found else (day, 0, 0) for day in days)


def _by(now: _Part, name: str) -> tuple[tuple[str, int, int], ...]:
    rows = [(one.name[0] or "nobody answered", one.ended, one.sums["cost"]) for one in grouped(now.rows, [name])]
    return tuple(sorted(rows, key=lambda one: (-one[2], one[0]))[:12])


def _prompts(now: _Part) -> tuple[tuple[str, int, int, str], ...]:
    """Return what each version of a prompt cost and how its answers were scored; nothing where no call names one."""
    rows, quality = grouped(now.rows, ["prompt"]), by_prompt(now.quality)
    if not any(one.name[0] for one in rows):
        return ()
    return tuple((one.name[0], one.ended, one.sums["cost"], quality.get(one.name[0], "")) for one in rows)


def _largest(now: _Part) -> tuple[tuple[str, str, str, int], ...]:
    return tuple((type_, a.task, a.status, a.cost) for type_, one in now.outcomes.items() for a in one.largest)


def _workflows(now: _Part, configuration: Configuration) -> tuple[Row, ...]:
    total = now.all.sums["cost"]
    rows = [
        Row(
            workflow=one.name[0], owner=_owner(configuration, one.name[0]), calls=one.ended, errors=one.error_calls,
            cost=one.sums["cost"], share=one.sums["cost"] / total if total else None, bounded=one.sums["bounded"],
        )
        for one in grouped(now.rows, ["workflow"])
    ]  # fmt: skip
    return tuple(sorted(rows, key=lambda row: (-row.cost, row.workflow)))


def _owner(configuration: Configuration, workflow: str) -> str:
    described = configuration.workflows.get(workflow)
    return described.owner if described else "no owner stated"


def _decisions(
    installation: Installation, configuration: Configuration, now: _Part, lines: Sequence[Line]
) -> list[str]:
    found = [f"{one.title} is above its target" for one in lines if one.status == "above target"]
    sums, used = now.all.sums, {one.name[0] for one in grouped(now.rows, ["workflow"])}
    if sums["cost"] and sums["bound_cost"] / sums["cost"] > MOST_BOUNDED:
        found.append(f"{money(sums['bound_cost'])} counts at an upper bound: reconcile it with the providers' bills")
    if now.incidents[1]:
        found.append(f"incidents open: {now.incidents[1]}")
    if (installation.clock().date() - date.fromisoformat(configuration.fx.date)).days > OLD_PRICES_DAYS:
        found.append(f"The rate of {configuration.fx.date} is old: set `fx:` and activate")
    for name in sorted(used):
        row = installation.reader.state(f"workflow:{name}")
        if release_of(row, installation.clock().date().isoformat()) != "released":
            found.append(f"{name} made calls and is not released as it is (owner: {_owner(configuration, name)})")
        due = configuration.workflows[name].next_review if name in configuration.workflows else None
        if due and due < installation.clock().date().isoformat():
            found.append(f"The review of {name} of {due} is overdue (owner: {_owner(configuration, name)})")
    return found


def _not_measured(configuration: Configuration, now: _Part) -> list[str]:
    missing = ["Calls that did not pass this gateway"]
    if not now.quality:
        missing.insert(0, "Quality of answers: nothing was scored in the period (`evaluation:` in the configuration)")
    if not now.outcomes:
        missing.append("Outcomes: none is defined for this (`outcomes:` in the configuration)")
    for type_ in now.outcomes:
        one = configuration.outcomes[type_]
        missing += [f"Tools for {_words(type_)}: no cost is configured"] if not one.tool_cost else []
        missing += [f"People's time for {_words(type_)}: no rate is configured"] if not one.human_hour else []
    return missing


def _words(type_: str) -> str:
    return type_.replace("_", " ")
