"""The console in a real browser: every page at two widths, light and dark, for people of each role; forms that hold."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from judges import judge
from stage import Stage, stage

from classifiers.facts import FactsInvalid
from classifiers.law.records import vocabulary
from gateway.console.answers import as_given, read_answers
from gateway.console.packs import uploaded
from gateway.oversight import acts
from gateway.oversight.holds import Scope, place
from gateway.oversight.registers import record

pytestmark = pytest.mark.slow
PAGES = (
    "/",
    "/calls",
    "/systems",
    "/system?workflow=agent",
    "/system/questions?workflow=agent",
    "/packs",
    "/reviews",
    "/approvals",
    "/incidents",
    "/incidents/INCIDENT",
    "/scorecard",
    "/scorecard?workflow=agent",
    "/why/ticket:7",
    "/why/entry:2",
)
HOSTILE = "<script>document.title='owned'</script>"


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("console") / "home") as opened:
        text = opened.installation.vault.text(acts.active_configuration(opened.installation)[1]) or ""
        changed = text.replace(
            "agent: {purpose: test",
            f'agent: {{oversight: a person reads each list, next_review: "2026-01-31", purpose: "ranks job applicants {HOSTILE}"',
        )
        assert changed != text
        acts.activate(opened.installation, opened.person("ada"), changed, "x")
        acts.release(opened.installation, opened.person("ada"), "agent", "x")
        for number in range(3):
            opened.ask(task="ticket:7", text=f"{HOSTILE} {number}")
        opened.settled("call.closed", 3)
        for role in ("engineer", "finance", "compliance", "approver", "auditor"):
            opened.tokens[role] = acts.enrol(opened.installation, opened.person("ada"), role, [role])
        stated = {"aware_on": "2026-01-05", "harm": "death", "limited": "no", "severity": "1"}
        ada = opened.person("ada")
        incident = record(opened.installation, ada, "incident", "agent", stated, words=f"{HOSTILE} happened")
        place(opened.installation, ada, Scope(workflow="agent"), "incident", HOSTILE, incident=incident)
        yield opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    chromium = judge("chromium", "google-chrome")
    arguments = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield launched
        launched.close()


def real(on: Stage, path: str) -> str:
    """Return a path with the incident that is on record."""
    return path.replace("INCIDENT", on.entries("incident.opened")[0].facts["incident_ref"])


def page_of(on: Stage, browser: Any, who: str = "ada", **more: Any) -> Any:
    context = browser.new_context(base_url=on.url, **more)
    context.add_cookies([{"name": "whyledger_token", "value": on.tokens[who], "url": on.url}])
    return context.new_page()


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_fits_its_window_and_axe_finds_nothing_serious(
    on: Stage, browser: Any, path: str, width: int, scheme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = page_of(on, browser, viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    assert page.goto(real(on, path)).status == 200
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert "owned" not in page.title()
    assert page.locator("main script, main img").count() == 0
    found = Axe().run(page).response["violations"]
    assert [
        (one["id"], one["nodes"][0]["html"][:200]) for one in found if one["impact"] in ("serious", "critical")
    ] == []
    page.context.close()


@pytest.mark.parametrize("path", PAGES)
def test_without_a_session_every_page_asks_to_sign_in_and_leads_back(on: Stage, browser: Any, path: str) -> None:
    page = browser.new_context(base_url=on.url).new_page()
    path = real(on, path)
    assert page.goto(path).status == 401
    page.fill("#token", on.tokens["victor"])
    page.click("main button")
    assert page.url == on.url + path
    page.context.close()


@pytest.mark.parametrize("role", ["victor", "engineer", "finance", "compliance", "approver", "auditor", "ada"])
def test_who_may_do_what_is_the_same_on_every_page(on: Stage, browser: Any, role: str) -> None:
    page = page_of(on, browser, role)
    for path in PAGES:
        assert page.goto(real(on, path)).status == 200, path
    csrf = page.get_attribute("input[name=csrf] >> nth=0", "value")
    version = (on.installation.reader.state("workflow:agent") or {})["version"]
    given = {
        "csrf": csrf,
        "workflow": "agent",
        "technique": "rules_written_by_people",
        "reason": "seen",
        "version": version,
    }
    answer = page.request.post("/system/class", form=given | {"tier": "out_of_scope"}, max_redirects=0)
    assert answer.status == (303 if role in ("compliance", "ada") else 403)
    packed = page.request.post("/packs", form={"csrf": csrf, "from": "x", "to": "y"}, max_redirects=0)
    assert packed.status == (303 if role in ("compliance", "auditor", "ada") else 403)
    page.goto(real(on, "/incidents/INCIDENT"))
    assert page.locator("text=Put it on record").count() == (role in ("engineer", "compliance", "ada"))
    assert page.locator("text=Lift it").count() == (role in ("compliance", "ada"))
    page.goto("/packs")
    assert page.locator("text=Make it").count() == (role in ("compliance", "auditor", "ada"))
    page.context.close()


@pytest.mark.parametrize("path", ["/logout", "/system/class", "/packs"])
@pytest.mark.parametrize("csrf", ["", "0" * 64])
def test_a_form_from_elsewhere_is_refused(on: Stage, browser: Any, path: str, csrf: str) -> None:
    page = page_of(on, browser)
    before = len(on.entries())
    answer = page.request.post(
        path, form={"csrf": csrf, "technique": "rules_written_by_people", "reason": "x"}, max_redirects=0
    )
    assert answer.status == 403
    assert len(on.entries()) == before
    page.context.close()


def test_the_questionnaire_asks_only_what_matters_resumes_from_its_address_and_is_confirmed(
    on: Stage, browser: Any
) -> None:
    page = page_of(on, browser)
    page.goto("/system?workflow=agent")
    assert "What part does it play in finding or choosing people for work?" in page.inner_text("main")
    assert "a person reads each list" in page.inner_text("main")
    assert "2026-01-31 overdue" in page.inner_text("main")
    page.goto("/system/questions?workflow=agent")
    assert "Open: between outside the Regulation and prohibited practice" in page.inner_text("main")
    page.check("input[value=language_model]")
    page.click("text=Go on")
    page.check("input[value=user_in_eu]")
    page.click("text=Go on")
    address = page.url
    assert "technique=language_model" in address
    other = page_of(on, browser)
    other.goto(address)
    assert "exclusively for military" not in other.inner_text("legend")
    assert "military" in other.inner_text("legend")
    other.check("input[value=only]")
    other.click("text=Go on")
    assert "outside the Regulation, asked for" in other.inner_text("main")
    assert "Art. 2(3)" in other.inner_text("main")
    other.fill("#reason", "only for the army")
    other.click("text=Confirm this class")
    assert other.url == f"{on.url}/system?workflow=agent"
    assert "Confirmed by ada (signed in with a personal token)" in other.inner_text("main")
    assert on.entries("workflow.classified")[-1].facts["answers"]["eu_link"] == ["user_in_eu"]
    page.context.close()
    other.context.close()


def test_answers_that_nobody_knows_leave_the_class_open_and_it_cannot_be_confirmed(on: Stage, browser: Any) -> None:
    page = page_of(on, browser)
    page.goto("/system/questions?workflow=agent&technique=unknown&nonsense=1")
    assert "there is no question nonsense" in page.inner_text("[role=alert]")
    every = "&".join(f"{name}=unknown" for name in vocabulary())
    page.goto(f"/system/questions?workflow=agent&{every}")
    assert "The class stays open" in page.inner_text("main")
    assert page.locator("text=Confirm this class").count() == 0
    page.context.close()


def test_calls_are_filtered_by_the_address_and_lead_to_why(on: Stage, browser: Any) -> None:
    page = page_of(on, browser)
    page.goto("/calls")
    assert page.locator("tbody tr").count() >= 3
    page.fill("#workflow", "agent")
    page.select_option("#result", "answered")
    page.click("main button")
    assert "workflow=agent" in page.url
    assert page.locator("tbody tr").count() >= 3
    page.fill("#workflow", "nobody")
    page.click("main button")
    assert "No call fits this filter" in page.inner_text("main")
    page.goto("/calls?before=3&workflow=" + "x" * 5000)
    assert page.locator("main").count() == 1
    assert page.goto("/calls?from=yesterday").status == 400
    page.goto("/calls?from=2999-01-01")
    assert "No call fits this filter" in page.inner_text("main")
    page.goto("/calls?from=2020-01-01&to=2999-01-01&only=errors")
    assert page.locator("main").count() == 1
    page.goto("/calls")
    page.click("tbody a >> nth=0")
    assert "/why/call_" in page.url
    page.context.close()


def test_a_pack_is_made_downloaded_and_verified_in_the_browser(on: Stage, browser: Any, tmp_path: Path) -> None:
    page = page_of(on, browser, "compliance")
    page.goto("/packs")
    page.fill("#from", "2020-01-01")
    page.fill("#to", "2100-01-01")
    page.click("text=Make it")
    deadline = time.monotonic() + 90
    while page.locator("main table a").count() == 0 and time.monotonic() < deadline:
        time.sleep(0.5)
        page.goto("/packs")
    with page.expect_download() as downloading:
        page.click("main table a")
    downloading.value.save_as(tmp_path / "pack.pdf")
    assert (tmp_path / "pack.pdf").read_bytes().startswith(b"%PDF-1.7")
    assert on.entries("pack.exported")[-1].facts["assurance"] == "token"
    page.set_input_files("#pack", tmp_path / "pack.pdf")
    page.click("button:text-is('Verify')")
    assert "nothing failed, level L1" in page.inner_text("main")
    (tmp_path / "bad.pdf").write_bytes((tmp_path / "pack.pdf").read_bytes()[:-20])
    page.set_input_files("#pack", tmp_path / "bad.pdf")
    page.click("button:text-is('Verify')")
    assert "Result: FAILED" in page.inner_text("main")
    assert page.goto("/packs/..%2Flog.db").status == 404
    viewer = page_of(on, browser, "victor")
    assert viewer.goto(downloading.value.url).status == 404
    viewer.context.close()
    page.context.close()


def test_a_pack_that_cannot_be_made_says_why(on: Stage, browser: Any) -> None:
    page = page_of(on, browser)
    csrf = (page.goto("/packs"), page.get_attribute("input[name=csrf]", "value"))[1]
    page.request.post("/packs", form={"csrf": csrf, "from": "soon", "to": "later"})
    deadline = time.monotonic() + 20
    while "is being made" in page.inner_text("main") or "soon" not in page.inner_text("main"):
        assert time.monotonic() < deadline
        page.goto("/packs")
    assert "'soon' is neither a day" in page.inner_text("main")
    page.context.close()


def test_signing_out_ends_the_session(on: Stage, browser: Any) -> None:
    page = page_of(on, browser)
    page.goto("/")
    page.click("text=Sign out")
    assert page.goto("/calls").status == 401
    page.context.close()


def test_an_empty_installation_says_what_to_do(tmp_path: Path, browser: Any) -> None:
    with stage(tmp_path / "home") as fresh:
        page = page_of(fresh, browser)
        page.goto("/calls")
        assert "No call has ended yet" in page.inner_text("main")
        assert "base_url" in page.inner_text("main")
        page.context.close()


def test_answers_survive_the_address() -> None:
    answers = {
        "technique": "language_model",
        "our_acts": ["uses"],
        "eu_link": [],
        "profiles_persons": True,
        "first_supplied": None,
        "about": "unknown",
    }
    assert read_answers(vocabulary(), as_given(answers)) == answers
    with pytest.raises(FactsInvalid, match="technique"):
        read_answers(vocabulary(), [("technique", "magic")])


def test_a_question_left_without_an_answer_is_put_again(on: Stage, browser: Any) -> None:
    page = page_of(on, browser)
    page.goto("/system/questions?workflow=agent&technique=language_model")
    question = page.inner_text("legend")
    page.click("text=Go on")
    assert page.inner_text("legend") == question
    page.check("input[value='-']")
    page.click("text=Go on")
    assert "outside the Regulation, asked for" in page.inner_text("main")
    page.context.close()


def test_a_class_of_something_that_changed_meanwhile_is_not_confirmed(on: Stage, browser: Any) -> None:
    page = page_of(on, browser)
    page.goto("/system/questions?workflow=agent&technique=rules_written_by_people")
    text = on.installation.vault.text(acts.active_configuration(on.installation)[1]) or ""
    acts.activate(on.installation, on.person("ada"), text.replace("ranks job applicants", "rates job applicants"), "x")
    before = len(on.entries("workflow.classified"))
    page.fill("#reason", "seen")
    page.click("text=Confirm this class")
    assert "the workflow was changed since you opened this page" in page.inner_text("[role=alert]")
    assert len(on.entries("workflow.classified")) == before
    page.context.close()


def test_a_name_with_slashes_has_a_page_of_its_own(on: Stage, browser: Any) -> None:
    acts.issue_key(on.installation, on.person("ada"), "dev", "agent/questions", new=True)
    page = page_of(on, browser)
    page.goto("/systems")
    page.click("text=agent/questions")
    assert page.inner_text("h1") == "agent/questions"
    assert page.goto("/system?workflow=nothing").status == 404
    assert "No workflow nothing is registered" in page.inner_text("main")
    page.context.close()


def test_a_large_upload_is_split_by_looking_once() -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="pack"; filename="p"\r\n\r\n'
        + b"\n" * 20_000_000
        + b"\r\n--b--\r\n"
    )
    assert len(uploaded("multipart/form-data; boundary=b", body)["pack"]) == 20_000_000


def test_only_a_multipart_form_has_files() -> None:
    assert uploaded("text/plain", b"x") == {}
    body = b'--b\r\nContent-Disposition: form-data; name="pack"; filename="p"\r\n\r\n\x00\xff\r\n\r\n--b--\r\n'
    assert uploaded("multipart/form-data; boundary=b", body) == {"pack": b"\x00\xff\r\n"}


def test_no_page_says_what_we_never_say(on: Stage, browser: Any) -> None:
    page = page_of(on, browser)
    for path in PAGES:
        page.goto(path)
        text = page.inner_text("main").lower()
        assert not re.findall(r"\b(compliant|certified|immutable|tamper-proof|qualified)\b", text), path
    page.context.close()
