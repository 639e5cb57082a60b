"""What the detectors of this package give back. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """A piece of a text. Places are code points of the text that was given."""

    kind: Literal["credential", "personal_data", "injection", "term"]
    type: str
    start: int
    end: int


def without_overlaps(found: Iterable[Finding]) -> list[Finding]:
    """Return findings in their order; of two that overlap the one that begins first, or is longer."""
    kept: list[Finding] = []
    for one in sorted(found, key=lambda one: (one.start, -one.end)):
        if not kept or one.start >= kept[-1].end:
            kept.append(one)
    return kept
