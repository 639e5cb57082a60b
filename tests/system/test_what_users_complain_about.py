"""What users of other gateways complain about, as far as no other test holds it. docs/design/complaints.md names all."""

import gc
import hashlib
import http.client
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest
from stage import Stage, completion, stage
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.oversight import acts
from gateway.pipeline.relay import Relay

HEAVY = {"httpx2", "numpy", "openai", "psycopg", "pyhanko", "tokenizers", "weasyprint"}
HOSTILE = ("' OR '1'='1", "x'; DROP TABLE entries; --", '"; SELECT pg_sleep(5); --', "../../etc/passwd", "$(id)")


def post(on: Stage, key: str, path: str = "/v1/chat/completions", **headers: str) -> tuple[int, str]:
    """Send a call by a plain HTTP client; returns status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", on.port, timeout=20)
    body = json.dumps({"model": "support", "messages": [{"role": "user", "content": "hi"}]})
    connection.request("POST", path, body, {"authorization": f"Bearer {key}"} | headers)
    response = connection.getresponse()
    try:
        return response.status, response.read().decode()
    finally:
        connection.close()


def capped(on: Stage, old: str, new: str) -> None:
    text = on.installation.vault.text(on.entries("config.activated")[-1].refs["config"]) or ""
    changed = text.replace(f"max_budget_daily: {old}}}\n", f"max_budget_daily: {new}}}\n", 1)
    assert changed != text
    acts.activate(on.installation, on.person("ada"), changed, "the cap of the route")


def test_a_cap_that_is_edited_in_the_middle_of_a_day_counts_at_once_against_what_was_spent(tmp_path: Path) -> None:
    with stage(tmp_path / "home", cap="10") as on:
        for _ in range(3):
            on.ask()
        spent = sum(one.facts["cost_nano_eur"] for one in on.entries("call.closed"))
        capped(on, "10", f"0.{spent:09d}")
        with pytest.raises(openai.APIStatusError, match="daily cap of route support"):
            on.ask()
        capped(on, f"0.{spent:09d}", "10")
        on.ask()
        assert len(on.upstream.seen) == 4


def test_a_retry_and_a_fallback_reserve_once_where_nothing_was_billed(tmp_path: Path) -> None:
    """One call reserves about 0.0003 EUR: a second reservation would not fit under the cap."""
    tried = []

    async def answer(_request: Request, body: dict[str, Any]) -> Response:
        tried.append(body["model"])
        return JSONResponse(
            completion() if len(tried) == 4 else {"error": {"message": "busy"}}, 200 if len(tried) == 4 else 503
        )

    with stage(tmp_path / "home", cap="0.0005", retries=2) as on:
        on.upstream.answer = answer
        assert on.ask(max_completion_tokens=15).choices[0].message.content == "hello"
        assert tried == ["model-a"] * 3 + ["model-b"]
        assert all(row["reserved"] == 0 for row in on.budgets().values())


def test_a_fallback_costs_what_the_model_costs_that_answered(tmp_path: Path) -> None:
    async def answer(_request: Request, body: dict[str, Any]) -> Response:
        return (
            JSONResponse(completion() | {"model": "model-b"}) if body["model"] == "model-b" else JSONResponse({}, 500)
        )

    with stage(tmp_path / "home") as on:
        on.ask()
        on.upstream.answer = answer
        on.ask()
        first, second = on.entries("call.closed")
        assert [one["model"] for one in second.facts["attempts"] if one["outcome"] == "answered"] == ["model-b"]
        assert abs(second.facts["cost_nano_eur"] - 2 * first.facts["cost_nano_eur"]) <= 1  # prices are twice as high


def test_an_answer_of_no_tokens_is_reported_and_not_missing(tmp_path: Path) -> None:
    async def answer(_request: Request, _body: dict[str, Any]) -> Response:
        return JSONResponse(completion("", output=0))

    with stage(tmp_path / "home") as on:
        on.upstream.answer = answer
        on.ask()
        (closed,) = on.entries("call.closed")
        assert (closed.facts["usage"]["output_tokens"], closed.facts["cost_state"]) == (0, "provider_reported")


@pytest.mark.parametrize("stream", [False, True])
def test_no_two_callers_share_a_cached_answer_unless_all_that_they_say_is_the_same(
    tmp_path: Path, stream: bool
) -> None:
    with stage(tmp_path / "home") as on:
        ada, ben = (on.client("agent", x_whyledger_subject=one) for one in ("ada", "ben"))
        said = [
            (ada, "May I see my bill?", {}),
            (ben, "May I see my bill?", {}),
            (ada, "May I see my bills?", {}),
            (ada, "May I see my bill?", {"temperature": 0.1}),
            (ada, "May I see my bill?", {"seed": 7}),
        ]
        for asks in range(2):
            for client, text, more in said:
                answer = client.chat.completions.create(
                    model="cached", messages=[{"role": "user", "content": text}], stream=stream, **more
                )  # type: ignore[call-overload]
                list(answer)
            assert len(on.upstream.seen) == len(said), f"after {asks + 1} turns"


def test_a_key_is_known_by_all_of_it_and_what_is_stored_of_it_opens_nothing(tmp_path: Path) -> None:
    with stage(tmp_path / "home") as on:
        key = on.keys["agent"]
        others = [key[:20] + "x" * (len(key) - 20), key[:-1], key + "x", key.upper(), key.swapcase()]
        others += [hashlib.sha256(key.encode()).hexdigest(), *on.installation.reader.states("key:")]
        others += [name.partition(":")[2] for name in on.installation.reader.states("key:")]
        for other in others:
            assert post(on, other)[0] == 401, other
        assert post(on, key)[0] == 200
        assert len(on.upstream.seen) == 1


def test_what_looks_like_a_command_or_a_query_is_text_wherever_it_stands(tmp_path: Path) -> None:
    with stage(tmp_path / "home") as on:
        before = len(on.entries())
        for text in HOSTILE:
            assert post(on, text)[0] == 401
            status, _ = post(on, on.keys["agent"], **{"x-whyledger-task": text, "x-whyledger-subject": text})
            assert status == 200, text
            with pytest.raises(openai.NotFoundError):
                on.client().models.retrieve(text)
            with pytest.raises(openai.APIStatusError):
                on.ask(text)
        assert len(on.entries("call.closed")) == len(HOSTILE)
        assert len(on.entries()) > before


def test_a_host_header_of_anybody_changes_nothing_that_is_given_out(tmp_path: Path) -> None:
    with stage(tmp_path / "home") as on:
        for path in ("/v1/chat/completions", "/v1/nowhere", "/api/v1/why/x", "/"):
            assert "elsewhere.example" not in post(on, on.keys["agent"], path, host="elsewhere.example")[1]


def test_calls_that_ended_leave_nothing_of_theirs_in_memory(tmp_path: Path) -> None:
    with stage(tmp_path / "home", max_calls=1000) as on:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: on.ask(stream=number % 2 == 0, text=f"{number}"), range(60)))
        on.settled("call.closed", 60)
        on.ask()
        gc.collect()
        assert sum(isinstance(one, Relay) for one in gc.get_objects()) <= 1


def test_command_line_and_gateway_load_no_heavy_library_before_it_is_needed() -> None:
    code = "import sys, gateway.cli, gateway.app; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not HEAVY & set(loaded)
