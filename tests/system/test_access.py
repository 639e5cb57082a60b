"""Personal tokens: replaced, revoked and on record; what rests on one ends with it, at once and in every process."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from stage import Stage, on_postgresql, stage
from test_command_line import Shell
from test_lists import typed

from gateway.oversight import access, acts
from gateway.oversight.people import ActRefused, by_name, by_token
from gateway.packing import PackRequest, export
from gateway.store.rebuild import rebuild_projections
from ledger.store.vault import token_digest

pytestmark = pytest.mark.slow
Status = Callable[[str, str], int]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def on(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Stage]:
    environment = on_postgresql() if request.param == "postgresql" else {}
    with stage(tmp_path_factory.mktemp("access") / "home", environment=environment) as opened:
        yield opened


@pytest.fixture
def status(on: Stage) -> Iterator[Status]:
    """Asks a page with the cookie of a session, or the API with the token."""

    def asked(path: str, token: str) -> int:
        with httpx2.Client(base_url=on.url, timeout=20) as client:
            if path.startswith("/api"):
                return client.get(path, headers={"authorization": f"Bearer {token}"}).status_code
            return client.get(path, headers={"cookie": f"whyledger_token={token}"}).status_code

    yield asked


def enrolled(on: Stage, name: str, *roles: str) -> str:
    return acts.enrol(on.installation, on.person("ada"), name, roles)


def test_a_new_token_takes_the_place_of_the_old_one_at_once(on: Stage, status: Status) -> None:
    old = enrolled(on, "nora", "viewer")
    assert (status("/calls", old), status("/api/v1/calls", old)) == (200, 200)
    new = typed(on, "person", "token", "nora", "--as", "ada").splitlines()[0]
    assert (status("/calls", old), status("/api/v1/calls", old)) == (401, 401)
    assert (status("/calls", new), status("/api/v1/calls", new)) == (200, 200)
    newest = access.issue_token(on.installation, on.person("ada"), "nora")
    assert [status("/calls", one) for one in (old, new, newest)] == [401, 401, 200]


def test_a_new_token_is_on_record_without_the_token(on: Stage) -> None:
    enrolled(on, "olga", "viewer")
    token = access.issue_token(on.installation, on.person("ada"), "olga")
    entry = on.entries("token.issued")[-1]
    olga = by_name(on.installation, "olga", token)
    assert (entry.act, entry.facts["person_ref"]) == (on.person("ada").pseudonym, olga.pseudonym)
    head = on.installation.reader.head().size
    written = b"".join(on.installation.reader.raw(0, head)).decode()
    assert token not in written
    assert token_digest(token) not in written


def test_a_revoked_token_ends_its_session_and_no_role_revives_it(on: Stage, status: Status) -> None:
    token = enrolled(on, "paul", "viewer", "engineer")
    said = typed(on, "person", "revoke", "paul", "--as", "ada", "--reason", "laptop lost")
    assert said == "revoked the token of paul; roles that stay: engineer, viewer\n"
    assert (status("/calls", token), status("/api/v1/calls", token)) == (401, 401)
    access.grant(on.installation, on.person("ada"), "paul", "compliance")
    assert (status("/calls", token), status("/api/v1/calls", token)) == (401, 401)
    assert by_token(on.installation, token) is None
    shown = typed(on, "person", "list")
    assert [line.split()[-2] for line in shown.splitlines() if line.startswith("paul")] == ["revoked"]
    with pytest.raises(ActRefused, match="paul has no token that is valid"):
        access.revoke_token(on.installation, on.person("ada"), "paul", "again")
    new = access.issue_token(on.installation, on.person("ada"), "paul")
    assert status("/calls", new) == 200


def test_taking_the_last_role_ends_the_token_and_giving_one_again_does_not_revive_it(on: Stage, status: Status) -> None:
    token = enrolled(on, "rita", "viewer", "finance")
    ada = on.person("ada")
    access.grant(on.installation, ada, "rita", "finance", take=True)
    assert status("/calls", token) == 200
    access.grant(on.installation, ada, "rita", "viewer", take=True)
    assert status("/calls", token) == 401
    access.grant(on.installation, ada, "rita", "viewer")
    assert status("/calls", token) == 401
    assert [one.kind for one in on.entries()[-3:]] == ["role.revoked", "token.revoked", "role.granted"]


def test_a_right_that_is_taken_is_gone_from_the_next_form_of_a_running_session(on: Stage) -> None:
    token = enrolled(on, "sara", "compliance", "viewer")
    with httpx2.Client(base_url=on.url, timeout=20, cookies={"whyledger_token": token}) as client:
        csrf = client.get("/packs").text.partition('name="csrf" value="')[2][:64]
        access.grant(on.installation, on.person("ada"), "sara", "compliance", take=True)
        asked = client.post("/packs", data={"csrf": csrf, "from": "2026-01-01", "to": "2026-02-01"})
        assert asked.status_code == 403
        access.revoke_token(on.installation, on.person("ada"), "sara", "left")
        form = client.post("/packs", data={"csrf": csrf, "from": "2026-01-01", "to": "2026-02-01"})
    assert form.status_code == 401


def test_an_act_under_a_token_that_ended_meanwhile_is_refused_in_the_transaction(on: Stage) -> None:
    on.tokens["tom"] = enrolled(on, "tom", "engineer", "compliance")
    tom = on.person("tom")
    access.revoke_token(on.installation, on.person("ada"), "tom", "left")
    before = len(on.entries())
    for attempt in (
        lambda: acts.stop(on.installation, tom, ("workflow:fresh", None), "x"),
        lambda: export(on.installation, PackRequest(start="2026-01-01", end="2100-01-01", actor=tom)),
    ):
        with pytest.raises(ActRefused, match="was replaced or revoked"):
            attempt()
    assert len(on.entries("stop.engaged", "pack.exported")) == 0
    assert len(on.entries()) - before <= 1  # the end of a period, before a pack


def test_the_last_admin_with_a_token_keeps_role_and_token(on: Stage) -> None:
    ada = on.person("ada")
    with pytest.raises(ActRefused, match="ada is the last admin with a token"):
        access.revoke_token(on.installation, ada, "ada", "enough")
    assert "last admin" in typed_error(on, "person", "revoke", "ada", "--as", "ada", "--reason", "enough")
    second = enrolled(on, "uwe", "admin")
    access.revoke_token(on.installation, ada, "uwe", "on leave")
    for act in (
        lambda: access.revoke_token(on.installation, ada, "ada", "enough"),
        lambda: access.grant(on.installation, ada, "ada", "admin", take=True),
    ):
        with pytest.raises(ActRefused, match="ada is the last admin with a token"):
            act()
    assert by_token(on.installation, second) is None


def typed_error(on: Stage, *arguments: str) -> str:
    from typer.testing import CliRunner

    from gateway.cli import app
    from ledger.errors import LedgerError

    done = CliRunner().invoke(app, ["--home", str(on.settings.home), *arguments], env=dict(on.settings.environment))
    assert isinstance(done.exception, LedgerError)
    return str(done.exception)


def test_only_an_admin_issues_and_revokes(on: Stage) -> None:
    for act in (
        lambda: access.issue_token(on.installation, on.person("victor"), "ada"),
        lambda: access.revoke_token(on.installation, on.person("victor"), "ada", "x"),
    ):
        with pytest.raises(ActRefused, match="needs the role admin"):
            act()
    assert on.person("ada").assurance == "token"
    with pytest.raises(ActRefused, match="nobody called zoe"):
        access.issue_token(on.installation, on.person("ada"), "zoe")
    with pytest.raises(ActRefused, match="say why"):
        access.revoke_token(on.installation, on.person("ada"), "victor", " ")


def test_a_rebuilt_state_knows_the_same_tokens(on: Stage, status: Status) -> None:
    dead = enrolled(on, "vera", "viewer")
    alive = access.issue_token(on.installation, on.person("ada"), "vera")
    before = on.installation.reader.states("person:")
    rebuild_projections(on.installation)
    assert on.installation.reader.states("person:") == before
    assert (status("/calls", dead), status("/calls", alive)) == (401, 200)


def test_signing_out_is_a_button_on_every_page_and_ends_the_session_of_the_browser(on: Stage) -> None:
    with httpx2.Client(base_url=on.url, timeout=20) as client:
        assert client.post("/login", data={"token": on.tokens["victor"], "next": "/calls"}).status_code == 303
        page = client.get("/calls")
        assert (page.status_code, "Sign out" in page.text) == (200, True)
        csrf = page.text.partition('name="csrf" value="')[2][:64]
        assert client.post("/logout", data={"csrf": csrf}).status_code == 303
        assert client.get("/calls").status_code == 401


def test_the_command_line_refuses_a_dead_token_in_one_line(tmp_path: Path) -> None:
    shell = Shell(tmp_path / "home")
    shell.ok("init", "--origin", "localhost/test", "--admin", "ada")
    old = shell.ok("person", "add", "bob", "--role", "admin", "--as", "ada").strip()
    new = shell.ok("person", "token", "bob", "--as", "ada").strip()
    code, _, wrong = shell("person", "add", "eve", "--role", "viewer", "--as", "bob", token=old)
    assert (code, wrong) == (1, "whyledger: the token in WHYLEDGER_TOKEN is not bob's, or was replaced or revoked\n")
    shell.ok("person", "add", "eve", "--role", "viewer", "--as", "bob", token=new)
