"""Identifiers: a readable prefix and a UUID version 7 (RFC 9562 section 5.7), so that they sort by time."""

import re
from datetime import datetime

from ledger.entropy import random_bytes

_SHAPE = re.compile(r"[a-z]{2,5}_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def new_id(prefix: str, at: datetime) -> str:
    """Return `<prefix>_<uuid7>` for the instant `at` (millisecond precision) with 74 random bits."""
    noise = random_bytes(10)
    text = (int(at.timestamp() * 1000).to_bytes(6, "big") + noise).hex()
    variant = "89ab"[noise[2] & 3]
    return f"{prefix}_{text[:8]}-{text[8:12]}-7{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"


def is_id(text: str, prefix: str) -> bool:
    """Tell whether `text` has the shape of an identifier with this prefix."""
    return text.startswith(prefix + "_") and _SHAPE.fullmatch(text) is not None
