"""How a held call stands at an instant, and whether a request may have what was approved of it. Pure.

State rows (they move with entries, `gateway.state.approvals`):
    approval:<id>       what was asked of whom until when, and what came of it
    held:<digest>       the approval that the same request waits for: it is not bought again meanwhile
    undecided:<id>      there while nobody has decided
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from gateway.call import Check
from gateway.configuration.approvals import Approvals
from gateway.errors import ConfigurationMoved, Refused
from gateway.state.rows import approval_row, held_row, person_row
from ledger.entry import NOTHING, format_time, parse_time
from ledger.unit import State

NEEDED = "approval_required"


class Holding(NamedTuple):
    """What a call has to do with approvals, as far as it is known before the transaction."""

    digest: str
    """The keyed digest of the request."""
    new: str
    """The id of the approval that it asks for, if its answer must wait."""
    policy: Approvals
    stream: bool
    """The answer is asked for as a stream."""
    asked: str = ""
    """The approval that the caller names."""
    row: Mapping[str, Any] = NOTHING
    """Its row as it was when it was read."""
    answer: str | None = None
    """The answer that waits."""
    requester: str = ""
    """The person who asks for the call, as the caller says."""
    requesters: tuple[str, ...] = ()
    """Enrolled people who ask for the call, or whom it is about: they may not decide."""

    @property
    def rows(self) -> list[str]:
        """Name the state rows that decide about it."""
        named = [approval_row(self.asked)] if self.asked else []
        return [held_row(self.digest), *named, *map(person_row, approvers(self.row))]


class Answers(Protocol):
    """What is held and who decides about it, from the outside."""

    async def row(self, approval: str) -> Mapping[str, Any] | None:
        """Return the row of an approval (`gateway.approvals.standing`); None for an unknown one."""

    async def answer(self, call: str) -> str | None:
        """Return the answer of a held call; None where it is not kept or cannot be opened."""

    async def people(self, names: Sequence[str]) -> list[str]:
        """Return the pseudonyms of those names that are of enrolled people."""


def approvers(row: Mapping[str, Any]) -> list[str]:
    """Return the pseudonyms of those who have approved."""
    return [str(one) for one in row.get("approved", ())]


def standing(row: Mapping[str, Any], at: str) -> str:
    """Return how an approval stands: requested, approved, rejected, expired, lapsed (let through undecided) or used.

    An approval that nobody fetches in time is over as well.
    """
    state, over = str(row["state"]), row["until"] <= at
    if not over or state not in ("requested", "approved", "lapsed"):
        return state
    if state != "requested":
        return "expired"
    if row["on_timeout"] == "escalate" and not row["escalated"]:
        return state
    if row["on_timeout"] == "allow_with_flag" and at < later(row["until"], row["minutes"]):
        return "lapsed"
    return "expired"


def deciders(row: Mapping[str, Any], at: str) -> list[str]:
    """Return the roles of which one is needed to decide at an instant."""
    waits = row["until"] <= at and row["on_timeout"] == "escalate"
    return list(row["escalate_to"] if waits or row["escalated"] else row["roles"])


def later(at: str, minutes: int) -> str:
    """Return the instant so many minutes after another one."""
    return format_time(parse_time(at) + timedelta(minutes=minutes))


def require_approval(state: State, at: datetime, holding: Holding) -> tuple[Check, ...]:
    """Refuse a request that waits for a person, or that names an approval which is not, or no more, for it.

    Returns the check that states by whom it was approved; none where the call has nothing to do with approvals.

    Raises:
        Refused: approval_required; approval_ with mismatch, rejected, expired, used or void.
        ConfigurationMoved: somebody decided since it was read: look again.
    """
    now = format_time(at)
    if not holding.asked:
        if waiting := waits_for(state, at, holding):
            raise pending(waiting)
        return ()
    row = state.get(approval_row(holding.asked))
    if row is None or row["digest"] != holding.digest:
        raise _refused("mismatch", "is not for this request: the request must be the very same", holding, row)
    stands = standing(row, now)
    if row["of"] == "answer" and row["stream"] != holding.stream:
        how = "as a stream" if row["stream"] else "not as a stream"
        raise _refused("mismatch", f"is for an answer {how}: fetch it as you asked for it", holding, row)
    if stands == "requested":
        raise pending(holding.asked)
    if stands not in ("approved", "lapsed"):
        raise _refused(stands, _SAID[stands], holding, row)
    if row["approved"] != holding.row.get("approved"):
        raise ConfigurationMoved
    if holding.answer is None and row["of"] == "answer":
        raise _refused("void", "is void: what was approved is not kept any more", holding, row)
    _require_roles(state, holding, row)
    inputs = {"approval": holding.asked, "people": len(row["approved"]), "needed": row["people"]}
    if stands == "lapsed":
        reason = "nobody decided in time, and the workflow lets it through then"
        return (Check("approval", "flag", reason, inputs),)
    return (Check("approval", "pass", inputs=inputs),)


def waits_for(state: State, at: datetime, holding: Holding) -> str:
    """Return the approval that the same request waits for already, or could have; empty where there is none."""
    waiting = str((state.get(held_row(holding.digest)) or {}).get("approval", ""))
    row = state.get(approval_row(waiting)) if waiting else None
    over = row is not None and standing(row, format_time(at)) not in ("requested", "approved", "lapsed")
    return "" if over else waiting


_SAID = {
    "rejected": "was rejected by a person", "used": "was used before: each is good for one answer",
    "expired": "is over: nobody decided or fetched it in time",
}  # fmt: skip


def pending(approval: str) -> Refused:
    """Return the refusal of a request that waits for a person."""
    return Refused(NEEDED, asked_for(approval), stage=7, inputs={"approval": approval})


def asked_for(approval: str, about: str = "") -> str:
    """Say to a caller what waits, and what to do."""
    return (
        f"a person must approve this first{about}. GET /api/v1/approvals/{approval} says how it stands; once it is "
        f"approved, send the very same request with the header `x-whyledger-approval: {approval}`"
    )


def _refused(why: str, words: str, holding: Holding, row: Mapping[str, Any] | None) -> Refused:
    inputs = {"approval": holding.asked} if row else {}  # what is none of ours stands in no entry
    return Refused(f"approval_{why}", f"the approval {holding.asked[:60]} {words}", stage=7, inputs=inputs)


def _require_roles(state: State, holding: Holding, row: Mapping[str, Any]) -> None:
    """Whoever approved must still hold a role that may."""
    for person in row["approved"]:
        held = (state.get(person_row(person)) or {"roles": []})["roles"]
        if not set(held) & {*row["roles"], *(row["escalate_to"] if row["escalated"] else ())}:
            words = "is void: somebody who approved it has lost the role for that; ask again without the header"
            raise _refused("void", words, holding, row)
