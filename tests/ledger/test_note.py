"""Signed notes and checkpoints: the published ones are judged as their authors say."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import checkpoint, note
from ledger.checkpoint import Checkpoint
from ledger.errors import NoteInvalid
from ledger.note import Signer

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "signed-note" / "vectors.json"

# golang.org/x/mod/sumdb/note, note_test.go: a key, a text, and the one signature line Ed25519 gives
PETER_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
PETER_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
LINE = (
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)

signer = Signer.from_seed("ledger.example/test", bytes(32))
other = Signer.from_seed("ledger.example/test", bytes(31) + b"\x01")


def test_signing_gives_the_published_line() -> None:
    peter = Signer.from_seed("PeterNeumann", PETER_SEED)
    assert peter.vkey == PETER_VKEY
    assert f"{TEXT}\n{LINE}".encode() == note.sign(TEXT, [peter])


@pytest.mark.skipif(
    not VECTORS.exists(), reason="the published notes are others' data, not copied here, and not beside this checkout"
)
def test_the_published_notes_are_judged_as_published() -> None:
    vectors = json.loads(VECTORS.read_text())
    assert len(vectors["notes"]) == 15
    for case in vectors["notes"]:
        signed = base64.b64decode(case["note_b64"])
        if case["valid"]:
            assert tuple(case["verified"]) == note.verify(signed, case["vkeys"]), case["desc"]
        else:
            with pytest.raises(NoteInvalid):
                note.verify(signed, case["vkeys"])
    for case in vectors["vkeys"]:
        if case["valid"]:
            note.VerifierKey.parse(case["vkey"])
        else:
            with pytest.raises(NoteInvalid):
                note.VerifierKey.parse(case["vkey"])


def test_unknown_signers_are_ignored_and_a_failing_known_one_is_not() -> None:
    signed = note.sign("text\n", [signer, other])
    assert note.verify(signed, [signer.vkey]) == ("ledger.example/test",)
    forged = signed.replace(b"text", b"test")
    with pytest.raises(NoteInvalid):
        note.verify(forged, [signer.vkey])


def test_a_note_that_no_given_key_signed_proves_nothing() -> None:
    with pytest.raises(NoteInvalid):
        note.verify(note.sign("text\n", [signer]), [other.vkey])


def test_a_checkpoint_signed_by_the_key_of_another_log_is_refused() -> None:
    foreign = Signer.from_seed("another.example/log", bytes(32))
    signed = checkpoint.sign(Checkpoint("ledger.example/test", 1, bytes(32)), [foreign])
    with pytest.raises(NoteInvalid):
        checkpoint.verified(signed, [foreign.vkey])


names = st.text(st.characters(categories=["L", "N"]), min_size=1)


@given(names, st.integers(0, 2**60), st.binary(min_size=32, max_size=32))
def test_printing_and_parsing_a_checkpoint_are_inverse(origin: str, size: int, root: bytes) -> None:
    value = Checkpoint(origin, size, root)
    assert value == Checkpoint.parse(value.text().encode())


@pytest.mark.parametrize(
    "text",
    ["o\n01\n" + "A" * 43 + "=\n", "o\n1\n" + "A" * 42 + "B=\n", "o\n1\n" + "A" * 43 + "=\nextension\n", "o\n-1\nAAAA\n", ""],
)  # fmt: skip
def test_a_checkpoint_has_one_form(text: str) -> None:
    with pytest.raises(NoteInvalid):
        Checkpoint.parse(text.encode())


@given(st.binary(max_size=300))
def test_the_parser_never_fails_in_another_way(data: bytes) -> None:
    with pytest.raises(NoteInvalid):
        note.verify(data, [signer.vkey])


def test_no_byte_of_a_signed_checkpoint_can_change() -> None:
    signed = checkpoint.sign(Checkpoint("ledger.example/test", 7, bytes(32)), [signer])
    for position in range(len(signed)):
        mutant = signed[:position] + bytes([signed[position] ^ 1]) + signed[position + 1 :]
        with pytest.raises(NoteInvalid):
            checkpoint.verified(mutant, [signer.vkey])
