"""`python -m bench.economics --calls N`: outcomes and the scorecard over a log of N calls.

The log is made through the whole pipeline (`bench.rig.filling`). Then outcomes of its tasks are sent to `whyledger serve`
as JSON Lines over a real socket, and the scorecard of all workflows is asked for, in JSON and as the page.
"""

import http.client
import json
import statistics
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path

from bench.rig.asking import percentile, serving
from bench.rig.compare import conditions
from bench.rig.filling import LONG, Filled, fill, long_tasks
from bench.rig.processes import end_on_sigterm, stop_all
from bench.rig.watching import print_gate
from gateway.oversight import acts
from gateway.oversight.people import by_name
from gateway.settings import read_settings
from gateway.store.installation import opened

DEFINED = "outcomes: {done: {workflows: [full, none], human_minutes: 1, human_hour: 40, target: 1}}\n"
BATCH = 1000


def define(folder: Path, made: Filled) -> None:
    """Define an outcome, as a person does."""
    with opened(read_settings(folder / "home", environment={})) as installation:
        text = installation.vault.text(acts.active_configuration(installation)[1]) or ""
        acts.activate(installation, by_name(installation, "ada", None), text + DEFINED, "to measure")


def tasks(calls: int, wanted: int) -> Iterator[str]:
    """Yield names of tasks that the log has."""
    short = calls - long_tasks(calls) * LONG
    yield from (f"task-{at // 4}-{at % 4}" for at in range(min(wanted, short // 6 * 4)))


def ask(port: int, token: str, path: str, body: bytes | None = None) -> tuple[float, bytes]:
    """Return how many seconds an answer took, and the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {"authorization": f"Bearer {token}", "content-type": "application/x-ndjson"}
    began = time.perf_counter()
    connection.request("POST" if body else "GET", path, body, headers)
    response = connection.getresponse()
    data = response.read()
    took = time.perf_counter() - began
    connection.close()
    assert response.status in (200, 201), data[:300]
    return took, data


def ingest(port: int, token: str, names: list[str]) -> float:
    """Send an outcome of each task; returns outcomes a second."""
    began = time.perf_counter()
    for at in range(0, len(names), BATCH):
        lines = [
            {"task": name, "type": "done", "status": "failure" if number % 5 == 0 else "success"}
            for number, name in enumerate(names[at : at + BATCH])
        ]
        _, said = ask(port, token, "/api/v1/outcomes", "\n".join(map(json.dumps, lines)).encode())
        assert json.loads(said)["refused"] == [], said[:300]
    return len(names) / (time.perf_counter() - began)


def main() -> int:
    """Measure, print, and tell whether both gates were kept."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--outcomes", type=int, default=20_000)
    parser.add_argument("--asked", type=int, default=60)
    options = parser.parse_args()
    end_on_sigterm()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        conditions(folder)
        made = fill(folder, options.calls)
        define(folder, made)
        with serving(folder) as (port, _):
            names = list(tasks(options.calls, options.outcomes))
            rate = ingest(port, made.token, names)
            times = {
                path: [ask(port, made.token, path)[0] * 1000 for _ in range(options.asked)]
                for path in ("/api/v1/scorecard", "/api/v1/costs?by=day,workflow,model")
            }
        kept = [print_gate(f"outcomes taken, {len(names)} of {options.calls} calls", rate, ">=", 1000, "/s")]
        for path, found in times.items():
            print(f"{path}: first {found[0]:.0f} ms, p50 {statistics.median(found):.0f} ms, max {max(found):.0f} ms")
            kept.append(print_gate(f"  p95, {path}", percentile(found, 95), "<=", 300, "ms"))
    return 0 if all(kept) else 1


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    finally:
        stop_all()
