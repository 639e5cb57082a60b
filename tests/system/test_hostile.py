"""Attacks that once worked, kept as tests: a hostile caller, a hostile provider, a bad moment."""

import asyncio
import contextlib
import http.client
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest
from stage import DONE, USAGE, Stage, chunk, completion, event, stage, streaming
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from test_promises import error_of, raw

from gateway.oversight import acts
from ledger.batch import Batch, BatchWriter
from ledger.errors import LedgerUnavailable
from ledger.log import Handed, Log


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path / "home") as opened:
        yield opened


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_a_body_too_deep_to_send_on_is_refused_before_anything_is_reserved(on: Stage) -> None:
    status, body, headers = raw(on, metadata={"a": nested(300)})
    assert (status, json.loads(body)["error"]["code"], headers["x-should-retry"]) == (400, "invalid_request", "false")
    assert on.entries("call.opened") == []


def test_the_reserved_limit_is_sent_in_the_field_the_provider_reads_and_in_no_other(tmp_path: Path) -> None:
    with stage(tmp_path / "home", prices="{model-a: {input: 1, output: 4}}, output_limit_field: max_tokens") as on:
        for sent in ({"max_completion_tokens": 1}, {"max_tokens": 3, "max_completion_tokens": 2}, {}):
            raw(on, **sent)
        limits = [
            {name: body["body"].get(name) for name in ("max_tokens", "max_completion_tokens")}
            for body in on.upstream.seen
        ]
        assert limits == [
            {"max_tokens": 1, "max_completion_tokens": None},
            {"max_tokens": 3, "max_completion_tokens": None},
            {"max_tokens": 4096, "max_completion_tokens": None},
        ]
        for opened in on.entries("call.opened"):
            assert opened.facts["output_bound_tokens"] in (1, 3, 4096)


def running_usage(tokens: int) -> bytes:
    choice = {"index": 0, "delta": {"content": "x"}, "finish_reason": None}
    return event({"choices": [choice], "usage": {"prompt_tokens": 10, "completion_tokens": tokens}})


def test_usage_of_an_answer_that_was_not_read_to_its_end_is_not_the_whole_of_it(on: Stage) -> None:
    on.upstream.answer = streaming(running_usage(1), running_usage(2), cut=True)
    with pytest.raises(http.client.IncompleteRead):
        raw(on, stream=True)
    (opened,), (closed,) = on.entries("call.opened"), on.settled("call.closed")
    assert closed.facts["cost_state"] == "upper_bound"
    assert closed.facts["cost_nano_eur"] == opened.facts["reserved_nano_eur"]


def test_reasoning_that_only_the_total_counts_is_charged(on: Stage) -> None:
    async def answer(_request: Request, _body: dict[str, Any]) -> Response:
        return JSONResponse(
            completion() | {"usage": {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 2030}}
        )

    on.upstream.answer = answer
    on.ask()
    assert on.entries("call.closed")[0].facts["usage"]["output_tokens"] == 2020


@pytest.mark.parametrize("field", [{"service_tier": "priority"}, {"modalities": ["text", "audio"]}])
def test_what_has_another_price_is_refused(on: Stage, field: dict[str, Any]) -> None:
    status, body, _ = raw(on, **field)
    assert (status, json.loads(body)["error"]["code"]) == (400, "invalid_request")
    assert on.upstream.seen == []


def test_a_part_of_an_unknown_kind_is_bounded_by_the_largest_file(on: Stage) -> None:
    content = [{"type": "video_url", "video_url": {"url": "https://x"}}]
    raw(on, messages=[{"role": "user", "content": content}], max_tokens=1)
    assert on.entries("call.opened")[0].facts["input_bound_tokens"] > 1_000_000


def test_a_stop_ends_the_trying(tmp_path: Path) -> None:
    with stage(tmp_path / "home", retries=5) as on:

        async def fail(_request: Request, _body: dict[str, Any]) -> Response:
            await asyncio.sleep(0.5)
            return JSONResponse({}, status_code=500)

        on.upstream.answer = fail
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(on.ask)
            while not on.upstream.seen:
                time.sleep(0.01)
            acts.stop(
                on.installation, on.person("ada"), acts.stop_scope(on.installation, workflow="agent"), "wrong answers"
            )
            with pytest.raises(openai.PermissionDeniedError) as caught:
                asked.result(timeout=10)
        assert error_of(caught) == (403, "stopped", "false")
        assert len(on.upstream.seen) <= 3
        assert on.entries("call.closed")[0].facts["result"] == "stopped"


@pytest.mark.parametrize("how", ["stop", "revoke"])
def test_a_stop_ends_a_stream_whose_upstream_is_silent(tmp_path: Path, how: str) -> None:
    """The upstream would be silent for a minute, and the route would wait that long."""
    with stage(tmp_path / "home", timeout=60) as on, ThreadPoolExecutor(1) as pool:
        on.upstream.answer = streaming(chunk({"content": "a"}), chunk({"content": "b"}), chunk({}, "stop"), gap=60)
        asked = pool.submit(raw, on, stream=True)
        while not on.upstream.seen:
            time.sleep(0.01)
        time.sleep(0.3)
        ada = on.person("ada")
        if how == "stop":
            acts.stop(on.installation, ada, acts.stop_scope(on.installation, everything=True), "now")
        else:
            acts.revoke_key(on.installation, ada, on.keys["agent"], "leaked")
        with pytest.raises(http.client.IncompleteRead):
            asked.result(timeout=30)
        (closed,) = on.settled("call.closed")
        assert closed.facts["result"] == "stopped"


def test_a_close_that_could_not_be_committed_is_committed_when_the_ledger_is_back(
    on: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Log.hand_over
    broken = True

    def hand_over(self: Log, unit: Any, **more: Any) -> Handed:
        if broken and "close_unit" in unit.run.__qualname__:
            lost, error = Handed(), LedgerUnavailable("injected: disk full")
            lost.set_exception(error)
            more["failed"](error)
            return lost
        return real(self, unit, **more)

    monkeypatch.setattr(Log, "hand_over", hand_over)
    with pytest.raises(openai.InternalServerError):
        on.ask()
    broken = False
    (closed,) = on.settled("call.closed")
    assert closed.facts["result"] == "answered"
    assert all(row["reserved"] == 0 for row in on.budgets().values())


def test_senseless_usage_does_not_keep_a_call_from_closing(on: Stage) -> None:
    async def answer(_request: Request, _body: dict[str, Any]) -> Response:
        return JSONResponse(completion() | {"usage": {"prompt_tokens": 2**40 - 1, "completion_tokens": 2**40 - 1}})

    on.upstream.answer = answer
    on.ask()
    assert on.entries("call.closed")[0].facts["cost_state"] == "upper_bound"


def test_slow_uploads_without_a_key_take_no_place(on: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.web.calls.MAX_IN_FLIGHT", 8)
    slow = []
    for _ in range(20):
        connection = http.client.HTTPConnection("127.0.0.1", on.port, timeout=10)
        connection.putrequest("POST", "/v1/chat/completions")
        connection.putheader("content-length", "1000")
        connection.endheaders(b"x")
        slow.append(connection)
    assert raw(on)[0] == 200
    for connection in slow:
        connection.close()


def test_a_body_that_does_not_come_is_refused_with_what_happened(on: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.web.callers.BODY_SECONDS", 0.1)
    connection = http.client.HTTPConnection("127.0.0.1", on.port, timeout=20)
    connection.putrequest("POST", "/v1/chat/completions")
    connection.putheader("authorization", f"Bearer {on.keys['agent']}")
    connection.putheader("content-length", "1000")
    connection.endheaders(b'{"model"')
    answer = connection.getresponse()
    error = json.loads(answer.read())["error"]
    assert (answer.status, error["code"]) == (400, "invalid_request")
    assert "did not arrive within 0.1 s" in error["message"]
    (refused,) = on.settled("call.refused")
    assert refused.facts["stage"] == 0
    connection.close()


def test_a_call_whose_body_has_come_is_opened_however_long_that_takes(
    on: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.web.callers.BODY_SECONDS", 0.1)
    monkeypatch.setattr("ledger.log.SWIFT_SECONDS", 0.0)  # the thread flushes, and the loop goes on
    real = BatchWriter.settle

    def settle(self: BatchWriter, batch: Batch) -> None:
        time.sleep(1.2)  # the clock that looks for late bodies comes by twice meanwhile
        real(self, batch)

    monkeypatch.setattr(BatchWriter, "settle", settle)
    assert raw(on)[0] == 200


def calls(*made: tuple[int, str, str]) -> list[dict[str, Any]]:
    return [
        {"index": index, "id": identifier, "type": "function", "function": {"name": name, "arguments": "{}"}}
        for index, identifier, name in made
    ]


def test_parallel_tool_calls_that_share_an_index_are_told_apart(on: Stage) -> None:
    made = calls((0, "a", "lookup"), (0, "b", "lookup"))

    async def answer(_request: Request, body: dict[str, Any]) -> Response:
        if body.get("stream"):
            parts = [chunk({"tool_calls": [one]}) for one in made]
            return await streaming(*parts, chunk({}, "tool_calls"), USAGE, DONE)(_request, body)
        return JSONResponse(completion("", tool_calls=made))

    on.upstream.answer = answer
    assert raw(on)[0] == 200
    assert b"lookup" in raw(on, stream=True)[1]
    for closed in on.entries("call.closed"):
        assert [one["name"] for one in closed.facts["tool_calls"]] == ["lookup", "lookup"]


def test_usage_that_lies_in_the_buffer_when_the_client_leaves_is_not_lost(on: Stage) -> None:
    left = threading.Event()

    async def answer(_request: Request, _body: dict[str, Any]) -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield chunk({"content": "a"})
            await asyncio.to_thread(left.wait, 10)
            rest = b"".join([chunk({"content": "b"}), chunk({}, "stop"), USAGE, DONE])
            yield rest[:-30]
            await asyncio.sleep(0.1)
            yield rest[-30:]

        return StreamingResponse(body(), media_type="text/event-stream")

    on.upstream.answer = answer
    stream = on.ask(stream=True)
    next(iter(stream))
    stream.close()
    time.sleep(0.3)
    left.set()
    (closed,) = on.settled("call.closed")
    assert (closed.facts["result"], closed.facts["cost_state"]) == ("client_gone", "provider_reported")


def test_an_upstream_that_stays_open_after_done_has_finished(tmp_path: Path) -> None:
    with stage(tmp_path / "home", timeout=1) as on:
        on.upstream.answer = streaming(
            chunk({"content": "a"}), chunk({}, "stop"), USAGE, DONE, event({"late": 1}), gap=0
        )

        async def answer(_request: Request, _body: dict[str, Any]) -> Response:
            async def body() -> AsyncIterator[bytes]:
                yield b"".join([chunk({"content": "a"}), chunk({}, "stop"), USAGE, DONE])
                await asyncio.sleep(5)

            return StreamingResponse(body(), media_type="text/event-stream")

        on.upstream.answer = answer
        assert raw(on, stream=True)[1].endswith(DONE)
        assert on.entries("call.closed")[0].facts["result"] == "answered"


def test_an_error_member_that_is_null_is_no_error(on: Stage) -> None:
    choice = {"index": 0, "delta": {"content": "a"}, "finish_reason": None}
    on.upstream.answer = streaming(event({"choices": [choice], "error": None}), chunk({}, "stop"), USAGE, DONE)
    assert raw(on, stream=True)[1].endswith(DONE)


def test_a_stream_of_two_answers_needs_both_ends(on: Stage) -> None:
    def part(index: int, delta: dict[str, Any], finish: str | None = None) -> bytes:
        return event({"choices": [{"index": index, "delta": delta, "finish_reason": finish}]})

    on.upstream.answer = streaming(part(0, {"content": "a"}), part(0, {}, "stop"), part(1, {"content": "b"}))
    with pytest.raises(http.client.IncompleteRead):
        raw(on, stream=True, n=2)
    on.upstream.answer = streaming(
        part(0, {"content": "a"}), part(0, {}, "stop"), part(1, {"content": "b"}), part(1, {}, "stop")
    )
    assert b'"b"' in raw(on, stream=True, n=2, user="again")[1]


@pytest.mark.parametrize("gap", [b"\n\r\n", b"\r\r", b"\r\n\r\n", b"\r\n\n", b"\n\r"])
def test_every_mix_of_line_ends_parts_events(on: Stage, gap: bytes) -> None:
    evil = chunk({"tool_calls": calls((0, "a", "delete_all"))})
    parts = [one.rstrip(b"\n") + gap for one in (chunk({"content": "a"}), evil, chunk({}, "tool_calls"), DONE)]
    on.upstream.answer = streaming(*parts)
    with pytest.raises(http.client.IncompleteRead) as caught:
        raw(on, stream=True)
    assert b"delete_all" not in caught.value.partial


@pytest.mark.parametrize(
    "value",
    [
        {"choices": 5},
        {"choices": [5]},
        {"choices": [{"delta": 5}]},
        {"choices": [{"delta": {"tool_calls": 5}}]},
        5,
        [5],
    ],
)
def test_an_event_that_cannot_be_read_is_held_and_no_check_passes_over_it(on: Stage, value: Any) -> None:
    on.upstream.answer = streaming(chunk({"content": "a"}), event(value), chunk({}, "stop"), USAGE, DONE)
    with pytest.raises(http.client.IncompleteRead) as caught:
        raw(on, stream=True)
    assert caught.value.partial.startswith(chunk({"content": "a"}) + b'data: {"error"')
    facts = on.entries("call.closed")[-1].facts
    assert (facts["result"], facts["passed"]) == ("unreadable", [])
    assert facts["checks"][0]["reason"] == "not all of the answer could be read"
    assert facts["usage"]["output_tokens"] == 5  # read on to the end for what it used


@pytest.mark.parametrize("name", ["delete_all", "lookup", "look", "", "lookuplookup"])
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("stream", [False, True])
def test_answered_never_stands_beside_a_check_that_denies(on: Stage, name: str, legacy: bool, stream: bool) -> None:
    function = {"name": name, "arguments": "{}"}
    message = {"function_call": function} if legacy else {"tool_calls": [{"index": 0, "id": "a", "function": function}]}

    async def answer(_request: Request, _body: dict[str, Any]) -> Response:
        return JSONResponse(completion(**message))

    on.upstream.answer = streaming(chunk(message), chunk({}, "tool_calls"), USAGE, DONE) if stream else answer
    with contextlib.suppress(http.client.IncompleteRead):
        raw(on, stream=stream)
    facts = on.settled("call.closed")[-1].facts
    denied = [one["id"] for one in facts["checks"] if one["verdict"] == "deny"]
    assert (facts["result"], denied) == (
        ("answered", []) if name == "lookup" else ("refused_answer", ["granted-tool-calls"])
    )


def test_odd_members_that_decide_nothing_are_passed_through(on: Stage) -> None:
    odd = event({"id": 5, "usage": 5, "more": [None]})
    on.upstream.answer = streaming(odd, chunk({}, "stop"), USAGE, DONE)
    assert raw(on, stream=True)[1].startswith(odd)


def test_a_content_type_that_no_header_can_carry_does_not_lose_a_paid_answer(on: Stage) -> None:
    async def answer(_request: Request, _body: dict[str, Any]) -> Response:
        response = JSONResponse(completion())
        response.raw_headers = [(b"content-type", "application/json; x=\u20ac".encode())]
        return response

    on.upstream.answer = answer
    assert raw(on)[0] == 200


@pytest.mark.parametrize("stream", [True, False])
def test_what_nobody_expected_is_an_error_that_no_sdk_repeats(
    on: Stage, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    def broken(*_args: Any, **_more: Any) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr("gateway.dialects.openai_chat.Chat.outgoing", broken)
    status, body, headers = raw(on, stream=stream)
    assert (status, json.loads(body)["error"]["code"], headers["x-should-retry"]) == (500, "internal_error", "false")
    on.settled("call.closed")


def test_a_cached_stream_that_expires_between_head_and_body_is_still_whole(
    on: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.caches.memory import MemoryCache

    first = raw(on, model="cached", stream=True)[1]
    real, asked = MemoryCache.get, 0

    def once(self: MemoryCache, key: str) -> Any:
        nonlocal asked
        asked += 1
        return real(self, key) if asked == 1 else None

    monkeypatch.setattr(MemoryCache, "get", once)
    status, again, headers = raw(on, model="cached", stream=True)
    assert (status, again, headers["x-whyledger-cache"]) == (200, first, "hit")
    assert len(on.upstream.seen) == 1


def test_two_workflows_may_use_one_task_and_neither_uses_up_the_other(tmp_path: Path) -> None:
    with stage(tmp_path / "home", max_calls=2) as on:
        for number in range(3):
            on.ask(key="quiet", task="shared", text=f"call {number}")
        on.ask(task="shared")
        connection = http.client.HTTPConnection("127.0.0.1", on.port, timeout=10)
        connection.request("GET", "/api/v1/why/shared", headers={"authorization": f"Bearer {on.keys['agent']}"})
        answer = json.loads(connection.getresponse().read())
        connection.close()
        assert len(answer["calls"]) == 1


def test_a_process_that_slept_past_its_lease_says_so_and_ends(on: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    on.gateway.halt = ended.set
    boot = on.gateway._filled_ports().boot
    with on.installation.engine.execution_options(writes=True).begin() as connection:
        connection.exec_driver_sql("DELETE FROM state WHERE key = ?", (f"boot:{boot}",))
    assert raw(on)[0] == 503
    assert ended.wait(5)
    connection_ = http.client.HTTPConnection("127.0.0.1", on.port, timeout=10)
    connection_.request("GET", "/readyz")
    assert connection_.getresponse().status == 503
    connection_.close()


@pytest.mark.parametrize(
    ("status", "billed"), [(504, "unknown"), (408, "unknown"), (204, "unknown"), (500, "no"), (429, "no")]
)
def test_a_proxy_that_gave_up_may_have_been_billed(on: Stage, status: int, billed: str) -> None:
    async def answer(_request: Request, _body: dict[str, Any]) -> Response:
        return Response(status_code=status)

    on.upstream.answer = answer
    said = raw(on)[0]
    assert said == 429 if status == 429 else said >= 500
    (opened,), (closed,) = on.entries("call.opened"), on.entries("call.closed")
    attempts = closed.facts["attempts"]
    assert {attempt["billed"] for attempt in attempts} == {billed}
    worst = opened.facts["reserved_nano_eur"] * len(attempts)
    assert closed.facts["cost_nano_eur"] == (worst if billed == "unknown" else 0)


def test_a_timer_goes_on_although_it_failed_and_its_log_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway import app

    ran = 0

    async def fail() -> None:
        nonlocal ran
        ran += 1
        raise OSError("disk full")

    def full(*_args: object, **_more: object) -> None:
        raise OSError("no space left for logs")

    async def watch() -> None:
        timer = asyncio.create_task(app._repeat(0.01, fail))
        await asyncio.sleep(0.2)
        assert not timer.done()
        timer.cancel()

    monkeypatch.setattr(app, "log", type("Log", (), {"error": staticmethod(full)})())
    asyncio.run(watch())
    assert ran > 2
