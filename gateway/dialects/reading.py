"""Answers read as the laxest client reads them: some ignore the case of members, some take `function_call` for
`functionCall`. So a member that decides must be spelt right or the answer counts as unreadable."""

from functools import lru_cache
from typing import Any

import orjson

from gateway.dialects.protocol import Unreadable
from gateway.dialects.sse import BOM, Event
from gateway.dialects.strict import loaded, says_twice, written


class Heard:
    """What a transcript of any format keeps of an answer."""

    def __init__(self) -> None:
        self.response_id: str | None = None
        self.model: str | None = None
        self.service_tier: str | None = None
        self.error: Any = None
        self.called = 0
        self.finished = False


class Spelling:
    """The members of a format that decide what is called."""

    def __init__(self, *names: str) -> None:
        self._names = frozenset(names)
        self._folded = frozenset(map(_folded, names))
        # Events of a provider have the same few sets of members.
        self._is_right = lru_cache(maxsize=1024)(self._is_right_)

    def _is_right_(self, members: tuple[str, ...]) -> bool:
        return not any(_folded(one) in self._folded for one in members if one not in self._names)

    def object_in(self, value: Any, what: str) -> dict[str, Any]:
        """Return a value that has to be an object.

        Raises:
            Unreadable: it is none, or a member of it is spelt in another way.
        """
        if not isinstance(value, dict):
            raise Unreadable(f"{what} is not an object")
        if not self._is_right(tuple(value)):
            raise Unreadable("a member is spelt in another way")
        return value

    def objects_in(self, value: dict[str, Any], name: str) -> list[dict[str, Any]]:
        """Return the objects of a list that is a member; none where it is left out."""
        return [self.object_in(one, f"one of its {name}") for one in list_in(value, name)]


def _folded(name: str) -> str:
    return name.casefold().replace("_", "")


def list_in(value: dict[str, Any], name: str) -> list[Any]:
    items = value.get(name)
    if not isinstance(items, list | None):
        raise Unreadable(f"its {name} are not a list")
    return items or []


def text_in(value: Any) -> str:
    """Return a text; arguments that were not written as one (Ollama's way, Anthropic's, Gemini's) as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return written(value).decode()
    raise Unreadable("a name or an argument is not a text")


def type_of(event: Event, value: dict[str, Any]) -> str:
    """Return the type of an event. Some clients go by its `event:` line, so that must not say another.

    Raises:
        Unreadable: it has none, or two.
    """
    kind = value.get("type", event.name)
    if not isinstance(kind, str) or not kind:
        raise Unreadable("an event has no type")
    if event.name not in ("", "message", kind):
        raise Unreadable("an event is named otherwise than its type")
    return kind


def answer_in(body: bytes, *, calls: bool = True) -> dict[str, Any]:
    """Return the JSON object that a whole answer is.

    Args:
        calls: it may call tools, so that every reader has to read it alike; vectors are large, and cannot.

    Raises:
        Unreadable: it is none.
    """
    text = body.removeprefix(BOM)
    try:
        value = loaded(text)
    except orjson.JSONDecodeError:
        raise Unreadable("the answer is not JSON") from None
    if not isinstance(value, dict):
        raise Unreadable("the answer is not a JSON object")
    if calls and says_twice(text, value):
        raise Unreadable("a member stands in the answer twice")
    return value


def word_in(value: Any) -> str | None:
    """Return a text that is not empty, or None."""
    return value if isinstance(value, str) and value else None
