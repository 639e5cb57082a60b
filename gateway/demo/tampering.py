"""Tampering with copies of a pack, as somebody would who wants a different past. Each returns the changed bytes."""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

from ledger import bundle, merkle
from ledger import checkpoint as checkpoints
from ledger.canonical import canonicalize
from ledger.checkpoint import Checkpoint
from ledger.entry import b64
from ledger.note import Signer
from ledger.pack import Tally, pack_id, seed_of


def flip(data: bytes, position: int) -> bytes:
    """Change one bit of one byte."""
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


def reorder(archive: bytes) -> bytes:
    """Pack the same files with an ordinary ZIP writer."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in bundle.read(archive).items():
            made.writestr(name, data)
    return stream.getvalue()


def without_seal(pdf: bytes) -> bytes:
    """Cut the signed revision off."""
    return pdf[: pdf.rfind(b"%%EOF", 0, pdf.rfind(b"%%EOF")) + 6]


def rewrite(archive: bytes, change: Callable[[dict[str, Any]], None], *, signer: Signer | None) -> bytes:
    """Edit entries, then recompute chain, tree, counts and checkpoint so that everything fits again.

    With `signer` the new checkpoint is signed by that key; without it the old note is kept. Works on a bundle of a
    whole log.
    """
    files = bundle.read(archive)
    leaves: list[bytes] = []
    lines: list[bytes] = []
    prev = merkle.EMPTY_ROOT
    for line in bundle.split_lines(files["entries.jsonl"]):
        value = json.loads(line)
        change(value)
        value["seq"], value["prev"] = len(lines), b64(prev)
        lines.append(canonicalize(value))
        prev = merkle.leaf_hash(lines[-1])
        leaves.append(prev)
    old = checkpoints.unverified(files["checkpoint"])
    head = Checkpoint(old.origin, len(leaves), merkle.root(leaves))
    files["entries.jsonl"] = b"".join(line + b"\n" for line in lines)
    files["range"] = bundle.Range(0, head.size, head.size, (), ()).text()
    if signer:
        files["checkpoint"] = checkpoints.sign(head, [signer])
    said = json.loads(files["pack.json"])
    files["pack.json"] = canonicalize(_restate(said, lines, head))
    return bundle.write(files)


def _restate(said: dict[str, Any], lines: list[bytes], head: Checkpoint) -> dict[str, Any]:
    from ledger.entry import decode

    tally = Tally(said["scope"]["workflow"])
    for line in lines:
        tally.see(decode(line))
    identifier = pack_id(head, said["scope"], at=said["at"], seed=said["seed"], contents=said["contents"])
    return said | {
        "size": head.size, "range": [0, head.size], "counts": tally.counts(), "pack": identifier,
        "examples": tally.examples(seed_of(said["seed"], head)),
    }  # fmt: skip


def cheaper(value: dict[str, Any]) -> None:
    """Make every closed call cost a nano-EUR less."""
    if value["kind"] == "call.closed":
        value["facts"]["cost_nano_eur"] = max(0, value["facts"]["cost_nano_eur"] - 1)
