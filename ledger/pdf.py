"""Finding the one embedded file of a PDF as a reader finds it: through cross references and a file specification.

The audited party writes the file, so nothing here trusts where things seem to be. All objects that any cross-reference
entry of any revision leads to are looked at, and objects that only a repairing reader would find are refused
(docs/formats/bundle.md, "The pack and its seal"). Standard library only. Source: ISO 32000-1 section 7.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ledger.errors import SealInvalid

MAX_PLAIN = 2**30
MAX_REVISIONS = 16
_BLANK = rb"(?:[\0\t\n\f\r ]|%[^\r\n]*[\r\n])*"
_GAP = rb"(?:[\0\t\n\f\r ]|%[^\r\n]*[\r\n])+"
_TOKEN = re.compile(
    _BLANK + rb"(?:(?P<mark><<|>>|[\[\]])|/(?P<name>[^\0\t\n\f\r ()<>\[\]{}/%]*)|(?P<text>\()"
    rb"|<(?P<hex>[0-9A-Fa-f\0\t\n\f\r ]*)>|(?P<word>[^\0\t\n\f\r ()<>\[\]{}/%]+))"
)
_ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")
_TEXT = re.compile(rb"[^\\()]*(?:\\.[^\\()]*)*", re.DOTALL)
_BEGINNING = re.compile(rb"(?<![0-9])[0-9]+" + _GAP + rb"[0-9]+" + _GAP + rb"obj")
_END = re.compile(rb"startxref\n([0-9]{1,10})\n%%EOF\n?\Z")
_AFTER = re.compile(rb"[\r\n ]*endstream\s*endobj")
_WORD = re.compile(rb"[+-]?[0-9]+")
_FORBIDDEN = frozenset({"RF", "Extends", "XFA"})


class Name(str):
    """A name of PDF, decoded."""


@dataclass(frozen=True, slots=True)
class Reference:
    """`12 0 R`."""

    number: int
    generation: int


@dataclass(slots=True)
class _Object:
    """An object: its value, all names in it, the values of all keys `EF` in it, where its stream begins (0: none)."""

    value: Any = None
    names: list[str] = field(default_factory=list)
    files: list[Any] = field(default_factory=list)
    stream: int = 0


def embedded_file(pdf: bytes) -> bytes:
    """Return the one embedded file of a PDF.

    Raises:
        SealInvalid: there is not exactly one in every place where a reader looks, or the file is not of the profile.
    """
    try:
        return _File(pdf).embedded()
    except (RecursionError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise SealInvalid(f"the PDF is not of the profile of this format: {type(error).__name__}") from error


class _File:
    """The objects of a PDF, by what its cross references say of them."""

    def __init__(self, pdf: bytes) -> None:
        self._pdf = pdf
        self._used: dict[int, list[tuple[int, int, int]]] = {}
        self._streams: dict[int, _Object] = {}
        self._roots: list[Any] = []
        self._read_references()
        self._objects = {("at", place): one for place, one in self._streams.items()} | dict(self._read_objects())
        self._require_nothing_to_repair()

    def embedded(self) -> bytes:
        found = list(self._objects.values())
        if bad := _FORBIDDEN & {name for one in found for name in one.names}:
            raise SealInvalid(f"the PDF holds /{sorted(bad)[0]}, which may lead to another file")
        if [name for one in found for name in one.names].count("EF") != 1:
            raise SealInvalid("the PDF has not exactly one file specification with an embedded file")
        stream = self._specified([one for each in found for one in each.files])
        if self._pdf.count(b"/Type /EmbeddedFile") != 1:
            raise SealInvalid("the PDF does not mark exactly one embedded file")
        if sum(one.names.count("EmbeddedFile") for one in found) != 1 or stream.value.get("Type") != "EmbeddedFile":
            raise SealInvalid("the embedded file that the PDF names is not the one that it marks")
        if "F" in stream.value:
            raise SealInvalid("the embedded file lies outside the PDF")
        return self._decoded(stream)

    def _specified(self, values: list[Any]) -> _Object:
        """Return the stream that the one file specification leads to."""
        if len(values) != 1 or not isinstance(values[0], dict) or not values[0].keys() <= {"F", "UF"} or not values[0]:
            raise SealInvalid("the file specification is not of the profile")
        targets = set(values[0].values())
        (target,) = targets if len(targets) == 1 else (None,)
        if not isinstance(target, Reference):
            raise SealInvalid("the file specification leads to more than one file, or to none")
        return self._only(target.number, target.generation)

    def _only(self, number: int, generation: int = 0) -> _Object:
        """Return the stream of the one used entry of a number."""
        entries = self._used.get(number, [])
        if len(set(entries)) != 1 or entries[0][0] != 1 or entries[0][2] != generation:
            raise SealInvalid(f"object {number} of the PDF is not one stream in one place")
        found = self._object(entries[0])
        if not found.stream:
            raise SealInvalid(f"object {number} of the PDF is no stream")
        return found

    def _object(self, entry: tuple[int, int, int]) -> _Object:
        return _read(self._pdf, entry[1], self._pdf_beginning(entry[1]))

    def _pdf_beginning(self, offset: int) -> int:
        match = _BEGINNING.match(self._pdf, offset)
        if match is None:
            raise SealInvalid(f"no object of the PDF begins at {offset}")
        return match.end()

    # Cross references.

    def _read_references(self) -> None:
        end = _END.search(self._pdf, max(0, len(self._pdf) - 64))
        if end is None:
            raise SealInvalid("the PDF does not end in a cross reference")
        offset, before = int(end[1]), len(self._pdf)
        for _ in range(MAX_REVISIONS):
            if not 0 < offset < before:
                raise SealInvalid("the cross references of the PDF do not lead back")
            table = _read(self._pdf, offset, self._pdf_beginning(offset))
            self._read_table(table)
            self._streams[offset] = table
            if "Prev" not in table.value:
                return
            before, offset = offset, _whole(table.value["Prev"])
        raise SealInvalid(f"the PDF has more than {MAX_REVISIONS} revisions")

    def _read_table(self, table: _Object) -> None:
        said = table.value
        if not table.stream or said.get("Type") != "XRef" or {"XRefStm", "Encrypt"} & said.keys():
            raise SealInvalid("a cross reference of the PDF is not a plain stream")
        widths = [_whole(one) for one in said["W"]]
        rows, size = self._decoded(table, rows=True), _whole(said["Size"])
        index = [_whole(one) for one in said.get("Index", [0, size])]
        if len(widths) != 3 or not 0 < sum(widths) < 64 or len(index) % 2:
            raise SealInvalid("a cross reference of the PDF is malformed")
        at = 0
        for first, count in zip(index[::2], index[1::2], strict=True):
            if first + count > size or at + count * sum(widths) > len(rows):
                raise SealInvalid("a cross reference of the PDF is malformed")
            for number in range(first, first + count):
                self._take(number, _row(rows, at, widths))
                at += sum(widths)
        if at != len(rows):
            raise SealInvalid("something follows a cross reference of the PDF")
        self._roots.append(said["Root"])

    def _take(self, number: int, row: tuple[int, int, int]) -> None:
        if row[0] not in (0, 1, 2):
            raise SealInvalid(f"a cross reference of the PDF has an entry of type {row[0]}")
        if row[0]:
            self._used.setdefault(number, []).append(row)

    # Objects.

    def _read_objects(self) -> Iterator[tuple[Any, _Object]]:
        containers: set[int] = set()
        for number, entries in self._used.items():
            for kind, place, third in entries:
                if kind == 1:
                    yield ("at", place), self._at(number, place, third)
                else:
                    containers.add(place)
        for number in containers:
            yield ("in", number), self._contained(number)
        for root in self._roots:
            if not isinstance(root, Reference) or not self._is_catalog(root.number):
                raise SealInvalid("the PDF has no catalog")

    def _at(self, number: int, place: int, generation: int) -> _Object:
        beginning = re.match(rb"([0-9]+)" + _GAP + rb"([0-9]+)", self._pdf[place : place + 64])
        if beginning is None or (int(beginning[1]), int(beginning[2])) != (number, generation):
            raise SealInvalid(f"object {number} of the PDF is not where its cross reference says")
        return self._object((1, place, generation))

    def _contained(self, number: int) -> _Object:
        """Read all that an object stream holds, and hold its pairs against the entries that lead there."""
        stream = self._only(number)
        if stream.value.get("Type") != "ObjStm":
            raise SealInvalid(f"object {number} of the PDF is no object stream")
        data, count, first = self._decoded(stream), _whole(stream.value["N"]), _whole(stream.value["First"])
        words = data[:first].split()
        pairs = [(int(one), int(two)) for one, two in zip(words[::2], words[1::2], strict=True)]
        if len(pairs) != count:
            raise SealInvalid("an object stream of the PDF is malformed")
        for wanted, entries in self._used.items():
            for kind, place, index in entries:
                if kind == 2 and place == number and (index >= count or pairs[index][0] != wanted):
                    raise SealInvalid(f"object {wanted} of the PDF is not where its cross reference says")
        whole = _Object(value={one: None for one, _ in pairs})
        for one, offset in pairs:
            held = _read(data, first + offset, first + offset, direct=True)
            whole.value[one] = held.value
            whole.names += held.names
            whole.files += held.files
        return whole

    def _is_catalog(self, number: int) -> bool:
        """Tell whether every used entry of a number is a catalog."""
        entries = self._used.get(number, [])
        values = [
            self._object(one).value if one[0] == 1 else self._contained(one[1]).value.get(number) for one in entries
        ]
        return bool(values) and all(isinstance(one, dict) and one.get("Type") == "Catalog" for one in values)

    def _decoded(self, found: _Object, *, rows: bool = False) -> bytes:
        said = found.value
        end = found.stream + _whole(said["Length"])
        data = self._pdf[found.stream : end]
        if not _AFTER.match(self._pdf, end):
            raise SealInvalid("a stream of the PDF has another length than it says")
        filters = said.get("Filter")
        filters = filters if isinstance(filters, list) else [] if filters is None else [filters]
        if filters not in ([], ["FlateDecode"]) or ("DecodeParms" in said and not rows):
            raise SealInvalid("a stream of the PDF has a filter that is not read here")
        plain = _inflate(data) if filters else data
        parameters = said.get("DecodeParms") or {}
        return _unpredicted(plain, parameters) if parameters else plain

    def _require_nothing_to_repair(self) -> None:
        known = {
            place for entries in self._used.values() for kind, place, _ in entries if kind == 1
        } | self._streams.keys()
        if any(match.start() not in known for match in _BEGINNING.finditer(self._pdf)):
            raise SealInvalid("the PDF holds an object that no cross reference leads to")


def _read(data: bytes, start: int, at: int, *, direct: bool = False) -> _Object:
    """Read the object whose value begins at `at`, up to `endobj` or `stream`; a direct one ends where it is whole."""
    found = _Object()
    stack: list[tuple[bytes, list[Any]]] = [(b"", [])]
    while True:
        match = _TOKEN.match(data, at)
        if match is None:
            raise SealInvalid(f"an object of the PDF at {start} has no end")
        at = match.end()
        kind, token = str(match.lastgroup), match[str(match.lastgroup)]
        if kind == "text":
            at = _after_text(data, at)
        if kind == "word" and token in (b"endobj", b"stream") and not direct:
            found.stream = _stream_at(data, at) if token == b"stream" else 0
            break
        _put(stack, kind, token, found)
        if direct and len(stack) == 1 and stack[0][1]:
            break
    if len(stack) != 1 or len(stack[0][1]) != 1:
        raise SealInvalid(f"an object of the PDF at {start} is malformed")
    found.value = stack[0][1][0]
    return found


def _put(stack: list[tuple[bytes, list[Any]]], kind: str, token: bytes, found: _Object) -> None:
    items = stack[-1][1]
    if kind == "name":
        items.append(Name(_ESCAPED.sub(lambda one: bytes.fromhex(one[1].decode()), token).decode("latin-1")))
        found.names.append(items[-1])
    elif kind == "word" and token == b"R" and len(items) > 1 and type(items[-1]) is int and type(items[-2]) is int:
        generation, number = items.pop(), items.pop()
        items.append(Reference(number, generation))
    elif kind == "word":
        items.append(int(token) if _WORD.fullmatch(token) and len(token) < 20 else token)
    elif kind != "mark":
        items.append(b"")  # what a text says decides nothing here
    elif token in (b"<<", b"["):
        stack.append((token, []))
    else:
        _close(stack, token, found)


def _close(stack: list[tuple[bytes, list[Any]]], token: bytes, found: _Object) -> None:
    opening, items = stack.pop()
    if opening != {b">>": b"<<", b"]": b"["}[token]:
        raise SealInvalid("an object of the PDF is malformed")
    if token == b"]":
        stack[-1][1].append(items)
        return
    keys, values = items[::2], items[1::2]
    said = dict(zip(keys, values, strict=True))
    if len(said) != len(keys) or not all(isinstance(key, Name) for key in keys):
        raise SealInvalid("a dictionary of the PDF is malformed")
    if "EF" in said:
        found.files.append(said["EF"])
    stack[-1][1].append(said)


def _after_text(data: bytes, at: int) -> int:
    """Return where a text in brackets ends, whose opening bracket stands before `at`."""
    depth = 1
    while depth:
        match = _TEXT.match(data, at)
        at = match.end() + 1 if match else len(data) + 1
        if at > len(data):
            raise SealInvalid("a text of the PDF has no end")
        depth += 1 if data[at - 1 : at] == b"(" else -1
    return at


def _stream_at(data: bytes, at: int) -> int:
    for gap in (b"\r\n", b"\n"):
        if data.startswith(gap, at):
            return at + len(gap)
    raise SealInvalid("a stream of the PDF does not begin on a new line")


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise SealInvalid("a number of the PDF is not direct and whole")
    return value


def _row(rows: bytes, at: int, widths: list[int]) -> tuple[int, int, int]:
    values = []
    for width in widths:
        values.append(int.from_bytes(rows[at : at + width], "big"))
        at += width
    return (values[0] if widths[0] else 1, values[1], values[2])


def _inflate(data: bytes) -> bytes:
    plain = zlib.decompressobj()
    try:
        found = plain.decompress(data, MAX_PLAIN)
    except zlib.error as error:
        raise SealInvalid(f"a stream of the PDF does not decompress: {error}") from error
    if not plain.eof or plain.unconsumed_tail or plain.unused_data:
        raise SealInvalid("a stream of the PDF is cut, too large, or followed by something")
    return found


def _unpredicted(data: bytes, parameters: Any) -> bytes:
    """Undo the predictors of PNG (ISO 32000-1 section 7.4.4.4) for one byte a sample."""
    if not isinstance(parameters, dict):
        raise SealInvalid("the parameters of a stream of the PDF are not direct")
    predictor, columns = _whole(parameters.get("Predictor", 1)), _whole(parameters.get("Columns", 1))
    if predictor == 1:
        return data
    if not 10 <= predictor <= 15 or not 0 < columns < 64 or parameters.keys() - {"Predictor", "Columns"}:
        raise SealInvalid("a stream of the PDF has a predictor that is not read here")
    out, above = bytearray(), bytes(columns)
    if len(data) % (columns + 1):
        raise SealInvalid("a cross reference of the PDF is malformed")
    for at in range(0, len(data), columns + 1):
        if data[at] not in (0, 2):
            raise SealInvalid("a stream of the PDF has a predictor that is not read here")
        line = data[at + 1 : at + 1 + columns]
        above = bytes((one + two) & 255 for one, two in zip(line, above, strict=True)) if data[at] == 2 else line
        out += above
    return bytes(out)
