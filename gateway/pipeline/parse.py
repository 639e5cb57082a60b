"""Stage 1 of 10: from bytes and headers to a `Call`: what is asked for, and which task and person it belongs to."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.configuration.evaluation import COMPONENTS
from gateway.dialects.openai_request import invalid, read_chat
from gateway.pipeline.call import OWN, Arrival, Call

_TRACE = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_FOREIGN = (
    ("helicone-property-task", "helicone"),
    ("helicone-session-id", "helicone"),
    ("x-litellm-trace-id", "litellm"),
)
MAX_ID = 256


def parse_chat(arrival: Arrival) -> Call:
    """Parse a request of POST /v1/chat/completions.

    Raises:
        Refused: `invalid_request`, naming the field.
    """
    chat = read_chat(arrival.body)
    task_id, task_source = task_of(arrival.headers, chat.fields, arrival.call)
    return Call(
        id=arrival.call,
        dialect="openai.chat",
        request=chat.fields,
        body=arrival.body,
        requested=chat.model,
        stream=chat.stream,
        task_id=task_id,
        task_source=task_source,
        subject_id=_subject(arrival.headers),
        content=_content(arrival.headers),
        tools=chat.tools,
        forced=chat.forced,
        required=chat.required,
        output_limit=chat.output_limit,
        choices=chat.choices,
        input_bound=chat.input_bound,
        instructions=chat.instructions,
        component=_component(arrival.headers),
        may_repeat=arrival.headers.get("x-whyledger-repeat", "").strip().lower() == "allow",
    )


def _content(headers: Mapping[str, str]) -> str:
    """Return what may be kept. A wish that is not understood is refused: for privacy it must not count for nothing."""
    said = headers.get("x-whyledger-content", "").strip().lower() or "full"
    if said not in ("full", "none"):
        raise invalid("x-whyledger-content is `none` (nothing is kept of this call) or `full`")
    return said


def _component(headers: Mapping[str, str]) -> str:
    """Return which part of a system the call serves, where the caller says so."""
    said = headers.get("x-whyledger-component", "").strip()
    if said and said not in COMPONENTS:
        raise invalid(f"x-whyledger-component is one of {', '.join(COMPONENTS)}")
    return said


def task_of(headers: Mapping[str, str], request: Mapping[str, Any], call: str) -> tuple[str, str]:
    """Return the task the call belongs to, and which rule found it."""
    for value, source in _named_tasks(headers, request):
        if isinstance(value, str) and value.strip():
            if len(value) > MAX_ID:
                raise invalid(f"the task id is longer than {MAX_ID} characters")
            return value.strip(), source
    return call, OWN


def _named_tasks(headers: Mapping[str, str], request: Mapping[str, Any]) -> Iterator[tuple[Any, str]]:
    yield headers.get("x-whyledger-task"), "header"
    if isinstance(metadata := request.get("metadata"), dict):
        yield metadata.get("task_id"), "metadata"
    for name, source in _FOREIGN:
        if name in headers:
            yield headers[name], source
    if trace := _TRACE.fullmatch(headers.get("traceparent", "").strip().lower()):
        yield trace[1], "trace"


def _subject(headers: Mapping[str, str]) -> str | None:
    for name in ("x-whyledger-subject", "helicone-user-id", "x-litellm-end-user-id", "x-litellm-customer-id"):
        if name in headers and (value := headers[name].strip()):
            if len(value) > MAX_ID:
                raise invalid(f"the subject id is longer than {MAX_ID} characters")
            return value
    return None
