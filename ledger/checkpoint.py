"""The checkpoint: where the log ends, as C2SP tlog-checkpoint text inside a signed note.

Three lines: origin, size in decimal, root in base64. Extension lines are neither written nor accepted. Printing
and parsing are inverse.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ledger import note
from ledger.errors import NoteInvalid


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The size (leaves) and root (32 bytes) of the log named `origin`."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: bytes) -> "Checkpoint":
        """Parse the text of a note as a checkpoint.

        Raises:
            NoteInvalid: not exactly the three lines in canonical form.
        """
        match = re.fullmatch(rb"([^\n]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)\n", text)
        if match is None:
            raise NoteInvalid("not a checkpoint: expected origin, size and root on three lines")
        checkpoint = cls(match[1].decode("utf-8"), int(match[2]), base64.b64decode(match[3]))
        if checkpoint.text().encode("utf-8") != text:
            raise NoteInvalid("the checkpoint is not in its one canonical form")
        return checkpoint


def sign(checkpoint: Checkpoint, signers: Sequence[note.Signer]) -> bytes:
    """Return the signed note of the checkpoint."""
    return note.sign(checkpoint.text(), signers)


def verified(signed: bytes, vkeys: Sequence[str]) -> Checkpoint:
    """Return the checkpoint in a note that one of `vkeys` named like its origin has signed.

    Raises:
        NoteInvalid: malformed, not signed by a given key, or signed by a key of another log.
    """
    names = note.verify(signed, vkeys)
    text, _ = note.split(signed)
    checkpoint = Checkpoint.parse(text)
    if set(names) != {checkpoint.origin}:
        raise NoteInvalid(f"no given key signs for the log {checkpoint.origin}")
    return checkpoint


def unverified(signed: bytes) -> Checkpoint:
    """Return the checkpoint in a note without looking at who signed it: proves nothing about its author."""
    text, _ = note.split(signed)
    return Checkpoint.parse(text)
