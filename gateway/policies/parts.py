"""The texts of a request by where they come from: the last words of a person, and data. Pure.

Data are results of tools, documents and whatever else stands in a turn of a person without being their words. Neither
are the system text, earlier turns of a person, which were judged when they were last, and what the model has said.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

_WORDS = ("text", "input_text")
_PERSONS = ("user", None)
_MODELS = ("assistant", "model", "system", "developer")
_CALLS = ("function_call", "custom_tool_call", "reasoning", "item_reference")
SHORTEST = 12
"""Characters under which a text in data is none that could say something: ids, words of a status."""


class Parts(NamedTuple):
    """Texts that are screened."""

    words: tuple[str, ...] = ()
    data: tuple[str, ...] = ()


def parts_of(fields: Mapping[str, Any]) -> Parts:
    """Return the texts of a request of any format."""
    words: tuple[str, ...] = ()
    data: list[str] = []
    for name in ("input", "prompt"):
        words = tuple(_plain(fields.get(name))) or words
    for turn in _turns(fields):
        said, given = _of_turn(turn)
        words = tuple(said) or words
        data += given
    return Parts(words, tuple(data))


def _plain(value: Any) -> Iterator[str]:
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str):
            yield one


def _turns(fields: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name in ("messages", "input", "contents"):
        turns = fields.get(name)
        yield from (one for one in (turns if isinstance(turns, list) else ()) if isinstance(one, dict))


def _of_turn(turn: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return what a person says in a turn, and what else stands in it that no model has said."""
    role, kind = turn.get("role"), turn.get("type")
    if role in _MODELS or kind in _CALLS:
        return [], []
    content = turn.get("content", turn.get("parts"))
    if role not in _PERSONS or kind not in (None, "message"):  # a tool's turn, or an item that is a result
        return [], [*_texts(content if content is not None else turn)]
    said: list[str] = []
    data: list[str] = []
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            said.append(part)
        elif isinstance(part, dict) and part.get("type", "text") in _WORDS and isinstance(part.get("text"), str):
            said.append(part["text"])
        else:
            data += _texts(part)
    return said, data


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a value that has words; what is encoded, an address or an id has no space."""
    if isinstance(value, str):
        if len(value) >= SHORTEST and " " in value:
            yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)
