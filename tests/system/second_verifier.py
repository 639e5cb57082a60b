"""A second verifier, written from docs/formats alone (entry.md, checkpoint.md, bundle.md).

It shares no code with the first one. `verify` returns None when a pack (PDF) or a bundle (ZIP) holds at level L1 under
the pinned keys, and raises `Refused` otherwise. A held head that contradicts the log is a refusal; one that the bundle
gives no means to compare (a later one, or an earlier one without its proof) is not checked: that is level L2, not L1.
"""

import base64
import hashlib
import io
import json
import re
import struct
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import Any

import rfc8785
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FILES = [
    "checkpoint",
    "consistency",
    "context.jsonl",
    "disclosures.jsonl",
    "entries.jsonl",
    "pack.json",
    "range",
    "seal.der",
]
ENTRY = {"v", "log", "seq", "prev", "id", "at", "kind", "call", "task", "workflow", "sub", "act", "facts", "refs", "c"}
PACK = {"schema", "pack", "log", "size", "range", "scope", "seed", "catalogue", "at", "contents", "counts", "examples"}
UUID7 = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
PSEUDONYM = r"[a-z_]+\.[A-Za-z0-9_-]{21}[AQgw]"  # base64url of 16 bytes: the last character carries two bits
FORMS = {
    "id": f"ent_{UUID7}",
    "kind": r"[a-z_]+\.[a-z_]+",
    "call": f"call_{UUID7}",
    "workflow": "(?s:.*)",
    "task": PSEUDONYM,
    "sub": PSEUDONYM,
    "act": PSEUDONYM,
}
LIMIT = 1 << 30
Known = dict[tuple[int, int], bytes]  # the root hash of the leaves from the first number to before the second


class Refused(Exception):
    """The pack does not hold; the text says why."""


def need(condition: bool, reason: str) -> None:
    if not condition:
        raise Refused(reason)


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def b64(text: str, size: int | None = None) -> bytes:
    """Base64 with padding; only the one canonical spelling of its bytes is taken."""
    raw = base64.b64decode(text, validate=True)
    need(base64.b64encode(raw).decode() == text and size in (None, len(raw)), f"not canonical base64: {text[:60]!r}")
    return raw


def url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def unurl(text: str, size: int | None = None) -> bytes:
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    need(url(raw) == text and size in (None, len(raw)), f"not canonical base64url: {text[:60]!r}")
    return raw


def header(line: str, label: str, count: int) -> list[int]:
    """The numbers of a line such as `range 0 3 7`."""
    need(re.fullmatch(label + " (0|[1-9][0-9]{0,15})" * count, line) is not None, f"{label}: malformed numbers")
    return [int(word) for word in line.split(" ")[1:]]


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    need(len(dict(pairs)) == len(pairs) and all(name.isascii() for name, _ in pairs), "JSON: bad or repeated name")
    return dict(pairs)


def canonical(raw: bytes, names: set[str], what: str) -> dict[str, Any]:
    """The object, with exactly these members, whose RFC 8785 form the bytes are. A float never equals its form here,
    because it comes back as text; integers outside +-(2^53 - 1) and lone surrogates are refused by the library."""
    value = json.loads(raw.decode(), object_pairs_hook=unique, parse_float=str, parse_constant=str)
    need(rfc8785.dumps(value) == raw, f"{what}: not canonical JSON")
    need(isinstance(value, dict) and set(value) == names, f"{what}: not exactly the members of the format")
    return dict(value)


def lines(raw: bytes) -> list[bytes]:
    need(raw == b"" or raw.endswith(b"\n"), "the last line has no newline")
    return raw.split(b"\n")[:-1]


def instant(text: str) -> str:
    """Instants have a fixed width, so they compare as text."""
    form = "%Y-%m-%dT%H:%M:%S.%fZ"
    need(datetime.strptime(text, form).strftime(form) == text, f"not an instant: {text[:60]!r}")
    return text


def split(low: int, high: int) -> int:
    """Where RFC 6962 section 2.1 cuts the leaves low to high-1: after the largest power of two below their number."""
    return low + (1 << ((high - low - 1).bit_length() - 1))


def root(low: int, high: int, known: Known) -> bytes:
    """The root of the leaves low to high-1, from the subtrees whose hashes are known."""
    if (low, high) in known:
        return known[low, high]
    need(high - low > 1, f"the proof does not give leaf {low}")
    middle = split(low, high)
    return sha(b"\x01" + root(low, middle, known) + root(middle, high, known))


def perfect(low: int, high: int) -> list[tuple[int, int]]:
    """The cut of the leaves low to high-1 into maximal aligned perfect subtrees."""
    spans = []
    while low < high:
        size = min(low & -low or high, 1 << ((high - low).bit_length() - 1))
        spans.append((low, low + size))
        low += size
    return spans


def descend(n: int, index: int, stop: int) -> list[tuple[int, int]]:
    """From the root to the leaf `index`, or to the first subtree that ends at `stop`: that subtree, then the siblings
    on the way up. So RFC 6962 lists an inclusion proof (2.1.1, stop 0) and a consistency proof (2.1.2, stop m)."""
    low, high, siblings = 0, n, []
    while high - low > 1 and high != stop:
        middle = split(low, high)
        siblings.append((middle, high) if index < middle else (low, middle))
        low, high = (low, middle) if index < middle else (middle, high)
    return [(low, high), *reversed(siblings)]


def checkpoint(note: bytes, vkeys: Sequence[str]) -> tuple[str, int, bytes, bytes, set[str]]:
    """Origin, size, root and text of a signed note, and the pinned keys that signed it: at least one."""
    pinned, signers = {}, set()
    for vkey in vkeys:
        name, key_id, packed = vkey.split("+", 2)
        key = b64(packed, 33)
        pinned[name, bytes.fromhex(key_id)] = vkey, Ed25519PublicKey.from_public_bytes(key[1:])
        need(key[0] == 1 and sha(name.encode() + b"\n" + key)[:4].hex() == key_id, "the verifier key is malformed")
    body, blank, signatures = note.partition(b"\n\n")
    origin, size, head = body.decode().split("\n")
    need(blank != b"" and origin != "" and all(char >= " " for char in origin), "checkpoint: bad origin, or unsigned")
    for line in lines(signatures):
        dash, name, packed = line.decode().split(" ")
        signature = b64(packed)
        need(dash == "\u2014" and re.fullmatch(r"[^\s+]+", name) is not None and len(signature) > 4, "bad signature")
        if (name, signature[:4]) in pinned:
            need(name == origin, "the name of the pinned key is not the origin")
            vkey, public = pinned[name, signature[:4]]
            public.verify(signature[4:], body + b"\n")
            signers.add(vkey)
    need(bool(signers), "checkpoint is not signed by a pinned key")
    return origin, header(f"size {size}", "size", 1)[0], b64(head, 32), body + b"\n", signers


def parse_entry(raw: bytes, origin: str) -> dict[str, Any]:
    need(len(raw) <= 32768, "entry is too long")
    entry = canonical(raw, ENTRY, "entry")
    need(type(entry["v"]) is int and entry["v"] == 1 and entry["log"] == origin, "entry is of another version or log")
    need(type(entry["seq"]) is int and entry["seq"] >= 0 and instant(entry["at"]) != "", "entry has no position")
    for name, form in FORMS.items():
        absent = entry[name] is None and name not in ("id", "kind")
        need(absent or re.fullmatch(form, entry[name]) is not None, f"entry: bad {name}")
    need(all(isinstance(entry[name], dict) for name in ("facts", "refs", "c")), "entry: facts, refs, c are not objects")
    for digest in (entry["prev"], *entry["refs"].values(), *entry["c"].values()):
        unurl(digest, 32)
    return entry


def check_disclosures(raw: bytes, entries: dict[int, dict[str, Any]], hidden: set[str]) -> None:
    """`hidden`: the calls whose prompt and answer pack.json says are not opened."""
    previous: tuple[int, str] = (-1, "")
    for line in lines(raw):
        item = canonical(line, {"disclosure", "name", "seq"}, "disclosure")
        seq, name, text = item["seq"], item["name"], item["disclosure"]
        need(type(seq) is int and seq in entries and previous < (seq, name), "disclosures: order, or entry not here")
        need(entries[seq]["c"].get(name) == url(sha(text.encode())), f"disclosure of {name} in {seq} does not open")
        salt, stated, _ = json.loads(unurl(text).decode())
        need(stated == name and unurl(salt, 32) != b"", "disclosure is not [salt, name, value]")
        need(name not in ("prompt", "answer") or entries[seq]["call"] not in hidden, "contents are opened after all")
        previous = seq, name


def check_counts(entries: list[dict[str, Any]], chosen: list[dict[str, Any]], stated: dict[str, Any]) -> None:
    kinds = Counter(entry["kind"] for entry in chosen)
    counts: dict[str, Any] = {name: kinds[f"call.{name}"] for name in ("opened", "closed", "refused", "interrupted")}
    ends = [entry for entry in chosen if entry["kind"] in ("call.closed", "call.interrupted")]
    costs = [entry["facts"]["cost_nano_eur"] for entry in ends if entry["facts"].get("cost_nano_eur") is not None]
    need(all(type(cost) is int for cost in costs), "a cost is not an integer")
    started = {entry["call"] for entry in chosen if entry["kind"] == "call.opened"}
    counts |= {
        "entries": len(entries),
        "kinds": dict(Counter(entry["kind"] for entry in entries)),
        "overrides": kinds["override.recorded"],
        "stops": kinds["stop.engaged"],
        "cost_nano_eur": sum(costs),
        "upper_bound": sum(entry["facts"].get("cost_state") == "upper_bound" for entry in ends),
        "open_at_end": len(started - {entry["call"] for entry in ends}),
    }
    need(rfc8785.dumps(stated) == rfc8785.dumps(counts), "counts are not those of the entries")


def read_archive(data: bytes) -> dict[str, bytes]:
    need(len(data) <= LIMIT, "archive is larger than 1 GiB")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        need(all(i.compress_type == 0 and i.file_size <= len(data) for i in infos), "archive: a file is not stored")
        names = [info.filename for info in infos]
        need(names in (FILES, [name for name in FILES if name != "consistency"]), "archive: not exactly the files")
        files = {info.filename: archive.read(info) for info in infos}
    body = directory = b""
    for name, content in files.items():
        size = len(content)
        common = struct.pack("<5H3L2H", 20, 0, 0, 0, 0x21, zlib.crc32(content), size, size, len(name), 0)
        directory += b"PK\x01\x02\x14\x00" + common + struct.pack("<3H2L", 0, 0, 0, 0, len(body)) + name.encode()
        body += b"PK\x03\x04" + common + name.encode() + content
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, len(files), len(files), len(directory), len(body), 0)
    need(body + directory + end == data, "archive is not canonical")
    return files


def check_bundle(data: bytes, vkeys: Sequence[str], held: Sequence[bytes]) -> bytes:
    """Everything the bundle says; returns the certificate of the seal that the log binds."""
    files = read_archive(data)
    origin, n, head, text, signers = checkpoint(files["checkpoint"], vkeys)

    first, *rest = files["range"].decode().split("\n")
    a, b, last = header(first, "range", 3)
    need(a <= b <= n == last and rest.count("") == 2 and rest[-1] == "", "range does not fit or has stray lines")
    left, right = ([b64(line, 32) for line in part] for part in (rest[: rest.index("")], rest[rest.index("") + 1 : -1]))
    raws = lines(files["entries.jsonl"])
    entries = [parse_entry(raw, origin) for raw in raws]
    need([entry["seq"] for entry in entries] == list(range(a, a + len(raws))) and a + len(raws) == b, "not the range")
    leaves = [sha(b"\x00" + raw) for raw in raws]
    spans = [perfect(0, a), [(seq, seq + 1) for seq in range(a, b)], perfect(b, n)]
    need([len(left), len(right)] == [len(spans[0]), len(spans[2])], "range proof has the wrong number of hashes")
    proven = {(0, 0): sha(b"")} | dict(zip(sum(spans, []), left + leaves + right, strict=True))
    need(root(0, n, proven) == head, "range proof does not lead to the root")

    known = {entry["seq"]: entry for entry in entries}
    leaf_of = {low: value for (low, high), value in proven.items() if high == low + 1}  # neighbours, too, when alone
    previous = -1
    for line in lines(files["context.jsonl"]):
        quoted = canonical(line, {"entry", "path"}, "context")
        entry, leaf = parse_entry(quoted["entry"].encode(), origin), sha(b"\x00" + quoted["entry"].encode())
        seq = entry["seq"]
        need(previous < seq < n and not a <= seq < b, "context is out of order or inside the range")
        way, path = descend(n, seq, 0), [leaf, *(b64(step, 32) for step in quoted["path"])]
        need(len(way) == len(path) and root(0, n, dict(zip(way, path, strict=True))) == head, f"{seq}: bad path")
        known[seq], leaf_of[seq], previous = entry, leaf, seq
    latest = ""
    for seq, entry in sorted(known.items()):  # the chain where both ends are at hand, the clock over all of them
        before = sha(b"") if seq == 0 else leaf_of.get(seq - 1)
        need(before is None or entry["prev"] == url(before), f"entry {seq} does not chain to the one before")
        need(entry["at"] >= latest, f"entry {seq} is earlier than one before it")
        latest = entry["at"]

    bindings = [entry["facts"] for entry in known.values() if entry["kind"] == "signer.added"]
    need(len(bindings) == 1, "not exactly one signer.added")
    need(bindings[0].get("vkey") in signers, "the log binds another key than the pinned one")
    need(bindings[0].get("seal_certificate") == url(sha(files["seal.der"])), "the log binds another seal certificate")
    x509.load_der_x509_certificate(files["seal.der"])

    pack = canonical(files["pack.json"], PACK, "pack.json")
    scope, seed = pack["scope"], pack["seed"] or url(head)
    start, end, workflow = instant(scope["from"]), instant(scope["to"]), scope["workflow"]
    need(len(scope) == 3 and start <= end and isinstance(workflow, str | None), "pack.json: scope is not a scope")
    need(pack["schema"] == pack["catalogue"] == "whyledger.pack/1", "pack.json is of another version")
    need(instant(pack["at"]) != "" and isinstance(pack["seed"], str) and type(pack["contents"]) is bool, "pack.json")
    need(
        rfc8785.dumps([pack["log"], pack["size"], pack["range"]]) == rfc8785.dumps([origin, n, [a, b]]),
        "pack.json: log, size or range differ from the checkpoint and the proof",
    )
    identity = {name: pack[name] for name in ("at", "catalogue", "contents", "scope", "seed")}
    need(pack["pack"] == url(sha(rfc8785.dumps(identity | {"checkpoint": url(sha(text))}))), "pack.json: wrong id")
    need(known.keys() >= {a - 1, b} & set(range(n)), "a neighbour of the range is missing")
    for seq, entry in known.items():  # the neighbours of the range show whether it was cut too short
        place = (entry["at"] >= start) + (entry["at"] >= end)
        need(place == (seq >= a) + (seq >= b), f"entry {seq}: the range is not that of the scope")
    chosen = [entry for entry in entries if workflow in (None, entry["workflow"])]
    check_counts(entries, chosen, pack["counts"])
    calls = {entry["call"] for entry in chosen if entry["kind"] in ("call.opened", "call.refused")}
    examples = sorted(calls, key=lambda call: sha(f"{seed}\n{call}".encode()))[:3]
    need(None not in calls and pack["examples"] == examples, "examples are not those that the seed draws")
    check_disclosures(files["disclosures.jsonl"], known, set() if pack["contents"] else set(examples))
    heads = [checkpoint(note, vkeys)[:3] for note in held]
    check_heads(files.get("consistency"), heads, (origin, n, head), proven, a, b)
    return files["seal.der"]


def check_heads(
    proof: bytes | None, held: list[tuple[str, int, bytes]], ours: tuple[str, int, bytes], proven: Known, a: int, b: int
) -> None:
    heads = {ours[1]: ours[2]}
    for origin, m, head in held:
        need(origin == ours[0] and heads.setdefault(m, head) == head, f"held head: other log, or two of size {m}")
        need(m <= ours[1], f"held head: of {m} entries, the pack has {ours[1]}")
        need(a <= m <= b or m == ours[1] or proof is not None, f"held head: no proof from {m}")
        need(not a <= m <= b or root(0, m, proven) == head, "the log does not contain the held head")
    if proof is not None:
        first, *rest = proof.decode().split("\n")
        m, n = header(first, "consistency", 2)
        need(0 < m <= n == ours[1] and rest[-1:] == [""], "consistency is not from an earlier size to this one")
        spans, steps = descend(n, m - 1, m), [b64(step, 32) for step in rest[:-1]]
        whole = spans[0] == (0, m)  # then the proof leaves out the old root, and without the head we cannot follow it
        need(len(steps) == len(spans) - whole, "consistency has the wrong number of hashes")
        if m in heads or not whole:
            known = dict(zip(spans, [heads[m], *steps] if whole else steps, strict=True))
            old = root(0, m, known)
            need(root(0, n, known) == ours[2] and old == heads.get(m, old), "consistency does not hold")


def only(pattern: bytes, data: bytes, what: str) -> re.Match[bytes]:
    found = list(re.finditer(pattern, data))
    need(len(found) == 1, f"PDF: not exactly one {what}")
    return found[0]


def embedded(pdf: bytes) -> bytes:
    mark = only(rb"/Type\s*/EmbeddedFile(?![^\s/<>()\[\]%])", pdf, "embedded file").start()
    start = pdf.find(b"stream", mark)
    head = pdf[pdf.rfind(b" obj", 0, mark) : start]
    length = int(only(rb"/Length\s+(\d{1,10})\b(?!\s+\d+\s+R)", head, "direct length of the embedded file")[1])
    body = only(rb"\Astream\r?\n((?s:.{%d}))\s*endstream\b" % length, pdf[start:], "stream of that length")[1]
    if b"/Filter" not in head:
        return body
    only(rb"/Filter\s*(/FlateDecode\b|\[\s*/FlateDecode\s*\])", head, "filter of the embedded file, FlateDecode")
    inflater = zlib.decompressobj()
    plain = inflater.decompress(body, LIMIT + 1)
    need(inflater.eof and not inflater.unused_data and b"/DecodeParms" not in head, "PDF: the embedded file is odd")
    return plain


def der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8)
    return bytes([tag]) + (bytes([len(content)]) if len(content) < 0x80 else bytes([0x80 | len(size)]) + size) + content


def oid(digits: str) -> bytes:
    return der(0x06, bytes.fromhex(digits))


def check_cms(raw: bytes, signed: bytes, certificate: bytes) -> None:
    """DER leaves one way to write what the page asks for. So the CMS is not read but written again and compared: only
    the signature comes from it. Two things are open: a NULL after SHA-256, and issuer and serial number again in
    signingCertificateV2 (RFC 5035, whose default hash is SHA-256)."""
    cert = x509.load_der_x509_certificate(certificate)
    key, number = cert.public_key(), cert.serial_number
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Refused("the key of the seal is not on P-256")
    issuer, serial = cert.issuer.public_bytes(), der(0x02, number.to_bytes(number.bit_length() // 8 + 1))
    data, ecdsa = oid("2a864886f70d010701"), der(0x30, oid("2a8648ce3d040302"))
    at = raw.rfind(ecdsa) + len(ecdsa)  # the signature is the last element: its tag, one byte of length, itself
    signature = raw[at + 2 : at + 2 + raw[at + 1]]
    null, again = (b"", b"\x05\x00"), (b"", der(0x30, der(0x30, der(0xA4, issuer)), serial))
    for null_1, null_2, named in product(null, null, again):
        digests = [der(0x30, oid("608648016503040201"), tail) for tail in (null_1, null_2)]
        attributes = b"".join(
            sorted(
                (
                    der(0x30, oid("2a864886f70d010903"), der(0x31, data)),
                    der(0x30, oid("2a864886f70d010904"), der(0x31, der(0x04, sha(signed)))),
                    der(
                        0x30,
                        oid("2a864886f70d010910022f"),
                        der(0x31, der(0x30, der(0x30, der(0x30, der(0x04, sha(certificate)), named)))),
                    ),
                )
            )
        )
        signer = der(
            0x30,
            b"\x02\x01\x01",
            der(0x30, issuer, serial),
            digests[1],
            der(0xA0, attributes),
            ecdsa,
            der(0x04, signature),
        )
        body = der(
            0x30, b"\x02\x01\x01", der(0x31, digests[0]), der(0x30, data), der(0xA0, certificate), der(0x31, signer)
        )
        cms = der(0x30, oid("2a864886f70d010702"), der(0xA0, body))
        if raw.startswith(cms) and not any(raw[len(cms) :]):
            return key.verify(signature, der(0x31, attributes), ec.ECDSA(hashes.SHA256()))  # [0] is signed as SET OF
    raise Refused("the seal is not the CMS of the format over this PDF by this certificate")


def check_seal(pdf: bytes, certificate: bytes) -> None:
    only(rb"/ByteRange\b", pdf, "/ByteRange")
    found = only(rb"/ByteRange\s*\[\s*0\s+(\d{1,10})\s+(\d{1,10})\s+(\d{1,10})\s*\]", pdf, "well-formed /ByteRange")
    x, y, z = map(int, found.groups())
    gap = only(rb"\A<((?:[0-9A-F]{2})+)>\Z", pdf[x:y], "hexadecimal string in the gap")[1]
    need(y + z == len(pdf), "the seal does not cover the whole file")
    only(rb"/Contents\s*\Z", pdf[max(0, x - 40) : x], "/Contents before the gap")
    start, stop = pdf.rfind(b" obj", 0, x), pdf.find(b"endobj", y)
    need(0 <= start < found.start() < stop, "the seal's /ByteRange is not beside its /Contents")
    only(rb"/SubFilter\s*/ETSI\.CAdES\.detached\b", pdf[start:x] + pdf[y:stop], "/SubFilter ETSI.CAdES.detached")
    check_cms(bytes.fromhex(gap.decode()), pdf[:x] + pdf[y:], certificate)


def verify(data: bytes, vkeys: list[str], held: Sequence[bytes] = ()) -> None:
    try:
        certificate = check_bundle(embedded(data) if data.startswith(b"%PDF-") else data, vkeys, held)
        if data.startswith(b"%PDF-"):
            check_seal(data, certificate)
    except Refused:
        raise
    except Exception as error:  # the libraries' ways to say malformed are many; to the auditor they are one
        raise Refused(f"malformed: {type(error).__name__}: {error}") from error


def main() -> int:
    if len(sys.argv) < 3:
        print("usage: second_verifier.py PACK VKEY [HELD_HEAD_FILE ...]")
        return 3
    try:
        verify(Path(sys.argv[1]).read_bytes(), [sys.argv[2].strip()], [Path(p).read_bytes() for p in sys.argv[3:]])
    except Refused as reason:
        print(f"INVALID: {reason}")
        return 1
    print("VALID")
    return 0


if __name__ == "__main__":
    sys.exit(main())
