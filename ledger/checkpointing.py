"""Signing where the log ends, and keeping the last signed head outside the database.

Before signing, the new entries are read back from the database and recomputed, so that a bit flipped between
hashing and storing is found while it can still be repaired, and never signed. The signed note goes to a file that
no restore of the database touches; at start the database must be at or beyond it and consistent with it.

Of several processes on one log, one signs: the one that signed last, while its row is fresh. The others take its
note over into their own head file.
"""

import contextlib
import os
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any

from ledger import checkpoint as checkpoints
from ledger import merkle
from ledger.checkpoint import Checkpoint
from ledger.entry import format_time
from ledger.errors import LogHalted, NoteInvalid
from ledger.log import Log
from ledger.note import Signer
from ledger.store.reader import Reader
from ledger.store.writer import Head
from ledger.unit import GAP, State, Step, Unit

KEY = "checkpoint"
TURN = timedelta(seconds=10)
"""How long a signer that is not heard of keeps the others waiting."""


_UNKNOWN = object()


class HeadFile:
    """The last signed checkpoint, in a file outside the database."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> bytes | None:
        return self.path.read_bytes() if self.path.exists() else None

    def write(self, signed: bytes) -> None:
        """Replace the file durably: after a crash it holds the old note or the new one."""
        # Two processes may share the folder, and in containers both may have the number 1.
        temporary = self.path.with_suffix(f".{token_hex(6)}.new")
        try:
            with temporary.open("wb") as file:
                file.write(signed)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        directory = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def set_aside(self, name: str) -> None:
        """Move the file away: the database does not continue it, and a person has declared that."""
        if self.path.exists():
            self.path.replace(self.path.with_suffix(f".before-{name}"))


def require_continuation(reader: Reader, head_file: HeadFile, vkey: str) -> None:
    """Check that the database continues the log that the head file signed.

    Raises:
        LogHalted: it is shorter (a restored backup, a cut tail), another history, or the file is not ours.
    """
    signed = head_file.read()
    head = reader.head()
    if signed is None:
        if head.size > 1:
            raise LogHalted(f"{head_file.path} is missing, but the log has {head.size} entries")
        return
    try:
        held = checkpoints.verified(signed, [vkey])
    except NoteInvalid as error:
        raise LogHalted(f"{head_file.path}: {error}") from error
    if held.origin != head.origin:
        raise LogHalted(f"{head_file.path} is of the log {held.origin}, the database of {head.origin}")
    if head.size < held.size:
        raise LogHalted(
            f"the database ends at {head.size} entries, but {held.size} were signed: it was cut or an old copy was "
            "restored. Nothing was written. Put the newer database back; if it is lost, an admin goes on from here, on "
            "record, with `whyledger recover --as PERSON --reason TEXT`"
        )
    if held.size and reader.tree.subtree(0, held.size) != held.root:
        raise LogHalted(f"the first {held.size} entries are not the ones that were signed")
    if reader.tree.subtree(0, head.size) != head.frontier.root():
        raise LogHalted("the stored head does not match the stored entries")


def held_checkpoint(head_file: HeadFile, vkey: str) -> Checkpoint:
    """Return the checkpoint in the head file; that of the empty log where there is none.

    Raises:
        NoteInvalid: it is not signed by this key.
    """
    signed = head_file.read()
    if signed is None:
        return Checkpoint(vkey.partition("+")[0], 0, merkle.EMPTY_ROOT)
    return checkpoints.verified(signed, [vkey])


class Checkpointer:
    """Signs the head when the log grew. Callers take turns: when a process ends, its timer may still be signing."""

    def __init__(
        self, log: Log, reader: Reader, signer: Signer, head_file: HeadFile, clock: Callable[[], datetime]
    ) -> None:
        self._log, self._reader, self._signer, self.head_file = log, reader, signer, head_file
        self._clock = clock
        self._name = token_hex(8)
        self._frontier = merkle.Frontier()
        self.gap: Any = _UNKNOWN
        """The last gap that somebody declared, as of the last attempt to sign."""
        self._signing = threading.Lock()

    @property
    def signed_size(self) -> int:
        """The size of the largest head that this process knows to be signed."""
        return max(self._frontier.size, held_checkpoint(self.head_file, self._signer.vkey).size)

    def has_turn(self) -> bool:
        """Say whether it is this process that signs for all."""
        return bool((self._reader.state(KEY) or {}).get("by") == self._name)

    def sign(self, *, now: bool = False) -> bytes | None:
        """Sign the current head and return the note, or None when the log did not grow since the last time.

        Args:
            now: sign even if it is another process's turn, and give up a turn of one's own.

        Raises:
            LogHalted: what is stored is not what was hashed; nothing was signed.
        """
        with self._signing:
            return self._sign(now=now)

    def _sign(self, *, now: bool) -> bytes | None:
        head, kept, gap = self._reader.head(), self._reader.state(KEY), self._reader.state(GAP)
        if gap != self.gap:
            self._go_on_from(gap)
        self._require_memory(head)
        if head.size == self._frontier.size:
            return None
        if kept and not now and kept["by"] != self._name and kept["until"] > format_time(self._clock()):
            self._take_over(kept["note"].encode())
            return None
        self._resume()
        reread = self._read_back(head.size)
        if reread.root() != head.frontier.root():
            raise LogHalted(f"the entries read back do not give the root of the head at {head.size}")
        signed = checkpoints.sign(Checkpoint(head.origin, head.size, head.frontier.root()), [self._signer])
        # First in the database: with a synchronous standby its commit waits until everything before it is there too,
        # so no head is kept of entries that a failover can lose.
        self._log.append(self._keep(signed.decode(), head.size, takes_turn=not now))
        self.head_file.write(signed)
        self._frontier = reread  # last: what failed on the way here is tried again, though the log did not grow
        return signed

    def _require_memory(self, head: Head) -> None:
        """Check that the head goes on from what this process has signed or seen signed."""
        known = self._frontier
        if head.size < known.size or (head.size == known.size and head.frontier.root() != known.root()):
            raise LogHalted(f"the database ends at {head.size} entries that do not go on from {known.size} signed ones")

    def _go_on_from(self, gap: Any) -> None:
        """A person declared a gap: what was signed before it is set aside."""
        first, self.gap = self.gap is _UNKNOWN, gap
        if first:
            return
        self._frontier = merkle.Frontier()
        self._reader.forget()
        held = held_checkpoint(self.head_file, self._signer.vkey)
        if self._reader.head().size < held.size or self._reader.tree.subtree(0, held.size) != held.root:
            self.head_file.set_aside(str(gap["id"]))

    def _take_over(self, signed: bytes) -> None:
        """Keep the note that another process signed, if it is later than ours and goes on from it."""
        later = checkpoints.verified(signed, [self._signer.vkey])
        held = held_checkpoint(self.head_file, self._signer.vkey)
        if later.size <= held.size:
            return
        tree = self._reader.tree  # what is kept at hand of it was read before, and must fit what is read now
        if tree.subtree(0, held.size) != held.root or tree.subtree(0, later.size) != later.root:
            raise LogHalted(f"the head of {later.size} entries does not go on from the one of {held.size} that is kept")
        self.head_file.write(signed)

    def _resume(self) -> None:
        """Start where the last signature ends: what it covers was read back by whoever made it."""
        held = held_checkpoint(self.head_file, self._signer.vkey)
        if held.size > self._frontier.size:
            frontier = self._reader.tree.frontier(held.size)
            if frontier.root() != held.root:
                raise LogHalted(f"the first {held.size} entries are not the ones that were signed")
            self._frontier = frontier

    def _read_back(self, size: int) -> merkle.Frontier:
        """Recompute the leaf hashes of the stored bytes since the last signed head, in constant memory.

        The bytes hold seq and prev, so the root over their hashes says that they are what was appended.
        """
        reread = self._frontier
        while reread.size < size:
            low = reread.size
            high = min(low + 4096, size)
            hashes = [merkle.leaf_hash(data) for data in self._reader.reread(low, high)]
            if len(hashes) != high - low:
                raise LogHalted(f"{high - low - len(hashes)} entries below {high} are missing")
            reread = reread.extend(hashes)
        return reread

    def _keep(self, signed: str, size: int, *, takes_turn: bool) -> Unit:
        """Keep the note in the database too, unless another process has kept a later one."""

        def run(state: State, at: datetime) -> Step:
            kept = state.get(KEY) or {"size": 0, "by": self._name, "until": ""}
            if kept["size"] >= size:
                return Step()
            turn = {"by": kept["by"], "until": kept["until"] if kept["by"] != self._name else ""}
            if takes_turn:
                turn = {"by": self._name, "until": format_time(at + TURN)}
            return Step(changes={KEY: {"size": size, "note": signed} | turn})

        return Unit(keys=lambda _at: (KEY,), run=run)
