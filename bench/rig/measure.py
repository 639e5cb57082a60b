"""One peer, once: start it, wait for its first right answer, load it, weigh it, end it."""

import json
import os
import pwd
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.request
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.rig import home, load, streams
from bench.rig.processes import (
    GATEWAY_CPU,
    LOAD_CPU,
    Postgres,
    cpu_seconds,
    fsync_ms,
    memory_mib,
    start,
    stop,
)
from gateway.demo.world import free_port

ROOT = Path(__file__).parents[2]
CHAT = "/v1/chat/completions"
OTHERS = {"responses": "/v1/responses", "messages": "/v1/messages"}
START_SECONDS = 90.0
SETTLE_SECONDS = 1.5
Peer = dict[str, Any]


class PeerFailed(Exception):
    """A peer did not start, or did not answer as it must."""


@dataclass(slots=True)
class Site:
    """What all peers of a run share."""

    peers_folder: Path
    folder: Path
    mock_port: int = 0
    postgres: Postgres | None = None

    def start_mock(self) -> None:
        self.mock_port = free_port()
        command = [str(load.BUILT / "mock_upstream"), str(self.mock_port)]
        for name, events in (("responses", streams.responses()), ("messages", streams.messages())):
            (self.folder / name).write_bytes(streams.typed(events))
            command += [OTHERS[name], str(self.folder / name)]
        start(command, LOAD_CPU, subprocess.DEVNULL)
        time.sleep(0.3)

    def names(self) -> dict[str, str]:
        return {
            "PEERS": str(self.peers_folder),
            "BIN": str(Path(sys.executable).parent),
            "ROOT": str(ROOT),
            "MOCK_PORT": str(self.mock_port),
            "USER": pwd.getpwuid(os.getuid()).pw_name,
        }

    def mock_calls(self) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.mock_port}/stats") as answer:
            return int(json.load(answer)["requests"])

    def start_postgres(self) -> str:
        """Start a fresh server for one measurement and return the URL of its database."""
        self.postgres = Postgres(Path(tempfile.mkdtemp(dir=self.folder)))
        return self.postgres.database("bench")

    def stop_postgres(self) -> None:
        if self.postgres:
            stop(self.postgres.process, signal.SIGINT)
            self.postgres = None


@dataclass(slots=True)
class Running:
    """A peer that answers."""

    url: str
    headers: Sequence[str]
    folder: Path
    process: "subprocess.Popen[bytes] | None" = None
    keys: Mapping[str, str] = field(default_factory=dict)
    vkey: str = ""
    figures: dict[str, Any] = field(default_factory=dict)


def listed() -> dict[str, Peer]:
    return tomllib.loads((load.HERE / "peers.toml").read_text("utf-8"))


def fill(text: str, names: Mapping[str, str]) -> str:
    for name, value in names.items():
        text = text.replace("{" + name + "}", value)
    return text


def missing(peer: Peer, site: Site) -> str | None:
    """What to do before this peer can be measured, or None."""
    names = site.names()
    needs = [fill(one, names) for one in peer.get("needs", [])]
    if absent := [one for one in needs if not shutil.which(one) and not Path(one).exists()]:
        return f"{absent[0]} is missing: {fill(peer['install'], names)}"
    if peer.get("postgres") and Postgres.programs() is None:
        return "PostgreSQL is missing: apt-get install postgresql"
    return None


def version(peer: Peer, site: Site) -> str:
    """The versions the peer itself names."""
    if "version" not in peer:
        return "mock_upstream, no gateway between"
    asked = [fill(word, site.names()) for word in peer["version"]]
    ended = subprocess.run(asked, capture_output=True, text=True, check=False)
    told = (ended.stdout.strip() or ended.stderr.strip()).splitlines()[-1]
    return f"{told}, {Postgres.version()}" if peer.get("postgres") else told


def begin(name: str, peer: Peer, site: Site) -> Running:
    """Start a peer and wait for its first answer.

    Raises:
        PeerFailed: it ended, or did not answer in time, or not as the mock did.
    """
    folder = Path(tempfile.mkdtemp(dir=site.folder, prefix=f"{name}-"))
    if "command" not in peer:
        return Running(f"http://127.0.0.1:{site.mock_port}{CHAT}", [], folder)
    port = free_port()
    names = {"PORT": str(port), "ADMIN_PORT": str(free_port()), "TMP": str(folder), **site.names()}
    if peer.get("postgres"):
        names["DSN"] = site.start_postgres()
    environment = {key: fill(value, names) for key, value in peer.get("env", {}).items()}
    keys, vkey = {}, ""
    if peer.get("product"):
        keys, vkey = home.prepare(folder / "home", site.mock_port, environment)
        names["KEY"] = keys["full"]
    for file in peer.get("render", []):
        (folder / file).write_text(fill((load.HERE / file).read_text("utf-8"), names), "utf-8")
    headers = [fill(one, names) for one in peer.get("headers", [])]
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("WHYLEDGER_")}
    running = Running(f"http://127.0.0.1:{port}{CHAT}", headers, folder, keys=keys, vkey=vkey)
    started = time.perf_counter()
    with (folder / "log").open("wb") as log:
        command = [fill(word, names) for word in peer["command"]]
        running.process = start(command, GATEWAY_CPU, log, env={**inherited, **environment}, cwd=folder)
    _first_answer(running, started)
    return running


def _first_answer(running: Running, started: float) -> None:
    assert running.process is not None
    headers = dict(one.split(": ", 1) for one in running.headers) | {"content-type": "application/json"}
    request = urllib.request.Request(running.url, load.chat_body(load.MODEL), headers)
    while True:
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                answer = json.load(response)
            break
        except (OSError, ValueError) as error:
            if time.perf_counter() - started > START_SECONDS or running.process.poll() is not None:
                told = getattr(error, "read", lambda: b"")()[:300]
                log = (running.folder / "log").read_text("utf-8", "replace")[-600:]
                stop(running.process)
                raise PeerFailed(f"{error!r} {told!r} log: {log}") from error
            time.sleep(0.02)
    running.figures["start_s"] = time.perf_counter() - started
    text = answer["choices"][0]["message"]["content"]
    if not text.startswith("The failure comes") or answer["usage"]["total_tokens"] != 435:
        stop(running.process)
        raise PeerFailed(f"not the answer of the mock: {answer}")


def measure(name: str, peer: Peer, site: Site, chosen: Namespace) -> dict[str, Any]:
    """All figures of one peer in one round."""
    try:
        return _measured(begin(name, peer, site), peer, site, chosen)
    except PeerFailed as failure:
        return {"failed": str(failure)}
    finally:
        site.stop_postgres()


def _measured(running: Running, peer: Peer, site: Site, chosen: Namespace) -> dict[str, Any]:
    figures, process, most = running.figures, running.process, chosen.connections[-1]
    if process:
        time.sleep(SETTLE_SECONDS)
        figures["pss_idle"] = memory_mib(process.pid)[1]
    probes = [fsync_ms(running.folder)] if peer.get("durable") else []
    warm = load.chat_body(load.MODEL)
    load.whole(running.url, warm, running.headers, connections=min(16, most), seconds=chosen.warm)
    for point, connections, pace in _points(chosen.connections):
        figures[point] = whole(running, site, load.chat_body(load.MODEL + pace), connections, chosen.seconds)
    figures |= _streams(running, slow=bool(peer.get("slow")))
    if peer.get("product") or not process:
        figures |= _other_formats(running)
    if process:
        figures["pss_load"] = memory_mib(process.pid)[1]
        stop(process, patience=30 if peer.get("product") else 8)
    if probes:
        figures["fsync"] = [*probes, fsync_ms(running.folder)]
        figures["fsync_ms"] = statistics.mean(figures["fsync"])
    shutil.rmtree(running.folder, ignore_errors=True)
    return figures


def _points(connections: Sequence[int]) -> list[tuple[str, int, str]]:
    return [*((f"c{count}", count, "") for count in connections), ("slow60", connections[-1], "-lat60")]


def whole(running: Running, site: Site, body: bytes, connections: int, seconds: float) -> dict[str, Any]:
    watched = {"cpu_us": running.process, "postgres_us": site.postgres.process if site.postgres else None}
    before = {key: cpu_seconds(one.pid) for key, one in watched.items() if one}
    seen = site.mock_calls()
    found = load.whole(running.url, body, running.headers, connections=connections, seconds=seconds)
    calls = max(1, found["requests"])
    found["upstream_per_call"] = (site.mock_calls() - seen) / calls
    for key, one in watched.items():
        if one:
            found[key] = (cpu_seconds(one.pid) - before[key]) / calls * 1e6
    return found


def _streams(running: Running, *, slow: bool) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for point, pace, connections, total in (
        ("sse1", "-gap2", 1, 40),
        ("sse16", "-gap5", 16, 160 if slow else 320),
        ("sse_max", "", 16, 200 if slow else 1500),
    ):
        body = load.chat_body(load.MODEL + pace, stream=True)
        figures[point] = streamed(running, running.url, body, connections, total)
    return figures


def _other_formats(running: Running) -> dict[str, Any]:
    """Streams without a gap in the other formats that the mock has."""
    at = running.url.removesuffix(CHAT)
    return {
        name: streamed(running, at + path, load.body_of(name), 16, 1500)
        for name, path in OTHERS.items()
    }  # fmt: skip


def streamed(running: Running, url: str, body: bytes, connections: int, total: int) -> dict[str, Any]:
    for count in (5 if connections == 1 else 16, total):  # the first is the warm-up
        before = cpu_seconds(running.process.pid) if running.process else 0.0
        found = load.streams(url, body, running.headers, connections=connections, total=count)
        if running.process:
            found["cpu_us"] = (cpu_seconds(running.process.pid) - before) / count * 1e6
    return found
