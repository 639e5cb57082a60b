"""Encryption of contents and keyed pseudonyms. No I/O: keys come in as values.

    root key (a file)  wraps  subject and ledger keys (the key store)  seal  disclosures

The contents of one entry are sealed together with AES-256-GCM under a key derived for that entry alone (HKDF-SHA-256
over the subject key with the entry id), so a nonce is never used twice under one key. Deleting the subject's row in
the key store makes its contents, salts and pseudonyms unrecoverable here; the entries still verify.
"""

import hashlib
import hmac
import sys
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.entropy import random_bytes
from ledger.entry import b64
from ledger.errors import ContentGone

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

KEY_BYTES = 32
_NONCE = 12
MAX_PLAINTEXT = 64 * 1024 * 1024

_packer = zstd.ZstdCompressor(level=1)  # kept: making one costs more than the work; it locks itself


def wrap(root: bytes, key: bytes, *, ref: str) -> bytes:
    """Encrypt a key under the root key, bound to its reference."""
    nonce = random_bytes(_NONCE)
    return nonce + AESGCM(root).encrypt(nonce, key, ref.encode())


def unwrap(root: bytes, wrapped: bytes, *, ref: str) -> bytes:
    """Inverse of `wrap`.

    Raises:
        ContentGone: another root key, another reference, or damaged bytes.
    """
    try:
        return AESGCM(root).decrypt(wrapped[:_NONCE], wrapped[_NONCE:], ref.encode())
    except (InvalidTag, ValueError) as error:
        raise ContentGone(f"key {ref} does not open under this root key") from error


def _keyed(key: bytes) -> Callable[[bytes], bytes]:
    """Return HMAC-SHA-256 under `key` (at most 64 bytes), whose two blocks are hashed once (RFC 2104 section 4).

    Written out because it runs five times a call; tests hold it to the library's HMAC and HKDF.
    """
    block = key.ljust(64, b"\0")
    inner, outer = (hashlib.sha256(bytes(byte ^ pad for byte in block)) for pad in (0x36, 0x5C))

    def tag(message: bytes) -> bytes:
        first = inner.copy()
        first.update(message)
        second = outer.copy()
        second.update(first.digest())
        return second.digest()

    return tag


class Key:
    """The key of a person, or the ledger's own."""

    __slots__ = ("_expand", "_tag")

    def __init__(self, value: bytes) -> None:
        self._tag = _keyed(value)
        self._expand = _keyed(hmac.digest(bytes(32), value, "sha256"))  # HKDF-Extract without salt

    def content_key(self, entry_id: str) -> bytes:
        """Derive the key of one entry's contents: HKDF-SHA-256 (RFC 5869), one block of output."""
        return self._expand(b"whyledger content v1\n" + entry_id.encode() + b"\x01")

    def seal(self, plain: bytes, *, entry_id: str) -> bytes:
        """Compress and encrypt the contents of one entry."""
        nonce = random_bytes(_NONCE)
        packed = _packer.compress(plain, _packer.FLUSH_FRAME)
        return nonce + AESGCM(self.content_key(entry_id)).encrypt(nonce, packed, None)

    def unseal(self, ciphertext: bytes, *, entry_id: str) -> bytes:
        """Inverse of `seal`.

        Raises:
            ContentGone: another key, another entry, or damaged bytes.
        """
        try:
            packed = AESGCM(self.content_key(entry_id)).decrypt(ciphertext[:_NONCE], ciphertext[_NONCE:], None)
            return zstd.ZstdDecompressor().decompress(packed, MAX_PLAINTEXT)
        except (InvalidTag, ValueError, zstd.ZstdError) as error:
            raise ContentGone(f"the contents of {entry_id} do not open") from error

    def pseudonym(self, kind: str, identifier: str) -> str:
        """Return the keyed pseudonym of an identifier: HMAC-SHA-256, 128 bits, base64url."""
        tag = self._tag(f"{kind}\n{identifier}".encode())
        return f"{kind}.{b64(tag[:16])}"
