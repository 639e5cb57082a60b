"""JSON that every reader reads alike.

What is nested so deeply that it could be read but not written again counts as none: orjson reads 1,024 levels and
writes 254, and what is judged is also kept and passed on. Of a member that stands in an object twice some readers take
the last, as orjson does, others the first, and Go's fills one with both. Of an integer beyond 64 bits orjson makes a
float, and what is sent on would not be what was said: amounts of some currencies are so long.
"""

import json
from typing import Any

import orjson

MOST = 200
"""Levels that are taken. Envelopes and translations put a few more around them."""
_LONG = b"0" * 19
"""An integer beyond 64 bits has at least so many digits; `_DIGITS` makes each of them a 0."""
_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)


class TooDeep(orjson.JSONDecodeError):
    """It is JSON, and nested too deeply."""


def loaded(text: bytes | str) -> Any:
    """Return the value of a JSON text.

    Raises:
        orjson.JSONDecodeError: it is none.
    """
    value = orjson.loads(text)
    raw = text.encode() if isinstance(text, str) else text
    opened = raw.count(b"{") + raw.count(b"[")
    if opened > MOST and _is_deep(value):
        raise TooDeep("it is nested too deeply", "", 0)
    return _with_long_integers(raw) if _LONG in raw.translate(_DIGITS) else value


def written(value: Any, *, ordered: bool = False) -> bytes:
    """Return a value as JSON, with every integer as it was said.

    Args:
        ordered: members stand in the order of their names.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS if ordered else None)
    except TypeError:  # an integer beyond 64 bits
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=ordered).encode()


def says_twice(text: bytes, value: Any) -> bool:
    """Tell whether an object in a JSON text has a member twice.

    Args:
        value: what `loaded` has read in it.
    """
    if written(value) == text:  # nothing was lost, so nothing stood there twice: most events are written so
        return False
    try:
        json.loads(text, object_pairs_hook=_once, parse_int=str, parse_float=str)
    except _TwiceError:
        return True
    return False


def _with_long_integers(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise orjson.JSONDecodeError(f"a number is too long: {error}", "", 0) from error


class _TwiceError(Exception):
    pass


def _once(members: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in members}) < len(members):
        raise _TwiceError


def _is_deep(value: Any) -> bool:
    for _ in range(254 - MOST):
        value = [value]
    try:
        orjson.dumps(value)
    except TypeError:
        return True
    return False
