"""What the entries of a call are made of outside the transaction: ids, pseudonyms, sealed contents."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.approvals.standing import Holding
from gateway.call import Call, Principal
from gateway.configuration.approvals import Approvals
from gateway.configuration.model import Workflow
from gateway.dialects.identity import OWN
from gateway.dialects.words import decoded
from gateway.pipeline.ports import Ports
from gateway.pipeline.repeats import digest_of
from ledger.entry import NOTHING, Sealed
from ledger.ids import new_id

SAME_LENGTH = 22
"""Characters of a digest that are kept to count what is the same: 132 bits."""


class Record(NamedTuple):
    """The parts of the entries of one call that are made outside the transaction: ids, pseudonyms, sealed contents."""

    entry_id: str
    task: str | None = None
    sub: str | None = None
    request: str | None = None
    """The keyed digest of the request, of a call that names a task."""
    key_ref: str | None = None
    keep: bool = False
    c: Mapping[str, str] = NOTHING
    contents: Sealed | None = None
    holding: Holding | None = None
    """What it has to do with approvals, where its workflow asks for some or it names one."""

    screening: Mapping[str, Any] = NOTHING
    """What the detectors found, where a policy asked, as the entry states it."""

    @property
    def released(self) -> str | None:
        """The answer that waited for a person and that this call asks for."""
        return self.holding.answer if self.holding else None


async def record_of(
    call: Call, principal: Principal, workflow: Workflow | None, ports: Ports, *, requested: str | None = None,
    asks: bool = False,
) -> Record:  # fmt: skip
    """Seal the request and look up the pseudonyms.

    Args:
        requested: the name that was asked for, where it is none of ours.
        asks: it waits for a person.
    """
    key_ref = sub = None
    if call.subject_id:
        key_ref, sub = await ports.contents.subject(call.subject_id)
    own = call.task_source == OWN
    keep = call.content == "full" and (workflow is None or workflow.content == "full")
    entry_id = new_id("ent", ports.clock())
    c: dict[str, str] = {}
    contents: Sealed | None = None
    if keep:
        # Plain names of task and subject are contents too: whoever may read contents can be shown them.
        values = {"prompt": decoded(call.body)}
        if call.prompt and call.prompt.rendered is not None:
            values["instructions"] = call.prompt.rendered
        if not own:
            values["task"] = call.task_id
        if call.subject_id:
            values["subject"] = call.subject_id
        if requested is not None:
            values["requested"] = requested
        c, contents = ports.contents.seal(values, entry_id=entry_id, key_ref=key_ref)
    task = None if own else ports.contents.pseudonym("task", call.task_id)
    asks = bool(asks or call.approval or (workflow and workflow.asks))
    digest = digest_of(call, principal, ports.contents.pseudonym) if asks or not own else ""
    return Record(
        entry_id=entry_id, task=task, request=None if own else digest[:SAME_LENGTH], sub=sub, key_ref=key_ref,
        keep=keep, c=c, contents=contents, holding=await _holding(call, workflow, digest, ports) if asks else None,
    )  # fmt: skip


async def _holding(call: Call, workflow: Workflow | None, digest: str, ports: Ports) -> Holding:
    """Look up the approval that a call names, and what waits for it; a stranger's is not opened."""
    row = await ports.approvals.row(call.approval) if call.approval else None
    if row is None or row["digest"] != digest:
        row = None
    people = await ports.approvals.people([one for one in (call.requester, call.subject_id) if one])
    policy = workflow.approvals if workflow else Approvals()
    return Holding(
        digest, new_id("appr", ports.clock()), policy, call.asked.stream, call.approval, row or {},
        await ports.approvals.answer(row["call"]) if row and row["of"] == "answer" else None,
        call.requester, tuple(dict.fromkeys(people)),
    )  # fmt: skip
