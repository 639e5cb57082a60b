"""Offline verification of a whole log as it is stored, in one pass and constant memory.

Entries are checked page by page, each page by itself, and the pages are then joined in order: so the pages of a long
log are shared out among the processors.
"""

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future
from typing import NamedTuple

from ledger import checkpoint as checkpoints
from ledger import merkle, verify_contents
from ledger.amounts import counted
from ledger.checkpoint import Checkpoint
from ledger.entry import GENESIS, b64, decode, follow
from ledger.errors import ChainBroken, ProofInvalid
from ledger.steps import Report, Steps, not_in_this_version
from ledger.verify_contents import NOTHING, Found, Kept, Opening

PAGE = 512
MANY = 50_000
"""From this many entries on it pays to start processes."""


Reading = Callable[[int, int], Sequence[bytes]]
"""Returns the entries with first <= seq < end as they are stored, in order."""


class _Checked(NamedTuple):
    """What a page comes to: the hash that its first entry names, its leaf hashes, the times of its ends, and what
    was found of its contents."""

    prev: str
    leaves: list[bytes]
    begins: str
    ends: str
    contents: Found


class _Checking(NamedTuple):
    """What it takes to check a page, here or in another process."""

    read: Reading
    origin: str
    kept: Kept | None
    opening: Opening | None


def verify_log(
    read: Reading, *, origin: str, size: int, root: bytes, signed: bytes | None, vkeys: Sequence[str],
    held: Sequence[bytes] = (), workers: int | None = None, kept: Kept | None = None, opening: Opening | None = None,
) -> Report:  # fmt: skip
    """Verify a whole log as it is stored, in one pass and constant memory.

    Args:
        read: gives entries by number; for several processes one that can be pickled.
        origin, size, root: what the head row says.
        signed: the last checkpoint that is kept.
        workers: how many processes check entries; by default this one, or one on each processor for a long log.
        kept: the contents beside the entries.
        opening: opens them; without it only that they are there is checked. For several processes both must be such
            that can be pickled.
    """
    if workers is None:
        workers = _processors() if size >= MANY else 1
    steps = Steps()
    heads = [checkpoints.unverified(one) for one in held]
    marks = _Marks([*heads, *([checkpoints.unverified(signed)] if signed else [])])

    checking = _Checking(read, origin, kept, opening)
    steps.run("entries", lambda: _walk(checking, size, marks, workers))
    steps.run("tree", lambda: _head_matches(marks.frontier, size, root))
    if signed is None or not vkeys:
        steps.skip("pinned key", "no --key was given, or no checkpoint is kept: who made this is not proved")
    else:
        steps.run("pinned key", lambda: _signed_head(signed, vkeys, marks))
    if not held:
        steps.skip("held head", "no --head was given: a history rewritten by the key's holder would not show")
    else:
        steps.run("held head", lambda: _held_heads(held, vkeys, marks))
    _contents(steps, checking, marks.contents, size)
    not_in_this_version(steps)
    return steps.report


def _contents(steps: Steps, checking: _Checking, found: Found, size: int) -> None:
    """Report what was found of contents; values that nobody opened are not checked, and never pass."""
    kept = checking.kept
    if kept is None:
        steps.skip("contents", "what is kept beside the entries was not looked at")
    elif steps.run("contents", lambda: verify_contents.require_sound(found, size, kept)) and not checking.opening:
        steps.report.steps.pop()
        steps.skip(
            "contents",
            f"{found.kept} entries commit to contents, each has some stored and no other has: whether these are what "
            "was committed to shows only with the key store (`whyledger verify` alone)",
        )


def _processors() -> int:
    """Return how many processors this process may use, where the system tells, else how many there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Marks:
    """What is taken along while walking: roots at the sizes that somebody signed, what was found of contents."""

    def __init__(self, wanted: Sequence[Checkpoint]) -> None:
        self.frontier = merkle.Frontier()
        self.contents = NOTHING
        self._wanted = {one.size for one in wanted}
        self._roots = {0: merkle.EMPTY_ROOT}

    def add(self, leaves: Sequence[bytes]) -> None:
        start = self.frontier.size
        for size in sorted(one for one in self._wanted if start < one <= start + len(leaves)):
            self.frontier = self.frontier.extend(leaves[self.frontier.size - start : size - start])
            self._roots[size] = self.frontier.root()
        self.frontier = self.frontier.extend(leaves[self.frontier.size - start :])

    def require(self, head: Checkpoint, what: str) -> None:
        if head.size not in self._roots:
            raise ProofInvalid(f"{what} is of {head.size} entries, the log has {self.frontier.size}: it was cut")
        if self._roots[head.size] != head.root:
            raise ProofInvalid(f"the first {head.size} entries are not those of {what}: history was rewritten")


def _walk(checking: _Checking, size: int, marks: _Marks, workers: int) -> str:
    prev, seq, at = b64(GENESIS), 0, ""
    for page in _in_turn(checking, size) if workers == 1 else _shared_out(checking, size, workers):
        if page.prev != prev:
            raise ChainBroken(seq, field="prev", expected=prev, found=page.prev)
        if page.begins < at:
            raise ChainBroken(seq, field="at", expected=f"{at} or later", found=page.begins)
        prev, seq, at = b64(page.leaves[-1]), seq + len(page.leaves), page.ends
        marks.add(page.leaves)
        marks.contents += page.contents
    return f"{seq} entries, canonical, chained, no gap"


def _pages(size: int) -> Iterator[tuple[int, int]]:
    return ((first, min(first + PAGE, size)) for first in range(0, size, PAGE))


def _in_turn(checking: _Checking, size: int) -> Iterator[_Checked]:
    return (_check(checking, page) for page in _pages(size))


def _check(checking: _Checking, page: tuple[int, int]) -> _Checked:
    """Check the entries of a page (its first, and the one after its last) and their contents by themselves."""
    read, origin, kept, opening = checking
    entries = [(data, decode(data)) for data in read(*page)]
    if not entries:
        raise ProofInvalid(f"the log ends before entry {page[0]}, its head row says it goes on")
    _, leaves = follow(entries, first=page[0], prev=None, log=origin)
    found = verify_contents.check_page([entry for _, entry in entries], page[0], kept, opening) if kept else NOTHING
    return _Checked(entries[0][1].prev, leaves, entries[0][1].at, entries[-1][1].at, found)


def _shared_out(checking: _Checking, size: int, workers: int) -> Iterator[_Checked]:
    """Check pages in other processes, a few ahead; yields them in order."""
    from concurrent.futures.process import ProcessPoolExecutor
    from multiprocessing import get_context

    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))  # a fork would copy what threads hold
    waiting: deque[tuple[tuple[int, int], Future[_Checked] | None]] = deque()
    try:
        for page in _pages(size):
            checked = None
            with contextlib.suppress(BrokenExecutor):  # a process was killed: the rest is checked here
                checked = pool.submit(_check, checking, page)
            waiting.append((page, checked))
            if len(waiting) > 2 * workers:
                yield _result(checking, *waiting.popleft())
        while waiting:
            yield _result(checking, *waiting.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def _result(checking: _Checking, page: tuple[int, int], checked: "Future[_Checked] | None") -> _Checked:
    if checked is not None:
        with contextlib.suppress(Exception):  # a broken page, or a process that was killed: this one finds out which
            return checked.result()
    return _check(checking, page)


def _head_matches(frontier: merkle.Frontier, size: int, root: bytes) -> str:
    if frontier.size != size or frontier.root() != root:
        raise ProofInvalid(f"the head row says {size} entries and another root than the {frontier.size} entries give")
    return "the head row is the root of the entries"


def _signed_head(signed: bytes, vkeys: Sequence[str], marks: _Marks) -> str:
    head = checkpoints.verified(signed, vkeys)
    marks.require(head, "the last checkpoint")
    rest = marks.frontier.size - head.size
    return f"the checkpoint of {head.size} entries verifies under the pinned key; {rest} newer ones are not signed yet"


def _held_heads(held: Sequence[bytes], vkeys: Sequence[str], marks: _Marks) -> str:
    for signed in held:
        marks.require(checkpoints.verified(signed, vkeys) if vkeys else checkpoints.unverified(signed), "the held head")
    return f"consistent with {counted(len(held), 'head')} held before"
