"""Mutants of the PDF around a bundle: each is sealed again with the seal's own key, as only its holder could do it."""

import zlib
from collections.abc import Callable, Iterator
from typing import Any

from forging import Draft, Paper, Revision, Row, stream

Said = tuple[str, str | None, bool, Callable[[Draft], Any]]
"""Name, what must come of it, whether the documents can be read both ways, the change."""
REFUSED, ACCEPTED = "refused", "accepted"
SPEC = b"<< /Type /Filespec /F (bundle.zip) /UF (bundle.zip) %s >>"
FILE = b"/Type /EmbeddedFile /Subtype /application#2fzip"
FORGED = stream(b"", b"what the operator would rather show")


def paper(change: Callable[[Paper], Any]) -> Callable[[Draft], Any]:
    return lambda draft: draft.on_paper.append(change)


def objects(**changed: bytes) -> Callable[[Draft], Any]:
    """Objects that stand in the file: `_12` is number 12."""
    return paper(lambda made: made.first.objects.update({int(name[1:]): value for name, value in changed.items()}))


def packed(**changed: bytes) -> Callable[[Draft], Any]:
    return paper(lambda made: made.first.packed.update({int(name[1:]): value for name, value in changed.items()}))


def sealed(turn: Callable[[bytes], bytes]) -> Callable[[Draft], Any]:
    """Change the file behind its seal."""
    return lambda draft: draft.on_sealed.append(turn)


def ef(value: bytes) -> Callable[[Draft], Any]:
    return packed(_6=SPEC % value)


def embedding(make: Callable[[bytes], bytes]) -> Callable[[Draft], Any]:
    return paper(lambda made: made.first.objects.update({7: make(made.bundle)}))


def rows(turn: Callable[[list[Row]], list[Row]]) -> Callable[[Draft], Any]:
    return paper(lambda made: setattr(made.first, "rows", turn))


def about(extra: bytes) -> Callable[[Draft], Any]:
    return paper(lambda made: setattr(made.first, "about", extra))


def both(*changes_: Callable[[Draft], Any]) -> Callable[[Draft], Any]:
    def change(draft: Draft) -> None:
        for one in changes_:
            one(draft)

    return change


def revision(**more: Any) -> Callable[[Draft], Any]:
    """Append a revision before the seal is made."""
    return paper(lambda made: made.revisions.append(Revision(**{"holder": 21} | more)))


def place_of(said: list[Row], number: int) -> int:
    return next(one[2] for one in said if one[0] == number)


def moved(number: int, **to: Any) -> Callable[[list[Row]], list[Row]]:
    """Change the entry of an object in the cross references."""

    def turn(said: list[Row]) -> list[Row]:
        places = {row[0]: row for row in said}
        found = []
        for one in said:
            kind, first, second = one[1:]
            if one[0] == number:
                first = places[to["place_of"]][2] if "place_of" in to else first + to.get("by", 0)
                kind, second = to.get("kind", kind), to.get("second", second)
                first = to.get("first", first)
            found.append((one[0], kind, first, second))
        return found

    return turn


def changes() -> Iterator[Said]:
    for part in (of_files, of_streams, of_references, of_revisions, of_repairs, of_ends, of_seal):
        yield from part()


def of_files() -> Iterator[Said]:
    def no(name: str, change: Callable[[Draft], Any]) -> Said:
        return name, REFUSED, False, change

    def yes(name: str, change: Callable[[Draft], Any]) -> Said:
        return name, ACCEPTED, False, change

    yield yes("only /F", ef(b"/EF << /F 7 0 R >>"))
    yield yes("only /UF", ef(b"/EF << /UF 7 0 R >>"))
    yield yes("names written with escapes", ef(b"/#45F << /#46 7 0 R /U#46 7 0 R >>"))
    yield yes(
        "the file specification stands in the file",
        both(paper(lambda made: made.first.packed.pop(6)), objects(_6=SPEC % b"/EF << /F 7 0 R >>")),
    )
    yield yes(
        "brackets and names in strings and comments",
        ef(b"/Desc (/EF << \\( (x) \\\\ ) /Note <2F4546> % /EF /RF\n /EF << /F 7 0 R >>"),
    )
    yield no("no /EF", ef(b""))
    yield no("/EF is empty", ef(b"/EF << >>"))
    yield no("/EF with /DOS", ef(b"/EF << /F 7 0 R /DOS 7 0 R >>"))
    yield no("/EF whose /UF is another stream", both(ef(b"/EF << /F 7 0 R /UF 12 0 R >>"), objects(_12=FORGED)))
    yield no("/EF is a reference to a dictionary", both(ef(b"/EF 12 0 R"), objects(_12=b"<< /F 7 0 R >>")))
    yield no("/EF holds no reference", ef(b"/EF << /F (bundle.zip) >>"))
    yield no("/EF is null", ef(b"/EF null"))
    yield no(
        "/EF of an untyped stream, the true bundle beside it",
        both(ef(b"/EF << /F 12 0 R /UF 12 0 R >>"), objects(_12=FORGED)),
    )
    yield no("/EF of an object that is not there", ef(b"/EF << /F 77 0 R >>"))
    yield no("/EF of another generation", ef(b"/EF << /F 7 1 R >>"))
    yield no("/EF of an object in an object stream", ef(b"/EF << /F 5 0 R >>"))
    second = SPEC % b"/EF << /F 12 0 R >>"
    for name, text in (
        ("", second),
        (", its name escaped", SPEC % b"/E#46 << /F 12 0 R >>"),
        (", escaped in lower case", SPEC % b"/#45#46 << /F 12 0 R >>"),
        (" of the true bundle", SPEC % b"/EF << /F 7 0 R >>"),
    ):
        yield no(f"a second /EF{name}, in the file", objects(_12=FORGED, _13=text))
        yield no(f"a second /EF{name}, in the object stream", both(objects(_12=FORGED), packed(_13=text)))
    yield no(
        "a second /EF in the object stream, in no cross reference",
        both(objects(_12=FORGED), paper(lambda made: made.first.unlisted.update({13: second}))),
    )
    yield no(
        "a second /EF, nested", both(objects(_12=FORGED), packed(_13=b"[ << /A [ << /EF << /F 12 0 R >> >> ] >> ]"))
    )
    yield no(
        "a second /EF in the dictionary of a stream", objects(_12=FORGED, _13=stream(b"/EF << /F 12 0 R >>", b"x"))
    )
    yield no("a second /EF in the cross-reference stream", both(objects(_12=FORGED), about(b" /EF << /F 12 0 R >>")))
    yield no(
        "a second /EF in the dictionary of the object stream",
        both(
            objects(_12=FORGED),
            paper(lambda made: setattr(made.first, "holder_about", b"/Type /ObjStm /EF << /F 12 0 R >>")),
        ),
    )
    yield no(
        "a second /EF in the same dictionary", both(objects(_12=FORGED), ef(b"/EF << /F 7 0 R >> /EF << /F 12 0 R >>"))
    )
    yield no("the name EF as a value", packed(_13=b"[ /EF ]"))
    yield no(
        "untyped stream in name tree and /AF, the true bundle in a second specification",
        both(objects(_12=FORGED, _13=SPEC % b"/EF << /F 7 0 R >>"), ef(b"/EF << /F 12 0 R >>")),
    )
    yield no("/RF", ef(b"/EF << /F 7 0 R >> /RF << /F [(a) 12 0 R] >>"))
    yield no("/RF, escaped", ef(b"/EF << /F 7 0 R >> /#52F << /F [(a) 12 0 R] >>"))
    yield no("/RF as a value", packed(_13=b"<< /A /RF >>"))
    yield no("/XFA", objects(_13=b"<< /XFA 12 0 R >>", _12=FORGED))
    yield no(
        "/Extends",
        both(
            objects(_12=FORGED),
            paper(lambda made: setattr(made.first, "holder_about", b"/Type /ObjStm /Extends 12 0 R")),
        ),
    )
    yield yes("the letters of /RF in a string", packed(_13=b"<< /A (/RF /XFA) >>"))


def of_streams() -> Iterator[Said]:
    def no(name: str, make: Callable[[bytes], bytes]) -> Said:
        return name, REFUSED, False, embedding(make)

    body = zlib.compress
    yield "not compressed", ACCEPTED, False, embedding(lambda bundle: stream(FILE, bundle, packed=False))
    yield (
        "one filter in an array",
        ACCEPTED,
        False,
        embedding(
            lambda bundle: (
                b"<< "
                + FILE
                + b" /Filter [/FlateDecode] /Length %d >>\nstream\n" % len(body(bundle))
                + body(bundle)
                + b"\nendstream"
            )
        ),
    )
    yield (
        "carriage return behind the word stream",
        ACCEPTED,
        False,
        embedding(lambda bundle: b"<< " + FILE + b" /Length %d >>\nstream\r\n" % len(bundle) + bundle + b"\nendstream"),
    )
    yield no(
        "two filters",
        lambda bundle: (
            b"<< "
            + FILE
            + b" /Filter [/FlateDecode /FlateDecode] /Length %d >>\nstream\n" % len(body(body(bundle)))
            + body(body(bundle))
            + b"\nendstream"
        ),
    )
    yield no(
        "another filter",
        lambda bundle: (
            b"<< "
            + FILE
            + b" /Filter /ASCIIHexDecode /Length %d >>\nstream\n" % (2 * len(bundle))
            + bundle.hex().encode()
            + b"\nendstream"
        ),
    )
    yield no(
        "an indirect /Length", lambda bundle: b"<< " + FILE + b" /Length 14 0 R >>\nstream\n" + bundle + b"\nendstream"
    )
    yield no("no /Length", lambda bundle: b"<< " + FILE + b" >>\nstream\n" + bundle + b"\nendstream")
    yield no(
        "a /Length too small",
        lambda bundle: b"<< " + FILE + b" /Length %d >>\nstream\n" % (len(bundle) - 1) + bundle + b"\nendstream",
    )
    yield no(
        "a /Length too large",
        lambda bundle: b"<< " + FILE + b" /Length %d >>\nstream\n" % (len(bundle) + 50) + bundle + b"\nendstream",
    )
    yield no("/DecodeParms", lambda bundle: stream(FILE + b" /DecodeParms << /Predictor 1 >>", bundle))
    yield no("an external file", lambda bundle: stream(FILE + b" /F (other.zip)", bundle))
    yield no("an external file, escaped", lambda bundle: stream(FILE + b" /#46 (other.zip)", bundle))
    yield no("no /Type", lambda bundle: stream(b"/Subtype /application#2fzip", bundle))
    yield no("another /Type", lambda bundle: stream(b"/Type /EmbeddedFil2", bundle))
    yield no("/Type /EmbeddedFile escaped", lambda bundle: stream(b"/Type /Embedded#46ile", bundle))
    yield no("EmbeddedFile as /Subtype too", lambda bundle: stream(FILE[:20] + b"/Subtype /EmbeddedFile", bundle))
    yield no("two /Type", lambda bundle: stream(FILE + b" /Type /EmbeddedFil2", bundle))
    yield no("another bundle", lambda bundle: stream(FILE, bundle[:-1]))
    yield no("no stream but a dictionary", lambda bundle: b"<< " + FILE + b" >>")
    yield (
        "/Type/EmbeddedFile without a blank",
        REFUSED,
        True,
        embedding(lambda bundle: stream(b"/Type/EmbeddedFile", bundle)),
    )
    yield (
        "bytes behind the compressed content",
        REFUSED,
        True,
        embedding(
            lambda bundle: (
                b"<< "
                + FILE
                + b" /Filter /FlateDecode /Length %d >>\nstream\n" % (len(body(bundle)) + 5)
                + body(bundle)
                + b"trail\nendstream"
            )
        ),
    )
    yield "a second typed stream", REFUSED, False, objects(_12=stream(b"/Type /EmbeddedFile", b"x"))
    yield "a second typed stream, escaped", REFUSED, False, objects(_12=stream(b"/Type /Embedded#46ile", b"x"))
    yield "EmbeddedFile elsewhere", REFUSED, False, packed(_13=b"[ /EmbeddedFile ]")
    yield (
        "a second typed stream in no cross reference",
        REFUSED,
        False,
        both(
            objects(_12=stream(b"/Type /EmbeddedFile", b"x")), rows(lambda said: [one for one in said if one[0] != 12])
        ),
    )
    yield (
        "a second /Type /EmbeddedFile in a comment of the file",
        REFUSED,
        False,
        paper(lambda made: setattr(made, "begin", made.begin + b"% /Type /EmbeddedFile\n")),
    )


def of_references() -> Iterator[Said]:
    def no(name: str, turn: Callable[[list[Row]], list[Row]], *more: Callable[[Draft], Any]) -> Said:
        return f"cross reference: {name}", REFUSED, False, both(rows(turn), *more)

    forged = objects(_12=FORGED)
    yield no("to the place of another object", moved(7, place_of=12), forged)
    yield no("to the place of another object, of an object nobody uses", moved(4, place_of=1))
    yield no("into the middle of an object", moved(7, by=1))
    yield no("before the object, at a blank", moved(7, by=-1))
    yield no("of another generation", moved(7, second=1))
    yield no("behind the end of the file", moved(4, by=1_000_000))
    yield no("to 0", moved(4, first=0))
    yield no("the embedded file is free", moved(7, kind=0))
    yield no("the index in the object stream is another's", moved(6, second=0))
    yield no("the index in the object stream is too large", moved(6, second=99))
    yield no("the object stream is no object stream", moved(6, first=4))
    yield no("the object stream is not there", moved(6, first=77))
    yield no("the object stream is the embedded file", moved(6, first=7))
    yield no("the object stream is in an object stream", moved(20, kind=2, first=20, second=0))
    twice = b"7 0 obj\n" + FORGED + b"\nendobj\n"
    for name, turn in (("first", lambda said: [(7, 1, 15, 0), *said]), ("last", lambda said: [*said, (7, 1, 15, 0)])):
        yield no(
            f"the same number twice, at two places, the other {name}",
            turn,
            paper(lambda made: setattr(made, "begin", made.begin + twice)),
        )
    yield (
        "cross reference: into the middle of a number",
        REFUSED,
        True,
        both(
            objects(_14=b"(x)"),
            rows(
                lambda said: [
                    (one[0], one[1], place_of(said, 14) + 1 if one[0] == 4 else one[2], one[3]) for one in said
                ]
            ),
        ),
    )
    yield (
        "cross reference: the same entry twice",
        ACCEPTED,
        True,
        rows(lambda said: [*said, next(one for one in said if one[0] == 7)]),
    )
    yield "cross reference: an entry of type 3", REFUSED, True, rows(lambda said: [*said, (60, 3, 0, 0)])
    yield (
        "cross reference: no entry for an object that stands in the file",
        REFUSED,
        False,
        both(objects(_13=b"(x)"), rows(lambda said: [one for one in said if one[0] != 13])),
    )
    yield (
        "cross reference: a second /EF in an object that no cross reference names",
        REFUSED,
        True,
        both(
            forged, objects(_13=SPEC % b"/EF << /F 12 0 R >>"), rows(lambda said: [one for one in said if one[0] != 13])
        ),
    )

    def table(made: Revision, said: list[Row], own: int, previous: int | None) -> bytes:
        entries = b"".join(
            b"%d 1\n%010d %05d %c \n" % (one[0], one[2], one[3], b"fn"[one[1]]) for one in said if one[1] < 2
        )
        return b"xref\n" + entries + b"trailer\n<< /Size 100 /Root 1 0 R" + made.about + b" >>\n"

    def in_file(made: Paper) -> None:
        made.first.objects |= made.first.packed
        made.first.packed = {}

    def own(turn: Callable[..., bytes]) -> Callable[[Draft], Any]:
        return paper(lambda made: setattr(made.first, "xref", turn))

    yield "no object stream", ACCEPTED, False, paper(in_file)
    yield "cross reference: a table", REFUSED, False, both(paper(in_file), own(table))
    for name, extra in (("/Encrypt", b" /Encrypt 12 0 R"), ("/Encrypt escaped", b" /Encr#79pt 12 0 R"), ("/XRefStm", b" /XRefStm 20"), ("/Prev to 0", b" /Prev 0"), ("/Prev as text", b" /Prev (5)"),
                        ("/Prev indirect", b" /Prev 14 0 R"), ("/Prev behind the end", b" /Prev 9999999"), ("/Extends", b" /Extends 20 0 R")):  # fmt: skip
        yield f"cross reference: {name}", REFUSED, False, about(extra)
    yield "/Encrypt in a dictionary that is no cross reference", ACCEPTED, True, packed(_13=b"<< /Encrypt 12 0 R >>")

    def written(
        extra: bytes, turn: Callable[[bytes], bytes], head: bytes = b"/Type /XRef", *, filtered: bool = True
    ) -> Callable[[Draft], Any]:
        def make(made: Revision, said: list[Row], number: int, previous: int | None) -> bytes:
            body = turn(
                b"".join(bytes([kind]) + first.to_bytes(4) + second.to_bytes(2) for _, kind, first, second in said)
            )
            index = b" ".join(b"%d 1" % one[0] for one in said)
            text = head + b" /W [1 4 2] /Size 100 /Root 1 0 R /Index [%s]" % index + extra
            return b"%d 0 obj\n" % number + stream(text, body, packed=filtered) + b"\nendobj\n"

        return own(make)

    def up(body: bytes) -> bytes:
        above, found = bytes(7), b""
        for i in range(0, len(body), 7):
            found += b"\x02" + bytes((one - two) & 255 for one, two in zip(body[i : i + 7], above, strict=True))
            above = body[i : i + 7]
        return found

    yield (
        "cross reference: a predictor of PNG",
        ACCEPTED,
        False,
        written(b" /DecodeParms << /Predictor 12 /Columns 7 >>", up),
    )
    yield (
        "cross reference: a predictor of PNG, the columns are others",
        REFUSED,
        False,
        written(b" /DecodeParms << /Predictor 12 /Columns 6 >>", up),
    )
    yield (
        "cross reference: a predictor of TIFF",
        REFUSED,
        False,
        written(b" /DecodeParms << /Predictor 2 /Columns 7 >>", bytes),
    )
    yield "cross reference: not compressed", ACCEPTED, False, written(b"", bytes, filtered=False)
    yield (
        "cross reference: a filter twice",
        REFUSED,
        False,
        written(
            b" /Filter [/FlateDecode /FlateDecode]", lambda body: zlib.compress(zlib.compress(body)), filtered=False
        ),
    )
    yield "cross reference: another /Type", REFUSED, False, written(b"", bytes, b"/Type /XRe2")
    yield "cross reference: an entry too few", REFUSED, False, written(b"", lambda body: body[:-7])
    yield "cross reference: bytes behind the entries", REFUSED, True, written(b"", lambda body: body + b"xx")
    yield "cross reference: empty", REFUSED, False, written(b"", lambda body: b"")
    yield (
        "object stream: /DecodeParms",
        REFUSED,
        False,
        paper(lambda made: setattr(made.first, "holder_about", b"/Type /ObjStm /DecodeParms << /Predictor 1 >>")),
    )
    yield (
        "object stream: another /Type",
        REFUSED,
        False,
        paper(lambda made: setattr(made.first, "holder_about", b"/Type /ObjSt2")),
    )


def of_revisions() -> Iterator[Said]:
    def no(name: str, *changes_: Callable[[Draft], Any]) -> Said:
        return f"revision: {name}", REFUSED, False, both(*changes_)

    page = {3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 8 8] /Contents 4 0 R /Annots [8 0 R] >>"}
    yield "revision: another page", ACCEPTED, False, revision(objects=page)
    yield "revision: another page, in an object stream", ACCEPTED, False, revision(packed=page)
    yield "revision: nothing in it", ACCEPTED, False, revision()
    yield no(
        "the embedded file again",
        paper(lambda made: made.revisions.append(Revision(objects={7: stream(FILE, made.bundle)}))),
    )
    yield no("another untyped stream for the embedded file", revision(objects={7: FORGED}))
    yield no("another object in an object stream for the embedded file", revision(packed={7: b"(x)"}))
    yield no("another stream and another specification", revision(objects={7: FORGED, 6: SPEC % b"/EF << /F 7 0 R >>"}))
    yield no("a specification more", revision(objects={12: FORGED, 13: SPEC % b"/EF << /F 12 0 R >>"}))
    yield no("another generation of the embedded file", revision(objects={7: FORGED}, generation={7: 1}))
    yield no(
        "the specification overridden: the old one still holds an /EF",
        revision(objects={12: FORGED, 6: SPEC % b"/EF << /F 12 0 R >>"}),
    )
    yield (
        "revision: the specification overridden by one without file",
        ACCEPTED,
        True,
        revision(objects={6: SPEC % b""}),
    )
    yield "revision: the embedded file is free since", ACCEPTED, True, revision(rows=lambda said: [*said, (7, 0, 0, 1)])
    yield "revision: the object stream is another object since", REFUSED, True, revision(objects={20: b"(x)"})
    yield no("an old one points elsewhere", rows(moved(4, place_of=1)), revision(objects={4: stream(b"", b"BT ET")}))
    yield no("encrypted", revision(about=b" /Encrypt 12 0 R"))
    yield no("an old one is encrypted", about(b" /Encrypt 12 0 R"), revision())
    yield "revision: 16 cross references", ACCEPTED, False, both(*[revision()] * 15)
    yield no("17 cross references", *[revision()] * 16)
    yield no("a circle", paper(circle))
    yield "revision: without /Prev, the old one is cut off", REFUSED, False, paper(alone)


def circle(made: Paper) -> None:
    """The second cross-reference stream's /Prev is itself."""

    def xref(one: Revision, said: list[Row], own: int, previous: int | None) -> bytes:
        return Revision.cross_references(Revision(), said, own, said[-1][2])

    made.revisions.append(Revision(xref=xref))


def alone(made: Paper) -> None:
    made.revisions.append(
        Revision(xref=lambda one, said, own, previous: Revision.cross_references(Revision(), said, own, None))
    )


def of_repairs() -> Iterator[Said]:
    """A reader that finds the cross references odd looks for `<number> <generation> obj` in the raw bytes, and the last
    one wins. So another file can stand in the content of a stream that no rule looks into: poppler (and qpdf where the
    size is huge) then extracts that. The documents say nothing of it: only that both verifiers agree is asked for."""
    objects_within = (
        b"\n12 0 obj\n" + FORGED + b"\nendobj\n13 0 obj\n" + SPEC % b"/EF << /F 12 0 R >>" + b"\nendobj\n"
        b"5 0 obj\n<< /Names [(bundle.zip) 13 0 R] >>\nendobj\n"
        b"1 0 obj\n<< /Type /Catalog /Pages 2 0 R /Names << /EmbeddedFiles 5 0 R >> >>\nendobj\n"
        b"2 0 obj\n<< /Type /Pages /Kids [3 0 R] /Count 1 >>\nendobj\n"
        b"3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>\nendobj\n"
        b"trailer\n<< /Root 1 0 R /Size 50 >>\n"
    )
    hidden = objects(_40=stream(b"", objects_within, packed=False))

    def said(old: bytes, new: bytes) -> Callable[[Draft], Any]:
        def xref(one: Revision, entries: list[Row], own: int, previous: int | None) -> bytes:
            return Revision.cross_references(Revision(), entries, own, previous).replace(old, new)

        return paper(lambda made: setattr(made.first, "xref", xref))

    yield "repair: objects in a stream, nothing to repair", REFUSED, True, hidden
    yield (
        "repair: objects in a stream, an entry of type 3",
        REFUSED,
        True,
        both(hidden, rows(lambda said: [*said, (60, 3, 0, 0)])),
    )
    yield (
        "repair: objects in a stream, a huge /Size",
        REFUSED,
        True,
        both(hidden, said(b"/Size 100", b"/Size 99999999999")),
    )
    yield "repair: objects in a stream, no /Root", REFUSED, True, both(hidden, said(b"/Root 1 0 R", b""))
    yield (
        "repair: objects in a stream, /Root of no object",
        REFUSED,
        True,
        both(hidden, said(b"/Root 1 0 R", b"/Root 88 0 R")),
    )
    yield (
        "repair: objects in a stream, /Root of another object",
        REFUSED,
        True,
        both(hidden, said(b"/Root 1 0 R", b"/Root 4 0 R")),
    )


def of_ends() -> Iterator[Said]:
    def end(name: str, expected: str, value: bytes, *, unclear: bool = False) -> Said:
        return f"end: {name}", expected, unclear, paper(lambda made: setattr(made, "end", value))

    yield end("no newline", ACCEPTED, b"%%EOF")
    yield end("two newlines", REFUSED, b"%%EOF\n\n")
    yield end("a carriage return and a newline", REFUSED, b"%%EOF\r\n", unclear=True)
    yield end("a blank", REFUSED, b"%%EOF ")
    yield end("a comment", REFUSED, b"%%EOF\n% x\n")
    yield end("no %%EOF", REFUSED, b"")
    yield end("%%EOF twice", REFUSED, b"%%EOF\n%%EOF\n")
    yield end("a newline before %%EOF", REFUSED, b"\n%%EOF\n")
    for name, start in (("one less", -1), ("two more", 2), ("0", None), ("behind the end", 999_999)):
        yield (
            f"end: startxref {name}",
            REFUSED,
            False,
            paper(
                lambda made, start=start: setattr(made, "start", lambda offset: 0 if start is None else offset + start)
            ),
        )
    yield "bytes before the PDF", REFUSED, False, sealed(lambda data: b"x" + data)
    yield (
        "bytes before the PDF, sealed with it",
        REFUSED,
        False,
        paper(lambda made: setattr(made, "begin", b"x" + made.begin)),
    )
    yield "bytes behind the PDF", REFUSED, False, sealed(lambda data: data + b"x")
    yield "a newline behind the PDF", REFUSED, False, sealed(lambda data: data + b"\n")
    yield "a revision behind the seal", REFUSED, False, sealed(appended)


def appended(data: bytes) -> bytes:
    """An incremental update: it overrides the embedded file."""
    previous = int(data[data.rfind(b"startxref") :].split()[1])
    begin = len(data)
    data += b"7 0 obj\n" + FORGED + b"\nendobj\n"
    entries: list[Row] = [(7, 1, begin, 0), (40, 1, len(data), 0)]
    start = len(data)
    data += Revision().cross_references(entries, 40, previous)
    return data + b"startxref\n%d\n%%%%EOF\n" % start


def of_seal() -> Iterator[Said]:
    def signature(name: str, expected: str, old: bytes, new: bytes, *, unclear: bool = False) -> Said:
        def change(made: Paper) -> None:
            assert old in made.first.objects[9]
            made.first.objects[9] = made.first.objects[9].replace(old, new)

        return f"seal: {name}", expected, unclear, paper(change)

    def after(name: str, turn: Callable[[bytes], bytes]) -> Said:
        return f"seal: {name}", REFUSED, False, sealed(turn)

    yield signature("blanks behind the byte range", ACCEPTED, b"] >>", b"]" + b" " * 40 + b" >>")
    yield signature("a second /ByteRange", REFUSED, b"/ByteRange", b"/ByteRange [0 1 2 3] /ByteRange")
    yield signature("no blank before the byte range", REFUSED, b"/ByteRange [", b"/ByteRange[", unclear=True)
    yield signature("two blanks in the byte range", REFUSED, b"[0 ", b"[0  ", unclear=True)
    yield signature("a byte range from 1", REFUSED, b"[0 ", b"[1 ")
    yield signature("another /SubFilter", REFUSED, b"ETSI.CAdES.detached", b"adbe.pkcs7.detached")
    yield signature("no /SubFilter", REFUSED, b"/SubFilter /ETSI.CAdES.detached", b"")
    yield signature("a blank in the contents", REFUSED, b"<00", b"< 00")
    yield signature("another name for /Contents", REFUSED, b"/Contents", b"/Content2")
    yield "seal: none", REFUSED, False, paper(lambda made: made.first.objects.update({9: b"<< /Type /Sig >>"}))
    yield "seal: /ByteRange in another object too", REFUSED, True, packed_plain(b"<< /ByteRange [1 2 3 4] >>")
    yield (
        "seal: the text of a /ByteRange in a comment",
        REFUSED,
        False,
        paper(lambda made: setattr(made, "begin", made.begin + b"% /ByteRange [0 1 2 3]\n")),
    )
    yield after("lower-case hexadecimal digits", lambda data: data.replace(found := contents(data), found.lower()))
    yield after(
        "what is behind the CMS is not zero", lambda data: data.replace(found := contents(data), found[:-2] + b"01")
    )
    yield after("a byte of the page", lambda data: data.replace(b"[0 0 0 0]", b"[0 0 0 1]"))
    yield after("a byte of the header", lambda data: data.replace(b"%PDF-1.7", b"%PDF-1.6"))
    yield after("the byte range ends early", early)
    yield after("no signature value", lambda data: data.replace(found := contents(data), b"0" * len(found)))


def packed_plain(value: bytes) -> Callable[[Draft], Any]:
    return objects(_13=value)


def contents(data: bytes) -> bytes:
    return data[data.index(b"/Contents <") + 11 :].split(b">", 1)[0]


def early(data: bytes) -> bytes:
    """A byte range that does not reach the end."""
    at = data.index(b"/ByteRange [0 ") + 14
    numbers = data[at : data.index(b"]", at)].split()
    return (
        data[:at] + b"%s %s %d" % (numbers[0], numbers[1], int(numbers[2]) - 1) + data[at + len(b" ".join(numbers)) :]
    )
