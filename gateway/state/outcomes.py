"""What became of tasks: what is taken, what an outcome does to the state, and how a second one is judged. Pure.

State rows:
    outcome:<type>:<task>       the day and the entry of the outcome that counts
    done:<type>|<day>|<task>    that outcome, found by the day it occurred, with the ones before it
    outcome_key:<pseudonym>     the outcome that a sender's key brought
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from gateway.configuration.fields import Section
from gateway.configuration.outcomes import OutcomeType
from gateway.days import day_in_zone
from gateway.pricing.money import nano_eur
from ledger.canonical import canonicalize
from ledger.entry import b64, format_time
from ledger.errors import LedgerError

Status = Literal["success", "failure", "partial", "abandoned"]
AHEAD = timedelta(minutes=5)
"""How far the clock of a sender may be ahead of ours."""


class OutcomeRefused(LedgerError):
    """This outcome is not taken; the message says what to send. `conflict`: another one is on record."""

    def __init__(self, message: str, *, conflict: bool = False) -> None:
        super().__init__(message)
        self.conflict = conflict


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One outcome as it was sent, checked against its definition. Amounts are nano-EUR; `key` is a pseudonym."""

    type: str
    definition: str
    task: str
    status: Status
    occurred_at: str
    day: str
    value: int
    other: int
    """Tools and human minutes of this attempt, by the definition or as sent."""
    source: str
    key: str | None = None
    sent_at: str | None = None
    """`occurred_at` as it was sent, if it was."""
    corrects: str | None = None
    workflow: str

    @property
    def digest(self) -> str:
        """What a key stands for: the same key with another content is a mistake of the sender."""
        said = [self.type, self.task, self.status, self.sent_at, self.value, self.other, self.corrects]
        return b64(hashlib.sha256(canonicalize(said)).digest())

    @property
    def pointer(self) -> str:
        return f"outcome:{self.type}:{self.task}"

    def facts(self, at: datetime) -> dict[str, Any]:
        """Return the facts of `outcome.recorded`."""
        facts: dict[str, Any] = {
            "outcome_ref": self.task, "type": self.type, "definition": self.definition, "status": self.status,
            "occurred_at": self.occurred_at, "day": self.day, "recorded_at": format_time(at),
            "value_nano_eur": self.value, "other_nano_eur": self.other, "source": self.source,
        }  # fmt: skip
        if self.key:
            facts |= {"key": self.key, "digest": self.digest}
        if self.corrects:
            facts["corrects_ref"] = self.corrects
        return facts


def done_row(type_: str, day: str, task: str = "") -> str:
    """Name the row of an outcome; without a task, where the rows of a day begin."""
    return f"done:{type_}|{day}|{task}"


def definition_digest(definition: Section) -> str:
    """Return the version of a section of the configuration."""
    return b64(hashlib.sha256(canonicalize(definition.model_dump(mode="json"))).digest())


def other_cost(definition: OutcomeType, minutes: Decimal | None) -> int:
    """Return what an attempt costs beside its calls, nano-EUR: tools, and human minutes at their rate."""
    human = (definition.human_minutes if minutes is None else minutes) * definition.human_hour / 60
    return nano_eur(definition.tool_cost) + int((human * 10**9).to_integral_value())


def occurred(text: str | None, now: datetime, zone: str) -> tuple[str, str]:
    """Return when an outcome occurred, and on which day of the organisation.

    Raises:
        OutcomeRefused: no instant, or one that has not come yet.
    """
    if text is None:
        return format_time(now), day_in_zone(zone, now)
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            raise ValueError
        at = at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise OutcomeRefused(f"occurred_at {text[:60]!r} is no instant with an offset: 2026-11-28T09:00:00Z") from None
    if at > now + AHEAD:
        raise OutcomeRefused(f"occurred_at {format_time(at)} has not come yet; the clock here says {format_time(now)}")
    return format_time(at), day_in_zone(zone, at)


def rows_of(one: Outcome, pointer: Mapping[str, Any] | None) -> list[str]:
    """Name the rows that an outcome needs, given what its pointer says."""
    rows = [one.pointer, done_row(one.type, one.day, one.task)]
    if pointer:
        rows.append(done_row(one.type, pointer["day"], one.task))
    return [*rows, f"outcome_key:{one.key}"] if one.key else rows


def earlier_of(one: Outcome, state: Mapping[str, Any]) -> str | None:
    """Return the entry that has recorded this very outcome before, or None where it is to be recorded.

    The same key and content, and the same status and value again, are repeats. Another status or value counts when it
    occurred later, or when it names the entry that it corrects.

    Raises:
        OutcomeRefused: it contradicts what is on record, or corrects something else.
    """
    if one.key and (known := state.get(f"outcome_key:{one.key}")):
        if known["digest"] != one.digest:
            raise OutcomeRefused(f"this idempotency key brought another outcome: {known['id']}", conflict=True)
        return str(known["id"])
    pointer = state.get(one.pointer)
    if pointer is None:
        if one.corrects:
            raise OutcomeRefused(f"there is no outcome {one.corrects} of this task and type", conflict=True)
        return None
    now = state[done_row(one.type, pointer["day"], one.task)]
    if one.corrects:
        if one.corrects != pointer["id"]:
            raise OutcomeRefused(f"the outcome that counts is {pointer['id']}; correct that one", conflict=True)
        return None
    if (now["status"], now["value"]) == (one.status, one.value):
        return str(pointer["id"])
    if one.occurred_at <= now["at"]:
        raise OutcomeRefused(
            f"{pointer['id']} says {now['status']} at {now['at']}: send `corrects` with that id, "
            "or a later occurred_at",
            conflict=True,
        )
    return None


def changes_of_outcome(task: str, entry: str, facts: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rows that `outcome.recorded` changes."""
    pointer, day = f"outcome:{facts['type']}:{task}", facts["day"]
    changes: dict[str, Any] = {}
    earlier: list[Any] = []
    if old := state.get(pointer):
        row = done_row(facts["type"], old["day"], task)
        before = state[row]
        earlier = [*before["earlier"], [before["recorded"], before["status"], before["value"], before["other"]]]
        changes[row] = None
    changes[done_row(facts["type"], day, task)] = {
        "status": facts["status"], "value": facts["value_nano_eur"], "other": facts["other_nano_eur"],
        "at": facts["occurred_at"], "recorded": facts["recorded_at"], "earlier": earlier,
    }  # fmt: skip
    if "key" in facts:
        changes[f"outcome_key:{facts['key']}"] = {"id": entry, "digest": facts["digest"]}
    return changes | {pointer: {"day": day, "id": entry}}
