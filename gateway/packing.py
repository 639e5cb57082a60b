"""Exporting a pack from a live installation: choose the range, gather, compose, seal, record `pack.exported`."""

import hashlib
import io
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.configuration.load import loaded
from gateway.configuration.model import Configuration
from gateway.days import instant
from gateway.oversight.looking import within
from gateway.oversight.people import Actor, ActRefused, by_name, scope_of
from gateway.oversight.standing import names, systems_at
from gateway.oversight.translating import translation_of
from gateway.state.changes import changes_of
from gateway.state.rows import CONTROL, control_of, scheduled_row
from gateway.store.evidence import LiveEvidence
from gateway.store.installation import Installation
from gateway.store.withholding import PackEvidence
from ledger import bundle, merkle
from ledger import checkpoint as checkpoints
from ledger.canonical import canonicalize
from ledger.checkpoint import Checkpoint
from ledger.disclosure import digest
from ledger.entry import Draft, Entry, b64, decode, format_time, parse_time
from ledger.errors import NoteInvalid
from ledger.ids import new_id
from ledger.pack import SCHEMA, Tally, pack_id, seed_of
from ledger.unit import State, Step, Unit
from reports.pack.calls import Calls
from reports.pack.document import as_html
from reports.pack.examples import Example, worked
from reports.pack.facts import gather
from reports.pack.files import files_of
from reports.pack.pdf import render, require_renderer
from reports.pack.report import Watch, last_day, report_of
from reports.pack.sealing import seal
from reports.texts import ENGLISH
from reports.why.answer import why
from reports.why.words import name_of

MOST_SEED = 200
EXPORTERS = ("compliance", "auditor", "admin")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRequest:
    """What to export. Instants are days of the organisation's time zone (2026-11-01) or RFC 3339."""

    start: str
    end: str
    workflow: str | None = None
    seed: str = ""
    contents: bool = False
    at: str | None = None
    person: str | None = None
    token: str | None = None
    brief: bool = False
    """Two pages for procurement; the bundle inside is the same."""
    actor: Actor | None = None
    """The person, where they are signed in already; else `person`, with `token`."""
    since_head: bytes | None = None
    translation: bytes | None = None
    """A file of `whyledger texts write` with texts filled in."""
    scheduled: str | None = None
    """`month`, `quarter` or `year`, where the schedule asks for it and no person."""


class Spool:
    """Bytes in a nameless file for as long as this object lives: a bundle need not be in memory while pages are set."""

    def __init__(self, data: bytes) -> None:
        self.file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this object
        self.file.write(data)
        self.file.flush()

    def read(self) -> bytes:
        self.file.seek(0)
        return self.file.read()

    def __del__(self) -> None:
        self.file.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """A pack before rendering: what pack.json says, the document, the bundle."""

    said: dict[str, Any]
    html: str
    spool: Spool

    @property
    def bundle(self) -> bytes:
        return self.spool.read()


@dataclass(frozen=True, slots=True, kw_only=True)
class MadePack:
    """A sealed pack and its bundle."""

    pack_id: str
    said: dict[str, Any]
    pdf: bytes
    bundle: bytes
    entries: int
    calls: int
    digest: str


def export(
    installation: Installation, request: PackRequest, keep: Callable[[MadePack], object] = lambda _made: None
) -> MadePack:
    """Make a pack and record that it was made.

    Args:
        keep: called before it is recorded, so that no pack is on record that nobody has.

    Raises:
        PdfUnavailable: no PDF can be rendered here; nothing was exported.
        ActRefused: malformed instants, or the person may not export.
    """
    require_renderer()
    _require_exporter(installation, request)  # before the work, and before anything is written
    made = sealed(installation, compose(installation, request))
    keep(made)
    record(installation, request, made)
    return made


def _require_exporter(installation: Installation, request: PackRequest) -> None:
    actor = _exporter(installation, request)
    if actor is None and request.scheduled is None:
        raise ActRefused("say who exports: a pack names its maker")
    if actor:
        actor.require({actor.row: installation.reader.state(actor.row)}, installation.clock(), *EXPORTERS)
        scope = scope_of(installation, actor)
        if not within(request.workflow, scope):
            raise ActRefused(f"an auditor of {', '.join(sorted(scope or ()))} exports packs of one of these")


def _exporter(installation: Installation, request: PackRequest) -> Actor | None:
    if request.actor or not request.person:
        return request.actor
    return by_name(installation, request.person, request.token)


def sealed(installation: Installation, composed: Composed) -> MadePack:
    """Render and seal a composed pack.

    Raises:
        PdfUnavailable: no PDF can be rendered here.
    """
    said = composed.said
    identifier = hashlib.sha256(str(said["pack"]).encode()).digest()[:16]
    rendered = render(composed.html, composed.spool.file, at=parse_time(said["at"]), identifier=identifier)
    pdf = seal(rendered, installation.seal_key)
    return MadePack(
        pack_id=said["pack"], said=said, pdf=pdf, bundle=composed.bundle, entries=said["counts"]["entries"],
        calls=said["counts"]["opened"], digest=hashlib.sha256(pdf).hexdigest(),
    )  # fmt: skip


def compose(installation: Installation, request: PackRequest) -> Composed:
    """Gather what a pack says: its bundle, and its document as HTML. Writes a checkpoint, and `period.ended` if due."""
    configuration = _configuration(installation)
    zone = configuration.organisation.time_zone if configuration else "UTC"
    scope = _scope(installation, request, zone)
    _end_period(installation, scope["to"])
    reader = installation.reader
    installation.checkpointer.sign(now=True)
    signed = str(reader.state("checkpoint")["note"]).encode()
    head = checkpoints.verified(signed, [installation.signer.vkey])
    at = _made_at(installation, request.at, head.size, zone)
    low, high = (reader.first_at_or_after(scope[edge], head.size) for edge in ("from", "to"))
    tally, lines, table = Tally(request.workflow), io.BytesIO(), io.StringIO()
    watch = Watch(request.workflow, systems_at(installation, high, last_day(scope["to"], at, zone), request.workflow))
    seed = seed_of(request.seed, head)

    def walked() -> Iterator[Entry]:
        """Read the range once, an entry at a time: decoded it is many times as large as its bytes."""
        for data in reader.raw(low, high):
            lines.write(data + b"\n")
            entry = decode(data)
            tally.see(entry)
            yield entry

    evidence = PackEvidence(LiveEvidence(installation), contents=request.contents, zone=zone)
    exporter = _exporter(installation, request)
    maker = name_of(exporter.pseudonym, evidence) if exporter else "the schedule" if request.scheduled else ""
    facts = gather(
        walked(), request.workflow, evidence, calls=Calls(seed, table.write, zone), also=[watch], zone=zone
    )  # fmt: skip
    report = report_of(watch, evidence, end=scope["to"], made=at, zone=zone)
    said: dict[str, Any] = {
        "schema": SCHEMA, "catalogue": SCHEMA, "log": head.origin, "size": head.size, "range": [low, high],
        "scope": scope, "seed": request.seed, "at": at, "contents": request.contents, "counts": tally.counts(),
        "examples": tally.examples(seed),
        "pack": pack_id(head, scope, at=at, seed=request.seed, contents=request.contents),
    }  # fmt: skip
    examples = [_example(call, evidence) for call in said["examples"]]
    made = files_of(said, facts, report, table.getvalue(), evidence.lacking())
    said["report"] = {name: b64(hashlib.sha256(one).digest()) for name, one in made.items()}
    archive = Spool(_archive(installation, said, signed, head, lines.getvalue(), evidence, request.since_head, made))
    html = as_html(
        said, facts, report, examples, organisation=_organisation(configuration), vkey=installation.signer.vkey,
        certificate=installation.seal_key.digest, unopened=evidence.lacking(), brief=request.brief, maker=maker,
        translation=translation_of(request.translation, evidence) if request.translation else ENGLISH,
    )  # fmt: skip
    return Composed(said=said, html=html, spool=archive)


def _scope(installation: Installation, request: PackRequest, zone: str) -> dict[str, Any]:
    """Return the scope. A workflow that nobody registered is refused: a mistyped name would give a sealed zero."""
    start, end, workflow = _instant(request.start, zone), _instant(request.end, zone), request.workflow
    if start > end:
        raise ActRefused("the period ends before it begins")
    if len(request.seed) > MOST_SEED:
        raise ActRefused(f"a seed has at most {MOST_SEED} characters")
    known = names(installation)
    if workflow is not None and workflow not in known:
        raise ActRefused(f"no workflow {workflow} is on record; there are {', '.join(known) or 'none yet'}")
    return {"from": start, "to": end, "workflow": workflow, "zone": zone}


def _end_period(installation: Installation, to: str) -> None:
    """Put an entry after a period that is over, where there is none: without it nothing shows that it was over."""
    head = installation.reader.head()
    if head.at >= to or format_time(installation.clock()) < to:
        return

    def run(_state: State, at: datetime) -> Step:
        if format_time(at) < to:  # by the clock of the database it is not over
            return Step()
        return Step(drafts=[Draft(id=new_id("ent", at), kind="period.ended", facts={"to": to})])

    installation.log.append(Unit(keys=lambda _at: (), run=run))


def _made_at(installation: Installation, stated: str | None, size: int, zone: str) -> str:
    """Return the instant that the pack states for itself: never before its last entry."""
    last = installation.reader.entry(size - 1).at if size else ""
    if stated is None:
        return max(format_time(installation.clock()), last)
    at = _instant(stated, zone)
    if at < last:
        raise ActRefused(f"a pack cannot be made at {at}, before the last entry of its log ({last})")
    return at


def _instant(text: str, zone: str) -> str:
    try:
        return instant(text, zone)
    except ValueError as error:
        raise ActRefused(str(error)) from None


def _configuration(installation: Installation) -> Configuration | None:
    control = control_of({CONTROL: installation.reader.state(CONTROL)})
    text = installation.vault.text(control["config"]) if control["config"] else None
    return loaded(text) if text else None


def _organisation(configuration: Configuration | None) -> str:
    return configuration.organisation.name if configuration else "not named"


def _example(call: str, evidence: PackEvidence) -> Example:
    found = evidence.find("call", call)
    return worked(why(call, "call", found, evidence), found, evidence)


def _archive(
    installation: Installation, said: dict[str, Any], signed: bytes, head: Checkpoint, entries: bytes,
    evidence: PackEvidence, since_head: bytes | None, tables: Mapping[str, bytes],
) -> bytes:  # fmt: skip
    reader = installation.reader
    low, high = said["range"]
    before, after = merkle.range_cover(head.size, low, high)
    proof = bundle.Range(
        low, high, head.size,
        tuple(reader.tree.subtree(*span) for span in before), tuple(reader.tree.subtree(*span) for span in after),
    )  # fmt: skip
    bindings = [seq for seq in reader.find("signer", "log") if seq < head.size]
    if not bindings:  # of an early build, whose first entry is not linked
        bindings = [next(seq for seq in range(head.size) if reader.entry(seq).kind == "signer.added")]
    fences = {low - 1, high}  # the neighbours show that the range is that of the period
    outside = sorted(seq for seq in {*bindings, *fences, *evidence.quoted} if seq >= 0 and not low <= seq < high)
    context = [
        bundle.Context(next(reader.raw(seq, seq + 1)), merkle.inclusion_path(reader.tree.subtree, head.size, seq))
        for seq in outside
        if seq < head.size
    ]
    files = {
        "checkpoint": signed,
        "context.jsonl": b"".join(one.line() for one in context),
        "disclosures.jsonl": _disclosures(installation, evidence, head.size),
        "entries.jsonl": entries,
        "pack.json": canonicalize(said),
        "range": proof.text(),
        "seal.der": installation.seal_key.certificate_der,
        **tables,
    }
    if since_head:
        files["consistency"] = _consistency(installation, since_head, head)
    return bundle.write(files)


def _disclosures(installation: Installation, evidence: PackEvidence, size: int) -> bytes:
    lines = []
    for (seq, name), entry in sorted(evidence.opened.items()):
        if seq >= size:
            continue
        sealed = installation.reader.contents(seq)
        disclosure = installation.vault.unseal(sealed, entry_id=entry.id)[name] if sealed else ""
        if digest(disclosure) != entry.c[name]:
            raise ActRefused(f"the content {name} of entry {seq} does not match its commitment")
        lines.append(canonicalize({"disclosure": disclosure, "name": name, "seq": seq}) + b"\n")
    return b"".join(lines)


def _consistency(installation: Installation, since_head: bytes, head: Checkpoint) -> bytes:
    try:
        old = checkpoints.verified(since_head, [installation.signer.vkey])
    except NoteInvalid as error:
        raise ActRefused(f"the given head is not of this log: {error}") from error
    if not 0 < old.size <= head.size:
        raise ActRefused(f"the given head has {old.size} entries, the log {head.size}")
    proof = merkle.consistency_path(installation.reader.tree.subtree, old.size, head.size)
    return bundle.consistency_text(old.size, head.size, proof)


def record(installation: Installation, request: PackRequest, made: MadePack) -> None:
    """Record `pack.exported`, by the person of the request if there is one."""
    actor = _exporter(installation, request)
    said = made.said
    facts = {
        "pack_ref": made.pack_id, "range": said["range"], "size": said["size"], "contents": said["contents"],
        "scope": {"from": said["scope"]["from"], "to": said["scope"]["to"]},
    }  # fmt: skip
    if actor:
        facts["assurance"] = actor.assurance
    if request.scheduled:
        facts |= {"scheduled": request.scheduled, "brief": request.brief}
    refs = {
        "pdf": b64(hashlib.sha256(made.pdf).digest()),
        "bundle": b64(hashlib.sha256(made.bundle).digest()),
    }

    def run(state: State, at: datetime) -> Step:
        if actor:
            actor.require(state, at, *EXPORTERS)
        draft = Draft(
            id=new_id("ent", at), kind="pack.exported", workflow=said["scope"]["workflow"],
            act=actor.pseudonym if actor else None, facts=facts, refs=refs,
        )  # fmt: skip
        changes = changes_of(draft, state)
        if changes.keys() & state.keys():
            raise ActRefused("another process has made this pack of the schedule")
        return Step(drafts=[draft], changes=changes)

    keys = [actor.row] if actor else []
    if request.scheduled:
        start = said["scope"]["from"]
        keys.append(scheduled_row(request.scheduled, request.workflow, start, brief=request.brief))
    installation.log.append(Unit(keys=lambda _at: keys, run=run))
