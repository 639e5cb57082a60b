"""Holds: people place them, and nobody but a person lifts them. What is under one is neither swept nor erased."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from classifiers.facts import FactsInvalid, day
from gateway.oversight.acts import act
from gateway.oversight.people import Actor, ActRefused
from gateway.state.holds import REASONS, hold_row
from gateway.store.installation import Installation
from ledger.entry import format_time
from ledger.ids import new_id
from ledger.unit import State

ROLES = ("compliance", "admin")
ORDER = ("authority", "reference", "basis")
"""What an order of an authority must be named by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a hold is on: everything that all of these are true of. Days are those of the log, in UTC."""

    workflow: str | None = None
    task: str | None = None
    subject: str | None = None
    first: str | None = None
    last: str | None = None
    everything: bool = False


def place(
    installation: Installation, actor: Actor, scope: Scope, reason: str, words: str, *, incident: str | None = None,
    order: Mapping[str, str] | None = None, ends: str | None = None,
) -> str:  # fmt: skip
    """Place a hold and return its id.

    Args:
        words: why, in words; sealed.
        incident: the incident that it is for.
        order: `authority`, `reference` and `basis` of an order; sealed.
        ends: the day that the order names. A person lifts the hold all the same: nothing ends by itself.

    Raises:
        ActRefused: a scope, reason or order that cannot be, or no role for it.
    """
    order = {name: text for name, text in (order or {}).items() if text.strip()}
    _require(installation, scope, reason, words, incident, order)
    at = format_time(installation.clock())
    facts: dict[str, Any] = {"hold_ref": (hold := new_id("hold", installation.clock())), "reason": reason}
    facts |= {"placed_at": at} | ({"incident_ref": incident} if incident else {})
    named = (("from", scope.first), ("to", scope.last), ("ends", ends))
    facts |= {name: _day(name, value) for name, value in named if value}
    if facts.get("to", "9999") < facts.get("from", ""):
        raise ActRefused(f"the period ends on {facts['to']}, before it begins")
    act(
        installation, "hold.placed", actor, roles=ROLES, keys=(hold_row(hold),), facts=facts,
        texts={"words": words} | order, workflow=scope.workflow,
        task=installation.vault.pseudonym("task", scope.task) if scope.task else None,
        sub=_subject(installation, scope.subject) if scope.subject else None,
    )  # fmt: skip
    return hold


def _require(
    installation: Installation, scope: Scope, reason: str, words: str, incident: str | None, order: Mapping[str, str]
) -> None:
    if reason not in REASONS:
        raise ActRefused(f"the reason is {', '.join(REASONS)}; not {reason}")
    if not words.strip():
        raise ActRefused("a hold needs words that say why")
    if scope == Scope():
        raise ActRefused("name what is held: a workflow, a task, a person, a period, or everything")
    if scope.everything and scope != Scope(everything=True):
        raise ActRefused("everything, or a part of it: not both")
    if scope.workflow and installation.reader.state(f"workflow:{scope.workflow}") is None:
        raise ActRefused(f"workflow {scope.workflow} is not registered")
    if incident and not installation.reader.find("incident", incident):
        raise ActRefused(f"there is no incident {incident}")
    if reason == "authority_order" and (missing := [name for name in ORDER if name not in order]):
        raise ActRefused(f"an order is named by its {', '.join(ORDER)}; {', '.join(missing)} is missing")


def _subject(installation: Installation, subject: str) -> str:
    found = installation.vault.find_subject("subject", subject)
    if found is None:
        raise ActRefused("nothing is on record about this person")
    return found.pseudonym


def _day(name: str, given: str) -> str:
    try:
        return day(given, name)
    except FactsInvalid as error:
        raise ActRefused(str(error)) from None


def lift(installation: Installation, actor: Actor, hold: str, words: str) -> None:
    """Lift a hold.

    Raises:
        ActRefused: there is none, it was lifted, no reason is given, or no role for it.
    """
    if not words.strip():
        raise ActRefused("lifting a hold needs words that say why")
    row = installation.reader.state(hold_row(hold))
    if row is None:
        raise ActRefused(f"there is no hold {hold}, or it was lifted")

    def check(state: State) -> None:
        if hold_row(hold) not in state:
            raise ActRefused(f"{hold} was lifted a moment ago")

    more = {"incident_ref": row["incident_ref"]} if "incident_ref" in row else {}
    act(
        installation, "hold.lifted", actor, roles=ROLES, keys=(hold_row(hold),), facts={"hold_ref": hold} | more,
        texts={"words": words}, workflow=row.get("workflow"), task=row.get("task"), sub=row.get("sub"), check=check,
    )  # fmt: skip


def holds(installation: Installation) -> dict[str, Mapping[str, Any]]:
    """Return the holds that are in force, by their ids."""
    return {name.removeprefix("hold:"): row for name, row in sorted(installation.reader.states("hold:").items())}
