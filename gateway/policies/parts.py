"""The texts of a request by where they come from: the last words of a person, and data. Pure.

The last words are all turns of a person since the model last said something. Data are results of tools, documents and
whatever else stands in a turn without being somebody's words. Neither are the system text, earlier turns of a person,
which were judged when they were last, and what the model has said.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

_WORDS = ("text", "input_text")
_PERSONS = ("user", None)
_MODELS = ("assistant", "model", "system", "developer")
_CALLS = ("function_call", "custom_tool_call", "reasoning", "item_reference")
_ENCODED = re.compile(r"[A-Za-z0-9+/=_-]{1000,}")
"""Files and images: nothing is written there that anybody could read."""


class Parts(NamedTuple):
    """Texts that are screened."""

    words: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    has_data: bool = False
    """Something stands there that is nobody's words, whether it can be read or not."""


def parts_of(fields: Mapping[str, Any]) -> Parts:
    """Return the texts of a request of any format."""
    words: list[str] = [text for name in ("input", "prompt", "suffix") for text in _plain(fields.get(name))]
    prompt = fields.get("prompt")
    variables = _as_one(prompt.get("variables")) if isinstance(prompt, dict) else ""
    data: list[str] = [variables] if variables else []
    has_data, answered = bool(data), False
    for turn in _turns(fields):
        by_model, said, given = _of_turn(turn)
        if said and answered:  # the model has spoken since: what was said before is past
            words.clear()
        answered = by_model or (answered and not said)
        words += said
        has_data = has_data or bool(given)
        data += filter(None, map(_as_one, given))
    return Parts(tuple(words), tuple(data), has_data)


def _plain(value: Any) -> Iterator[str]:
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str):
            yield one


def _turns(fields: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name in ("messages", "input", "contents"):
        turns = fields.get(name)
        yield from (one for one in (turns if isinstance(turns, list) else ()) if isinstance(one, dict))


def _of_turn(turn: dict[str, Any]) -> tuple[bool, list[str], list[Any]]:
    """Return whether a model says a turn, what a person says in it, and what else stands there that no model says."""
    role, kind = turn.get("role"), turn.get("type")
    content = turn.get("content", turn.get("parts"))
    parts = content if isinstance(content, list) else [content]
    if role in _MODELS or kind in _CALLS:
        return role in ("assistant", "model") or kind in _CALLS, [], [one for one in parts if _is_result(one)]
    if role not in _PERSONS or kind not in (None, "message"):  # a tool's turn, or an item that is a result
        return False, [], [content if content is not None else turn]
    said: list[str] = []
    data: list[Any] = []
    for part in parts:
        if isinstance(part, str):
            said.append(part)
        elif isinstance(part, dict) and part.get("type", "text") in _WORDS and isinstance(part.get("text"), str):
            said.append(part["text"])
        elif part is not None:
            data.append(part)
    return False, said, data


def _is_result(part: Any) -> bool:
    """Tell whether a part of a model's turn is what a tool of the provider gave back."""
    if not isinstance(part, dict):
        return False
    named = [str(part.get("type")), *part]
    return any(one.lower().endswith(("result", "_output", "functionresponse")) for one in named)


def _as_one(part: Any) -> str:
    """Return the texts of a part, each on a line behind its name: a part is read as one, however many it has."""
    return "\n".join(_texts("", part))


def _texts(name: str, value: Any) -> Iterator[str]:
    """Yield every text in a value but what is encoded."""
    if isinstance(value, str):
        if value and not _ENCODED.fullmatch(value):
            yield f"{name}: {value}" if name else value
    elif isinstance(value, dict):
        for member, one in value.items():
            if member == "type":
                continue
            yield from _texts("" if member in _PLAIN else str(member), one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(name, one)


_PLAIN = frozenset({"text", "content", "parts", "output", "response", "data"})
"""Names that say nothing of what stands under them."""
