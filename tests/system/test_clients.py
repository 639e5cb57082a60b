"""Requests and answers as real clients and providers send them, in front of the running gateway."""

import asyncio
import contextlib
import gzip
import http.client
import json
import re
import signal
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from environment import Hosted, until
from stage import DONE, USAGE, Stage, Upstream, chunk, completion, event, listening, prepare, stage, streaming
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from gateway.demo.world import free_port
from gateway.errors import EvidenceLost
from gateway.oversight import acts
from gateway.pipeline import judging
from gateway.settings import read_settings
from gateway.store.evidence import LiveEvidence
from gateway.store.ports import EvidenceInLedger
from gateway.store.rebuild import replay
from ledger.errors import LedgerUnavailable

pytestmark = pytest.mark.slow
CITY = {"type": "function", "function": {"name": "City", "parameters": {"type": "object"}}}
FORCED = {"type": "function", "function": {"name": "City"}}


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path / "home", retries=1) as made:
        yield made


def calling(name: str, arguments: str = '{"name": "Rome"}') -> Any:
    message = {"tool_calls": [{"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}]}

    async def answer(_request: Any, _body: Any) -> Response:
        return JSONResponse(completion(None, **message))  # type: ignore[arg-type]

    return answer


def test_a_function_that_the_request_forces_is_the_form_of_the_answer_and_no_tool(on: Stage) -> None:
    on.upstream.answer = calling("City")
    answer = on.ask(tools=[CITY], tool_choice=FORCED)
    assert answer.choices[0].message.tool_calls[0].function.name == "City"
    (opened,), (closed,) = on.settled("call.opened"), on.settled("call.closed")
    assert opened.facts["output_format"] == "City"
    assert closed.facts["tool_calls"][0] | {"c": ""} == {
        "granted": True,
        "name": "City",
        "output_format": True,
        "c": "",
    }
    with pytest.raises(openai.PermissionDeniedError, match="City"):
        on.ask(tools=[CITY])
    on.upstream.answer = calling("issue_refund")  # the form is allowed, another tool is not
    with pytest.raises(openai.PermissionDeniedError, match="not granted"):
        on.ask(tools=[CITY], tool_choice=FORCED)


def test_a_forced_form_is_streamed_in_pieces(on: Stage) -> None:
    def piece(**function: str) -> bytes:
        return chunk({"tool_calls": [{"index": 0, "id": "c", "function": function}]})  # type: ignore[dict-item]

    on.upstream.answer = streaming(
        piece(name="Ci", arguments=""), piece(name="ty", arguments="{}"), chunk({}, "tool_calls"), USAGE, DONE
    )
    parts = list(on.ask(tools=[CITY], tool_choice=FORCED, stream=True))
    assert (
        "".join(call.function.name or "" for one in parts for call in one.choices[0].delta.tool_calls or ()) == "City"
    )


def other(index: int, delta: dict[str, Any], finish: str | None = None) -> bytes:
    return event({"id": "r", "choices": [{"index": index, "delta": delta, "finish_reason": finish}]})


def test_one_choice_that_ends_early_does_not_hold_up_the_others(on: Stage) -> None:
    on.upstream.answer = streaming(
        other(0, {"content": "a"}), other(1, {"content": "b"}), other(0, {}, "stop"),
        *[other(1, {"content": "b"}) for _ in range(8)], other(1, {}, "stop"), USAGE, DONE, gap=0.1,
    )  # fmt: skip
    began, arrived = time.monotonic(), []
    for one in on.ask(n=2, stream=True):
        arrived.append((time.monotonic() - began, one.choices[0].index, one.choices[0].finish_reason))
    second = [at for at, index, _ in arrived if index == 1]
    assert max(after - before for before, after in zip(second, second[1:], strict=False)) < (second[-1] - second[0]) / 2
    assert [finish for _, _, finish in arrived if finish] == ["stop", "stop"]
    assert on.settled("call.closed")[0].facts["result"] == "answered"


def test_a_server_that_ignores_how_many_choices_were_asked_for_is_believed_when_it_ends_cleanly(on: Stage) -> None:
    on.upstream.answer = streaming(other(0, {"content": "a"}), other(0, {}, "stop"), USAGE, DONE)
    assert [one.choices[0].finish_reason for one in on.ask(n=2, stream=True)] == [None, "stop"]
    on.upstream.answer = streaming(other(0, {"content": "a"}), other(0, {}, "stop"), USAGE)
    assert [one.choices[0].finish_reason for one in on.ask(n=2, stream=True)] == [None, "stop"]
    assert [one.facts["result"] for one in on.settled("call.closed", 2)] == ["answered", "answered"]


def test_the_end_of_the_last_choice_seen_waits_for_the_close(on: Stage) -> None:
    """Nothing that a client could take for the end of the whole leaves before `call.closed` is durable."""
    log, seen = on.installation.log, []
    real = log.hand_over

    def noting(unit: Any, **more: Any) -> Any:
        seen.append(("handed over", len(arrived)))
        return real(unit, **more)

    arrived: list[Any] = []
    on.upstream.answer = streaming(
        other(0, {"content": "a"}),
        other(0, {}, "stop"),
        other(1, {"content": "b"}),
        other(1, {}, "stop"),
        DONE,
        gap=0.2,
    )
    for one in on.ask(n=2, stream=True):
        if not arrived:
            log.hand_over = noting  # type: ignore[method-assign]
        arrived.append(one.choices[0])
    assert [(one.index, one.finish_reason) for one in arrived] == [(0, None), (0, "stop"), (1, None), (1, "stop")]
    assert min(count for _, count in seen) == 3  # the last end had not arrived when the close was handed over


def failing(*answers: Any) -> Any:
    """One answer after another, the last one from then on."""
    left = list(answers)

    async def answer(request: Any, body: Any) -> Response:
        one = left.pop(0) if len(left) > 1 else left[0]
        return await one(request, body)

    return answer


def saying(status: int, value: Any, **headers: str) -> Any:
    async def answer(_request: Any, _body: Any) -> Response:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return JSONResponse(value, status, headers=named) if value is not None else Response(status_code=status)

    return answer


LIMITED = {"error": {"message": "Rate limit reached: 30,000 tokens per minute", "code": "rate_limit_exceeded"}}


@pytest.mark.parametrize("stream", [False, True])
def test_a_limit_of_every_target_stays_a_limit_with_the_time_to_wait(on: Stage, stream: bool) -> None:
    on.upstream.answer = saying(429, LIMITED, retry_after="17")
    with pytest.raises(openai.RateLimitError, match="30,000 tokens per minute") as caught:
        on.ask(stream=stream)
    headers = caught.value.response.headers
    assert (headers["retry-after"], headers["x-should-retry"]) == ("17", "true")
    (closed,) = on.settled("call.closed")
    assert [one["error"] for one in closed.facts["attempts"]] == ["rate_limit_exceeded"] * 2  # each target once
    assert (closed.facts["result"], closed.facts["cost_nano_eur"]) == ("failed", 0)
    evidence = LiveEvidence(on.installation)
    assert evidence.content(closed, "attempt_error_0").value == LIMITED["error"]["message"]


def test_a_limit_that_is_short_is_waited_for_and_a_quota_that_is_gone_is_no_limit(on: Stage) -> None:
    on.upstream.answer = failing(saying(429, LIMITED, retry_after_ms="50"), saying(200, completion()))
    assert on.ask().choices[0].message.content == "hello"
    on.upstream.answer = saying(429, {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}})
    with pytest.raises(openai.InternalServerError, match="exceeded your quota") as caught:
        on.ask()
    assert caught.value.response.headers["x-should-retry"] == "false"


def test_a_provider_s_own_sentence_arrives_and_is_sealed_up_to_300_characters(on: Stage) -> None:
    on.upstream.answer = saying(
        404, {"error": {"message": "The model was retired. " + "x" * 1000, "code": "model_not_found"}}
    )
    with pytest.raises(openai.InternalServerError) as caught:
        on.ask()
    assert "answered 404: The model was retired." in caught.value.message
    assert 300 <= len(caught.value.message) < 500
    (closed,) = on.settled("call.closed")
    assert closed.facts["attempts"][0]["error"] == "model_not_found"
    assert len(LiveEvidence(on.installation).content(closed, "attempt_error_0").value) == 300


def events_of(*raw: bytes) -> Any:
    return streaming(*raw)


WORDS = {"error": {"message": "Overloaded, come back later", "code": "overloaded"}}
ERRORS_IN_200 = {
    "an error object": (saying(200, WORDS), False),
    "an error as first event": (events_of(event(WORDS)), True),
    "an error event by its name": (
        events_of(b"event: error\n" + event({"message": "Overloaded, come back later"})),
        True,
    ),
    "after a comment": (events_of(b": hello\n\n", event(WORDS)), True),
    "an error object for a stream": (saying(200, WORDS), True),
    "nothing": (events_of(), True),
    "only the end": (events_of(DONE), True),
    "an empty body": (saying(200, None), False),
}


@pytest.mark.parametrize(("wrong", "stream"), ERRORS_IN_200.values(), ids=ERRORS_IN_200)
def test_an_error_inside_a_200_is_a_failed_attempt_and_another_target_answers(
    on: Stage, wrong: Any, stream: bool
) -> None:
    good = (
        streaming(chunk({"content": "hello"}), chunk({}, "stop"), USAGE, DONE) if stream else saying(200, completion())
    )
    on.upstream.answer = failing(wrong, good)
    answer = on.ask(stream=stream)
    said = (
        "".join(one.choices[0].delta.content or "" for one in answer if one.choices)
        if stream
        else answer.choices[0].message.content
    )
    assert said == "hello"
    (closed,) = on.settled("call.closed")
    failed, answered = closed.facts["attempts"]
    assert (failed["outcome"] in ("error", "empty"), failed["billed"], answered["outcome"]) == (True, "no", "answered")
    assert (closed.facts["result"], closed.facts["cost_state"]) == ("answered", "provider_reported")


@pytest.mark.parametrize(("wrong", "stream"), ERRORS_IN_200.values(), ids=ERRORS_IN_200)
def test_an_error_inside_a_200_of_every_target_costs_nothing(on: Stage, wrong: Any, stream: bool) -> None:
    on.upstream.answer = wrong
    with pytest.raises(openai.APIError) as caught:
        list(on.ask(stream=stream))
    assert "Overloaded, come back later" in str(caught.value) or "empty" in str(caught.value)
    (closed,) = on.settled("call.closed")
    assert (closed.facts["result"], closed.facts["cost_nano_eur"]) == ("failed", 0)


def test_an_error_after_something_was_passed_on_breaks_the_stream_and_no_other_target_is_asked(on: Stage) -> None:
    on.upstream.answer = streaming(chunk({"content": "hel"}), event(WORDS))
    with pytest.raises(openai.APIError, match="Overloaded"):
        list(on.ask(stream=True))
    (closed,) = on.settled("call.closed")
    assert len(closed.facts["attempts"]) == 1
    assert closed.facts["cost_state"] == "upper_bound"


def test_an_error_event_stands_a_moment_before_the_stream_is_broken_off(
    on: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cline and opencode lose an event that comes together with the end of the connection."""
    monkeypatch.setattr("gateway.web.calls.EVENT_SECONDS", 3600.0)
    on.upstream.answer = streaming(chunk({"content": "hel"}), event(WORDS))
    body = {"model": "support", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    headers, seen = {"authorization": f"Bearer {on.keys['agent']}"}, b""
    with (
        pytest.raises(httpx2.ReadTimeout),  # the event was here, and the connection still stands
        httpx2.stream("POST", f"{on.url}/v1/chat/completions", json=body, headers=headers, timeout=2) as answer,
    ):
        for part in answer.iter_raw():
            seen += part
    assert b"Overloaded" in seen


PAID = {
    "a tool that is not granted": calling("issue_refund"),
    "cut": streaming(chunk({"content": "x"}), cut=True),
    "no completion": saying(200, {"choices": "none", "usage": {"prompt_tokens": 3, "completion_tokens": 1}}),
}


@pytest.mark.parametrize("wrong", PAID.values(), ids=PAID)
def test_a_paid_call_is_not_bought_again_when_a_client_repeats_it(on: Stage, wrong: Any) -> None:
    on.upstream.answer = wrong
    with pytest.raises(openai.APIStatusError):
        on.ask(text="the same")
    (closed,) = on.settled("call.closed")
    assert closed.facts["cost_nano_eur"] > 0
    bought = len(on.upstream.seen)
    for _ in range(3):
        with pytest.raises(openai.BadRequestError, match=f"made before as {closed.call}") as caught:
            on.ask(text="the same")
        assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(on.upstream.seen) == bought
    refused = on.settled("call.refused", 3)
    assert [one.facts["inputs"]["first"] for one in refused] == [closed.call] * 3
    on.upstream.answer = None
    assert on.ask(text="another").choices[0].message.content == "hello"  # another body is another request
    assert on.ask(text="the same", key="quiet").choices[0].message.content == "hello"  # so is another key
    allowed = on.client(x_whyledger_repeat="allow").chat.completions.create(
        model="support", messages=[{"role": "user", "content": "the same"}]
    )
    assert allowed.choices[0].message.content == "hello"
    rebuilt, _ = replay(on.installation.reader)
    assert rebuilt["undelivered"] == on.installation.reader.state("undelivered")
    assert "the same" not in str(rebuilt["undelivered"])


def test_the_same_request_in_another_order_or_without_a_stream_is_a_repetition(on: Stage) -> None:
    """Codex 0.171.0 writes the members of a map in another order each time, Claude Code 2.1.332 asks once more whole."""
    on.upstream.answer = calling("issue_refund")
    url, headers = f"{on.url}/v1/chat/completions", {"authorization": f"Bearer {on.keys['agent']}"}
    said = {"messages": [{"role": "user", "content": "the same"}], "metadata": {"a": "1", "b": "2"}}
    bodies: list[dict[str, Any]] = [
        said | {"model": "support"},
        {"model": "support", "metadata": {"b": "2", "a": "1"}, "messages": said["messages"]},
        said | {"model": "support", "stream": True, "stream_options": {"include_usage": True}},
        said | {"model": "support", "stream": False},
        said | {"model": "cached"},
        said | {"model": "support", "metadata": {"a": "1", "b": "3"}},
    ]
    answers = [httpx2.post(url, json=body, headers=headers, timeout=20).json()["error"]["code"] for body in bodies]
    assert answers == ["policy_denied", "repeated", "repeated", "repeated", "policy_denied", "policy_denied"]
    assert len(on.upstream.seen) == 3


def test_an_unpaid_failure_and_a_caller_who_left_are_no_repetition(on: Stage) -> None:
    on.upstream.answer = saying(500, WORDS)
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            on.ask(text="the same")
    on.upstream.answer = streaming(*[chunk({"content": "x"})] * 20, chunk({}, "stop"), USAGE, DONE, gap=0.05)
    with on.ask(text="the same", stream=True) as stream:
        next(iter(stream))
    on.settled("call.closed", 3)
    assert len(list(on.ask(text="the same", stream=True))) > 1


def test_what_could_not_be_recorded_is_not_bought_again_by_the_process_that_knows(
    on: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = EvidenceInLedger.close

    def failing(self: Any, unit: Any) -> Any:
        handed = real(self, unit)

        async def lost() -> Any:
            await handed
            raise LedgerUnavailable("the disk is full")

        return lost()

    monkeypatch.setattr(EvidenceInLedger, "close", failing)
    with pytest.raises(openai.InternalServerError, match="could not be recorded"):
        on.ask(text="the same")
    monkeypatch.undo()
    bought = len(on.upstream.seen)
    with pytest.raises(openai.BadRequestError, match="made before as call_"):
        on.ask(text="the same")
    assert len(on.upstream.seen) == bought


def test_the_window_ends_and_can_be_switched_off(on: Stage) -> None:
    text = on.installation.vault.text(acts.active_configuration(on.installation)[1]) or ""
    for window, again in ((1, 1.5), (0, 0.0)):
        changed = text.replace("intent: support,", f"intent: support, repeat_window: {window},")
        assert changed != text
        acts.activate(on.installation, on.person("ada"), changed, "another window")
        on.upstream.answer = calling("issue_refund")
        with pytest.raises(openai.PermissionDeniedError):
            on.ask(text=f"window {window}")
        time.sleep(again)
        on.upstream.answer = None
        assert on.ask(text=f"window {window}").choices[0].message.content == "hello"


WRONG_PATHS = {
    "/chat/completions": "base_url must end in /v1",
    "/responses": "base_url must end in /v1",
    "/v1//chat/completions": "without a double slash",
    "/v1/chat/completions/": "without a double slash",
    "/v1/v1/chat/completions": "/v1 twice",
    "/v1//responses": "the path is /v1/responses, without a double slash",
    "/v1/responses/resp_1": "keeps no answers",
    "/v1/conversations": "send what was said with each request",
    "/v1/nonsense": "WhyLedger serves POST /v1/chat/completions, /v1/responses",
}


@pytest.mark.parametrize(("path", "said"), WRONG_PATHS.items())
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_wrong_path_answers_in_the_form_of_the_api_and_says_what_to_do(
    on: Stage, path: str, said: str, method: str
) -> None:
    answer = httpx2.request(method, f"{on.url}{path}", json={"model": "support"})
    assert answer.status_code == 404
    assert said in answer.json()["error"]["message"]
    assert answer.json()["error"]["code"] == "path_unknown"
    assert "x-whyledger-why" not in answer.headers


def test_an_official_client_reads_what_a_wrong_path_says(on: Stage) -> None:
    client = on.client()
    with pytest.raises(openai.NotFoundError, match="keeps no answers that could be fetched"):
        client.responses.retrieve("resp_1")
    lost = client.with_options(base_url=on.url)
    with pytest.raises(openai.NotFoundError, match="base_url must end in /v1"):
        lost.chat.completions.create(model="support", messages=[])


def test_models_are_listed_and_asked_for_one_by_one_in_the_form_of_the_api(on: Stage) -> None:
    client = on.client()
    names = [one.id for one in client.models.list()]
    assert "support" in names
    assert client.models.retrieve("support").id == "support"
    with pytest.raises(openai.NotFoundError, match="gpt-9 is not defined in the configuration"):
        client.models.retrieve("gpt-9")
    with pytest.raises(openai.AuthenticationError, match="not known here"):
        client.with_options(api_key="wl_prod_nobody").models.list()


def test_answers_and_errors_have_the_id_that_a_client_quotes_and_a_link_only_where_something_is_recorded(
    on: Stage,
) -> None:
    raw = on.client().chat.completions.with_raw_response.create(model="support", messages=[])
    assert raw.headers["x-request-id"] == raw.headers["x-whyledger-call"] == raw.parse()._request_id
    for body, headers, status, linked in (
        ({"model": "support"}, {}, 400, True),
        ({"model": "support", "messages": []}, {"authorization": "Bearer wl_prod_nobody"}, 401, False),
    ):
        sent = {"authorization": f"Bearer {on.keys['agent']}"} | headers
        answer = httpx2.post(f"{on.url}/v1/chat/completions", json=body, headers=sent)
        assert answer.status_code == status
        assert answer.headers["x-request-id"].startswith("call_")
        assert ("x-whyledger-why" in answer.headers) is linked
        if linked:
            me = {"authorization": f"Bearer {on.tokens['ada']}"}
            assert httpx2.get(f"{on.url}{answer.headers['x-whyledger-why']}", headers=me).status_code == 200
    assert "x-whyledger-why" not in httpx2.get(f"{on.url}/v1/chat/completions").headers


@pytest.mark.parametrize("coding", ["gzip", "deflate", "GZIP"])
def test_a_compressed_request_is_read(on: Stage, coding: str) -> None:
    plain = json.dumps({"model": "support", "messages": [{"role": "user", "content": "zipped"}]}).encode()
    body = gzip.compress(plain) if coding.lower() == "gzip" else zlib.compress(plain)
    headers = {"authorization": f"Bearer {on.keys['agent']}", "content-encoding": coding}
    answer = httpx2.post(f"{on.url}/v1/chat/completions", content=body, headers=headers)
    assert answer.json()["choices"][0]["message"]["content"] == "hello"
    assert on.upstream.seen[-1]["body"]["messages"][0]["content"] == "zipped"


def test_a_compressed_request_that_is_too_large_broken_or_of_another_kind_is_refused_and_on_record(on: Stage) -> None:
    for coding, body, status in (
        ("gzip", gzip.compress(b" " * (21 * 2**20)), 413),
        ("gzip", b"not gzip", 400),
        ("gzip", gzip.compress(b"{}")[:-4], 400),
        ("gzip", gzip.compress(b"{}") + b"more", 400),
        ("br", b"{}", 415),
    ):
        headers = {"authorization": f"Bearer {on.keys['agent']}", "content-encoding": coding}
        answer = httpx2.post(f"{on.url}/v1/chat/completions", content=body, headers=headers, timeout=30)
        assert answer.status_code == status, (coding, answer.text)
    assert len(on.settled("call.refused", 5)) == 5
    assert on.upstream.seen == []


def test_an_error_of_the_ledger_tells_a_caller_not_where_its_database_stands() -> None:
    said = 'connection failed: connection to server at "10.0.3.7", port 5432 failed: FATAL: password for user "wl"'
    told = EvidenceLost("ledger_unavailable", f"the call was not sent: {said}").message
    assert not re.search("10.0.3.7|5432|wl\\b", told)
    assert "the call was not sent: connection failed" in told


def test_a_target_that_gives_no_answer_in_time_is_not_asked_again_unless_the_route_says_so(on: Stage) -> None:
    text = on.installation.vault.text(acts.active_configuration(on.installation)[1]) or ""
    text = text.replace("timeout: 5, retry_timeouts: true", "timeout: 1")

    async def silent(_request: Any, _body: Any) -> Response:
        await asyncio.sleep(1.5)
        return JSONResponse(completion())

    on.upstream.answer = silent
    for more, bought in (("timeout: 1", 1), ("timeout: 1, retry_timeouts: true", 4)):
        acts.activate(on.installation, on.person("ada"), text.replace("timeout: 1", more, 1), "time")
        before = len(on.upstream.seen)
        with pytest.raises(openai.InternalServerError, match="gave no answer") as caught:
            on.ask(text=more)
        assert caught.value.status_code == 504
        assert len(on.upstream.seen) - before == bought


def test_a_stream_says_that_no_proxy_may_hold_or_change_it(on: Stage) -> None:
    raw = on.client().chat.completions.with_raw_response.create(
        model="support", messages=[{"role": "user", "content": "x"}], stream=True
    )
    assert (raw.headers["cache-control"], raw.headers["x-accel-buffering"]) == ("no-cache, no-transform", "no")
    list(raw.parse())
    assert "x-accel-buffering" not in on.client().chat.completions.with_raw_response.create(
        model="support", messages=[]
    ).headers  # fmt: skip


def test_a_stop_of_the_process_lets_running_streams_end_and_tells_those_it_cuts(tmp_path: Path) -> None:
    port = free_port()
    settings, keys, _ = prepare(tmp_path / "home", port=port, environment={"WHYLEDGER_DRAIN": "2"})
    upstream = Upstream(answer=streaming(*[chunk({"content": "x"})] * 300, gap=0.1))
    app = Starlette(routes=[Route("/v1/chat/completions", upstream.endpoint, methods=["POST"])])
    with listening(app, port):
        server = Hosted(settings)
        try:
            got: list[bytes] = []

            def read() -> None:
                url, headers = (
                    f"http://127.0.0.1:{server.port}/v1/chat/completions",
                    {"authorization": f"Bearer {keys['agent']}"},
                )
                body = {"model": "support", "messages": [], "stream": True}
                with (
                    contextlib.suppress(httpx2.HTTPError),
                    httpx2.stream("POST", url, json=body, headers=headers, timeout=30) as answer,
                ):
                    got.extend(answer.iter_bytes())

            reader = threading.Thread(target=read)
            reader.start()
            until(lambda: got, "nothing was streamed")
            server.process.send_signal(signal.SIGTERM)
            before = len(got)
            time.sleep(1)
            assert len(got) > before  # it runs on while it may
            with pytest.raises(httpx2.ConnectError):  # which is what a readiness probe finds
                httpx2.get(f"http://127.0.0.1:{server.port}/readyz")
            server.ends()
            reader.join(timeout=20)
        finally:
            server.kill()
    assert b"the gateway was stopped while the answer was running" in got[-1]
    assert b"[DONE]" not in b"".join(got)


def test_an_idle_connection_of_a_caller_lives_longer_than_proxies_keep_theirs(tmp_path: Path) -> None:
    assert read_settings(tmp_path, environment={}).keep_alive == 75
    port = free_port()
    settings, _, _ = prepare(tmp_path / "home", port=port, environment={"WHYLEDGER_KEEP_ALIVE": "7"})
    server = Hosted(settings)
    try:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        for pause in (5.5, 0.0):
            connection.request("GET", "/readyz")
            assert connection.getresponse().read()
            time.sleep(pause)
        connection.close()
    finally:
        server.stop()


def stuck(on: Stage, text: str, *, stream: bool = True) -> Iterator[socket.socket]:
    """A caller who opens a stream of events without end and reads its beginning only."""
    asked = {"model": "support", "stream": stream, "messages": [{"role": "user", "content": text}]}
    body = json.dumps(asked).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {on.keys['agent']}\r\n"
    with contextlib.closing(socket.socket()) as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        caller.connect(("127.0.0.1", on.port))
        caller.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        assert b"200" in caller.recv(512)
        yield caller


BIG = [chunk({"content": "x" * 60_000})] * 400


def test_a_caller_who_takes_nothing_is_let_go_and_the_call_ends_with_its_real_usage(
    on: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.web.callers.SEND_SECONDS", 1.0)
    on.upstream.answer = streaming(*BIG, chunk({}, "stop"), USAGE, DONE)
    for caller in stuck(on, "never read"):
        (closed,) = on.settled("call.closed", 1, within=30)
        assert (closed.facts["result"], closed.facts["cost_state"]) == ("client_gone", "provider_reported")
        with contextlib.suppress(ConnectionError):
            while caller.recv(1 << 20):
                continue


def test_a_stop_reaches_a_stream_whose_caller_takes_nothing(on: Stage) -> None:
    on.upstream.answer = streaming(*BIG, chunk({}, "stop"), USAGE, DONE)
    for _ in stuck(on, "stopped"):
        on.settled("call.opened", 1)
        time.sleep(1.5)
        assert on.entries("call.closed") == []
        acts.stop(on.installation, on.person("ada"), ("all", None), "enough")
        (closed,) = on.settled("call.closed", 1, within=10)
        assert closed.facts["result"] == "stopped"


def test_one_key_does_not_take_every_place(on: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.web.calls.MAX_OF_KEY", 2)
    on.upstream.answer = streaming(*[chunk({"content": "x"})] * 100, chunk({}, "stop"), USAGE, DONE, gap=0.1)
    first, second = on.ask(text="1", stream=True), on.ask(text="2", stream=True)
    with pytest.raises(openai.InternalServerError, match="2 calls of this key are in flight"):
        on.ask(text="3", stream=True)
    other = on.ask(text="4", stream=True, key="quiet")
    for one in (first, second, other):
        one.close()
    on.upstream.answer = None
    on.settled("call.closed", 3, within=30)
    assert on.ask(text="5").choices[0].message.content == "hello"


def test_a_caller_who_takes_nothing_of_a_whole_answer_gives_its_place_back(
    on: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.web.callers.SEND_SECONDS", 1.0)
    on.upstream.answer = saying(200, completion("x" * 10_000_000))
    served = on.gateway._calls
    for caller in stuck(on, "never read", stream=False):
        on.settled("call.closed", 1, within=30)
        until(lambda: not served._relays and served._of_key[chat_key(on)] == 0, "the place is still taken", 20)
        caller.settimeout(1)
    on.upstream.answer = None
    assert on.ask(text="next").choices[0].message.content == "hello"


def chat_key(on: Stage) -> str:
    return str(on.entries("call.opened")[0].facts["key"])


def test_a_stream_keeps_its_caller_alive_before_and_between_events(tmp_path: Path) -> None:
    release = threading.Event()

    async def slow(_request: Any, _body: Any) -> Response:
        await asyncio.to_thread(release.wait, 20)

        async def body() -> Any:
            yield chunk({"content": "hel"})
            await asyncio.sleep(1.0)
            for part in (chunk({"content": "lo"}), chunk({}, "stop"), USAGE, DONE):
                yield part

        return StreamingResponse(body(), media_type="text/event-stream")

    with stage(tmp_path / "home", timeout="10, keep_alive: 0.2") as on:
        on.upstream.answer = slow
        question = {"model": "support", "messages": [{"role": "user", "content": "hi"}], "stream": True}
        headers = {"authorization": f"Bearer {on.keys['agent']}"}
        with httpx2.stream("POST", f"{on.url}/v1/chat/completions", json=question, headers=headers, timeout=30) as got:
            seen = b""
            for data in got.iter_raw():
                seen += data
                if seen.count(b": keep-alive\n\n") >= 2:
                    release.set()
        assert "x-whyledger-overhead-ms" not in got.headers, "the model's thinking is not ours"
        before, _, after = seen.partition(b'"hel"')
        assert got.status_code == 200 and before.count(b": keep-alive\n\n") >= 2 and after.count(b": keep-alive") >= 1
        assert after.endswith(DONE)
        release.clear()
        release.set()
        text = [one.choices[0].delta.content for one in on.ask(stream=True) if one.choices]
        assert text == ["hel", "lo", None]
        assert [entry.facts["result"] for entry in on.settled("call.closed", 2)] == ["answered"] * 2


def test_what_fails_after_a_sign_of_life_is_an_error_event_and_no_clean_end(tmp_path: Path) -> None:
    async def refuse(_request: Any, _body: Any) -> Response:
        await asyncio.sleep(1.0)
        return JSONResponse({"error": {"message": "overloaded"}}, 500)

    with stage(tmp_path / "home", timeout="10, keep_alive: 0.2") as on:
        on.upstream.answer = refuse
        with pytest.raises(openai.APIError, match="overloaded|answered 500"):
            list(on.ask(stream=True))
        (closed,) = on.settled("call.closed")
        assert closed.facts["result"] == "failed"


def test_a_record_says_that_only_the_beginning_of_an_answer_is_kept(on: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """One key may keep so much of running answers; what goes to its callers is not cut."""
    monkeypatch.setattr(judging, "MAX_KEPT_OF_KEY", 1000)
    on.upstream.answer = streaming(*[chunk({"content": "x" * 200})] * 20, chunk({}, "stop"), USAGE, DONE)
    text = "".join(one.choices[0].delta.content or "" for one in on.ask(stream=True) if one.choices)
    assert len(text) == 4000
    (closed,) = on.settled("call.closed")
    assert [one["id"] for one in closed.facts["checks"]] == ["answer-kept"]
    sealed = on.installation.reader.contents(closed.seq)
    assert sealed is not None
    kept = on.installation.vault.open(sealed, "answer", entry_id=closed.id, commitment=closed.c["answer"])
    assert 0 < str(kept).count("x") <= 1000
