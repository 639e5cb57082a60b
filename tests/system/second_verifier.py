"""A second verifier, written from docs/formats alone (entry.md, checkpoint.md, bundle.md).

It shares no code with the first one. `verify` raises `Refused` when a pack (PDF) or a bundle (ZIP) fails any step, and
else returns the steps that are NOT CHECKED: `pinned key`, `completeness`, `consistency`, `held head`, `seal`,
`auditor's seed`. A pinned key that is malformed is wrong usage and no verdict: `Misused`. What a PDF needs beyond its
bundle is in second_pdf.py.
"""

import base64
import io
import json
import re
import struct
import sys
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from second_pdf import Refused, check_seal, embedded, need, sha, whole

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
ZONE = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-_/")
PACK = {"schema", "pack", "log", "size", "range", "scope", "seed", "catalogue", "at", "contents", "counts", "examples"}
UUID7 = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
WORDS = r"[a-z]+(?:_[a-z]+)*"
ANY = r"(?s:.+)"
FORMS = {
    "id": f"ent_{UUID7}",
    "kind": rf"{WORDS}\.{WORDS}",
    "call": f"call_{UUID7}",
    "workflow": ANY,
    "task": ANY,
    "sub": ANY,
    "act": ANY,
}
INSTANT = r"([0-9]{4}-[0-9]{2}-[0-9]{2})T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z"
LIMIT = 1 << 30
DEEPEST = 64
LARGEST = (1 << 53) - 1
Known = dict[tuple[int, int], bytes]  # the root hash of the leaves from the first number to before the second


class Misused(Exception):
    """A key that was given is none; nothing is said about the pack."""


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


def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    need(len(dict(pairs)) == len(pairs), "JSON: a member is named twice")
    return dict(pairs)


def no_json(text: str) -> Any:
    raise Refused(f"not JSON: {text}")


def small(digits: str) -> int:
    need(len(digits) <= 17 and abs(int(digits)) <= LARGEST, "JSON: a number beyond 2^53 - 1")
    return int(digits)


def parse(raw: bytes, integer: Callable[[str], int]) -> Any:
    """Any JSON text. The depth is counted before the parser sees it, whose own limit is no rule."""
    depth = 0
    for bracket in re.findall(rb"[\[\]{}]", re.sub(rb'(?s)"(?:[^"\\]|\\.)*"', b"", raw)):
        depth += 1 if bracket in b"[{" else -1
        need(depth <= DEEPEST, f"JSON: nests more than {DEEPEST} deep")
    numbers = re.sub(rb'(?s)"(?:[^"\\]|\\.)*"', b"", raw)
    need(
        all(len(one) <= 1000 for one in re.findall(rb"[-+.eE0-9]+", numbers)), "JSON: a number of over 1,000 characters"
    )
    return json.loads(
        raw.decode(), object_pairs_hook=members, parse_int=integer, parse_float=str, parse_constant=no_json
    )


def form(value: Any) -> bytes:
    """The RFC 8785 form, on the domain of entry.md: names are ASCII, so they sort as their bytes; no floats."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def ascii_names(value: Any) -> bool:
    if isinstance(value, dict):
        return all(name.isascii() and ascii_names(one) for name, one in value.items())
    return not isinstance(value, list) or all(map(ascii_names, value))


def canonical(raw: bytes, names: set[str], what: str) -> dict[str, Any]:
    """The object, with exactly these members, whose canonical form the bytes are. A float is read as text, whose form
    has quotes; a lone surrogate has no UTF-8."""
    value = parse(raw, small)
    need(ascii_names(value) and form(value) == raw, f"{what}: not canonical JSON")
    return only_members(value, names, what)


def only_members(value: Any, names: set[str], what: str) -> dict[str, Any]:
    need(isinstance(value, dict) and set(value) == names, f"{what}: not exactly the members of the format")
    return dict(value)


def lines(raw: bytes) -> list[bytes]:
    need(raw == b"" or raw.endswith(b"\n"), "the last line has no newline")
    return raw.split(b"\n")[:-1]


def instant(text: str) -> str:
    """Instants have a fixed width, so they compare as text."""
    found = re.fullmatch(INSTANT, text)
    need(found is not None, f"not an instant: {text[:60]!r}")
    datetime.strptime(text[:10], "%Y-%m-%d")  # refuses what is no day
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


class Note(NamedTuple):
    """A signed note that holds a checkpoint; whose signatures are good is another question."""

    origin: str
    size: int
    root: bytes
    text: bytes
    signatures: list[tuple[str, bytes]]


def read_note(raw: bytes) -> Note:
    note = raw.decode()
    need(len(raw) <= 1_000_000 and all(char >= " " or char == "\n" for char in note), "note: too long, or control")
    body, blank, rest = note.partition("\n\n")
    origin, size, head = body.split("\n")
    signed = [re.fullmatch(r"\u2014 ([^\s+]+) (\S+)", line.decode()) for line in lines(rest.encode())]
    need(blank != "" and origin != "" and 1 <= len(signed) <= 100, "note: no origin, or not 1 to 100 signatures")
    need(None not in signed, "note: a malformed signature line")
    signatures = [(found[1], b64(found[2])) for found in signed if found]
    need(all(len(value) > 4 for _, value in signatures), "note: a signature without a value")
    return Note(origin, header(f"size {size}", "size", 1)[0], b64(head, 32), f"{body}\n".encode(), signatures)


def read_vkey(vkey: str) -> tuple[str, bytes, bytes]:
    """Name, key id and public key of a verifier key."""
    name, key_id, packed = vkey.split("+", 2)
    key = b64(packed, 33)
    need(re.fullmatch(r"[^\s+]+", name) is not None and key[0] == 1, "the verifier key is malformed")
    need(sha(name.encode() + b"\n" + key)[:4].hex() == key_id, "the verifier key has another key id")
    return name, bytes.fromhex(key_id), key[1:]


def signers(note: Note, vkeys: Sequence[str]) -> set[str]:
    """Those of the given keys that signed, at least one; a line by one of them that fails is refused."""
    given = {(name, key_id): (vkey, key) for vkey in vkeys for name, key_id, key in [read_vkey(vkey)]}
    found = set()
    for name, value in note.signatures:
        if (name, value[:4]) in given:
            vkey, key = given[name, value[:4]]
            need(name == note.origin, "the name of the key is not the origin")
            Ed25519PublicKey.from_public_bytes(key).verify(value[4:], note.text)
            found.add(vkey)
    need(bool(found), "the note is signed by no given key")
    return found


def parse_entry(raw: bytes, origin: str) -> dict[str, Any]:
    need(len(raw) <= 32768, "entry is too long")
    entry = canonical(raw, ENTRY, "entry")
    need(whole(entry["v"]) and entry["v"] == 1 and entry["log"] == origin, "entry is of another version or log")
    need(whole(entry["seq"]) and instant(entry["at"]) != "", "entry has no position")
    for name, shape in FORMS.items():
        absent = entry[name] is None and name not in ("id", "kind")
        need(absent or re.fullmatch(shape, entry[name]) is not None, f"entry: bad {name}")
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
        need(whole(seq) and seq in entries and previous < (seq, name), "disclosures: order, or entry not here")
        need(entries[seq]["c"].get(name) == url(sha(text.encode())), f"disclosure of {name} in {seq} does not open")
        array = parse(unurl(text), lambda digits: 0)  # only that it is JSON matters: the value is never used
        need(isinstance(array, list) and len(array) == 3, "disclosure is not [salt, name, value]")
        need(unurl(array[0], 32) != b"" and array[1] == name, "disclosure has another name")
        need(name not in ("prompt", "answer") or entries[seq]["call"] not in hidden, "contents are opened after all")
        previous = seq, name


def check_counts(entries: list[dict[str, Any]], chosen: list[dict[str, Any]], stated: Any) -> None:
    kinds = Counter(entry["kind"] for entry in chosen)
    counts: dict[str, Any] = {name: kinds[f"call.{name}"] for name in ("opened", "closed", "refused", "interrupted")}
    ends = [entry for entry in chosen if entry["kind"] in ("call.closed", "call.interrupted")]
    costs = [entry["facts"]["cost_nano_eur"] for entry in ends if entry["facts"].get("cost_nano_eur") is not None]
    need(all(map(whole, costs)), "a cost is no whole number of at least 0")
    started = {entry["call"] for entry in chosen if entry["kind"] == "call.opened"} - {None}
    acts = [entry["facts"].get("action") for entry in chosen if entry["kind"] == "override.recorded"]
    acts += [entry["facts"].get("decision") for entry in chosen if entry["kind"] == "approval.decided"]
    approvals = sum(act == "approve" for act in acts)
    counts |= {
        "entries": len(entries),
        "kinds": dict(Counter(entry["kind"] for entry in entries)),
        "approvals": approvals,
        "overrides": len(acts) - approvals,
        "stops": kinds["stop.engaged"],
        "cost_nano_eur": sum(costs),
        "upper_bound": sum(entry["facts"].get("cost_state") == "upper_bound" for entry in ends),
        "open_at_end": len(started - {entry["call"] for entry in ends}),
    }
    need(form(stated) == form(counts), "counts are not those of the entries")


def read_archive(data: bytes) -> dict[str, bytes]:
    need(len(data) <= LIMIT, "archive is larger than 1 GiB")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        need(all(i.compress_type == 0 and i.file_size <= len(data) for i in infos), "archive: a file is not stored")
        names = [info.filename for info in infos]
        tables = [name for name in names if re.fullmatch(r"report/[a-z0-9-]{1,60}\.(json|jsonl|csv)", name)]
        allowed = [[*FILES, *sorted(tables)], [*(name for name in FILES if name != "consistency"), *sorted(tables)]]
        need(names in allowed and len(set(names)) == len(names), "archive: not exactly the files")
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


class Tree(NamedTuple):
    """What the range proves: the roots of its subtrees, and of the whole."""

    a: int
    b: int
    n: int
    root: bytes
    known: Known

    def head(self, m: int) -> bytes | None:
        """The root of the first m leaves, where the range gives it."""
        if m == self.n:
            return self.root
        return root(0, m, self.known) if self.a <= m <= self.b else None


def read_range(raw: bytes, note: Note, leaves: list[bytes]) -> Tree:
    first, *rest = raw.decode().split("\n")
    a, b, n = header(first, "range", 3)
    need(a <= b <= n == note.size and a + len(leaves) == b, "range is not that of the entries and the checkpoint")
    need(rest.count("") == 2 and rest[-1] == "", "range has stray lines")
    left, right = ([b64(line, 32) for line in part] for part in (rest[: rest.index("")], rest[rest.index("") + 1 : -1]))
    spans = [perfect(0, a), [(seq, seq + 1) for seq in range(a, b)], perfect(b, n)]
    need([len(left), len(right)] == [len(spans[0]), len(spans[2])], "range has the wrong number of hashes")
    known = {(0, 0): sha(b"")} | dict(zip(sum(spans, []), left + leaves + right, strict=True))
    need(root(0, n, known) == note.root, "range does not lead to the root")
    return Tree(a, b, n, note.root, known)


def read_context(raw: bytes, origin: str, tree: Tree, leaf_of: dict[int, bytes]) -> dict[int, dict[str, Any]]:
    """The quoted entries; their leaf hashes are added to those of the range."""
    found: dict[int, dict[str, Any]] = {}
    for line in lines(raw):
        quoted = canonical(line, {"entry", "path"}, "context")
        entry, leaf = parse_entry(quoted["entry"].encode(), origin), sha(b"\x00" + quoted["entry"].encode())
        seq = entry["seq"]
        need(max(found, default=-1) < seq < tree.n, "context is out of order")
        need(not tree.a <= seq < tree.b, "context quotes an entry of the range")
        need(isinstance(quoted["path"], list), "context: the path is no array")
        way, path = descend(tree.n, seq, 0), [leaf, *(b64(step, 32) for step in quoted["path"])]
        need(len(way) == len(path), f"entry {seq}: the path has the wrong number of hashes")
        need(root(0, tree.n, dict(zip(way, path, strict=True))) == tree.root, f"entry {seq}: not under the checkpoint")
        found[seq], leaf_of[seq] = entry, leaf
    return found


def check_log(known: dict[int, dict[str, Any]], leaf_of: dict[int, bytes]) -> None:
    """Chain, clock and ids over range and context, in the order of the log."""
    for seq, entry in known.items():
        before = sha(b"") if seq == 0 else leaf_of.get(seq - 1)
        need(before is None or entry["prev"] == url(before), f"entry {seq} does not chain to the one before")
    for one, other in pairwise(known.values()):
        need(one["at"] <= other["at"], f"entry {other['seq']} is earlier than one before it")
    need(len({entry["id"] for entry in known.values()}) == len(known), "two entries have the same id")


def check_bindings(known: dict[int, dict[str, Any]], note: Note, vkeys: Sequence[str], certificate: bytes) -> None:
    bindings = [entry for entry in known.values() if entry["kind"] in ("signer.added", "signer.rotated")]
    need([entry["kind"] for entry in bindings[:1]] == ["signer.added"], "the first binding is no signer.added")
    for one, other in pairwise(bindings):
        need(other["kind"] == "signer.rotated", "a second signer.added")
        need(other["facts"].get("replaces") == one["id"], "a binding does not replace the one before it")
    in_force = bindings[-1]["facts"]
    signed = signers(note, vkeys or [in_force["vkey"]])
    need(in_force["vkey"] in signed, "the key in force is not pinned, or did not sign the checkpoint")
    need(in_force.get("seal_certificate") == url(sha(certificate)), "the log binds another seal certificate")
    key = x509.load_der_x509_certificate(certificate).public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Refused("the key of the seal is not on P-256")


def check_pack(
    raw: bytes, note: Note, tree: Tree, known: dict[int, dict[str, Any]], tables: dict[str, bytes]
) -> tuple[dict[str, Any], set[str]]:
    """pack.json and the period; returns it, and `completeness` where nothing shows that the period was over."""
    pack = canonical(raw, PACK | ({"report"} if tables else set()), "pack.json")
    digests = {name: url(sha(content)) for name, content in tables.items()}
    need(not tables or form(pack["report"]) == form(digests), "pack.json: other tables of the report")
    scope = only_members(pack["scope"], {"from", "to", "workflow"} | ({"zone"} & set(pack["scope"])), "scope")
    zone = scope.get("zone", "UTC")
    need(isinstance(zone, str) and 1 <= len(zone) <= 64 and set(zone) <= ZONE, "scope: bad zone")
    start, end, workflow = instant(scope["from"]), instant(scope["to"]), scope["workflow"]
    need(start <= end, "scope ends before it begins")
    need(workflow is None or (isinstance(workflow, str) and workflow != ""), "scope: bad workflow")
    need(pack["schema"] == pack["catalogue"] == "whyledger.pack/1", "pack.json is of another version")
    need(isinstance(pack["seed"], str) and type(pack["contents"]) is bool, "pack.json: seed or contents")
    need(all(entry["at"] <= instant(pack["at"]) for entry in known.values()), "pack.json is earlier than an entry")
    stated = [pack["log"], pack["size"], pack["range"]]
    need(form(stated) == form([note.origin, tree.n, [tree.a, tree.b]]), "pack.json: other log, size or range")
    identity = {name: pack[name] for name in ("at", "catalogue", "contents", "scope", "seed")}
    need(pack["pack"] == url(sha(form(identity | {"checkpoint": url(sha(note.text))}))), "pack.json: wrong id")

    need(known.keys() >= {tree.a - 1, tree.b} & set(range(tree.n)), "a neighbour of the range is missing")
    for seq, entry in known.items():
        need((start <= entry["at"] < end) == (tree.a <= seq < tree.b), f"entry {seq}: the range is not the period")

    entries = [entry for seq, entry in known.items() if tree.a <= seq < tree.b]
    chosen = [entry for entry in entries if workflow in (None, entry["workflow"])]
    check_counts(entries, chosen, pack["counts"])
    calls = {entry["call"] for entry in chosen if entry["kind"] in ("call.opened", "call.refused")} - {None}
    seed = pack["seed"] or url(note.root)
    examples = sorted(calls, key=lambda call: sha(f"{seed}\n{call}".encode()))[:3]
    need(pack["examples"] == examples, "examples are not those that the seed draws")
    return pack, {"completeness"} if tree.b == tree.n else set()


def check_heads(proof: bytes | None, held: list[Note], tree: Tree, origin: str) -> set[str]:
    """The `consistency` file and the held heads; returns which of the two steps is not (wholly) checked."""
    need(all(note.origin == origin and note.size <= tree.n for note in held), "held head: of another log, or larger")
    unchecked, proven = set(), {0: sha(b"")}
    if proof is not None:
        first, *rest = proof.decode().split("\n")
        m, n = header(first, "consistency", 2)
        need(0 < m <= n == tree.n and rest[-1:] == [""], "consistency is not from an earlier size to this one")
        spans, steps = descend(n, m - 1, m), [b64(step, 32) for step in rest[:-1]]
        if spans[0] == (0, m):  # RFC 6962 leaves the old root out: it must come from elsewhere
            heads = [tree.head(m), *(note.root for note in held if note.size == m)]
            steps[:0] = [head for head in heads if head is not None][:1] or [b""]
        need(len(steps) == len(spans), "consistency has the wrong number of hashes")
        if steps[0]:
            known = dict(zip(spans, steps, strict=True))
            need(root(0, n, known) == tree.root, "consistency does not lead to the checkpoint's root")
            proven[m] = root(0, m, known)
        else:
            unchecked.add("consistency")
    for note in held:
        ours = tree.head(note.size) or proven.get(note.size)
        need(ours in (None, note.root), "the log does not continue the held head")
        unchecked |= {"held head"} if ours is None else set()
    return unchecked


def check_bundle(data: bytes, vkeys: Sequence[str], held: Sequence[bytes], seed: str | None) -> tuple[bytes, set[str]]:
    """Everything the bundle says; returns the certificate of the seal, which the log binds, and what is not checked."""
    files = read_archive(data)
    note = read_note(files["checkpoint"])
    raws = lines(files["entries.jsonl"])
    entries = [parse_entry(raw, note.origin) for raw in raws]
    leaves = [sha(b"\x00" + raw) for raw in raws]
    tree = read_range(files["range"], note, leaves)
    need([entry["seq"] for entry in entries] == list(range(tree.a, tree.b)), "entries are not numbered as the range")
    leaf_of = dict(zip(range(tree.a, tree.b), leaves, strict=True))
    context = read_context(files["context.jsonl"], note.origin, tree, leaf_of)
    known = dict(sorted((dict(enumerate(entries, tree.a)) | context).items()))
    check_log(known, leaf_of)
    check_bindings(known, note, vkeys, files["seal.der"])
    pack, unchecked = check_pack(
        files["pack.json"], note, tree, known, {name: files[name] for name in files if name.startswith("report/")}
    )
    need(seed in (None, pack["seed"]), "the examples are drawn by another seed than the auditor's")
    check_disclosures(files["disclosures.jsonl"], known, set() if pack["contents"] else set(pack["examples"]))
    heads = [read_note(raw) for raw in held if vkeys]
    for head in heads:
        signers(head, vkeys)
    unchecked |= check_heads(files.get("consistency"), heads, tree, note.origin)
    unchecked |= set() if vkeys else {"pinned key", "held head"}
    unchecked |= set() if held else {"held head"}
    return files["seal.der"], unchecked | ({"auditor's seed"} if seed is None else set())


def verify(data: bytes, vkeys: Sequence[str], held: Sequence[bytes] = (), seed: str | None = None) -> set[str]:
    try:
        for vkey in vkeys:
            read_vkey(vkey)
    except Exception as error:
        raise Misused(f"malformed key: {error}") from error
    try:
        is_pdf = data.startswith(b"%PDF-")
        certificate, unchecked = check_bundle(embedded(data) if is_pdf else data, vkeys, held, seed)
        if is_pdf:
            check_seal(data, certificate)
        return unchecked if is_pdf else unchecked | {"seal"}
    except Refused:
        raise
    except Exception as error:  # the libraries' ways to say malformed are many; to the auditor they are one
        raise Refused(f"malformed: {type(error).__name__}: {error}") from error


def main() -> int:
    if len(sys.argv) < 3:
        print("usage: second_verifier.py PACK VKEY [HELD_HEAD_FILE ...]")
        return 3
    vkey, held = "".join(sys.argv[2].split()), [Path(name).read_bytes() for name in sys.argv[3:]]
    try:
        unchecked = verify(Path(sys.argv[1]).read_bytes(), [vkey], held)
    except Misused as error:
        print(error)
        return 3
    except Refused as reason:
        print(f"INVALID: {reason}")
        return 1
    print(f"VALID; NOT CHECKED: {', '.join(sorted(unchecked)) or 'nothing'}")
    return 2 if held and "held head" in unchecked else 0


if __name__ == "__main__":
    sys.exit(main())
