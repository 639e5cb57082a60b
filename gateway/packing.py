"""Exporting a pack from a live installation: choose the range, gather, compose, seal, record `pack.exported`."""

import hashlib
import io
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.configuration.load import load
from gateway.configuration.model import Configuration
from gateway.oversight.people import Actor, ActRefused, by_name
from gateway.oversight.standing import names, systems_at
from gateway.state import CONTROL, control_of
from gateway.store.evidence import LiveEvidence
from gateway.store.installation import Installation
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
from reports.pack.pdf import render, require_renderer
from reports.pack.report import Report, Watch, last_day, report_of, tables
from reports.pack.sealing import seal
from reports.ports import Content, Integrity
from reports.why.answer import why

OPENED_ALWAYS = frozenset({"name", "reason", "words"})
"""Statements of named people about their own acts; all other contents are withheld unless asked for."""
MOST_SEED = 200
EXPORTERS = ("compliance", "auditor", "admin")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRequest:
    """What to export. Instants are days (2026-11-01) or RFC 3339 in UTC."""

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


class PackEvidence:
    """Evidence that withholds what a pack does not open, and remembers what it did open and quote."""

    def __init__(self, live: LiveEvidence, *, contents: bool) -> None:
        self._live, self._contents = live, contents
        self.opened: dict[tuple[int, str], Entry] = {}
        self.unopened: dict[tuple[int, str], str] = {}
        self.quoted: dict[int, Entry] = {}

    def size(self) -> int:
        return self._live.size()

    def find(self, kind: str, value: str) -> list[Entry]:
        return self._live.find(kind, value)

    def find_each(self, kind: str, values: Iterable[str]) -> Mapping[str, list[Entry]]:
        return self._live.find_each(kind, values)

    def first(self, kind: str, value: str) -> Entry | None:
        return self._live.first(kind, value)

    def count(self, kind: str, value: str, *, since: str, last: int) -> int:
        return self._live.count(kind, value, since=since, last=last)

    def content(self, entry: Entry, name: str) -> Content:
        if name not in OPENED_ALWAYS and not self._contents:
            found = Content(None, "withheld")
        else:
            found = self._live.content(entry, name)
        if found.missing is None:
            self.opened[entry.seq, name] = entry
            self.quoted[entry.seq] = entry
        else:
            self.unopened[entry.seq, name] = found.missing
        return found

    def lacking(self) -> list[dict[str, Any]]:
        """List what this pack would quote and does not have, and why, in the order of the log."""
        return [{"seq": seq, "name": name, "why": why} for (seq, name), why in sorted(self.unopened.items())]

    def integrity(self, entries: Sequence[Entry]) -> Integrity:
        self.quoted |= {entry.seq: entry for entry in entries}
        return self._live.integrity(entries)


def export(installation: Installation, request: PackRequest) -> MadePack:
    """Make a pack and record that it was made.

    Raises:
        PdfUnavailable: no PDF can be rendered here; nothing was exported.
        ActRefused: malformed instants, or the person may not export.
    """
    require_renderer()
    _require_exporter(installation, request)  # before the work, and before anything is written
    made = sealed(installation, compose(installation, request))
    record(installation, request, made)
    return made


def _require_exporter(installation: Installation, request: PackRequest) -> None:
    if actor := _exporter(installation, request):
        actor.require({actor.row: installation.reader.state(actor.row)}, *EXPORTERS)


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
    scope: dict[str, Any] = {"from": _instant(request.start), "to": _instant(request.end), "workflow": request.workflow}
    if scope["from"] > scope["to"]:
        raise ActRefused("the period ends before it begins")
    if len(request.seed) > MOST_SEED:
        raise ActRefused(f"a seed has at most {MOST_SEED} characters")
    _require_known(installation, request.workflow)
    _end_period(installation, scope["to"])
    reader = installation.reader
    installation.checkpointer.sign(now=True)
    signed = str(reader.state("checkpoint")["note"]).encode()
    head = checkpoints.verified(signed, [installation.signer.vkey])
    at = _made_at(installation, request.at, head.size)
    low, high = (reader.first_at_or_after(scope[edge], head.size) for edge in ("from", "to"))
    tally, lines, table = Tally(request.workflow), io.BytesIO(), io.StringIO()
    configuration = _configuration(installation)
    watch = Watch(request.workflow, systems_at(installation, high, last_day(scope["to"], at), request.workflow))
    seed = seed_of(request.seed, head)

    def walked() -> Iterator[Entry]:
        """Read the range once, an entry at a time: decoded it is many times as large as its bytes."""
        for data in reader.raw(low, high):
            lines.write(data + b"\n")
            entry = decode(data)
            tally.see(entry)
            yield entry

    evidence = PackEvidence(LiveEvidence(installation), contents=request.contents)
    facts = gather(
        walked(), request.workflow, evidence, calls=Calls(seed, table.write), also=[watch]
    )  # fmt: skip
    report = report_of(watch, evidence, end=scope["to"], made=at)
    said: dict[str, Any] = {
        "schema": SCHEMA, "catalogue": SCHEMA, "log": head.origin, "size": head.size, "range": [low, high],
        "scope": scope, "seed": request.seed, "at": at, "contents": request.contents, "counts": tally.counts(),
        "examples": tally.examples(seed),
        "pack": pack_id(head, scope, at=at, seed=request.seed, contents=request.contents),
    }  # fmt: skip
    examples = [_example(call, evidence) for call in said["examples"]]
    made = tables_of(report, table.getvalue(), evidence.lacking())
    said["report"] = {name: b64(hashlib.sha256(one).digest()) for name, one in made.items()}
    archive = Spool(_archive(installation, said, signed, head, lines.getvalue(), evidence, request.since_head, made))
    html = as_html(
        said, facts, report, examples, organisation=_organisation(configuration), vkey=installation.signer.vkey,
        certificate=installation.seal_key.digest, unopened=evidence.lacking(), brief=request.brief,
    )  # fmt: skip
    return Composed(said=said, html=html, spool=archive)


def _require_known(installation: Installation, workflow: str | None) -> None:
    """Refuse a workflow that nobody registered: a mistyped name would give a sealed zero."""
    known = names(installation)
    if workflow is not None and workflow not in known:
        raise ActRefused(f"no workflow {workflow} is on record; there are {', '.join(known) or 'none yet'}")


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


def _made_at(installation: Installation, stated: str | None, size: int) -> str:
    """Return the instant that the pack states for itself: never before its last entry."""
    last = installation.reader.entry(size - 1).at if size else ""
    if stated is None:
        return max(format_time(installation.clock()), last)
    at = _instant(stated)
    if at < last:
        raise ActRefused(f"a pack cannot be made at {at}, before the last entry of its log ({last})")
    return at


def _instant(text: str) -> str:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ActRefused(
            f"{text!r} is neither a day like 2026-11-01 nor an instant like 2026-11-01T09:00:00Z"
        ) from None
    return format_time(found.replace(tzinfo=UTC) if found.tzinfo is None else found)


def _configuration(installation: Installation) -> Configuration | None:
    control = control_of({CONTROL: installation.reader.state(CONTROL)})
    text = installation.vault.text(control["config"]) if control["config"] else None
    return load(text) if text else None


def _organisation(configuration: Configuration | None) -> str:
    return configuration.organisation.name if configuration else "not named"


def tables_of(report: Report, calls: str, withheld: list[dict[str, Any]]) -> dict[str, bytes]:
    """Return the tables of the report as files of the bundle."""
    told = tables(report) | {"withheld": withheld}
    found = {f"report/{name}.json": canonicalize(value) + b"\n" for name, value in told.items()}
    return found | {"report/calls.csv": calls.encode()}


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
    refs = {
        "pdf": b64(hashlib.sha256(made.pdf).digest()),
        "bundle": b64(hashlib.sha256(made.bundle).digest()),
    }

    def run(state: State, at: datetime) -> Step:
        if actor:
            actor.require(state, *EXPORTERS)
        draft = Draft(
            id=new_id("ent", at), kind="pack.exported", workflow=said["scope"]["workflow"],
            act=actor.pseudonym if actor else None, facts=facts, refs=refs,
        )  # fmt: skip
        return Step(drafts=[draft])

    installation.log.append(Unit(keys=lambda _at: (actor.row,) if actor else (), run=run))
