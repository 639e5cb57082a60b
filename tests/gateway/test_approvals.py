"""How a held call stands at any instant, and which request may have what was approved."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.approvals.standing import Holding, deciders, require_approval, standing
from gateway.configuration.approvals import Approvals
from gateway.configuration.load import load
from gateway.configuration.tools import ToolRule
from gateway.errors import ConfigurationMoved, Refused
from gateway.web.waiting import preference_of
from ledger.entry import format_time

START = datetime(2026, 11, 28, 12, tzinfo=UTC)
APPROVAL = "appr_01a22804-96a9-7b36-b3a0-1e5e1f28bfc3"


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def row(**changed: Any) -> dict[str, Any]:
    return {
        "state": "requested", "until": format_time(at(60)), "minutes": 60, "on_timeout": "deny", "escalated": False,
        "roles": ["approver"], "escalate_to": ["compliance"], "people": 1, "approved": [], "digest": "d", "of": "answer", "stream": False,
    } | changed  # fmt: skip


def state_of(known: dict[str, Any], **people: list[str]) -> dict[str, Any]:
    held = {f"person:{name}": {"roles": roles} for name, roles in people.items()}
    return {f"approval:{APPROVAL}": known, "held:d": {"approval": APPROVAL}} | held


def holding(known: dict[str, Any], *, digest: str = "d", answer: str | None = "said", asked: str = APPROVAL) -> Holding:
    return Holding(digest, "new", Approvals(), False, asked, known, answer)


@pytest.mark.parametrize(
    ("known", "minutes", "stands"),
    [
        (row(), 59, "requested"), (row(), 60, "expired"),
        (row(state="approved"), 59, "approved"), (row(state="approved"), 61, "expired"),
        (row(state="rejected"), 61, "rejected"), (row(state="used"), 1000, "used"),
        (row(on_timeout="allow_with_flag"), 61, "lapsed"), (row(on_timeout="allow_with_flag"), 120, "expired"),
        (row(on_timeout="escalate"), 61, "requested"), (row(on_timeout="escalate", escalated=True), 61, "expired"),
        (row(state="lapsed", on_timeout="allow_with_flag"), 61, "expired"),
    ],
)  # fmt: skip
def test_how_an_approval_stands_follows_from_the_row_and_the_instant(known: Any, minutes: int, stands: str) -> None:
    assert standing(known, format_time(at(minutes))) == stands


def test_once_it_is_late_those_decide_to_whom_it_goes() -> None:
    late = row(on_timeout="escalate")
    assert deciders(late, format_time(at(59))) == ["approver"]
    assert deciders(late, format_time(at(61))) == ["compliance"], "before a process has put it on record too"
    assert deciders(row(escalated=True, on_timeout="escalate"), format_time(at(1))) == ["compliance"]


STATES = ("requested", "approved", "rejected", "used", "expired", "lapsed")
EVERY = list(
    itertools.product(
        STATES,
        ("deny", "escalate", "allow_with_flag"),
        (False, True),
        (0, 59, 60, 61, 119, 120, 300),
        *[(False, True)] * 3,
    )
)


def test_nothing_is_given_out_but_what_was_approved_for_this_request_in_time_or_let_through_with_a_flag() -> None:
    given = [one for one in EVERY if is_given(*one)]
    assert {one[0] for one in given} == {"approved", "lapsed", "requested"}


def is_given(state: str, policy: str, escalated: bool, minutes: int, same: bool, kept: bool, holds: bool) -> bool:
    """Tell whether a request has what was approved, which it may only if everything is as it must be."""
    approved = ["p"] if state in ("approved", "used") else []
    known = row(state=state, on_timeout=policy, escalated=escalated, approved=approved)
    asked = holding(known, digest="d" if same else "e", answer="said" if kept else None)
    people = {"p": ["approver"] if holds else ["viewer"]}
    try:
        checks = require_approval(state_of(known, **people), at(minutes), asked)
    except Refused as refusal:
        assert refusal.code.startswith("approval_") and refusal.stage == 7
        return False
    assert same and kept
    if checks[0].verdict == "pass":
        assert state == "approved" and minutes < 60 and holds
    else:
        assert checks[0].verdict == "flag"
        assert (state == "lapsed" and minutes < 60) or (
            state == "requested" and policy == "allow_with_flag" and 60 <= minutes < 120
        )
    return True


def test_the_same_request_without_the_header_waits_and_is_not_bought() -> None:
    for known in (row(), row(state="approved")):
        with pytest.raises(Refused) as caught:
            require_approval(state_of(known), at(1), holding(known, asked=""))
        assert (caught.value.code, caught.value.inputs) == ("approval_required", {"approval": APPROVAL})
    assert require_approval(state_of(row()), at(61), holding(row(), asked="")) == ()
    assert require_approval({}, at(1), holding(row(), asked="")) == ()


def test_what_was_decided_after_it_was_read_is_looked_at_again() -> None:
    known = row(state="approved", approved=["p"])
    with pytest.raises(ConfigurationMoved):
        require_approval(state_of(known, p=["approver"]), at(1), holding(row()))


@pytest.mark.parametrize(
    ("said", "wait", "asynchronous"),
    [
        ("", 0, False), ("wait=60", 60, False), ("respond-async, wait=10", 10, True), ("Wait = 5", 5, False),
        ("wait=99999", 600, False), ('wait="7"', 7, False), ("wait=soon", 0, False), ("wait=-1", 0, False),
        ("return=minimal; wait=3", 3, False), ("wait=" + "9" * 40, 0, False),
    ],
)  # fmt: skip
def test_a_preference_is_read_as_rfc_7240_has_it(said: str, wait: int, asynchronous: bool) -> None:
    assert preference_of({"prefer": said} if said else {}) == (wait, asynchronous)


def test_a_rule_that_asks_says_what_and_of_what_is_kept() -> None:
    with pytest.raises(ValueError, match="needs `said_by_person`"):
        ToolRule(effect="write", approval="unless_said")
    quiet = "workflows: {w: {purpose: a, owner: b, content: none, tools: t, tool_rules: {t: {effect: write, approval: always}}}}\n"  # fmt: skip
    with pytest.raises(Exception, match="keeps nothing"):
        load(quiet)


def test_the_configuration_of_the_guide_loads_and_asks_as_it_says() -> None:
    page = (Path(__file__).parents[2] / "docs" / "guides" / "approvals.md").read_text("utf-8")
    workflow = load(page.split("```yaml\n")[1].split("```")[0]).workflows["bills"]
    assert workflow.asks and workflow.approvals == Approvals()
    assert [one.approval for one in workflow.tool_rules.values()] == ["never", "always", "unless_said"]


def test_an_answer_that_was_held_as_a_stream_is_not_used_up_by_asking_for_it_whole() -> None:
    known = row(state="approved", approved=["p"], stream=True)
    with pytest.raises(Refused, match="fetch it as you asked for it") as caught:
        require_approval(state_of(known, p=["approver"]), at(1), holding(known))
    assert caught.value.code == "approval_mismatch"
