"""Which calls of tools the results at the end of a request answer, and by what two calls are the same. Pure."""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from gateway.call import Check
from gateway.state.changes import SHORT

_RESULTS = ("function_call_output", "custom_tool_call_output", "tool_result")


def same_call(name: str, arguments: str) -> str:
    """Return the digest of a call: the same for arguments that are the same JSON, however they are written."""
    with contextlib.suppress(orjson.JSONDecodeError, TypeError):  # it is no JSON, or has integers beyond 64 bits
        arguments = orjson.dumps(orjson.loads(arguments), option=orjson.OPT_SORT_KEYS).decode()
    return hashlib.sha256(f"{name}\n{arguments}".encode("utf-8", "surrogatepass")).hexdigest()


def answered_calls(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return name and arguments of the calls in the last turn of the model, where results come after it."""
    calls: list[tuple[str, str]] = []
    has_results = False
    for turn in reversed(list(_turns(fields))):
        found = list(_calls(turn))
        if found:
            calls = found + calls
        elif calls:
            break
        elif _is_result(turn):
            has_results = True
        elif turn.get("role") in ("assistant", "model"):
            break
    return calls if has_results else []


def _turns(fields: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name in ("messages", "input", "contents"):
        turns = fields.get(name)
        yield from (one for one in (turns if isinstance(turns, list) else ()) if isinstance(one, dict))


def _parts(turn: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = turn.get("content", turn.get("parts"))
    return [one for one in content if isinstance(one, dict)] if isinstance(content, list) else []


def _is_result(turn: Mapping[str, Any]) -> bool:
    if turn.get("role") in ("tool", "function") or turn.get("type") in _RESULTS:
        return True
    return any(one.get("type") in _RESULTS or "functionResponse" in one for one in _parts(turn))


def _calls(turn: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    listed = turn.get("tool_calls")
    functions = [one.get("function") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    functions += [turn.get("function_call"), turn if turn.get("type") == "function_call" else None]
    for one in functions:
        if isinstance(one, dict):
            yield str(one.get("name")), _text(one.get("arguments"))
    for part in _parts(turn):
        if part.get("type") == "tool_use":
            yield str(part.get("name")), _text(part.get("input"))
        elif isinstance(called := part.get("functionCall"), dict):
            yield str(called.get("name")), _text(called.get("args") or {})


def _text(arguments: Any) -> str:
    if isinstance(arguments, str):
        return arguments
    try:
        return orjson.dumps(arguments).decode()
    except TypeError:
        return str(arguments)


def released_check(answered: Sequence[str], row: Mapping[str, Any] | None) -> Check:
    """Say whether every call that a request has results of is one that an answer of its task gave out.

    Args:
        answered: keyed digests of the calls.
        row: of the task.
    """
    known = (row or {}).get("released", ())
    strange = sum(one[:SHORT] not in known for one in answered)
    if not strange:
        return Check("released-calls", "pass")
    reason = "results of calls that no answer in this task gave out"
    return Check(
        "released-calls", "flag", reason, {"rule": "released-calls", "results": len(answered), "strange": strange}
    )
