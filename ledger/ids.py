"""Identifiers: a readable prefix and a UUID version 7 (RFC 9562 section 5.7), so that they sort by time."""

import re
from datetime import datetime

from ledger.entropy import random_bytes

_SHAPE = re.compile(r"[a-z]{2,5}_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

_VERSION_7 = 7 << 76 | 0b10 << 62
_RANDOM = (1 << 76) - 1 & ~(0b11 << 62)


def new_id(prefix: str, at: datetime) -> str:
    """Return `<prefix>_<uuid7>` for the instant `at` (millisecond precision) with 74 random bits."""
    value = int(at.timestamp() * 1000) << 80 | int.from_bytes(random_bytes(10), "big") & _RANDOM | _VERSION_7
    text = f"{value:032x}"
    return f"{prefix}_{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_id(text: str, prefix: str) -> bool:
    """Tell whether `text` has the shape of an identifier with this prefix."""
    return text.startswith(prefix + "_") and _SHAPE.fullmatch(text) is not None
