"""Copying price rows from the configuration and the genai-prices catalogue, when a configuration is activated.

The gateway serves from the rows that were copied; it never loads the catalogue.
"""

import json
from collections.abc import Iterator
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from importlib.metadata import version
from typing import Any

from gateway.configuration.load import provider_of
from gateway.configuration.model import Configuration, Price, Provider

_PICO_PER_TOKEN = Decimal(10**6)
"""Of a price in USD per million tokens."""
KINDS = {
    "input_mtok": "input", "cache_read_mtok": "cached", "cache_write_mtok": "cache_write", "output_mtok": "output",
    "cache_write_1h_mtok": "cache_write_1h", "input_audio_mtok": "audio_input", "cache_audio_read_mtok": "audio_cached",
    "output_audio_mtok": "audio_output", "input_image_mtok": "image_input", "cache_image_read_mtok": "image_cached",
    "output_image_mtok": "image_output", "input_video_mtok": "video_input", "output_video_mtok": "video_output",
    "output_reasoning_mtok": "reasoning", "output_citation_mtok": "citation", "requests_kcount": "request",
    "web_searches_kcount": "web_search",
}  # fmt: skip
"""The catalogue's names of what this gateway counts; whatever else a row prices is listed in it as unpriced."""
_APIECE = ("requests_kcount", "web_searches_kcount")


def compile_rows(configuration: Configuration) -> str:
    """Return the price rows a configuration needs, as JSON text: "provider/model" to the rows of `economics.prices`.

    Rows exist for every model that a route names and, for direct routes, for every model of the catalogue.
    """
    rows: dict[str, Any] = {}
    for name, provider in configuration.providers.items():
        for model, listed in _catalogue_rows(provider).items():
            rows[f"{name}/{model}"] = listed
        for model, prices in provider.prices.items():
            rows[f"{name}/{model}"] = [_configured(price) for price in prices]
    for route in configuration.routes:
        for written in route.every_model:
            model = configuration.aliases.get(written, written)
            found = provider_of(configuration, model)
            if found and (row := rows.get(f"{found[0]}/{model}") or _otherwise(found[1], model)):
                rows[f"{found[0]}/{model}"] = row
    return json.dumps(rows, sort_keys=True, separators=(",", ":"))


def _otherwise(provider: Provider, model: str) -> Any:
    if provider.price is not None:
        free = Price(input=Decimal(), output=Decimal())
        return [_configured(provider.price if isinstance(provider.price, Price) else free)]
    return _matched(provider, model)


def _configured(price: Price) -> dict[str, Any]:
    kinds = ("input", "cached", "cache_write", "output", "audio_input", "audio_output", "reasoning")
    prices = {kind: _pico(value) for kind in kinds if (value := getattr(price, kind)) is not None}
    prices |= {
        kind: _pico(value * 1000)
        for kind, value in (("request", price.per_1000_requests), ("web_search", price.per_1000_web_searches))
        if value is not None
    }
    since = {"from": price.since} if price.since else {}
    return since | {"prices": prices, "source": "configuration"}


def _pico(usd_per_million: Decimal) -> int:
    """Return pico-USD apiece, rounded up to a whole one; a trace of binary fractions in the catalogue is none."""
    exact = usd_per_million * _PICO_PER_TOKEN
    nearest = exact.to_integral_value(ROUND_HALF_EVEN)
    return int(nearest if abs(exact - nearest) < Decimal("0.001") else exact.to_integral_value(ROUND_CEILING))


def _catalogue_rows(provider: Provider) -> dict[str, Any]:
    if not provider.catalogue:
        return {}
    from genai_prices.data import providers  # half a second to import, needed at activation only

    for listed in providers:
        if listed.id == provider.catalogue:
            return {model.id: rows for model in listed.models if (rows := rows_of(model))}
    return {}


def _matched(provider: Provider, model: str) -> Any:
    """Find the catalogue's rows for a name it knows by a pattern (dated versions, previews)."""
    if not provider.catalogue:
        return None
    from genai_prices.data import providers

    for listed in providers:
        if listed.id == provider.catalogue:
            found = listed.find_model(model)
            return rows_of(found) if found else None
    return None


def rows_of(model: Any) -> list[dict[str, Any]] | None:
    """Return each dated row of a model of the catalogue and each of a service tier; None without prices of tokens."""
    source = f"genai-prices {version('genai-prices')}: {model.id}"
    dated = model.prices if isinstance(model.prices, list) else [model]
    rows = [_row(one.prices, source) | _when(getattr(one, "constraint", None)) for one in dated]
    if any("input" not in row["prices"] for row in rows):
        return None
    rows += [row for variant in model.price_variants or () for row in _variant(variant, source)]
    return rows


def _variant(variant: Any, source: str) -> Iterator[dict[str, Any]]:
    """Return the row of a service tier. Other conditions are kept by their names, which no answer gives as its tier."""
    said = [value if name == "service_tier" else f"{name}={value}" for name, value in sorted(variant.when.items())]
    tier = ",".join(said).replace("processing=batch", "batch")
    yield _row(variant.prices, source) | _when(variant.constraint) | {"tier": tier}


def _row(prices: Any, source: str) -> dict[str, Any]:
    found = {name: value for name, value in vars(prices).items() if value is not None}
    known = {KINDS[name]: _amount(name, value) for name, value in found.items() if name in KINDS}
    unpriced = sorted(found.keys() - KINDS.keys())
    return {"prices": known, "source": source} | ({"unpriced": unpriced} if unpriced else {})


def _amount(name: str, price: Any) -> Any:
    factor = 1000 if name in _APIECE else 1
    if isinstance(price, Decimal):
        return _pico(price * factor)
    return [_pico(price.base * factor), [[tier.start, _pico(tier.price * factor)] for tier in price.tiers]]


def _when(constraint: Any) -> dict[str, Any]:
    """Return when a row of the catalogue holds.

    Raises:
        ValueError: by a rule that is not known here; a price must not be taken for another's.
    """
    if constraint is None:
        return {}
    if (start := getattr(constraint, "start_date", None)) is not None:
        return {"from": start.isoformat()}
    hours = [getattr(constraint, name, None) for name in ("start_time", "end_time")]
    if any(one is None or one.utcoffset() or one.minute % 30 or one.second for one in hours):
        raise ValueError(f"a price of the catalogue holds by an unknown rule: {constraint!r}")
    return {"hours": [one.strftime("%H:%M") for one in hours if one is not None]}
