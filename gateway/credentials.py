"""Providers' credentials: what `env:NAME` and `file:PATH` in the configuration refer to.

A file may come late, change, or be wrong for a while: it is looked at for each attempt, and read when it is another one
than before.
"""

import contextlib
import re
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import structlog

from gateway.configuration.model import Provider

log = structlog.get_logger()

MAX_SIZE = 64 * 1024
SETTLED_NS = 1_000_000_000
"""A file changed more recently than this could change again and look the same: it is read once more."""
_IN_A_HEADER = re.compile(r"[\x21-\x7e]+")


class CredentialProblem(Exception):
    """A provider's credential cannot be used. Says which provider, where and why, and never what was found there."""

    def __init__(self, provider: str, kind: str, place: str, wrong: str) -> None:
        super().__init__(f"the {kind} {place} of provider {provider} {wrong}")
        self.for_callers = f"the {kind} of provider {provider} {wrong}"
        """Without the place, which is the operator's business."""


class _Wrong(Exception):
    """What is wrong with a key, to be said after its name."""


class _Stamp(NamedTuple):
    """What tells one state of a file from another. The change time moves with the rights too, and nobody can set it."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int


class _Read(NamedTuple):
    """What a file held: a key, or what is wrong with it."""

    stamp: _Stamp
    key: str
    wrong: str | None = None


def _places(providers: Mapping[str, Provider]) -> Iterator[tuple[str, str | None]]:
    for name, provider in providers.items():
        if provider.keys:
            yield from ((f"{name}/{environment}", key) for environment, key in provider.keys.items())
        else:
            yield name, provider.key


def all_places(providers: Mapping[str, Provider]) -> frozenset[str]:
    """Return what `usable` would if every key were there."""
    return frozenset(place for place, _ in _places(providers))


class Credentials:
    """The credentials that references lead to, and what of them was said in the log."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._files: dict[str, _Read] = {}
        self._logged: dict[str, str | None] = {}

    def may_exist(self, reference: str | None) -> bool:
        """Tell whether a provider can be tried: a variable stays as it was at the start, a file may come."""
        if reference is None or reference.startswith("file:"):
            return True
        return bool(self._environment.get(reference.partition(":")[2], "").strip())

    def usable(self, providers: Mapping[str, Provider]) -> frozenset[str]:
        """Return the providers that can be tried; `provider/environment` where each environment has its own key."""
        return frozenset(place for place, key in _places(providers) if self.may_exist(key))

    def of(self, provider: str, reference: str | None) -> str | None:
        """Return the credential of a provider, or None if it needs none.

        Raises:
            CredentialProblem: it is not there or not usable.
        """
        if reference is None:
            return None
        kind, _, place = reference.partition(":")
        try:
            return self._in_file(place) if kind == "file" else self._in_environment(place)
        except _Wrong as wrong:
            raise CredentialProblem(provider, "key file" if kind == "file" else "variable", place, str(wrong)) from None

    def logged(self, provider: str, reference: str | None) -> str | None:
        """As `of`, and say in the log when a problem comes, becomes another, or goes."""
        try:
            key = self.of(provider, reference)
        except CredentialProblem as problem:
            self._log(provider, str(problem))
            raise
        self._log(provider, None)
        return key

    def _log(self, provider: str, problem: str | None) -> None:
        if self._logged.get(provider) == problem:
            return
        self._logged[provider] = problem
        with contextlib.suppress(OSError):  # a full disk may take no log, and must not fail the call for it
            if problem:
                log.error("a provider cannot be used", reason=problem)
            else:
                log.warning("a provider can be used again", provider=provider)

    def _in_environment(self, name: str) -> str:
        if name not in self._environment:
            raise _Wrong("is not set")
        return _key(self._environment[name])

    def _in_file(self, place: str) -> str:
        path = Path(place)
        try:
            stamp = _stamp(path)
            kept = self._files.get(place)
            if kept is None or kept.stamp != stamp:
                kept = _read(path, stamp)
                if abs(time.time_ns() - stamp.changed) > SETTLED_NS:
                    self._files[place] = kept
        except FileNotFoundError:
            raise _Wrong("does not exist") from None
        except OSError as error:
            raise _Wrong(f"cannot be read ({(error.strerror or type(error).__name__).lower()})") from None
        except ValueError:  # a NUL in the path
            raise _Wrong("does not exist") from None
        if kept.wrong:
            raise _Wrong(kept.wrong)
        return kept.key


def _stamp(path: Path) -> _Stamp:
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise _Wrong("is not a regular file")  # reading a pipe would wait, and every call with it
    return _Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _read(path: Path, stamp: _Stamp) -> _Read:
    """Read a file whose stamp was taken before: if it changes in between, its stamp is another one the next time."""
    with path.open("rb") as file:
        data = file.read(MAX_SIZE + 1)
    try:
        return _Read(stamp, _decoded(data))
    except _Wrong as wrong:
        return _Read(stamp, "", str(wrong))


def _decoded(data: bytes) -> str:
    if len(data) > MAX_SIZE:
        raise _Wrong(f"is larger than {MAX_SIZE // 1024} KiB")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data:
        raise _Wrong("is not UTF-8 text, it looks like UTF-16: write it as UTF-8")
    try:
        # A byte order mark is left out, not refused: editors and PowerShell put it before UTF-8 unasked, it is part of
        # no key, and what follows it can be read in one way only.
        return _key(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise _Wrong("is not UTF-8 text") from None


def _key(text: str) -> str:
    key = text.strip()
    if not key:
        raise _Wrong("is empty")
    if len(key.splitlines()) > 1:
        raise _Wrong("has more than one line")
    if not _IN_A_HEADER.fullmatch(key):
        raise _Wrong("holds a blank or a character that cannot stand in a header")
    return key
