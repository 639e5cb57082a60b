"""The price rows in force: of each model a history, from which the row of a call's instant and service tier is chosen.

The rows were copied when a configuration was activated (`gateway.pricing.catalogue`) and are dated by the digest in
the entry. A price that begins on a day begins then, without another activation.

A row is a JSON object: `prices` (kind to pico-USD, or to `[base, [[above, price], ...]]` where the price depends on the
number of input tokens), `source`, and where it does not hold always and for all `from` (a day), `hours` (two times of
the day), both in UTC, `tier`; `unpriced` lists what the source prices and nobody here counts.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.pricing.money import PriceRow
from ledger.entry import format_time, parse_time

Row = Mapping[str, Any]
STANDARD = frozenset({"", "auto", "default", "standard", "on_demand"})
"""Words by which providers say that an answer came at the standard price."""
SEGMENT = timedelta(minutes=30)
"""Prices change at multiples of this, in UTC, and never between."""
_MAIN = ("input", "cached", "cache_write", "output")


def segment_of(at: datetime) -> int:
    """Return the number of the half hour: within one no price changes."""
    return int(at.timestamp() // SEGMENT.total_seconds())


class PriceHistory:
    """All rows of a model. The last one that holds at an instant counts; where none does, the first."""

    def __init__(self, model: str, rows: Sequence[Row]) -> None:
        self._model, self._rows = model, tuple(rows)
        self._standard = [row for row in rows if not row.get("tier")]
        self._chosen: dict[tuple[str, str], PriceRow | None] = {}
        self._days: dict[str, tuple[PriceRow, ...]] = {}

    @property
    def has_output(self) -> bool:
        """Tell whether tokens of output have a price: models that only embed have none."""
        return all("output" in row["prices"] for row in self._standard)

    @property
    def is_free(self) -> bool:
        """Tell whether nothing of any row costs anything."""
        return not any(_costs(price) for row in self._rows for price in row["prices"].values())

    def at(self, instant: datetime, tier: str | None = None) -> PriceRow | None:
        """Return the row of an instant and a service tier, or None when that tier has no price here."""
        return self.row_of(format_time(instant), tier)

    def row_of(self, at: str, tier: str | None = None) -> PriceRow | None:
        """As `at`, of the instant of an entry: looked up by its minute, as it is asked for at the end of every call."""
        place = at[:16], tier or ""
        if place not in self._chosen:
            if len(self._chosen) > 100:
                self._chosen.clear()
            self._chosen[place] = self._choose(parse_time(at), tier or "")
        return self._chosen[place]

    def of_day(self, instant: datetime) -> tuple[PriceRow, ...]:
        """Return every row that may apply on the UTC day of this instant, of whatever tier."""
        day = instant.astimezone(UTC).date().isoformat()
        if day not in self._days:
            first = datetime.fromisoformat(day).replace(tzinfo=UTC)
            times = range(48) if any("hours" in row for row in self._rows) else range(1)
            tiers = {row.get("tier") or "" for row in self._rows} | {""}
            found = [self._choose(first + number * SEGMENT, tier) for number in times for tier in sorted(tiers)]
            self._days = {day: tuple([row for place, row in enumerate(found) if row and row not in found[:place]])}
        return self._days[day]

    def _choose(self, instant: datetime, tier: str) -> PriceRow | None:
        base = next((row for row in reversed(self._standard) if _holds(row, instant)), self._standard[0])
        special = [row for row in self._rows if tier and row.get("tier") == tier and _holds(row, instant)]
        if not special and tier not in STANDARD:
            return None
        merged = dict(base["prices"])
        for row in reversed(special):  # of several, the first counts
            merged |= row["prices"]
        said = {"since": base.get("from"), "tier": tier if special else None, "source": base["source"]}
        return _read(self._model, merged, said | {"unpriced": tuple(base.get("unpriced", ()))})


def _costs(price: Any) -> bool:
    return any(_costs(one) for one in price) if isinstance(price, list) else bool(price)


def _holds(row: Row, instant: datetime) -> bool:
    utc = instant.astimezone(UTC)
    if row.get("from", "") > utc.date().isoformat():
        return False
    if "hours" not in row:
        return True
    (start, end), now = row["hours"], utc.strftime("%H:%M")
    return bool(start <= now < end if start <= end else now >= start or now < end)


def _read(model: str, prices: Mapping[str, Any], said: Mapping[str, Any]) -> PriceRow:
    """Return the row for few input tokens, and behind it those for more."""
    steps = sorted({above for price in prices.values() if isinstance(price, list) for above, _ in price[1]})
    row: PriceRow | None = None
    for number in reversed(range(len(steps) + 1)):
        flat = {kind: _flat(price, steps[:number]) for kind, price in prices.items()}
        flat = {"output": 0, **flat}  # of models that only embed, which nothing else is asked of
        main: dict[str, Any] = {kind: flat.get(kind, flat["input"]) for kind in _MAIN}
        others = {kind: price for kind, price in flat.items() if kind not in _MAIN}
        above = steps[number] if number < len(steps) else None
        row = PriceRow(model=model, **main, others=others, above=above, upper=row, **said)
    assert row is not None
    return row


def _flat(price: Any, passed: Sequence[int]) -> int:
    if not isinstance(price, list):
        return int(price)
    return int(next((amount for above, amount in reversed(price[1]) if above in passed), price[0]))


class PriceList:
    """The price histories of the active configuration, by provider and model."""

    def __init__(self, rows: Mapping[str, Sequence[Row]]) -> None:
        self._rows = rows
        self._histories: dict[str, PriceHistory] = {}

    @classmethod
    def parse(cls, text: str) -> "PriceList":
        """Read what `catalogue.compile_rows` wrote, also in an early build, which had one row for each model."""
        found = json.loads(text)
        return cls({name: rows if isinstance(rows, list) else [_of_early_build(rows)] for name, rows in found.items()})

    def history(self, provider: str, model: str) -> PriceHistory | None:
        """Return the prices of a model at a provider, or None when they are unknown: unknown is never zero."""
        name = f"{provider}/{model}"
        if name not in self._rows:
            return None
        if name not in self._histories:
            self._histories[name] = PriceHistory(model, self._rows[name])
        return self._histories[name]


def _of_early_build(row: Row) -> Row:
    upper = row.get("upper") or {}
    prices = {kind: [row[kind], [[row["above"], upper[kind]]]] if upper else row[kind] for kind in _MAIN}
    return {"prices": prices, "source": row["source"]}
