"""The files of a tree that are searched, and what of it is left out and why. No symbolic link is followed."""

import fnmatch
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.scanning.finding import ScanRefused, Skipped

MOST = 2_000_000
"""Bytes of a file that is searched."""
_NEVER = {
    **dict.fromkeys((".git", ".hg", ".svn"), "version control"),
    **dict.fromkeys(("node_modules", "site-packages", "vendor", "bower_components"), "installed packages"),
    **dict.fromkeys((".tox", ".nox"), "virtual environment"),
    **dict.fromkeys(("__pycache__", ".next", ".nuxt", "coverage"), "build output"),
    **dict.fromkeys((".mypy_cache", ".ruff_cache", ".pytest_cache", ".gradle", ".terraform"), "cache"),
}
_BUILT = {"build", "dist", "out", "target"}
"""Build output, unless a Python package is called so."""
_LONG_LINE = 2_000
_CODE = {".js", ".mjs", ".cjs", ".css"}


@dataclass(slots=True)
class Tree:
    """The files under a folder, or one file."""

    root: Path
    exclude: Sequence[str] = ()
    skipped: list[Skipped] = field(default_factory=list)
    unread: list[Skipped] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.root.exists():
            raise ScanRefused(f"there is no file or folder {self.root}: give the folder of your source")
        if not (self.root.is_dir() or self.root.is_file()):
            raise ScanRefused(f"{self.root} is no file and no folder: give the folder of your source")

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield the path of each file that is searched, relative to the tree, and its text."""
        files = self._under(self.root, "") if self.root.is_dir() else iter([(self.root, self.root.name)])
        for file, name in files:
            try:
                text = self._read(file, name)
            except OSError as error:
                self.unread.append(Skipped(name, error.strerror or "cannot be read"))
                continue
            if text is not None:
                yield name, text

    def packages(self) -> frozenset[str]:
        """Return the names of the Python packages that the tree itself holds, at its root or under `src`."""
        places = (self.root, self.root / "src") if self.root.is_dir() else ()
        return frozenset(one.parent.name for place in places for one in place.glob("*/__init__.py"))

    def _under(self, folder: Path, inside: str) -> Iterator[tuple[Path, str]]:
        try:
            with os.scandir(folder) as scanned:
                entries = sorted(scanned, key=lambda one: one.name)
        except OSError as error:
            self.unread.append(Skipped(inside or ".", error.strerror or "cannot be read"))
            return
        for entry in entries:
            name = _printable(f"{inside}{entry.name}")
            if why := self._left_out(entry, name):
                self.skipped.append(Skipped(name, why))
            elif entry.is_dir(follow_symlinks=False):
                yield from self._under(Path(entry.path), f"{name}/")
            else:
                yield Path(entry.path), name

    def _left_out(self, entry: os.DirEntry[str], name: str) -> str:
        """Say why something is not looked at; nothing if it is."""
        if entry.is_symlink():
            return "symbolic link"
        if any(fnmatch.fnmatchcase(name, one) or fnmatch.fnmatchcase(entry.name, one) for one in self.exclude):
            return "excluded"
        if entry.is_dir(follow_symlinks=False):
            return _folder(Path(entry.path))
        return "" if entry.is_file(follow_symlinks=False) else "no plain file"

    def _read(self, file: Path, name: str) -> str | None:
        if file.stat().st_size > MOST:
            self.skipped.append(Skipped(name, "above 2 MB"))
            return None
        data = file.read_bytes()
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            return data.decode("utf-16", "replace")
        if b"\0" in data[:8192]:
            self.skipped.append(Skipped(name, "binary"))
            return None
        text = data.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
        if _minified(file, text):
            self.skipped.append(Skipped(name, "minified"))
            return None
        return text


def _folder(path: Path) -> str:
    if path.name in _NEVER:
        return _NEVER[path.name]
    if (path / "pyvenv.cfg").exists():
        return "virtual environment"
    return "build output" if path.name in _BUILT and not (path / "__init__.py").exists() else ""


def _minified(file: Path, text: str) -> bool:
    if file.name.endswith((".min.js", ".min.css", ".map")):
        return True
    return file.suffix in _CODE and len(text) > _LONG_LINE * (text.count("\n") + 1)


def _printable(name: str) -> str:
    """Return a name as text that can be written anywhere, on one line."""
    plain = name.encode("utf-8", "replace").decode()
    return "".join(one if one.isprintable() else "?" for one in plain)
