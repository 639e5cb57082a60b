"""`python -m bench.screening`: what policies that read texts cost, on one running gateway.

Calls of 4 KB whose texts nobody has seen before (each has a number of its own): kept in full and without policies, kept
redacted, with a policy that replaces, and with three that ask for every detector, in turns; then streams without and
with three that withhold what an answer gives away. Real keys, sealing and budgets, as in the speed table; CPU per call
is that of the gateway.
"""

import json
import shutil
import statistics
import tempfile
import time
from argparse import ArgumentParser
from pathlib import Path

from bench.rig import load
from bench.rig.compare import conditions
from bench.rig.measure import Running, Site, begin, listed, streamed, whole
from bench.rig.processes import end_on_sigterm, stop, stop_all
from gateway.oversight import acts
from gateway.oversight.people import only_admin
from gateway.settings import read_settings
from gateway.store.installation import opened

POLICIES = """
policies:
  orders: {when: {hidden_in_data: 0.99, hidden_in_words: 0.99}, effect: flag}
  keys: {when: {credentials: true}, effect: flag}
  people: {when: {personal_data: any}, effect: flag}
"""
ANSWERS = """
policies:
  links: {says_that: {links_beside: static.firm.example}, effect: deny}
  keys: {says_that: {credentials: true}, effect: deny}
  people: {says_that: {personal_data: any}, effect: deny}
"""
REPLACES = """
policies:
  stays-here: {replaces: {credentials: true, personal_data: any}, effect: redact}
"""
CALLS = {
    "in full": (False, ""), "redacted": (True, ""), "replaced": (False, REPLACES), "detectors": (False, POLICIES),
}  # fmt: skip
"""Whether what is kept is redacted, and the policies."""
STREAMS = 1500
SIZE = 4096
NUMBER = "@@@@@@@@"
"""Becomes another number in each call (`load.lua`)."""


def body_of(share: float) -> bytes:
    """Return a request of 4 KB with a number in both texts.

    Args:
        share: how much of it is the result of a tool; the rest is what a person says.
    """
    room = SIZE - 400
    text = f"{NUMBER} ana.mora@mine.example {load.USER * 10}"
    said, given = (text[: int(room * part)] for part in (1 - share, share))
    call = {"id": "call_1", "type": "function", "function": {"name": "lookup", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": said}, {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": given},
    ]  # fmt: skip
    return json.dumps({"model": load.MODEL, "max_tokens": 400, "messages": messages}).encode()


def activate(running: Running, policies: str, plain: str) -> None:
    """Put a configuration into force while the gateway runs, as the command line does."""
    with opened(read_settings(running.folder / "home")) as installation:
        ada = only_admin(installation, None)
        acts.activate(installation, ada, plain + policies, "to measure")
        for workflow in ("full", "none"):
            acts.release(installation, ada, workflow, "to measure")
    time.sleep(2)


def run(folder: Path, rounds: int, seconds: float) -> None:
    site = Site(Path("/nowhere"), folder)
    conditions(folder)
    site.start_mock()
    running = begin("whyledger", listed()["whyledger"], site)
    with opened(read_settings(running.folder / "home")) as installation:
        plain = installation.vault.text(acts.active_configuration(installation)[1]) or ""
    body = body_of(0.75)
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in CALLS}
    for number in range(rounds + 1):
        for name, (redacted, policies) in CALLS.items():
            activate(running, policies, plain.replace("content: full", "content: redacted") if redacted else plain)
            found = whole(running, site, body, 16, seconds)
            if found["errors"]:
                raise SystemExit(f"{found['errors']} errors {found['err']}")
            if number:  # the first round warms up
                rows[name].append(found)
    events: dict[str, list[float]] = {"without": [], "with": []}
    for number in range(rounds + 1):
        for name, policies in (("without", ""), ("with", ANSWERS)):
            activate(running, policies, plain)
            passed = streamed(running, running.url, load.chat_body(load.MODEL, stream=True), 16, STREAMS)
            if passed["bad"]:
                raise SystemExit(f"{passed['bad']} streams were not whole")
            if number:
                events[name].append(passed["events_per_s"])
    assert running.process is not None
    stop(running.process, patience=30)
    cpu = {name: statistics.median(one["cpu_us"] for one in found) for name, found in rows.items()}
    rate = {name: statistics.median(one["rps"] for one in found) for name, found in rows.items()}
    print(f"{len(body)} bytes, 16 connections, {rounds} rounds of {seconds:g} s, every text new")
    for name, value in cpu.items():
        print(
            f"{name:9s}: {value:6.0f} us of CPU a call, {rate[name]:5.0f} calls/s; ratio {value / cpu['in full']:.2f}"
        )
    print("asked of the ratio with detectors: at most 1.5")
    passing = {name: statistics.median(found) for name, found in events.items()}
    print(f"streams: {passing['without']:,.0f} events/s without and {passing['with']:,.0f} with policies of answers")
    print(f"ratio {passing['with'] / passing['without']:.2f} (asked: at least 0.7)")


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    chosen = parser.parse_args()
    end_on_sigterm()
    load.built_tools()
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    folder.chmod(0o755)
    try:
        run(folder, chosen.rounds, chosen.seconds)
    finally:
        stop_all()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
