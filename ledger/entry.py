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
import binascii
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter
from types import MappingProxyType
from typing import Any, NamedTuple

from ledger import merkle
from ledger.canonical import MAX_DEPTH, MAX_SAFE_INTEGER, dump_plain, load_plain
from ledger.errors import CanonicalError, ChainBroken, EntryInvalid

VERSION = 1
MAX_ENTRY = 32 * 1024
GENESIS = merkle.EMPTY_ROOT
NOTHING: Mapping[str, Any] = MappingProxyType({})

_KIND = re.compile(r"[a-z]+(?:_[a-z]+)*\.[a-z]+(?:_[a-z]+)*")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
_DIGEST = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class Sealed(NamedTuple):
    """The content values of an entry, encrypted, as they are stored beside their commitments."""

    key: str
    """Reference of the key that opens them."""
    ciphertext: bytes


class Draft(NamedTuple):
    """An entry before the writer gives it its place: everything but `log`, `seq`, `prev` and `at`."""

    id: str
    kind: str
    call: str | None = None
    task: str | None = None
    workflow: str | None = None
    sub: str | None = None
    act: str | None = None
    facts: Mapping[str, Any] = NOTHING
    refs: Mapping[str, str] = NOTHING
    c: Mapping[str, str] = NOTHING
    contents: Sealed | None = None
    """Not part of the entry: stored beside it in the same transaction."""


class Entry(NamedTuple):
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


class Vetted(dict[str, Any]):
    """An object of facts that many entries repeat, looked through once by `vetted`. Whoever makes one leaves it as it
    is."""


_MEMBERS = frozenset(Entry._fields)
_values_of = itemgetter(*Entry._fields)


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
    _require_members(*value.values())
    _require_domain(value)
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
        if type(value) is not dict:
            raise EntryInvalid("not a JSON object")
        if value.keys() != _MEMBERS:
            raise EntryInvalid(f"members differ from version 1: {sorted(value.keys() ^ _MEMBERS)}")
        values = _values_of(value)
        _require_members(*values)
        _require_domain(value)
        again = dump_plain(value)
    except CanonicalError as error:
        raise EntryInvalid(str(error)) from error
    if again != data:
        raise EntryInvalid("the bytes are not in canonical form")
    return Entry._make(values)


def outline(data: bytes) -> Entry:
    """Read the bytes of an entry that was checked when it was appended. Whoever doubts that proves or decodes it.

    Raises:
        EntryInvalid: they are no entry at all.
    """
    try:
        return Entry._make(_values_of(load_plain(data)))
    except (CanonicalError, KeyError, TypeError) as error:
        raise EntryInvalid(f"not an entry: {error}") from error


def _require_members(
    v: Any, log: Any, seq: Any, prev: Any, id_: Any, at: Any, kind: Any, call: Any, task: Any, workflow: Any,
    sub: Any, act: Any, facts: Any, refs: Any, c: Any,
) -> None:  # fmt: skip
    """Look at each member. Spelled out, because it runs for every entry."""
    if type(v) is not int or v != VERSION:
        raise EntryInvalid("v is not 1")
    if type(seq) is not int or seq < 0:
        raise EntryInvalid("seq is not a natural number")
    if type(log) is not str or not log:
        raise EntryInvalid("log is not a text")
    if type(id_) is not str or not _is_entry_id(id_):
        raise EntryInvalid("id is not ent_ and a UUID of version 7")
    if type(prev) is not str or not _is_digest(prev):
        raise EntryInvalid("prev is not a digest")
    if type(at) is not str or not _is_instant(at):
        raise EntryInvalid("at is not RFC 3339 in UTC with six decimals")
    if type(kind) is not str or not _is_kind(kind):
        raise EntryInvalid("kind is not noun.participle")
    if call is not None and (type(call) is not str or not _is_call_id(call)):
        raise EntryInvalid("call is neither null nor call_ and a UUID of version 7")
    for one in (task, workflow, sub, act):
        if one is not None and (type(one) is not str or not one):
            raise EntryInvalid("one of task, workflow, sub and act is neither null nor a text")
    if type(facts) is not dict or type(refs) is not dict or type(c) is not dict:
        raise EntryInvalid("facts, refs or c is not an object")
    for digest in refs.values():
        if type(digest) is not str or not _is_known_digest(digest):
            raise EntryInvalid("refs holds what is not a digest")
    for digest in c.values():
        if type(digest) is not str or not _is_digest(digest):
            raise EntryInvalid("c holds what is not a digest")


@lru_cache(maxsize=256)
def _is_known_digest(text: str) -> bool:
    """Tell whether a text is a digest; those of our own artefacts are few and come again and again."""
    return _DIGEST.fullmatch(text) is not None


@lru_cache(maxsize=256)
def _is_kind(text: str) -> bool:
    return _KIND.fullmatch(text) is not None


_is_digest = _DIGEST.fullmatch
_is_entry_id, _is_call_id = re.compile(f"ent_{_UUID}").fullmatch, re.compile(f"call_{_UUID}").fullmatch


@lru_cache(maxsize=1024)
def _is_day(text: str) -> bool:
    try:
        return datetime.fromisoformat(text) is not None
    except ValueError:
        return False


def _is_instant(text: str) -> bool:
    """Tell whether this is an instant of the format that exists."""
    return (
        _TIME.fullmatch(text) is not None
        and text[11:13] < "24" and text[14:16] < "60" and text[17:19] < "60" and _is_day(text[:10])
    )  # fmt: skip


def vetted(value: dict[str, Any]) -> Vetted:
    """Look an object of facts through, so that entries may repeat it unseen.

    Raises:
        EntryInvalid: a value is outside the domain of entries.
    """
    _require_domain(value)
    return Vetted(value)


_LEAST, _MOST = -MAX_SAFE_INTEGER, MAX_SAFE_INTEGER


def _require_domain(value: dict[str, Any]) -> None:
    """Refuse what the narrower domain of entries does not allow. Flat loops, because it runs for every entry."""
    names: list[Any] = []
    containers: list[Any] = [value]
    depth, last = 1, 1
    for place, container in enumerate(containers):  # which grows on the way
        if place == last:
            depth, last = depth + 1, len(containers)
            if depth > MAX_DEPTH:
                raise EntryInvalid(f"it is nested more than {MAX_DEPTH} deep")
        inner = container
        if type(container) is dict:
            names += container
            inner = container.values()
        for one in inner:
            kind = type(one)
            if kind is str:
                continue
            if kind is int:
                if not _LEAST <= one <= _MOST:
                    raise EntryInvalid("an integer is outside +-(2**53 - 1)")
            elif kind is dict or kind is list or kind is tuple:
                containers.append(one)
            elif one is not None and kind is not bool and kind is not Vetted:
                raise EntryInvalid(f"{kind.__name__} is not allowed in an entry")
    if not _are_ascii(names):
        raise EntryInvalid("a member name is not ASCII")


def _are_ascii(names: list[Any]) -> bool:
    try:
        return "".join(names).isascii()
    except TypeError:  # one is no text at all
        return False


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
        if entry.seq != position:
            raise ChainBroken(position, field="seq", expected=str(position), found=str(entry.seq))
        if entry.log != log:
            raise ChainBroken(position, field="log", expected=log, found=entry.log)
        if prev is not None and entry.prev != prev:
            raise ChainBroken(position, field="prev", expected=prev, found=entry.prev)
        if entry.at < at:
            raise ChainBroken(position, field="at", expected=f"{at} or later", found=entry.at)
        at = entry.at
        hashes.append(merkle.leaf_hash(data))
        prev = b64(hashes[-1])
    return len(hashes), hashes


def b64(data: bytes) -> str:
    """Write bytes as base64url without padding (RFC 4648 section 5)."""
    return b64_ascii(data).decode("ascii")


def b64_ascii(data: bytes) -> bytes:
    """As `b64`, left as ASCII bytes."""
    return binascii.b2a_base64(data, newline=False).translate(_URL_SAFE).rstrip(b"=")


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
    if not _is_instant(text):
        raise EntryInvalid(f"{text[:40]!r} is not RFC 3339 in UTC with six decimals, or does not exist")
    return datetime.fromisoformat(text)
