"""The texts of requests and answers of any format, wherever they stand, to be changed in place. Pure.

Every member is taken but those that name things, so that a member which is new is not passed over.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from gateway.dialects.strict import loaded, written

Change = Callable[[str, str], str]
"""From the name of the member that a text stands under and the text to what is to stand there."""
NAMING = frozenset({
    "model", "type", "role", "id", "call_id", "tool_call_id", "tool_use_id", "tool_result_id", "item_id", "file_id",
    "status", "object", "format", "mime_type", "media_type", "mimeType", "encoding", "signature", "thoughtSignature",
    "encrypted_content", "url", "image_url", "file_url", "fileUri", "uri", "cache_control", "service_tier", "detail",
    "system_fingerprint", "obfuscation", "finish_reason", "finishReason", "stop_reason", "modelVersion", "responseId",
})  # fmt: skip
"""Members that name things, lead to them or are held against a signature: what is changed there works no more."""
FORMS = frozenset({
    "tools", "tool_choice", "functions", "response_format", "output_format", "toolConfig", "tool_config",
    "generationConfig", "generation_config", "safetySettings", "stop", "stop_sequences", "include", "betas",
    "mcp_servers",
})  # fmt: skip
"""Members of a request that describe how it is to be answered."""
PLAIN = frozenset({"text", "content", "parts", "output", "response", "data", "delta", "input", "prompt", "contents"})
"""Names that say nothing of what stands under them."""
FREE = frozenset({"arguments", "args", "variables", "attributes", "metadata", "labels"})
"""Members under which callers, tools and models put what they like, under whatever names."""
_GROWING = frozenset({
    "content", "text", "delta", "arguments", "partial_json", "refusal", "reasoning", "reasoning_content", "thinking",
    "transcript", "input",
})  # fmt: skip
ENCODED = re.compile(r"[A-Za-z0-9+/=_-]{1000,}|data:[a-z]+/[^,]{1,100},[A-Za-z0-9+/=_-]*")
"""Files and images: nothing is written there that anybody could read."""
_THOUGHTS = frozenset({"thinking", "redacted_thinking", "reasoning"})
_THINKING = frozenset({"thinking", "reasoning", "reasoning_content"})
LONG_NUMBER = 1_000_000
"""Numbers from here on may be somebody's."""
MOST_INSIDE = 40
"""Levels of a JSON text that stands in a text, and of what it stands in, up to which it is read as JSON."""


def is_thought(value: Mapping[str, Any]) -> bool:
    """Tell whether a block or an item is what the model thinks aloud, which providers hold against a signature."""
    return str(value.get("type")) in _THOUGHTS or value.get("thought") is True


def is_free(member: str, one: Any, value: Mapping[str, Any]) -> bool:
    """Tell whether under a member of an object callers, tools and models put what they like."""
    if member == "input":
        return isinstance(one, dict)
    return member in FREE or (member == "response" and "name" in value)  # what a function gave back


class Texts(NamedTuple):
    """How the texts of a value are changed."""

    change: Change
    passed: frozenset[str] = NAMING
    """Members that are left as they are, but where callers put what they like."""
    thoughts: bool = False
    """Change what the model thinks aloud too."""

    def of(self, fields: Mapping[str, Any], *, forms: frozenset[str] = frozenset()) -> dict[str, Any]:
        """Return a request or an answer with its texts changed; a value in which nothing was is the very same one.

        Args:
            forms: members of the whole that are left as they are.
        """
        return {
            name: value if name in forms or name in self.passed else self._in(value, name, name in FREE, 1)
            for name, value in fields.items()
        }  # fmt: skip

    def inside(self, value: Any) -> Any:
        """As `of`, for what a caller or a tool has put together."""
        return self._in(value, "", True, 1)

    def _in(self, value: Any, name: str, free: bool, depth: int) -> Any:
        if isinstance(value, str):
            return self._text(value, name, depth)
        if isinstance(value, dict):
            return self._object(value, free, depth)
        if isinstance(value, list):
            listed = [self._in(one, name, free, depth + 1) for one in value]
            return value if all(one is before for one, before in zip(listed, value, strict=True)) else listed
        if free and isinstance(value, int | float) and not isinstance(value, bool) and abs(value) >= LONG_NUMBER:
            said = str(int(value)) if value == int(value) else str(value)
            changed = self.change(_label(name), said)
            return value if changed == said else changed
        return value

    def _object(self, value: dict[str, Any], free: bool, depth: int) -> Any:
        if not free and not self.thoughts and is_thought(value):
            return value
        found: dict[str, Any] = {}
        same = True
        for member, one in value.items():
            inside = free or is_free(member, one, value)
            if not inside and self._is_passed(member, value):
                found[member] = one
                continue
            named = self.change("", member) if free else member
            found[named] = self._in(one, member, inside, depth + 1)
            same = same and named == member and found[named] is one
        return value if same else found

    def _is_passed(self, member: str, value: Mapping[str, Any]) -> bool:
        if member == "name":  # of a tool; that of somebody who speaks is none
            return value.get("role") in (None, "tool", "function")
        return member in self.passed or (not self.thoughts and member in _THINKING)

    def _text(self, text: str, name: str, depth: int) -> str:
        if (inner := _json(text, depth)) is not None:
            changed = self._in(inner, "", True, depth + 1)
            return text if changed is inner else written(changed).decode()
        said = self.change(_label(name), text)
        return text if said == text else said


def _label(name: str) -> str:
    return "" if name in PLAIN else name


def _json(text: str, depth: int) -> Any:
    """Return the object or list that a text is, if it is one and not too deep."""
    if depth > 3 * MOST_INSIDE or not text.lstrip().startswith(("{", "[")):
        return None
    try:
        value = loaded(text.strip())
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict | list) and _is_flat(value) else None


def _is_flat(value: Any) -> bool:
    """Tell whether a value has no more than so many levels."""
    level = [value]
    for _ in range(MOST_INSIDE):
        level = [
            one for inner in level for one in (inner.values() if isinstance(inner, dict) else inner)
            if isinstance(one, dict | list)
        ]  # fmt: skip
        if not level:
            return True
    return False


class Leaf(NamedTuple):
    """A text in an answer or in an event of one."""

    grows: tuple[Any, ...]
    """Which text of the answer goes on here; empty for one that stands alone."""
    holder: Any
    key: Any
    text: str
    in_json: bool
    """It is written in a JSON text: the arguments of a call."""
    thought: bool
    name: str

    def put(self, text: str) -> None:
        self.holder[self.key] = text


def leaves_of(value: Any, passed: frozenset[str] = NAMING) -> Iterator[Leaf]:
    """Yield the texts of an answer, or of an event, in their order.

    Args:
        passed: members that are left out, but where callers put what they like.
    """
    kind = str(value.get("type", "")) if isinstance(value, dict) else ""
    place = (kind, *place_of(value)) if isinstance(value, dict) else ()
    in_json = "arguments" in kind or "input_json" in kind
    yield from _Walk(passed).over(value, place, in_json, "reasoning" in kind, False, "")


def place_of(event: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return which part of an answer an event is about, as far as it says."""
    place = [_plain(event.get(one)) for one in _PLACES]
    return (None if place[1] is not None else place[0], *place[1:])


_PLACES = ("item_id", "output_index", "content_index", "summary_index", "index")


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | str) else None


class _Walk(NamedTuple):
    passed: frozenset[str]

    def over(
        self, value: Any, place: tuple[Any, ...], in_json: bool, thought: bool, free: bool, name: str
    ) -> Iterator[Leaf]:
        if isinstance(value, dict):
            yield from self._object(value, place, in_json, thought, free)
        elif isinstance(value, list):
            for number, one in enumerate(value):
                if isinstance(one, str):
                    yield Leaf((), value, number, one, in_json, thought, name)
                else:
                    yield from self.over(one, (*place, _number(one, number, name)), in_json, thought, free, name)

    def _object(
        self, value: dict[str, Any], place: tuple[Any, ...], in_json: bool, thought: bool, free: bool
    ) -> Iterator[Leaf]:
        thought = thought or (not free and is_thought(value))
        for member, one in value.items():
            inside = free or (not isinstance(one, str) and is_free(member, one, value))
            if not inside and member in self.passed:
                continue
            json_text = isinstance(one, str) and not free and member in ("arguments", "partial_json")
            is_thinking = thought or (not free and member in _THINKING)
            if isinstance(one, str):
                grows = (*place, member) if member in _GROWING else ()
                yield Leaf(grows, value, member, one, in_json or json_text, is_thinking, member)
            elif free and isinstance(one, int) and not isinstance(one, bool) and abs(one) >= LONG_NUMBER:
                yield Leaf((), value, member, str(one), False, is_thinking, member)
            else:
                yield from self.over(one, (*place, member), in_json, is_thinking, inside, member)


def _number(one: Any, number: int, name: str) -> Any:
    """Return which of several texts one is. Gemini's parts have no number: a later event goes on with the last."""
    if not isinstance(one, dict):
        return number
    if name == "parts":
        return "thought" if one.get("thought") is True else "said"
    named = _plain(one.get("index"))
    return number if named is None else named
