"""What is looked for in a text, and where it stands. What stays the same from one request to the next is read once."""

import hashlib
from typing import NamedTuple

from classifiers.credentials.found import credentials_in
from classifiers.finding import Finding, without_overlaps
from classifiers.terms import Terms
from gateway.policies.lately import Lately


class Sought(NamedTuple):
    """What is looked for."""

    credentials: bool = False
    personal_data: bool = False
    terms: tuple[Terms, ...] = ()


class Finder:
    """The detectors of a process, with what they found lately."""

    def __init__(self) -> None:
        self._known = Lately[tuple[Finding, ...]]()

    def find(self, name: str, text: str, sought: Sought) -> tuple[Finding, ...]:
        """Return what stands in a text, in its order and without overlaps.

        Args:
            name: of the member that it stands under; numbers are told apart by the words before them.
        """
        said = hashlib.blake2b(f"{name}\0{text}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
        return self._known.of((said, sought), lambda: _found(name, text, sought))


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
