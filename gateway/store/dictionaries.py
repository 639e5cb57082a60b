"""The lists of names and words that lie beside the installation, read again when they change."""

import hashlib
import threading
from collections.abc import Iterable
from pathlib import Path

import structlog

from classifiers.terms import Terms
from gateway.dialects.words import as_identifier
from gateway.errors import Refused

MOST_BYTES = 20 * 1024 * 1024
log = structlog.get_logger()


class Dictionaries:
    """`NAME.txt` in a folder: a term on each line."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._read: dict[str, tuple[tuple[int, int], Terms]] = {}

    def of(self, names: Iterable[str]) -> dict[str, Terms]:
        """Return lists by their names.

        Raises:
            Refused: list_unreadable: without it nobody has looked.
        """
        return {name: self._one(name) for name in names}

    def every(self) -> dict[str, Terms]:
        """Return all that are there. Raises `Refused`: also for one whose name could not stand in an entry."""
        return self.of(sorted(path.stem for path in self._folder.glob("*.txt")))

    def _one(self, name: str) -> Terms:
        path = self._folder / f"{name}.txt"
        try:
            if as_identifier(name) != name:
                raise ValueError("its name has to be ASCII letters, digits and ._:@+-")
            stat = path.stat()
            version = (stat.st_mtime_ns, stat.st_size)
            with self._lock:
                known = self._read.get(name)
                if known is None or known[0] != version:
                    known = self._read[name] = (version, _read(path, name, stat.st_size))
        except (OSError, ValueError) as error:
            log.error("a list of terms cannot be read", list=name, reason=str(error))
            said = as_identifier(name)
            words = f"the list {said} cannot be read, so nobody can say what stands in this; a person must put it right"
            raise Refused("list_unreadable", words, stage=4, inputs={"list": said}) from error
        return known[1]


def _read(path: Path, name: str, size: int) -> Terms:
    if size > MOST_BYTES:
        raise ValueError(f"{path} has more than {MOST_BYTES} bytes")
    data = path.read_bytes()
    return Terms(name, data.decode("utf-8-sig").splitlines(), hashlib.sha256(data).hexdigest()[:12])
