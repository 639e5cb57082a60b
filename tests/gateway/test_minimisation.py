"""What is replaced, what is put back, and what is kept: each text, in one piece or in many."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import formats
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from classifiers.terms import Terms
from gateway.configuration.load import ConfigurationError, load
from gateway.configuration.policies import Policy, Replaces
from gateway.dialects.leaves import leaves_of
from gateway.dialects.openai_chat import CHAT
from gateway.dialects.pairs import DIALECTS
from gateway.dialects.sse import EventReader
from gateway.minimisation.minimiser import Minimiser
from gateway.minimisation.proof import CANARIES, prove
from gateway.minimisation.replacing import Minimised
from gateway.minimisation.restoring import Restorer
from gateway.policies.evaluating import Applying

MAIL, IBAN, PHONE = "ana.mora@mine.example", "GB82 WEST 1234 5698 7654 32", "+49 176 12345678"
KEY = "ghp_" + "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zC1dF3"
ALL = {"credentials": True, "personal_data": ("any",), "terms": ("customers",)}


class Lists:
    def of(self, names: Iterable[str]) -> Mapping[str, Terms]:
        return {name: Terms(name, ["Ostwind Handel", "Anna Weiß"], "v1") for name in names}

    def every(self) -> Mapping[str, Terms]:
        return self.of(["customers"])


MINIMISER = Minimiser(Lists())


def policy(name: str = "out", **replaces: Any) -> Applying:
    shadow = replaces.pop("shadow", False)
    return Applying(name, Policy(replaces=Replaces(**(replaces or ALL)), effect="redact", shadow=shadow))


def sent(fields: Any, *policies: Applying) -> Minimised:
    return MINIMISER.replaced(fields, policies or [policy()])


def words(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def test_a_value_has_one_placeholder_wherever_it_stands_and_numbers_follow_the_request() -> None:
    fields = {
        "model": "support", "system": f"You serve Ostwind Handel. Ask {MAIL}.", "user": MAIL,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": f"I am {MAIL}, {PHONE}"}]},
            {"role": "assistant", "tool_calls": [{"id": MAIL, "function": {"name": "f", "arguments": json.dumps({"to": MAIL, "phone": [4917612345678]})}}]},
            {"role": "tool", "tool_call_id": MAIL, "content": json.dumps({"iban": IBAN, "other": "x@else.example"})},
        ],
        "tools": [{"function": {"name": "f", "description": f"writes to {MAIL}"}}],
    }  # fmt: skip
    found = sent(fields).fields
    assert found["system"] == "You serve [CUSTOMERS_1]. Ask [EMAIL_ADDRESS_1]." and found["user"] == "[EMAIL_ADDRESS_1]"
    turns = found["messages"]
    assert turns[0]["content"][0]["text"] == "I am [EMAIL_ADDRESS_1], [TELEPHONE_NUMBER_1]"
    call = turns[1]["tool_calls"][0]
    assert call["id"] == turns[2]["tool_call_id"] == MAIL and found["tools"] == fields["tools"]
    assert json.loads(call["function"]["arguments"]) == {"to": "[EMAIL_ADDRESS_1]", "phone": ["[TELEPHONE_NUMBER_2]"]}
    assert json.loads(turns[2]["content"]) == {"iban": "[IBAN_1]", "other": "[EMAIL_ADDRESS_2]"}


def test_what_a_longer_conversation_began_with_has_the_placeholders_it_had() -> None:
    first = words(f"I am {MAIL}.")
    later = {"messages": [*first["messages"], {"role": "assistant", "content": f"Hello {MAIL}"}, *words(IBAN)["messages"]]}  # fmt: skip
    assert sent(later).fields["messages"][:1] == sent(first).fields["messages"]
    assert sent(later).fields["messages"][1]["content"] == "Hello [EMAIL_ADDRESS_1]"


def test_what_stands_in_a_request_already_is_not_taken_for_a_placeholder() -> None:
    found = sent(words(f"Write [EMAIL_ADDRESS_1] for {MAIL}"))
    assert found.fields == words("Write [EMAIL_ADDRESS_1] for [EMAIL_ADDRESS_2]")
    assert found.values == {"[EMAIL_ADDRESS_2]": MAIL}


def test_a_request_in_which_nothing_is_found_is_sent_as_it_is() -> None:
    fields = words("Order 4711 of Friday, 12:30:15, costs 120,50 EUR; see https://firm.example/a?b=c.")
    found = sent(fields)
    assert found.fields is fields and not found.changed and found.checks[0].verdict == "pass"


def test_what_is_kept_as_it_is_thought_of_and_encoded_is_left() -> None:
    fields = {
        "messages": [
            {"role": "assistant", "content": [{"type": "thinking", "thinking": f"about {MAIL}", "signature": "s"}]},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": f"https://x.example/{MAIL}"}}]},
            {"role": "user", "content": "A" * 2000},
        ]
    }  # fmt: skip
    assert sent(fields).fields is fields
    kept = policy(personal_data=("any",), keeps=("*@MINE.example",))
    assert sent(words(f"{MAIL} and a@else.example"), kept).fields == words(f"{MAIL} and [EMAIL_ADDRESS_1]")


def test_each_policy_counts_what_it_seeks_and_says_nothing_of_it() -> None:
    found = sent(
        words(f"{MAIL} {MAIL} {IBAN} {KEY} Anna Weiß"),
        policy("people", personal_data=("email_address",)), policy("keys", credentials=True, restores=False),
        policy("tried", terms=("customers",), shadow=True),
    )  # fmt: skip
    people, keys, tried = found.checks
    assert (people.verdict, people.inputs["personal_data"]) == ("redact", {"email_address": 2})
    assert keys.inputs["credential"] == {"github": 1} and "personal_data" not in keys.inputs
    assert (tried.verdict, tried.reason) == ("flag", "in shadow: would have been replaced")
    assert tried.inputs["lists"] == {"customers": "v1"} and tried.inputs["term"] == {"customers": 1}
    assert found.fields == words(f"[EMAIL_ADDRESS_1] [EMAIL_ADDRESS_1] {IBAN} [CREDENTIAL_1] Anna Weiß")
    assert found.values == {"[EMAIL_ADDRESS_1]": MAIL}, "what is not to be restored is not"
    assert MAIL not in repr([one.inputs for one in found.checks])


def test_a_placeholder_that_is_longer_than_its_value_counts_in_the_worst_case() -> None:
    assert sent(words("a@b.example a@b.example")).grown == 2 * (len("[EMAIL_ADDRESS_1]") - len("a@b.example"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{replaces: {credentials: true}, effect: deny}", "has the effect `redact`"),
        ("{when: {data: true}, effect: redact}", "has the effect `redact`"),
        ("{replaces: {restores: false}, effect: redact}", "names nothing"),
        ("{replaces: {personal_data: shoe_size}, effect: redact}", "shoe_size"),
        ("{replaces: {credentials: true}, when: {data: true}, effect: redact}", "one of them"),
    ],
)
def test_a_policy_that_says_something_else_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        load(f"policies:\n  a: {text}\n")
    with pytest.raises(ValidationError):
        Policy(effect="redact")


VALUES = {"[EMAIL_ADDRESS_1]": MAIL, "[EMAIL_ADDRESS_11]": "x@else.example", "[CUSTOMERS_1]": 'Weiß "Ost" & Co'}
TEXT = "[Dear] [CUSTOMERS_1], [[EMAIL_ADDRESS_1] [EMAIL_ADDRESS_11][EMAIL_ADDRESS_2] x[3] [EMAIL_ADDR"
PUT_BACK = f'[Dear] Weiß "Ost" & Co, [{MAIL} x@else.example[EMAIL_ADDRESS_2] x[3] [EMAIL_ADDR'


def pieces(text: str, cuts: list[int]) -> list[str]:
    parts, at = [], 0
    for size in cuts:
        parts.append(text[at : at + size])
        at += size
    return [*parts, text[at:]]


def restored(form: str, raw: bytes, sizes: list[int]) -> bytes:
    """Return a stream with its values, however its bytes arrive."""
    reader, restorer, out = DIALECTS[form].reader(), Restorer(VALUES), []
    for part in pieces(raw.decode(), sizes):
        out += restorer.events(reader.feed(part.encode()))
    out += restorer.events(reader.finish())
    return b"".join([one.raw for one in (*out, *restorer.rest())])


def said_by(raw: bytes, member: str) -> str:
    """Return a text that came in pieces."""
    reader = EventReader(lambda _: None)
    events = [*reader.feed(raw), *reader.finish()]
    return "".join(
        leaf.text for one in events if one.value for leaf in leaves_of(one.value)
        if leaf.name == member and not str(one.value.get("type", "")).endswith((".done", ".completed", ".added"))
    )  # fmt: skip


def chat(text: str, cuts: list[int]) -> bytes:
    return b"".join(
        formats.data({"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": one}}]})
        for one in pieces(text, cuts)
    ) + b"data: [DONE]\n\n"  # fmt: skip


CUTS = st.lists(st.integers(0, 9), max_size=40)


@settings(max_examples=300)
@given(CUTS, st.lists(st.integers(1, 400), max_size=30))
def test_placeholders_of_a_stream_are_put_back_however_it_is_cut(cuts: list[int], sizes: list[int]) -> None:
    assert said_by(restored("openai.chat", chat(TEXT, cuts), sizes), "content") == PUT_BACK


@settings(max_examples=100)
@given(CUTS)
def test_in_arguments_a_value_stands_as_json_wants_it(cuts: list[int]) -> None:
    arguments = json.dumps({"to": "[CUSTOMERS_1]", "cc": ["[EMAIL_ADDRESS_11]"]})
    calls = [formats.data({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": one}}]}}]}) for one in pieces(arguments, cuts)]  # fmt: skip
    said = said_by(restored("openai.chat", b"".join(calls), []), "arguments")
    assert json.loads(said) == {"to": 'Weiß "Ost" & Co', "cc": ["x@else.example"]}


@pytest.mark.parametrize(
    ("form", "raw", "member"),
    [
        ("openai.responses", formats.response_events(TEXT), "delta"),
        ("anthropic.messages", formats.message_events(TEXT), "text"),
        ("gemini", formats.generated_events(TEXT), "text"),
    ],
)
def test_every_format_streams_values(form: str, raw: list[bytes], member: str) -> None:
    stream = b"".join(raw)
    said = restored(form, stream, [7] * 300)
    assert PUT_BACK in said_by(said, member) and b"[CUSTOMERS_1]" not in said


def test_events_without_a_placeholder_are_passed_on_byte_for_byte() -> None:
    raw = chat("Nothing [of] this is one [X_1] here.", [3] * 10)
    assert restored("openai.chat", raw, [50] * 20) == raw
    assert Restorer(VALUES).whole(b'{"a" :  "[X_1]"}') == b'{"a" :  "[X_1]"}' and Restorer(VALUES).whole(b"[IBAN_1") == b"[IBAN_1"  # fmt: skip


def test_events_wait_for_no_more_than_a_placeholder() -> None:
    reader, restorer = CHAT.reader(), Restorer(VALUES)
    first = chat("Dear", [])[: -len(b"data: [DONE]\n\n")]
    assert len(restorer.events(reader.feed(first))) == 1
    begun = chat("[EMAIL", [])[: -len(b"data: [DONE]\n\n")]
    assert restorer.events(reader.feed(begun)) == []
    assert len(restorer.events(reader.feed(first))) == 2, "what goes on otherwise is none"
    assert restorer.events(reader.feed(begun)) == [] and len(restorer.rest()) == 1, "and so is what ends"


def test_a_whole_answer_has_its_values_and_thoughts_have_none() -> None:
    answer = {
        "choices": [{"message": {"content": TEXT, "reasoning_content": "about [EMAIL_ADDRESS_1]", "tool_calls": [{"function": {"arguments": '{"to":"[CUSTOMERS_1]"}'}}]}}],
        "instructions": "of [EMAIL_ADDRESS_1]",
    }  # fmt: skip
    message = (value := json.loads(Restorer(VALUES).whole(json.dumps(answer).encode())))["choices"][0]["message"]
    assert message["content"] == PUT_BACK and value["instructions"] == f"of {MAIL}"
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == {"to": 'Weiß "Ost" & Co'}
    assert message["reasoning_content"] == "about [EMAIL_ADDRESS_1]"


def kept(**contents: object) -> dict[str, Any]:
    return MINIMISER.keeping(b"").values(contents)


@settings(max_examples=200)
@given(CUTS, st.sampled_from([MAIL, IBAN, PHONE, KEY, "Anna Weiß"]))
def test_what_comes_in_pieces_is_kept_without_what_they_say_together(cuts: list[int], value: str) -> None:
    answer = kept(answer=chat(f"It is {value}, yes.", cuts).decode())["answer"]
    said = said_by(answer.encode(), "content")
    assert value not in said and said.startswith("It is [") and said.endswith(", yes.")


def test_contents_of_a_call_are_kept_with_the_same_placeholder_each() -> None:
    keeping = MINIMISER.keeping(json.dumps(words(MAIL)).encode())
    prompt = keeping.values({"prompt": json.dumps(words(f"I am {MAIL}")), "task": f"case of {MAIL}"})
    assert json.loads(str(prompt["prompt"])) == words("I am [EMAIL_ADDRESS_1]") and keeping.found == {
        "email_address": 2
    }
    assert prompt["task"] == "case of [EMAIL_ADDRESS_1]"
    ended = keeping.values({
        "answer": json.dumps({"choices": [{"message": {"content": f"{IBAN} of {MAIL}"}}]}),
        "tool_call_0": {"name": "f", "arguments": json.dumps({"to": MAIL})}, "usage": '{"prompt_tokens": 12345678}',
    })  # fmt: skip
    assert "[IBAN_1] of [EMAIL_ADDRESS_1]" in str(ended["answer"]) and keeping.found == {"iban": 1, "email_address": 2}
    assert ended["tool_call_0"] == {"name": "f", "arguments": '{"to":"[EMAIL_ADDRESS_1]"}'}
    assert ended["usage"] == '{"prompt_tokens": 12345678}'


def test_what_nobody_could_read_is_not_kept() -> None:
    image = {"url": "data:image/png;base64," + "A" * 50}
    found = kept(prompt=json.dumps({"content": ["B" * 5000, image]}), answer="no JSON at all")
    assert json.loads(found["prompt"]) == {"content": ["[UNREAD: 5000 characters]", {"url": "[UNREAD: 72 characters]"}]}
    assert found["answer"] == "[UNREAD: 14 characters]"
    assert kept(answer="data: {no json\n\n")["answer"] == "[UNREAD: 16 characters]"


def test_start_up_proves_what_it_replaces_and_fails_where_something_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    assert prove(Minimiser(Lists())) == {"kinds": sorted(CANARIES), "lists": {"customers": 2}}
    monkeypatch.setattr("gateway.minimisation.replacing.FORMS", frozenset({"messages"}))
    with pytest.raises(ValueError, match="of the kind credential was not replaced in the words of a person"):
        prove(Minimiser(Lists()))


def test_what_ends_with_the_beginning_of_a_placeholder_holds_up_nothing_after_its_block() -> None:
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "see ["}}
    reader, restorer = DIALECTS["anthropic.messages"].reader(), Restorer(VALUES)
    assert restorer.events(reader.feed(formats.data(delta))) == []
    other = formats.data({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "x"}})
    assert restorer.events(reader.feed(other)) == []
    assert len(restorer.events(reader.feed(formats.data({"type": "content_block_stop", "index": 0})))) == 3
    restorer.events(reader.feed(formats.data(delta)))
    assert sum(len(restorer.events(reader.feed(other))) for _ in range(600)) > 500, (
        "and not for ever where it has no end"
    )


@pytest.mark.parametrize(
    "answer",
    ["", "\ufeff", "[]", "null", '"x"', "{}", ": comment\n\n", "data: [DONE]\n\n", "\x00\xff", '{"choices":' * 50,
     '{"a":123456789012345678901234567890}', "data: " + "x" * 9_000_000, '{"index":[1],"choices":[{"index":{}}]}'],
)  # fmt: skip
def test_odd_answers_are_kept_or_left_out_and_end_no_call(answer: str) -> None:
    kept(answer=answer, prompt=answer, task=answer, tool_call_0={"name": answer, "arguments": answer})
    restorer = Restorer(VALUES)
    restorer.whole(answer.encode("utf-8", "replace"))
    odd = {
        "type": ["x"],
        "index": {"a": 1},
        "choices": [{"index": [2], "delta": {"content": ["[", {"text": "[EMAIL"}]}}],
    }
    restorer.events(CHAT.reader().feed(formats.data(odd)))
    assert restorer.rest()


def nested(depth: int, times: int) -> str:
    said = "x"
    for _ in range(times):
        said = json.dumps("[" * depth + '{"arguments":' + json.dumps(said) + "}" + "]" * depth)
    return said


def test_json_in_json_in_json_ends_no_call() -> None:
    deep = nested(190, 3)
    assert kept(answer=f'{{"arguments":{deep}}}', tool_call_0={"name": "f", "arguments": json.loads(deep)})
    assert not sent(words(f"{deep}")).changed
    assert MAIL not in json.dumps(sent({"arguments": nested(3, 5).replace("x", MAIL)}).fields)


@pytest.mark.parametrize("name", ["id", "url", "status", "detail", "type", "format", "role", "stop", "include", "reasoning", "call_id"])  # fmt: skip
def test_what_callers_and_tools_put_together_is_read_under_any_name(name: str) -> None:
    said = {name: f"of {MAIL}", "deep": [{"type": "reasoning", "thought": True, "a": MAIL}], MAIL: 4556737586899855}
    fields = {
        "messages": [
            {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": json.dumps(said)}}]},
            {"role": "assistant", "content": [{"type": "tool_use", "name": "f", "input": said}]},
            {"role": "tool", "content": " " + json.dumps(said)},
        ],
        "contents": [{"parts": [{"functionResponse": {"name": "f", "response": said}}, {"functionCall": {"name": "f", "args": said}}]}],
        "metadata": said, "prompt": {"id": "p", "variables": said},
    }  # fmt: skip
    found = json.dumps(sent(fields).fields)
    assert MAIL not in found and "4556737586899855" not in found and found.count("[EMAIL_ADDRESS_1]") >= 21


def test_values_that_are_written_with_escapes_are_found() -> None:
    notes = {"note": f"IBAN:\nDE89370400440532013000\t{KEY}", "name": "Anna Weiß", "mail": f"Mail:\n{MAIL}"}
    result = json.dumps(notes)
    assert "\\u00df" in result
    found = sent({"messages": [{"role": "tool", "content": result}]})
    content = json.loads(found.fields["messages"][0]["content"])
    assert content == {
        "note": "IBAN:\n[IBAN_1]\t[CREDENTIAL_1]", "name": "[CUSTOMERS_1]", "mail": "Mail:\n[EMAIL_ADDRESS_1]",
    }  # fmt: skip
    assert found.values["[EMAIL_ADDRESS_1]"] == MAIL
    raw = b"".join(formats.data({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": one}}]}}]}) for one in pieces(result, [5] * 40))  # fmt: skip
    answer = kept(answer=raw.decode())["answer"]
    assert json.loads(said_by(answer.encode(), "arguments")) == content


def test_a_conversation_has_the_placeholders_that_it_had_also_where_the_model_says_them() -> None:
    history = [
        *words(f"I am {MAIL}")["messages"],
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "of [EMAIL_ADDRESS_1]", "signature": "s"}, {"type": "text", "text": "[EMAIL_ADDRESS_1], well"}]},
    ]  # fmt: skip
    found = sent({"messages": history})
    assert (
        found.fields["messages"][0]["content"] == "I am [EMAIL_ADDRESS_1]" and found.fields["messages"][1] == history[1]
    )


def test_names_of_tools_and_numbers_of_the_protocol_stay() -> None:
    fields = {
        "seed": 4556737586899855, "mcp_servers": [{"authorization_token": KEY}],
        "messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "anna-weiß", "arguments": "{}"}}]}],
    }  # fmt: skip
    assert not sent(fields).changed


@pytest.mark.parametrize(
    "raw",
    [f'error: {{"message":"no {MAIL}"}}\n\n', f'{{"error":{{"message":"no {MAIL}"}}}}', f': {MAIL}\n\ndata: {{"a":"b"}}\n\n',
     f'\ufeffdata: {{"a":"{MAIL}"}}\n\n', f'{{"a":"{MAIL}","a":"x"}}', f'data: {{"url":"https://x.example/?of={MAIL}"}}\n\n',
     f'data: {{"candidates":[{{"content":{{"parts":[{{"functionCall":{{"name":"f","args":{{"id":"{MAIL}"}}}}}}]}}}}]}}\n\n'],
)  # fmt: skip
def test_odd_places_of_an_answer_are_kept_without_what_stands_there(raw: str) -> None:
    answer = kept(answer=raw)["answer"]
    assert MAIL not in answer
    reader = EventReader(lambda _: None)
    found = [*reader.feed(answer.encode()), *reader.finish()]
    assert json.loads(answer) if raw.startswith('{"a"') else not any(one.unreadable for one in found)


def test_pieces_that_clients_join_are_one_text() -> None:
    def event(*parts: dict[str, Any]) -> bytes:
        return formats.data({"candidates": [{"content": {"parts": list(parts)}}]})

    raw = event({"text": "why", "thought": True}, {"text": "to [EMAIL_"}) + event({"text": "ADDRESS_1]"})
    assert f"to {MAIL}" in said_by(restored("gemini", raw, []), "text")
    answer = kept(answer=(event({"text": "so", "thought": True}, {"text": "to ana.mora@"}) + event({"text": "mine.example"})).decode())  # fmt: skip
    assert "ana.mora" not in answer["answer"] and "mine.example" not in answer["answer"]


def test_a_call_of_a_tool_lets_go_what_the_text_before_it_ended_with() -> None:
    reader, restorer = CHAT.reader(), Restorer(VALUES)
    text = formats.data({"choices": [{"index": 0, "delta": {"content": "see ["}}]})
    call = formats.data({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}}]})  # fmt: skip
    assert restorer.events(reader.feed(text)) == [] and len(restorer.events(reader.feed(call))) == 2


def test_what_was_read_ahead_is_not_read_again() -> None:
    keeping = Minimiser(Lists()).keeping(b"")
    values = {"answer": json.dumps({"a": [f"{number} {MAIL}" for number in range(2000)]})}
    asyncio.run(keeping.read(values))
    keeping._finder.find = None  # type: ignore[method-assign,assignment]
    again = keeping.values(values | {"usage": "{}"})
    assert MAIL not in str(again) and keeping.found["email_address"] == 2000


def test_a_text_that_is_json_is_read_as_what_it_says_in_pieces_too() -> None:
    said = json.dumps({"note": f"IBAN:\nDE89370400440532013000 {MAIL}"})
    answer = kept(answer=chat(said, [4] * 9).decode())["answer"]
    assert json.loads(said_by(answer.encode(), "content")) == {"note": "IBAN:\n[IBAN_1] [EMAIL_ADDRESS_1]"}
    beside = f': {MAIL}\ndata: {{"a":"b"}}\n\n'
    assert kept(answer=beside)["answer"] == 'data: {"a":"b"}\n\n'


def test_the_policies_and_incidents_of_the_guides_load() -> None:
    guides = Path(__file__).parents[2] / "docs" / "guides"
    page = (guides / "minimisation.md").read_text("utf-8")
    described = "workflows: {support-summary: {purpose: p, owner: o}, agent: {purpose: p, owner: o}}\n"
    (stays,) = load(described + page.split("```yaml\n")[1].split("```")[0]).policies.values()
    assert stays.replaces == Replaces(**ALL, keeps=("*@firm.example",)) and stays.effect == "redact"
    assert load(page.split("```yaml\n")[2].split("```")[0]).workflows["support-summary"].content == "redacted"
    incidents = (guides / "incidents.md").read_text("utf-8").split("```yaml\n")[1].split("```")[0]
    policies = "policies: {no-leaks: {says_that: {credentials: true}, effect: deny}, keys: {when: {data: true}, effect: flag}}\n"  # fmt: skip
    rules = load(described + policies + incidents).incidents
    assert [(name, one.severity, one.at_least) for name, one in rules.items()] == [
        ("leaks", 2, 3),
        ("wild-tools", 3, 1),
    ]
