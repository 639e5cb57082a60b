"""What a model is known to refuse is left out and named; everything else stays."""

import json
from typing import Any

import pytest

from gateway.dialects.capabilities import _table, refused_by
from gateway.dialects.openai_chat import CHAT
from gateway.dialects.openai_responses import RESPONSES
from gateway.dialects.protocol import Asked, Server

WARM: dict[str, Any] = {"temperature": 0.5, "top_p": None, "seed": 7}


@pytest.mark.parametrize(
    ("model", "more", "dropped"),
    [
        ("gpt-6-sol", {}, ("temperature",)),
        ("openai/gpt-6-sol", {}, ("temperature",)),
        ("gpt-6-sol", {"reasoning_effort": "none"}, ()),
        ("gpt-6-sol", {"reasoning": {"effort": "none"}}, ()),
        ("gpt-6.2-astra", {"reasoning_effort": "none"}, ("temperature",)),
        ("gpt-4o", {}, ()),
        ("gpt-60", {}, ()),
    ],
)
def test_the_first_entry_that_fits_says_what_is_refused(
    model: str, more: dict[str, Any], dropped: tuple[str, ...]
) -> None:
    assert refused_by(model, WARM | more) == dropped


@pytest.mark.parametrize("dialect", [CHAT, RESPONSES], ids=lambda one: str(one.name))
def test_what_is_left_out_is_named_and_the_rest_passes(dialect: Any) -> None:
    sent = dialect.outgoing(Asked(WARM, "support"), Server("gpt-6-sol", 9))
    assert sent.dropped == ("temperature",)
    assert {"temperature", "seed"} & json.loads(sent.body).keys() == {"seed"}


def test_each_entry_names_models_members_and_nothing_that_decides() -> None:
    for patterns, known in _table():
        assert patterns
        assert known.refuses
        assert not known.refuses & {"model", "messages", "input", "tools", "stream", "max_completion_tokens"}
