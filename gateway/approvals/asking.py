"""The entry by which a held call asks for a person. Pure."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from gateway.approvals.standing import Holding, later
from gateway.call import Call, Outcome
from ledger.entry import Draft, Sealed, format_time
from ledger.ids import new_id

MOST = 16
"""Reasons that an entry lists."""


class Contents(Protocol):
    def pseudonym(self, kind: str, identifier: str) -> str: ...
    def seal(
        self, values: Mapping[str, object], *, entry_id: str, key_ref: str | None
    ) -> tuple[dict[str, str], Sealed]: ...


def asking(
    closed: Draft, holding: Holding, call: Call, outcome: Outcome, contents: Contents, now: datetime,
    *, deliver: bool,
) -> Callable[[datetime], Draft]:  # fmt: skip
    """Return what makes `approval.requested` at the instant at which the held call is closed.

    Args:
        closed: the entry that closes it.
        deliver: a webhook tells of it.
    """
    policy = holding.policy
    escalation = {"escalate_to": list(policy.escalate_to)} if policy.on_timeout == "escalate" else {}
    facts: dict[str, Any] = {
        "approval_ref": holding.new, "asks": [one._asdict() for one in outcome.asked[:MOST]],
        "request": holding.digest, "shown": shown_digest(outcome.tool_calls, contents.pseudonym),
        "roles": list(policy.roles), "people": policy.people, "minutes": policy.minutes,
        "on_timeout": policy.on_timeout, **escalation,
        "requesters": list(holding.requesters), "deliver": deliver,
        "environment": closed.facts["environment"], "key": closed.facts["key"],
    }  # fmt: skip
    entry_id = new_id("ent", now)
    c: dict[str, str] = {}
    sealed: Sealed | None = None
    if call.requester:
        c, sealed = contents.seal({"requester": call.requester}, entry_id=entry_id, key_ref=None)

    def draft(at: datetime) -> Draft:
        return Draft(
            id=entry_id, kind="approval.requested", call=closed.call, task=closed.task, workflow=closed.workflow,
            sub=closed.sub, c=c, contents=sealed,
            facts=facts | {"asked_at": format_time(at), "until": later(format_time(at), policy.minutes)},
        )  # fmt: skip

    return draft


def shown_digest(calls: Any, pseudonym: Callable[[str, str], str]) -> str:
    """Return the keyed digest of the calls that a person is shown: a decision is bound to it."""
    said = repr([(one.name, one.arguments) for one in calls])
    return pseudonym("shown", hashlib.sha256(said.encode()).hexdigest())
