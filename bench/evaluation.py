"""`python -m bench.evaluation`: what live evaluation adds to the calls, of which it scores 5 in 100.

Two servers, one with three evaluators (one of them a judge that is asked through the gateway), one without, on a CPU
of their own, take turns: A B B A, and so on. Printed are the medians of the rounds' ratios.
"""

import http.client
import os
import statistics
import tempfile
import time
from argparse import ArgumentParser
from pathlib import Path

from bench.rig import home, load
from bench.rig.asking import serving
from bench.rig.compare import conditions
from bench.rig.measure import Site
from bench.rig.processes import end_on_sigterm, stop_all
from bench.rig.watching import print_gate
from gateway.oversight import acts
from gateway.oversight.people import by_name
from gateway.settings import read_settings
from gateway.store.installation import opened

EVALUATION = """
evaluation:
  rate: 0.05
  key: "env:JUDGE_KEY"
  evaluators:
    - {name: polite, workflow: full, component: answer, kind: judge, route: ROUTE, question: "Is the answer polite?"}
    - {name: no-promises, workflow: full, component: policy, kind: forbidden_words, words: [guarantee, promise]}
    - {name: cites, workflow: full, component: retrieval, kind: citation}
"""
JUDGING = """
environments:
  dev: {max_budget_daily: 1000000}"""


def prepared(folder: Path, mock_port: int, *, evaluated: bool) -> str:
    """Make an installation; returns a gateway key. The judge's key is put into the environment."""
    folder.mkdir()
    keys, _ = home.prepare(folder / "home", mock_port, {})
    if evaluated:
        with opened(read_settings(folder / "home", environment={})) as installation:
            ada = by_name(installation, "ada", None)
            text = installation.vault.text(acts.active_configuration(installation)[1]) or ""
            text = text.replace("\nenvironments:", JUDGING, 1) + EVALUATION.replace("ROUTE", load.MODEL)
            acts.activate(installation, ada, text, "to measure")
            os.environ["JUDGE_KEY"] = acts.issue_key(installation, ada, "dev", "judge")
    return keys["full"]


def milliseconds(port: int, key: str, calls: int) -> list[float]:
    """Make calls one after another on one connection; returns how long each took."""
    body = load.chat_body(load.MODEL)
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    connection, took = http.client.HTTPConnection("127.0.0.1", port, timeout=60), list[float]()
    for _ in range(calls):
        began = time.perf_counter()
        connection.request("POST", "/v1/chat/completions", body, headers)
        response = connection.getresponse()
        assert response.status == 200, response.read()[:300]
        response.read()
        took.append((time.perf_counter() - began) * 1000)
    connection.close()
    return took


def main() -> int:
    """Measure, print, and tell whether the gate was kept."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--calls", type=int, default=1000, help="a round and server")
    options = parser.parse_args()
    end_on_sigterm()
    load.built_tools()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        conditions(folder)
        site = Site(folder, folder)
        site.start_mock()
        keys = {side: prepared(folder / side, site.mock_port, evaluated=side == "with") for side in ("with", "without")}
        with serving(folder / "with") as (scored, _), serving(folder / "without") as (plain, _):
            ports = {"with": scored, "without": plain}
            for side in ports:
                milliseconds(ports[side], keys[side], 500)
            found: dict[str, list[list[float]]] = {"with": [], "without": []}
            for number in range(options.rounds):
                for side in list(ports)[:: 1 if number % 2 else -1]:
                    found[side].append(milliseconds(ports[side], keys[side], options.calls))
        with opened(read_settings(folder / "with" / "home", environment={})) as installation:
            rows = installation.reader.states("quality:").values()
            scores = sum(sum(one[among].values()) for one in rows for among in ("drawn", "always"))
    p50, p95 = (
        statistics.median(
            statistics.quantiles(one, n=100)[at] / statistics.quantiles(other, n=100)[at]
            for one, other in zip(found["with"], found["without"], strict=True)
        )
        for at in (49, 94)
    )
    plain_p50 = statistics.median(statistics.median(one) for one in found["without"])
    print(f"{options.rounds} rounds of {options.calls} calls a server; p50 without {plain_p50:.2f} ms; {scores} scores")
    print(f"95th percentile of a call, with over without: {p95:.3f}")
    return 0 if print_gate("added to the p50 of a call", (p50 - 1) * 100, "<=", 1, "%") else 1


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    finally:
        stop_all()
