"""The load: one chat request of about 1.5 KB through wrk (whole answers) or sse_load (streams), and the C tools."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.rig.processes import LOAD_CPU

HERE = Path(__file__).parent
BUILT = HERE.parents[1] / "build" / "bench"
SYSTEM = (
    "You are a careful assistant for the billing team of a mid-size company. Answer from the supplied records "
    "only; when a record is missing, say which one. Amounts are in euro cents. Never disclose account numbers "
    "in full: show the last four digits. Prefer short paragraphs and put the conclusion first."
)
USER = (
    "Our nightly job that syncs invoices started to fail on Tuesday with 'current transaction is aborted, commands "
    "ignored until end of transaction block'. It retries three times and then gives up, and after that every other "
    "job that shares the pool fails too, until we restart the service. The function opens a connection from the "
    "pool, runs an insert, and on a unique violation sleeps for a second and tries again with a new key. What is "
    "wrong, how do we fix it, and which test would have caught it before the release? Please keep the answer under "
    "two hundred words, and mention whether the pool size matters here."
)
MODEL = "gpt-4o-mini"


def built_tools() -> None:
    """Build mock_upstream and sse_load where they are older than their source.

    Raises:
        SystemExit: a compiler or wrk is missing; says what to install.
    """
    missing = [package for program, package in (("cc", "gcc libc6-dev"), ("wrk", "wrk")) if not shutil.which(program)]
    if missing:
        raise SystemExit(f"missing: run  apt-get install {' '.join(missing)}")
    BUILT.mkdir(parents=True, exist_ok=True)
    for name in ("mock_upstream", "sse_load"):
        source, made = HERE / f"{name}.c", BUILT / name
        if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-o", str(made), str(source)], check=True)


def chat_body(model: str, *, stream: bool = False) -> bytes:
    body: dict[str, Any] = {
        "model": model,
        "temperature": 0.2,
        "max_tokens": 400,
        "user": "team-billing",
        "messages": [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": USER[:260]},
            {"role": "assistant", "content": "Could you share the retry loop?"},
            {"role": "user", "content": USER},
        ],
    }
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(body).encode()


def body_of(name: str) -> bytes:
    """Return the same request as a stream of the Responses or the messages format."""
    said = json.loads(chat_body(MODEL))["messages"]
    if name == "responses":
        asked: dict[str, Any] = {"model": MODEL, "input": said, "max_output_tokens": 400}
    else:
        asked = {"model": "claude", "system": said[0]["content"], "messages": said[1:], "max_tokens": 400}
    return json.dumps(asked | {"stream": True}).encode()


def whole(url: str, body: bytes, headers: Sequence[str], *, connections: int, seconds: float) -> dict[str, Any]:
    """Load with wrk: calls per second, percentiles, errors.

    Raises:
        RuntimeError: wrk gave no result.
    """
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(body)
        file.flush()
        lasting = max(1, round(seconds))
        command = ["taskset", "-c", LOAD_CPU, "wrk", "-t1", f"-c{connections}", f"-d{lasting}s", "--timeout", "20s"]
        ended = subprocess.run(
            [*command, "-s", str(HERE / "load.lua"), url],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "LOAD_BODY": file.name, "LOAD_HEADERS": "\n".join(headers)},
        )
    for line in ended.stdout.splitlines():
        if line.startswith("@@"):
            found: dict[str, Any] = json.loads(line[2:])
            return found
    raise RuntimeError(f"wrk gave no result: {ended.returncode} {ended.stdout[-500:]} {ended.stderr[-500:]}")


def streams(url: str, body: bytes, headers: Sequence[str], *, connections: int, total: int) -> dict[str, Any]:
    """Load with sse_load: time to the first event and to the end, events per second."""
    host, _, rest = url.removeprefix("http://").partition(":")
    port, _, path = rest.partition("/")
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(body)
        file.flush()
        command = ["taskset", "-c", LOAD_CPU, str(BUILT / "sse_load"), host, port, f"/{path}", file.name]
        command += [str(connections), str(total), *headers]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.stderr:
        print("   sse_load:", ended.stderr[:300].replace("\r\n", " | "), file=sys.stderr)
    return json.loads(ended.stdout) if ended.stdout.startswith("{") else {"ok": 0, "bad": total}
