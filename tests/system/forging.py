"""Packs made from nothing, so that exactly one rule of docs/formats can be broken and everything else fits again.

A `Draft` is a small log and what is said about it. `bundle` chains, hashes, signs and states it; `paper` lays the bundle
into a PDF and seals it. Nothing here is the product's: only the second verifier's primitives, and keys of its own.
"""

import base64
import io
import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from second_pdf import rebuilt_cms
from second_verifier import FILES, descend, form, perfect, root, sha, url

ORIGIN = "ledger.example/mutants"
FROM, TO, EXPORTED = (f"2026-{day}T00:00:00.000000Z" for day in ("02-28", "04-01", "05-01"))
ROOM = 6000
"""Hexadecimal digits left for the seal."""


def plain64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


class LogKey:
    """A key that signs notes."""

    def __init__(self, number: int, name: str = ORIGIN) -> None:
        self.private, self.name = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32), name
        packed = b"\x01" + self.private.public_key().public_bytes_raw()
        self.key_id = sha(name.encode() + b"\n" + packed)[:4]
        self.vkey = f"{name}+{self.key_id.hex()}+{plain64(packed)}"

    def line(self, text: bytes) -> str:
        return f"\u2014 {self.name} {plain64(self.key_id + self.private.sign(text))}\n"

    def note(self, size: int, head: bytes) -> bytes:
        text = f"{self.name}\n{size}\n{plain64(head)}\n"
        return (text + "\n" + self.line(text.encode())).encode()


class SealKey:
    """A key that seals, and its certificate."""

    def __init__(self, number: int, curve: ec.EllipticCurve | None = None) -> None:
        self.private = ec.derive_private_key(number, curve or ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"Seal {number}")])
        made = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(number)
        made = made.not_valid_before(datetime(2020, 1, 1, tzinfo=UTC)).not_valid_after(datetime(2021, 1, 1, tzinfo=UTC))
        self.certificate = made.public_key(self.private.public_key()).sign(self.private, hashes.SHA256())
        self.der = self.certificate.public_bytes(Encoding.DER)
        self.digest = url(sha(self.der))


@cache
def log_key(number: int, name: str = ORIGIN) -> LogKey:
    return LogKey(number, name)


@cache
def seal_key(number: int) -> SealKey:
    return SealKey(number)


def call(number: int) -> str:
    return f"call_0190a0a0-0000-7000-8000-{number:012x}"


def entry(number: int, at: str, kind: str, **more: Any) -> dict[str, Any]:
    """An entry that its log will number and chain."""
    absent: dict[str, Any] = dict.fromkeys(("call", "task", "workflow", "sub", "act"))
    rest = {"id": f"ent_0190a0a0-0000-7000-8000-{number:012x}", "facts": {}, "refs": {}, "c": {}}
    return {"v": 1, "log": ORIGIN, "at": at, "kind": kind} | absent | rest | more


def binding(key: LogKey, seal: SealKey, **more: Any) -> dict[str, Any]:
    return {"vkey": key.vkey, "seal_certificate": seal.digest, "custody": "file"} | more


def first_log() -> list[dict[str, Any]]:
    """Twenty entries; 7 to 17 lie in the period, 18 ends it."""
    agent, person = {"workflow": "agent"}, "person.AAAAAAAAAAAAAAAAAAAAAA"
    opened, closed, override = "call.opened", "call.closed", "override.recorded"
    said: list[tuple[str, str, dict[str, Any]]] = [
        ("02-01T00:00:00", "signer.added", {"facts": binding(log_key(1), seal_key(1))}),
        *((f"02-01T00:00:0{i}", "person.enrolled", {"act": person}) for i in (1, 2, 3)),
        ("02-01T00:00:04", "config.activated", {"act": person, "refs": {"config": url(sha(b"config"))}}),
        ("02-01T00:00:05", "workflow.registered", {}),
        ("02-01T00:00:06", "workflow.released", {"act": person}),
        ("02-28T22:00:00", opened, {"call": call(1), "task": "task.AAAAAAAAAAAAAAAAAAAAAA"} | agent),
        ("02-28T22:00:01", closed, {"call": call(1), "facts": {"cost_nano_eur": 100}} | agent),
        ("02-28T22:00:02", opened, {"call": call(2)} | agent),
        ("02-28T22:00:03", override, {"call": call(1), "act": person, "facts": {"action": "approve"}} | agent),
        ("02-28T22:00:04", closed, {"call": call(2), "facts": {"cost_nano_eur": 7, "cost_state": "upper_bound"}} | agent),
        ("02-28T22:00:05", "call.refused", {"call": call(3), "facts": {"reason_ref": "stopped"}}),
        ("03-01T10:00:00", override, {"call": call(2), "act": person, "facts": {"action": "reverse"}}),
        ("03-01T10:00:01", opened, {"call": call(4), "workflow": "other"}),
        ("03-01T10:00:02", "call.interrupted", {"call": call(4), "facts": {"cost_nano_eur": 9}, "workflow": "other"}),
        ("03-01T10:00:03", opened, {"call": call(5)}),
        ("03-01T10:00:04", "stop.engaged", {"act": person, "facts": {"scope": "all"}}),
        ("04-01T00:00:05", "period.ended", {"facts": {"to": TO}}),
        ("04-02T00:00:00", "gateway.stopped", {}),
    ]  # fmt: skip
    return [entry(i, f"2026-{at}.000000Z", kind, **more) for i, (at, kind, more) in enumerate(said)]


@dataclass
class Draft:
    """What goes into a pack. Change it, then build."""

    log: list[dict[str, Any]] = field(default_factory=first_log)
    quoted: set[int] = field(default_factory=lambda: {0, 1})
    neighbours: bool = True
    cut: tuple[int, int] | None = None
    since: int | None = None
    signing: list[LogKey] = field(default_factory=lambda: [log_key(1)])
    seal: SealKey = field(default_factory=lambda: seal_key(1))
    said: dict[str, Any] = field(default_factory=dict)
    scope: dict[str, Any] = field(default_factory=lambda: {"from": FROM, "to": TO, "workflow": None})
    contents: dict[tuple[int, str], bytes] = field(default_factory=dict)
    on_line: dict[int, Callable[[bytes], bytes]] = field(default_factory=dict)
    on_pack: list[Callable[[dict[str, Any]], Any]] = field(default_factory=list)
    on_note: list[Callable[[bytes], bytes]] = field(default_factory=list)
    on_file: list[tuple[str, Callable[[bytes], bytes]]] = field(default_factory=list)
    on_archive: list[Callable[[bytes], bytes]] = field(default_factory=list)
    on_paper: list[Callable[["Paper"], Any]] = field(default_factory=list)
    on_sealed: list[Callable[[bytes], bytes]] = field(default_factory=list)
    on_cms: list[Callable[[bytes], bytes]] = field(default_factory=list)
    sealing: SealKey | None = None

    def __post_init__(self) -> None:
        for seq, name, value in ((1, "name", "Ada"), (4, "reason", "first"), (13, "reason", "refunds need finance")):
            self.contents[seq, name] = disclosed(name, value)

    def lines(self) -> list[bytes]:
        """The entries as they are hashed."""
        made: list[bytes] = []
        before = sha(b"")
        for seq, value in enumerate(self.log):
            commitments = {n: url(sha(url(array).encode())) for (s, n), array in self.contents.items() if s == seq}
            line = lenient(value | {"seq": seq, "prev": url(before), "c": commitments | value["c"]})
            made.append(self.on_line.get(seq, bytes)(line))
            before = sha(b"\x00" + made[-1])
        return made

    def range(self) -> tuple[int, int]:
        places = [i for i, one in enumerate(self.log) if one["at"] >= self.scope["from"]] + [len(self.log)]
        ends = [i for i, one in enumerate(self.log) if one["at"] >= self.scope["to"]] + [len(self.log)]
        return self.cut or (places[0], ends[0])

    def known(self, n: int) -> dict[tuple[int, int], bytes]:
        return {(i, i + 1): sha(b"\x00" + line) for i, line in enumerate(self.lines()[:n])} | {(0, 0): sha(b"")}

    def head(self, size: int, key: LogKey | None = None) -> bytes:
        """The head of so many entries, signed: what an auditor may hold."""
        return (key or self.signing[0]).note(size, root(0, size, self.known(size)))

    def files(self) -> dict[str, bytes]:
        lines, (a, b) = self.lines(), self.range()
        n, known = len(lines), self.known(len(lines))
        note = self.signing[0].note(n, root(0, n, known))
        text = note[: note.index(b"\n\n") + 1]
        for key in self.signing[1:]:
            note += key.line(text).encode()
        for change in self.on_note:
            note = change(note)
        sides = [
            "".join(plain64(root(*span, known)) + "\n" for span in part) for part in (perfect(0, a), perfect(b, n))
        ]
        quoted = self.quoted | ({a - 1, b} if self.neighbours else set())
        context = sorted(seq for seq in quoted if 0 <= seq < n and not a <= seq < b)
        paths = {seq: [plain64(root(*span, known)) for span in descend(n, seq, 0)[1:]] for seq in context}
        opened = sorted(place for place in self.contents if a <= place[0] < b or place[0] in context)
        found = {
            "checkpoint": note,
            "context.jsonl": joined(form({"entry": lines[seq].decode(), "path": paths[seq]}) for seq in context),
            "disclosures.jsonl": joined(
                form({"disclosure": url(self.contents[seq, name]), "name": name, "seq": seq}) for seq, name in opened
            ),
            "entries.jsonl": joined(lines[a:b]),
            "pack.json": lenient(self.stated(a, b, n, text, known)),
            "range": f"range {a} {b} {n}\n{sides[0]}\n{sides[1]}".encode(),
            "seal.der": self.seal.der,
        }
        if self.since is not None:
            spans = descend(n, self.since - 1, self.since)
            proof = "".join(plain64(root(*span, known)) + "\n" for span in spans if span != (0, self.since))
            found["consistency"] = f"consistency {self.since} {n}\n{proof}".encode()
        for name, turn in self.on_file:
            found[name] = turn(found.get(name, b""))
        return found

    def stated(self, a: int, b: int, n: int, text: bytes, known: dict[tuple[int, int], bytes]) -> dict[str, Any]:
        """pack.json, with the id of whatever it says."""
        entries, workflow = self.log[a:b], self.scope.get("workflow")
        chosen = [one for one in entries if workflow in (None, one["workflow"])]
        calls = {one["call"] for one in chosen if one["kind"] in ("call.opened", "call.refused")} - {None}
        seed = self.said.get("seed", "seed of the auditor") or url(root(0, n, known))
        pack = {
            "schema": "whyledger.pack/1", "log": ORIGIN, "size": n, "range": [a, b], "scope": self.scope,
            "seed": "seed of the auditor", "catalogue": "whyledger.pack/1", "at": EXPORTED, "contents": False,
            "counts": counted(entries, chosen),
            "examples": sorted(calls, key=lambda one: sha(f"{seed}\n{one}".encode()))[:3],
        }  # fmt: skip
        pack |= self.said
        for change in self.on_pack:
            change(pack)
        identity = {name: pack.get(name) for name in ("at", "catalogue", "contents", "scope", "seed")}
        return {"pack": url(sha(lenient(identity | {"checkpoint": url(sha(text))})))} | pack

    def bundle(self) -> bytes:
        return self._finish(archived(self.files()))

    def _finish(self, archive: bytes) -> bytes:
        for change in self.on_archive:
            archive = change(archive)
        return archive

    def paper(self) -> bytes:
        """The sealed PDF."""
        made = Paper(self.bundle())
        for change in self.on_paper:
            change(made)
        data = sealed(made.write(), self.sealing or self.seal, self.on_cms)
        for turn in self.on_sealed:
            data = turn(data)
        return data


def counted(entries: list[dict[str, Any]], chosen: list[dict[str, Any]]) -> dict[str, Any]:
    kinds = Counter(one["kind"] for one in chosen)
    ends = [one for one in chosen if one["kind"] in ("call.closed", "call.interrupted")]
    costs = [one["facts"].get("cost_nano_eur") for one in ends]
    acts = [one["facts"].get("action") for one in chosen if one["kind"] == "override.recorded"]
    acts += [one["facts"].get("decision") for one in chosen if one["kind"] == "approval.decided"]
    approvals = acts.count("approve")
    return {
        "entries": len(entries), "kinds": dict(Counter(one["kind"] for one in entries)),
        "opened": kinds["call.opened"], "closed": kinds["call.closed"], "refused": kinds["call.refused"],
        "interrupted": kinds["call.interrupted"], "approvals": approvals,
        "overrides": len(acts) - approvals, "stops": kinds["stop.engaged"],
        "cost_nano_eur": sum(cost for cost in costs if type(cost) is int),
        "upper_bound": sum(one["facts"].get("cost_state") == "upper_bound" for one in ends),
        "open_at_end": len(
            {one["call"] for one in chosen if one["kind"] == "call.opened"} - {one["call"] for one in ends} - {None}
        ),
    }  # fmt: skip


def disclosed(name: str, value: Any, salt: bytes = b"s" * 32) -> bytes:
    """The array of a disclosure; its base64url is what the entry commits to."""
    return json.dumps([url(salt), name, value]).encode()


def lenient(value: Any) -> bytes:
    """As the canonical form, floats too."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def joined(parts: Any) -> bytes:
    return b"".join(part + b"\n" for part in parts)


def archived(files: dict[str, bytes], order: list[str] | None = None) -> bytes:
    """The canonical archive, by the standard library."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for name in order or [name for name in FILES if name in files]:
            about = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            about.create_system = 0
            made.writestr(about, files[name])
    data = bytearray(stream.getvalue())
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as made:
        at = made.start_dir
    while data[at : at + 4] == b"PK\x01\x02":  # the library writes 0o600 into the external attributes
        data[at + 38 : at + 42] = bytes(4)
        at += 46 + int.from_bytes(data[at + 28 : at + 30], "little")
    return bytes(data)


def stream(about: bytes, body: bytes, *, packed: bool = True) -> bytes:
    """A stream object; `about` is what its dictionary holds besides filter and length."""
    body = zlib.compress(body) if packed else body
    head = about + (b" /Filter /FlateDecode" if packed else b"") + b" /Length %d" % len(body)
    return b"<< " + head + b" >>\nstream\n" + body + b"\nendstream"


Row = tuple[int, int, int, int]
"""Number, type and the two fields of an entry of a cross reference."""


@dataclass
class Revision:
    """Objects that stand in the file, objects in one object stream, and the cross references to them."""

    objects: dict[int, bytes] = field(default_factory=dict)
    packed: dict[int, bytes] = field(default_factory=dict)
    unlisted: dict[int, bytes] = field(default_factory=dict)
    holder: int = 20
    holder_about: bytes = b"/Type /ObjStm"
    about: bytes = b""
    generation: dict[int, int] = field(default_factory=dict)
    rows: Callable[[list[Row]], list[Row]] = staticmethod(lambda rows: rows)
    xref: Callable[["Revision", list[Row], int, int | None], bytes] | None = None

    def cross_references(self, rows: list[Row], own: int, previous: int | None) -> bytes:
        if self.xref:
            return self.xref(self, rows, own, previous)
        body = b"".join(bytes([kind]) + one.to_bytes(4) + two.to_bytes(2) for _, kind, one, two in rows)
        index = b" ".join(b"%d 1" % row[0] for row in rows)
        about = b"/Type /XRef /W [1 4 2] /Size 100 /Root 1 0 R /Index [%s]" % index + self.about
        about += b"" if previous is None else b" /Prev %d" % previous
        return b"%d 0 obj\n" % own + stream(about, body) + b"\nendobj\n"


class Paper:
    """A PDF of one page with a bundle attached, before it is sealed."""

    def __init__(self, bundle: bytes) -> None:
        self.bundle = bundle
        self.first = Revision(
            objects={
                1: b"<< /Type /Catalog /Pages 2 0 R /Names << /EmbeddedFiles 5 0 R >> /AF [6 0 R] "
                b"/AcroForm << /Fields [8 0 R] /SigFlags 3 >> >>",
                4: stream(b"", b"BT ET"),
                7: stream(b"/Type /EmbeddedFile /Subtype /application#2fzip", bundle),
                8: b"<< /Type /Annot /Subtype /Widget /FT /Sig /T (Seal) /Rect [0 0 0 0] /V 9 0 R >>",
                9: b"<< /Type /Sig /Filter /Adobe.PPKLite /SubFilter /ETSI.CAdES.detached /Contents <%s>\n"
                b"/ByteRange [0 %s] >>" % (b"0" * ROOM, b"*" * 30),
            },
            packed={
                2: b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
                3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R /Annots [8 0 R] >>",
                5: b"<< /Names [(bundle.zip) 6 0 R] >>",
                6: b"<< /Type /Filespec /F (bundle.zip) /UF (bundle.zip) /EF << /F 7 0 R /UF 7 0 R >> >>",
            },
        )
        self.revisions = [self.first]
        self.own = 30
        self.end = b"%%EOF\n"
        self.begin = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
        self.start: Callable[[int], int] = lambda offset: offset

    def write(self) -> bytes:
        data, previous = self.begin, None
        for count, revision in enumerate(self.revisions):
            rows: list[Row] = [(0, 0, 0, 65535)] if count == 0 else []
            objects = dict(revision.objects)
            if revision.packed:
                held = revision.packed | revision.unlisted
                offsets, body = b"", b""
                for number, value in held.items():
                    offsets, body = offsets + b"%d %d " % (number, len(body)), body + value + b" "
                about = revision.holder_about + b" /N %d /First %d" % (len(held), len(offsets))
                objects[revision.holder] = stream(about, offsets + body)
                rows += [(number, 2, revision.holder, index) for index, number in enumerate(revision.packed)]
            for number, value in objects.items():
                generation = revision.generation.get(number, 0)
                rows.append((number, 1, len(data), generation))
                data += b"%d %d obj\n" % (number, generation) + value + b"\nendobj\n"
            own = self.own + count
            rows.append((own, 1, len(data), 0))
            here = len(data)
            data += revision.cross_references(revision.rows(sorted(rows)), own, previous)
            last = count == len(self.revisions) - 1
            data += b"startxref\n%d\n" % (self.start(here) if last else here) + (self.end if last else b"%%EOF\n")
            previous = here
        return data


def sealed(data: bytes, key: SealKey, changes: list[Callable[[bytes], bytes]] | None = None) -> bytes:
    """Fill in the byte range and the seal."""
    at = data.find(b"<" + b"0" * ROOM + b">")
    if at < 0:
        return data
    after = at + ROOM + 2
    numbers = b"%d %d %d]" % (at, after, len(data) - after)
    data = data.replace(b"*" * 30 + b"]", numbers.ljust(31))
    signed = data[:at] + data[after:]
    cms, attributes = rebuilt_cms(key.certificate, key.der, signed, b"")
    signature = key.private.sign(attributes, ec.ECDSA(hashes.SHA256()))
    cms, _ = rebuilt_cms(key.certificate, key.der, signed, signature)
    for change in changes or ():
        cms = change(cms)
    return data[: at + 1] + cms.hex().upper().encode().ljust(ROOM, b"0") + data[after - 1 :]
