"""JSON that every reader reads alike.

What is nested so deeply that it could be read but not written again counts as none: orjson reads 1,024 levels and
writes 254, and what is judged is also kept and passed on. Of a member that stands in an object twice some readers take
the last, as orjson does, others the first, and Go's fills one with both.
"""

import json
from typing import Any

import orjson

MOST = 200
"""Levels that are taken. Envelopes and translations put a few more around them."""


class TooDeep(orjson.JSONDecodeError):
    """It is JSON, and nested too deeply."""


def loaded(text: bytes | str) -> Any:
    """Return the value of a JSON text.

    Raises:
        orjson.JSONDecodeError: it is none.
    """
    value = orjson.loads(text)
    opened = text.count("{") + text.count("[") if isinstance(text, str) else text.count(b"{") + text.count(b"[")
    if opened > MOST and _is_deep(value):
        raise TooDeep("it is nested too deeply", "", 0)
    return value


def says_twice(text: bytes, value: Any) -> bool:
    """Tell whether an object in a JSON text has a member twice.

    Args:
        value: what `loaded` has read in it.
    """
    if orjson.dumps(value) == text:  # nothing was lost, so nothing stood there twice: most events are written so
        return False
    try:
        json.loads(text, object_pairs_hook=_once, parse_int=str, parse_float=str)
    except _TwiceError:
        return True
    return False


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
