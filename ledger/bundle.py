"""The bundle: one canonical ZIP of everything that a stranger needs to check a pack (docs/formats/bundle.md).

`write` and `read` are inverse; `read` rebuilds the archive from what it found and compares every byte, so there is
no second spelling of a bundle. Standard library only.
"""

import base64
import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ledger.canonical import canonicalize, parse
from ledger.entry import unb64
from ledger.errors import BundleInvalid, EntryInvalid

ORDER = (
    "checkpoint", "consistency", "context.jsonl", "disclosures.jsonl", "entries.jsonl", "pack.json",
    "range", "seal.der",
)  # fmt: skip
OPTIONAL = frozenset({"consistency"})
_REPORT = re.compile(r"report/[a-z0-9-]{1,60}\.(?:json|jsonl|csv)")
"""Tables that whoever made the pack computed; pack.json names their digests. They come last, in order of names."""
MAX_BUNDLE = 2**30

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_DATE = 0x21  # 1980-01-01
_VERSION = 20


def write(files: Mapping[str, bytes]) -> bytes:
    """Return the canonical archive of the given files.

    Raises:
        BundleInvalid: a file is missing, unknown, or the whole is too large.
    """
    missing = set(ORDER) - OPTIONAL - files.keys()
    tables = sorted(report_of(files))
    unknown = files.keys() - set(ORDER) - set(tables)
    if missing or unknown:
        raise BundleInvalid(f"files differ: missing {sorted(missing)}, unknown {sorted(unknown)}")
    local: list[bytes] = []
    central: list[bytes] = []
    offset = 0
    names = [*(name for name in ORDER if name in files), *tables]
    for name in names:
        data, encoded = files[name], name.encode("ascii")
        middle = (_VERSION, 0, 0, 0, _DATE, zlib.crc32(data), len(data), len(data), len(encoded), 0)
        header = _LOCAL.pack(b"PK\x03\x04", *middle) + encoded
        central.append(_CENTRAL.pack(b"PK\x01\x02", _VERSION, *middle, 0, 0, 0, 0, offset) + encoded)
        local += [header, data]
        offset += len(header) + len(data)
        if offset > MAX_BUNDLE:
            raise BundleInvalid("the bundle is larger than 1 GiB: take a shorter period")
    directory = b"".join(central)
    end = _END.pack(b"PK\x05\x06", 0, 0, len(names), len(names), len(directory), offset, 0)
    return b"".join([*local, directory, end])


def report_of(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return those of the files that are tables of the report."""
    return {name: data for name, data in files.items() if _REPORT.fullmatch(name)}


def read(archive: bytes) -> dict[str, bytes]:
    """Return the files of a canonical archive.

    Raises:
        BundleInvalid: any byte differs from what `write` makes of those files.
    """
    if len(archive) > MAX_BUNDLE + 4096:
        raise BundleInvalid("the bundle is larger than 1 GiB")
    files: dict[str, bytes] = {}
    at = 0
    while archive[at : at + 4] == b"PK\x03\x04":
        if len(archive) < at + _LOCAL.size:
            raise BundleInvalid("the archive is cut")
        header = _LOCAL.unpack_from(archive, at)
        size, length = header[8], header[9]
        start = at + _LOCAL.size
        name = archive[start : start + length].decode("ascii", "replace")
        if name in files:
            raise BundleInvalid("a file is there twice")
        at = start + length + size
        if at > len(archive):
            raise BundleInvalid("the archive is cut")
        files[name] = archive[start + length : at]
    if not files:
        raise BundleInvalid("not a ZIP archive")
    if write(files) != archive:
        raise BundleInvalid("the archive is not in its one canonical form")
    return files


@dataclass(frozen=True, slots=True)
class Range:
    """The proof that entries are the leaves [low, high) of a tree of `size`."""

    low: int
    high: int
    size: int
    left: tuple[bytes, ...]
    right: tuple[bytes, ...]

    def text(self) -> bytes:
        return f"range {self.low} {self.high} {self.size}\n".encode() + _lines(self.left) + b"\n" + _lines(self.right)

    @classmethod
    def parse(cls, text: bytes) -> "Range":
        """Inverse of `text`.

        Raises:
            BundleInvalid: not that form.
        """
        first, _, rest = text.partition(b"\n")
        # The empty line that parts the two lists: at the start when the left one is empty.
        left, gap, right = (b"", b"\n", rest[1:]) if rest.startswith(b"\n") else rest.partition(b"\n\n")
        words = first.split(b" ")
        if len(words) != 4 or words[0] != b"range" or not gap:
            raise BundleInvalid("malformed range")
        low, high, size = (_number(word) for word in words[1:])
        found = cls(low, high, size, _hashes(left + b"\n" if left else b""), _hashes(right))
        if found.text() != text:
            raise BundleInvalid("the range is not in its one form")
        return found


def consistency_text(old_size: int, size: int, proof: Sequence[bytes]) -> bytes:
    """Return the `consistency` file."""
    return f"consistency {old_size} {size}\n".encode() + _lines(proof)


def parse_consistency(text: bytes) -> tuple[int, int, tuple[bytes, ...]]:
    """Inverse of `consistency_text`.

    Raises:
        BundleInvalid: not that form.
    """
    first, _, rest = text.partition(b"\n")
    words = first.split(b" ")
    if len(words) != 3 or words[0] != b"consistency":
        raise BundleInvalid("malformed consistency")
    found = _number(words[1]), _number(words[2]), _hashes(rest)
    if consistency_text(*found) != text:
        raise BundleInvalid("the consistency proof is not in its one form")
    return found


@dataclass(frozen=True, slots=True)
class Context:
    """An entry that a pack quotes, with its own inclusion proof."""

    data: bytes
    path: tuple[bytes, ...]

    def line(self) -> bytes:
        path = [base64.b64encode(value).decode("ascii") for value in self.path]
        return canonicalize({"entry": self.data.decode("utf-8"), "path": path}) + b"\n"


def parse_context(text: bytes) -> tuple[Context, ...]:
    """Return the lines of `context.jsonl`.

    Raises:
        BundleInvalid: not that form.
    """
    found = []
    for line in split_lines(text):
        value = parse(line)
        if not isinstance(value, dict) or sorted(value) != ["entry", "path"] or not isinstance(value["path"], list):
            raise BundleInvalid("malformed context")
        path = _hashes("".join(f"{one}\n" for one in value["path"]).encode("utf-8"))
        one = Context(value["entry"].encode("utf-8"), path)
        if one.line() != line + b"\n":
            raise BundleInvalid("a context line is not in its one form")
        found.append(one)
    return tuple(found)


def split_lines(text: bytes) -> list[bytes]:
    """Return the lines of a file in which each line ends in a newline.

    Raises:
        BundleInvalid: the last one does not.
    """
    lines = text.split(b"\n")
    if lines.pop() != b"":
        raise BundleInvalid("a file does not end in a newline")
    return lines


def _lines(hashes: Sequence[bytes]) -> bytes:
    return b"".join(base64.b64encode(value) + b"\n" for value in hashes)


def _hashes(text: bytes) -> tuple[bytes, ...]:
    found = []
    for line in text.split(b"\n")[:-1]:
        if len(line) != 44 or not line.endswith(b"="):
            raise BundleInvalid("a hash is not base64 of 32 bytes")
        try:
            found.append(unb64(line[:-1].decode("ascii").replace("+", "-").replace("/", "_")))
        except (EntryInvalid, UnicodeDecodeError):
            raise BundleInvalid("a hash is not base64 of 32 bytes") from None
    return tuple(found)


def _number(text: bytes) -> int:
    if not text.isdigit() or len(text) > 19 or (text.startswith(b"0") and text != b"0"):
        raise BundleInvalid("malformed number")
    return int(text)
