"""What a scan finds, and what it leaves out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["client", "import", "url", "model", "key variable", "key", "dependency"]
Status = Literal["direct", "unclear", "gateway"]


class ScanRefused(Exception):
    """What was asked for cannot be scanned; the message says what to do."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One place in the source that calls a provider, or gives away that something does."""

    path: str
    """Relative to the tree, with `/`."""
    line: int
    kind: Kind
    provider: str
    """Its name as people write it."""
    found: str
    """What stands there; of a key its first characters only."""
    status: Status
    """`direct`: past the gateway. `gateway`: through it. `unclear`: the source alone does not say."""
    change: str
    """The line to write there; empty where nothing has to change."""
    library: str = ""
    """Of a client, an import or a dependency: the package."""
    end: int = 0
    """Of a client: the line on which it ends."""

    @property
    def leaks(self) -> bool:
        return self.status != "gateway"

    def as_json(self) -> dict[str, Any]:
        """Return what a script gets."""
        names = ("path", "line", "kind", "provider", "found", "status", "change")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True, order=True)
class Skipped:
    """A file or a folder that was not searched, or not in full."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a scan of a tree came to; sorted, so that it does not depend on the order of files."""

    files: int
    """Files that were searched."""
    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]
    as_text: tuple[Skipped, ...]
    """Files that could not be parsed and were searched as plain text."""
    unread: tuple[Skipped, ...]
    """Files and folders that could not be read."""
    own: tuple[str, ...] = ()
    """Packages of the tree that are called as a library is; what is imported from them is not listed."""

    @property
    def leaks(self) -> tuple[Finding, ...]:
        return tuple(one for one in self.findings if one.leaks)

    def counted(self, of: Callable[[Finding], str]) -> dict[str, dict[str, int]]:
        """Return how many findings of each status there are, by what `of` says of one."""
        counts: dict[str, dict[str, int]] = {}
        for one in self.findings:
            row = counts.setdefault(of(one), {"direct": 0, "unclear": 0, "gateway": 0})
            row[one.status] += 1
        return dict(sorted(counts.items()))
