"""Results of evaluations that ran elsewhere (a CI run over a fixed set), as dated entries beside the live ones."""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.configuration.evaluation import Component
from gateway.configuration.fields import Name
from gateway.oversight.acts import act, time_zone
from gateway.oversight.people import Actor, ActRefused
from gateway.state.outcomes import OutcomeRefused, occurred
from gateway.state.rows import imported_row
from gateway.store.installation import Installation
from ledger.canonical import canonicalize
from ledger.entry import b64
from ledger.unit import State

IMPORTERS = ("engineer", "compliance", "admin")
Count = Annotated[int, Field(ge=0, le=10_000_000)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9@/][A-Za-z0-9._:/@+-]{0,127}$")]


class SentResult(BaseModel):
    """What one run of a suite found of one component."""

    model_config = ConfigDict(extra="forbid", strict=True)

    suite: Name
    workflow: Name
    component: Component
    run_at: Annotated[str, Field(max_length=60)]
    """When it ran, RFC 3339."""
    correct: Count
    partial: Count = 0
    incorrect: Count
    unscored: Count = 0
    prompt: Word | None = None
    """Version of a registered prompt, `name@3`."""
    model: Word | None = None
    run: Word | None = None
    """What the other system calls this run."""


class Imported(NamedTuple):
    """The entry of a result; `repeated` when the same was on record before, and it has none of its own."""

    entry: str | None
    repeated: bool


def import_results(installation: Installation, actor: Actor, sent: Sequence[Any]) -> list[Imported]:
    """Put results on record, none of them if one is wrong.

    Raises:
        ActRefused: one is no result, of no registered workflow or of a day that lies ahead; or the person's role.
    """
    zone = time_zone(installation)
    facts = [_facts(installation, zone, number, one) for number, one in enumerate(sent, start=1)]
    return [_put(installation, actor, workflow, one) for workflow, one in facts]


def _facts(installation: Installation, zone: str, number: int, sent: Any) -> tuple[str, dict[str, Any]]:
    try:
        one = SentResult.model_validate(sent)
        at, day = occurred(one.run_at, installation.clock(), zone)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "result"
        raise ActRefused(f"result {number}: {place[:60]}: {first['msg']}") from None
    except OutcomeRefused as refused:
        raise ActRefused(f"result {number}: {refused}") from None
    if installation.reader.state(f"workflow:{one.workflow}") is None:
        raise ActRefused(f"result {number}: workflow {one.workflow} is not registered")
    said = one.model_dump(exclude={"workflow", "run_at"}, exclude_none=True) | {"run_at": at, "day": day}
    digest = b64(hashlib.sha256(canonicalize(said | {"workflow": one.workflow})).digest())
    return one.workflow, said | {"digest": digest}


def _put(installation: Installation, actor: Actor, workflow: str, facts: dict[str, Any]) -> Imported:
    row = imported_row(workflow, facts)
    if installation.reader.state(row) is not None:
        return Imported(None, True)

    def unknown(state: State) -> None:
        if row in state:
            raise ActRefused("the same result was put on record meanwhile")

    written = act(
        installation, "evaluation.imported", actor, roles=IMPORTERS, keys=(row,), facts=facts, workflow=workflow,
        check=unknown,
    )  # fmt: skip
    return Imported(written.receipts[0].id, False)
