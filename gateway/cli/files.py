"""Files that a command writes: whole and in their place, or not there."""

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO


class _Beside:
    """What is written beside a file until it is whole."""

    def __init__(self, path: Path) -> None:
        self._path, self._part = path, path.with_name(f".{path.name}.{os.getpid()}.part")
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        try:
            self._file: BinaryIO = self._part.open("xb")
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error

    def write(self, data: bytes) -> None:
        """Write to the disk; whoever records that the file was made does so afterwards."""
        self._file.write(data)
        self._file.flush()
        os.fsync(self._file.fileno())

    def place(self) -> None:
        self._file.close()
        self._part.replace(self._path)

    def close(self) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)


@contextmanager
def placed(*paths: Path) -> Iterator[list[_Beside]]:
    """Open files to write; on leaving without an error they take their places, else nothing is left of them.

    Raises:
        OSError: one of them cannot be written; nothing was done yet.
    """
    with ExitStack() as closing:
        files = []
        for path in paths:
            files.append(one := _Beside(path))
            closing.callback(one.close)
        yield files
        for one in files:
            one.place()
