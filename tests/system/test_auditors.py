"""An auditor sees what their box holds, until it ends, and nothing of it unrecorded."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import httpx2
import pytest
from stage import Stage, stage

from gateway.oversight import access, acts, looking
from gateway.oversight.people import ActRefused, Box
from gateway.packing import PackRequest, export
from ledger.entry import format_time
from ledger.errors import LedgerUnavailable

pytestmark = pytest.mark.slow
NAMED = r">quiet<|workflow=quiet"
SEEN = (
    "/",
    "/calls",
    "/scorecard",
    "/systems",
    "/system?workflow=agent",
    "/packs",
    "/reviews",
    "/approvals",
    "/incidents",
    "/why/ticket:7",
)


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("auditors") / "home") as opened:
        opened.ask(task="ticket:7")
        opened.ask(key="quiet", task="ticket:8")
        opened.settled("call.closed", 2)
        ada = opened.person("ada")
        box = Box(format_time(opened.installation.clock() + timedelta(days=1)), ("agent",))
        opened.tokens["tina"] = acts.enrol(opened.installation, ada, "tina", ["auditor"], box)
        yield opened


@pytest.fixture
def get(on: Stage) -> Iterator[Callable[..., httpx2.Response]]:
    with httpx2.Client(base_url=on.url, timeout=20) as client:
        yield lambda path, who="tina": client.get(path, headers={"authorization": f"Bearer {on.tokens[who]}"})


def test_every_page_of_an_auditor_is_on_record_before_it_is_shown(
    on: Stage, get: Callable[..., httpx2.Response]
) -> None:
    before = len(on.entries("access.recorded"))
    for path in SEEN:
        assert get(path).status_code == 200, path
    assert get("/api/v1/why/ticket:7").status_code == 200
    looks = on.entries("access.recorded")[before:]
    assert [one.facts["page"] for one in looks] == [
        "/", "/calls", "/scorecard", "/systems", "/system", "/packs", "/reviews", "/approvals", "/incidents",
        "/why/{ref:path}", "/api/v1/why",
    ]  # fmt: skip
    tina = on.person("tina").pseudonym
    assert {one.act for one in looks} == {tina}
    assert all("ticket" not in str(one.facts) for one in looks)
    for path in SEEN:
        assert get(path, "ada").status_code == 200
    assert len(on.entries("access.recorded")) == before + len(looks)


def test_what_cannot_be_recorded_is_not_shown(
    on: Stage, get: Callable[..., httpx2.Response], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise LedgerUnavailable("the disk is full")

    monkeypatch.setattr(looking, "act", full)
    answer = get("/why/ticket:7")
    assert answer.status_code == 503
    assert "ticket" not in answer.text
    assert get("/why/ticket:7", "ada").status_code == 200


def test_an_auditor_sees_their_workflows_alone(on: Stage, get: Callable[..., httpx2.Response]) -> None:
    theirs, other = (
        next(one.call for one in on.entries("call.closed") if one.workflow == name) or "" for name in ("agent", "quiet")
    )
    calls = get("/calls").text
    assert theirs in calls
    assert other not in calls
    systems = get("/systems").text
    assert "agent" in systems
    assert not re.search(NAMED, systems)
    assert get("/system?workflow=quiet").status_code == 404
    assert get("/scorecard?workflow=quiet").status_code == 404
    assert get("/api/v1/scorecard?workflow=quiet").status_code == 404
    assert not re.search(NAMED, get("/scorecard").text)
    assert [row["workflow"] for row in get("/api/v1/scorecard").json()["workflows"]] == ["agent"]
    assert get("/system/questions?workflow=quiet").status_code == 404
    for ref in ("ticket:8", other):
        assert get(f"/why/{ref}").status_code == 404
        assert get(f"/api/v1/why/{ref}").status_code == 404
        assert get(f"/api/v1/why/{ref}", "ada").status_code == 200
    assert not re.search(NAMED, get("/packs").text)
    assert re.search(NAMED, get("/packs", "ada").text)


def test_an_auditor_exports_and_downloads_packs_of_their_workflows_alone(
    on: Stage, get: Callable[..., httpx2.Response]
) -> None:
    request = PackRequest(start="2020-01-01", end="2100-01-01", actor=on.person("tina"), workflow="quiet")
    for workflow in (None, "quiet"):
        with pytest.raises(ActRefused, match="an auditor of agent exports packs of one of these"):
            export(
                on.installation,
                PackRequest(start="2020-01-01", end="2100-01-01", actor=request.actor, workflow=workflow),
            )
    with httpx2.Client(base_url=on.url, timeout=60) as client:
        client.headers["authorization"] = f"Bearer {on.tokens['ada']}"
        form = re.search(r'name="csrf" value="([0-9a-f]+)"', client.get("/packs").text)
        assert form
        for workflow in ("agent", "quiet"):
            client.post(
                "/packs", data={"csrf": form[1], "from": "2020-01-01", "to": "2100-01-01", "workflow": workflow}
            )
        made = on.settled("pack.exported", 2, within=90)
        deadline = time.monotonic() + 20
        while len(re.findall(r'href="/packs/', get("/packs", "ada").text)) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
    for one in made:
        status = 200 if one.workflow == "agent" else 404
        assert get(f"/packs/{one.facts['pack_ref']}.pdf").status_code == status
        assert get(f"/packs/{one.facts['pack_ref']}.pdf", "ada").status_code == 200
        assert (str(one.facts["pack_ref"]) in get("/packs").text) == (status == 200)


def test_the_access_ends_with_the_box_and_can_be_given_anew(on: Stage, get: Callable[..., httpx2.Response]) -> None:
    installation, ada = on.installation, on.person("ada")
    box = Box(format_time(installation.clock() + timedelta(seconds=1)))
    on.tokens["otto"] = acts.enrol(installation, ada, "otto", ["auditor"], box)
    deadline = time.monotonic() + 20
    while get("/calls", "otto").status_code != 401:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert get("/api/v1/why/ticket:7", "otto").status_code == 401
    with pytest.raises(ActRefused, match="needs the role"):
        export(installation, PackRequest(start="2020-01-01", end="2100-01-01", actor=on.person("otto")))
    access.grant(installation, ada, "otto", "auditor", box=Box("2100-01-01T00:00:00.000000Z"))
    assert get("/calls", "otto").status_code == 200
    assert get("/why/ticket:8", "otto").status_code == 200


def test_whoever_is_more_than_an_auditor_is_not_boxed_in(on: Stage, get: Callable[..., httpx2.Response]) -> None:
    box = Box(format_time(on.installation.clock() + timedelta(days=1)), ("agent",))
    on.tokens["cora"] = acts.enrol(on.installation, on.person("ada"), "cora", ["auditor", "compliance"], box)
    before = len(on.entries("access.recorded"))
    assert get("/why/ticket:8", "cora").status_code == 200
    assert len(on.entries("access.recorded")) == before + 1


def test_an_end_that_is_over_and_a_workflow_that_nobody_registered_are_refused(on: Stage) -> None:
    ada = on.person("ada")
    for box, why in (
        (Box("2020-01-01T00:00:00.000000Z"), "is over already"),
        (Box("2100-01-01T00:00:00.000000Z", ("nosuch",)), "no workflow nosuch is on record"),
    ):
        with pytest.raises(ActRefused, match=why):
            acts.enrol(on.installation, ada, "late", ["auditor"], box)
    with pytest.raises(ActRefused, match="are for the role auditor"):
        acts.enrol(on.installation, ada, "late", ["viewer"], Box("2100-01-01T00:00:00.000000Z"))


def test_without_an_end_an_auditor_has_ninety_days(on: Stage) -> None:
    acts.enrol(on.installation, on.person("ada"), "vera", ["auditor"])
    enrolled = on.entries("person.enrolled")[-1]
    assert (
        enrolled.at[:10]
        < enrolled.facts["until"][:10]
        <= format_time(on.installation.clock() + timedelta(days=90))[:10]
    )
    assert enrolled.facts["workflows"] == []


def test_a_new_end_on_the_command_line_leaves_the_workflows_as_they_are(
    on: Stage, get: Callable[..., httpx2.Response]
) -> None:
    from typer.testing import CliRunner

    from gateway.cli import app

    command = [
        "--home",
        str(on.settings.home),
        "person",
        "grant",
        "tina",
        "auditor",
        "--until",
        "2099-12-31",
        "--as",
        "ada",
    ]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert get("/systems").status_code == 200
    assert get("/system?workflow=quiet").status_code == 404
    tina = on.person("tina").row
    row = on.installation.reader.state(tina)
    assert (row["box"]["until"], row["box"]["workflows"]) == ("2099-12-31T23:00:00.000000Z", ["agent"])
    access.grant(on.installation, on.person("ada"), "tina", "auditor", take=True)
    assert "box" not in on.installation.reader.state(tina)
