"""What waits for a person, as people see it: the list, one held call with its exact arguments, how people decide."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

from gateway.approvals.asking import shown_calls, shown_request
from gateway.approvals.standing import deciders, standing
from gateway.oversight.acts import time_zone
from gateway.oversight.looking import within
from gateway.state.rows import approval_row
from gateway.store.evidence import LiveEvidence
from gateway.store.installation import Installation
from ledger.entry import Entry, format_time
from ledger.ids import is_id
from reports.times import clock
from reports.why.transcript import said, turns
from reports.why.words import asks_said, name_of, quoted, verb_of

STATES = {
    "requested": "waits for a person", "approved": "approved, not fetched yet", "rejected": "rejected",
    "used": "approved, and given out", "expired": "over: nobody decided or fetched it in time",
    "lapsed": "let through: nobody decided in time",
}  # fmt: skip


class Call(NamedTuple):
    """A call of a tool that was asked for, as exactly as it was."""

    name: str
    arguments: str
    because: str
    """Why it waits for a person; empty for one that is only beside others that do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One held call as a person is shown it. `shown` is the digest that a decision is bound to."""

    approval: str
    state: str
    row: Mapping[str, Any]
    asked_at: str
    until: str
    roles: tuple[str, ...]
    requester: str
    reasons: tuple[str, ...]
    """Why it waits."""
    calls: tuple[Call, ...] | None
    """Those of the answer that waits, none of a request. None where it cannot be opened: then nobody can decide."""
    asked: tuple[tuple[str, str], ...]
    said: str
    decisions: tuple[tuple[str, str, str], ...]
    """Who decided what and why."""
    shown: str


Rows = Mapping[str, Mapping[str, Any]]


def rows_within(installation: Installation, scope: Collection[str] | None) -> Rows:
    """Return the rows of approvals of workflows within a scope, by their ids."""
    every = installation.reader.states("approval:").items()
    return {name.removeprefix("approval:"): row for name, row in every if within(row["workflow"], scope)}


def listed(installation: Installation, rows: Rows, state: str = "", *, limit: int = 200) -> list[dict[str, Any]]:
    """Return what was asked of people, the latest first: id, how it stands, workflow, call, since when and until when.

    Args:
        state: only what stands so.
    """
    now, evidence = format_time(installation.clock()), LiveEvidence(installation)
    stands = {approval: standing(rows[approval], now) for approval in sorted(rows, reverse=True)}
    wanted = [approval for approval, how in stands.items() if state in ("", how)][:limit]
    return [_listed(one, rows[one], stands[one], now, evidence) for one in wanted]


def _listed(approval: str, row: Mapping[str, Any], stands: str, now: str, evidence: LiveEvidence) -> dict[str, Any]:
    return {
        "approval": approval, "state": stands, "said": STATES[stands], "workflow": row["workflow"],
        "environment": row["environment"], "call": row["call"], "asked_at": row["asked_at"], "until": row["until"],
        "roles": deciders(row, now), "people": row["people"],
        "approved_by": [name_of(one, evidence) for one in row["approved"]], "used_by": row.get("used_by"),
    }  # fmt: skip


def caller_view(installation: Installation, approval: str, key: str) -> dict[str, Any] | None:
    """Return what the program that asked may know, by its gateway key; None for what is another key's."""
    row = installation.reader.state(approval_row(approval)) if is_id(approval, "appr") else None
    if row is None or row["key"] != key:
        return None
    stands = standing(row, format_time(installation.clock()))
    return {"object": "approval", "id": approval, "state": stands, "until": row["until"], "call": row["call"]}


def question(installation: Installation, approval: str, scope: Collection[str] | None) -> Question | None:
    """Return what a person is shown of a held call; None where there is none within their scope."""
    row = installation.reader.state(approval_row(approval)) if is_id(approval, "appr") else None
    if row is None or not within(row["workflow"], scope):
        return None
    zone, now = time_zone(installation), format_time(installation.clock())
    evidence = LiveEvidence(installation, zone)
    entries = {one.kind: one for one in evidence.find("call", row["call"])}
    asking, answer = entries.get("call.opened", entries.get("call.refused")), entries.get("call.closed")
    requested = entries.get("approval.requested")
    if requested is None:
        return None
    prompt, given = (_kept(one, name, evidence) for one, name in ((asking, "prompt"), (answer, "answer")))
    calls: tuple[Call, ...] | None = ()
    shown = shown_request(prompt, installation.vault.pseudonym) if prompt is not None else ""
    if row["of"] == "answer":
        calls = _calls(answer, requested.facts["asks"], evidence)
        shown = shown_calls(calls, installation.vault.pseudonym) if calls is not None else ""
    return Question(
        approval=approval, state=standing(row, now), row=row, asked_at=clock(row["asked_at"], zone),
        until=clock(row["until"], zone), roles=tuple(deciders(row, now)),
        requester=quoted(requested, "requester", evidence) if "requester" in requested.c else "",
        reasons=tuple(asks_said(one["because"]) for one in requested.facts["asks"]),
        calls=calls if shown == row["shown"] else None, asked=tuple(turns(prompt)) if prompt is not None else (),
        said=said(given) if given is not None else "", shown=row["shown"],
        decisions=tuple(_decided(evidence, approval)),
    )  # fmt: skip


def _kept(entry: Entry | None, name: str, evidence: LiveEvidence) -> str | None:
    content = evidence.content(entry, name) if entry and name in entry.c else None
    return str(content.value) if content and content.missing is None else None


def _calls(closed: Entry | None, asks: Sequence[Mapping[str, str]], evidence: LiveEvidence) -> tuple[Call, ...] | None:
    """Return the calls of the held answer in the order of the answer; None where one of them cannot be opened."""
    reasons = {one["tool"]: asks_said(one["because"]) for one in asks}
    found = []
    for tool in closed.facts["tool_calls"] if closed else ():
        kept = evidence.content(closed, tool["c"]) if closed and tool.get("c") in closed.c else None
        if kept is None or kept.missing:
            return None
        found.append(Call(kept.value["name"], kept.value["arguments"], reasons.get(tool["name"] or "", "")))
    return tuple(found) or None


def _decided(evidence: LiveEvidence, approval: str) -> list[tuple[str, str, str]]:
    acts = [one for one in evidence.find("approval", approval) if one.kind == "approval.decided"]
    return [(name_of(str(one.act), evidence), verb_of(one), quoted(one, "reason", evidence)) for one in acts]


def plainly(arguments: str) -> str:
    """Write arguments with one member a line; what is no JSON as it is."""
    try:
        return json.dumps(json.loads(arguments), indent=2, ensure_ascii=False)
    except ValueError:
        return arguments


def figures(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say of all who decide together how many they approved and how long half of them took; empty before the first.

    Figures of single people are not made: they would be figures of their work.
    """
    waited = [row["waited"] for row in rows if "waited" in row]
    if not waited:
        return ""
    rejected = sum(row["state"] == "rejected" for row in rows if "waited" in row)
    middle = f"half of them within {median(waited):.0f} s of being asked"
    return f"Decided so far: {len(waited)}, rejected: {rejected}; {middle}."
