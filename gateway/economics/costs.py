"""Spend questions over the sums of a period: grouped rows that agree with the entries to the nano-EUR. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from gateway.days import end_of, midnight
from gateway.state.rollup import NOTHING, Slice, slice_of, total
from ledger.amounts import counted, eur
from ledger.errors import LedgerError
from reports.pack.calls import csv_line
from reports.pack.words import decimals

BY = Slice._fields
OUTCOME = ("outcome",)
"""Asked for alone: an outcome is of a task, a sum of calls."""
FOCUS = (
    "BillingAccountId", "BillingCurrency", "ChargeCategory", "ChargeDescription", "ChargePeriodStart",
    "ChargePeriodEnd", "ConsumedQuantity", "ConsumedUnit", "ContractedCost", "EffectiveCost", "ListCost", "BilledCost",
    "ProviderName", "PublisherName", "InvoiceIssuerName", "ServiceCategory", "ServiceSubcategory", "ServiceName",
    "SkuId", "ResourceId", "Tags", "x_Calls", "x_CostState", "x_InputTokens", "x_OutputTokens",
)  # fmt: skip
"""Columns of FOCUS 1.2 (focus.finops.org) that a log of calls can fill, and our own with `x_`."""


class QuestionInvalid(LedgerError):
    """The question cannot be answered as it was asked; the message says what can be asked."""


@dataclass(frozen=True, slots=True)
class CostRow:
    """One group. `name` holds a value for each member that was grouped by; amounts are nano-EUR."""

    name: tuple[str, ...]
    sums: Mapping[str, Any]

    @property
    def error_calls(self) -> int:
        """Calls that ended without the answer that was asked for; a refusal and a caller who left are none."""
        return sum(self.sums["results"].get(one, 0) for one in ERRORS)

    @property
    def ended(self) -> int:
        """Calls that were opened and ended."""
        return int(self.sums["calls"] - self.sums["results"].get("refused", 0))


_COLUMNS = (
    "calls", "refused", "errors", "cost_nano_eur", "cost_eur", "upper_bound_calls", "upper_bound_nano_eur",
    "no_task_nano_eur", "saved_by_cache_nano_eur", "input_tokens", "output_tokens",
)  # fmt: skip
ERRORS = ("failed", "upstream_cut", "unreadable", "refused_answer", "interrupted")


def read_by(text: str) -> tuple[str, ...]:
    """Return what to group by.

    Raises:
        QuestionInvalid: not a list of known members, or one twice.
    """
    names = tuple(one.strip() for one in text.split(",") if one.strip())
    if "outcome" in names:
        if names != OUTCOME:
            raise QuestionInvalid("--by outcome stands alone: an outcome is of a task, the others of calls")
        return names
    if unknown := [one for one in names if one not in BY]:
        raise QuestionInvalid(f"--by takes {', '.join(BY)}, or outcome; not {unknown[0][:60]}")
    if len(set(names)) < len(names):
        raise QuestionInvalid("--by names something twice")
    return names


def grouped(rows: Mapping[str, Mapping[str, Any]], by: Sequence[str]) -> list[CostRow]:
    """Return the sums of the rows of a period by the given members, in the order of their names."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row, sums in rows.items():
        one = slice_of(row)
        groups.setdefault(tuple(getattr(one, name) for name in by), []).append(sums)
    return [CostRow(name, total(found)) for name, found in sorted(groups.items())]


def whole(rows: Mapping[str, Mapping[str, Any]]) -> CostRow:
    """Return the sum of all rows."""
    return CostRow((), total(list(rows.values())) if rows else dict(NOTHING))


def as_csv(rows: Iterable[CostRow], by: Sequence[str]) -> str:
    """Return groups as CSV (RFC 4180), amounts in nano-EUR and in EUR with nine decimals."""
    lines: list[Sequence[object]] = [[*by, *_COLUMNS]]
    for one in rows:
        sums = one.sums
        lines.append([
            *one.name, one.ended, sums["results"].get("refused", 0), one.error_calls, sums["cost"],
            decimals(sums["cost"]), sums["bounded"], sums["bound_cost"], sums["cost"] - sums["named_cost"],
            sums["saved"], sums["in"], sums["out"],
        ])  # fmt: skip
    return "".join(map(csv_line, lines))


def as_json(row: CostRow, by: Sequence[str]) -> dict[str, Any]:
    """Return a group as programs get it, amounts in nano-EUR."""
    sums = row.sums
    return {
        "by": dict(zip(by, row.name, strict=True)), "calls": row.ended, "refused": sums["results"].get("refused", 0),
        "errors": row.error_calls, "cost_nano_eur": sums["cost"], "upper_bound_calls": sums["bounded"],
        "upper_bound_nano_eur": sums["bound_cost"], "no_task_nano_eur": sums["cost"] - sums["named_cost"],
        "saved_by_cache_nano_eur": sums["saved"], "input_tokens": sums["in"], "output_tokens": sums["out"],
    }  # fmt: skip


def as_focus(rows: Mapping[str, Mapping[str, Any]], organisation: str, zone: str) -> str:
    """Return a period in the shape of FOCUS 1.2, a line for each slice. Usage-derived: this is no invoice.

    `EffectiveCost` is what is on record; the other costs are the same, because no list price, contract or invoice is
    known here. Periods are days of the organisation, as instants.
    """
    lines: list[Sequence[object]] = [FOCUS]
    for one in grouped(rows, BY):
        if one.ended:
            lines.append(_focus_line(one, organisation, zone))
    return "".join(map(csv_line, lines))


def _focus_line(row: CostRow, organisation: str, zone: str) -> list[object]:
    one, sums = Slice(*row.name), row.sums
    provider, _, model = one.model.partition(" ")
    cost = decimals(sums["cost"])
    day = date.fromisoformat(one.day)
    start, end = (f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in (midnight(day, zone), end_of(day, zone)))
    state = "upper_bound" if sums["bounded"] == row.ended else "mixed" if sums["bounded"] else "reported"
    tags = json.dumps({"workflow": one.workflow, "environment": one.environment, "route": one.route})
    return [
        organisation, "EUR", "Usage", "calls of a language model, as recorded; not an invoice",
        start, end, sums["in"] + sums["out"], "Tokens", cost, cost, cost, cost,
        provider, provider, provider, "AI and Machine Learning", "Generative AI", "API", model, one.key, tags,
        row.ended, state, sums["in"], sums["out"],
    ]  # fmt: skip


def as_text(rows: Sequence[CostRow], by: Sequence[str], all_of_it: CostRow) -> str:
    """Return groups as lines for a terminal, with their sum and what is an upper bound of it."""
    table = [
        (*(part or "-" for part in one.name), str(one.ended), str(one.error_calls), decimals(one.sums["cost"]))
        for one in rows
    ]
    head = (*by, "calls", "errors", "EUR")
    width = [max(len(line[at]) for line in [head, *table]) for at in range(len(head))]
    lines = ["  ".join(_aligned(line, width, len(by))).rstrip() for line in [head, *table]]
    sums, loose = all_of_it.sums, all_of_it.sums["cost"] - all_of_it.sums["named_cost"]
    refused = sums["results"].get("refused", 0)
    lines.append(f"together {eur(sums['cost'])} for {all_of_it.ended} calls; {refused} refused")
    if sums["bounded"]:
        lines.append(
            f"of it at most {eur(sums['bound_cost'])}, with {counted(sums['bounded'], 'call')} at an upper bound"
        )
    lines.append(f"of it {eur(loose)} of calls that name no task; caches saved {eur(sums['saved'])}")
    return "\n".join(lines)


def _aligned(line: Sequence[str], width: Sequence[int], names: int) -> list[str]:
    return [part.ljust(width[at]) if at < names else part.rjust(width[at]) for at, part in enumerate(line)]
