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
})  # fmt: skip
"""Members of a request that describe how it is to be answered."""
PLAIN = frozenset({"text", "content", "parts", "output", "response", "data", "delta", "input", "prompt", "contents"})
"""Names that say nothing of what stands under them."""
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


def is_thought(value: Mapping[str, Any]) -> bool:
    """Tell whether a block or an item is what the model thinks aloud, which providers hold against a signature."""
    return str(value.get("type")) in _THOUGHTS or value.get("thought") is True


def with_texts(value: Any, change: Change, *, passed: frozenset[str], thoughts: bool = False, name: str = "") -> Any:
    """Return a value with its texts changed; the very same one where nothing was.

    Args:
        passed: members that are left as they are.
        thoughts: change what the model thinks aloud too.
    """
    if isinstance(value, str):
        return _text(value, change, passed, thoughts, name)
    if isinstance(value, dict):
        if not thoughts and is_thought(value):
            return value
        changed = {
            member: with_texts(one, change, passed=passed, thoughts=thoughts, name=member)
            for member, one in value.items() if member not in passed and (thoughts or member not in _THINKING)
        }  # fmt: skip
        same = all(one is value[member] for member, one in changed.items())
        return value if same else {member: changed.get(member, one) for member, one in value.items()}
    if isinstance(value, list):
        listed = [with_texts(one, change, passed=passed, thoughts=thoughts, name=name) for one in value]
        return value if all(one is before for one, before in zip(listed, value, strict=True)) else listed
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= LONG_NUMBER:
        said = change(_label(name), str(value))
        return value if said == str(value) else said
    return value


def _text(text: str, change: Change, passed: frozenset[str], thoughts: bool, name: str) -> str:
    if name == "arguments" and (inner := _json(text)) is not None:
        changed = with_texts(inner, change, passed=passed, thoughts=thoughts)
        return text if changed is inner else written(changed).decode()
    said = change(_label(name), text)
    return text if said == text else said


def _label(name: str) -> str:
    return "" if name in PLAIN else name


def _json(text: str) -> Any:
    if not text.startswith(("{", "[")):
        return None
    try:
        return loaded(text)
    except orjson.JSONDecodeError:
        return None


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


def leaves_of(value: Any) -> Iterator[Leaf]:
    """Yield the texts of an answer, or of an event, in their order."""
    kind = str(value.get("type", "")) if isinstance(value, dict) else ""
    place = (kind, *place_of(value)) if isinstance(value, dict) else ()
    in_json = "arguments" in kind or "input_json" in kind
    yield from _leaves(value, place, in_json, "reasoning" in kind, "")


def place_of(event: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return which part of an answer an event is about, as far as it says."""
    return tuple([_plain(event.get(one)) for one in _PLACES])


_PLACES = ("item_id", "output_index", "content_index", "summary_index", "index")


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | str) else None


def _leaves(value: Any, place: tuple[Any, ...], in_json: bool, thought: bool, name: str) -> Iterator[Leaf]:
    if isinstance(value, dict):
        thought = thought or is_thought(value)
        for member, one in value.items():
            if member in NAMING:
                continue
            inside = in_json or member in ("arguments", "partial_json")
            is_thinking = thought or member in _THINKING
            if isinstance(one, str):
                grows = (*place, member) if member in _GROWING else ()
                yield Leaf(grows, value, member, one, inside, is_thinking, member)
            else:
                yield from _leaves(one, (*place, member), inside, is_thinking, member)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            if isinstance(one, str):
                yield Leaf((), value, number, one, in_json, thought, name)
            else:
                named = _plain(one.get("index")) if isinstance(one, dict) else None
                at = number if named is None else named
                yield from _leaves(one, (*place, at), in_json, thought, name)
