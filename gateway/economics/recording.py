"""Recording outcomes as they are sent, one or many: each is taken, is a repeat of one on record, or is refused."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from re import fullmatch
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from gateway.configuration.model import Configuration
from gateway.oversight.acts import active_configuration
from gateway.oversight.people import Actor
from gateway.pricing.money import nano_eur
from gateway.state.changes import changes_of
from gateway.state.outcomes import (
    Outcome,
    OutcomeRefused,
    Status,
    definition_digest,
    earlier_of,
    occurred,
    other_cost,
    rows_of,
)
from gateway.store.installation import Installation
from ledger.entry import Draft
from ledger.ids import new_id
from ledger.unit import State, Step, Unit

BATCH = 200
MOST = 10_000
"""Outcomes of one request."""
RECORDERS = ("engineer", "finance", "compliance", "approver", "admin")
_RETRIES = 5


def _number(value: Any) -> Any:
    """Take a number, or digits as people write them; Decimal would read `1_000` and `NaN` too."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(str(value))
    if isinstance(value, str) and fullmatch(r"[0-9]{1,7}(\.[0-9]{1,9})?", value):
        return Decimal(value)
    return value if isinstance(value, Decimal) else "no amount"


Text = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00]*$")]
Amount = Annotated[Decimal, BeforeValidator(_number), Field(ge=0, le=1_000_000, decimal_places=9)]
Blank = BeforeValidator(lambda value: None if value == "" else value)
"""An empty cell of a table is a member that is not there."""


class Sent(BaseModel):
    """One outcome as it is sent. Amounts are EUR."""

    model_config = ConfigDict(extra="forbid")

    task: Text
    type: Annotated[str, Field(max_length=60)]
    status: Status
    value: Annotated[Amount | None, Blank] = None
    human_minutes: Annotated[Amount | None, Blank] = None
    occurred_at: Annotated[Annotated[str, Field(max_length=60)] | None, Blank] = None
    idempotency_key: Annotated[Text | None, Blank] = None
    corrects: Annotated[Annotated[str, Field(max_length=64)] | None, Blank] = None


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends outcomes: a person, a gateway key with its workflow, or a source that signs its webhooks."""

    source: str
    actor: Actor | None = None
    workflow: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one outcome: the entry that has it, whether it was there before, or why it was refused."""

    entry: str | None
    repeated: bool = False
    refused: str = ""
    conflict: bool = False


def lines_of(content_type: str, body: bytes) -> list[tuple[int, Any]]:
    """Return the outcomes of a body with their lines: a JSON object or an array (the place in it), JSON Lines, CSV.

    Raises:
        OutcomeRefused: none of these.
    """
    try:
        return list(_lines(content_type.partition(";")[0].strip().lower(), body))
    except (ValueError, csv.Error) as error:
        raise OutcomeRefused(f"the body cannot be read: {str(error).splitlines()[0][:200]}") from None


def _lines(kind: str, body: bytes) -> Iterator[tuple[int, Any]]:
    if kind in ("application/x-ndjson", "application/jsonl", "application/jsonlines"):
        yield from ((at, _value(line)) for at, line in enumerate(body.splitlines(), start=1) if line.strip())
    elif kind == "text/csv":
        table = csv.DictReader(io.StringIO(body.decode("utf-8-sig")), strict=True)
        names = table.fieldnames or ()
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the table has two columns {twice[0][:60]}")
        yield from ((table.line_num, row) for row in table)
    else:
        value = orjson.loads(body)
        yield from enumerate(value if isinstance(value, list) else [value], start=1)


def _value(line: bytes) -> Any:
    """Return what a line says; one that says nothing is refused by its number, and the others are taken."""
    try:
        return orjson.loads(line)
    except ValueError:
        return None


def record(installation: Installation, sender: Sender, sent: Sequence[Any]) -> list[Result]:
    """Record outcomes; returns what became of each, in their order. Durable when this returns.

    Raises:
        ActRefused: no configuration is active, or the person may not record outcomes.
    """
    configuration, _ = active_configuration(installation)
    results: list[Result] = []
    for at in range(0, len(sent), BATCH):
        judged = [_checked(installation, configuration, sender, one) for one in sent[at : at + BATCH]]
        results += _recorded(installation, sender, judged)
    return results


def _checked(
    installation: Installation, configuration: Configuration, sender: Sender, sent: Any
) -> Outcome | OutcomeRefused:
    try:
        return _outcome(installation, configuration, sender, sent)
    except OutcomeRefused as refused:
        return refused


def _outcome(installation: Installation, configuration: Configuration, sender: Sender, sent: Any) -> Outcome:
    if not isinstance(sent, dict) or None in sent:
        raise OutcomeRefused("this is no outcome: an object with task, type and status, or a row with as many cells")
    try:
        one = Sent.model_validate(sent)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "outcome"
        raise OutcomeRefused(f"{place[:60]}: {first['msg']}") from None
    definition = configuration.outcomes.get(one.type)
    if definition is None:
        known = ", ".join(configuration.outcomes) or "none; define them under `outcomes:`"
        raise OutcomeRefused(f"no outcome {one.type!r} is defined; there are {known}")
    if sender.workflow is not None and sender.workflow not in definition.workflows:
        raise OutcomeRefused(f"this key is of {sender.workflow}, which {one.type} is not defined for")
    at, day = occurred(one.occurred_at, installation.clock(), configuration.organisation.time_zone)
    vault, key = installation.vault, one.idempotency_key
    value = one.value if one.value is not None else definition.value if one.status == "success" else Decimal(0)
    return Outcome(
        type=one.type, definition=definition_digest(definition), task=vault.pseudonym("task", one.task),
        status=one.status, occurred_at=at, day=day, value=nano_eur(value),
        other=other_cost(definition, one.human_minutes), source=sender.source,
        key=vault.pseudonym("outcome_key", f"{sender.source}\n{key}") if key else None,
        corrects=one.corrects, sent_at=one.occurred_at,
        workflow=sender.workflow or definition.workflows[0],
    )  # fmt: skip


def _recorded(
    installation: Installation, sender: Sender, judged: Sequence[Outcome | OutcomeRefused]
) -> Sequence[Result]:
    """Record a batch in one transaction. A pointer that moved between looking and recording is looked at again."""
    taken = [one for one in judged if isinstance(one, Outcome)]
    for _ in range(_RETRIES):
        pointers = installation.reader.states_of([one.pointer for one in taken])
        keys = {row for one in taken for row in rows_of(one, pointers.get(one.pointer))}
        if sender.actor:
            keys.add(sender.actor.row)
        written = installation.log.append(_unit(sender, judged, sorted(keys)))
        if written.answer is not None:
            return list(written.answer)
    raise OutcomeRefused("these outcomes are being changed by somebody else; send them again")


def _unit(sender: Sender, judged: Sequence[Outcome | OutcomeRefused], keys: Sequence[str]) -> Unit:
    loaded = frozenset(keys)

    def run(state: State, at: datetime) -> Step:
        if sender.actor:
            sender.actor.require(state, at, *RECORDERS)
        working, changes, drafts, results = dict(state), dict[str, Any](), list[Draft](), list[Result]()
        for one in judged:
            if isinstance(one, Outcome) and not loaded.issuperset(rows_of(one, working.get(one.pointer))):
                return Step(answer=None)
            draft, result = _taken(one, sender, working, at)
            results.append(result)
            if draft is None:
                continue
            drafts.append(draft)
            for row, value in changes_of(draft, working).items():
                changes[row] = value
                working.pop(row, None)
                if value is not None:
                    working[row] = value
        return Step(drafts=drafts, changes=changes, answer=results)

    return Unit(keys=lambda _at: keys, run=run)


def _taken(
    one: Outcome | OutcomeRefused, sender: Sender, state: Mapping[str, Any], at: datetime
) -> tuple[Draft | None, Result]:
    try:
        if isinstance(one, OutcomeRefused):
            raise one
        if entry := earlier_of(one, state):
            return None, Result(entry, repeated=True)
    except OutcomeRefused as refused:
        return None, Result(None, refused=str(refused), conflict=refused.conflict)
    draft = Draft(
        id=new_id("ent", at), kind="outcome.recorded", task=one.task, workflow=one.workflow,
        act=sender.actor.pseudonym if sender.actor else None,
        facts=one.facts(at) | ({"assurance": sender.actor.assurance} if sender.actor else {}),
    )  # fmt: skip
    return draft, Result(draft.id)
