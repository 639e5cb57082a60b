"""Amounts as entries hold them (integer nano-EUR), and counts, written for people."""

from datetime import date
from decimal import ROUND_HALF_UP, ROUND_UP, Decimal

_SMALL = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def eur(nano: int) -> str:
    """Write nano-EUR as EUR with the digits that matter: at least two decimals, at most nine, nothing rounded."""
    text = f"{Decimal(nano).scaleb(-9):.9f}".rstrip("0")
    whole, _, fraction = text.partition(".")
    return f"EUR {whole}.{fraction.ljust(2, '0')}"


def eur_short(nano: int, *, most: bool = False) -> str:
    """Write nano-EUR for reading: to the cent, and below ten cents with four decimals where they say more.

    Args:
        most: it is an upper bound or a reserve, which rounding must not make smaller.
    """
    amount = Decimal(nano).scaleb(-9)
    places = Decimal("0.01") if abs(amount) >= Decimal("0.1") or not amount % Decimal("0.01") else Decimal("0.0001")
    shown = amount.quantize(places, rounding=ROUND_UP if most else ROUND_HALF_UP)
    return f"EUR {shown:,}" if shown or not nano else "under EUR 0.0001"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Write a number and what is counted: `1 call`, `2 calls`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def in_words(number: int) -> str:
    """Write a small number as a word: `three`; a larger one in digits."""
    return _SMALL[number] if 0 <= number < len(_SMALL) else f"{number:,}"


def cap_of(row: str) -> str:
    """Say what a daily cap is of: `budget:route:prod:support:2026-11-28`, route support in prod (28 November)."""
    of, _, day = row.removeprefix("budget:").rpartition(":")
    noun, _, rest = of.partition(":")
    room, _, name = rest.partition(":")
    words = f"{noun} {name} in {room}" if name else f"{noun} {room}"
    try:
        when = date.fromisoformat(day)
    except ValueError:
        return row
    return f"{words} ({when.day} {_MONTHS[when.month - 1]})"
