"""Money as integers: prices in pico-USD, amounts in nano-EUR, one rounding per call, upwards.

1 USD per million tokens is 10**6 pico-USD per token. The exchange rate is a ratio of integers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal
from re import fullmatch
from typing import Any, NamedTuple

from ledger.entry import Vetted, vetted


def nano_eur(amount: Decimal) -> int:
    """Return an EUR amount (at most nine decimals) in nano-EUR, exactly."""
    return int(amount.scaleb(9).to_integral_exact())


def read_eur(text: str) -> int:
    """Return an amount written as `2.50` in nano-EUR.

    Raises:
        ValueError: it is no amount, negative, or has more than nine decimals.
    """
    if not fullmatch(r"[0-9]{1,7}(\.[0-9]{1,9})?", text):
        raise ValueError(f"{text!r} is no amount in EUR; write it like 2.50")
    return nano_eur(Decimal(text))


@dataclass(frozen=True, slots=True)
class Rate:
    """EUR per USD as num/den, with its date and source."""

    num: int
    den: int
    date: str
    source: str
    facts: Vetted = field(init=False, compare=False, repr=False)
    """The rate as entries state it."""

    def __post_init__(self) -> None:
        facts = {"eur_num": self.num, "usd_den": self.den, "date": self.date, "source": self.source}
        object.__setattr__(self, "facts", vetted(facts))

    @classmethod
    def from_usd_per_eur(cls, usd_per_eur: Decimal, date: str, source: str) -> "Rate":
        scale = -min(0, int(usd_per_eur.normalize().as_tuple().exponent))
        return cls(num=10**scale, den=int(usd_per_eur.scaleb(scale)), date=date, source=source)

    def nano_eur(self, usd: Decimal) -> int:
        """Return an amount in USD in nano-EUR, rounded up."""
        pico = int(usd.scaleb(12).to_integral_value(ROUND_CEILING))
        return -(-pico * self.num // (self.den * 1000))


COUNTED_ALIKE = {
    "cache_write_1h": ("cache_write",), "audio_input": ("input",), "audio_cached": ("cached", "audio_input"),
    "image_input": ("input",), "image_cached": ("cached", "image_input"), "video_input": ("input",),
    "audio_output": ("output",), "image_output": ("output",), "video_output": ("output",), "reasoning": ("output",),
}  # fmt: skip
"""Kinds of tokens that cost as others do (the dearest of those) where a price row does not price them apart."""
INPUTS = (
    "input", "cached", "cache_write", "cache_write_1h", "audio_input", "audio_cached", "image_input", "image_cached",
    "video_input",
)  # fmt: skip
OUTPUTS = ("output", "audio_output", "image_output", "video_output", "reasoning", "citation")
SEARCHES = 10
"""Most web searches that a call is expected to make; more are charged and flagged (`within-reservation`)."""


@dataclass(frozen=True, slots=True)
class PriceRow:
    """What a model costs from some day on: pico-USD per token (or apiece), and where the figures come from."""

    model: str
    input: int
    cached: int
    cache_write: int
    output: int
    source: str
    others: Mapping[str, int] = field(default_factory=dict)
    """Kinds that are priced apart: those of `INPUTS` and `OUTPUTS`, a request, a web search."""
    above: int | None = None
    """Calls with more input tokens than this cost as in `upper`."""
    upper: "PriceRow | None" = None
    since: str | None = None
    tier: str | None = None
    unpriced: tuple[str, ...] = ()
    """Kinds that the source prices and this gateway cannot count."""
    facts: Vetted = field(init=False, compare=False, repr=False)
    """The row as entries state it."""
    most: tuple[int, int, int, int] = field(init=False, compare=False, repr=False)
    """The dearest kind of input token and of output token, a request, a web search."""

    def __post_init__(self) -> None:
        inputs, outputs = (max(map(self.price, kinds)) for kinds in (INPUTS, OUTPUTS))
        object.__setattr__(self, "most", (inputs, outputs, self.price("request"), self.price("web_search")))
        facts: dict[str, Any] = {"model": self.model} | {
            f"{kind}_pico_usd": getattr(self, kind) for kind in ("input", "cached", "cache_write", "output")
        }
        facts |= {f"{kind}_pico_usd": price for kind, price in sorted(self.others.items())}
        said = {"from": self.since, "tier": self.tier, "unpriced": list(self.unpriced)}
        facts |= {name: value for name, value in said.items() if value} | {"source": self.source}
        object.__setattr__(self, "facts", vetted(facts))

    def at(self, input_tokens: int) -> "PriceRow":
        """Return the row that applies to a call with this many input tokens."""
        row = self
        while row.upper is not None and row.above is not None and input_tokens > row.above:
            row = row.upper
        return row

    def facts_for(self, usage: "Usage") -> dict[str, Any]:
        """Return what applies to a usage, with the price of each rarer kind in it: cost can be recomputed from it."""
        row = self.at(usage.all_input)
        return row.facts | {f"{kind}_pico_usd": row.price(kind) for kind, _ in usage.others}

    def price(self, kind: str) -> int:
        """Return the price of one of a kind; kinds that are not priced apart cost as those they are counted alike."""
        if kind in ("input", "cached", "cache_write", "output"):
            return int(getattr(self, kind))
        if kind in self.others:
            return self.others[kind]
        return max((self.price(one) for one in COUNTED_ALIKE.get(kind, ())), default=0)


class Usage(NamedTuple):
    """Disjoint counts, as the provider reported them. `reasoning` is a part of `output`."""

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    others: tuple[tuple[str, int], ...] = ()
    """Counts of the rarer kinds, by the names that price rows have for them."""

    def facts(self) -> dict[str, int]:
        return {
            "input_tokens": self.input, "cached_tokens": self.cached, "cache_write_tokens": self.cache_write,
            "output_tokens": self.output, "reasoning_tokens": self.reasoning,
        } | {COUNT_NAMES.get(kind, f"{kind}_tokens"): count for kind, count in self.others}  # fmt: skip

    @property
    def all_input(self) -> int:
        """Return how many tokens of input there were, of whatever kind."""
        return self.input + self.cached + self.cache_write + sum(n for kind, n in self.others if kind in INPUTS)


class Reported(NamedTuple):
    """What a provider says that a call used and cost."""

    usage: Usage
    contradictions: tuple[str, ...] = ()
    """What does not fit together, in words."""
    stated: Decimal | None = None
    """What the provider says the call cost, in USD."""
    by_others: tuple[tuple[str, "Usage"], ...] = ()
    """What other models used for the call: advisors, fallbacks at the provider."""


COUNT_NAMES = {"request": "requests", "web_search": "web_searches"}


def cost(usage: Usage, price: PriceRow, rate: Rate) -> int:
    """Return the cost of a call in nano-EUR, rounded up once."""
    price = price.at(usage.all_input)
    pico_usd = (
        usage.input * price.input
        + usage.cached * price.cached
        + usage.cache_write * price.cache_write
        + usage.output * price.output
    )
    if usage.reasoning and "reasoning" in price.others:
        pico_usd += usage.reasoning * (price.others["reasoning"] - price.output)
    for kind, count in usage.others:
        pico_usd += count * price.price(kind)
    return -(-pico_usd * rate.num // (rate.den * 1000))


def worst_case(input_bound: int, output_bound: int, price: PriceRow, rate: Rate, *, searches: bool = False) -> int:
    """Return the most that tokens within these bounds can cost, in nano-EUR, of whatever kind they are.

    Args:
        searches: the call may make web searches.
    """
    row: PriceRow | None = price
    pico_usd = 0
    while row is not None:
        inputs, outputs, request, search = row.most
        apiece = request + (SEARCHES * search if searches else 0)
        pico_usd = max(pico_usd, input_bound * inputs + output_bound * outputs + apiece)
        row = row.upper if row.above is not None and input_bound > row.above else None
    return -(-pico_usd * rate.num // (rate.den * 1000))
