"""Encryption of contents and keyed pseudonyms. No I/O: keys come in as values.

    root key (a file)  wraps  subject and ledger keys (the key store)  seal  disclosures

Each content is sealed with AES-256-GCM under a key derived for it alone (HKDF-SHA-256 over the subject key with
the entry id and field name), so a nonce is never used twice under one key. Deleting the subject's row in the key
store makes its contents, salts and pseudonyms unrecoverable here; the entries still verify.
"""

import hashlib
import hmac
import secrets
import zlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.entry import b64
from ledger.errors import ContentGone

KEY_BYTES = 32
_NONCE = 12
MAX_PLAINTEXT = 64 * 1024 * 1024


def wrap(root: bytes, key: bytes, *, ref: str) -> bytes:
    """Encrypt a key under the root key, bound to its reference."""
    nonce = secrets.token_bytes(_NONCE)
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


def content_key(key: bytes, entry_id: str, name: str) -> bytes:
    """Derive the key of one content: HKDF-SHA-256 (RFC 5869) without salt, one block of output.

    Written out because it runs several times a call and `hmac.digest` does it in a tenth of the time; a test holds it
    to the library's HKDF.
    """
    info = f"whyledger content v1\n{entry_id}\n{name}".encode()
    pseudorandom = hmac.digest(bytes(32), key, "sha256")
    return hmac.digest(pseudorandom, info + b"\x01", "sha256")


def seal(key: bytes, disclosure: str, *, entry_id: str, name: str) -> bytes:
    """Compress and encrypt a disclosure for one field of one entry."""
    nonce = secrets.token_bytes(_NONCE)
    return nonce + AESGCM(content_key(key, entry_id, name)).encrypt(nonce, zlib.compress(disclosure.encode(), 1), None)


def unseal(key: bytes, ciphertext: bytes, *, entry_id: str, name: str) -> str:
    """Inverse of `seal`.

    Raises:
        ContentGone: another key, another field, or damaged bytes.
    """
    try:
        packed = AESGCM(content_key(key, entry_id, name)).decrypt(ciphertext[:_NONCE], ciphertext[_NONCE:], None)
        plain = zlib.decompressobj()
        disclosure = plain.decompress(packed, MAX_PLAINTEXT)
    except (InvalidTag, ValueError, zlib.error) as error:
        raise ContentGone(f"{name} of {entry_id} does not open") from error
    return disclosure.decode()


def pseudonym(key: bytes, kind: str, identifier: str) -> str:
    """Return the keyed pseudonym of an identifier: HMAC-SHA-256, 128 bits, base64url."""
    tag = hmac.new(key, f"{kind}\n{identifier}".encode(), hashlib.sha256).digest()
    return f"{kind}.{b64(tag[:16])}"
