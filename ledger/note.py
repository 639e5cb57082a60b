"""C2SP signed notes (signed-note v1.0.0) with Ed25519 keys (signature type 0x01).

A note is UTF-8 text that ends in a newline, an empty line, and one line per signature:
`— <key name> <base64(4-byte key id || signature)>`. A verifier key ("vkey") is
`<name>+<8 hex digits of the key id>+<base64(type || public key)>`.

Needs the standard library and `cryptography` alone: the offline verifier imports it.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.errors import NoteInvalid

ED25519 = b"\x01"
MAX_NOTE = 1_000_000
MAX_SIGNATURES = 100
_DASH = "\u2014 "


def key_id(name: str, type_and_key: bytes) -> bytes:
    """Return the first 4 bytes of SHA-256(name || newline || type || key)."""
    return hashlib.sha256(name.encode("utf-8") + b"\n" + type_and_key).digest()[:4]


@dataclass(frozen=True, slots=True)
class Signer:
    """An Ed25519 private key with the name it signs under."""

    name: str
    key: Ed25519PrivateKey

    @property
    def vkey(self) -> str:
        public = ED25519 + self.key.public_key().public_bytes_raw()
        return f"{self.name}+{key_id(self.name, public).hex()}+{base64.b64encode(public).decode()}"

    @classmethod
    def from_seed(cls, name: str, seed: bytes) -> "Signer":
        """Build the signer from the 32-byte Ed25519 seed (RFC 8032 section 5.1.5)."""
        _require_name(name)
        return cls(name, Ed25519PrivateKey.from_private_bytes(seed))


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A parsed vkey."""

    name: str
    id: bytes
    key: Ed25519PublicKey

    @classmethod
    def parse(cls, vkey: str) -> "VerifierKey":
        """Parse a vkey.

        Raises:
            NoteInvalid: malformed, the key id does not match, or not an Ed25519 key.
        """
        match = re.fullmatch(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)", vkey)
        if match is None:
            raise NoteInvalid("malformed verifier key: expected NAME+KEYID+BASE64")
        name, public = match[1], _unbase64(match[3])
        _require_name(name)
        if key_id(name, public).hex() != match[2]:
            raise NoteInvalid(f"the key id of verifier key {name} does not match its key")
        if public[:1] != ED25519 or len(public) != 33:
            raise NoteInvalid(f"verifier key {name} is not an Ed25519 key of type 0x01")
        return cls(name, bytes.fromhex(match[2]), Ed25519PublicKey.from_public_bytes(public[1:]))


def sign(text: str | bytes, signers: Sequence[Signer]) -> bytes:
    """Return the note over `text` with one signature line per signer, in their order.

    Raises:
        NoteInvalid: the text does not end in a newline or holds control characters.
    """
    body = text if isinstance(text, bytes) else text.encode("utf-8")
    _require_text(body)
    lines = []
    for signer in signers:
        public = ED25519 + signer.key.public_key().public_bytes_raw()
        blob = key_id(signer.name, public) + signer.key.sign(body)
        lines.append(f"{_DASH}{signer.name} {base64.b64encode(blob).decode()}\n")
    return body + b"\n" + "".join(lines).encode("utf-8")


def split(note: bytes) -> tuple[bytes, tuple[tuple[str, bytes, bytes], ...]]:
    """Return the signed text and each signature as (key name, key id, signature bytes).

    Raises:
        NoteInvalid: malformed; see the module's first paragraph.
    """
    if len(note) > MAX_NOTE:
        raise NoteInvalid("the note is larger than 1 MB")
    at = note.rfind(b"\n\n")
    if at < 0:
        raise NoteInvalid("the note has no signature block")
    text, block = note[: at + 1], note[at + 2 :]
    _require_text(text)
    _require_text(block)
    if not block.endswith(b"\n"):
        raise NoteInvalid("the signature block does not end in a newline")
    lines = block[:-1].split(b"\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteInvalid(f"the note has more than {MAX_SIGNATURES} signatures")
    return text, tuple(_signature(line) for line in lines)


def verify(note: bytes, vkeys: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the given keys that signed the note, in the order of its signature lines.

    Signatures by unknown keys are ignored.

    Raises:
        NoteInvalid: the note or a key is malformed, a known key's signature fails, two given keys share
            name and id, or no given key has signed.

    Source: C2SP signed-note, "Signatures".
    """
    known: dict[tuple[str, bytes], VerifierKey] = {}
    for vkey in vkeys:
        parsed = VerifierKey.parse(vkey)
        if (parsed.name, parsed.id) in known:
            raise NoteInvalid(f"verifier key {parsed.name} is given twice")
        known[parsed.name, parsed.id] = parsed
    text, signatures = split(note)
    names: list[str] = []
    seen: set[tuple[str, bytes]] = set()
    for name, identifier, blob in signatures:
        key = known.get((name, identifier))
        if key is None:
            continue
        try:
            key.key.verify(blob, text)  # also a second one by the same key: what fails is never passed over
        except InvalidSignature:
            raise NoteInvalid(f"the signature by {name} does not verify") from None
        if (name, identifier) not in seen:
            seen.add((name, identifier))
            names.append(name)
    if not names:
        raise NoteInvalid("no given key has signed this note")
    return tuple(names)


def _signature(line: bytes) -> tuple[str, bytes, bytes]:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise NoteInvalid("a signature line is not UTF-8") from None
    if not text.startswith(_DASH):
        raise NoteInvalid("a signature line does not start with an em dash and a space")
    name, space, encoded = text.removeprefix(_DASH).partition(" ")
    if not space:
        raise NoteInvalid("a signature line has no signature")
    _require_name(name)
    blob = _unbase64(encoded)
    if len(blob) < 5:
        raise NoteInvalid("a signature is too short")
    return name, blob[:4], blob[4:]


def _require_name(name: str) -> None:
    if not name or "+" in name or any(char.isspace() for char in name):
        raise NoteInvalid("a key name is empty or holds a space or a plus sign")


def _require_text(text: bytes) -> None:
    if not text.endswith(b"\n"):
        raise NoteInvalid("the text does not end in a newline")
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError:
        raise NoteInvalid("the text is not UTF-8") from None
    if any(ord(char) < 0x20 and char != "\n" for char in decoded):
        raise NoteInvalid("the text holds control characters")


def _unbase64(text: str) -> bytes:
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteInvalid("malformed base64") from None
    if base64.b64encode(decoded).decode() != text:
        raise NoteInvalid("base64 that is not in its one canonical form")
    return decoded
