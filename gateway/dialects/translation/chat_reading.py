"""What both translations read of a request in the chat-completions format."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from gateway.dialects.strict import loaded

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)(?:;[\w=.+-]+)*;base64,(.*)", re.DOTALL)
SYSTEM = ("system", "developer")
KNOWN = frozenset(
    {"model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "tools", "functions"}
    | {"tool_choice", "function_call", "n", "prompt"}
)
"""Members that every translation carries over."""


class Function(NamedTuple):
    """A tool that a request defines."""

    name: str
    description: str | None
    parameters: Mapping[str, Any]
    strict: bool | None


class Data(NamedTuple):
    """The bytes of an image or a file."""

    media_type: str
    base64: str


def functions_of(fields: Mapping[str, Any]) -> Iterator[Function]:
    """Yield the functions that a request defines, in the form of today or the one before."""
    tools = fields.get("tools")
    every = [tool.get("function") for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    older = fields.get("functions")
    for one in [*every, *(older if isinstance(older, list) else ())]:
        if isinstance(one, dict) and isinstance(one.get("name"), str):
            parameters = one.get("parameters")
            schema = parameters if isinstance(parameters, dict) else {"type": "object", "properties": {}}
            yield Function(one["name"], one.get("description"), schema, one.get("strict"))


def objection_to(fields: Mapping[str, Any], parts: frozenset[str]) -> str:
    """Return why a request cannot be translated; empty where it can.

    Args:
        parts: types of content that the provider's format has a place for.
    """
    tools = fields.get("tools")
    for tool in tools if isinstance(tools, list) else ():
        if not isinstance(tool, dict) or tool.get("type") != "function":
            return f"tools of type {tool.get('type') if isinstance(tool, dict) else None} have no counterpart there"
    if fields.get("web_search_options") is not None:
        return "`web_search_options` has no counterpart there"
    for message in fields["messages"]:
        if message.get("role") not in (*SYSTEM, "user", "assistant", "tool", "function"):
            return f"messages of role {message.get('role')} have no counterpart there"
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            kind = part.get("type") if isinstance(part, dict) else None
            if not isinstance(kind, str) or kind not in parts:
                return f"content of type {kind} has no counterpart there"
            if kind == "file" and file_of(part) is None:
                return "a file that is not inline data has no counterpart there"
    return ""


def file_of(part: Mapping[str, Any]) -> Data | None:
    """Return the bytes of a file that stand in the part."""
    file = part.get("file")
    return data_of(file.get("file_data")) if isinstance(file, dict) else None


def texts_of(content: Any) -> list[str]:
    """Return the texts of the content of a message."""
    if isinstance(content, str):
        return [content] if content else []
    parts = content if isinstance(content, list) else ()
    found = (part.get("text") or part.get("refusal") for part in parts if isinstance(part, dict))
    return [one for one in found if isinstance(one, str) and one]


class Divided(NamedTuple):
    """A request taken apart."""

    system: list[str]
    """The texts of the system."""
    rest: list[dict[str, Any]]
    """The other messages."""
    dropped: list[str]
    """What the translation has no place for; whoever writes the settings may add to it."""


def divided(fields: Mapping[str, Any], carried: frozenset[str]) -> Divided:
    """Take a request apart.

    Args:
        carried: members that the translation carries over.
    """
    messages = fields["messages"]
    system = [text for one in messages if one.get("role") in SYSTEM for text in texts_of(one.get("content"))]
    rest = [one for one in messages if one.get("role") not in SYSTEM]
    dropped = [name for name, value in fields.items() if name not in carried and value is not None]
    first = next((place for place, one in enumerate(messages) if one.get("role") not in SYSTEM), len(messages))
    if any(one.get("role") in SYSTEM for one in messages[first:]):
        dropped.append("messages.system (moved to the beginning)")
    if any(one.get("name") and one.get("role") in ("user", "assistant") for one in rest):
        dropped.append("messages.name")
    if any(_has_detail(one.get("content")) for one in rest):
        dropped.append("image_url.detail")
    return Divided(system, rest, dropped)


def _has_detail(content: Any) -> bool:
    """Tell whether a resolution is asked for of an image, which other formats choose themselves."""
    images = [one.get("image_url") for one in content if isinstance(one, dict)] if isinstance(content, list) else []
    return any(isinstance(one, dict) and one.get("detail") not in (None, "auto") for one in images)


def calls_of(message: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """Yield (id, name, arguments, the whole call) of the tool calls of a message of the assistant."""
    calls = message.get("tool_calls")
    for number, call in enumerate(calls if isinstance(calls, list) else ()):
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            yield str(call.get("id") or f"call_{number}"), str(function.get("name")), arguments_of(function), call
    if isinstance(one := message.get("function_call"), dict):
        yield str(one.get("name")), str(one.get("name")), arguments_of(one), one


def arguments_of(function: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as an object; a text that is none stands in a member of one, so that nothing is lost."""
    said = function.get("arguments")
    try:
        value = loaded(said) if isinstance(said, str) and said.strip() else {}
    except orjson.JSONDecodeError:
        value = said
    return value if isinstance(value, dict) else {"arguments": value}


def data_of(url: Any) -> Data | None:
    """Return what a data URL holds; None for another URL."""
    found = _DATA_URL.fullmatch(url) if isinstance(url, str) else None
    return Data(found[1], found[2]) if found else None


def url_of(part: Mapping[str, Any]) -> str:
    """Return the URL of an image, in either form in which clients write it."""
    image = part.get("image_url")
    return str(image.get("url") if isinstance(image, dict) else image)


def forced_of(choice: Any) -> str:
    """Return the function that `tool_choice` or `function_call` names; empty for none."""
    function = choice.get("function", choice) if isinstance(choice, dict) else None
    return str(function["name"]) if isinstance(function, dict) and isinstance(function.get("name"), str) else ""


def stops_of(fields: Mapping[str, Any]) -> list[str]:
    stop = fields.get("stop")
    every = [stop] if isinstance(stop, str) else stop if isinstance(stop, list) else []
    return [one for one in every if isinstance(one, str)]


def schema_of(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the JSON schema that the answer has to follow; None where there is none."""
    form = fields.get("response_format")
    inner = form.get("json_schema") if isinstance(form, dict) and form.get("type") == "json_schema" else None
    schema = inner.get("schema") if isinstance(inner, dict) else None
    return schema if isinstance(schema, dict) else None
