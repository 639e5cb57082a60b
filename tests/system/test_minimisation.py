"""What the running gateway sends out, gives back and keeps: values of people reach no provider, and those who asked get
them again; what is kept has placeholders, in every format, streamed and whole."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from asking import PATHS, ask
from stage import Stage, completion, prepare, stage
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from test_lists import typed
from test_tools import obedient
from test_watched_answers import saying, text_in

from gateway.app import Gateway
from gateway.web.api import explain
from ledger.entry import Entry

pytestmark = pytest.mark.slow
MAIL, IBAN, NAME = "ana.mora@mine.example", "GB82 WEST 1234 5698 7654 32", "Ostwind Handel"
KEY = "ghp_" + "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zC1dF3"
VALUES = (MAIL, IBAN, NAME, KEY)
SAID = f"Write to {MAIL} of {NAME} that {IBAN} is theirs and {KEY} is not."
SENT = "Write to [EMAIL_ADDRESS_1] of [CUSTOMERS_1] that [IBAN_1] is theirs and [CREDENTIAL_1] is not."
POLICIES = """
policies:
  stays-here:
    replaces: {credentials: true, personal_data: any, terms: customers, keeps: "*@firm.example"}
    effect: redact
    workflows: agent
    says: what is of people stays here
"""


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("minimised") / "home", tools='["mail"]', tool_rules='{"mail": {"effect": "message_out", "said_by_person": ["to"]}}') as opened:  # fmt: skip
        lists = opened.settings.home / "dictionaries"
        lists.mkdir()
        (lists / "customers.txt").write_text(f"{NAME}\nSudwind AG\n", "utf-8")
        opened.put_into_force(opened.text() + POLICIES)
        yield opened


@pytest.fixture(autouse=True)
def usual(on: Stage) -> None:
    on.upstream.answer = None


def seen(on: Stage) -> str:
    """Return the last request that the provider got."""
    return json.dumps(on.upstream.seen[-1], ensure_ascii=False)


def opened(on: Stage) -> Entry:
    return on.settled("call.opened")[-1]


def kept(on: Stage, entry: Entry) -> dict[str, Any]:
    """Return what is kept of an entry."""
    from gateway.store.evidence import LiveEvidence

    evidence = LiveEvidence(on.installation)
    return {name: evidence.content(entry, name).value for name in entry.c}


@pytest.mark.parametrize("form", PATHS)
@pytest.mark.parametrize("stream", [False, True])
def test_no_value_reaches_a_provider_and_the_caller_gets_each_again(on: Stage, form: str, stream: bool) -> None:
    on.upstream.answer = saying(form, SENT + " [EMAIL_ADDRESS_7] [", stream)
    answer = ask(on, form, stream, text=SAID, x_whyledger_repeat="allow")
    assert SENT in seen(on) and not [one for one in VALUES if one in seen(on)]
    said = text_in(answer.body) if stream else answer.body.decode()
    assert SAID + " [EMAIL_ADDRESS_7] [" in said and answer.status == 200
    (check,) = [one for one in opened(on).facts["checks"] if one["id"] == "policy:stays-here"]
    assert check["verdict"] == "redact" and check["inputs"]["personal_data"] == {"email_address": 1, "iban": 1}
    assert (check["inputs"]["term"], check["inputs"]["credential"]) == ({"customers": 1}, {"github": 1})
    told = " ".join(one.text for one in explain(on.installation, str(opened(on).call)).narrative)
    assert "The check policy:stays-here replaced something in it: what is of people stays here." in told


@pytest.mark.parametrize("form", PATHS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_is_called_with_the_value_and_judged_by_it(on: Stage, form: str, stream: bool) -> None:
    on.upstream.answer = obedient(form, "mail", {"to": "[EMAIL_ADDRESS_1]"}, stream)
    answer = ask(on, form, stream, text=SAID, x_whyledger_repeat="allow")
    said = answer.body.decode()
    assert answer.status == 200 and on.settled("call.closed")[-1].facts["result"] == "answered", said
    assert MAIL in said and "[EMAIL_ADDRESS_1]" not in said
    called = kept(on, on.settled("call.closed")[-1])["tool_call_0"]
    assert called["name"] == "mail" and json.loads(called["arguments"]) == {"to": "[EMAIL_ADDRESS_1]"}
    on.upstream.answer = obedient(form, "mail", {"to": "[EMAIL_ADDRESS_2]"}, stream)
    ask(on, form, stream, text=SAID, x_whyledger_repeat="allow")
    assert on.settled("call.closed")[-1].facts["result"] == "refused_answer", (
        "a placeholder of nobody is no word of a person"
    )


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("form", PATHS)
def test_what_is_kept_redacted_has_placeholders_and_nothing_else_of_it(on: Stage, form: str, stream: bool) -> None:
    on.upstream.answer = saying(form, f"Done: {SENT} And b@else.example too.", stream)
    before = on.installation.reader.head().size
    ask(
        on,
        form,
        stream,
        text=SAID,
        x_whyledger_repeat="allow",
        x_whyledger_content="redacted",
        x_whyledger_subject=MAIL,
    )
    ends = [one for one in on.settled("call.closed") if one.seq >= before]
    begun, ended = opened(on), ends[-1]
    assert begun.facts["content"] == "redacted"
    assert begun.facts["found"] == {"email_address": 2, "iban": 1, "customers": 1, "credential": 1}
    texts = json.dumps([kept(on, begun), kept(on, ended)], ensure_ascii=False)
    assert not [one for one in (*VALUES, "b@else.example") if one in texts]
    assert SENT in texts and kept(on, begun)["subject"] == "[EMAIL_ADDRESS_1]"
    assert ended.facts["found"].keys() == {"email_address", "iban", "customers", "credential"}
    if not stream:
        assert "And [EMAIL_ADDRESS_2] too." in texts, "what the answer says has the numbers of the request"


def test_a_list_that_cannot_be_read_stops_the_call_and_shows(on: Stage) -> None:
    path = on.settings.home / "dictionaries" / "customers.txt"
    text, before = path.read_text("utf-8"), len(on.upstream.seen)
    try:
        path.write_text("AG\n", "utf-8")
        answer = ask(on, text="anything")
        assert answer.status == 503 and answer.error["code"] == "list_unreadable" and len(on.upstream.seen) == before
        refused = on.entries("call.refused")[-1]
        assert refused.facts["inputs"] == {"list": "customers"} and refused.facts["reason_ref"] == "list_unreadable"
        assert httpx2.get(on.url + "/readyz").status_code == 503
        path.unlink()
        assert ask(on, text="anything else").status == 503
        answer = ask(on, text=SAID, x_whyledger_content="redacted", key="quiet")
        assert answer.status == 200, "nothing is kept of it, and no policy names the list"
    finally:
        path.write_text(text, "utf-8")
    ready = httpx2.get(on.url + "/readyz").json()
    assert ready["minimisation"]["lists"] == {"customers": 2} and "iban" in ready["minimisation"]["kinds"]
    path.write_text(text + "Nordlicht\n", "utf-8")
    assert httpx2.get(on.url + "/readyz").json()["minimisation"]["lists"] == {"customers": 3}
    ask(on, text="Nordlicht is new")
    assert "Nordlicht" not in seen(on), "a list is read again when it changes"


@pytest.mark.parametrize("name", ["anna wei\u00df", "a b"])
def test_a_list_whose_name_cannot_stand_in_an_entry_is_told_of_and_no_name_is(on: Stage, name: str) -> None:
    path = on.settings.home / "dictionaries" / f"{name}.txt"
    path.write_text("Sudwind\n", "utf-8")
    try:
        answer = ask(on, text="anything", x_whyledger_content="redacted", key="fresh-dev")
        assert answer.status == 503 and answer.error["code"] == "list_unreadable" and name not in answer.body.decode()
        assert on.entries("call.refused")[-1].facts["inputs"] == {"list": "other"}
    finally:
        path.unlink()


def test_a_process_in_which_something_is_left_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, _, _ = prepare(tmp_path / "home", port=1)
    monkeypatch.setattr("gateway.minimisation.replacing.FORMS", frozenset({"messages"}))

    async def start() -> None:
        async with Gateway(settings)._serving():
            raise AssertionError("it serves")

    with pytest.raises(ValueError, match="was not replaced in the words of a person"):
        asyncio.run(start())


def test_what_is_refused_says_what_is_kept_of_it(on: Stage) -> None:
    asked = {"x_whyledger_content": "redacted"}
    assert ask(on, text=f"{SAID} with a tool", key="fresh", **asked).status == 403
    refused = on.entries("call.refused")[-1]
    assert refused.facts["content"] == "redacted" and refused.facts["found"]["iban"] == 1
    assert IBAN not in json.dumps(kept(on, refused))
    ask(on, text="hello", key="fresh", x_whyledger_content="none")
    assert on.entries("call.refused")[-1].facts["content"] == "none"


def test_what_waits_for_a_person_is_kept_as_it_is(on: Stage) -> None:
    text = on.text()
    try:
        on.put_into_force(text + "  asks: {when: {credentials: true}, effect: hold, workflows: agent}\n")
        answer = ask(on, text=SAID, x_whyledger_content="redacted")
        assert answer.status == 403 and answer.error["code"] == "approval_required"
        assert SAID in json.dumps(kept(on, on.entries("call.refused")[-1]), ensure_ascii=False)
    finally:
        on.put_into_force(text)


def test_a_worst_case_counts_what_is_really_sent(on: Stage) -> None:
    ask(on, text="hello")
    plain = opened(on).facts["input_bound_tokens"]
    short = "a@b.example"
    ask(on, text=short * 1)
    grown = opened(on).facts["input_bound_tokens"] - plain - len(short) + len("hello")
    assert grown == len("[EMAIL_ADDRESS_1]") - len(short)


def test_policies_are_tried_on_requests_that_are_kept_with_placeholders(on: Stage) -> None:
    ask(on, text=f"{SAID} and my Steuer-ID is 65 929 970 489", x_whyledger_content="redacted")
    assert "[DE_TAX_ID_1]" in kept(on, opened(on))["prompt"]
    file = on.settings.home / "try.yaml"
    more = """
  taxes: {replaces: {personal_data: de_tax_id}, effect: redact}
  names: {replaces: {terms: customers}, effect: redact}
  secrets: {replaces: {credentials: true}, effect: redact}
  cards: {replaces: {personal_data: payment_card}, effect: redact}
  keys: {when: {credentials: true}, effect: deny}
  accounts: {when: {personal_data: iban}, effect: flag}
"""
    file.write_text(on.text() + more, "utf-8")
    out = typed(on, "policy", "test", str(file), "--last", "1")
    for name in ("stays-here", "taxes", "names", "secrets"):
        assert f"{name}: would have replaced something in 1 of 1" in out
    assert "cards: no effect of 1" in out
    assert "keys: would have refused 1 of 1" in out and "accounts: would have flagged 1 of 1" in out
    ask(on, text="It says [IBAN_1] here")
    assert "accounts: no effect of 1" in typed(on, "policy", "test", str(file), "--last", "1"), "nobody put it there"


def test_a_similar_question_is_not_embedded_and_a_cache_gives_the_values_again(on: Stage) -> None:
    async def once(_request: Request, _body: dict[str, Any]) -> Response:
        return JSONResponse(completion("Dear [EMAIL_ADDRESS_1]"))

    on.upstream.answer = once
    before = len(on.upstream.seen)
    for _ in range(2):
        assert on.ask("cached", f"To {MAIL}").choices[0].message.content == f"Dear {MAIL}"
    assert len(on.upstream.seen) == before + 1
    assert on.ask("cached", "To c@else.example").choices[0].message.content == "Dear c@else.example", (
        "and nobody else's"
    )
