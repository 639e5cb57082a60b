"""Kept request and answer bytes in words: what was asked and what was said, in the wire format of OpenAI chat.

Whatever does not parse is shown as it is; nothing is dropped silently.
"""

import json
from typing import Any


def asked(body: str) -> str:
    """Return the messages of a request, one `role: content` after another, and its other fields."""
    try:
        request = json.loads(body)
        messages = request.pop("messages")
        lines = [f"{one.get('role')}: {_content(one.get('content'))}" for one in messages]
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return body
    return " | ".join(lines) + f" ({json.dumps(request, ensure_ascii=False)})"


def turns(body: str) -> list[tuple[str, str]]:
    """Return the messages of a request as (role, text), and last what else it asked for."""
    try:
        request = json.loads(body)
        found = [(str(one.pop("role", "no role")), _all_of(one)) for one in request.pop("messages")]
        return [*found, ("settings", plainly(request))] if request else found
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return [("request as received", body)]


def _all_of(message: dict[str, Any]) -> str:
    content = message.pop("content", None)
    if isinstance(content, list) and all(isinstance(one, dict) and one.keys() == {"type", "text"} for one in content):
        content = "\n".join(str(one["text"]) for one in content)
    parts = [] if content is None and message else [content if isinstance(content, str) else plainly(content)]
    calls = message.pop("tool_calls", None) or ()
    parts += [called(one["function"]) if "function" in one else plainly(one) for one in calls]
    return "\n".join([*parts, *([plainly(message)] if message else [])])


def plainly(value: Any) -> str:
    """Write a JSON value without its brackets and quotation marks: `temperature = 0.2, stop = (a, b)`."""
    if value is None:
        return "(no text)"
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return ", ".join(f"{name} = {_inside(one)}" for name, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(_inside, value))
    return json.dumps(value)


def _inside(value: Any) -> str:
    if value is None:
        return "none"
    if value == {} or value == []:
        return "empty"
    return f"({plainly(value)})" if isinstance(value, dict | list) else plainly(value)


def called(value: Any) -> str:
    """Write a tool call as its name and arguments: `issue_refund(amount_eur = 480.0)`."""
    if not isinstance(value, dict):
        return plainly(value)
    name, given = str(value.get("name") or ""), value.get("arguments", "")
    try:
        given = json.loads(given) if isinstance(given, str) else given
        return f"{name}({plainly(given) if given else ''})"
    except (ValueError, RecursionError):
        return f"{name}({given})"


def said(answer: str) -> str:
    """Return the text of an answer, whole or streamed."""
    try:
        if answer.lstrip().startswith(("data:", ":", "event:")):
            return _streamed(answer)
        choices = json.loads(answer)["choices"]
        return " | ".join(_content(one["message"].get("content")) for one in choices)
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return answer


def tools_before(body: str) -> tuple[str, ...]:
    """Return the names of the tools that were called since the last message of a user, as the request tells it."""
    names: list[str] = []
    try:
        for one in json.loads(body)["messages"]:
            if one.get("role") == "user":
                names.clear()
            names += [str(call["function"]["name"]) for call in one.get("tool_calls") or () if "function" in call]
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return ()
    return tuple(names)


def _streamed(answer: str) -> str:
    pieces: list[str] = []
    for line in answer.splitlines():
        text = line.removeprefix("data:").strip()
        if line.startswith("data:") and text and text != "[DONE]":
            for choice in json.loads(text).get("choices") or ():
                pieces.append(choice.get("delta", {}).get("content") or "")
    return "".join(pieces)


def _content(value: Any) -> str:
    if value is None:
        return "(no text)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
