"""Price rows: taken from the configuration or copied from the genai-prices catalogue when a configuration is activated.

The gateway serves from the rows that were copied, dated by the digest in the entry; it never loads the catalogue.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from importlib.metadata import version
from typing import Any

from gateway.configuration.load import provider_of
from gateway.configuration.model import Configuration, Price, Provider
from gateway.economics.money import PriceRow

_PICO_PER_TOKEN = Decimal(10**6)


def compile_rows(configuration: Configuration) -> str:
    """Return the price rows a configuration needs, as canonical-looking JSON text: "provider/model" to row.

    Rows exist for every model that a route names and, for direct routes, for every model of the catalogue. Where the
    catalogue has several prices for a model (by time of day, say), the dearest is taken, and the row says so.
    """
    rows: dict[str, Any] = {}
    for name, provider in configuration.providers.items():
        for model, row in _catalogue_rows(provider).items():
            rows[f"{name}/{model}"] = row
        for model, price in provider.prices.items():
            rows[f"{name}/{model}"] = _configured(price)
    for route in configuration.routes:
        for written in route.models:
            model = configuration.aliases.get(written, written)
            found = provider_of(configuration, model)
            if found and (row := _row_of(found[1], rows.get(f"{found[0]}/{model}"), model)):
                rows[f"{found[0]}/{model}"] = row
    return json.dumps(rows, sort_keys=True, separators=(",", ":"))


def _row_of(provider: Provider, listed: Any, model: str) -> Any:
    if listed:
        return listed
    if provider.price is not None:
        return _configured(
            provider.price if isinstance(provider.price, Price) else Price(input=Decimal(), output=Decimal())
        )
    return _matched(provider, model)


def _configured(price: Price) -> dict[str, Any]:
    cached = price.input if price.cached is None else price.cached
    return {
        "input": _pico(price.input), "cached": _pico(cached), "cache_write": _pico(price.input),
        "output": _pico(price.output), "source": "configuration",
    }  # fmt: skip


def _pico(usd_per_million: Any) -> int:
    """Return pico-USD per token, rounded up to a whole one."""
    exact = Decimal(str(usd_per_million)) * _PICO_PER_TOKEN
    return int(exact.to_integral_value(rounding="ROUND_CEILING"))


def _catalogue_rows(provider: Provider) -> dict[str, Any]:
    if not provider.catalogue:
        return {}
    from genai_prices.data import providers  # half a second to import, needed at activation only

    for listed in providers:
        if listed.id == provider.catalogue:
            return {model.id: row for model in listed.models if (row := _copied(model))}
    return {}


def _matched(provider: Provider, model: str) -> Any:
    """Find the catalogue's row for a name it knows by a pattern (dated versions, previews)."""
    if not provider.catalogue:
        return None
    from genai_prices.data import providers

    for listed in providers:
        if listed.id == provider.catalogue:
            found = listed.find_model(model)
            return _copied(found) if found else None
    return None


_KINDS = {
    "input": "input_mtok",
    "cached": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "output": "output_mtok",
}


def _copied(model: Any) -> dict[str, Any] | None:
    variants = [one.prices for one in model.prices] if isinstance(model.prices, list) else [model.prices]
    variant = max(variants, key=lambda prices: _tier_price(getattr(prices, "output_mtok", None), 0) or Decimal())
    starts = {tier.start for field in _KINDS.values() for tier in getattr(getattr(variant, field, None), "tiers", ())}
    base = _tier(variant, 0)
    if base is None:
        return None
    several = ", dearest of several" if len(variants) > 1 else ""
    base["source"] = f"genai-prices {version('genai-prices')}: {model.id}{several}"
    if starts:  # in the catalogue a tier's price applies to all tokens of a call above its start
        base |= {"above": min(starts), "upper": _tier(variant, max(starts))}
    return base


def _tier(variant: Any, above: int) -> dict[str, Any] | None:
    found = {kind: _tier_price(getattr(variant, field, None), above) for kind, field in _KINDS.items()}
    if found["input"] is None or found["output"] is None:
        return None
    return {kind: _pico(found["input"] if price is None else price) for kind, price in found.items()}


def _tier_price(price: Any, above: int) -> Decimal | None:
    """Return the price per million tokens for calls above `above` input tokens."""
    if price is None or isinstance(price, Decimal | int | float):
        return None if price is None else Decimal(str(price))
    reached = [tier.price for tier in price.tiers if tier.start <= above]
    return Decimal(str(reached[-1] if reached else price.base))


class PriceList:
    """The rows of the active configuration."""

    def __init__(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        self._rows = rows

    @classmethod
    def parse(cls, text: str) -> "PriceList":
        return cls(json.loads(text))

    def row(self, provider: str, model: str) -> PriceRow | None:
        """Return the price of a model at a provider, or None when it is unknown: unknown is never zero."""
        found = self._rows.get(f"{provider}/{model}")
        if found is None:
            return None
        return _parsed(model, found, found["source"])


def _parsed(model: str, found: Mapping[str, Any], source: str) -> PriceRow:
    return PriceRow(
        model=model,
        input=found["input"],
        cached=found["cached"],
        cache_write=found["cache_write"],
        output=found["output"],
        source=source,
        above=found.get("above"),
        upper=_parsed(model, found["upper"], source) if found.get("upper") else None,
    )
