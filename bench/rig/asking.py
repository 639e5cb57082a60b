"""Asking a real server why, one reference after another on one connection."""

import contextlib
import http.client
import json
import os
import random
import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from bench.rig.processes import GATEWAY_CPU, start, stop
from bench.rig.watching import PROGRAM
from gateway.demo.world import free_port

START_SECONDS = 60.0


@contextlib.contextmanager
def serving(folder: Path, prefix: Sequence[str] = ()) -> Iterator[tuple[int, int]]:
    """Serve the installation in `folder` as `whyledger serve` does; yields the port and the id of the process.

    Args:
        prefix: what stands before the command, to confine it.
    """
    port = free_port()
    command = [
        *prefix,
        PROGRAM,
        "--home",
        str(folder / "home"),
        "serve",
        "--port",
        str(port),
        "--admin-port",
        str(free_port()),
    ]
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("WHYLEDGER_")}
    with (folder / "serve.log").open("wb") as log:
        process = start(command, GATEWAY_CPU, log, env=inherited)
    try:
        _wait_until_ready(port, folder / "serve.log")
        yield port, process.pid
    finally:
        stop(process, patience=60)


def _wait_until_ready(port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except (OSError, urllib.error.URLError) as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"the server is not ready: {log.read_text('utf-8', 'replace')[-600:]}") from error
            time.sleep(0.05)


def why_times(port: int, token: str, refs: Sequence[str]) -> list[float]:
    """Return the milliseconds of each answer, read to its end; every answer must prove every entry it quotes.

    Raises:
        RuntimeError: an answer is not 200, or an entry in it is not proved.
    """
    connection, times = http.client.HTTPConnection("127.0.0.1", port, timeout=120), []
    for ref in refs:
        started = time.perf_counter()
        connection.request("GET", f"/api/v1/why/{quote(ref)}", headers={"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        body = response.read()
        times.append((time.perf_counter() - started) * 1000)
        check = json.loads(body)["integrity"] if response.status == 200 else {}
        if not check or check["failures"] or check["proved"] != check["checked"]:
            raise RuntimeError(f"why {ref}: {response.status} {check or body[:300]!r}")
    connection.close()
    return times


def drawn(refs: Sequence[str], count: int, seed: int = 3) -> list[str]:
    """Draw references, with repetition."""
    return random.Random(seed).choices(refs, k=count)


def percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
