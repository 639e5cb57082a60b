"""Mutants of the log: entries, disclosures, the period, the proof of the range, the archive."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import second_verifier
from forging import Draft, archived, call, disclosed, entry, joined, plain64
from mutants_making import (
    ACCEPTED,
    NO_INSTANTS,
    REFUSED,
    Change,
    Mutant,
    digests,
    disclose,
    drawn,
    drop,
    fact,
    file,
    line,
    nested,
    one,
    pack,
    put,
    scope,
    setting,
    unchecked,
    unused_bits,
    upto,
    whole_log,
    whole_member,
)
from second_verifier import descend, form, root, sha, url

BAD_IDS = {
    "UUID version 4": "0190a0a0-0000-4000-8000-00000000000c", "upper case": "0190A0A0-0000-7000-8000-00000000000c",
    "another variant": "0190a0a0-0000-7000-c000-00000000000c", "no dashes": "0190a0a000007000800000000000000c",
    "braces": "{0190a0a0-0000-7000-8000-00000000000c}", "a newline behind": "0190a0a0-0000-7000-8000-00000000000c\n",
    "nothing": "", "one digit more": "0190a0a0-0000-7000-8000-00000000000c0",
}  # fmt: skip


def of_entries() -> Iterator[Mutant]:
    yield one("the draft itself", ACCEPTED)
    for name, at in NO_INSTANTS.items():
        yield one(f"entry: at with {name}", REFUSED, put(12, at=at))
    yield one("entry: year 0000", REFUSED, put(0, at="0000-12-31T00:00:00.000000Z"))
    yield one("entry: year 0001", ACCEPTED, put(0, at="0001-01-01T00:00:00.000000Z"))
    yield one("entry: leap day", ACCEPTED, put(0, at="2024-02-29T23:59:59.999999Z"))
    yield one("entry: last instant of a day", ACCEPTED, put(12, at="2026-02-28T23:59:59.999999Z"))
    yield one("entry: at a number", REFUSED, line(12, b'"2026-02-28T22:00:05.000000Z"', b"20260228"))
    for name, uuid in BAD_IDS.items():
        yield one(f"entry: id with {name}", REFUSED, put(12, id=f"ent_{uuid}"))
        yield one(f"entry: call with {name}", REFUSED, put(17, call=f"call_{uuid}"))
    yield one("entry: id of another kind", REFUSED, put(12, id=call(12)))
    yield one("entry: call_x", REFUSED, put(17, call="call_x"))
    for seq in (13, 18, 1):
        yield one(f"entry: the id of entry 12 again in {seq}", REFUSED, put(seq, id=entry(12, "", "")["id"]))
    for name in ("task", "workflow", "sub", "act"):
        yield one(f"entry: empty {name}", REFUSED, put(17, **{name: ""}))
        yield one(f"entry: {name} is a number", REFUSED, put(17, **{name: 5}))
        yield one(f"entry: no member {name}", REFUSED, drop(17, name))
    for name in ("task", "sub", "act"):
        yield one(f"entry: {name} is no pseudonym", ACCEPTED, put(17, **{name: "Ada"}), unclear=True)
    yield one("entry: workflow with letters and signs", ACCEPTED, put(17, workflow='Z\u00fcrich "7" \U0001f600'))
    yield one("entry: a member more", REFUSED, put(17, more=None))
    for name in ("v", "log", "seq", "prev", "id", "at", "kind", "call", "facts", "refs", "c"):
        yield one(f"entry: {name} is null", REFUSED if name != "call" else ACCEPTED, line_null(17, name))
    yield one("entry: v is true", REFUSED, put(17, v=True))
    yield one("entry: v is 1.0", REFUSED, put(17, v=1.0))
    yield one('entry: v is "1"', REFUSED, put(17, v="1"))
    yield one("entry: v is 2", REFUSED, put(17, v=2))
    yield one("entry: of another log", REFUSED, put(17, log="ledger.example/other"))
    yield one("entry: seq as text", REFUSED, line(17, b'"seq":17', b'"seq":"17"'))
    yield one("entry: seq one more", REFUSED, line(17, b'"seq":17', b'"seq":18'))
    yield one("entry: first seq is false", REFUSED, line(0, b'"seq":0', b'"seq":false'), whole_log)
    yield one("entry: prev of another", REFUSED, prev_of(17, sha(b"other")))
    yield one("entry: prev of the first is not that of nothing", REFUSED, prev_of(0, sha(b"x")))
    yield one("entry: context that does not chain to context", REFUSED, prev_of(1, sha(b"x")))
    yield one("entry: neighbour that does not chain", REFUSED, prev_of(18, sha(b"x")))
    yield one(
        "entry: prev not looked at where the one before is absent",
        ACCEPTED,
        setting(quoted={0, 4}),
        prev_of(4, sha(b"x")),
    )
    for kind in ("call", "call.", ".opened", "call.opened.twice", "Call.opened", "call.opened2", "_call.opened", "call._opened",
                 "call.opened_", "a__b.c", "call opened", "c\u00e4ll.opened", "call.opened\n", "a-b.c"):  # fmt: skip
        yield one(f"entry: kind {kind!r}", REFUSED, put(17, kind=kind))
    yield one("entry: a kind nobody knows", ACCEPTED, put(17, kind="new_thing.was_seen"))
    for name, members in (
        ("facts", []),
        ("refs", []),
        ("c", []),
        ("facts", "x"),
        ("refs", {"a": None}),
        ("refs", {"a": 1}),
    ):
        yield one(f"entry: {name} is {members}", REFUSED, whole_member(17, name, members))
    digest = url(sha(b"config"))
    for name, text in digests(digest).items():
        yield one(f"entry: refs with {name}", REFUSED, put(17, refs={"config": text}))
        yield one(f"entry: c with {name}", REFUSED, put(17, c={"reason": text}))
    for name, text in digests(url(sha(b""))).items():
        yield one(
            f"entry: prev with {name}",
            REFUSED,
            whole_log,
            line(0, url(sha(b"")).encode(), json.dumps(text)[1:-1].encode()),
        )
    yield one("entry: 64 deep", ACCEPTED, fact(17, "x", nested(62)))
    yield one("entry: 65 deep", REFUSED, fact(17, "x", nested(63)))
    yield one("entry: 300 deep", REFUSED, fact(17, "x", nested(298)))
    yield one("entry: 64 objects deep in context", ACCEPTED, fact(1, "x", objects(62)))
    yield one("entry: 65 objects deep in context", REFUSED, fact(1, "x", objects(63)))
    yield one("entry: brackets in a string are no depth", ACCEPTED, fact(17, "x", "[{" * 99 + '\\"['))
    for number, expected in (
        (2**53 - 1, ACCEPTED),
        (1 - 2**53, ACCEPTED),
        (2**53, REFUSED),
        (-(2**53), REFUSED),
        (10**400, REFUSED),
    ):
        yield one(f"entry: the number {str(number)[:20]}", expected, fact(17, "x", number))
    for text in (
        b"1.5",
        b"1.0",
        b"1e3",
        b"-0",
        b"01",
        b"NaN",
        b"Infinity",
        b"+1",
        b'"\\u0041"',
        b'"\\ud800"',
        b'"\\/"',
        b"tru",
    ):
        yield one(f"entry: {text.decode()} in facts", REFUSED, put(17, facts={"x": 77}), line(17, b"77", text))
    yield one("entry: a member named twice", REFUSED, put(17, facts={"x": 77}), line(17, b'"x":77', b'"x":77,"x":77'))
    yield one("entry: a name that is not ASCII", REFUSED, fact(17, "\u00e4", 1))
    yield one(
        "entry: names in another order",
        REFUSED,
        put(17, facts={"a": 1, "b": 2}),
        line(17, b'"a":1,"b":2', b'"b":2,"a":1'),
    )
    yield one("entry: a blank", REFUSED, line(17, b'"seq":17', b'"seq": 17'))
    yield one("entry: a blank behind", REFUSED, line(17, b'"workflow":null}', b'"workflow":null} '))
    yield one("entry: a BOM", REFUSED, lambda draft: draft.on_line.update({17: lambda data: b"\xef\xbb\xbf" + data}))
    yield one("entry: a carriage return", REFUSED, lambda draft: draft.on_line.update({17: lambda data: data + b"\r"}))
    yield one("entry: not UTF-8", REFUSED, fact(17, "x", "77"), line(17, b'"77"', b'"\xff"'))
    yield one(
        "entry: control characters and DEL escaped as they must be", ACCEPTED, fact(17, "x", "\x01\b\f\n\r\t\x7f\u2028")
    )
    yield one("entry: 32768 bytes", ACCEPTED, fact(17, "x", ""), padded(17, 32768))
    yield one("entry: 32769 bytes", REFUSED, fact(17, "x", ""), padded(17, 32769))


def line_null(seq: int, name: str) -> Change:
    def turn(data: bytes) -> bytes:
        return form(json.loads(data) | {name: None})

    return lambda draft: draft.on_line.update({seq: turn})


def prev_of(seq: int, digest: bytes) -> Change:
    return whole_member(seq, "prev", url(digest))


def padded(seq: int, size: int) -> Change:
    return lambda draft: draft.on_line.update(
        {seq: lambda data: data.replace(b'"x":""', b'"x":"' + b"a" * (size - len(data)) + b'"')}
    )


def objects(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def of_disclosures() -> Iterator[Mutant]:
    said = lambda text: disclose(13, "reason", text)  # noqa: E731
    salt = url(b"s" * 32)
    yield one("disclosure: with blanks", ACCEPTED, said(b' [ "%s" , "reason" , {"a": 1.50} ] ' % salt.encode()))
    for size in (16, 31, 33, 0):
        yield one(f"disclosure: a salt of {size} bytes", REFUSED, said(disclosed("reason", "x", b"s" * size)))
    yield one(
        "disclosure: a salt with unused bits",
        REFUSED,
        said(b'["%s","reason",1]' % digests(salt)["unused bits"].encode()),
    )
    yield one("disclosure: a salt with padding", REFUSED, said(b'["%s=","reason",1]' % salt.encode()))
    yield one("disclosure: a salt that is a number", REFUSED, said(b'[5,"reason",1]'))
    yield one("disclosure: another name", REFUSED, said(disclosed("reasons", "x")))
    for name, text in (
        ("two elements", b'["%s","reason"]'), ("four elements", b'["%s","reason",1,2]'), ("an object", b'{"a":"%s","b":"reason","c":1}'),
        ("a member named twice", b'["%s","reason",{"a":1,"a":2}]'), ("a member named twice by an escape", b'["%s","reason",{"a":1,"\\u0061":2}]'),
        ("a member named twice within", b'["%s","reason",[[{"b":{"a":1,"a":1}}]]]'), ("NaN", b'["%s","reason",NaN]'), ("a BOM", b'\xef\xbb\xbf["%s","reason",1]'),
        ("a comma too many", b'["%s","reason",1,]'), ("what is not UTF-8", b'["%s","reason","\xff"]'), ("no JSON", b"%s"), ("two texts", b'["%s","reason",1] 1'),
    ):  # fmt: skip
        yield one(f"disclosure: {name}", REFUSED, said(text % salt.encode()))
    for name, text in (
        ("a number with a point", b'["%s","reason",1.5e3]'), ("a large number", b'["%s","reason",99999999999999999999]'), ("a name that is not ASCII", '["%s","reason",{"\u00e4":1}]'.encode()),
        ("null", b'["%s","reason",null]'), ("-0", b'["%s","reason",-0]'),
    ):  # fmt: skip
        yield one(f"disclosure: {name}", ACCEPTED, said(text % salt.encode()))
    yield one(
        "disclosure: a number of 5000 digits",
        REFUSED,
        said(b'["%s","reason",%s]' % (salt.encode(), b"9" * 5000)),
        unclear=True,
    )
    yield one(
        "disclosure: half a surrogate", ACCEPTED, said(b'["%s","reason","\\ud800"]' % salt.encode()), unclear=True
    )
    yield one("disclosure: 64 deep", ACCEPTED, said(disclosed("reason", nested(63))))
    yield one("disclosure: 65 deep", REFUSED, said(disclosed("reason", nested(64))))
    yield one(
        "disclosure: 5000 deep", REFUSED, said(b'["%s","reason",%s]' % (salt.encode(), b"[" * 5000 + b"]" * 5000))
    )
    rows = "disclosures.jsonl"
    yield one("disclosures: one dropped", ACCEPTED, file(rows, lambda data: b"".join(data.splitlines(True)[1:])))
    yield one("disclosures: none", ACCEPTED, file(rows, lambda data: b""))
    yield one("disclosures: another order", REFUSED, file(rows, lambda data: b"".join(reversed(data.splitlines(True)))))
    yield one("disclosures: one twice", REFUSED, file(rows, lambda data: data.splitlines(True)[0] + data), unclear=True)
    yield one("disclosures: no last newline", REFUSED, file(rows, lambda data: data[:-1]))
    yield one("disclosures: an empty line", REFUSED, file(rows, lambda data: data + b"\n"))
    for name, change in (
        ("a member more", {"more": 1}), ("seq as text", {"seq": "13"}), ("seq true", {"seq": True}), ("of an entry that is not here", {"seq": 5}),
        ("of a member that is not there", {"name": "before"}), ("name null", {"name": None}), ("padding", {"disclosure": url(disclosed("reason", "refunds need finance")) + "="}),
        ("another value", {"disclosure": url(disclosed("reason", "nothing"))}), ("of another entry", {"seq": 17}),
    ):  # fmt: skip
        yield one(
            f"disclosures: {name}",
            REFUSED,
            file(rows, lambda data, change=change: joined([form(json.loads(data.splitlines()[-1]) | change)])),
        )
    yield one(
        "disclosures: names in order",
        ACCEPTED,
        disclose(13, "after", disclosed("after", 1)),
        disclose(13, "presented", disclosed("presented", 1)),
    )
    yield one(
        "disclosures: names out of order",
        REFUSED,
        disclose(13, "after", disclosed("after", 1)),
        file(rows, lambda data: joined(data.splitlines()[i] for i in (0, 2, 1))),
    )
    examples = drawn("seed of the auditor")
    opened = {call(i): seq for i, seq in ((1, 7), (2, 9), (4, 14), (5, 16))}
    seq = next(opened[name] for name in examples if name in opened)
    yield one(
        "contents: opened, and said so",
        ACCEPTED,
        disclose(seq, "prompt", disclosed("prompt", "x")),
        setting(said={"contents": True}),
    )
    yield one("contents: opened, and denied", REFUSED, disclose(seq, "prompt", disclosed("prompt", "x")), unclear=True)
    other = next(seq for name, seq in opened.items() if name not in examples)
    yield one(
        "contents: of a call that is no example opened, and denied",
        ACCEPTED,
        disclose(other, "prompt", disclosed("prompt", "x")),
        unclear=True,
    )
    yield one("contents: said to be opened, nothing is", ACCEPTED, pack(contents=True), unclear=True)


def of_period() -> Iterator[Mutant]:
    yield one("period: not over", unchecked("completeness"), upto(18))
    yield one(
        "period: not over, one entry of context between nothing",
        unchecked("completeness"),
        upto(18),
        setting(quoted={0, 1, 2, 3, 4, 5}),
    )
    yield one("period: the log ends before it begins", unchecked("completeness"), upto(7))
    yield one("period: not over, as a PDF", unchecked("completeness"), upto(18), paper=True)
    yield one("period: from the beginning of the log", ACCEPTED, whole_log)
    yield one(
        "period: the whole log",
        unchecked("completeness"),
        whole_log,
        scope(to="9999-12-31T23:59:59.999999Z"),
        pack(at="9999-12-31T23:59:59.999999Z"),
    )
    yield one("period: the whole log but its last entry", ACCEPTED, whole_log, scope(to="2026-04-02T00:00:00.000000Z"))
    yield one(
        "period: before the log began",
        ACCEPTED,
        scope(**{"from": "2025-01-01T00:00:00.000000Z", "to": "2025-02-01T00:00:00.000000Z"}),
    )
    yield one("period: to of the entry behind", ACCEPTED, scope(to="2026-04-01T00:00:05.000000Z"))
    yield one(
        "period: to just after the entry behind", REFUSED, scope(to="2026-04-01T00:00:05.000001Z"), setting(cut=(7, 18))
    )
    yield one("period: from of the first entry", ACCEPTED, scope(**{"from": "2026-02-28T22:00:00.000000Z"}))
    yield one(
        "period: from just after the first entry",
        REFUSED,
        scope(**{"from": "2026-02-28T22:00:00.000001Z"}),
        setting(cut=(7, 18)),
    )
    yield one("period: cut too short in front", REFUSED, setting(cut=(9, 18)))
    yield one("period: cut too short behind", REFUSED, setting(cut=(7, 16)))
    yield one("period: too long in front", REFUSED, setting(cut=(6, 18)))
    yield one("period: too long behind", REFUSED, setting(cut=(7, 19)))
    yield one("period: empty, anywhere", REFUSED, setting(cut=(9, 9)))
    yield one("period: no neighbour in front", REFUSED, setting(neighbours=False, quoted={0, 1, 18}))
    yield one("period: no neighbour behind", REFUSED, setting(neighbours=False, quoted={0, 1, 6}))
    yield one("period: no neighbours, a later entry", REFUSED, setting(neighbours=False, quoted={0, 6, 19}))
    yield one(
        "period: cut short, the entry behind it is quoted as context", REFUSED, setting(cut=(7, 16), quoted={0, 17})
    )
    yield one("clock: falls in the range", REFUSED, put(12, at="2026-02-28T22:00:03.000000Z"))
    yield one("clock: stands still", ACCEPTED, *(put(i, at="2026-02-28T22:00:03.000000Z") for i in range(7, 18)))
    yield one("clock: falls in context", REFUSED, put(1, at="2026-01-31T00:00:00.000000Z"))
    yield one(
        "clock: falls in context that is no neighbour",
        REFUSED,
        setting(quoted={0, 1, 3}),
        put(1, at="2026-02-01T00:00:05.000000Z"),
    )
    yield one(
        "clock: falls from the neighbour to a later entry",
        REFUSED,
        setting(quoted={0, 19}),
        put(19, at="2026-04-01T00:00:04.000000Z"),
    )
    yield one("clock: falls where no entry of the bundle is", ACCEPTED, put(3, at="2026-01-01T00:00:00.000000Z"))
    rows = "context.jsonl"
    yield one("context: another order", REFUSED, file(rows, lambda data: b"".join(reversed(data.splitlines(True)))))
    yield one("context: one twice", REFUSED, file(rows, lambda data: data.splitlines(True)[0] + data))
    yield one("context: an entry of the range", REFUSED, file(rows, in_range))
    yield one(
        "context: a member more",
        REFUSED,
        file(rows, lambda data: joined(form(json.loads(row) | {"more": 1}) for row in data.splitlines())),
    )
    yield one(
        "context: no path",
        REFUSED,
        file(rows, lambda data: joined(form({"entry": json.loads(row)["entry"]}) for row in data.splitlines())),
    )
    for name, turn in {
        "one hash less": lambda path: path[:-1], "one hash more": lambda path: [*path, path[0]], "another hash": lambda path: [path[-1], *path[1:]],
        "null": lambda path: None, "a hash as base64url": lambda path: [hash_.replace("+", "-").replace("/", "_").rstrip("=") for hash_ in path],
        "an object": lambda path: dict.fromkeys(path, 1),
    }.items():  # fmt: skip
        yield one(
            f"context: a path with {name}",
            REFUSED,
            file(
                rows,
                lambda data, turn=turn: joined(
                    form((said := json.loads(row)) | {"path": turn(said["path"])}) for row in data.splitlines()
                ),
            ),
        )
    yield one("context: a hash that is not canonical base64", REFUSED, file(rows, odd_hash), unclear=True)


def in_range(data: bytes) -> bytes:
    draft = Draft()
    known, raw = draft.known(20), draft.lines()[9]
    path = [plain64(root(*span, known)) for span in descend(20, 9, 0)[1:]]
    rows = data.splitlines()
    return joined([*rows[:3], form({"entry": raw.decode(), "path": path}), *rows[3:]])


def odd_hash(data: bytes) -> bytes:
    rows = [json.loads(row) for row in data.splitlines()]
    rows[0]["path"][0] = unused_bits(rows[0]["path"][0])
    return joined(map(form, rows))


def of_range() -> Iterator[Mutant]:
    text = Draft().files()["range"].decode()
    first, *rest = text.split("\n")
    left, right = rest[: rest.index("")], rest[rest.index("") + 1 : -1]

    def said(a: str, lefts: list[str], rights: list[str], end: str = "\n") -> Change:
        made = "\n".join([a, *lefts, "", *rights]) + end
        return file("range", lambda _: made.encode())

    yield one("range: as it was", ACCEPTED, said(first, left, right))
    for head in ("range 07 18 20", "range 7 18 020", "range +7 18 20", "range 7  18 20", "range 7 18 20 ", "Range 7 18 20", "range 7 18", "range 7 18 20 1",
                 "range 7 18 21", "range 7 17 20", "range 8 18 20", "range 18 7 20", "range 7 18 " + "9" * 5000, "range \u0667 18 20"):  # fmt: skip
        yield one(f"range: {head[:30]!r}", REFUSED, said(head, left, right))
    yield one("range: a hash less on the left", REFUSED, said(first, left[:-1], right))
    yield one("range: a hash less on the right", REFUSED, said(first, left, right[:-1]))
    yield one("range: a hash more on the right", REFUSED, said(first, left, [*right, right[0]]))
    yield one("range: left hashes in another order", REFUSED, said(first, left[::-1], right))
    yield one("range: no last newline", REFUSED, said(first, left, right, ""))
    yield one("range: another line", REFUSED, said(first, left, right, "\n\n"))
    yield one("range: carriage returns", REFUSED, file("range", lambda data: data.replace(b"\n", b"\r\n")))
    yield one("range: base64url", REFUSED, said(first, [one_.rstrip("=") for one_ in left], right))
    yield one(
        "range: a hash that is not canonical base64",
        REFUSED,
        said(first, [unused_bits(left[0]), *left[1:]], right),
        unclear=True,
    )
    yield one("entries: one left out", REFUSED, file("entries.jsonl", lambda data: b"".join(data.splitlines(True)[1:])))
    yield one(
        "entries: two in another order",
        REFUSED,
        file("entries.jsonl", lambda data: b"".join([*data.splitlines(True)[1::-1], *data.splitlines(True)[2:]])),
    )
    yield one("entries: an empty line", REFUSED, file("entries.jsonl", lambda data: data + b"\n"))
    yield one("entries: no last newline", REFUSED, file("entries.jsonl", lambda data: data[:-1]))


def of_archive() -> Iterator[Mutant]:
    def again(order: list[str] | None = None, **more: bytes) -> Callable[[bytes], bytes]:
        return lambda archive: archived(second_verifier.read_archive(archive) | more, order)

    def archive(name: str, turn: Callable[[bytes], bytes]) -> Mutant:
        return one(f"archive: {name}", REFUSED, lambda draft: draft.on_archive.append(turn))

    names = [name for name in second_verifier.FILES if name != "consistency"]
    yield archive("a byte before", lambda data: b"x" + data)
    yield archive("a byte behind", lambda data: data + b"x")
    yield archive("another order", again(names[::-1]))
    for name in names:
        yield archive(f"no {name}", again([other for other in names if other != name]))
    yield archive("a file more", again([*names, "z"], z=b""))
    yield archive("made by Unix", lambda data: data.replace(b"PK\x01\x02\x14\x00", b"PK\x01\x02\x14\x03"))
    yield archive("version needed 10", lambda data: data.replace(b"PK\x03\x04\x14", b"PK\x03\x04\x0a"))
    yield archive("a flag", lambda data: data.replace(b"PK\x03\x04\x14\0\0\0", b"PK\x03\x04\x14\0\0\x08"))
    yield archive("another time", lambda data: data.replace(b"\0\0\0\0\x21\0", b"\0\0\1\0\x21\0"))
    yield archive("a comment", lambda data: data[:-2] + b"\1\0x")
    yield archive("attributes", lambda data: data.replace(b"\0" * 12, b"\0" * 6 + b"\1" + b"\0" * 5, 1))
    yield archive("nothing", lambda data: b"")
    yield archive("no archive", lambda data: b"PK")
