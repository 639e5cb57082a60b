"""The entry: one leaf of the log, and the chain the entries form.

Invariants (docs/formats/entry.md is normative):
    1. The bytes are the RFC 8785 form of an object with exactly the members of `Entry`; ASCII names, no floats,
       at most 32 KiB. They are stored verbatim, and the leaf hash is over them.
    2. `seq` starts at 0 and grows by exactly 1; `prev` is the leaf hash of the entry before, for seq 0 the
       SHA-256 of the empty string; `at` never falls; `log` is the origin of the checkpoints.
    3. Nothing here identifies a person: `task`, `sub` and `act` are keyed pseudonyms, caller content appears
       only as salted commitments in `c`.

No I/O and no clock. `ledger.log` decides when to append.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ledger import merkle
from ledger.canonical import MAX_SAFE_INTEGER, dump_plain, load_plain
from ledger.errors import CanonicalError, ChainBroken, EntryInvalid

VERSION = 1
MAX_ENTRY = 32 * 1024
GENESIS = merkle.EMPTY_ROOT

_KIND = re.compile(r"[a-z]+(?:_[a-z]+)*\.[a-z]+(?:_[a-z]+)*")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_DIGEST = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """The content values of an entry, encrypted, as they are stored beside their commitments."""

    key: str
    """Reference of the key that opens them."""
    ciphertext: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An entry before the writer gives it its place: everything but `log`, `seq`, `prev` and `at`."""

    id: str
    kind: str
    call: str | None = None
    task: str | None = None
    workflow: str | None = None
    sub: str | None = None
    act: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    refs: Mapping[str, str] = field(default_factory=dict)
    c: Mapping[str, str] = field(default_factory=dict)
    contents: Sealed | None = None
    """Not part of the entry: stored beside it in the same transaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One leaf of the log, decoded."""

    v: int
    log: str
    seq: int
    prev: str
    id: str
    at: str
    kind: str
    call: str | None
    task: str | None
    workflow: str | None
    sub: str | None
    act: str | None
    facts: Mapping[str, Any]
    refs: Mapping[str, str]
    c: Mapping[str, str]

    @property
    def instant(self) -> datetime:
        return parse_time(self.at)


_MEMBERS = frozenset(Entry.__dataclass_fields__)
_OPTIONAL = ("call", "task", "workflow", "sub", "act")


def encode(draft: Draft, *, log: str, seq: int, prev: bytes, at: str) -> bytes:
    """Return the bytes of the entry that puts `draft` at `seq`.

    Raises:
        EntryInvalid: a value is outside the domain, or the entry is larger than 32 KiB.
    """
    value = {
        "v": VERSION, "log": log, "seq": seq, "prev": b64(prev), "id": draft.id, "at": at, "kind": draft.kind,
        "call": draft.call, "task": draft.task, "workflow": draft.workflow, "sub": draft.sub, "act": draft.act,
        "facts": dict(draft.facts), "refs": dict(draft.refs), "c": dict(draft.c),
    }  # fmt: skip
    _require_members(value)
    try:
        encoded = dump_plain(value)
    except (CanonicalError, UnicodeEncodeError) as error:
        raise EntryInvalid(f"{draft.kind}: {error}") from error
    if len(encoded) > MAX_ENTRY:
        raise EntryInvalid(f"{draft.kind}: {len(encoded)} bytes, more than {MAX_ENTRY}")
    return encoded


def decode(data: bytes) -> Entry:
    """Parse the bytes of an entry, accepting the one canonical form only.

    Raises:
        EntryInvalid: anything else.
    """
    if len(data) > MAX_ENTRY:
        raise EntryInvalid(f"{len(data)} bytes, more than {MAX_ENTRY}")
    try:
        value = load_plain(data)
        if not isinstance(value, dict):
            raise EntryInvalid("not a JSON object")
        _require_members(value)
        again = dump_plain(value)
    except CanonicalError as error:
        raise EntryInvalid(str(error)) from error
    if again != data:
        raise EntryInvalid("the bytes are not in canonical form")
    return Entry(**value)


def _require_members(value: dict[str, Any]) -> None:
    if value.keys() != _MEMBERS:
        raise EntryInvalid(f"members differ from version 1: {sorted(value.keys() ^ _MEMBERS)}")
    if type(value["v"]) is not int or value["v"] != VERSION:
        raise EntryInvalid("v is not 1")
    if type(value["seq"]) is not int or value["seq"] < 0:
        raise EntryInvalid("seq is not a natural number")
    for name in ("log", "prev", "id", "at", "kind"):
        if not isinstance(value[name], str) or not value[name]:
            raise EntryInvalid(f"{name} is not a text")
    if not _DIGEST.fullmatch(value["prev"]):
        raise EntryInvalid("prev is not a digest")
    if not _TIME.fullmatch(value["at"]):
        raise EntryInvalid("at is not RFC 3339 in UTC with six decimals")
    if not _KIND.fullmatch(value["kind"]):
        raise EntryInvalid("kind is not noun.participle")
    for name in _OPTIONAL:
        if value[name] is not None and (not isinstance(value[name], str) or not value[name]):
            raise EntryInvalid(f"{name} is neither null nor a text")
    for name in ("facts", "refs", "c"):
        if not isinstance(value[name], dict):
            raise EntryInvalid(f"{name} is not an object")
    for name in ("refs", "c"):
        for key, digest in value[name].items():
            if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
                raise EntryInvalid(f"{name}.{key} is not a digest")
    _require_domain(value)


def _require_domain(value: Any) -> None:
    """Refuse what the narrower domain of entries does not allow. A loop, because it runs for every entry."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        kind = type(one)
        if kind is str or one is None or kind is bool:
            continue
        if kind is dict:
            if not all(type(name) is str for name in one) or not "".join(one).isascii():
                raise EntryInvalid("a member name is not ASCII")
            waiting += one.values()
        elif kind is list or kind is tuple:
            waiting += one
        elif kind is int:
            if not -MAX_SAFE_INTEGER <= one <= MAX_SAFE_INTEGER:
                raise EntryInvalid("an integer is outside +-(2**53 - 1)")
        else:
            raise EntryInvalid(f"{kind.__name__} is not allowed in an entry")


def follow(
    entries: Iterable[tuple[bytes, Entry]], *, first: int, prev: str | None, log: str
) -> tuple[int, list[bytes]]:
    """Walk consecutive entries and return how many there are and their leaf hashes.

    Args:
        first: the seq the first entry must have.
        prev: what its `prev` must be, or None to take it as given (a range starts in the middle of the log).

    Raises:
        ChainBroken: at the first entry that does not extend the one before it.
    """
    hashes: list[bytes] = []
    at = ""
    for offset, (data, entry) in enumerate(entries):
        position = first + offset
        _require_link(position, "seq", str(position), str(entry.seq))
        _require_link(position, "log", log, entry.log)
        if prev is not None:
            _require_link(position, "prev", prev, entry.prev)
        if entry.at < at:
            raise ChainBroken(position, field="at", expected=f"{at} or later", found=entry.at)
        at = entry.at
        hashes.append(merkle.leaf_hash(data))
        prev = b64(hashes[-1])
    return len(hashes), hashes


def _require_link(position: int, name: str, expected: str, found: str) -> None:
    if expected != found:
        raise ChainBroken(position, field=name, expected=expected, found=found)


def links(entry: Entry | Draft) -> tuple[tuple[str, str], ...]:
    """Return the (kind, value) pairs by which `why` finds this entry.

    They are the header's call, task, subject and actor, and each text fact whose name ends in `_ref`.
    """
    pairs = [
        (kind, value)
        for kind, value in (
            ("call", entry.call),
            ("task", entry.task),
            ("subject", entry.sub),
            ("person", entry.act),
        )
        if value
    ]
    pairs += [
        (name.removesuffix("_ref"), value)
        for name, value in entry.facts.items()
        if name.endswith("_ref") and isinstance(value, str)
    ]
    return tuple(dict.fromkeys(pairs))


def b64(data: bytes) -> str:
    """Write bytes as base64url without padding (RFC 4648 section 5)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def unb64(text: str) -> bytes:
    """Read base64url without padding, in its one canonical form.

    Raises:
        EntryInvalid: anything else.
    """
    try:
        data = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (ValueError, UnicodeEncodeError):
        raise EntryInvalid("malformed base64url") from None
    if b64(data) != text:
        raise EntryInvalid("base64url that is not in its one canonical form")
    return data


def format_time(at: datetime) -> str:
    """Write an instant as RFC 3339 in UTC with exactly six decimals."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def parse_time(text: str) -> datetime:
    """Inverse of `format_time`.

    Raises:
        EntryInvalid: any other spelling of an instant.
    """
    if not _TIME.fullmatch(text):
        raise EntryInvalid(f"{text[:40]!r} is not RFC 3339 in UTC with six decimals")
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise EntryInvalid(str(error)) from error
