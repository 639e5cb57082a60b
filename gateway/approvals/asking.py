"""The entry by which something that is held asks for a person. Pure."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from gateway.approvals.standing import Holding, later
from gateway.call import Asking
from ledger.entry import NOTHING, Draft, Sealed, format_time
from ledger.ids import new_id

MOST = 16
"""Reasons that an entry lists."""


class Contents(Protocol):
    def pseudonym(self, kind: str, identifier: str) -> str: ...
    def seal(
        self, values: Mapping[str, object], *, entry_id: str, key_ref: str | None, keeping: None
    ) -> tuple[dict[str, str], Sealed]: ...


def asking(
    about: Draft, holding: Holding, asks: Sequence[Asking], shown: str, contents: Contents, now: datetime,
    *, deliver: bool,
) -> Callable[[datetime], Draft]:  # fmt: skip
    """Return what makes `approval.requested` at the instant of the entry that it is about.

    Args:
        about: `call.closed` of an answer that waits, or `call.refused` of a request that does.
        shown: the keyed digest of what a person is shown.
        deliver: a webhook tells of it.
    """
    policy = holding.policy
    escalation = {"escalate_to": list(policy.escalate_to)} if policy.on_timeout == "escalate" else {}
    facts: dict[str, Any] = {
        "approval_ref": holding.new, "of": "answer" if about.kind == "call.closed" else "request",
        "asks": [one._asdict() for one in asks[:MOST]], "request": holding.digest, "stream": holding.stream,
        "shown": shown, "roles": list(policy.roles), "people": policy.people, "minutes": policy.minutes,
        "on_timeout": policy.on_timeout, **escalation, "requesters": list(holding.requesters), "deliver": deliver,
        "environment": about.facts["environment"], "key": about.facts["key"],
    }  # fmt: skip
    entry_id = new_id("ent", now)
    c: Mapping[str, str] = NOTHING
    sealed: Sealed | None = None
    if holding.requester:
        c, sealed = contents.seal({"requester": holding.requester}, entry_id=entry_id, key_ref=None, keeping=None)

    def draft(at: datetime) -> Draft:
        return Draft(
            id=entry_id, kind="approval.requested", call=about.call, task=about.task, workflow=about.workflow,
            sub=about.sub, c=c, contents=sealed,
            facts=facts | {"asked_at": format_time(at), "until": later(format_time(at), policy.minutes)},
        )  # fmt: skip

    return draft


def shown_calls(calls: Any, pseudonym: Callable[[str, str], str]) -> str:
    """Return the keyed digest of the calls of tools that a person is shown: a decision is bound to it."""
    return _shown(repr([(one.name, one.arguments) for one in calls]), pseudonym)


def shown_request(body: str, pseudonym: Callable[[str, str], str]) -> str:
    """Return the keyed digest of the request that a person is shown."""
    return _shown(body, pseudonym)


def _shown(text: str, pseudonym: Callable[[str, str], str]) -> str:
    return pseudonym("shown", hashlib.sha256(text.encode()).hexdigest())
