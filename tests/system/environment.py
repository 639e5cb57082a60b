"""A real server process in an environment that a test makes hostile: limits, rights, its database, and what it says.

Limits are set from outside while the process runs (prlimit), which needs no privilege. A process of root loses the
capabilities by which it would ignore the rights of files.
"""

import atexit
import contextlib
import http.client
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.demo.world import free_port
from gateway.settings import Settings
from gateway.store.installation import opened
from gateway.store.rebuild import replay
from ledger.entry import Entry, decode

ROOT = Path(__file__).parents[2]

# CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH leave the bounding set, so that they are gone after the next exec.
_WITHOUT_RIGHTS = """
import ctypes, os, sys
for capability in (1, 2):
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def until(true: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    """Wait until `true` returns something true, and return it; the deadline is a guard against a hang."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return found


@dataclass(frozen=True)
class Answer:
    """What a caller got."""

    status: int
    call: str | None
    code: str | None = None
    message: str = ""


NOTHING = Answer(0, None)
"""The connection was refused or cut."""


class Hosted:
    """A server process on a home of its own; what it prints is kept. `plain`: the rights of files bind it, even if it is
    root's. `program`: what Python runs."""

    def __init__(
        self,
        settings: Settings,
        *,
        plain: bool = False,
        program: Sequence[str] = ("-m", "gateway"),
        admin_port: int = 0,
    ) -> None:
        self.settings, self.port, self.said, self._plain = settings, free_port(), "", plain
        self._program, self.admin_port = program, admin_port
        self.start()
        until(self.is_ready, "the server did not start")

    def start(self) -> None:
        served = ["--home", str(self.settings.home), "serve", "--port", str(self.port)]
        served += ["--admin-port", str(self.admin_port)]
        command = [sys.executable, *self._program, *served]
        if self._plain:
            command = [sys.executable, "-c", _WITHOUT_RIGHTS, *command]
        named = {name: value for name, value in os.environ.items() if not name.startswith("WHYLEDGER_")}
        ours = {name: value for name, value in self.settings.environment.items() if name.startswith("WHYLEDGER_")}
        self.process = subprocess.Popen(
            command, env=named | ours, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        atexit.register(self.process.kill)  # a test that fails in between leaves no server behind
        self._reading = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reading.start()

    def _read(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout
        with process.stdout:
            for line in process.stdout:
                self.said += line.decode("utf-8", "replace")

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.said
        with contextlib.suppress(OSError, http.client.HTTPException), self._connected() as connection:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        return False

    def _connected(self) -> "contextlib.closing[http.client.HTTPConnection]":
        return contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60))

    def ends(self) -> int:
        """Wait until the process has ended by itself; returns its exit code."""
        code = self.process.wait(timeout=60)
        self._reading.join(timeout=10)
        return code

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.ends()

    def kill(self) -> None:
        """The end of a test that failed: leave no process behind."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def limit(self, kind: int, soft: int) -> None:
        """Set a limit of the running process."""
        resource.prlimit(self.process.pid, kind, (soft, resource.prlimit(self.process.pid, kind)[1]))

    def handles(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory(self) -> int:
        """Return the resident bytes."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * resource.getpagesize()

    def call(self, key: str, text: str = "hi", *, subject: str | None = None, **more: Any) -> Answer:
        """Send a call."""
        body = {"model": "support", "messages": [{"role": "user", "content": text}], "max_completion_tokens": 10}
        headers = {"authorization": f"Bearer {key}"} | ({"x-whyledger-subject": subject} if subject else {})
        try:
            with self._connected() as connection:
                connection.request("POST", "/v1/chat/completions", json.dumps(body | more), headers)
                response = connection.getresponse()
                data, call = response.read(), response.headers.get("x-whyledger-call")
        except (OSError, http.client.HTTPException):
            return NOTHING
        error = {} if response.status == 200 else json.loads(data)["error"]
        return Answer(response.status, call, error.get("code"), error.get("message", ""))


def works_again(server: Hosted, key: str) -> list[Answer]:
    """Wait until a call is answered; returns what was answered."""
    answers: list[Answer] = []

    def answered() -> bool:
        answers.append(server.call(key, f"once more, number {len(answers)}"))  # the same again is not bought
        return answers[-1].status == 200

    until(answered, "calls do not work again")
    return answers


def require_sound_log(settings: Settings, acknowledged: Collection[str | None]) -> list[Entry]:
    """Hold that nothing acknowledged is lost, every call ended once, the sums are right, and the log verifies."""
    with opened(settings) as installation:
        found = [decode(data) for data in installation.reader.raw(0, installation.reader.head().size)]
        budgets = installation.reader.states("budget:")
        state, _ = replay(installation.reader)
        vkey = installation.signer.vkey
    begun = Counter(entry.call for entry in found if entry.kind == "call.opened")
    ends = Counter(entry.call for entry in found if entry.kind in ("call.closed", "call.interrupted"))
    assert ends == begun, "a call has no end, or two"
    assert max(begun.values(), default=1) == 1, "a call was opened twice"
    closed = {entry.call for entry in found if entry.kind == "call.closed"}
    assert set(acknowledged) <= closed, "an acknowledged call is lost"
    assert budgets == {key: row for key, row in state.items() if key.startswith("budget:")}
    assert all(row["reserved"] == 0 for row in budgets.values())
    tasks = {entry.call: entry.task for entry in found if entry.kind == "call.opened"}
    assert all(entry.task == tasks[entry.call] for entry in found if entry.call in tasks), "`why` would miss an entry"
    assert [entry.at for entry in found] == sorted(entry.at for entry in found)
    command = [sys.executable, "-m", "ledger", "verify", str(settings.log_database), "--key", vkey]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return found


def require_sound(settings: Settings, answered: Iterable[Answer]) -> list[Entry]:
    """As `require_sound_log`, given what callers got."""
    return require_sound_log(settings, {answer.call for answer in answered if answer.status == 200})
