"""Arguments of tool calls: judged by the rule of the tool, in every format, before any of a call is given out."""

import json
from collections.abc import Sequence
from decimal import Decimal
from itertools import takewhile
from pathlib import Path
from typing import Any

import formats
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gateway.configuration.load import ConfigurationError, loaded
from gateway.configuration.model import Workflow
from gateway.configuration.releases import release_digest
from gateway.configuration.tools import ToolRule
from gateway.dialects.anthropic_messages import MESSAGES
from gateway.dialects.gemini import GENERATE as GEMINI
from gateway.dialects.openai_chat import CHAT
from gateway.dialects.openai_responses import RESPONSES
from gateway.dialects.protocol import Asked, Dialect
from gateway.pipeline.judging import Judge, Room
from gateway.tools import provenance
from gateway.tools.arguments import objection_to
from gateway.tools.grants import grants_of
from gateway.tools.provenance import Said
from gateway.tools.rules import rule_of

RULE: dict[str, Any] = {
    "effect": "money_out",
    "arguments": {
        "type": "object",
        "properties": {"amount": {"type": "number", "maximum": 500}, "to": {"enum": ["landlord", "grocer"]}},
        "required": ["amount", "to"],
        "additionalProperties": False,
    },
}
GOOD, DEAR, FOREIGN, SHORT = (
    {"amount": 20, "to": "grocer"}, {"amount": 501, "to": "grocer"}, {"amount": 20, "to": "DE89 3704"}, {"amount": 20}
)  # fmt: skip
PART = "properties/amount/maximum"


def rule(**said: Any) -> ToolRule:
    return ToolRule.model_validate({"effect": "write"} | said)


def chat_events(name: str, arguments: dict[str, Any], text: str = "hello") -> list[bytes]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return (
            b"data: "
            + json.dumps({"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}).encode()
            + b"\n\n"
        )

    head = {"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": ""}}
    pieces = [chunk({"tool_calls": [{"index": 0, "function": {"arguments": one}}]}) for one in json.dumps(arguments)]
    return [
        *(chunk({"content": one}) for one in text),
        chunk({"tool_calls": [head]}),
        *pieces,
        chunk({}, "tool_calls"),
        b"data: [DONE]\n\n",
    ]


def chat_whole(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
    message = {"role": "assistant", "content": "hello", "tool_calls": [call]}
    return {"id": "c", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}


FORMATS: dict[str, tuple[Dialect, Any, Any]] = {
    "chat": (CHAT, chat_events, chat_whole),
    "responses": (
        RESPONSES,
        lambda name, said: formats.response_events("hello", formats.function_call(name, json.dumps(said))),
        lambda name, said: formats.response("hello", formats.function_call(name, json.dumps(said))),
    ),
    "anthropic": (
        MESSAGES,
        lambda name, said: formats.message_events("hello", formats.tool_use(name, said)),
        lambda name, said: formats.message("hello", formats.tool_use(name, said)),
    ),
    "gemini": (
        GEMINI,
        lambda name, said: formats.generated_events("hello", formats.call_part(name, said)),
        lambda name, said: formats.generated("hello", formats.call_part(name, said)),
    ),
}


def judge_of(dialect: Dialect, rules: dict[str, ToolRule]) -> Judge:
    asked = Asked({}, "m", stream=True, tools=("pay",))
    return Judge(asked, dialect, None, grants_of(("pay", "look")), 1000, "", "key", Room(), rules)


def streamed(
    form: str, arguments: dict[str, Any], name: str = "pay", rules: Sequence[str] = ("pay",)
) -> tuple[str, bytes, bytes, Judge]:
    """Return how a stream ends, what left before its end, what leaves at it, and its judge."""
    dialect, events, _ = FORMATS[form]
    judge, reader = judge_of(dialect, dict.fromkeys(rules, ToolRule.model_validate(RULE))), dialect.reader()
    ready, result = b"", "answered"
    for one in [*map(reader.feed, events(name, arguments)), reader.finish()]:
        if result == "answered":
            result, some = judge.events(one)
            ready += some
    result = judge.end() if result == "answered" else result
    return result, ready, judge.rest() if result == "answered" else b"", judge


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("arguments", [DEAR, FOREIGN, SHORT, GOOD | {"note": "x"}, {}])
def test_a_call_that_breaks_its_rule_never_leaves(form: str, arguments: dict[str, Any]) -> None:
    result, ready, rest, judge = streamed(form, arguments)
    assert result == "refused_answer"
    assert b"pay" not in ready + rest
    assert judge.outcome(result).checks[1].verdict == "deny"
    dialect, _, whole = FORMATS[form]
    judge = judge_of(dialect, {"pay": ToolRule.model_validate(RULE)})
    assert judge.whole(json.dumps(whole("pay", arguments)).encode()) == "refused_answer"
    assert judge.broken_rule
    assert (judge.broken_rule.tool, judge.broken_rule.part[:11]) == ("pay", "arguments: ")


@pytest.mark.parametrize("form", FORMATS)
def test_a_call_that_keeps_to_its_rule_leaves_byte_for_byte_and_text_before_it_flows(form: str) -> None:
    dialect, events, whole = FORMATS[form]
    result, ready, rest, judge = streamed(form, GOOD)
    assert result == "answered"
    assert ready + rest == b"".join(events("pay", GOOD))
    before = b"".join(takewhile(lambda one: b'"pay"' not in one, events("pay", GOOD)))
    assert ready.startswith(before)
    outcome = judge.outcome(result)
    assert [(one.id, one.verdict) for one in outcome.checks] == [
        ("granted-tool-calls", "pass"),
        ("tool-arguments", "pass"),
    ]
    assert [one.effect for one in outcome.tool_calls] == ["money_out"]
    judge = judge_of(dialect, {"pay": ToolRule.model_validate(RULE)})
    assert judge.whole(json.dumps(whole("pay", GOOD)).encode()) == "answered"


@pytest.mark.parametrize("form", FORMATS)
def test_a_tool_without_a_rule_is_not_held_back_and_not_checked(form: str) -> None:
    result, ready, _, judge = streamed(form, DEAR, name="look")
    assert result == "answered"
    assert b"look" in ready or form == "gemini"  # there the call comes in the last event
    assert [one.id for one in judge.outcome(result).checks] == ["granted-tool-calls"]


@pytest.mark.parametrize("form", FORMATS)
def test_a_stream_that_breaks_off_in_a_call_is_not_passed(form: str) -> None:
    dialect, events, _ = FORMATS[form]
    judge, reader = judge_of(dialect, {"pay": ToolRule.model_validate(RULE)}), dialect.reader()
    said = events("pay", GOOD)
    ready = b"".join(judge.events(reader.feed(one))[1] for one in said[: len(said) - 4])
    result = judge.end()
    assert result == "upstream_cut"
    assert b"pay" not in ready
    checks = judge.outcome(result).checks[1:]
    assert [one.verdict for one in checks] == ([] if form == "gemini" else ["flag"])


def test_what_is_said_of_a_broken_rule_holds_no_value() -> None:
    secret = "zebra-7"
    for one, said in (
        (rule(arguments={"properties": {"a": {"maxLength": 2}}}), {"a": secret}),
        (rule(arguments={"additionalProperties": False}), {secret: 1}),
        (rule(hosts={"a": ["firm.example"]}), {"a": f"https://{secret}.example"}),
        (rule(beginnings={"a": ["/srv/"]}), {"a": secret}),
    ):
        objection = objection_to(json.dumps(said), one)
        assert objection
        assert secret not in objection


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("{", "no JSON"), ("[1]", "no object"), ("5", "no object"), ('{"a": NaN}', "no JSON"), ('{"a": 1, "a": 2}', "twice"),
        ('{"a": {"b": 1, "b": 2}}', "twice"), ("", ""), (" {} ", ""), ('{"a": 1}', ""), ('{"a":1}{"a":1}', "no JSON"),
    ],
)  # fmt: skip
def test_arguments_that_two_readers_may_read_otherwise_are_refused(arguments: str, expected: str) -> None:
    said = objection_to(arguments, rule())
    assert expected in said if expected else not said


@pytest.mark.parametrize(
    "said", [{"To": "eve@else.example"}, {"to": "ana@firm.example", "TO": "eve@else.example"}, {"AMOUNT": 5}]
)
def test_a_member_that_some_client_would_take_for_a_ruled_one_is_refused(said: dict[str, Any]) -> None:
    one = rule(hosts={"to": ["firm.example"]}, arguments={"properties": {"amount": {"maximum": 1}}})
    assert "spelt" in objection_to(json.dumps(said), one)
    assert objection_to(json.dumps({"to": "ana@firm.example", "Subject": "x"}), one) == ""


def test_a_schema_that_turns_round_in_itself_refuses_and_breaks_nothing() -> None:
    assert "could not be judged" in objection_to("{}", rule(arguments={"$ref": "#"}))
    deep = json.dumps({"a": 1}).replace("1", '{"a":' * 150 + "1" + "}" * 150)
    assert objection_to(deep, rule(arguments={"properties": {"a": {"$ref": "#"}}})) in (
        "",
        "arguments: nested too deeply to be judged",
    )


ADDRESSES = ["Firm.example", "*.ours.example"]


@pytest.mark.parametrize(
    "to",
    [
        "https://firm.example/a?b=c", "http://FIRM.example", "https://a.ours.example:8443/x", "ana@firm.example", "mailto:ana@b.ours.example",
        ["ana@firm.example", "ben@a.ours.example"], "ana@firm.example, ben@firm.example", "https://firm.example.", None, [],
    ],
)  # fmt: skip
def test_addresses_at_hosts_that_are_named_are_allowed(to: Any) -> None:
    assert objection_to(json.dumps({"to": to}), rule(hosts={"to": ADDRESSES})) == ""


@pytest.mark.parametrize(
    "to",
    [
        "https://other.example", "https://firm.example.other.example", "https://notfirm.example", "https://ours.example",
        "https://firm.example@other.example/", "https://other.example/firm.example", "https://other.example\\@firm.example",
        "//firm.example", "firm.example", "ftp://firm.example", "ana@other.example", "ana@firm.example, eve@other.example",
        "Ana <ana@firm.example>", "ana@firm.example\neve@other.example", ["ana@firm.example", "eve@other.example"], {"x": "eve@other.example"},
        "else.example/x@firm.example", "//else.example/x@firm.example", "else.example?x=@firm.example", "mailto:?bcc=x@firm.example", "else.example!u@firm.example",
        "mailto:eve%40else.example?cc=x@firm.example", {"eve@else.example": []}, {"eve@else.example": None}, {"eve@else.example": "ana@firm.example"},
        "https://fírm.example", "", 7, [7], "https://firm.example%00.other.example", "ana@firm.example@other.example",
    ],
)  # fmt: skip
def test_everything_else_where_an_address_is_expected_is_refused(to: Any) -> None:
    assert objection_to(json.dumps({"to": to}), rule(hosts={"to": ADDRESSES})) == "hosts: to"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/srv/reports/may.txt", True), ("/srv/reports/../keys", False), ("/etc/passwd", False), ("srv/reports/x", False), ("/srv/reports/%2E%2e/keys", False), ("/srv/reports/.\t./keys", False), ("/srv/reports/..\\keys", False), ({"/etc/x": None}, False),
        (["/srv/reports/a", "/etc/b"], False), (5, False), (None, True),
    ],
)  # fmt: skip
def test_a_text_begins_as_the_rule_says_or_is_refused(path: Any, allowed: bool) -> None:
    assert (objection_to(json.dumps({"path": path}), rule(beginnings={"path": ["/srv/reports/"]})) == "") is allowed


@given(st.decimals(0, 10_000, places=3), st.sampled_from(["0.01", "0.05", "0.1", "1", "2.5"]))
def test_a_multiple_is_one_by_decimals_and_not_by_doubles(amount: Decimal, step: str) -> None:
    one = rule(arguments={"properties": {"amount": {"multipleOf": float(step)}}})
    assert (objection_to(f'{{"amount": {amount}}}', one) == "") == (amount % Decimal(step) == 0)


SCHEMAS = st.sampled_from(
    [
        RULE["arguments"],
        {"properties": {"a": {"type": "integer", "minimum": 0}}},
        {"maxProperties": 1},
        {"not": {"required": ["a"]}},
        {},
    ]
)
VALUES = st.dictionaries(
    st.sampled_from(["a", "amount", "to"]),
    st.integers() | st.text(max_size=3) | st.none() | st.floats(allow_nan=False, allow_infinity=False),
)


@given(SCHEMAS, VALUES)
def test_the_schema_decides_as_the_library_does(schema: dict[str, Any], value: dict[str, Any]) -> None:
    said = objection_to(json.dumps(value), rule(arguments=schema))
    assert (said == "") == Draft202012Validator(schema).is_valid(value)


def test_the_rule_of_a_tool_is_its_own_or_that_of_the_longest_beginning() -> None:
    rules = {"pay": rule(), "mcp__*": rule(effect="code"), "mcp__files_*": rule(effect="read")}
    found = [
        one.effect if (one := rule_of(name, rules)) else None
        for name in ("pay", "payer", "mcp__x", "mcp__files_x", "mcp__files_")
    ]
    assert found == ["write", None, "code", "read", "read"]


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"wipe": {"effect": "write"}}, "wipe, which is not among `tools`"),
        ({"pay": {}}, "effect"),
        ({"pay": {"effect": "magic"}}, "effect"),
        ({"pay": {"effect": "read", "arguments": {"type": "objekt"}}}, "no JSON Schema"),
        ({"pay": {"effect": "read", "arguments": {"properties": {"a": {"pattern": "x"}}}}}, "pattern"),
        ({"pay": {"effect": "read", "arguments": {"$ref": "https://a.example/s"}}}, "outside itself"),
        ({"pay": {"effect": "read", "limit": 5}}, "limit"),
        (
            {"pay": {"effect": "read", "arguments": {"properties": {"a": {"$ref": "#/$defs/lost"}}}}},
            "lost, which is not in it",
        ),
        ({"pay": {"effect": "read", "hosts": {"to": ["firm.example", ""]}}}, "hosts"),
        ({"pay": {"effect": "read", "hosts": {"to": []}}}, "hosts"),
        ({"pay": {"effect": "read", "beginnings": {"to": ""}}}, "beginnings"),
        ({"mcp__*": {"effect": "read", "definition": "sha256:" + "0" * 64}}, "cannot be pinned"),
    ],
)
def test_a_rule_that_cannot_hold_is_an_error_of_the_configuration(rules: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Workflow.model_validate({"purpose": "x", "owner": "x", "tools": ["pay", "mcp__*"], "tool_rules": rules})


def test_a_rule_is_part_of_what_is_released() -> None:
    text = "workflows:\n  agent: {purpose: x, owner: x, tools: [pay], tool_rules: {pay: {effect: money_out, arguments: {properties: {amount: {maximum: %s}}}}}}\n"
    assert release_digest(loaded(text % 5), "agent") != release_digest(loaded(text % 6), "agent")
    with pytest.raises(ConfigurationError):
        loaded(text % "five")


@pytest.mark.parametrize(
    ("tool", "arguments", "broken"),
    [
        ("pay", {"to": "landlord", "amount": 640}, ""), ("pay", {"to": "landlord", "amount": 801}, "properties/amount/maximum"),
        ("pay", {"to": "landlord", "amount": 0}, "exclusiveMinimum"), ("pay", {"to": "landlord"}, "required"),
        ("read_file", {"path": "/bills/may.txt"}, ""), ("read_file", {"path": "/etc/passwd"}, "beginnings: path"),
        ("send_mail", {"to": ["ana@firm.example", "ben@de.firm.example"]}, ""), ("send_mail", {"to": "Ana <ana@firm.example>"}, "hosts: to"), ("send_mail", {"to": "eve@firm.example"}, "said_by_person: to"),
    ],
)  # fmt: skip
def test_the_rules_of_the_guide_load_and_hold_as_it_says(tool: str, arguments: dict[str, Any], broken: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "guides" / "tools.md").read_text("utf-8")
    rules = loaded(page.split("```yaml\n")[1].split("```")[0]).workflows["bills"].tool_rules
    request = {"messages": [{"role": "user", "content": "Tell ana@firm.example and ben@de.firm.example."}]}
    said = objection_to(json.dumps(arguments), rules[tool], Said(request))
    assert broken in said if broken else not said


def ended(form: str, events: list[bytes], rules: dict[str, ToolRule]) -> tuple[str, Judge]:
    judge, reader = judge_of(FORMATS[form][0], rules), FORMATS[form][0].reader()
    for one in [*map(reader.feed, events), reader.finish()]:
        result, _ = judge.events(one)
        if result != "answered":
            return result, judge
    return judge.end(), judge


def test_an_answer_that_breaks_off_with_an_error_is_none_of_the_model_s_doing() -> None:
    error = formats.typed({"type": "error", "error": {"type": "overloaded_error", "message": "x"}})
    events = formats.message_events("hello", formats.tool_use("pay", GOOD))
    cut = next(at for at, one in enumerate(events) if b"partial_json" in one) + 3
    result, judge = ended("anthropic", [*events[:cut], error], {"pay": ToolRule.model_validate(RULE)})
    assert result == "upstream_cut"
    assert judge.broken_rule is None
    assert [one.verdict for one in judge.outcome(result).checks if one.id == "tool-arguments"] == ["flag"]


def test_a_rule_that_says_what_a_tool_does_alone_judges_no_arguments() -> None:
    said = {"id": "c", "type": "custom", "custom": {"name": "pay", "input": "*** Begin Patch"}}
    body = {"model": "m", "choices": [{"index": 0, "message": {"tool_calls": [said]}, "finish_reason": "tool_calls"}]}
    judge = judge_of(CHAT, {"pay": rule()})
    assert judge.whole(json.dumps(body).encode()) == "answered"
    outcome = judge.outcome("answered")
    assert [one.id for one in outcome.checks] == ["granted-tool-calls"]
    assert outcome.tool_calls[0].effect == "write"
    assert judge_of(CHAT, {"pay": rule(arguments={})}).whole(json.dumps(body).encode()) == "refused_answer"


def test_a_name_of_a_tool_carries_no_text_into_the_record() -> None:
    name = "mcp__files_read: Max Mustermann, IBAN DE12"
    judge = Judge(
        Asked({}, "m"),
        CHAT,
        None,
        grants_of(("mcp__*",)),
        9,
        "",
        "key",
        Room(),
        {"mcp__files_*": rule(beginnings={"path": "/srv/"})},
    )
    assert judge.whole(json.dumps(chat_whole(name, {"path": "/etc"})).encode()) == "refused_answer"
    (check,) = [one for one in judge.outcome("refused_answer").checks if one.id == "tool-arguments"]
    assert check.inputs == {"called": 1, "tool": "other", "broken": "beginnings: path"}


LOCAL_SHELL = {
    "id": "ls_1",
    "type": "local_shell_call",
    "call_id": "c",
    "status": "completed",
    "action": {"type": "exec", "working_directory": "/etc"},
}


def test_what_is_no_call_of_a_function_keeps_to_no_rule() -> None:
    judge = Judge(
        Asked({}, "m"),
        RESPONSES,
        None,
        grants_of(("local_shell",)),
        9,
        "",
        "key",
        Room(),
        {"local_shell": rule(beginnings={"working_directory": "/srv/"})},
    )
    assert judge.whole(json.dumps(formats.response("x", LOCAL_SHELL)).encode()) == "refused_answer"
    judge = Judge(
        Asked({}, "m"), RESPONSES, None, grants_of(("local_shell",)), 9, "", "key", Room(), {"local_shell": rule()}
    )
    assert judge.whole(json.dumps(formats.response("x", LOCAL_SHELL)).encode()) == "answered"


def test_arguments_that_only_some_clients_read_are_judged_too() -> None:
    rules = {"pay": ToolRule.model_validate(RULE)}
    bad, good = json.dumps(FOREIGN), json.dumps(GOOD)
    item = formats.function_call("pay", good)
    whole = formats.response_events("x", item)
    done = [
        one.replace(json.dumps(good).encode(), json.dumps(bad).encode()) if b"arguments.done" in one else one
        for one in whole
    ]
    assert done != whole
    assert ended("responses", done, rules)[0] == "refused_answer"
    two = formats.response_events(
        "x", formats.function_call("pay", bad, "fc_a"), formats.function_call("pay", good, "fc_b")
    )
    colliding = [one.replace(b'"output_index": 1', b'"output_index": 0') for one in two[:-1]]
    end = formats.response_events("x")[-1].replace(b'"output": [', b'"output": [], "more": [')
    assert ended("responses", [*colliding, end], rules)[0] == "refused_answer"
    beside = {
        "index": 0,
        "delta": {},
        "message": {"tool_calls": [{"id": "a", "function": {"name": "pay", "arguments": bad}}]},
        "finish_reason": None,
    }
    events = chat_events("pay", GOOD)
    odd = b"data: " + json.dumps({"id": "c", "choices": [beside]}).encode() + b"\n\n"
    assert ended("chat", [*events[:-2], odd, *events[-2:]], rules)[0] == "refused_answer"
    pieces = [{"functionCall": {"name": "pay", "willContinue": True}}, {"functionCall": {"args": FOREIGN}}]
    assert ended("gemini", formats.generated_events("x", *pieces), rules)[0] == "refused_answer"


def test_the_words_of_a_request_are_read_once_for_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    original = provenance._words
    monkeypatch.setattr(provenance, "_words", lambda fields: read.append(1) or original(fields))
    rules = {"pay": rule(said_by_person=["to"])}
    asked = Asked({"messages": [{"role": "user", "content": "grocer"}]}, "m", stream=True)
    judge, reader = Judge(asked, CHAT, None, grants_of(("pay",)), 9, "", "key", Room(), rules), CHAT.reader()
    for one in chat_events("pay", GOOD):
        judge.events(reader.feed(one))
    assert judge.end() == "answered"
    judge.outcome("answered")
    assert read == [1]
