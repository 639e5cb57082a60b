"""Money as integers: prices in pico-USD per token, amounts in nano-EUR, one rounding per call, upwards.

1 USD per million tokens is 10**6 pico-USD per token. The exchange rate is a ratio of integers.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from re import fullmatch
from typing import NamedTuple

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


@dataclass(frozen=True, slots=True)
class PriceRow:
    """What one token of a model costs, in pico-USD, and where the figure comes from."""

    model: str
    input: int
    cached: int
    cache_write: int
    output: int
    source: str
    above: int | None = None
    """Calls with more input tokens than this cost as in `upper`."""
    upper: "PriceRow | None" = None
    facts: Vetted = field(init=False, compare=False, repr=False)
    """The row as entries state it."""

    def __post_init__(self) -> None:
        facts = {
            "model": self.model, "input_pico_usd": self.input, "cached_pico_usd": self.cached,
            "cache_write_pico_usd": self.cache_write, "output_pico_usd": self.output, "source": self.source,
        }  # fmt: skip
        object.__setattr__(self, "facts", vetted(facts))

    def at(self, input_tokens: int) -> "PriceRow":
        """Return the row that applies to a call with this many input tokens."""
        return self.upper if self.upper and self.above is not None and input_tokens > self.above else self


class Usage(NamedTuple):
    """Disjoint token counts, as the provider reported them. `reasoning` is a part of `output`."""

    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0

    def facts(self) -> dict[str, int]:
        return {
            "input_tokens": self.input, "cached_tokens": self.cached, "cache_write_tokens": self.cache_write,
            "output_tokens": self.output, "reasoning_tokens": self.reasoning,
        }  # fmt: skip


def cost(usage: Usage, price: PriceRow, rate: Rate) -> int:
    """Return the cost of a call in nano-EUR, rounded up once."""
    price = price.at(usage.input + usage.cached + usage.cache_write)
    pico_usd = (
        usage.input * price.input
        + usage.cached * price.cached
        + usage.cache_write * price.cache_write
        + usage.output * price.output
    )
    return -(-pico_usd * rate.num // (rate.den * 1000))


def worst_case(input_bound: int, output_bound: int, price: PriceRow, rate: Rate) -> int:
    """Return the most that tokens within these bounds can cost, in nano-EUR, whatever part of them is cached."""
    price = price.at(input_bound)
    dearest = max(price.input, price.cached, price.cache_write)
    return -(-(input_bound * dearest + output_bound * price.output) * rate.num // (rate.den * 1000))
