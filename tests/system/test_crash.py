"""SIGKILL the real server process, again and again: nothing acknowledged is lost, nothing is double, nothing overspends.

SIGKILL does not test the disk's flush; the settings of the connection are held in tests/ledger/test_log.py.
"""

import contextlib
import http.client
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from stage import Upstream, chunk, completion, free_port, listening, prepare, streaming
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.demo.world import _until_answers, serve
from gateway.settings import Settings
from gateway.store.installation import opened
from gateway.store.rebuild import replay
from ledger.entry import Entry, decode


class Killed:
    """A server process on a home of its own that a test kills and starts again."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.port = settings, free_port()
        self.start()

    def start(self) -> None:
        self.process = serve(self.settings, self.port, os.environ)
        _until_answers(f"http://127.0.0.1:{self.port}/readyz", [self.process])

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)

    def call(self, key: str, **more: Any) -> tuple[int, str | None]:
        """Send a call; returns the status and our call id."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        body = {"model": "support", "messages": [{"role": "user", "content": "hi"}], "max_completion_tokens": 10} | more
        try:
            connection.request("POST", "/v1/chat/completions", json.dumps(body), {"authorization": f"Bearer {key}"})
            response = connection.getresponse()
            response.read()
            return response.status, response.headers.get("x-whyledger-call")
        finally:
            connection.close()


def entries_of(settings: Settings) -> list[Entry]:
    with opened(settings) as installation:
        return [decode(data) for data in installation.reader.raw(0, installation.reader.head().size)]


def ended(settings: Settings, deadline: float = 20.0) -> list[Entry]:
    """Wait until every opened call has an end."""
    until = time.monotonic() + deadline
    while True:
        found = entries_of(settings)
        opened_calls = {entry.call for entry in found if entry.kind == "call.opened"}
        ends = {entry.call for entry in found if entry.kind in ("call.closed", "call.interrupted")}
        if opened_calls == ends or time.monotonic() > until:
            return found
        time.sleep(0.3)


@pytest.fixture
def upstream_port() -> int:
    return free_port()


def test_a_call_cut_by_sigkill_is_interrupted_once_at_its_worst_case(tmp_path: Path, upstream_port: int) -> None:
    settings, keys, _ = prepare(tmp_path / "home", port=upstream_port)
    upstream = Upstream(answer=streaming(*[chunk({"content": "x"})] * 200, gap=0.1))
    app = Starlette(routes=[Route("/v1/chat/completions", upstream.endpoint, methods=["POST"])])
    with listening(app, upstream_port):
        server = Killed(settings)
        caller = threading.Thread(target=_ignoring, args=(server, keys["agent"]), kwargs={"stream": True})
        caller.start()
        while not upstream.seen:
            time.sleep(0.01)
        server.kill()
        caller.join(timeout=20)
        server.start()
        found = ended(settings)
        server.end()
    (interrupted,) = [entry for entry in found if entry.kind == "call.interrupted"]
    (call,) = [entry for entry in found if entry.kind == "call.opened"]
    assert interrupted.call == call.call
    assert interrupted.facts["cost_nano_eur"] == call.facts["reserved_nano_eur"] > 0
    assert interrupted.facts["cost_state"] == "upper_bound"
    with opened(settings) as installation:
        budgets = installation.reader.states("budget:")
        assert all(row == {"spent": call.facts["reserved_nano_eur"], "reserved": 0} for row in budgets.values())


def _ignoring(server: Killed, key: str, **more: Any) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        server.call(key, **more)


def test_a_live_process_keeps_its_calls_while_a_sibling_starts_and_stops(tmp_path: Path, upstream_port: int) -> None:
    settings, keys, _ = prepare(tmp_path / "home", port=upstream_port)
    release = threading.Event()

    async def slow(_request: Request, _body: dict[str, Any]) -> Response:
        import asyncio

        await asyncio.to_thread(release.wait, 20)
        return JSONResponse(completion())

    upstream = Upstream(answer=slow)
    app = Starlette(routes=[Route("/v1/chat/completions", upstream.endpoint, methods=["POST"])])
    results: list[tuple[int, str | None]] = []
    with listening(app, upstream_port):
        first = Killed(settings)
        caller = threading.Thread(target=lambda: results.append(first.call(keys["agent"])))
        caller.start()
        while not upstream.seen:
            time.sleep(0.01)
        sibling = Killed(settings)
        time.sleep(2.5)  # past a sweep of the sibling
        sibling.kill()
        release.set()
        caller.join(timeout=20)
        first.end()
    assert results[0][0] == 200
    kinds = Counter(entry.kind for entry in entries_of(settings))
    assert (kinds["call.closed"], kinds["call.interrupted"]) == (1, 0)


def test_random_kills_under_load_lose_nothing_double_nothing_and_overspend_nothing(
    tmp_path: Path, upstream_port: int
) -> None:
    settings, keys, _ = prepare(tmp_path / "home", port=upstream_port, cap="0.02", retries=1)
    upstream = Upstream()
    app = Starlette(routes=[Route("/v1/chat/completions", upstream.endpoint, methods=["POST"])])
    acknowledged: list[str] = []
    stop = threading.Event()
    rng = random.Random(7)
    with listening(app, upstream_port):
        server = Killed(settings)

        def load() -> None:
            while not stop.is_set():
                try:
                    status, call = server.call(keys["agent"], stream=rng.random() < 0.3)
                except (OSError, http.client.HTTPException):
                    time.sleep(0.05)
                    continue
                if status == 200 and call:
                    acknowledged.append(call)

        callers = [threading.Thread(target=load) for _ in range(6)]
        for caller in callers:
            caller.start()
        for _ in range(5):
            time.sleep(rng.uniform(0.2, 0.9))
            server.kill()
            server.start()
        time.sleep(0.5)
        stop.set()
        for caller in callers:
            caller.join(timeout=20)
        found = ended(settings)
        server.end()
    by_kind = {kind: [entry.call for entry in found if entry.kind == kind] for kind in {entry.kind for entry in found}}
    ends = [*by_kind.get("call.closed", []), *by_kind.get("call.interrupted", [])]
    assert len(acknowledged) > 20
    assert set(acknowledged) <= set(by_kind["call.closed"])  # nothing acknowledged is lost
    assert len(ends) == len(set(ends))  # nothing ends twice
    assert sorted(ends) == sorted(by_kind["call.opened"])
    assert len(upstream.seen) <= len(by_kind["call.opened"]) + len(by_kind.get("call.extended", []))
    bill = sum(-(-(10 * 10**6 + 5 * 4 * 10**6) * 10_000 // (11_172 * 1000)) for _ in upstream.seen)
    with opened(settings) as installation:
        budgets = installation.reader.states("budget:")
        route = next(row for key, row in budgets.items() if key.startswith("budget:route:"))
        assert route["reserved"] == 0
        assert bill <= route["spent"] <= 20_000_000  # what the provider would bill is covered, and below the cap
        state, _ = replay(installation.reader)
        assert {key: row for key, row in state.items() if key.startswith("budget:")} == budgets
