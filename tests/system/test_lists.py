"""Lists of calls, keys, people, releases and stops: the same rows on the command line, in the API and on the page."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx2
import openai
import pytest
from stage import Stage, on_postgresql, stage
from typer.testing import CliRunner

from gateway.cli import app
from gateway.oversight import acts
from gateway.oversight.people import Box
from ledger.entry import format_time

pytestmark = pytest.mark.slow
Get = Callable[..., httpx2.Response]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def on(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Stage]:
    environment = on_postgresql() if request.param == "postgresql" else {}
    with stage(tmp_path_factory.mktemp("lists") / "home", environment=environment) as opened:
        for number in range(3):
            opened.ask(task=f"ticket:{number}")
        opened.ask(key="quiet", task="ticket:7")
        for model in ("nosuch", "unpriced"):
            with pytest.raises(openai.APIStatusError):
                opened.ask(model, task="ticket:7")
        with pytest.raises(openai.APIStatusError):
            opened.ask(key="fresh")
        opened.settled("call.closed", 4)
        ada = opened.person("ada")
        box = Box(format_time(opened.installation.clock() + timedelta(days=1)), ("agent",))
        opened.tokens["tina"] = acts.enrol(opened.installation, ada, "tina", ["auditor"], box)
        acts.stop(opened.installation, ada, ("workflow:fresh", None), "not ready")
        loop = acts.stop_scope(opened.installation, task="ticket:0")
        acts.stop(opened.installation, ada, loop, "it loops")
        acts.revoke_key(opened.installation, ada, opened.keys["small"], "leaked")
        yield opened


@pytest.fixture
def get(on: Stage) -> Iterator[Get]:
    with httpx2.Client(base_url=on.url, timeout=20) as client:
        yield lambda path, who="victor": client.get(path, headers={"authorization": f"Bearer {on.tokens[who]}"})


def typed(on: Stage, *arguments: str, code: int = 0) -> str:
    """Return what a command prints, with the settings of the stage."""
    environment = {name: value for name, value in on.settings.environment.items() if value is not None}
    done = CliRunner().invoke(app, ["--home", str(on.settings.home), *arguments], env=environment)
    assert done.exit_code == code, done.output
    return done.output if code else done.stdout


def told(on: Stage, *arguments: str) -> dict[str, Any]:
    return json.loads(typed(on, *arguments, "--json"))


@pytest.mark.parametrize(
    ("options", "query", "count"),
    [
        ([], "", 7),
        (["--refused"], "result=refused", 3),
        (["--refused", "--workflow", "agent"], "result=refused&workflow=agent", 2),
        (["--code", "route_unknown"], "code=route_unknown", 1),
        (
            ["--code", "workflow_not_released", "--environment", "prod"],
            "code=workflow_not_released&environment=prod",
            1,
        ),
        (["--code", "nosuch"], "code=nosuch", 0),
        (["--task", "ticket:7"], "task=ticket:7", 3),
        (["--task", "ticket:7", "--refused"], "task=ticket:7&result=refused", 2),
        (["--task", "ticket:7", "--code", "no_target"], "task=ticket:7&code=no_target", 1),
        (["--model", "model-a"], "model=model-a", 4),
        (["--errors"], "only=errors", 0),
        (["--from", "2100-01-01"], "from=2100-01-01", 0),
        (["--to", "2020-01-01"], "to=2020-01-01", 0),
        (["--from", "2020-01-01", "--to", "2100-01-01"], "from=2020-01-01&to=2100-01-01", 7),
    ],
)
def test_the_command_line_and_the_api_list_the_same_calls(
    on: Stage, get: Get, options: list[str], query: str, count: int
) -> None:
    found = get(f"/api/v1/calls?{query}").json()
    assert len(found["calls"]) == count
    assert told(on, "calls", *options) == found
    assert [one["entry"] for one in found["calls"]] == sorted((one["entry"] for one in found["calls"]), reverse=True)


def test_the_table_says_why_a_call_was_refused(on: Stage) -> None:
    said = typed(on, "calls", "--task", "ticket:7", "--refused")
    assert [line.rpartition("  ")[2] for line in said.splitlines()] == [
        "result", "refused: no target could serve it",
        "refused: it asked for a name that the configuration does not define",
    ]  # fmt: skip


def test_a_key_is_given_itself_or_by_its_id(on: Stage, get: Get) -> None:
    owner = on.installation.vault.owner_of(on.keys["quiet"]) or ""
    found = get(f"/api/v1/calls?key={owner}").json()
    assert [one["workflow"] for one in found["calls"]] == ["quiet"]
    assert told(on, "calls", "--key", owner) == told(on, "calls", "--key", on.keys["quiet"]) == found


@pytest.mark.parametrize("path", ["calls", "keys", "people", "releases"])
def test_pages_by_cursor_make_the_whole_list(on: Stage, get: Get, path: str) -> None:
    whole = get(f"/api/v1/{path}").json()
    assert whole["next"] is None
    rows: list[Any] = []
    cursor = ""
    while True:
        page = get(f"/api/v1/{path}?limit=1{cursor}").json()
        rows += page[path]
        if not page["next"]:
            break
        cursor = f"&before={page['next']}"
    assert rows == whole[path]


def test_keys_are_listed_with_who_issued_them_and_without_their_secrets(on: Stage, get: Get) -> None:
    found = get("/api/v1/keys").json()
    assert told(on, "key", "list") == found
    assert {one["issued_by"] for one in found["keys"]} == {"ada"}
    revoked = get("/api/v1/keys?status=revoked").json()["keys"]
    assert [(one["status"], one["revoked_by"], one["workflow"]) for one in revoked] == [("revoked", "ada", "agent")]
    assert told(on, "key", "list", "--status", "revoked")["keys"] == revoked
    assert len(told(on, "key", "list", "--environment", "dev", "--workflow", "fresh")["keys"]) == 1
    said = typed(on, "key", "list") + json.dumps(found)
    assert not [secret for secret in on.keys.values() if secret in said]


def test_people_are_listed_with_their_roles(on: Stage, get: Get) -> None:
    found = get("/api/v1/people").json()
    assert told(on, "person", "list") == found
    assert [(one["name"], one["roles"]) for one in found["people"]] == [
        ("tina", ["auditor"]), ("victor", ["viewer"]), ("ada", ["admin", "approver", "compliance", "engineer"]),
    ]  # fmt: skip
    assert [one["name"] for one in told(on, "person", "list", "--role", "viewer")["people"]] == ["victor"]
    assert "victor" in typed(on, "person", "list")


def test_releases_say_by_whom_and_whether_they_still_hold(on: Stage, get: Get) -> None:
    found = get("/api/v1/releases").json()
    assert told(on, "workflow", "list") == found
    states = {one["workflow"]: (one["state"], one["released_by"]) for one in found["releases"]}
    assert states == {"agent": ("released", "ada"), "quiet": ("released", "ada"), "fresh": ("none", None)}
    assert [one["workflow"] for one in get("/api/v1/releases?state=none").json()["releases"]] == ["fresh"]
    assert "not released" in typed(on, "workflow", "list", "--state", "none")


def test_stops_in_force_say_who_and_why_and_are_gone_when_lifted(on: Stage, get: Get) -> None:
    found = get("/api/v1/stops").json()
    assert told(on, "stops") == found
    assert [(one["stopped_by"], one["reason"], one["task"]) for one in found["stops"]] == [
        ("ada", "it loops", "ticket:0"), ("ada", "not ready", None),
    ]  # fmt: skip
    ada, everything = on.person("ada"), ("all", None)
    acts.stop(on.installation, ada, everything, "fire")
    assert get("/api/v1/stops", "tina").json()["stops"][0]["scope"] == "all"
    acts.release_stop(on.installation, ada, everything, "out")
    assert get("/api/v1/stops").json() == found


def test_an_auditor_lists_their_workflows_alone_and_each_look_is_on_record(on: Stage, get: Get) -> None:
    before = len(on.entries("access.recorded"))
    lists = {name: get(f"/api/v1/{name}", "tina").json()[name] for name in ("calls", "keys", "releases", "stops")}
    assert {one["workflow"] for name in lists for one in lists[name]} == {"agent"}
    assert [one["scope"][:5] for one in lists["stops"]] == ["task:"]
    refused = get("/api/v1/people", "tina")
    assert (refused.status_code, refused.headers["content-type"]) == (403, "application/problem+json")
    looks = [one.facts["page"] for one in on.entries("access.recorded")[before:]]
    assert looks == [f"/api/v1/{name}" for name in ("calls", "keys", "releases", "stops", "people")]


def test_the_page_filters_by_task_and_by_code_too(on: Stage, get: Get) -> None:
    shown = get("/calls?task=ticket:7&code=no_target").text
    assert shown.count('href="/why/call_') == 1
    assert get("/calls?code=%00").status_code == 200


@pytest.mark.parametrize("name", ["calls", "keys", "people", "releases", "stops"])
def test_without_a_person_s_token_nothing_is_listed(on: Stage, name: str) -> None:
    with httpx2.Client(base_url=on.url, timeout=20) as client:
        for headers in ({}, {"authorization": f"Bearer {on.keys['agent']}"}):
            assert client.get(f"/api/v1/{name}", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["calls", "--from", "yesterday"], "neither a day like"),
        (["calls", "--result", "lost"], "answered, failed"),
        (["calls", "--refused", "--result", "answered"], "another result"),
        (["key", "list", "--status", "lost"], "active, revoked"),
        (["person", "list", "--role", "king"], "viewer, engineer"),
        (["workflow", "list", "--state", "x"], "released, stale, none"),
    ],
)
def test_a_wrong_filter_is_one_clear_error(on: Stage, arguments: list[str], hint: str) -> None:
    said = " ".join(typed(on, *arguments, code=2).replace("│", " ").split())
    assert hint in said
    assert "Traceback" not in said


def test_a_day_that_is_none_is_refused(get: Get) -> None:
    answer = get("/api/v1/calls?from=yesterday")
    assert (answer.status_code, answer.json()["title"]) == (400, "not a day")
