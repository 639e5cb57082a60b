"""Going on after a loss, on record: a named person declares it."""

from datetime import datetime

from gateway.days import day_in_zone
from gateway.oversight.acts import time_zone
from gateway.oversight.people import Actor, ActRefused
from gateway.state.changes import changes_of
from gateway.store.installation import Installation
from ledger.checkpointing import held_checkpoint, require_continuation
from ledger.entry import Draft, b64
from ledger.errors import LogHalted
from ledger.ids import new_id
from ledger.unit import HALT, State, Step, Unit


def declare_gap(installation: Installation, actor: Actor, reason: str) -> int:
    """Go on from a database that does not continue the signed head; returns how many signed entries it is short of.

    The entry `gap.declared` says who decided it. Whoever holds a later head will find that this log does not continue
    it: that is what happened, and it stays visible.

    Raises:
        ActRefused: nothing is lost, or no reason is given.
    """
    if not reason.strip():
        raise ActRefused("a reason is needed")
    head_file, reader = installation.checkpointer.head_file, installation.reader
    head, halt = reader.head(), reader.state(HALT)
    held = held_checkpoint(head_file, installation.signer.vkey)
    contradicted = True
    try:
        require_continuation(reader, head_file, installation.signer.vkey)
    except LogHalted as halted:
        finding = str(halted)
    else:
        if not halt:
            raise ActRefused("nothing is lost: the database continues the signed head")
        contradicted, finding = False, str(halt["finding"])
    size = max(held.size, int(halt["size"]) if halt else 0)
    entry_id = new_id("ent", installation.clock())
    c, contents = installation.vault.seal({"reason": reason, "finding": finding}, entry_id=entry_id)
    facts = {
        "held_size": size, "signed_size": held.size, "held_root": b64(held.root), "found_size": head.size,
        "found_root": b64(head.frontier.root()), "assurance": actor.assurance,
        "day": day_in_zone(time_zone(installation), installation.clock()),
    }  # fmt: skip

    draft = Draft(id=entry_id, kind="gap.declared", act=actor.pseudonym, facts=facts, c=c, contents=contents)

    def run(state: State, at: datetime) -> Step:
        actor.require(state, at, "admin")
        return Step(drafts=[draft], changes=changes_of(draft, state))

    installation.log.append(Unit(keys=lambda _at: (actor.row,), run=run, mends=True))
    if contradicted:
        head_file.set_aside(entry_id)
    installation.checkpointer.sign(now=True)
    return max(0, size - head.size)
