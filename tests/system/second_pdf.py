"""The PDF half of the second verifier: cross references, the one embedded file, the seal. From bundle.md alone."""

import hashlib
import re
import zlib
from collections import Counter
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

LIMIT = 1 << 30


class Refused(Exception):
    """The pack does not hold; the text says why."""


def need(condition: bool, reason: str) -> None:
    if not condition:
        raise Refused(reason)


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def whole(value: Any, least: int = 0) -> bool:
    return type(value) is int and value >= least


class Name(str):
    """A name of PDF, decoded."""


class Ref(NamedTuple):
    number: int
    generation: int


class Found(NamedTuple):
    """An object: its value, every name in it, the value of every key EF in it, and where its stream begins (0: none)."""

    value: Any
    names: list[str]
    files: list[Any]
    stream: int = 0


BEGINNING = re.compile(
    rb"(?<![0-9])[0-9]+(?:[\0\t\n\f\r ]|%[^\r\n]*[\r\n])+[0-9]+(?:[\0\t\n\f\r ]|%[^\r\n]*[\r\n])+obj"
)
BLANK = rb"(?:[\0\t\n\f\r ]|%[^\r\n]*)*"
TOKEN = re.compile(
    BLANK + rb"(?:(?P<mark><<|>>|[\[\]])|/(?P<name>[^\0\t\n\f\r ()<>\[\]{}/%]*)|(?P<text>\()|"
    rb"<(?P<hex>[0-9A-Fa-f\0\t\n\f\r ]*)>|(?P<word>[^\0\t\n\f\r ()<>\[\]{}/%]+))"
)
TEXT = re.compile(rb"(?s)(?:[^\\()]|\\.)*")


def after_text(data: bytes, at: int) -> int:
    """Where a string in brackets ends, that begins before `at`."""
    depth = 1
    while depth:
        found = TEXT.match(data, at)
        at = found.end() + 1 if found else at
        need(data[at - 1 : at] in (b"(", b")"), "PDF: a string has no end")
        depth += 1 if data[at - 1 : at] == b"(" else -1
    return at


def pairs_of(items: list[Any]) -> dict[str, Any]:
    keys, values = items[::2], items[1::2]
    need(len(keys) == len(values) and all(type(key) is Name for key in keys), "PDF: a malformed dictionary")
    need(len(set(keys)) == len(keys), "PDF: a dictionary has a key twice")
    return dict(zip(keys, values, strict=True))


def read_object(data: bytes, at: int, *, direct: bool = False) -> Found:
    """The object at `at`, up to its `endobj` or `stream`; a direct one (in an object stream) ends where it is whole."""
    stack: list[tuple[bytes, list[Any]]] = [(b"", [])]
    names: list[str] = []
    files: list[Any] = []
    while True:
        found = TOKEN.match(data, at)
        if not found:
            raise Refused("PDF: a malformed object")
        at, kind, items = found.end(), found.lastgroup or "", stack[-1][1]
        token = found[kind]
        if kind == "mark" and token in (b"<<", b"["):
            stack.append((token, []))
            continue
        if kind == "mark":
            opened, inner = stack.pop()
            need((opened, token) in ((b"<<", b">>"), (b"[", b"]")), "PDF: brackets do not match")
            value: Any = inner if token == b"]" else pairs_of(inner)
            files += [value["EF"]] if isinstance(value, dict) and "EF" in value else []
            stack[-1][1].append(value)
        elif kind == "name":
            plain = re.sub(rb"#([0-9A-Fa-f]{2})", lambda code: bytes.fromhex(code[1].decode()), token)
            items.append(Name(plain.decode("latin-1")))
            names.append(items[-1])
        elif kind in ("text", "hex"):
            at = after_text(data, at) if kind == "text" else at
            items.append("")
        elif token in (b"endobj", b"stream"):
            need(len(stack) == 1 and len(items) == 1, "PDF: not one whole object")
            need(token == b"endobj" or isinstance(items[0], dict), "PDF: a stream without dictionary")
            return Found(items[0], names, files, at if token == b"stream" else 0)
        elif token == b"R":
            need(len(items) >= 2 and all(map(whole, items[-2:])), "PDF: a malformed reference")
            items[-2:] = [Ref(*items[-2:])]
        elif re.fullmatch(rb"[+-]?[0-9]{1,19}", token):
            items.append(int(token))
        else:
            need(
                token in (b"true", b"false", b"null") or re.fullmatch(rb"[0-9.+-]+", token) is not None, "PDF: odd word"
            )
            items.append({b"true": True, b"false": False}.get(token))
        if direct and len(stack) == 1:
            return Found(items[0] if items else stack[0][1][0], names, files)


def object_at(pdf: bytes, at: int) -> tuple[Ref, Found]:
    found = re.compile(rb"(\d{1,10}) (\d{1,5}) obj(?![^\0\t\n\f\r ()<>\[\]{}/%])").match(pdf, at)
    if not found:
        raise Refused(f"PDF: no object at {at}")
    return Ref(int(found[1]), int(found[2])), read_object(pdf, found.end())


def unpredicted(plain: bytes, parameters: Any) -> bytes:
    """Undo a predictor of PNG (one byte a sample)."""
    if parameters is None:
        return plain
    predictor, columns = parameters.get("Predictor", 1), parameters.get("Columns", 1)
    others = parameters.keys() - {"Predictor", "Columns"}
    need(type(columns) is int and 0 < columns < 100 and not others, "PDF: odd /DecodeParms")
    if predictor == 1:
        return plain
    need(predictor in range(10, 16) and len(plain) % (columns + 1) == 0, "PDF: odd predictor")
    above, rows = bytes(columns), []
    for start in range(0, len(plain), columns + 1):
        row = bytearray(plain[start + 1 : start + 1 + columns])
        for i in range(columns):
            left, up, corner = row[i - 1] if i else 0, above[i], above[i - 1] if i else 0
            paeth = min((left, up, corner), key=lambda one: abs(left + up - corner - one))  # noqa: B023
            need(plain[start] < 5, "PDF: odd predictor")
            row[i] = (row[i] + (0, left, up, (left + up) // 2, paeth)[plain[start]]) & 255
        above = bytes(row)
        rows.append(above)
    return b"".join(rows)


def stream_of(pdf: bytes, found: Found, *, predicted: bool = False) -> bytes:
    """The decoded content of a stream that is read here."""
    about, begin = found.value, re.compile(rb"\r?\n").match(pdf, found.stream) if found.stream else None
    if not begin:
        raise Refused("PDF: no stream where one is needed")
    length = about.get("Length")
    need(whole(length) and length <= LIMIT and "F" not in about, "PDF: a stream without direct /Length")
    end = begin.end() + length
    need(re.compile(rb"[\r\n ]*endstream\s*endobj").match(pdf, end) is not None, "PDF: a stream of another /Length")
    need("DecodeParms" not in about or predicted, "PDF: /DecodeParms in a stream that is read")
    body = pdf[begin.end() : end]
    if "Filter" not in about:
        need("DecodeParms" not in about, "PDF: /DecodeParms without filter")
        return body
    need(about["Filter"] in ("FlateDecode", ["FlateDecode"]), "PDF: another filter than FlateDecode")
    inflater = zlib.decompressobj()
    plain = inflater.decompress(body, LIMIT + 1)
    need(inflater.eof and not inflater.unused_data, "PDF: the content of a stream is odd")
    return unpredicted(plain, about.get("DecodeParms"))


def used_entries(pdf: bytes) -> tuple[set[tuple[int, int, int]], set[tuple[int, int, int]], dict[int, Found]]:
    """All used entries of all cross references: (number, generation, offset) of type 1, (number, stream, index) of type 2;
    and the cross-reference streams themselves, by offset."""
    tail = re.search(rb"startxref\n([0-9]{1,10})\n%%EOF\n?\Z", pdf)
    at = int(tail[1]) if tail else -1
    sections: dict[int, Found] = {}
    plain, packed = set(), set()
    while True:
        need(at >= 0 and at not in sections and len(sections) < 16, "PDF: no, too many or circular cross references")
        _, found = object_at(pdf, at)
        about = found.value
        need(isinstance(about, dict) and about.get("Type") == "XRef", "PDF: no cross-reference stream")
        need(not about.keys() & {"Encrypt", "XRefStm"}, "PDF: /Encrypt or /XRefStm")
        rows, widths = stream_of(pdf, found, predicted=True), about["W"]
        numbers = about.get("Index", [0, about["Size"]])
        need(len(widths) == 3 and all(map(whole, widths)) and all(map(whole, numbers)), "PDF: odd cross references")
        need(len(numbers) % 2 == 0 and len(rows) == sum(widths) * sum(numbers[1::2]) > 0, "PDF: odd cross references")
        place = 0
        for first, count in zip(numbers[::2], numbers[1::2], strict=True):
            for number in range(first, first + count):
                fields = []
                for width in widths:
                    fields.append(int.from_bytes(rows[place : place + width]))
                    place += width
                kind = fields[0] if widths[0] else 1
                if kind == 1:
                    plain.add((number, fields[2], fields[1]))
                elif kind == 2:
                    packed.add((number, fields[1], fields[2]))
                need(kind in (0, 1, 2) and number < about["Size"], "PDF: an entry of another type, or above /Size")
        sections[at] = found
        if "Prev" not in about:
            return plain, packed, sections
        need(whole(about["Prev"]) and about["Prev"] < at, "PDF: /Prev does not lead to an earlier one")
        at = about["Prev"]


def embedded(pdf: bytes) -> bytes:
    """The one embedded file, found as a reader of PDF finds it."""
    plain, packed, sections = used_entries(pdf)
    objects = dict(sections)
    offsets_known = {offset for _, _, offset in plain} | set(sections)
    need({one.start() for one in BEGINNING.finditer(pdf)} <= offsets_known, "PDF: an object only a repair would find")
    for number, generation, offset in plain:
        ref, objects[offset] = object_at(pdf, offset)
        need(ref == (number, generation), f"PDF: object {number} is not where the cross references say")
    listed: dict[int, list[int]] = {}
    everything = list(objects.values())
    for holder in {stream for _, stream, _ in packed}:
        offsets = {offset for number, generation, offset in plain if number == holder}
        need(len(offsets) == 1, f"PDF: not one object stream {holder}")
        found = objects[min(offsets)]
        need(isinstance(found.value, dict) and found.value.get("Type") == "ObjStm", "PDF: no object stream")
        body, first, count = stream_of(pdf, found), found.value["First"], found.value["N"]
        need(whole(first) and whole(count) and first <= len(body), "PDF: odd object stream")
        numbers = [int(word) for word in body[:first].split()]
        need(len(numbers) == 2 * count, "PDF: odd object stream")
        listed[holder] = numbers[::2]
        everything += [read_object(body, first + offset, direct=True) for offset in numbers[1::2]]
    for number, holder, index in packed:
        need(listed[holder][index : index + 1] == [number], f"PDF: object {number} is not in its object stream")

    for section in sections.values():
        root = section.value.get("Root")
        kinds = [objects[at].value for number, _, at in plain if isinstance(root, Ref) and number == root.number]
        need(
            bool(kinds) and all(isinstance(one, dict) and one.get("Type") == "Catalog" for one in kinds),
            "PDF: no catalog",
        )
    names = Counter(name for one in everything for name in one.names)
    files = [value for one in everything for value in one.files]
    need(not names.keys() & {"RF", "Extends", "XFA"}, "PDF: /RF, /Extends or /XFA")
    need(names["EF"] == len(files) == 1, "PDF: not exactly one /EF")
    named = files[0]
    need(isinstance(named, dict) and bool(named) and named.keys() <= {"F", "UF"}, "PDF: /EF is not F and UF")
    need(len(set(named.values())) == 1, "PDF: /F and /UF of /EF differ")
    (target,) = set(named.values())
    places = {(generation, offset) for number, generation, offset in plain if number == target.number}
    need(len(places) == 1 and all(number != target.number for number, _, _ in packed), "PDF: not one embedded file")
    ((generation, offset),) = places
    need(generation == target.generation and offset not in sections, "PDF: /EF names no embedded file")
    found = objects[offset]
    need(isinstance(found.value, dict) and found.value.get("Type") == "EmbeddedFile", "PDF: /EF names another stream")
    need(names["EmbeddedFile"] == pdf.count(b"/Type /EmbeddedFile") == 1, "PDF: not exactly one embedded file")
    return stream_of(pdf, found)


def der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8)
    return bytes([tag]) + (bytes([len(content)]) if len(content) < 0x80 else bytes([0x80 | len(size)]) + size) + content


def oid(digits: str) -> bytes:
    return der(0x06, bytes.fromhex(digits))


def rebuilt_cms(cert: x509.Certificate, certificate: bytes, signed: bytes, signature: bytes) -> tuple[bytes, bytes]:
    """The one CMS that the page asks for, and its signed attributes as they are signed: as a SET OF."""
    number = cert.serial_number
    issuer, serial = cert.issuer.public_bytes(), der(0x02, number.to_bytes(number.bit_length() // 8 + 1))
    data, ecdsa = oid("2a864886f70d010701"), der(0x30, oid("2a8648ce3d040302"))
    digest = der(0x30, oid("608648016503040201"), b"\x05\x00")
    again = der(0x30, der(0x30, der(0xA4, issuer)), serial)
    attributes = (
        der(0x30, oid("2a864886f70d010903"), der(0x31, data))
        + der(0x30, oid("2a864886f70d010904"), der(0x31, der(0x04, sha(signed))))
        + der(
            0x30,
            oid("2a864886f70d010910022f"),
            der(0x31, der(0x30, der(0x30, der(0x30, der(0x04, sha(certificate)), again)))),
        )
    )
    signer = der(
        0x30,
        b"\x02\x01\x01",
        der(0x30, issuer, serial),
        digest,
        der(0xA0, attributes),
        ecdsa,
        der(0x04, signature),
    )
    body = der(0x30, b"\x02\x01\x01", der(0x31, digest), der(0x30, data), der(0xA0, certificate), der(0x31, signer))
    return der(0x30, oid("2a864886f70d010702"), der(0xA0, body)), der(0x31, attributes)


def check_cms(raw: bytes, signed: bytes, certificate: bytes) -> None:
    """DER leaves one way to write what the page asks for. So the CMS is not read but written again and compared: only
    the signature comes from it."""
    cert = x509.load_der_x509_certificate(certificate)
    key, ecdsa = cert.public_key(), der(0x30, oid("2a8648ce3d040302"))
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise Refused("the key of the seal is not on P-256")
    at = raw.rfind(ecdsa) + len(ecdsa)  # the signature is the last element: its tag, one byte of length, itself
    signature = raw[at + 2 : at + 2 + raw[at + 1]]
    cms, attributes = rebuilt_cms(cert, certificate, signed, signature)
    need(raw.startswith(cms) and not any(raw[len(cms) :]), "the seal is not the CMS of the format over this PDF")
    key.verify(signature, attributes, ec.ECDSA(hashes.SHA256()))


def only(pattern: bytes, data: bytes, what: str) -> re.Match[bytes]:
    found = list(re.finditer(pattern, data))
    need(len(found) == 1, f"PDF: not exactly one {what}")
    return found[0]


def check_seal(pdf: bytes, certificate: bytes) -> None:
    only(rb"/ByteRange\b", pdf, "/ByteRange")
    found = only(rb"/ByteRange \[0 (\d{1,10}) (\d{1,10}) (\d{1,10})\]", pdf, "well-formed /ByteRange")
    x, y, z = map(int, found.groups())
    gap = only(rb"\A<((?:[0-9A-F]{2})+)>\Z", pdf[x:y], "hexadecimal string in the gap")[1]
    need(y + z == len(pdf), "the seal does not cover the whole file")
    only(rb"/Contents\s*\Z", pdf[max(0, x - 40) : x], "/Contents before the gap")
    start, stop = pdf.rfind(b" obj", 0, x), pdf.find(b"endobj", y)
    need(0 <= start < found.start() < stop, "the seal's /ByteRange is not beside its /Contents")
    only(rb"/SubFilter\s*/ETSI\.CAdES\.detached\b", pdf[start:x] + pdf[y:stop], "/SubFilter ETSI.CAdES.detached")
    check_cms(bytes.fromhex(gap.decode()), pdf[:x] + pdf[y:], certificate)
