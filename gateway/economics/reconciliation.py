"""What providers billed beside what is on record: by request where both name it, else by day and model. Pure.

The remainder is what nobody here can explain: calls that did not pass the gateway, fees that it does not know, or usage
that was reported to it wrongly. Days are UTC, as providers bill.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal

from gateway.dialects.words import is_dated_form
from gateway.economics.exports import ExportInvalid, Line
from gateway.pricing.money import Rate
from ledger.entry import Entry


@dataclass(frozen=True, slots=True)
class Recorded:
    """A call on record that a provider answered. `cost` in nano-EUR."""

    call: str
    day: str
    model: str
    request: str | None
    cost: int
    bounded: bool
    tokens_in: int
    tokens_out: int
    rate: tuple[int, int] | None = None
    """EUR per USD at which it is on record, as a fraction."""


@dataclass(slots=True)
class Match:
    """A day and model of a provider. Amounts in nano-EUR; `billed` is None where the export has tokens alone."""

    day: str
    model: str
    billed: int | None = None
    recorded: int = 0
    bounded: int = 0
    calls: int = 0
    billed_in: int | None = None
    billed_out: int | None = None
    recorded_in: int = 0
    recorded_out: int = 0
    billed_requests: int | None = None
    rounding: int = 0
    """How far both may be apart because each call and line is rounded to a whole nano-EUR."""
    unknown_requests: list[str] = field(default_factory=list)
    """Requests that were billed and are not on record."""

    @property
    def unexplained(self) -> int:
        """Billed beyond what is on record; negative where more is on record than was billed."""
        apart = (self.billed or 0) - self.recorded if self.billed is not None else 0
        return 0 if abs(apart) <= self.rounding else apart

    @property
    def unexplained_tokens(self) -> int:
        told = self.billed_in is not None
        return (self.billed_in or 0) + (self.billed_out or 0) - self.recorded_in - self.recorded_out if told else 0

    @property
    def unexplained_requests(self) -> int:
        return 0 if self.billed_requests is None else self.billed_requests - self.calls

    @property
    def is_explained(self) -> bool:
        return not (
            self.unexplained or self.unexplained_tokens or self.unexplained_requests or self.unknown_requests
        )  # fmt: skip


def recorded_calls(entries: Iterable[Entry], provider: str | None) -> list[Recorded]:
    """Return the calls that a provider answered, from a range of entries; corrected costs count as corrected."""
    found: dict[str, Recorded] = {}
    days: dict[str, str] = {}
    for entry in entries:
        facts, call = entry.facts, entry.call or ""
        if entry.kind == "call.opened":
            days[call] = entry.at[:10]
        elif entry.kind == "call.closed" and (served := facts.get("served")):
            if provider in (None, served["provider"]):
                usage = facts.get("usage") or {}
                found[call] = Recorded(
                    call, days.get(call, entry.at[:10]), served.get("reported_model") or served["model"],
                    facts.get("request_ref"), facts["cost_nano_eur"], facts["cost_state"] == "upper_bound",
                    sum(n for name, n in usage.items() if name.endswith("tokens") and _is_input(name)),
                    sum(n for name, n in usage.items() if name in ("output_tokens", "audio_output_tokens")),
                    (facts["fx"]["eur_num"], facts["fx"]["usd_den"]) if "fx" in facts else None,
                )  # fmt: skip
        elif entry.kind == "cost.corrected" and call in found:
            old = found[call]
            found[call] = Recorded(
                old.call, old.day, old.model, old.request, facts["after_nano_eur"], False, old.tokens_in,
                old.tokens_out, old.rate,
            )  # fmt: skip
    return list(found.values())


def _is_input(name: str) -> bool:
    return "input" in name or name in ("cached_tokens", "cache_write_tokens", "audio_cached_tokens")


def reconcile(lines: Sequence[Line], calls: Sequence[Recorded], rate: Rate, days: Collection[str] = ()) -> list[Match]:
    """Return each day and model with what was billed and what is on record.

    USD are EUR at the rate of the first call of their day, and of the one in force for a day without any.

    Args:
        days: that the export covers beside those of its lines.

    Calls of a day whose model the export does not name there stand against its lines without a model, where it has any.

    Raises:
        ExportInvalid: a currency that is neither EUR nor USD.
    """
    matches: dict[tuple[str, str], Match] = {}
    known = {one.request for one in calls if one.request}
    rates = {one.day: one.rate for one in reversed(calls) if one.rate}
    for line in lines:
        match = matches.setdefault((line.day, line.model), Match(line.day, line.model))
        if line.amount is not None:
            match.billed = (match.billed or 0) + _nano_eur(line, rates.get(line.day) or (rate.num, rate.den))
            match.rounding += 1
        if line.tokens_in is not None or line.tokens_out is not None:
            match.billed_in = (match.billed_in or 0) + (line.tokens_in or 0)
            match.billed_out = (match.billed_out or 0) + (line.tokens_out or 0)
        if line.requests is not None:
            match.billed_requests = (match.billed_requests or 0) + line.requests
        if line.request and line.request not in known:
            match.unknown_requests.append(line.request)
    covered = {*days, *(line.day for line in lines)}
    priced = any(line.amount is not None for line in lines) or not lines
    for one in calls:
        if one.day in covered:
            unbilled = Match(one.day, one.model, billed=0 if priced else None)
            _count(matches.setdefault(_place(one, matches), unbilled), one)
    return [matches[place] for place in sorted(matches)]


def _place(one: Recorded, matches: Mapping[tuple[str, str], Match]) -> tuple[str, str]:
    """Return the day and model of the export that a call belongs to: its model, a dated form of it, or no model."""
    named = [model for day, model in matches if day == one.day and model]
    for model in named:
        if model == one.model or is_dated_form(model, one.model) or is_dated_form(one.model, model):
            return one.day, model
    return (one.day, "") if (one.day, "") in matches else (one.day, one.model)


def _count(match: Match, one: Recorded) -> None:
    match.calls += 1
    match.rounding += 1
    match.recorded += one.cost
    match.bounded += one.cost if one.bounded else 0
    match.recorded_in += one.tokens_in
    match.recorded_out += one.tokens_out


def _nano_eur(line: Line, rate: tuple[int, int]) -> int:
    amount = (line.amount or Decimal(0)).scaleb(9)
    if line.currency == "USD":
        amount = amount * rate[0] / rate[1]
    elif line.currency != "EUR":
        raise ExportInvalid(f"amounts are read in EUR and USD, not in {line.currency[:20]}")
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
