"""Every citation of an answer opens: the entry in words, by its number, its id, or the id of what it is about."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx2
import openai
import pytest
from stage import Stage, on_postgresql, stage
from test_lists import typed

from gateway.oversight import acts
from gateway.oversight.people import Box
from gateway.web.api import explain
from ledger.entry import Entry, format_time
from ledger.ids import new_id

pytestmark = pytest.mark.slow
Get = Callable[..., httpx2.Response]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def on(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Stage]:
    environment = on_postgresql() if request.param == "postgresql" else {}
    with stage(tmp_path_factory.mktemp("citations") / "home", environment=environment) as opened:
        opened.ask(task="ticket:7")
        opened.ask(key="quiet", task="4711")
        with pytest.raises(openai.APIStatusError):
            opened.ask("nosuch", task="ticket:7")
        opened.settled("call.closed", 2)
        ada = opened.person("ada")
        acts.revoke_key(opened.installation, ada, opened.keys["small"], "leaked")
        box = Box(format_time(opened.installation.clock() + timedelta(days=1)), ("agent",))
        opened.tokens["tina"] = acts.enrol(opened.installation, ada, "tina", ["auditor"], box)
        yield opened


@pytest.fixture
def get(on: Stage) -> Iterator[Get]:
    with httpx2.Client(base_url=on.url, timeout=20) as client:
        yield lambda path, who="victor": client.get(path, headers={"authorization": f"Bearer {on.tokens[who]}"})


def refused(on: Stage) -> Entry:
    return on.entries("call.refused")[0]


def told(on: Stage, ref: str) -> dict[str, Any]:
    return json.loads(typed(on, "why", ref, "--json"))


@pytest.mark.parametrize("form", ["{seq}", "entry:{seq}", "[entry:{seq}]", "{id}", "[entry:{seq}#/facts/reason_ref]"])
def test_an_entry_opens_by_number_citation_and_id(on: Stage, get: Get, form: str) -> None:
    entry = refused(on)
    ref = form.format(seq=entry.seq, id=entry.id)
    answer = get(f"/api/v1/why/{quote(ref)}").json()
    assert answer == told(on, ref) | {"integrity": answer["integrity"], "as_of_seq": answer["as_of_seq"]}
    (one,) = answer["entries"]
    assert (one["seq"], one["id"], one["call"], one["workflow"]) == (entry.seq, entry.id, entry.call, "agent")
    assert one["facts"] == json.loads(json.dumps(dict(entry.facts)))
    said = typed(on, "why", ref)
    assert "call refused: it asked for a name that the configuration does not define" in said
    assert entry.call in said
    page = get(f"/why/{quote(ref)}")
    assert (page.status_code, f"/why/{entry.call}" in page.text) == (200, True)


def test_a_cited_fact_is_shown_in_both_ways_of_writing_it(on: Stage, get: Get) -> None:
    seq = refused(on).seq
    for path in ("facts.reason_ref", "/facts/reason_ref"):
        (fact,) = get(f"/api/v1/why?q={quote(f'entry:{seq}#{path}')}").json()["facts"]
        assert fact.pop("said") == "it asked for a name that the configuration does not define"
        assert fact == {"fact": f"entry:{seq}#{path}", "recorded": True, "value": "route_unknown"}
    (missing,) = get(f"/api/v1/why?q={quote(f'entry:{seq}#facts.nosuch')}").json()["facts"]
    assert (missing["recorded"], missing["value"]) == (False, None)
    assert "not in this entry" in typed(on, "why", f"entry:{seq}#facts.nosuch")
    assert "not in this entry" in get(f"/why/{quote(f'entry:{seq}#facts.nosuch')}").text


def test_every_citation_of_an_answer_opens_for_whoever_got_the_answer(on: Stage, get: Get) -> None:
    answer = get("/api/v1/why/ticket:7", "tina").json()
    cited = {fact for one in (*answer["narrative"], *answer["questions"]) for fact in one["facts"]}
    assert len(cited) > 10
    for fact in cited:
        assert get(f"/api/v1/why?q={quote(fact)}", "tina").status_code == 200, fact
    page = get("/why/ticket:7", "tina").text
    links = set(re.findall(r'href="(/why/entry[^"]+)"', page))
    assert len(links) > 10
    assert {get(link, "tina").status_code for link in links} == {200}


def test_keys_configurations_and_workflows_lead_to_their_entries(on: Stage, get: Get) -> None:
    key = on.installation.vault.owner_of(on.keys["small"]) or ""
    digest = acts.active_configuration(on.installation)[1]
    for ref, kind, kinds in (
        (key, "key", ["key.issued", "key.revoked"]),
        (digest, "configuration", ["config.activated"]),
        ("agent", "workflow", ["workflow.registered", "workflow.released"]),
    ):
        answer = get(f"/api/v1/why/{ref}").json()
        assert (answer["kind"], [one["kind"] for one in answer["entries"]]) == (kind, kinds)
        assert get(f"/why/{ref}").status_code == 200
        assert "ada (signed in" in typed(on, "why", ref)
    assert "“leaked”" in typed(on, "why", key)


def test_a_number_that_a_task_has_is_the_task_and_the_entry_is_written_out(on: Stage, get: Get) -> None:
    assert get("/api/v1/why/4711").json()["kind"] == "task"
    assert explain(on.installation, "4711").kind == "task"


def test_an_auditor_and_a_key_open_entries_of_their_workflows_alone(on: Stage, get: Get) -> None:
    quiet = next(one for one in on.entries("call.closed") if one.workflow == "quiet")
    person = on.entries("person.enrolled")[0]
    key = on.installation.vault.owner_of(on.keys["quiet"])
    for ref in (f"entry:{quiet.seq}", quiet.id, f"entry:{person.seq}", key, "quiet"):
        assert get(f"/api/v1/why/{ref}").status_code == 200
        assert get(f"/api/v1/why/{ref}", "tina").status_code == 404
        assert get(f"/why/{ref}", "tina").status_code == 404
        with httpx2.Client(base_url=on.url) as client:
            own = client.get(f"/api/v1/why/{ref}", headers={"authorization": f"Bearer {on.keys['agent']}"})
        assert own.status_code == 404
    mixed = f"[entry:{refused(on).seq}, entry:{quiet.seq}]"
    assert get(f"/api/v1/why?q={quote(mixed)}").status_code == 200
    assert get(f"/api/v1/why?q={quote(mixed)}", "tina").status_code == 404


def test_prompts_and_answers_are_not_in_an_entry_s_view(on: Stage, get: Get) -> None:
    closed = next(one for one in on.entries("call.closed") if one.workflow == "agent")
    (one,) = get(f"/api/v1/why/entry:{closed.seq}").json()["entries"]
    assert one["texts"]["answer"] == "kept; the answer about its call tells it"


@pytest.mark.parametrize("ref", ["entry:999999999", "999999999", "entry:x", "[entry:1", "nosuch", "entry:1#", "x" * 43])
def test_what_names_no_entry_is_not_found(on: Stage, get: Get, ref: str) -> None:
    assert get(f"/api/v1/why?q={quote(ref)}").status_code == 404
    assert get(f"/why/{quote(ref)}").status_code == 404
    said = typed(on, "why", ref, code=1)
    assert (said.count("\n"), "no entry is linked" in said) == (1, True)


def test_bytes_that_are_no_text_are_one_line_of_an_error(on: Stage) -> None:
    assert "no entry is linked" in typed(on, "why", "\udcff", code=1)


def test_an_id_that_nobody_gave_out_is_not_found(on: Stage, get: Get) -> None:
    made_up = (new_id("ent", on.installation.clock()), "ent_ffffffff-ffff-7fff-bfff-ffffffffffff")
    assert [get(f"/api/v1/why/{ref}").status_code for ref in made_up] == [404, 404]
