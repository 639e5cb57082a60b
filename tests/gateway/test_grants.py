"""Grants of tools: by name, by the beginning of names, and the function that a request forces its answer into."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.call import Arrival, Principal
from gateway.configuration.model import Workflow
from gateway.errors import Refused
from gateway.pipeline.parse import parse
from gateway.pipeline.screen import decide, output_format, screen
from gateway.tools.grants import grants_of, named

PRINCIPAL = Principal(key="key_1", environment="prod", workflow="agent", status="active")


def call(tools: list[str], **more: Any) -> Any:
    defined = [{"type": "function", "function": {"name": name}} for name in tools]
    body = {"model": "m", "messages": [], "tools": defined} | more
    return parse(Arrival(call="call_1", headers={}, body=json.dumps(body).encode()))


def workflow(*tools: str, **more: Any) -> Workflow:
    return Workflow.model_validate({"purpose": "x", "owner": "x", "tools": list(tools)} | more)


NAMED = {"type": "function", "function": {"name": "City"}}


@pytest.mark.parametrize(
    ("tools", "more", "how", "expected"),
    [
        (["City"], {"tool_choice": NAMED}, "named", "City"),
        (["City", "lookup"], {"tool_choice": NAMED}, "named", "City"),
        (["City"], {"function_call": {"name": "City"}}, "named", "City"),
        (["City"], {"tool_choice": {"type": "custom", "custom": {"name": "City"}}}, "named", "City"),
        (["City"], {"tool_choice": "required"}, "named", ""),
        (["City"], {"tool_choice": "required"}, "required", "City"),
        (["City", "lookup"], {"tool_choice": "required"}, "required", ""),
        (["City"], {"tool_choice": "auto"}, "required", ""),
        (["lookup"], {"tool_choice": NAMED}, "named", ""),
        (["City"], {"tool_choice": NAMED}, "none", ""),
        (["City"], {"tool_choice": {"type": ["function"]}}, "named", ""),
    ],
)
def test_what_a_request_forces_is_the_form_of_its_answer(
    tools: list[str], more: dict[str, Any], how: str, expected: str
) -> None:
    one = workflow("lookup", forced_tool=how)
    assert output_format(call(tools, **more), one) == expected
    assert ("City" in screen(call(tools, **more), one).ungranted) == ("City" in tools and not expected)


@given(st.text(max_size=12), st.text(max_size=12))
def test_what_a_stream_has_said_so_far_may_come_to_a_grant_exactly_if_some_ending_is_granted(
    begun: str, ending: str
) -> None:
    grants = grants_of(("lookup", "mcp__*"), "City")
    if grants.allow(begun + ending):
        assert grants.may_come_to(begun)
    if not grants.may_come_to(begun):
        assert not grants.allow(begun + ending)


@pytest.mark.parametrize("name", ["mcp__", "mcp__files_read"])
def test_a_beginning_grants_every_name_that_begins_so(name: str) -> None:
    assert grants_of(("mcp__*",)).allow(name)
    assert not grants_of(("mcp__*",)).allow(name[1:])
    assert not grants_of(("mcp",)).allow(name)


def test_a_star_stands_at_the_end_alone() -> None:
    for wrong in ("*", "a*b", "**", "a**"):
        with pytest.raises(ValueError, match="tools"):
            workflow(wrong)


def test_a_refusal_names_every_tool_up_to_two_kilobytes() -> None:
    names = [f"tool_{number}" for number in range(25)]
    with pytest.raises(Refused) as refused:
        decide(call(names), PRINCIPAL, workflow(), screen(call(names), workflow()))
    assert all(name in refused.value.message for name in names)
    assert refused.value.inputs["names"] == ", ".join(names)
    many = [f"a_tool_with_a_long_name_{number}" for number in range(200)]
    said = named(many)
    assert len(said.encode()) <= 2048 + 20
    assert said.endswith(" more")
    assert int(said.rpartition(" and ")[2].split()[0]) + said.count("a_tool") == 200
    strange = call(["ada.lovelace@example.com is here"])
    with pytest.raises(Refused) as refused:
        decide(strange, PRINCIPAL, workflow(), screen(strange, workflow()))
    assert refused.value.inputs["names"] == "other"  # no words of a caller in an entry
