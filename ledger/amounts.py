"""Amounts as entries hold them (integer nano-EUR), written for people."""

from decimal import Decimal


def eur(nano: int) -> str:
    """Write nano-EUR as EUR with the digits that matter: at least two decimals, at most nine, nothing rounded."""
    text = f"{Decimal(nano).scaleb(-9):.9f}".rstrip("0")
    whole, _, fraction = text.partition(".")
    return f"EUR {whole}.{fraction.ljust(2, '0')}"
