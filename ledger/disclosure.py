"""Salted commitments to content values, as in RFC 9901 (SD-JWT) section 4.2.

A disclosure is base64url of the JSON array [salt, name, value]; its digest, base64url of SHA-256 over that ASCII
text, stands in the entry's `c`. The salt has 256 random bits and lives only inside the encrypted disclosure, so
that destroying its key leaves nothing to guess against.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from ledger.canonical import canonicalize, dump_plain, parse
from ledger.entropy import random_bytes
from ledger.entry import b64, b64_ascii, unb64
from ledger.errors import CanonicalError, DisclosureInvalid, EntryInvalid

SALT_BYTES = 32


def disclose(name: str, value: Any) -> tuple[bytes, str]:
    """Return the array of a fresh disclosure of `value` (any JSON value) and its commitment."""
    write = dump_plain if isinstance(value, str) else canonicalize
    salt = b64(random_bytes(SALT_BYTES))
    array = write([salt, name, value])
    return array, _digest(b64_ascii(array))


def _is_salt(text: str) -> bool:
    try:
        return len(unb64(text)) == SALT_BYTES
    except EntryInvalid:
        return False


def digest(disclosure: str) -> str:
    """Return the commitment of a disclosure."""
    return _digest(disclosure.encode("ascii"))


def _digest(disclosure: bytes) -> str:
    return b64(hashlib.sha256(disclosure).digest())


def open_disclosure(disclosure: str, *, name: str, commitment: str) -> Any:
    """Return the value, having checked that it is the one committed to under `name`.

    Raises:
        DisclosureInvalid: it is not.
    """
    try:
        matches = digest(disclosure) == commitment
        array = parse(unb64(disclosure))
    except (UnicodeEncodeError, CanonicalError, EntryInvalid) as error:
        raise DisclosureInvalid(f"{name}: malformed disclosure") from error
    if not matches:
        raise DisclosureInvalid(f"{name}: the disclosure does not have the committed digest")
    if not isinstance(array, list) or len(array) != 3 or array[1] != name:
        raise DisclosureInvalid(f"{name}: not a disclosure of this field")
    if not isinstance(array[0], str) or not _is_salt(array[0]):
        raise DisclosureInvalid(f"{name}: the salt is not of {SALT_BYTES} bytes")
    return array[2]


def require_committed(disclosures: Mapping[str, str], commitments: Mapping[str, str]) -> None:
    """Require that these are the disclosures of an entry: all that it commits to, and nothing else.

    Raises:
        DisclosureInvalid: naming the field.
    """
    for name in sorted(disclosures.keys() ^ commitments.keys()):
        lacking = "is kept" if name in commitments else "is committed to"
        raise DisclosureInvalid(f"{name}: nothing {lacking} under this name")
    for name, commitment in commitments.items():
        open_disclosure(disclosures[name], name=name, commitment=commitment)
