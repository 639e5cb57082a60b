"""A WhyLedger home for a measurement: everything a real one has, caps so high that no call of a run meets them."""

from collections.abc import Mapping
from pathlib import Path
from secrets import token_bytes

from bench.rig.load import MODEL
from gateway.oversight import acts
from gateway.oversight.people import by_name
from gateway.settings import read_settings
from gateway.store.installation import make, opened

HIGH, CALLS, NANO = 1_000_000, 10**9, 10**9
CONFIG = """
organisation: {{name: Bench, time_zone: "Europe/Berlin"}}
routes:
{routes}
  - {{intent: claude, primary: claude, max_retries: 0, timeout: 60, max_budget_daily: {high}}}
  - {{intent: gem, primary: gem, max_retries: 0, timeout: 60, max_budget_daily: {high}}}
providers:
  upstream:
    base_url: "http://127.0.0.1:{port}/v1"
    models: ["mock*"]
    price: {{input: 0.15, output: 0.6}}
  messages: {{base_url: "http://127.0.0.1:{port}/v1", models: ["claude*"], dialects: anthropic.messages, price: {{input: 1, output: 4}}}}
  generating: {{base_url: "http://127.0.0.1:{port}/v1beta", models: ["gem*"], dialects: gemini, price: {{input: 1, output: 4}}}}
environments:
  prod: {{max_budget_daily: {high}}}
workflows:
  full: {{purpose: measure, owner: bench, tools: [lookup], content: full, max_calls_per_task: {calls}, max_budget_daily: {high}}}
  none: {{purpose: measure, owner: bench, tools: [lookup], content: none, max_calls_per_task: {calls}, max_budget_daily: {high}}}
"""
ROUTE = "  - {{intent: {model}{how}, primary: mock{how}, max_retries: 0, timeout: 60, max_budget_daily: {high}}}"
PACES = ("", "-lat60", "-gap2", "-gap5")
"""How the mock answers is part of the model's name, so each pace is a route."""


def prepare(home: Path, mock_port: int, environment: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """Make an installation with a person, a configuration in force and released workflows.

    Returns:
        The key of each workflow (`full` and `none`: what is kept of contents), and the verifier key.
    """
    routes = "\n".join(ROUTE.format(model=MODEL, how=how, high=HIGH) for how in PACES)
    settings = read_settings(home, environment=environment)
    make(settings, "ledger.example/bench", "Bench", {"root": token_bytes(32), "log": token_bytes(32)})
    with opened(settings) as installation:
        acts.bind_signer(installation)
        token = acts.enrol(installation, None, "ada", ["admin", "engineer", "compliance", "approver"])
        ada = by_name(installation, "ada", token)
        text = CONFIG.format(routes=routes, port=mock_port, high=HIGH, calls=CALLS)
        acts.activate(installation, ada, text, "to measure")
        keys = {}
        for workflow in ("full", "none"):
            acts.release(installation, ada, workflow, "to measure")
            keys[workflow] = acts.issue_key(installation, ada, "prod", workflow, HIGH * NANO)
        return keys, installation.signer.vkey
