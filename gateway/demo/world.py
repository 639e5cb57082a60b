"""The world the stories play in: a real server process, the sandbox provider, people with tokens, an SDK client."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import resources
from itertools import cycle
from pathlib import Path
from random import sample
from secrets import token_bytes
from typing import Any

from gateway.oversight import acts
from gateway.oversight.people import Actor, by_name
from gateway.settings import Settings, read_settings
from gateway.store.installation import make, opened

WORKFLOWS = ("support-agent", "invoice-bot", "booking-bot")
ORIGIN = "ledger.example/demo"
ADMIN, APPROVER, COMPLIANCE = "Ada Admin", "Otto Approver", "Clara Compliance"
START_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Where things are and who may do what."""

    settings: Settings
    base_url: str
    sandbox_url: str | None
    keys: Mapping[str, str]
    """Gateway keys: one of each workflow, and `revoked`."""
    tokens: Mapping[str, str]
    """Personal tokens by name."""
    vkey: str
    closing: ExitStack
    """Whatever the stories open, closed when the world ends."""

    def post(self, path: str, body: Any, *, person: str) -> Any:
        """POST to the own API as a person."""
        return call_json(f"{self.base_url}{path}", body, token=self.tokens[person])

    def get(self, path: str, *, person: str) -> bytes:
        """GET a page or an answer as a person."""
        request = urllib.request.Request(
            f"{self.base_url}{path}", headers={"authorization": f"Bearer {self.tokens[person]}"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return bytes(response.read())

    def behave(self, model: str, kind: str, **how: Any) -> None:
        """Tell the sandbox how the next calls of a model go."""
        call_json(f"{self.sandbox_url}/sandbox/behaviour", {"model": model, "kind": kind, **how})

    def bill(self) -> dict[str, Any]:
        """Return the sandbox's own bill."""
        with urllib.request.urlopen(f"{self.sandbox_url}/sandbox/bill", timeout=10) as response:
            found: dict[str, Any] = json.load(response)
            return found


def call_json(url: str, body: Any, *, token: str | None = None) -> Any:
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, data=json.dumps(body).encode(), headers=headers, method="POST")
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


_SERVED = cycle(sample(range(20_000, 32_000), 12_000))
"""Ports to serve on, each once a process: below those that kernels give to outgoing connections by default (Linux from
32,768, others from 49,152), so that no connection takes one between its choice and its use."""


def free_port() -> int:
    """Return a port that was free a moment ago and that no outgoing connection will take."""
    return next(port for port in _SERVED if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def found(settings: Settings, config: str) -> tuple[dict[str, str], dict[str, str], str]:
    """Make an installation with people, an active configuration, a released workflow and keys."""
    make(settings, ORIGIN, "Demo GmbH", {"root": token_bytes(32), "log": token_bytes(32)})
    with opened(settings) as installation:
        acts.bind_signer(installation)
        tokens = {ADMIN: acts.enrol(installation, None, ADMIN, ["admin", "engineer"])}
        admin = by_name(installation, ADMIN, tokens[ADMIN])
        tokens[APPROVER] = acts.enrol(installation, admin, APPROVER, ["approver"])
        tokens[COMPLIANCE] = acts.enrol(installation, admin, COMPLIANCE, ["compliance"])
        acts.activate(installation, admin, config, "first configuration, reviewed with customer experience")
        clara = Actor(by_name(installation, COMPLIANCE, tokens[COMPLIANCE]).pseudonym, "token")
        for workflow in WORKFLOWS:
            acts.release(installation, clara, workflow, "tested on 40 past tickets; refunds stay with people")
        keys = {name: acts.issue_key(installation, admin, "prod", name) for name in WORKFLOWS}
        keys["revoked"] = acts.issue_key(installation, admin, "prod", "support-agent")
        acts.revoke_key(installation, admin, keys["revoked"], "found in a public repository")
        return keys, tokens, installation.signer.vkey


@contextmanager
def running(home: Path, *, environment: Mapping[str, str], live: bool = False) -> Iterator[World]:
    """Found an installation in `home`, start the processes, and end them on leaving."""
    settings = read_settings(home, environment=environment)
    sandbox_port, port = free_port(), free_port()
    config = live_config(environment) if live else demo_config(sandbox_port)
    keys, tokens, vkey = found(settings, config)
    processes: list[subprocess.Popen[bytes]] = []
    closing = ExitStack()
    try:
        if not live:
            processes.append(_start([sys.executable, "-m", "gateway.sandbox", str(sandbox_port)], environment))
        processes.append(serve(settings, port, environment))
        _until_answers(f"http://127.0.0.1:{port}/readyz", processes)
        if not live:
            _until_answers(f"http://127.0.0.1:{sandbox_port}/sandbox/bill", processes)
        yield World(
            settings=settings,
            base_url=f"http://127.0.0.1:{port}",
            sandbox_url=None if live else f"http://127.0.0.1:{sandbox_port}",
            keys=keys,
            tokens=tokens,
            vkey=vkey,
            closing=closing,
        )
    finally:
        closing.close()
        for process in reversed(processes):
            _end(process)


def demo_config(sandbox_port: int) -> str:
    text = resources.files("gateway.demo").joinpath("demo.yaml").read_text("utf-8")
    return text.replace("SANDBOX_PORT", str(sandbox_port))


def live_config(environment: Mapping[str, str]) -> str:
    """Return the demo's configuration with the real provider whose key is in the environment."""
    for name, model in (
        ("OPENAI_API_KEY", "gpt-4o-mini"), ("GEMINI_API_KEY", "gemini-3.0-flash"),
        ("ANTHROPIC_API_KEY", "claude-3-haiku"), ("MISTRAL_API_KEY", "mistral-small-latest"),
    ):  # fmt: skip
        if environment.get(name):
            text = demo_config(0)
            head, _, rest = text.partition("providers:")
            _, _, workflows = rest.partition("workflows:")
            for written in ("gemini-3.0-flash", "gemini-3.1-pro", "claude-3-haiku", "gpt-4o"):
                head = head.replace(f'"{written}"', f'"{model}"')
            return f"{head}workflows:{workflows}"
    raise SystemExit("LIVE=1 needs OPENAI_API_KEY, GEMINI_API_KEY, ANTHROPIC_API_KEY or MISTRAL_API_KEY")


def serve(settings: Settings, port: int, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Start the real server process on this home and port."""
    arguments = ["--home", str(settings.home), "serve", "--port", str(port), "--admin-port", str(free_port())]
    return _start([sys.executable, "-m", "gateway", *arguments], environment)


def _start(command: list[str], environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command, env=dict(environment), cwd=os.sep, stdin=subprocess.DEVNULL)


def _until_answers(url: str, processes: list["subprocess.Popen[bytes]"]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            ended = [process.args for process in processes if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                raise RuntimeError(f"{url} does not answer: {error}; ended: {ended}") from error
            time.sleep(0.05)


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=25)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
