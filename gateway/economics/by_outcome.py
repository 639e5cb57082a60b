"""What outcomes cost, as a table: a row for each type, for the terminal, CSV and JSON. Pure."""

from collections.abc import Mapping
from typing import Any

from gateway.economics.attempts import OutcomeCosts
from reports.pack.calls import csv_line
from reports.pack.words import decimals

COLUMNS = (
    "outcome", "attempts", "success", "failure", "partial", "abandoned", "cost_nano_eur", "cost_eur",
    "calls_nano_eur", "evaluation_nano_eur", "tools_and_people_nano_eur", "value_nano_eur", "eur_per_success",
    "low_eur", "high_eur", "median_eur", "p95_eur", "left_out", "restated",
)  # fmt: skip


def outcome_row(one: OutcomeCosts) -> dict[str, Any]:
    """Return the row of a type; what is not known is null."""
    statuses = [one.statuses.get(name, 0) for name in ("success", "failure", "partial", "abandoned")]
    high = None if one.interval.is_open else one.interval.high
    figures = [one.per_success, one.interval.low, high, one.median, one.p95]
    values = [
        one.type, one.attempts, *statuses, one.cost, decimals(one.cost), one.llm, one.evaluation, one.other, one.value,
        *(None if figure is None else decimals(round(figure)) for figure in figures), one.outside, one.restated,
    ]  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def as_csv(found: Mapping[str, OutcomeCosts]) -> str:
    """Return the rows as CSV (RFC 4180)."""
    rows = [outcome_row(one) for _, one in sorted(found.items())]
    lines = [["" if value is None else value for value in row.values()] for row in rows]
    return "".join(map(csv_line, [COLUMNS, *lines]))


def as_text(found: Mapping[str, OutcomeCosts]) -> str:
    """Return the rows as lines for a terminal."""
    lines: list[str] = []
    for type_, one in sorted(found.items()):
        row = outcome_row(one)
        each = f"EUR {row['eur_per_success']} each" if row["eur_per_success"] else "no success"
        high = row["high_eur"] or "open"
        between = f", 95 %: {row['low_eur']} to {high}" if row["low_eur"] else f" ({one.interval.how})"
        tried = f"{one.successes} success(es) of {one.attempts} attempts"
        lines.append(f"{type_}: {tried}, EUR {row['cost_eur']}; {each}{between}")
        lines.append(
            f"  calls {decimals(one.llm)}, evaluation {decimals(one.evaluation)}, "
            f"tools and people {decimals(one.other)}; "
            f"{one.outside} left out, {one.restated} restated"
        )
    return "\n".join(lines) or "no outcome is defined (`outcomes:` in the configuration)"
