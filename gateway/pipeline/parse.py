"""Stage 1 of 10: from bytes and headers to a `Call`: what is asked for, and which task and person it belongs to."""

from collections.abc import Mapping

from gateway.call import Arrival, Call
from gateway.configuration.evaluation import COMPONENTS
from gateway.configuration.model import KEPT
from gateway.dialects.identity import approval_of, requester_of, subject_of, task_of
from gateway.dialects.protocol import Sent, invalid


def parse(arrival: Arrival) -> Call:
    """Parse a request.

    Raises:
        Refused: `invalid_request`, naming the field.
    """
    headers = arrival.headers
    asked = arrival.dialect.read(Sent(headers, arrival.path, arrival.body))
    task_id, task_source = task_of(headers, asked.fields, arrival.call)
    return Call(
        id=arrival.call,
        dialect=arrival.dialect,
        asked=asked,
        body=arrival.body,
        task_id=task_id,
        task_source=task_source,
        subject_id=subject_of(headers),
        content=_content(headers),
        component=_component(headers),
        approval=approval_of(headers),
        requester=requester_of(headers),
        may_repeat=headers.get("x-whyledger-repeat", "").strip().lower() == "allow",
    )


def _content(headers: Mapping[str, str]) -> str:
    """Return what may be kept. A wish that is not understood is refused: for privacy it must not count for nothing."""
    said = headers.get("x-whyledger-content", "").strip().lower() or "full"
    if said not in KEPT:
        raise invalid("x-whyledger-content is `none` (nothing is kept of this call), `redacted` or `full`")
    return said


def _component(headers: Mapping[str, str]) -> str:
    """Return which part of a system the call serves, where the caller says so."""
    said = headers.get("x-whyledger-component", "").strip()
    if said and said not in COMPONENTS:
        raise invalid(f"x-whyledger-component is one of {', '.join(COMPONENTS)}")
    return said
