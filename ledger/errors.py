"""Everything that can go wrong in the ledger.

    LedgerError
    ├── CanonicalError      a value that has no RFC 8785 form (also a ValueError)
    ├── EntryInvalid        bytes that are no entry, or an entry that breaks the rules
    ├── ChainBroken         entries that contradict one another: tampering or a bug
    ├── ProofInvalid        a Merkle proof that does not lead to the stated root
    ├── NoteInvalid         a malformed signed note, or a known key whose signature fails
    ├── DisclosureInvalid   a content value that does not match its commitment
    ├── BundleInvalid       a bundle that is not the one canonical ZIP of its contents
    ├── SealInvalid         a PDF seal that does not cover the file or does not verify
    ├── ContentGone         a sealed content that does not decrypt
    │   └── ContentErased   one whose key is not in the key store: it was destroyed
    ├── LedgerUnavailable   the entry could not be made durable; nothing was acknowledged
    │   └── LogWentBack     the database does not continue what this process saw durable, or a signed head
    └── LogHalted           the database contradicts the head kept outside it: a person must decide

An error carries its facts and builds its own sentence. It knows nothing of HTTP:
`gateway.web.problems` gives each class a status and a code.
"""

import errno
from pathlib import Path


def of_file(error: OSError) -> str:
    """Return one sentence about a file that could not be used: which, and what is the matter with it."""
    if error.filename is None or error.errno is None:
        return str(error)
    path = Path(str(error.filename))
    if error.errno == errno.ENOENT:
        return f"there is no file {path}" if path.parent.is_dir() else f"{path}: there is no folder {path.parent}"
    words = {
        errno.EISDIR: f"{path} is a folder; name a file",
        errno.ENOTDIR: f"{path}: a part of this path is a file and no folder",
        errno.EEXIST: f"{path} is there already; name one that is not",
        errno.EACCES: f"{path} may not be read or written by this user",
    }
    return words.get(error.errno, f"{path}: {error.strerror}")


class LedgerError(Exception):
    """Base of all errors of this package."""


class CanonicalError(LedgerError, ValueError):
    """The value cannot be written as RFC 8785 canonical JSON."""


class EntryInvalid(LedgerError):
    """The bytes are not one well-formed entry in canonical form."""


class ChainBroken(LedgerError):
    """The entry at `position` does not extend the one before it."""

    def __init__(self, position: int, *, field: str, expected: str, found: str) -> None:
        super().__init__(f"entry {position}: {field} is {found}, not {expected}")
        self.position = position
        self.field = field


class ProofInvalid(LedgerError):
    """A proof does not lead from the given hashes to the given root."""


class NoteInvalid(LedgerError):
    """A signed note is malformed, or none or not all of the known signatures verify."""


class DisclosureInvalid(LedgerError):
    """A disclosure is malformed or its digest is not the commitment."""


class BundleInvalid(LedgerError):
    """A bundle is not the canonical archive of what it holds."""


class SealInvalid(LedgerError):
    """The seal of a PDF is absent, malformed, or does not cover and match the whole file."""


class ContentGone(LedgerError):
    """A sealed content can no longer be opened."""


class ContentErased(ContentGone):
    """The key that sealed a content is not in the key store."""


class LedgerUnavailable(LedgerError):
    """The unit was not committed; the caller must not go on as if it had been."""


class LogWentBack(LedgerUnavailable):
    """The database is not the one that acknowledged earlier entries: nothing is written until a person declares it."""


class LogHalted(LedgerError):
    """The stored log is not the one this installation last signed; see `whyledger recover`."""
