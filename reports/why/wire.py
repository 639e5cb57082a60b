"""What stands in kept requests and answers, in any of the wire formats that are served: who said what, in order.

Bodies tell their format by their members. Readers raise LookupError, TypeError, AttributeError or ValueError for
whatever is none.
"""

import json
from collections.abc import Iterator
from typing import Any

_SYSTEM = ("system", "instructions", "systemInstruction", "system_instruction")
_SAID = ("messages", "input", "contents", "prompt", "content", "requests")
_CALLS = ("tool_use", "_tool_call", "function_call")
_GIVEN = ("arguments", "input", "args")
_RESULTS = {"tool_result", "function_call_output"}


def messages_of(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Take the messages out of a request and return them, each with `content`; what stays is what else it asks for."""
    found = [{"role": "system", "content": request.pop(name)} for name in _SYSTEM if request.get(name) is not None]
    said = request.pop(next(name for name in _SAID if name in request) if request.keys() & set(_SAID) else "messages")
    listed = said if isinstance(said, list) and any(isinstance(one, dict) for one in said) else [said]
    return [_plain(one if isinstance(one, dict) else {"role": "user", "content": one}) for one in (*found, *listed)]


def _plain(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message with its parts as `content`, and with the kind of item as its role where it has none."""
    one = dict(message)
    whose = "no role"
    if isinstance(inner := one.get("content"), dict) and "parts" in inner:
        one |= one.pop("content")
    if "parts" in one:
        one["content"], whose = one.pop("parts"), "user"
    kind = one.pop("type", None)
    role = one.pop("role", None) or kind or whose
    return {"role": str(role)} | one


def text_of(part: Any) -> str | None:
    """Return the text of a part of a message that is nothing but text; None for any other."""
    if not isinstance(part, dict) or not isinstance(part.get("text"), str) or part.get("thought"):
        return None
    kind = part.get("type", "text")
    return part["text"] if kind in ("text", "input_text", "output_text") else None


def call_of(part: Any) -> dict[str, Any] | None:
    """Return the tool call that a part of a message, or an item, is: `name` and `arguments`."""
    if not isinstance(part, dict):
        return None
    inner = next((part[name] for name in ("function", "functionCall", "custom") if name in part), None)
    if inner is None and str(part.get("type") or part.get("role")).endswith(_CALLS):
        inner = part
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
        return None
    return {"name": inner["name"], "arguments": next((inner[one] for one in _GIVEN if one in inner), "")}


def is_of_a_person(message: dict[str, Any]) -> bool:
    """Tell whether a message is a person's: results of tools are sent in their name, too."""
    content = message.get("content")
    results = isinstance(content, list) and all(
        isinstance(one, dict) and (one.get("type") in _RESULTS or "functionResponse" in one) for one in content
    )
    return message["role"] == "user" and not (content and results)


def calls_in(message: dict[str, Any]) -> Iterator[str]:
    """Yield the names of the tools that a message calls."""
    content = message.get("content")
    parts = [message, *(content if isinstance(content, list) else ()), *(message.get("tool_calls") or ())]
    yield from (found["name"] for one in parts if (found := call_of(one)))


def answer_in(value: Any) -> str | None:
    """Return the text of a whole answer, answers of several choices apart; None where it is in no known format."""
    if isinstance(value, list):
        return _together([_pieces(one) for one in value])
    for member in ("choices", "candidates"):
        if member in value:
            return " | ".join(_choice(one) for one in value[member])
    if isinstance(value.get("output"), list):
        return _joined([part for item in value["output"] for part in item.get("content") or ()])
    return _joined(value["content"]) if isinstance(value.get("content"), list) else None


def streamed(answer: str) -> str | None:
    """Return the text of a streamed answer; None where no event of it is in a known format."""
    datas = (line.removeprefix("data:").strip() for line in answer.splitlines() if line.startswith("data:"))
    return _together([_pieces(json.loads(one)) for one in datas if one and one != "[DONE]"])


def _together(pieces: list[str | None]) -> str | None:
    known = [one for one in pieces if one is not None]
    return "".join(known) or "(no text)" if known else None


def _pieces(event: dict[str, Any]) -> str | None:
    """Return what an event of a stream adds to the text; None where its format is not known."""
    for member in ("choices", "candidates"):
        if member in event:
            return "".join(_added(one) for one in event[member] or ())
    kind = str(event.get("type", ""))
    if kind == "content_block_delta":
        return text_of(event["delta"] | {"type": "text"}) or ""
    if kind in ("response.output_text.delta", "response.refusal.delta"):
        return str(event["delta"])
    return "" if kind.startswith(("response.", "message", "content_block")) else None


def _added(choice: dict[str, Any]) -> str:
    if "delta" in choice:
        return choice["delta"].get("content") or ""
    return choice.get("text") or "".join(text_of(one) or "" for one in (choice.get("content") or {}).get("parts", ()))


def _choice(choice: dict[str, Any]) -> str:
    if "message" not in choice:
        return choice["text"] if "text" in choice else _joined((choice.get("content") or {}).get("parts", ()))
    content = choice["message"].get("content")
    return "(no text)" if content is None else content if isinstance(content, str) else _as_json(content)


def _joined(parts: Any) -> str:
    return "".join(one["refusal"] if "refusal" in one else text_of(one) or "" for one in parts) or "(no text)"


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
