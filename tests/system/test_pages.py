"""The why page in a real browser: signing in, reading, the badge, and hostile text that stays text."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import openai
import pytest
from judges import judge
from stage import Stage, stage

from gateway.console.render import page as rendered
from gateway.console.session import Session
from gateway.oversight import acts
from gateway.oversight.people import Box
from gateway.web.api import explain
from ledger.entry import format_time


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("pages") / "home") as opened:
        opened.ask(task="ticket:7", text="<script>document.title = 'owned'</script> & <b>bold</b>")
        call = opened.entries("call.opened")[0].call or ""
        acts.override(
            opened.installation, opened.person("ada"), call, action="reverse", reason_code="R07",
            reason="<img src=x onerror=alert(1)>", presented="shown", before="a", after="b",
        )  # fmt: skip
        opened.installation.checkpointer.sign()
        yield opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    chromium = judge("chromium", "google-chrome")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-background-networking", "--disable-component-update"],
        )
        yield launched
        launched.close()


def test_a_person_signs_in_and_reads_why(on: Stage, browser: Any) -> None:
    page = browser.new_page()
    answer = page.goto(f"{on.url}/why/ticket:7")
    assert answer.status == 401
    page.fill("#token", "wlp_wrong")
    page.click("main button")
    assert "not known here" in page.inner_text("[role=alert]")
    page.fill("#token", on.tokens["victor"])
    page.click("main button")
    assert page.url == f"{on.url}/why/ticket:7"
    assert page.title() == "Why: ticket:7"
    assert page.inner_text(".badge.good") == "Recorded and unchanged"
    assert "It does not prove" in page.inner_text(".proof")
    assert page.locator("dt").count() == 14
    assert page.inner_text("h1") == "ada reversed what the call of agent did."
    assert page.inner_text(".act.bad .verb").lower() == "reversed"
    assert page.locator("text=What we do not know").count() == 1
    assert page.locator("details.call[open]").count() == 0
    page.click("details.call summary")
    assert "reversed what the system did" in page.inner_text("details.call ol")
    assert page.get_attribute("details.call ol a.cite >> nth=0", "href").startswith("/why/entry:")
    assert page.get_attribute("details.call .amount", "title").startswith("EUR 0.00")
    assert page.get_attribute("details.call time", "title").endswith(" UTC")
    assert "ada" not in page.inner_text("header.site")
    assert "victor" in page.inner_text("header.site")
    page.close()


def test_hostile_text_stays_text_and_no_script_runs(on: Stage, browser: Any) -> None:
    page = browser.new_page(extra_http_headers={"authorization": f"Bearer {on.tokens['ada']}"})
    dialogs: list[Any] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog))
    page.goto(f"{on.url}/why/ticket:7")
    assert page.title() == "Why: ticket:7"
    assert "<script>document.title = 'owned'</script>" in page.text_content("details.call blockquote")
    assert page.locator("img, script").count() == 0
    assert dialogs == []
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "size", [{"width": 360, "height": 800}, {"width": 390, "height": 900}, {"width": 1280, "height": 900}]
)
def test_the_page_fits_its_window_folded_and_open(
    on: Stage, browser: Any, size: Any, scheme: Any, tmp_path: Path
) -> None:
    page = browser.new_page(
        viewport=size, color_scheme=scheme, extra_http_headers={"authorization": f"Bearer {on.tokens['ada']}"}
    )
    page.goto(f"{on.url}/why/ticket:7")
    for _ in range(2):
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        page.screenshot(path=tmp_path / "why.png", full_page=True)
        while page.locator("details:not([open]) > summary:visible").count():
            page.locator("details:not([open]) > summary:visible").first.click()
    page.close()


def test_the_question_box_leads_to_the_answer_and_says_when_nothing_is_found(on: Stage, browser: Any) -> None:
    page = browser.new_page(extra_http_headers={"authorization": f"Bearer {on.tokens['ada']}"})
    page.goto(f"{on.url}/")
    page.fill("#q", "ticket:7")
    page.click("main button")
    assert page.title() == "Why: ticket:7"
    assert page.goto(f"{on.url}/why/nothing-here").status == 404
    assert "No entry is linked" in page.content()
    page.close()


def test_the_api_docs_and_the_login_answer_as_they_should(on: Stage, browser: Any) -> None:
    page = browser.new_page()
    assert page.goto(f"{on.url}/docs").status == 200
    answer = page.request.post(
        f"{on.url}/login", form={"token": on.tokens["ada"], "next": "//evil.example/x"}, max_redirects=0
    )
    assert answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    page.close()


def test_a_long_task_is_read_page_by_page(on: Stage, browser: Any) -> None:
    for number in range(11):
        on.ask(task="ticket:11", text=f"call {number}")
    page = browser.new_page(extra_http_headers={"authorization": f"Bearer {on.tokens['ada']}"})
    page.goto(f"{on.url}/why/ticket:11")
    assert "Page 1 of 3: 11 calls" in page.content()
    assert "Call 5 of 11" in page.content()
    assert "Call 6 of 11" not in page.content()
    page.click("a[rel=next]")
    page.click("a[rel=next]")
    assert page.url == f"{on.url}/why/ticket:11?page=3"
    assert "Call 11 of 11" in page.content()
    assert page.query_selector("a[rel=next]") is None
    page.click("a[rel=prev]")
    assert "Call 10 of 11" in page.content()
    assert page.goto(f"{on.url}/why/ticket:11?page=4").status == 404
    page.close()


def test_the_home_page_tells_of_today_within_the_scope_of_who_looks(on: Stage, browser: Any) -> None:
    with pytest.raises(openai.NotFoundError):
        on.ask(model="nothing", task="ticket:12")
    ada = on.person("ada")
    acts.stop(on.installation, ada, acts.stop_scope(on.installation, task="ticket:7"), "it loops")
    acts.stop(on.installation, ada, acts.stop_scope(on.installation, workflow="quiet"), "later")
    box = Box(format_time(on.installation.clock() + timedelta(days=1)), ("quiet",))
    auditor = acts.enrol(on.installation, ada, "nora", ["auditor"], box=box)
    page = browser.new_page(extra_http_headers={"authorization": f"Bearer {on.tokens['victor']}"})
    page.goto(on.url)
    shown = page.inner_text("main").replace("\u00a0", " ")
    for said in ("Spent", "EUR 0.0", "task “ticket:7”", "workflow quiet", "it loops", "All refused calls"):
        assert said in shown
    assert "it asked for a name that the configuration does not define" in page.inner_text("[aria-labelledby=refused]")
    assert page.locator("[aria-labelledby=latest] .line").count() >= 2
    page.click("[aria-labelledby=refused] .line >> nth=0")
    assert page.inner_text("h1").startswith("The call of agent was refused")
    page.close()
    page = browser.new_page(extra_http_headers={"authorization": f"Bearer {auditor}"})
    page.goto(on.url)
    shown = page.inner_text("main")
    assert "workflow quiet" in shown
    for hidden in ("ticket:7", "it loops", "agent", "does not define"):
        assert hidden not in shown
    assert page.locator(".line").count() == 0
    page.close()


def test_what_failed_a_check_is_said_first_and_never_as_unchanged(on: Stage) -> None:
    answer = explain(on.installation, "ticket:7")
    failed = replace(answer, integrity=replace(answer.integrity, failures=("entry 5: not what was signed",)))
    waits = replace(answer, integrity=replace(answer.integrity, failures=(), pending=2))
    session = Session(on.person("ada"), ("admin",), "x", None, "ada")
    shown = [rendered("why", session=session, here="/", answer=one) for one in (failed, waits)]
    assert "Not as recorded: 1 check failed" in shown[0]
    assert "entry 5: not what was signed" in shown[0]
    assert "Recorded; 2 entries not signed yet" in shown[1]
    assert not any("Recorded and unchanged" in one for one in shown)
