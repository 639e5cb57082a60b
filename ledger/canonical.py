"""The only road from a value to bytes: JSON Canonicalization Scheme (RFC 8785).

One Python value has one byte string. Entries use a narrower domain (`ledger.entry` refuses floats and non-ASCII
keys); this module implements the whole standard, so that its vectors can be held against it.

Standard library only: the offline verifier imports it. (orjson makes it three times as fast where it is installed.)
"""

import contextlib
import json
import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any

from ledger.errors import CanonicalError

MAX_SAFE_INTEGER = 2**53 - 1
MAX_NUMBER = 1000
MAX_DEPTH = 64
"""How deep objects and arrays may nest in what is read here: a number of the format, not of the interpreter."""

_quote: Callable[[str], str] = json.encoder.encode_basestring
_REPR = re.compile(r"(?P<int>\d+)(?:\.(?P<frac>\d+))?(?:e(?P<exp>[+-]\d+))?")


def canonicalize(value: Any) -> bytes:
    """Return the RFC 8785 form of `value` in UTF-8.

    Accepts None, bool, int within +-(2**53 - 1), finite float, str, list, tuple, and dict with str keys.

    Raises:
        CanonicalError: another type, a larger integer, NaN or infinity, a lone surrogate, or nesting too deep.
    """
    parts: list[str] = []
    try:
        _write(value, parts.append)
        return "".join(parts).encode("utf-8")
    except UnicodeEncodeError as error:
        raise CanonicalError("lone surrogates have no canonical form (RFC 8785 section 3.2.2.2)") from error
    except RecursionError as error:
        raise CanonicalError("the value is nested too deeply") from error


def parse(text: bytes | str) -> Any:
    """Parse JSON strictly: UTF-8, no duplicate member names, no NaN or Infinity, nested at most `MAX_DEPTH` deep.

    Raises:
        CanonicalError: the bytes are not such a JSON text.
    """
    try:
        decoded = text if isinstance(text, str) else text.decode("utf-8")
        value = json.loads(
            decoded, object_pairs_hook=_members, parse_constant=_refuse_constant, parse_int=_whole, parse_float=_float
        )
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise CanonicalError(f"not a JSON text: {error}") from error
    require_depth(value)
    return value


def _whole(text: str) -> int:
    _require_short(text)
    return int(text)


def _float(text: str) -> float:
    _require_short(text)
    return float(text)


def _require_short(number: str) -> None:
    """The interpreter has a limit of its own that may be set; the format has this one."""
    if len(number) > MAX_NUMBER:
        raise CanonicalError(f"a number has more than {MAX_NUMBER} characters")


def require_depth(value: Any) -> None:
    """Check that objects and arrays nest at most `MAX_DEPTH` deep.

    Raises:
        CanonicalError: they nest deeper.
    """
    level, depth = [value], 0
    while level := [one for one in level if isinstance(one, dict | list)]:
        depth += 1
        if depth > MAX_DEPTH:
            raise CanonicalError(f"it is nested more than {MAX_DEPTH} deep")
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]


def dump_plain(value: Any) -> bytes:
    """As `canonicalize`, faster, for values whose member names are ASCII and whose numbers are safe integers.

    There the encoders written in C give the same bytes, which a property test holds to RFC 8785's own package. The
    caller checks the domain. orjson is used where it is installed: the offline verifier works without it.
    """
    try:
        return _DUMP(value)
    except (TypeError, UnicodeEncodeError, RecursionError):
        return canonicalize(value)  # to raise its error


def load_plain(text: bytes | str) -> Any:
    """Parse a JSON text that the caller writes again with `dump_plain` and compares, which finds what is lax here.

    Raises:
        CanonicalError: it is not a JSON text.
    """
    try:
        return _LOAD(text)
    except (ValueError, RecursionError) as error:
        raise CanonicalError(f"not a JSON text: {error}") from error


_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _dump_with_standard_library(value: Any) -> bytes:
    return _ENCODER.encode(value).encode("utf-8")


def _load_with_standard_library(text: bytes | str) -> Any:
    return _DECODER.decode(text if isinstance(text, str) else text.decode("utf-8"))


_DUMP: Callable[[Any], bytes] = _dump_with_standard_library
_LOAD: Callable[[bytes | str], Any] = _load_with_standard_library
with contextlib.suppress(ModuleNotFoundError):
    import orjson

    _DUMP, _LOAD = partial(orjson.dumps, option=orjson.OPT_SORT_KEYS), orjson.loads


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise CanonicalError("an object names a member twice")
    return members


def _refuse_constant(name: str) -> Any:
    raise CanonicalError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _write(value: Any, put: Callable[[str], None]) -> None:
    if value is None:
        put("null")
    elif value is True:
        put("true")
    elif value is False:
        put("false")
    elif isinstance(value, str):
        put(_quote(value))
    elif isinstance(value, int):
        put(_integer(value))
    elif isinstance(value, float):
        put(_number(value))
    elif isinstance(value, list | tuple):
        _write_array(value, put)
    elif isinstance(value, dict):
        _write_object(value, put)
    else:
        raise CanonicalError(f"{type(value).__name__} has no JSON form")


def _write_array(items: list[Any] | tuple[Any, ...], put: Callable[[str], None]) -> None:
    put("[")
    for index, item in enumerate(items):
        if index:
            put(",")
        _write(item, put)
    put("]")


def _write_object(members: dict[Any, Any], put: Callable[[str], None]) -> None:
    for name in members:
        if not isinstance(name, str):
            raise CanonicalError(f"a member name is {type(name).__name__}, not a string")
    put("{")
    # Names sort by UTF-16 code units (section 3.2.3), which is not the order of code points.
    for index, name in enumerate(sorted(members, key=lambda name: name.encode("utf-16-be"))):
        if index:
            put(",")
        put(_quote(name))
        put(":")
        _write(members[name], put)
    put("}")


def _integer(value: int) -> str:
    if not -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
        raise CanonicalError(f"{value} is outside +-(2**53 - 1) (RFC 7493 section 2.2)")
    return int.__repr__(value)


def _number(value: float) -> str:
    """Write a double as ECMAScript does (RFC 8785 section 3.2.2.3); `repr` finds the same shortest digits."""
    if not math.isfinite(value):
        raise CanonicalError("NaN and infinity have no JSON form")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    match = _REPR.fullmatch(float.__repr__(abs(value)))
    if match is None:  # repr of a finite double always has this shape
        raise CanonicalError(f"unexpected number text {value!r}")
    whole, fraction = match["int"], match["frac"] or ""
    if fraction == "0":
        fraction = ""
    digits = (whole + fraction).lstrip("0")
    leading_zeros = len(whole + fraction) - len(digits)
    point = len(whole) - leading_zeros + int(match["exp"] or 0)
    digits = digits.rstrip("0")
    return sign + _ecmascript(digits, point)


def _ecmascript(digits: str, point: int) -> str:
    """Place the decimal point: the value is 0.DIGITS times 10 to the power `point`."""
    count = len(digits)
    if count <= point <= 21:
        return digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    exponent = point - 1
    mantissa = digits if count == 1 else f"{digits[0]}.{digits[1:]}"
    return f"{mantissa}e{'+' if exponent > 0 else '-'}{abs(exponent)}"
