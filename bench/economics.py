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
from collections import Counter
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
MINUTE = 666_666_667
"""Nano-EUR of the minute that the definition gives each attempt, rounded as money is."""


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


def recomputed(folder: Path, names: list[str], card: bytes, costs: bytes) -> list[str]:
    """Return where card and costs say something else than the entries, added up here from their bytes."""
    spent: Counter[tuple[str, str]] = Counter()
    calls: Counter[tuple[str, str]] = Counter()
    of_task: Counter[str] = Counter()
    outcomes: dict[str, str] = {}
    with opened(read_settings(folder / "home", environment={})) as installation:
        for data in installation.reader.raw(0, installation.reader.head().size):
            entry = json.loads(data)
            facts = entry["facts"]
            if entry["kind"] == "call.closed":
                place = (entry["workflow"], " ".join(facts["served"][name] for name in ("provider", "model")))
                spent[place] += facts["cost_nano_eur"]
                calls[place] += 1
                of_task[entry["task"]] += facts["cost_nano_eur"]
            elif entry["kind"] == "outcome.recorded":
                outcomes[entry["task"]] = facts["status"]
    lines = {one["id"]: one for one in json.loads(card)["lines"]}
    groups = {(one["by"]["workflow"], one["by"]["model"]): one for one in json.loads(costs)["groups"]}
    reached = sum(status == "success" for status in outcomes.values())
    each = (sum(of_task[task] for task in outcomes) + len(outcomes) * MINUTE) / reached
    return [
        said
        for said, same in (
            ("spend by workflow and model", {at: one["cost_nano_eur"] for at, one in groups.items()} == dict(spent)),
            ("calls by workflow and model", {at: one["calls"] for at, one in groups.items()} == dict(calls)),
            ("spend", lines["spend"]["value"] == sum(spent.values())),
            ("error rate", (lines["errors"]["numerator"], lines["errors"]["denominator"]) == (0, sum(calls.values()))),
            ("cost per outcome", abs(lines["cost-per-done"]["value"] - each) < 1e-6 * each),
            ("attempts", lines["success-done"]["denominator"] == len(outcomes) == len(names)),
            ("successes", lines["success-done"]["numerator"] == reached),
        )
        if not same
    ]


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
            period = "from=2020-01-01&to=2100-01-01"
            said = [
                ask(port, made.token, f"/api/v1/{path}&{period}")[1]
                for path in ("scorecard?format=json", "costs?by=workflow,model")
            ]
            times = {
                path: [ask(port, made.token, path)[0] * 1000 for _ in range(options.asked)]
                for path in ("/api/v1/scorecard", "/api/v1/costs?by=day,workflow,model")
            }
        wrong = recomputed(folder, names, *said)
        print(f"figures that are not those of the entries: {', '.join(wrong) or 'none'}")
        kept = [not wrong, print_gate(f"outcomes taken, {len(names)} of {options.calls} calls", rate, ">=", 1000, "/s")]
        for path, found in times.items():
            print(f"{path}: first {found[0]:.0f} ms, p50 {statistics.median(found):.0f} ms, max {max(found):.0f} ms")
            kept.append(print_gate(f"  p95, {path}", percentile(found, 95), "<=", 300, "ms"))
    return 0 if all(kept) else 1


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    finally:
        stop_all()
