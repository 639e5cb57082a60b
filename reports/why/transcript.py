"""Kept request and answer bytes in words: what was asked and what was said, in whichever wire format.

Whatever does not parse is shown as it is; nothing is dropped silently.
"""

import json
from typing import Any

from reports.why.wire import answer_in, call_of, calls_in, is_of_a_person, messages_of, streamed, text_of

_UNREADABLE = (ValueError, LookupError, AttributeError, TypeError, RecursionError)


def asked(body: str) -> str:
    """Return the messages of a request, one `role: content` after another, and its other fields."""
    try:
        request = json.loads(body)
        lines = [f"{one.pop('role')}: {_content(one)}" for one in messages_of(request)]
    except _UNREADABLE:
        return body
    return " | ".join(lines) + f" ({json.dumps(request, ensure_ascii=False)})"


def turns(body: str) -> list[tuple[str, str]]:
    """Return the messages of a request as (role, text), and last what else it asked for."""
    try:
        request = json.loads(body)
        found = [(one["role"], _all_of(one)) for one in messages_of(request)]
        return [*found, ("settings", plainly(request))] if request else found
    except _UNREADABLE:
        return [("request as received", body)]


def _all_of(message: dict[str, Any]) -> str:
    if call := call_of(message):
        return called(call)
    del message["role"]
    content = message.pop("content", None)
    parts = [] if content is None and message else _parts(content)
    parts += [_part(one) for one in message.pop("tool_calls", None) or ()]
    return "\n".join([*parts, *([plainly(message)] if message else [])])


def _parts(content: Any) -> list[str]:
    return [_part(one) for one in content] if isinstance(content, list) else [plainly(content)]


def _part(part: Any) -> str:
    text, call = text_of(part), call_of(part)
    return text if text is not None else called(call) if call else plainly(part)


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
    """Return the text of an answer, whole or streamed; the answer itself where it is in no known format."""
    try:
        is_stream = answer.lstrip().startswith(("data:", ":", "event:"))
        text = streamed(answer) if is_stream else answer_in(json.loads(answer))
    except _UNREADABLE:
        return answer
    return answer if text is None else text


def tools_before(body: str) -> tuple[str, ...]:
    """Return the names of the tools that were called since the last message of a user, as the request tells it."""
    names: list[str] = []
    try:
        for one in messages_of(json.loads(body)):
            if is_of_a_person(one):
                names.clear()
            names += calls_in(one)
    except _UNREADABLE:
        return ()
    return tuple(names)


def _content(message: dict[str, Any]) -> str:
    value = message["content"] if "content" in message or "tool_calls" in message else message or None
    if value is None:
        return "(no text)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
