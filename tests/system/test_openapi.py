"""The OpenAPI document against the running gateway: schemathesis sends what the document allows and what it does not.

Whatever is answered must be documented: the status, the media type, the shape of the body; a 5xx is a failure. The
ledger is on PostgreSQL here, which is stricter than SQLite about what a text may hold.
"""

import http.client
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stage import Stage, on_postgresql, stage

from gateway.oversight import acts

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "positive_data_acceptance",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
)
# A request in the right form may still name a call that does not exist, or need more money than there is.
SETTINGS = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 401, 402, 403, 404, 409]
"""
HOT = "/v1/chat/completions"
GEMINI = "/v1beta/models/{model}:"
SAID = {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}
ASKED: dict[str, dict[str, Any]] = {
    "/v1/responses": {"model": "support", "input": "x"},
    "/v1/completions": {"model": "support", "prompt": "x"},
    "/v1/embeddings": {"model": "vectors", "input": ["x"]},
    "/v1/messages": {"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]},
    "/v1/messages/count_tokens": {"model": "claude", "messages": [{"role": "user", "content": "x"}]},
    f"{GEMINI}generateContent": SAID,
    f"{GEMINI}streamGenerateContent": SAID,
    f"{GEMINI}countTokens": SAID,
    f"{GEMINI}embedContent": {"content": SAID["contents"][0]},
    f"{GEMINI}batchEmbedContents": {"requests": [{"content": SAID["contents"][0]}]},
}
"""What is put to every hot route beside chat completions, and answered."""
OUTCOMES = "outcomes: {resolved: {workflows: [quiet]}}\n"
WEBHOOK = "/api/v1/outcomes/webhook/{source}"
"""Answers whoever signs as a configured source; nobody here does."""


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("openapi") / "home", environment=on_postgresql()) as opened:
        text = opened.installation.vault.text(acts.active_configuration(opened.installation)[1]) or ""
        acts.activate(opened.installation, opened.person("ada"), text + OUTCOMES, "outcomes")
        yield opened


def published(on: Stage) -> dict[str, Any]:
    return json.loads(request(on, "GET", "/openapi.json")[2])


def request(
    on: Stage, method: str, path: str, body: bytes | None = None, *, token: str | None = None
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", on.port, timeout=30)
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    found = response.status, {name.lower(): value for name, value in response.headers.items()}, response.read()
    connection.close()
    return found


def new_call(on: Stage, task: str) -> str:
    """Return the id of a call that was answered."""
    made = on.client("quiet", x_whyledger_task=task).chat.completions.with_raw_response.create(
        model="support", messages=[{"role": "user", "content": f"x {random.random()}"}]
    )
    return made.headers["x-whyledger-call"]


def with_examples(document: dict[str, Any], asked: str, judged: str) -> dict[str, Any]:
    """Return the document with examples of what exists here: what is made up alone nearly always ends in a 404."""
    ask = {"model": "support", "messages": [{"role": "user", "content": "x"}], "stream": False}
    override = {"call": judged, "action": "approve", "reason_code": "R07", "reason": "x", "presented": "x"}
    bodies = {path: {"one": body} for path, body in ASKED.items()} | {
        HOT: {"whole": ask, "stream": ask | {"stream": True}, "cached": ask | {"model": "cached"}},
        "/api/v1/overrides": {"one": override},
        "/api/v1/evaluations": {
            "one": {
                "suite": "golden",
                "workflow": "quiet",
                "component": "answer",
                "run_at": "2026-11-01T03:00:00Z",
                "correct": 4,
                "incorrect": 1,
            }
        },
        "/api/v1/outcomes": {"one": {"task": "ticket:1", "type": "resolved", "status": "success"}},
        "/api/v1/stops": {
            "task": {"task": "ticket:3", "reason": "x"},
            "workflow": {"workflow": "fresh", "reason": "x"},
        },
        "/api/v1/stops/release": {"task": {"task": "ticket:3", "reason": "x"}},
    }
    for path, examples in bodies.items():
        content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        content["examples"] = {name: {"value": value} for name, value in examples.items()}
    for path in ("/v1/models/{name}", "/v1beta/models/{name}"):
        document["paths"][path]["get"]["parameters"][0]["examples"] = {"one": {"value": "support"}}
    for path in (one for one in ASKED if one.startswith(GEMINI)):
        document["paths"][path]["post"]["parameters"][0]["examples"] = {"one": {"value": "gemini"}}
    for path in ("/api/v1/why", "/api/v1/why/{ref}"):
        document["paths"][path]["get"]["parameters"][0]["examples"] = {
            "call": {"value": asked},
            "task": {"value": "ticket:1"},
        }
    return document


def fuzz(on: Stage, folder: Path, paths: str, token: str | None) -> dict[tuple[str, str], set[int]]:
    """Run schemathesis over the operations whose path matches; returns the statuses seen by method and path."""
    for scope in acts.control_of({"control": on.installation.reader.state("control")})["stops"]:
        acts.release_stop(on.installation, on.person("ada"), (scope, None), "the next calls are examples")
    request(on, "GET", "/readyz")  # reads the rules anew
    document = with_examples(published(on), new_call(on, "ticket:1"), new_call(on, "ticket:2"))
    (folder / "openapi.json").write_text(json.dumps(document), "utf-8")
    (folder / "schemathesis.toml").write_text(SETTINGS, "utf-8")
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", "openapi.json", "--url", on.url, "--include-path-regex", paths,
        "--phases", "examples,coverage,fuzzing", "--checks", ",".join(CHECKS), "--max-examples", "25",
        "--generation-deterministic", "--suppress-health-check", "all",
        "--report", "har", "--report-har-path", "report.har", "--continue-on-failure", "--no-color",
        *(("--header", f"Authorization: Bearer {token}") if token else ()),
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=os.environ | {"COLUMNS": "120"}, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    seen: dict[tuple[str, str], set[int]] = {}
    for entry in json.loads((folder / "report.har").read_text("utf-8"))["log"]["entries"]:
        path = entry["request"]["url"].removeprefix(on.url).partition("?")[0]
        seen.setdefault((entry["request"]["method"], path), set()).add(entry["response"]["status"])
    return seen


ANSWERED = {
    ("POST", HOT): 200,
    ("GET", "/v1/models"): 200,
    ("GET", "/v1/models/support"): 200,
    ("GET", "/v1beta/models"): 200,
    ("GET", "/v1beta/models/support"): 200,
    **{("POST", path.replace("{model}", "gemini")): 200 for path in ASKED},
    ("GET", "/readyz"): 200,
    ("GET", "/api/v1/why"): 200,
    ("GET", "/api/v1/why/ticket%3A1"): 200,
    ("GET", "/api/v1/calls"): 200,
    ("GET", "/api/v1/approvals"): 200,
    ("GET", "/api/v1/incidents"): 200,
    ("GET", "/api/v1/keys"): 200,
    ("GET", "/api/v1/people"): 200,
    ("GET", "/api/v1/releases"): 200,
    ("GET", "/api/v1/stops"): 200,
    ("GET", "/api/v1/costs"): 200,
    ("GET", "/api/v1/scorecard"): 200,
    ("POST", "/api/v1/evaluations"): 201,
    ("POST", "/api/v1/outcomes"): 201,
    ("POST", "/api/v1/overrides"): 201,
    ("POST", "/api/v1/stops"): 201,
    ("POST", "/api/v1/stops/release"): 200,
}


@pytest.mark.parametrize("paths", ["^/v1", "^/(api|readyz)"])  # in this order: the second one stops everything
def test_with_a_valid_token_every_operation_answers_as_the_document_says(on: Stage, tmp_path: Path, paths: str) -> None:
    seen = fuzz(on, tmp_path, paths, on.keys["agent"] if paths == "^/v1" else on.tokens["ada"])
    answered = {place: status for place, status in ANSWERED.items() if re.match(paths, place[1])}
    assert {place: status for place, status in answered.items() if status not in seen[place]} == {}


@pytest.mark.parametrize("token", ["wl_prod_nobody", None], ids=["unknown token", "no token"])
def test_without_a_valid_token_every_operation_refuses_as_the_document_says(
    on: Stage, tmp_path: Path, token: str | None
) -> None:
    seen = fuzz(on, tmp_path, "^/", token)
    assert seen.pop(("GET", "/readyz")) == {200}
    assert seen[("POST", HOT)] == {401}
    assert {place for place, statuses in seen.items() if min(statuses) < 400} == set()
    assert {place for place in ANSWERED if place in seen and 401 not in seen[place]} == set()


def test_the_document_lists_every_route_and_every_status_of_the_hot_route(on: Stage) -> None:
    from gateway.pipeline.attempt import PASSED_ON
    from gateway.web.problems import IN_FORMAT, STATUS

    document = published(on)
    named = {"ticket%3A1": "{ref}", "/models/support": "/models/{name}", "/models/gemini:": "/models/{model}:"}
    expected = {WEBHOOK, "/api/v1/approvals/{approval}", "/api/v1/incidents/{name}"}
    for _, path in ANSWERED:
        for one, name in named.items():
            path = path.replace(one, name)
        expected.add(path)
    assert set(document["paths"]) == expected
    for path in (HOT, *ASKED):
        listed = set(map(int, document["paths"][path]["post"]["responses"]))
        assert listed == {200, 202, *STATUS.values(), *IN_FORMAT.values(), *PASSED_ON} - {405}


def test_every_place_of_the_hot_route_is_in_the_document(on: Stage) -> None:
    from gateway.web.places import ACTIONS, EXACT

    assert {path for path in published(on)["paths"] if path in EXACT} == EXACT.keys()
    assert {path for path in published(on)["paths"] if ":" in path} == {f"{GEMINI}{one}" for one in ACTIONS}


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/api/v1/overrides", {"call": "call_\0", "action": "approve", "reason_code": "R07", "presented": "x"}),
        ("/api/v1/stops", {"key": "key_\0"}),
        ("/api/v1/stops", {"workflow": "agent\0"}),
        ("/api/v1/stops/release", {"workflow": "\0"}),
    ],
)
def test_a_nul_in_an_id_is_refused_before_postgresql_sees_it(on: Stage, path: str, more: dict[str, str]) -> None:
    status, headers, body = request(
        on, "POST", path, json.dumps({"reason": "x"} | more).encode(), token=on.tokens["ada"]
    )
    assert (status, headers["content-type"]) == (422, "application/problem+json"), body


@pytest.mark.parametrize("ref", ["%00", "call_%00", "%ed%a0%80", "%ff", "x" * 301])
def test_a_strange_reference_is_linked_to_nothing(on: Stage, ref: str) -> None:
    expected = 422 if len(ref) > 300 else 404
    for path in (f"/api/v1/why/{ref}", f"/api/v1/why?q={ref}"):
        status, headers, body = request(on, "GET", path, token=on.tokens["victor"])
        assert (status, headers["content-type"]) == (expected, "application/problem+json"), body


def test_a_task_with_a_nul_can_be_stopped_because_a_caller_may_name_one(on: Stage) -> None:
    body = json.dumps({"task": "ticket\0", "reason": "\0"}).encode()
    assert request(on, "POST", "/api/v1/stops", body, token=on.tokens["ada"])[0] == 201
