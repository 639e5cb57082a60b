"""The text of a configuration, from routes and providers that were read elsewhere."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal

from gateway.configuration.litellm_models import Provider
from gateway.configuration.litellm_reading import Note


@dataclass(frozen=True, slots=True)
class Route:
    """A route as it is written; what is nothing is left out."""

    intent: str
    primary: tuple[str, ...]
    fallback: tuple[str, ...]
    max_retries: int | None
    whole_answer: int | None
    max_output_tokens: int | None
    cache_ttl: int | None
    max_budget_daily: Decimal | None

    def called(self, intent: str) -> "Route":
        return replace(self, intent=intent)


def as_yaml(
    name: str, routes: Sequence[Route], providers: Mapping[str, Provider], cap: Decimal | None, notes: Iterable[Note]
) -> str:
    """Return the file; what it leaves open stands in comments at its head."""
    return "\n".join([*_head(name, notes), *_routes(routes), *_providers(providers), *_environments(cap), ""])


def _head(name: str, notes: Iterable[Note]) -> Iterator[str]:
    yield f"# Translated from {_comment(name)} of a LiteLLM proxy by `whyledger init --from`. Amounts are EUR a day."
    yield "# Add `workflows:` as in `whyledger config example`; `whyledger config check` says what is wrong."
    said = [f"#   {_comment(one.place)}: {_comment(one.why)}" for one in notes]
    yield from ["#", "# Not carried over, changed, or to be done:", *said, ""] if said else [""]


def _routes(routes: Sequence[Route]) -> Iterator[str]:
    yield "routes:"
    for route in routes:
        yield f"  - intent: {_text(route.intent)}"
        for field in fields(Route)[1:]:
            value = getattr(route, field.name)
            if value not in (None, ()):
                yield f"    {field.name}: {_list(value) if isinstance(value, tuple) else value}"


def _providers(providers: Mapping[str, Provider]) -> Iterator[str]:
    if providers:
        yield "providers:"
    for name, one in providers.items():
        yield f"  {_text(name)}:"
        yield f"    base_url: {_text(one.base_url)}"
        if one.key:
            yield f"    key: {_text(f'env:{one.key}')}"
        yield f"    models: {_list(one.models)}"
        if one.catalogue:
            yield f"    catalogue: {_text(one.catalogue)}"
        if one.free:
            yield "    price: 0"
        if one.prices:
            yield "    prices: # USD per million tokens"
        for model, prices in one.prices.items():
            row = ", ".join(f"{kind}: {value:f}" for kind, value in prices.items())
            yield f"      {_text(model)}: {{{row}}}"


def _environments(cap: Decimal | None) -> Iterator[str]:
    if cap is not None:
        yield "environments:"
        yield f"  prod: {{max_budget_daily: {cap:f}}}"


def _text(value: str) -> str:
    return json.dumps(value)


def _list(values: Iterable[str]) -> str:
    return f"[{', '.join(map(_text, values))}]"


def _comment(text: str) -> str:
    """Return a text as one line of a comment."""
    return "".join(one if one.isprintable() else "?" for one in text)
