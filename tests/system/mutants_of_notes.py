"""Mutants of what is signed: notes, held heads, consistency, the bindings of keys, the CMS of the seal."""

from collections.abc import Callable, Iterator
from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from forging import ORIGIN, Draft, LogKey, SealKey, binding, joined, log_key, plain64, seal_key
from mutants_making import (
    ACCEPTED,
    REFUSED,
    Change,
    Mutant,
    fact,
    file,
    note,
    one,
    put,
    setting,
    unchecked,
    unused_bits,
    upto,
    whole_log,
)
from second_verifier import sha, url


def of_notes() -> Iterator[Mutant]:
    key = log_key(1)
    stranger = log_key(9, "witness.example/a")

    def add(*rows: str) -> Change:
        return note(lambda data: data + "".join(rows).encode())

    def text(data: bytes) -> bytes:
        return data[: data.index(b"\n\n") + 1]

    failing = f"\u2014 {ORIGIN} {plain64(key.key_id + bytes(64))}\n"
    unknown = f"\u2014 witness.example/b {plain64(bytes(72))}\n"
    yield one("note: an unknown signer", ACCEPTED, add(unknown))
    yield one(
        "note: an unknown signer, whose signature is good",
        ACCEPTED,
        note(lambda data: data + stranger.line(text(data)).encode()),
    )
    yield one("note: an unknown key of the same name", ACCEPTED, add(f"\u2014 {ORIGIN} {plain64(bytes(68))}\n"))
    yield one(
        "note: an unknown key, other id, signature of one byte",
        ACCEPTED,
        add(f"\u2014 witness.example/b {plain64(bytes(5))}\n"),
    )
    yield one("note: the line of the key twice", ACCEPTED, note(lambda data: data + key.line(text(data)).encode()))
    yield one("note: a failing line of the key behind the good one", REFUSED, add(failing))
    yield one(
        "note: a failing line of the key before the good one",
        REFUSED,
        note(lambda data: data.replace(b"\n\n", b"\n\n" + failing.encode(), 1)),
    )
    yield one(
        "note: a short line of the key behind the good one",
        REFUSED,
        add(f"\u2014 {ORIGIN} {plain64(key.key_id + b'x')}\n"),
    )
    yield one("note: good line, then 98 unknown, then a failing one", REFUSED, add(*[unknown] * 98, failing))
    yield one("note: 100 signatures", ACCEPTED, add(*[unknown] * 99))
    yield one("note: 101 signatures", REFUSED, add(*[unknown] * 100))
    yield one("note: no signature", REFUSED, note(text))
    yield one("note: no signature, but the empty line", REFUSED, note(lambda data: text(data) + b"\n"))
    yield one("note: only unknown signers", REFUSED, note(lambda data: text(data) + b"\n" + unknown.encode()))
    for name, char in (
        ("a tab", "\t"),
        ("a null", "\0"),
        ("a carriage return", "\r"),
        ("an escape", "\x1b"),
        ("U+001F", "\x1f"),
    ):
        yield one(f"note: {name} in the name of an unknown signer", REFUSED, add(unknown.replace("/b", f"/b{char}b")))
        yield one(
            f"note: {name} behind the signature of an unknown signer", REFUSED, add(unknown.replace("\n", f"{char}\n"))
        )
    yield one(
        "note: U+007F in the name of an unknown signer", ACCEPTED, add(unknown.replace("/b", "/b\x7f")), unclear=True
    )
    yield one(
        "note: other scripts in the name of an unknown signer", ACCEPTED, add(unknown.replace("/b", "/\u00e9\u4e16"))
    )
    yield one("note: a hyphen for the dash", REFUSED, add(unknown.replace("\u2014", "-")))
    yield one("note: two blanks", REFUSED, add(unknown.replace(" witness", "  witness")))
    yield one("note: a line without signature", REFUSED, add("\u2014 witness.example/b\n"))
    yield one("note: a signature that is no base64", REFUSED, add("\u2014 witness.example/b ????\n"))
    yield one(
        "note: a key id without signature",
        REFUSED,
        add(f"\u2014 witness.example/b {plain64(bytes(4))}\n"),
        unclear=True,
    )
    yield one(
        "note: a plus in the name of an unknown signer", REFUSED, add(unknown.replace("/b", "/b+c")), unclear=True
    )
    yield one(
        "note: unused bits in an unknown signature",
        REFUSED,
        add(f"\u2014 witness.example/b {unused_bits(plain64(bytes(71)))}\n"),
        unclear=True,
    )
    yield one("note: an empty line behind", REFUSED, add("\n"))
    yield one("note: no last newline", REFUSED, note(lambda data: data[:-1]))
    yield one(
        "note: not UTF-8 in a signature line",
        REFUSED,
        note(lambda data: data + b"\xe2\x80\x94 witn\xff " + plain64(bytes(72)).encode() + b"\n"),
    )
    yield one("note: 1,000,000 bytes", ACCEPTED, note(lambda data: filled(data, 1_000_000)))
    yield one("note: 1,000,001 bytes", REFUSED, note(lambda data: filled(data, 1_000_001)))
    signed_texts = {
        "an extension line": lambda rows: [*rows, "extension"], "a size with a zero in front": lambda rows: [rows[0], "020", rows[2]], "a size with a plus": lambda rows: [rows[0], "+20", rows[2]],
        "a size in other digits": lambda rows: [rows[0], "\u0662\u0660", rows[2]], "a root without padding": lambda rows: [*rows[:2], rows[2].rstrip("=")],
        "a root of 31 bytes": lambda rows: [*rows[:2], plain64(bytes(31))], "another root": lambda rows: [*rows[:2], plain64(bytes(32))], "no root": lambda rows: rows[:2],
        "another size": lambda rows: [rows[0], "21", rows[2]], "a carriage return": lambda rows: [rows[0] + "\r", *rows[1:]], "a size below": lambda rows: [rows[0], "-20", rows[2]],
    }  # fmt: skip
    for name, turn in signed_texts.items():
        yield one(f"note: signed, with {name}", REFUSED, note(lambda data, turn=turn: signed_again(data, key, turn)))
    other = log_key(1, "ledger.example/other")
    yield one("note: a pinned key of another name", REFUSED, vkeys=(other.vkey,))
    yield one(
        "note: a pinned key of another name, which signed, beside the right one",
        REFUSED,
        setting(signing=[key, other]),
        vkeys=(key.vkey, other.vkey),
    )
    yield one("note: a second pinned key that did not sign", ACCEPTED, vkeys=(key.vkey, log_key(2).vkey))
    yield one(
        "note: a second pinned key of another log that did not sign",
        ACCEPTED,
        vkeys=(key.vkey, other.vkey),
        unclear=True,
    )
    yield one(
        "note: two pinned keys that both signed",
        ACCEPTED,
        setting(signing=[key, log_key(2)]),
        vkeys=(key.vkey, log_key(2).vkey),
    )
    yield one("note: signed by another key than the pinned one", REFUSED, vkeys=(log_key(2).vkey,))
    yield one("note: no key pinned", unchecked("pinned key"), vkeys=())
    yield one("note: no key pinned, the log binds another key", REFUSED, fact(0, "vkey", log_key(2).vkey), vkeys=())
    yield one("note: no key pinned, a failing line of the bound key", REFUSED, add(failing), vkeys=())


def filled(data: bytes, size: int) -> bytes:
    tail = f" {plain64(bytes(72))}\n"
    return data + "\u2014 ".encode() + b"w" * (size - len(data) - len(tail) - 4) + tail.encode()


def signed_again(data: bytes, key: LogKey, turn: Callable[[list[str]], list[str]]) -> bytes:
    rows = turn(data[: data.index(b"\n\n")].decode().split("\n"))
    text = "\n".join(rows) + "\n"
    return f"{text}\n{key.line(text.encode())}".encode()


def of_heads() -> Iterator[Mutant]:
    other = Draft()
    other.log[1]["act"] = None
    empty = log_key(1).note(0, sha(b""))
    for m in (7, 12, 18):
        yield one(f"held head: of {m}, in the range", ACCEPTED, heads=[m])
        yield one(f"held head: of {m}, in the range, differs", REFUSED, heads=[other.head(m)])
    yield one("held head: of all", ACCEPTED, heads=[20])
    yield one("held head: of all, differs", REFUSED, heads=[other.head(20)])
    for m in (1, 2, 3, 4, 6, 19):
        yield one(f"held head: of {m}, nothing to compare it with", unchecked("held head"), heads=[m])
        yield one(
            f"held head: of {m}, differs, nothing to compare it with", unchecked("held head"), heads=[other.head(m)]
        )
        yield one(f"held head: of {m}, with its proof", ACCEPTED, setting(since=m), heads=[m], proof=True)
        if m > 1:
            yield one(f"held head: of {m}, differs, with a proof", REFUSED, setting(since=m), heads=[other.head(m)])
    yield one("held head: of 3, the proof is from 5", unchecked("held head"), setting(since=5), heads=[3])
    yield one("held head: of 5, the proof is from 6", unchecked("held head"), setting(since=6), heads=[5])
    yield one("held head: of 3 and 12, only one can be compared", unchecked("held head"), heads=[12, 3])
    yield one("held head: of 3 and 12, with a proof", ACCEPTED, setting(since=3), heads=[12, 3], proof=True)
    yield one("held head: of 3 differs, 12 is the log's", REFUSED, setting(since=3), heads=[12, other.head(3)])
    yield one("held head: of 3 cannot be compared, 12 differs", REFUSED, heads=[3, other.head(12)])
    yield one("held head: larger", REFUSED, heads=[log_key(1).note(21, sha(b"x"))])
    yield one("held head: much larger", REFUSED, heads=[log_key(1).note(2**60, sha(b"x"))])
    yield one("held head: of 0", ACCEPTED, heads=[empty])
    yield one("held head: of 0, another root", REFUSED, heads=[log_key(1).note(0, sha(b"x"))])
    yield one("held head: of 0, range from 0", ACCEPTED, whole_log, heads=[empty])
    yield one("held head: of 0, another root, range from 0", REFUSED, whole_log, heads=[log_key(1).note(0, sha(b"x"))])
    yield one("held head: of another log", REFUSED, heads=[log_key(1, "ledger.example/other").note(12, sha(b"x"))])
    yield one("held head: signed by a stranger", REFUSED, heads=[other.head(12, log_key(2))])
    yield one("held head: no head", REFUSED, heads=[b"nothing"])
    yield one("held head: empty", REFUSED, heads=[b""])
    yield one(
        "held head: a failing line of the key behind the good one",
        REFUSED,
        heads=[other.head(7) + f"\u2014 {ORIGIN} {plain64(log_key(1).key_id + bytes(64))}\n".encode()],
    )
    for name, heads in (
        ("as it should", [12]),
        ("differs", [other.head(12)]),
        ("by a stranger", [other.head(12, log_key(2))]),
    ):
        yield one(f"held head: no key is pinned, {name}", unchecked("held head", "pinned key"), heads=heads, vkeys=())
    yield one(
        "held head: no key is pinned, no head",
        unchecked("held head", "pinned key"),
        heads=[b"nothing"],
        vkeys=(),
        unclear=True,
    )
    yield one("held head: of 18, the log ends there", unchecked("completeness"), upto(18), heads=[18])


def of_consistency() -> Iterator[Mutant]:
    for m in (3, 5, 6, 19, 7, 9, 12, 18, 20, 8, 16):
        yield one(f"consistency: from {m}, no head given", ACCEPTED, setting(since=m), proof=True)
    for m in (1, 2, 4):
        yield one(
            f"consistency: from {m}, a power of two outside the range, no head given",
            unchecked("consistency"),
            setting(since=m),
            proof=True,
            unclear=True,
        )
        yield one(
            f"consistency: from {m}, a power of two outside the range, garbage, no head given",
            unchecked("consistency"),
            setting(since=m),
            swapped_hash,
            proof=True,
            unclear=True,
        )
        yield one(f"consistency: from {m}, garbage, the head given", REFUSED, setting(since=m), swapped_hash, heads=[m])
    for m in (3, 5, 6, 19, 7, 9, 12, 18, 8, 16):
        yield one(f"consistency: from {m}, another hash, no head given", REFUSED, setting(since=m), swapped_hash)
    name = "consistency"
    for text in ("garbage", "", "\n", "consistency 3 20", "consistency 3 20\n", "consistency 0 20\n", "consistency 20 20\n" + plain64(bytes(32)) + "\n", "consistency 21 20\n", "consistency 20 21\n",
                 "consistency 3 19\n", "consistency 20\n", "consistency 20 20", "consistency 20 20\n\n", "consistency 020 20\n", "Consistency 20 20\n", "consistency 20 20\r\n"):  # fmt: skip
        yield one(f"consistency: {text[:30]!r}", REFUSED, file(name, lambda _, text=text: text.encode()))
    for change, turn in {
        "one hash less": lambda rows: rows[:-1], "one hash more": lambda rows: [*rows, rows[-1]], "another order": lambda rows: [rows[0], *rows[:0:-1]],
        "an empty line": lambda rows: [*rows, b""], "base64url": lambda rows: [rows[0], *(row.rstrip(b"=") for row in rows[1:])],
    }.items():  # fmt: skip
        for m in (5, 4):
            yield one(
                f"consistency: from {m}, {change}",
                REFUSED,
                setting(since=m),
                file(name, lambda data, turn=turn: joined(turn(data.splitlines()))),
                heads=[m] if m == 4 and change == "another order" else (),
            )
    yield one("consistency: no last newline", REFUSED, setting(since=5), file(name, lambda data: data[:-1]))


def swapped_hash(draft: Draft) -> None:
    def turn(data: bytes) -> bytes:
        rows = data.splitlines()
        return joined([*rows[:-1], plain64(sha(b"garbage")).encode()])

    draft.on_file.append(("consistency", turn))


def rotated(seq: int, *, key: int = 2, seal: int = 2, replaces: int | None = 0, **facts: Any) -> Change:
    """Make the entry a rotation to other keys; the pack is signed and sealed by the last of them."""

    def change(draft: Draft) -> None:
        before = {} if replaces is None else {"replaces": draft.log[replaces]["id"]}
        draft.log[seq].update(
            kind="signer.rotated", call=None, facts=binding(log_key(key), seal_key(seal)) | before | facts
        )
        draft.quoted.add(seq)
        draft.signing, draft.seal = [log_key(key)], seal_key(seal)

    return change


def of_bindings() -> Iterator[Mutant]:
    new = (log_key(2).vkey,)
    both = (log_key(1).vkey, log_key(2).vkey)
    old_signs, old_seals = setting(signing=[log_key(1)]), setting(seal=seal_key(1))
    for seq, where in ((3, "before"), (17, "inside"), (18, "behind")):
        yield one(f"bindings: a rotation {where} the range", ACCEPTED, rotated(seq), vkeys=new, paper=True)
        yield one(f"bindings: a rotation {where} the range, both keys pinned", ACCEPTED, rotated(seq), vkeys=both)
        yield one(
            f"bindings: a rotation {where} the range, no key pinned", unchecked("pinned key"), rotated(seq), vkeys=()
        )
        yield one(f"bindings: a rotation {where} the range, only the old key pinned", REFUSED, rotated(seq))
        yield one(
            f"bindings: a rotation {where} the range, the old key signs", REFUSED, rotated(seq), old_signs, vkeys=both
        )
        yield one(
            f"bindings: a rotation {where} the range, the old key signs, no key pinned",
            REFUSED,
            rotated(seq),
            old_signs,
            vkeys=(),
        )
        yield one(
            f"bindings: a rotation {where} the range, the old key seals",
            REFUSED,
            rotated(seq),
            old_seals,
            vkeys=new,
            paper=True,
        )
        yield one(
            f"bindings: a rotation {where} the range, the old key seals with the new certificate",
            REFUSED,
            rotated(seq),
            setting(sealing=seal_key(1)),
            vkeys=new,
            paper=True,
        )
    yield one(
        "bindings: both keys sign, only the old one is pinned",
        REFUSED,
        rotated(3),
        setting(signing=[log_key(1), log_key(2)]),
    )
    yield one(
        "bindings: both keys sign, only the new one is pinned",
        ACCEPTED,
        rotated(3),
        setting(signing=[log_key(1), log_key(2)]),
        vkeys=new,
    )
    yield one(
        "bindings: both keys sign, both are pinned",
        ACCEPTED,
        rotated(3),
        setting(signing=[log_key(1), log_key(2)]),
        vkeys=both,
    )
    yield one("bindings: the seal's key alone rotates", ACCEPTED, rotated(3, key=1), paper=True)
    yield one("bindings: the log's key alone rotates", ACCEPTED, rotated(3, seal=1), vkeys=new, paper=True)
    yield one(
        "bindings: two rotations",
        ACCEPTED,
        rotated(3),
        rotated(17, key=3, seal=3, replaces=3),
        vkeys=(log_key(3).vkey,),
        paper=True,
    )
    yield one(
        "bindings: two rotations, back to the first keys", ACCEPTED, rotated(3), rotated(17, key=1, seal=1, replaces=3)
    )
    yield one(
        "bindings: two rotations that replace the same",
        REFUSED,
        rotated(3),
        rotated(17, key=3, seal=3, replaces=0),
        vkeys=(log_key(3).vkey,),
    )
    yield one(
        "bindings: the rotation between two is left out",
        REFUSED,
        rotated(3),
        rotated(17, key=3, seal=3, replaces=3),
        lambda draft: draft.quoted.discard(3),
        vkeys=(log_key(3).vkey,),
    )
    yield one("bindings: the first is left out", REFUSED, rotated(3), setting(quoted={1, 3}), vkeys=new)
    yield one("bindings: none", REFUSED, setting(quoted={1}))
    yield one("bindings: none, no key pinned", REFUSED, setting(quoted={1}), vkeys=())
    yield one(
        "bindings: a later rotation is left out",
        ACCEPTED,
        rotated(3),
        lambda draft: draft.quoted.discard(3),
        old_signs,
        old_seals,
    )
    yield one("bindings: a rotation replaces itself", REFUSED, rotated(3, replaces=3), vkeys=new)
    yield one("bindings: a rotation replaces nothing", REFUSED, rotated(3, replaces=None), vkeys=new)
    yield one(
        "bindings: a rotation replaces null", REFUSED, rotated(3, replaces=None), fact(3, "replaces", None), vkeys=new
    )
    yield one("bindings: a rotation replaces another entry", REFUSED, rotated(3, replaces=1), vkeys=new)
    yield one("bindings: a rotation comes first", REFUSED, rotated(0), vkeys=new)
    for seq in (3, 17, 18):
        yield one(
            f"bindings: a second signer.added in {seq}", REFUSED, rotated(seq), put(seq, kind="signer.added"), vkeys=new
        )
        yield one(
            f"bindings: the same signer.added again in {seq}",
            REFUSED,
            rotated(seq, key=1, seal=1),
            put(seq, kind="signer.added"),
        )
    yield one(
        "bindings: signer.added behind a rotation",
        REFUSED,
        rotated(0),
        put(3, kind="signer.added", facts=binding(log_key(2), seal_key(2))),
        lambda draft: draft.quoted.add(3),
        vkeys=new,
    )
    yield one("bindings: another vkey", REFUSED, fact(0, "vkey", log_key(2).vkey))
    yield one("bindings: no vkey", REFUSED, lambda draft: draft.log[0]["facts"].pop("vkey"))
    yield one("bindings: no vkey, no key pinned", REFUSED, lambda draft: draft.log[0]["facts"].pop("vkey"), vkeys=())
    yield one("bindings: a vkey that is none, no key pinned", REFUSED, fact(0, "vkey", "x"), vkeys=())
    yield one("bindings: another certificate", REFUSED, fact(0, "seal_certificate", seal_key(2).digest))
    yield one("bindings: no certificate", REFUSED, lambda draft: draft.log[0]["facts"].pop("seal_certificate"))
    yield one("bindings: a certificate that is null", REFUSED, fact(0, "seal_certificate", None))
    yield one(
        "bindings: an earlier one without vkey",
        ACCEPTED,
        rotated(3),
        lambda draft: draft.log[0]["facts"].pop("vkey"),
        vkeys=new,
        unclear=True,
    )
    yield one(
        "bindings: an earlier one names a certificate that is no digest",
        ACCEPTED,
        rotated(3),
        fact(0, "seal_certificate", "x"),
        vkeys=new,
        unclear=True,
    )
    yield one(
        "bindings: a held head of the old key, both pinned", ACCEPTED, rotated(17), heads=[Draft().head(12)], vkeys=both
    )
    yield one(
        "bindings: a held head of the old key, only the new one pinned",
        REFUSED,
        rotated(17),
        heads=[Draft().head(12)],
        vkeys=new,
    )
    for name, der in (
        ("with a byte behind", seal_key(1).der + b"\0"),
        ("cut off", seal_key(1).der[:-1]),
        ("empty", b""),
        ("no certificate", b"0\x03\x02\x01\x05"),
        ("in PEM", b"-----BEGIN CERTIFICATE-----\n"),
    ):
        yield one(
            f"seal.der: {name}",
            REFUSED,
            fact(0, "seal_certificate", url(sha(der))),
            file("seal.der", lambda _, der=der: der),
        )
    from cryptography.hazmat.primitives.asymmetric import ec

    for curve in (ec.SECP384R1(), ec.SECP256K1()):
        wrong = SealKey(5, curve)
        yield one(
            f"seal.der: a key on {curve.name}", REFUSED, fact(0, "seal_certificate", wrong.digest), setting(seal=wrong)
        )


def of_seals() -> Iterator[Mutant]:
    """The CMS; what else a PDF can be is in mutants_of_paper.py."""

    def cms(old: bytes, new: bytes) -> Change:
        """Change parts of equal length, so that all lengths stay right."""

        def turn(data: bytes) -> bytes:
            assert old in data
            assert len(old) == len(new)
            return data.replace(old, new)

        return lambda draft: draft.on_cms.append(turn)

    def twin(data: bytes) -> bytes:
        at = data.rfind(b"\x04", 0, data.rfind(b"\x30", 0, -60))
        r, s = decode_dss_signature(data[at + 2 :])
        order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
        other = encode_dss_signature(r, order - s)
        return data[: at + 2] + other if len(other) == len(data) - at - 2 else data

    yield one("a PDF: the draft itself", ACCEPTED, paper=True)
    yield one("a PDF: no key pinned", unchecked("pinned key"), paper=True, vkeys=())
    yield one("seal: the twin of its signature", ACCEPTED, lambda draft: draft.on_cms.append(twin), paper=True)
    yield one("seal: by another key with this certificate", REFUSED, setting(sealing=seal_key(2)), paper=True)
    yield one("seal: CMS version 3", REFUSED, cms(b"\x02\x01\x01\x31", b"\x02\x01\x03\x31"), paper=True)
    yield one(
        "seal: a byte of the signature",
        REFUSED,
        lambda draft: draft.on_cms.append(lambda data: data[:-1] + bytes([data[-1] ^ 1])),
        paper=True,
    )
    yield one(
        "seal: bytes behind the CMS", REFUSED, lambda draft: draft.on_cms.append(lambda data: data + b"x"), paper=True
    )
    yield one(
        "seal: SHA-512 named",
        REFUSED,
        cms(bytes.fromhex("0609608648016503040201"), bytes.fromhex("0609608648016503040203")),
        paper=True,
    )
    yield one("seal: empty", REFUSED, lambda draft: draft.on_cms.append(lambda data: b""), paper=True)
