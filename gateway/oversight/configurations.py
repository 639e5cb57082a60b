"""Which configurations were in force: who activated them, when and why, and their texts."""

from dataclasses import asdict, dataclass
from typing import Any

from gateway.oversight.people import ActRefused
from gateway.store.evidence import LiveEvidence
from gateway.store.installation import Installation
from ledger.entry import Entry
from reports.why.words import name_of

FEWEST = 8
"""Characters of a digest that are printed at least."""
HOW = "whyledger config history lists them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """One act of putting a configuration into force."""

    entry: int
    at: str
    digest: str
    person: str
    assurance: str | None
    reason: str
    routes: int
    workflows: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def history(installation: Installation) -> list[Activation]:
    """Return every activation, the newest first."""
    evidence = LiveEvidence(installation)
    seqs = [seq for seq, _ in installation.reader.linked("config")]
    return [_activation(entry, evidence) for entry in reversed(installation.reader.entries(seqs))]


def _activation(entry: Entry, evidence: LiveEvidence) -> Activation:
    reason = evidence.content(entry, "reason")
    return Activation(
        entry=entry.seq, at=entry.at, digest=entry.facts["config_ref"], person=name_of(entry.act or "", evidence),
        assurance=entry.facts.get("assurance"), reason=str(reason.value) if reason.missing is None else reason.missing,
        routes=entry.facts["routes"], workflows=entry.facts["workflows"],
    )  # fmt: skip


def shortest(digests: set[str]) -> dict[str, str]:
    """Return for each digest the beginning that is printed: as short as it can be and still mean that one only."""
    length = next(n for n in range(FEWEST, 44) if len({one[:n] for one in digests}) == len(digests))
    return {one: one[:length] for one in digests}


def one_of(installation: Installation, beginning: str) -> str:
    """Return the digest of the one configuration whose digest begins so.

    Raises:
        ActRefused: none of those that were in force, or several.
    """
    every = {digest for _, digest in installation.reader.linked("config")}
    found = sorted(digest for digest in every if beginning and digest.startswith(beginning))
    if not found:
        raise ActRefused(f"no configuration whose digest begins with {beginning!r} was ever active: {HOW}")
    if len(found) > 1:
        raise ActRefused(f"{len(found)} configurations begin with {beginning!r}: give more of the digest ({HOW})")
    return found[0]


def text_of(installation: Installation, digest: str) -> str:
    """Return the text of a configuration that was in force.

    Raises:
        ActRefused: the key store does not have it.
    """
    text = installation.vault.text(digest)
    if text is None:
        raise ActRefused(f"the key store does not hold the text of configuration {digest}: restore it from a backup")
    return text


def last_change(installation: Installation, *given: str) -> tuple[str, str]:
    """Return the two configurations to compare: the active one stands in for the second, the one before for the first.

    Raises:
        ActRefused: there are not two of them.
    """
    if len(given) == 2:
        return given[0], given[1]
    order = [digest for _, digest in installation.reader.linked("config")]
    if not order:
        raise ActRefused("no configuration was ever active")
    active = order[-1]
    earlier = [digest for digest in order if digest != active]  # the same text may be activated twice
    if not given and not earlier:
        raise ActRefused("only one configuration was ever active: there is none to compare it with")
    return (given[0] if given else earlier[-1]), active
