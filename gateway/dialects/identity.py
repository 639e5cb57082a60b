"""Which task and which person a call belongs to, by the headers and members that clients send already."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.dialects.protocol import invalid
from ledger.ids import is_id

OWN = "call"
"""The source of a task that nobody named: the call is its own."""
MAX_ID = 256
_TRACE = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_TASKS = (
    ("helicone-property-task", "helicone"),
    ("helicone-session-id", "helicone"),
    ("x-litellm-trace-id", "litellm"),
    ("x-litellm-session-id", "litellm"),
    ("x-claude-code-session-id", "agent"),  # Claude Code 2.1.332
    ("session-id", "agent"),  # Codex 0.171.0, with `thread-id` beside it
    ("thread-id", "agent"),
    ("x-session-id", "agent"),  # opencode 1.18.33
)
_SUBJECTS = ("x-whyledger-subject", "helicone-user-id", "x-litellm-end-user-id", "x-litellm-customer-id")


def task_of(headers: Mapping[str, str], request: Mapping[str, Any], call: str) -> tuple[str, str]:
    """Return the task the call belongs to, and which rule found it."""
    for value, source in _named_tasks(headers, request):
        if isinstance(value, str) and value.strip():
            return _short(value.strip(), "task"), source
    return call, OWN


def _named_tasks(headers: Mapping[str, str], request: Mapping[str, Any]) -> Iterator[tuple[Any, str]]:
    yield headers.get("x-whyledger-task"), "header"
    if isinstance(metadata := request.get("metadata"), dict):
        yield metadata.get("task_id"), "metadata"
    for name, source in _TASKS:
        yield headers.get(name), source
    if trace := _TRACE.fullmatch(headers.get("traceparent", "").strip().lower()):
        yield trace[1], "trace"


def subject_of(headers: Mapping[str, str]) -> str | None:
    """Return the person whom the call is about; None where nobody is named."""
    named = (headers.get(name, "").strip() for name in _SUBJECTS)
    found = next(filter(None, named), None)
    return None if found is None else _short(found, "subject")


def requester_of(headers: Mapping[str, str]) -> str:
    """Return the person who asks for the call; empty where nobody is named."""
    return _short(headers.get("x-whyledger-requester", "").strip(), "requester")


def approval_of(headers: Mapping[str, str]) -> str:
    """Return the approval that a caller names. What is none is refused: it must not count for a request without one."""
    said = headers.get("x-whyledger-approval", "").strip()
    if said and not is_id(said, "appr"):
        raise invalid("x-whyledger-approval is the id of an approval, as the error named it: appr_...")
    return said


def _short(value: str, what: str) -> str:
    if len(value) > MAX_ID:
        raise invalid(f"the {what} id is longer than {MAX_ID} characters")
    return value
