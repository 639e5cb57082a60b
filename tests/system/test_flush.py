"""What SIGKILL cannot show: a trace of the system calls says that the disk's flush comes before the bytes that rest on it."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from judges import judge
from stage import Upstream, chunk, listening, prepare, streaming
from starlette.applications import Starlette
from starlette.routing import Route

from gateway.demo.world import _until_answers, free_port

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
TRACED = "fsync,fdatasync,pwrite64,connect,sendto,sendmsg,write,writev"
FLUSH = re.compile(r"(fsync|fdatasync)\(\d+<[^>]*log\.db-wal>")


@dataclass(frozen=True)
class Step:
    """One system call of the trace, at the line where it began and the line where it returned."""

    text: str
    began: int
    returned: int


def steps_of(trace: Path) -> list[Step]:
    """Read `strace -f`: a call that another thread interrupts is printed in two lines."""
    found: list[Step] = []
    open_calls: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(trace.read_text("utf-8", "replace").splitlines()):
        thread, _, text = line.partition(" ")
        text = text.strip()
        if text.endswith("<unfinished ...>"):
            open_calls[thread] = (text, number)
        elif text.startswith("<..."):
            begun, at = open_calls.pop(thread, (text, number))
            found.append(Step(begun + text, at, number))
        else:
            found.append(Step(text, number, number))
    return sorted(found, key=lambda step: step.began)


def require_flush_between(steps: list[Step], kind: str, call: str, later: Step) -> None:
    """Check that the write of an entry was flushed, and that the flush had returned before `later` began."""
    written = [one for one in steps if "log.db-wal>" in one.text and kind in one.text and call in one.text]
    assert written, f"no write of {kind} in the trace"
    flushes = [one for one in steps if FLUSH.match(one.text) and one.began > written[0].returned]
    assert flushes, f"{kind} was never flushed"
    assert flushes[0].returned < later.began, f"bytes went out before {kind} was flushed"


@pytest.mark.parametrize("stream", [False, True])
def test_the_open_is_flushed_before_the_provider_and_the_close_before_the_end(tmp_path: Path, stream: bool) -> None:
    port, upstream_port, trace = free_port(), free_port(), tmp_path / "trace"
    settings, keys, _ = prepare(tmp_path / "home", port=upstream_port)
    upstream = Upstream(
        answer=streaming(chunk({"content": "x"}), chunk({}, "stop"), b"data: [DONE]\n\n") if stream else None
    )
    app = Starlette(routes=[Route("/v1/chat/completions", upstream.endpoint, methods=["POST"])])
    server = [
        sys.executable,
        "-m",
        "gateway",
        "--home",
        str(settings.home),
        "serve",
        "--port",
        str(port),
        "--admin-port",
        "0",
    ]
    command = [judge("strace"), "-D", "-f", "-yy", "-s", "40000", "-e", f"trace={TRACED}", "-o", str(trace), *server]
    with listening(app, upstream_port):
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ)
        try:
            _until_answers(f"http://127.0.0.1:{port}/readyz", [process])
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            body = {"model": "support", "messages": [{"role": "user", "content": "hi"}], "stream": stream}
            connection.request(
                "POST", "/v1/chat/completions", json.dumps(body), {"authorization": f"Bearer {keys['agent']}"}
            )
            response = connection.getresponse()
            call, answer = response.headers["x-whyledger-call"], response.read()
            connection.close()
        finally:
            process.send_signal(signal.SIGTERM)  # with -D the process is the server, and the tracer its grandchild
            process.wait(timeout=60)
    until = time.monotonic() + 30
    while f"{process.pid} +++ " not in trace.read_text("utf-8", "replace") and time.monotonic() < until:
        time.sleep(0.1)
    steps = steps_of(trace)
    to_provider = [one for one in steps if re.match(rf"(connect|send|write).*127\.0\.0\.1:{upstream_port}", one.text)]
    require_flush_between(steps, "call.opened", call, to_provider[0])
    end = "DONE" if stream else "chat.completion"
    to_client = [one for one in steps if re.match(rf"(send|write)\S*\(\d+<TCP:\[127\.0\.0\.1:{port}->", one.text)]
    require_flush_between(steps, "call.closed", call, next(one for one in to_client if end in one.text))
    assert (b"DONE" if stream else b"chat.completion") in answer
