"""The promises of docs/design/promises.md, each held against the running application on a real socket."""

import asyncio
import http.client
import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import pytest
from stage import DONE, USAGE, Stage, chunk, completion, event, stage, streaming
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.oversight import acts
from gateway.store.rebuild import rebuild_projections, replay
from ledger import checkpoint, merkle
from ledger.entry import Entry
from ledger.errors import LedgerUnavailable
from ledger.log import Handed, Log


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path / "home") as opened:
        yield opened


def stored_kinds(path: Path) -> list[str]:
    """Read the database by a connection of our own: what another process would find after a power cut."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    rows = [json.loads(row[0])["kind"] for row in connection.execute("SELECT bytes FROM entry ORDER BY seq")]
    connection.close()
    return rows


def error_of(caught: pytest.ExceptionInfo[openai.APIStatusError]) -> tuple[int, str, str | None]:
    body: Any = caught.value.body
    return caught.value.status_code, body["code"], caught.value.response.headers.get("x-should-retry")


# Promise 1: no durable record, no call


def test_when_the_provider_is_called_the_call_is_already_in_the_database(on: Stage) -> None:
    found: list[list[str]] = []
    on.upstream.on_call = lambda: found.append(stored_kinds(on.settings.log_database))
    on.ask()
    assert found[0][-1] == "call.opened"
    assert "call.closed" not in found[0]


def failing(monkeypatch: pytest.MonkeyPatch, *kinds: str) -> None:
    """Let the ledger fail for units that append one of `kinds`."""
    real = Log.hand_over

    def hand_over(self: Log, unit: Any, **more: Any) -> Handed:
        if any(kind in repr(unit.run.__qualname__) + repr(getattr(unit.run, "__closure__", "")) for kind in kinds):
            failed = Handed()
            failed.set_exception(LedgerUnavailable("injected: disk full"))
            return failed
        return real(self, unit, **more)

    monkeypatch.setattr(Log, "hand_over", hand_over)


def test_when_the_ledger_cannot_record_the_call_is_refused_and_nothing_is_sent(
    on: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, "open_unit")
    with pytest.raises(openai.InternalServerError) as caught:
        on.ask()
    assert error_of(caught) == (503, "ledger_unavailable", "true")
    assert on.upstream.seen == []


# Promise 2: no durable outcome, no end


def test_a_whole_answer_leaves_after_its_close_is_durable(on: Stage) -> None:
    on.ask()
    assert stored_kinds(on.settings.log_database)[-1] == "call.closed"


def test_the_end_of_a_stream_is_held_until_its_close_is_durable(on: Stage) -> None:
    # The upstream pauses after the finish marker, so that one let through early arrives well before any close.
    on.upstream.answer = streaming(chunk({"content": "a"}), chunk({}, "stop"), USAGE, DONE, gap=0.5)
    kinds_before_end: list[str] = []
    stream = on.ask(stream=True)
    finish = None
    for part in stream:
        if part.choices and part.choices[0].finish_reason:
            finish = part.choices[0].finish_reason
            kinds_before_end = stored_kinds(on.settings.log_database)
    assert finish == "stop"
    assert kinds_before_end[-1] == "call.closed"


def test_what_comes_before_the_finish_marker_is_forwarded_live(on: Stage) -> None:
    on.upstream.answer = streaming(
        chunk({"content": "a"}), chunk({"content": "b"}), chunk({}, "stop"), USAGE, DONE, gap=0.3
    )
    stream = iter(on.ask(stream=True))
    next(stream)
    assert stored_kinds(on.settings.log_database)[-1] == "call.opened"
    list(stream)


def test_a_stream_is_forwarded_byte_for_byte_without_the_usage_nobody_asked_for(on: Stage) -> None:
    parts = [
        b": comment\n\n",
        chunk({"content": "gr\u00fc\u00df"}),
        event({"choices": [], "x-unknown": 1.5}),
        chunk({}, "stop"),
    ]
    on.upstream.answer = streaming(*parts, USAGE, DONE)
    assert raw(on, stream=True)[1] == b"".join(parts) + DONE
    assert raw(on, stream=True, stream_options={"include_usage": True})[1] == b"".join(parts) + USAGE + DONE
    assert on.upstream.seen[0]["body"]["stream_options"] == {"include_usage": True}


def raw(on: Stage, *, key: str = "agent", **more: Any) -> tuple[int, bytes, dict[str, str]]:
    """Send a call by a plain HTTP client; returns status, body and headers."""
    connection = http.client.HTTPConnection("127.0.0.1", on.port, timeout=20)
    body = {"model": "support", "messages": [{"role": "user", "content": "hi"}]} | more
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"authorization": f"Bearer {on.keys[key]}"})
    response = connection.getresponse()
    headers = {name.lower(): value for name, value in response.getheaders()}
    try:
        return response.status, response.read(), headers
    finally:
        connection.close()


def test_a_paid_answer_whose_close_cannot_be_committed_is_not_given_out(
    on: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, "close_unit")
    with pytest.raises(openai.InternalServerError) as caught:
        on.ask()
    assert error_of(caught) == (500, "outcome_not_recorded", "false")


def test_a_stream_whose_close_cannot_be_committed_never_ends_cleanly(
    on: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, "close_unit")
    with pytest.raises((http.client.IncompleteRead, http.client.RemoteDisconnected)) as caught:
        raw(on, stream=True)
    partial = caught.value.partial if isinstance(caught.value, http.client.IncompleteRead) else b""
    assert b"[DONE]" not in partial
    assert b'"finish_reason": "stop"' not in partial
    assert b"outcome_not_recorded" in partial


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (streaming(chunk({"content": "a"}), cut=True), "upstream_cut"),
        (streaming(chunk({"content": "a"})), "upstream_cut"),  # a clean end of bytes without a finish marker
        (streaming(chunk({"content": "a"}), event({"error": {"message": "x"}})), "upstream_cut"),
    ],
)
def test_a_broken_upstream_stream_closes_the_call_and_never_ends_cleanly(on: Stage, answer: Any, result: str) -> None:
    on.upstream.answer = answer
    with pytest.raises(http.client.IncompleteRead):
        raw(on, stream=True)
    (closed,) = on.settled("call.closed")
    assert closed.facts["result"] == result
    assert closed.facts["cost_state"] == "upper_bound"
    assert closed.facts["cost_nano_eur"] == on.entries("call.opened")[0].facts["reserved_nano_eur"]


def test_when_the_client_leaves_the_upstream_is_drained_and_real_usage_settles(on: Stage) -> None:
    on.upstream.answer = streaming(*[chunk({"content": "x"})] * 6, chunk({}, "stop"), USAGE, DONE, gap=0.1)
    stream = on.ask(stream=True)
    next(iter(stream))
    stream.close()
    (closed,) = on.settled("call.closed")
    assert (closed.facts["result"], closed.facts["cost_state"]) == ("client_gone", "provider_reported")
    assert closed.facts["usage"]["output_tokens"] == 5


def test_when_the_server_is_stopped_during_a_call_the_call_still_ends_on_record(tmp_path: Path) -> None:
    with stage(tmp_path / "home") as on:
        on.upstream.answer = streaming(*[chunk({"content": "x"})] * 100, gap=0.2)
        next(iter(on.ask(stream=True)))
        database = on.settings.log_database
    ends = [kind for kind in stored_kinds(database) if kind in ("call.closed", "call.interrupted")]
    assert len(ends) == 1


# Promise 3: a cap is a cap


def test_parallel_demand_of_ten_times_the_cap_never_overspends(tmp_path: Path) -> None:
    # One call reserves about 0.0003 EUR and settles at 0.0000269: about 149 fit, 1,490 are asked for
    with stage(tmp_path / "home", cap="0.004") as on:
        with ThreadPoolExecutor(24) as pool:
            outcomes = list(pool.map(lambda _: _try(on), range(1490)))
        (row,) = [value for key, value in on.budgets().items() if key.startswith("budget:route:")]
        spent = sum(entry.facts["cost_nano_eur"] for entry in on.entries("call.closed"))
        assert outcomes.count("ok") == len(on.upstream.seen)
        assert "budget_exceeded" in outcomes
        assert row == {"spent": spent, "reserved": 0}
        assert 3_600_000 <= spent <= 4_000_000  # between 90 and 100 % of the cap


@pytest.mark.parametrize(
    ("knobs", "key", "scope"),
    [({"workflow_cap": "0.0004"}, "agent", "workflow:prod:agent"), ({"key_cap": 400_000}, "small", "key:")],
)
def test_workflows_and_keys_have_caps_of_their_own(tmp_path: Path, knobs: dict[str, Any], key: str, scope: str) -> None:
    """A call reserves about 0.0003 EUR and settles at 0.0000269: a handful fit under 0.0004."""
    with stage(tmp_path / "home", **knobs) as on:
        outcomes = [_try(on, key) for _ in range(12)]
        assert outcomes.count("ok") >= 2
        assert outcomes[-1] == "budget_exceeded"
        (row,) = [value for name, value in on.budgets().items() if name.startswith(f"budget:{scope}")]
        assert row["spent"] <= 400_000
        assert _try(on, "quiet") == "ok"  # nobody else's cap


def _try(on: Stage, key: str = "agent") -> str:
    status, body, _ = raw(on, key=key, max_completion_tokens=15)
    return "ok" if status == 200 else str(json.loads(body)["error"]["code"])


def test_calls_in_flight_count_at_their_worst_case(tmp_path: Path) -> None:
    """Two reservations fit under the cap; five calls come at once, and no answer comes before all have been decided."""
    with stage(tmp_path / "home", cap="0.0007") as on:
        decided = threading.Event()

        async def wait(_request: Request, _body: dict[str, Any]) -> Response:
            await asyncio.to_thread(decided.wait, 20)
            return JSONResponse(completion())

        on.upstream.answer = wait
        with ThreadPoolExecutor(5) as pool:
            outcomes = [pool.submit(_try, on) for _ in range(5)]
            until = time.monotonic() + 10
            # Three refused says that all five were decided; the two that fit may still be on their way upstream.
            while sum(one.done() for one in outcomes) < 3 or len(on.upstream.seen) < 2:
                if time.monotonic() > until:
                    break
                time.sleep(0.01)
            decided.set()
            assert sorted(one.result() for one in outcomes) == ["budget_exceeded"] * 3 + ["ok"] * 2
        assert len(on.upstream.seen) == 2


def test_what_does_not_fit_is_refused_whole_with_the_arithmetic_on_record(tmp_path: Path) -> None:
    with stage(tmp_path / "home", cap="0.001") as on:
        with pytest.raises(openai.APIStatusError) as caught:
            on.ask(max_completion_tokens=10_000)
        assert error_of(caught) == (402, "budget_exceeded", "false")
        assert on.upstream.seen == []
        (refused,) = on.entries("call.refused")
        inputs = refused.facts["inputs"]
        assert inputs["spent"] + inputs["reserved"] + inputs["needed"] > inputs["cap"] == 1_000_000


def test_usage_above_the_reservation_is_charged_flagged_and_never_clipped(on: Stage) -> None:
    async def greedy(_request: Request, _body: dict[str, Any]) -> Response:
        return JSONResponse(completion(prompt=10, output=50_000))

    on.upstream.answer = greedy
    on.ask(max_completion_tokens=10)
    (closed,) = on.entries("call.closed")
    expected = Decimal(10 * 10**6 + 50_000 * 4 * 10**6) / Decimal(1000) / Decimal("1.1172")
    assert closed.facts["cost_nano_eur"] == int(expected.to_integral_value(rounding="ROUND_CEILING"))
    assert closed.facts["checks"][0]["id"] == "within-reservation"


def test_an_attempt_that_may_have_been_billed_stays_counted_at_its_worst_case(tmp_path: Path) -> None:
    with stage(tmp_path / "home", retries=1, timeout=0.3) as on:

        async def hang(_request: Request, _body: dict[str, Any]) -> Response:
            await asyncio.sleep(2)
            return JSONResponse(completion())

        on.upstream.answer = hang
        with pytest.raises(openai.InternalServerError) as caught:
            on.ask(max_completion_tokens=10)
        assert error_of(caught) == (504, "upstream_timeout", "false")
        (opened,), (closed,) = on.entries("call.opened"), on.entries("call.closed")
        attempts = len(on.upstream.seen)
        assert attempts == 4  # two targets, one retry each
        assert len(on.entries("call.extended")) == attempts - 1
        assert closed.facts["cost_nano_eur"] == attempts * opened.facts["reserved_nano_eur"]
        assert closed.facts["cost_state"] == "upper_bound"


def test_a_second_attempt_after_an_ambiguous_one_is_not_made_when_it_does_not_fit(tmp_path: Path) -> None:
    with stage(tmp_path / "home", retries=3, timeout=0.3, cap="0.0004") as on:

        async def hang(_request: Request, _body: dict[str, Any]) -> Response:
            await asyncio.sleep(1)
            return JSONResponse(completion())

        on.upstream.answer = hang
        with pytest.raises(openai.InternalServerError):
            on.ask(max_completion_tokens=1)
        spent = max(row["spent"] for key, row in on.budgets().items() if key.startswith("budget:route:"))
        assert 0 < spent <= 400_000
        assert len(on.upstream.seen) == 2
        assert len(on.upstream.seen) * on.entries("call.opened")[0].facts["reserved_nano_eur"] == spent


@pytest.mark.parametrize(
    "usage", [{"prompt_tokens": -1, "completion_tokens": 5}, {"prompt_tokens": "1"}, "many", None, {}]
)
def test_usage_that_is_missing_or_senseless_is_charged_at_worst_case_not_at_zero(on: Stage, usage: Any) -> None:
    async def answer(_request: Request, _body: dict[str, Any]) -> Response:
        return JSONResponse(completion() | {"usage": usage})

    on.upstream.answer = answer
    on.ask()
    (opened,), (closed,) = on.entries("call.opened"), on.entries("call.closed")
    assert closed.facts["cost_nano_eur"] == opened.facts["reserved_nano_eur"] > 0
    assert closed.facts["cost_state"] == "upper_bound"


def test_a_model_without_a_price_is_refused_with_the_line_to_write(on: Stage) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        on.ask("unpriced")
    assert error_of(caught)[1] == "no_target"
    assert "prices: {model-z: {input: .., output: ..}}" in caught.value.message


# Promises 4 and 5: the parts of the spine


def test_the_checkpoint_of_the_running_gateway_verifies_and_covers_the_calls(on: Stage) -> None:
    on.ask()
    on.installation.checkpointer.sign()
    signed = on.settings.head_file.read_bytes()
    head = checkpoint.verified(signed, [on.installation.signer.vkey])
    assert head.root == merkle.root([merkle.leaf_hash(data) for data in on.installation.reader.raw(0, head.size)])
    assert head.size == len(on.entries())


def test_no_personal_data_and_no_secret_stands_in_the_database_in_clear(on: Stage) -> None:
    on.client(
        x_whyledger_subject="anna.schmidt@example.eu", x_whyledger_task="ticket of Anna Schmidt"
    ).chat.completions.create(
        model="support", messages=[{"role": "user", "content": "my IBAN is DE89370400440532013000"}]
    )
    on.installation.checkpointer.sign()
    stored = b"".join(
        path.read_bytes() for path in on.settings.home.rglob("*") if path.is_file() and path.suffix != ".key"
    )
    for clear in (
        b"anna.schmidt",
        b"Anna Schmidt",
        b"DE8937",
        b"hello",
        b"victor",
        *(key.encode() for key in on.keys.values()),
    ):
        assert clear not in stored, clear


def test_a_workflow_that_keeps_no_contents_writes_no_commitment_either(on: Stage) -> None:
    on.ask(key="quiet")
    on.client("agent", x_whyledger_content="none").chat.completions.create(model="support", messages=[])
    for entry in on.entries("call.opened", "call.closed"):
        assert entry.c == {}
        assert on.installation.reader.contents(entry.seq) is None


# Promise 9: numbers are honest


def test_the_cost_of_a_call_is_what_its_row_rate_and_usage_give(on: Stage) -> None:
    answer = on.client().chat.completions.with_raw_response.create(
        model="support", messages=[{"role": "user", "content": "x"}]
    )
    (closed,) = on.entries("call.closed")
    facts = closed.facts
    usd = Decimal(facts["usage"]["input_tokens"]) * 1 / 10**6 + Decimal(facts["usage"]["output_tokens"]) * 4 / 10**6
    eur = (usd / Decimal("1.1172") * 10**9).to_integral_value(rounding="ROUND_CEILING")
    assert facts["cost_nano_eur"] == eur == int(Decimal(answer.headers["x-whyledger-cost-eur"]) * 10**9)
    assert facts["price"]["source"] == "configuration"
    assert facts["fx"]["date"] == "2026-10-30"


# Promise 10: everything outside the ledger is a projection


def test_dropping_and_rebuilding_the_projections_changes_nothing(on: Stage) -> None:
    on.ask(task="t:1")
    acts.stop(on.installation, on.person("ada"), acts.stop_scope(on.installation, task="t:2"), "test")
    acts.revoke_key(on.installation, on.person("ada"), on.keys["quiet"], "test")
    hold = threading.Event()

    async def slow(_request: Request, _body: dict[str, Any]) -> Response:
        await asyncio.to_thread(hold.wait, 10)
        return JSONResponse(completion())

    on.upstream.answer = slow
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(on.ask, task="t:3")  # an open call with a reservation
        while not on.upstream.seen[1:]:
            time.sleep(0.01)
        before = projections(on)
        rebuild_projections(on.installation)
        assert projections(on) == before
        assert any(key.startswith("call:") for key in before[0])
        assert any(brief for _, _, _, brief in before[1])
        hold.set()
        waiting.result()
    state, _ = replay(on.installation.reader)
    assert {key: row for key, row in state.items() if key.startswith("budget:")} == on.budgets()


def projections(on: Stage) -> tuple[dict[str, Any], list[Any]]:
    reader = on.installation.reader
    state = {key: row for key, row in reader.states("").items() if not key.startswith(("boot:", "checkpoint"))}
    with on.installation.engine.connect() as connection:
        refs = connection.exec_driver_sql("SELECT kind, value, seq, brief FROM ref ORDER BY kind, value, seq").all()
    return state, list(refs)


# Approval, stops, tools, keys: what admission decides


def test_an_unreleased_workflow_is_refused_in_prod_and_flagged_in_dev(on: Stage) -> None:
    with pytest.raises(openai.PermissionDeniedError) as caught:
        on.ask(key="fresh")
    assert error_of(caught) == (403, "workflow_not_released", "false")
    on.ask(key="fresh-dev")
    (opened,) = on.entries("call.opened")
    assert opened.facts["checks"] == [
        {"id": "workflow-released", "verdict": "flag", "reason": "not released", "inputs": {}}
    ]


def test_an_ungranted_tool_definition_is_denied_before_anything_is_sent(on: Stage) -> None:
    tool: Any = {"type": "function", "function": {"name": "delete_all", "parameters": {}}}
    with pytest.raises(openai.PermissionDeniedError) as caught:
        on.ask(tools=[tool])
    assert error_of(caught) == (403, "policy_denied", "false")
    assert on.upstream.seen == []
    (refused,) = on.entries("call.refused")
    assert refused.facts["inputs"]["rule"] == "granted-tools"


CALL: dict[str, Any] = {"id": "c1", "type": "function", "function": {"name": "delete_all", "arguments": "{}"}}


def test_an_ungranted_tool_call_in_an_answer_is_withheld_paid_for_and_on_record(on: Stage) -> None:
    async def answer(_request: Request, _body: dict[str, Any]) -> Response:
        return JSONResponse(completion("", tool_calls=[CALL]))

    on.upstream.answer = answer
    with pytest.raises(openai.PermissionDeniedError) as caught:
        on.ask()
    assert error_of(caught) == (403, "policy_denied", "false")
    (closed,) = on.entries("call.closed")
    assert closed.facts["result"] == "refused_answer"
    assert closed.facts["cost_nano_eur"] > 0
    assert closed.facts["tool_calls"] == [{"granted": False, "name": None, "c": "tool_call_0"}]


def test_an_ungranted_tool_call_in_a_stream_never_reaches_the_client(on: Stage) -> None:
    piece = {"tool_calls": [{"index": 0, **CALL}]}
    on.upstream.answer = streaming(chunk({"content": "ok "}), chunk(piece), chunk({}, "tool_calls"), USAGE, DONE)
    with pytest.raises(http.client.IncompleteRead) as caught:
        raw(on, stream=True)
    assert b"delete_all" not in caught.value.partial
    assert b"policy_denied" in caught.value.partial


@pytest.mark.parametrize(("pieces", "clean"), [(["loo", "kup"], True), (["loo", "ser"], False), (["loo"], False)])
def test_a_tool_name_in_pieces_is_held_until_it_is_known(on: Stage, pieces: list[str], clean: bool) -> None:
    parts = [chunk({"tool_calls": [{"index": 0, "function": {"name": piece, "arguments": ""}}]}) for piece in pieces]
    on.upstream.answer = streaming(chunk({"content": "ok"}), *parts, chunk({}, "tool_calls"), USAGE, DONE)
    if clean:
        assert b"".join(parts) in raw(on, stream=True)[1]
    else:
        with pytest.raises(http.client.IncompleteRead) as caught:
            raw(on, stream=True)
        assert b'"loo"' not in caught.value.partial


def test_a_granted_tool_call_is_logged_with_its_sealed_arguments(on: Stage) -> None:
    call = CALL | {"function": {"name": "lookup", "arguments": '{"id": 7}'}}

    async def answer(_request: Request, _body: dict[str, Any]) -> Response:
        return JSONResponse(completion("", tool_calls=[call]))

    on.upstream.answer = answer
    on.ask()
    (closed,) = on.entries("call.closed")
    (tool,) = closed.facts["tool_calls"]
    sealed = on.installation.reader.contents(closed.seq)
    assert sealed
    value = on.installation.vault.open(sealed, tool["c"], entry_id=closed.id, commitment=closed.c[tool["c"]])
    assert (tool["name"], value) == ("lookup", {"name": "lookup", "arguments": '{"id": 7}'})


def test_a_stop_refuses_every_later_call_of_its_scope_and_ends_running_streams(on: Stage) -> None:
    on.upstream.answer = streaming(*[chunk({"content": "x"})] * 40, chunk({}, "stop"), USAGE, DONE, gap=0.1)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(_swallow, on)
        while not on.upstream.seen:
            time.sleep(0.01)
        acts.stop(on.installation, on.person("ada"), acts.stop_scope(on.installation, task="loop"), "runs away")
        seen = len(on.upstream.seen)
        with pytest.raises(openai.PermissionDeniedError) as caught:
            on.ask(task="loop")
        assert error_of(caught) == (403, "stopped", "false")
        assert len(on.upstream.seen) == seen
        running.result(timeout=10)
    assert on.settled("call.closed")[0].facts["result"] == "stopped"
    on.upstream.answer = None
    on.ask(task="another")


def _swallow(on: Stage) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011 - which error the SDK raises for a broken stream varies
        list(on.ask(stream=True, task="loop"))


def test_a_revoked_key_is_refused_at_once_and_writes_at_most_ten_entries_a_minute(on: Stage) -> None:
    on.ask()
    acts.revoke_key(on.installation, on.person("ada"), on.keys["agent"], "leaked")
    for _ in range(14):
        with pytest.raises(openai.AuthenticationError) as caught:
            on.ask()
        assert error_of(caught) == (401, "key_revoked", "false")
    assert len(on.upstream.seen) == 1
    assert len(on.entries("call.refused")) <= 11  # ten, and the one that the opening transaction itself refused


def test_unknown_keys_are_counted_in_one_entry_not_recorded_one_by_one(tmp_path: Path) -> None:
    with stage(tmp_path / "home") as on:
        on.keys["wrong"] = "wl_prod_guess"
        for _ in range(5):
            with pytest.raises(openai.AuthenticationError):
                on.ask(key="wrong")
        assert on.entries("call.refused") == []
        database = on.settings.log_database
    connection = sqlite3.connect(database)
    entries = [json.loads(row[0]) for row in connection.execute("SELECT bytes FROM entry")]
    connection.close()
    assert [entry["facts"]["count"] for entry in entries if entry["kind"] == "call.refused"] == [5]


def test_a_runaway_task_is_refused_after_its_calls_are_used_up(tmp_path: Path) -> None:
    with stage(tmp_path / "home", max_calls=3) as on:
        for number in range(3):
            on.ask(task="loop", text=f"call {number}")
        with pytest.raises(openai.PermissionDeniedError) as caught:
            on.ask(task="loop", text="one more")
        assert error_of(caught) == (403, "task_calls_exceeded", "false")
        on.ask(task="other")


def test_the_exact_cache_answers_equal_requests_at_no_cost_and_names_the_call_that_bought_them(on: Stage) -> None:
    first = on.client().chat.completions.with_raw_response.create(
        model="cached", messages=[{"role": "user", "content": "x"}]
    )
    again = on.client().chat.completions.with_raw_response.create(
        model="cached", messages=[{"role": "user", "content": "x"}]
    )
    assert (first.headers["x-whyledger-cache"], again.headers["x-whyledger-cache"]) == ("miss", "hit")
    assert first.content == again.content
    assert len(on.upstream.seen) == 1
    closed: Entry = on.entries("call.closed")[1]
    assert closed.facts["cached_from_ref"] == first.headers["x-whyledger-call"]
    assert closed.facts["cost_nano_eur"] == 0
    other = on.client("agent", x_whyledger_subject="another").chat.completions
    other.create(model="cached", messages=[{"role": "user", "content": "x"}])
    assert len(on.upstream.seen) == 2  # never another person's answer


def test_unknown_fields_pass_through_untouched(on: Stage) -> None:
    on.ask(extra_body={"x_vendor": {"deep": [1, 2.5, None]}, "temperature": 0.3}, max_completion_tokens=7)
    body = on.upstream.seen[0]["body"]
    assert body["x_vendor"] == {"deep": [1, 2.5, None]}
    assert (body["temperature"], body["max_completion_tokens"], body["model"]) == (0.3, 7, "model-a")
    assert on.keys["agent"] not in json.dumps(on.upstream.seen[0]["headers"])


def test_a_new_configuration_holds_for_the_next_call(on: Stage) -> None:
    on.ask()
    text = on.installation.vault.text(on.entries("call.opened")[0].refs["config"]) or ""
    digest = acts.activate(on.installation, on.person("ada"), text.replace("cap", "cap") + "\n# second\n", "a comment")
    on.ask()
    assert on.entries("call.opened")[-1].refs["config"] == digest


def test_each_stage_of_a_call_is_timed(on: Stage) -> None:
    on.ask()
    shown = on.gateway.metrics.exposition().decode()
    for stage_name in ("decide", "open", "attempt", "relay", "close"):
        assert f'whyledger_stage_seconds_count{{stage="{stage_name}"}} 1.0' in shown
    _, _, headers = raw(on)
    assert float(headers["x-whyledger-overhead-ms"]) > 0
