"""What is looked for in a text, and where it stands. What stays the same from one request to the next is read once."""

import hashlib
import threading
from typing import NamedTuple

from classifiers.credentials.found import credentials_in
from classifiers.finding import Finding, without_overlaps
from classifiers.terms import Terms

KNOWN = 4096
"""Texts whose findings are kept, the latest."""


class Sought(NamedTuple):
    """What is looked for."""

    credentials: bool = False
    personal_data: bool = False
    terms: tuple[Terms, ...] = ()


class Finder:
    """The detectors of a process, with what they found lately."""

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, Sought], tuple[Finding, ...]] = {}
        self._lock = threading.Lock()

    def find(self, name: str, text: str, sought: Sought) -> tuple[Finding, ...]:
        """Return what stands in a text, in its order and without overlaps.

        Args:
            name: of the member that it stands under; numbers are told apart by the words before them.
        """
        key = hashlib.blake2b(f"{name}\0{text}".encode("utf-8", "surrogatepass"), digest_size=16).digest(), sought
        if (found := self._known.get(key)) is None:
            found = _found(name, text, sought)
            with self._lock:  # long requests are read in threads
                self._known[key] = found
                if len(self._known) > KNOWN:
                    self._known.pop(next(iter(self._known)))
        return found


def _found(name: str, text: str, sought: Sought) -> tuple[Finding, ...]:
    before = f"{name}: " if name else ""
    every: list[Finding] = []
    if sought.credentials:
        every += credentials_in(before + text)
    if sought.personal_data:
        from classifiers.personal_data.found import personal_data_in

        every += personal_data_in(before + text)
    for one in sought.terms:
        every += one.find(before + text)
    size = len(before)
    placed = [Finding(one.kind, one.type, one.start - size, one.end - size) for one in every if one.start >= size]
    return tuple(without_overlaps(placed))
