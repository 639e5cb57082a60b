"""Several real server processes on one ledger, a sandbox provider with its own bill, callers, and what must hold after
any number of kills. Used by the tests and by `bench/crash.py`."""

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from environment import ROOT, require_sound_log
from stage import prepare

from gateway.demo.world import _end, _start, _until_answers, free_port
from gateway.settings import Settings
from gateway.store.installation import opened
from ledger.entry import Entry, decode

KILLER = Path(__file__).with_name("killer.py")


@dataclass
class Cluster:
    """Server processes on one home, each with a port of its own."""

    settings: Settings
    keys: dict[str, str]
    tokens: dict[str, str]
    environment: dict[str, str]
    sandbox: str
    """Host and port of the provider."""
    servers: "dict[int, subprocess.Popen[bytes]]" = field(default_factory=dict)

    def start(self, port: int | None = None, *, program: Sequence[str] = ("-m", "gateway"), wait: bool = True) -> int:
        """Start a server process; returns its port."""
        port = port or free_port()
        arguments = ["--home", str(self.settings.home), "serve", "--port", str(port), "--admin-port", str(free_port())]
        environment = os.environ | self.environment | {"PYTHONPATH": str(ROOT)}
        self.servers[port] = _start([sys.executable, *program, *arguments], environment)
        if wait:
            self.until_ready(port)
        return port

    def until_ready(self, port: int) -> None:
        _until_answers(f"http://127.0.0.1:{port}/readyz", [self.servers[port]])

    def kill(self, port: int) -> None:
        self.servers[port].send_signal(signal.SIGKILL)
        self.servers[port].wait()

    def end(self) -> None:
        for server in self.servers.values():
            _end(server)

    def call(self, port: int, **more: Any) -> tuple[int, str | None, bytes]:
        """Send a call; returns the status, our call id and the body. A stream without its end raises."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        body = {"model": "support", "messages": [{"role": "user", "content": f"hi {random.random()}"}]}
        body["max_completion_tokens"] = 30
        headers = {"authorization": f"Bearer {self.keys['agent']}", "x-whyledger-subject": f"person {random.random()}"}
        try:
            connection.request("POST", "/v1/chat/completions", json.dumps(body | more), headers)
            response = connection.getresponse()
            return response.status, response.headers.get("x-whyledger-call"), response.read()
        finally:
            connection.close()

    def bill(self) -> dict[str, Any]:
        """Return the provider's own bill."""
        return self._sandbox("GET", "/sandbox/bill")

    def behave(self, **order: Any) -> None:
        self._sandbox("POST", "/sandbox/behaviour", order)

    def _sandbox(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection(self.sandbox, timeout=30)
        try:
            connection.request(method, path, json.dumps(body) if body else None)
            found: dict[str, Any] = json.load(connection.getresponse())
            return found
        finally:
            connection.close()

    def entries(self) -> list[Entry]:
        with opened(self.settings) as installation:
            return [decode(data) for data in installation.reader.raw(0, installation.reader.head().size)]

    def until_all_ended(self) -> list[Entry]:
        """Wait until every opened call has an end; a server must run, to sweep what dead ones left."""
        until = time.monotonic() + 60
        while True:
            found = self.entries()
            calls = {entry.call for entry in found if entry.kind == "call.opened"}
            ends = {entry.call for entry in found if entry.kind in ("call.closed", "call.interrupted")}
            if calls == ends or time.monotonic() > until:
                return found
            time.sleep(0.5)


def whyledger(on: Cluster, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command on the home of a cluster; returns what it said and its exit code."""
    command = [sys.executable, "-m", "gateway", "--home", str(on.settings.home), *arguments]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ | on.environment
    )


@contextmanager
def cluster(folder: Path, environment: dict[str, str] | None = None, **knobs: Any) -> Iterator[Cluster]:
    """Prepare an installation whose provider is a sandbox process; servers are started by the test."""
    port = free_port()
    settings, keys, tokens = prepare(folder / "home", port=port, environment=environment, **knobs)
    sandbox = _start([sys.executable, "-m", "gateway.sandbox", str(port)], os.environ | {"PYTHONPATH": str(ROOT)})
    made = Cluster(settings, keys, tokens, environment or {}, f"127.0.0.1:{port}")
    try:
        _until_answers(f"http://127.0.0.1:{port}/sandbox/bill", [sandbox])
        yield made
    finally:
        made.end()
        _end(sandbox)


@dataclass
class Load:
    """Callers that send calls to the servers until told to stop, and remember what was acknowledged."""

    on: Cluster
    ports: list[int]
    acknowledged: list[str] = field(default_factory=list)
    statuses: "Counter[str]" = field(default_factory=Counter)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self, number: int) -> None:
        rng = random.Random(number)
        while not self._stop.is_set():
            try:
                status, call, body = self.on.call(rng.choice(self.ports), stream=rng.random() < 0.3)
            except (OSError, http.client.HTTPException):
                self.statuses["broken"] += 1
                time.sleep(0.02)
                continue
            self.statuses[str(status)] += 1
            if status == 200 and call and (b"[DONE]" in body or b'"usage"' in body):
                self.acknowledged.append(call)

    @contextmanager
    def running(self, callers: int) -> Iterator["Load"]:
        threads = [threading.Thread(target=self.run, args=(number,)) for number in range(callers)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(timeout=60)


def kill_at_random(on: Cluster, kills: int, *, processes: int = 4, seed: int = 7) -> Load:
    """Run `processes` servers under load, kill one at a random moment and start it again, `kills` times."""
    rng = random.Random(seed)
    ports = [on.start(wait=False) for _ in range(processes)]
    for port in ports:
        on.until_ready(port)
    load = Load(on, ports)
    with load.running(callers=8):
        for _ in range(kills):
            time.sleep(rng.uniform(0.02, 0.5))
            victim = rng.choice(ports)
            on.kill(victim)
            on.start(victim, wait=False)
        for port in ports:
            on.until_ready(port)
        time.sleep(0.5)
    return load


def require_sound(on: Cluster, acknowledged: Collection[str], *, cap: int) -> "Counter[str]":
    """Check what must hold after kills; returns how many entries there are of each kind."""
    on.until_all_ended()
    on.end()
    found = require_sound_log(on.settings, acknowledged)
    kinds = Counter(entry.kind for entry in found)
    left = {entry.facts["boot"] for entry in found if entry.kind == "gateway.stopped"}
    cut = {entry.facts["boot"] for entry in found if entry.kind == "call.interrupted"}
    assert not left & cut, "the calls of a process that lived on were interrupted"
    bill = on.bill()
    assert bill["calls"] <= kinds["call.opened"] + kinds["call.extended"], "a provider call without an entry"
    billed = sum(-(-line["pico_usd"] * 10_000 // (11_172 * 1000)) for line in bill["lines"])  # the stage's rate
    with opened(on.settings) as installation:
        spent = [row["spent"] for row in installation.reader.states("budget:route:").values()]
    assert max(spent) <= cap, "a cap was passed"
    assert billed <= sum(spent), "the provider bills more than is on record"
    return kinds
