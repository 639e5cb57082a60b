"""JSON as nobody should send it, made of the members and words of a format, for tests that want no exception of ours."""

import json
from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

ODD = ["", "\x00", "\u2028", "]", "é" * 3, "data:image/png;base64,AA", "data:", "http://[", "a" * 300]
DEEP = "[" * 260 + "]" * 260


def values(members: Iterable[str], words: Iterable[str]) -> st.SearchStrategy[Any]:
    """Any JSON value of these members, with these words and odd ones in it."""
    leaves = (
        st.none() | st.booleans() | st.integers(-2, 3) | st.just(10**30) | st.floats(allow_nan=False)
        | st.sampled_from([*words, *ODD])
    )  # fmt: skip
    names = st.sampled_from(sorted(members))
    inner = lambda one: st.lists(one, max_size=3) | st.dictionaries(names, one, max_size=5)  # noqa: E731
    return st.recursive(leaves, inner, max_leaves=20)


def objects(members: Iterable[str], words: Iterable[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(sorted(members)), values(members, words), max_size=6)


def twisted(seed: Any, members: Iterable[str], words: Iterable[str]) -> st.SearchStrategy[Any]:
    """A value like a good one, in which some place holds something else, or nothing, or a bit more."""
    return st.composite(_twist)(seed, values(members, words))


def _twist(draw: st.DrawFn, seed: Any, any_value: st.SearchStrategy[Any]) -> Any:
    value = json.loads(json.dumps(seed))
    for _ in range(draw(st.integers(1, 2))):
        places = [*_places(value)]
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        if draw(st.booleans()) and isinstance(holder, dict):
            holder.pop(key)
        else:
            holder[key] = draw(any_value)
    return value


def _places(value: Any) -> Iterable[tuple[Any, Any]]:
    for key, inner in [*(value.items() if isinstance(value, dict) else enumerate(value))]:
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


def text_of(value: Any, *, deep: bool = False) -> bytes:
    """JSON text of a value; `deep`: with an array in it that is nested more deeply than can be written again."""
    text = json.dumps(value)
    if deep and text.startswith("{") and len(text) > 2:
        text = f'{text[:-1]}, "deep": {DEEP}}}'
    return text.encode()
