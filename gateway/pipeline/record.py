"""What the entries of a call are made of outside the transaction: ids, pseudonyms, sealed contents."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.approvals.standing import Holding
from gateway.call import Call, Principal
from gateway.configuration.approvals import Approvals
from gateway.configuration.model import KEPT, Workflow
from gateway.dialects.identity import OWN
from gateway.dialects.words import decoded
from gateway.minimisation.keeping import Keeping
from gateway.pipeline.ports import Ports
from gateway.pipeline.screen import output_format
from gateway.repeats import digest_of
from gateway.tools.answered import answered_calls, same_call
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
    content: str = "none"
    """What is kept of it: `full`, `redacted` or `none`."""
    keeping: Keeping | None = None
    """What makes it fit to be kept, where it is not kept as it is."""
    found: Mapping[str, int] = NOTHING
    """How many of which kind were replaced in what is kept of the request."""
    c: Mapping[str, str] = NOTHING
    contents: Sealed | None = None
    answered: tuple[str, ...] = ()
    """Keyed digests of the calls of tools that it brings results of, where it names a task."""
    holding: Holding | None = None
    """What it has to do with approvals, where its workflow asks for some or it names one."""

    screening: Mapping[str, Any] = NOTHING
    """What the detectors found, where a policy asked, as the entry states it."""

    @property
    def keep(self) -> bool:
        """Something is kept of it."""
        return self.content != "none"

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
    asks = bool(asks or call.approval or (workflow and workflow.asks))
    content = content_of(call, workflow, asks=asks)
    keeping = ports.minimiser.keeping(call.body) if content == "redacted" else None
    entry_id = new_id("ent", ports.clock())
    c: dict[str, str] = {}
    contents: Sealed | None = None
    if content != "none":
        # Plain names of task and subject are contents too: whoever may read contents can be shown them.
        values: dict[str, object] = {"prompt": decoded(call.body)}
        if call.prompt and call.prompt.rendered is not None:
            values["instructions"] = call.prompt.rendered
        if not own:
            values["task"] = call.task_id
        if call.subject_id:
            values["subject"] = call.subject_id
        if requested is not None:
            values["requested"] = requested
        if keeping:
            await keeping.read(values)
        c, contents = ports.contents.seal(values, entry_id=entry_id, key_ref=key_ref, keeping=keeping)
    task = None if own else ports.contents.pseudonym("task", call.task_id)
    digest = digest_of(call, principal, ports.contents.pseudonym) if asks or not own else ""
    brought = answered_calls(call.asked.fields) if task and call.asked.tool_rounds else []
    forms = (call.asked.forced, output_format(call, workflow) if workflow else "")
    said = [ports.contents.pseudonym("tool_call", same_call(*one)) for one in brought if one[0] not in forms]
    return Record(
        answered=tuple([one[:SAME_LENGTH] for one in said]), entry_id=entry_id, task=task, sub=sub, key_ref=key_ref,
        request=None if own else digest[:SAME_LENGTH],
        content=content, keeping=keeping, found=keeping.found if keeping else NOTHING, c=c,
        contents=contents, holding=await _holding(call, workflow, digest, ports) if asks else None,
    )  # fmt: skip


def content_of(call: Call, workflow: Workflow | None, *, asks: bool) -> str:
    """Return what may be kept: the stricter of what the caller and the workflow say. What waits for a person is kept as
    it is, where anything is: a person must see what it is, and it is given out from there."""
    content = min(call.content, workflow.content if workflow else "full", key=KEPT.index)
    return "full" if asks and content == "redacted" else content


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
