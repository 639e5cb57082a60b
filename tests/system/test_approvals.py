"""A call of a tool that a person must approve: held, decided, given out once, and on record, whoever tries what."""

import functools
import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import anthropic
import httpx2
import openai
import pytest
import second_verifier
from asking import PATHS, Answer, ask
from google import genai
from stage import Clock, Stage, listening, stage
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from test_lists import typed
from test_tools import CLIENTS, obedient

import gateway.app
from gateway.demo.world import free_port
from gateway.oversight import acts
from gateway.oversight.access import grant
from gateway.oversight.approving import Deadlines, decide
from gateway.oversight.people import ActRefused
from gateway.packing import PackRequest, export
from gateway.state.rows import approval_row
from gateway.store import installation
from gateway.store.rebuild import replay
from gateway.web.api import explain
from ledger.verify import verify_pack

pytestmark = pytest.mark.slow
RULES = json.dumps(
    {
        "pay": {"effect": "money_out", "approval": "always", "arguments": {"properties": {"amount": {"maximum": 500}}}},
        "mail": {"effect": "message_out", "approval": "unless_said", "said_by_person": ["to"]},
    }
)
TOOLS = '["pay", "mail", "lookup"]'
WISH = "Pay the landlord, and mail ana@firm.example."
PAID = {"amount": 120.5, "to": "landlord"}


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with opened(tmp_path_factory.mktemp("approvals") / "home") as one:
        yield one


def opened(home: Any, **knobs: Any) -> Any:
    return stage(home, tools=TOOLS, tool_rules=RULES, max_calls=100_000, **knobs)


def enrolled(on: Stage, name: str, *roles: str) -> None:
    if name not in on.tokens:
        on.tokens[name] = acts.enrol(on.installation, on.person("ada"), name, list(roles))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(gateway.app, "opened", functools.partial(installation.opened, clock=made))
    return made


def pass_time(on: Stage, clock: Clock) -> None:
    """Let more time pass than people have, and wait until the process has renewed its lease."""
    clock.offset += timedelta(minutes=11)
    deadline = time.monotonic() + 30
    while ask(on, text=f"free at {time.monotonic()}", key="quiet").status == 503 and time.monotonic() < deadline:
        time.sleep(0.1)


def held(on: Stage, answer: Answer) -> str:
    assert b"approval_required" in answer.body.lower() or answer.status == 202, answer.body
    return str(json.loads(answer.body)["id"] if answer.status == 202 else answer.error["approval_id"])


def decision(
    on: Stage, approval: str, word: str = "approve", *, by: str = "ada", reason: str = "it is the rent"
) -> str:
    shown = on.installation.reader.state(approval_row(approval))["shown"]
    return decide(on.installation, on.person(by), approval, word, reason, shown)


def text_of(name: str) -> str:
    """A request that no other test makes."""
    return f"{WISH} ({name})"


@pytest.mark.parametrize("form", PATHS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_held_call_leaves_once_and_byte_for_byte_when_a_person_has_approved_it(
    on: Stage, form: str, stream: bool
) -> None:
    text = text_of(f"{form} {stream}")
    on.upstream.answer = obedient(form, "lookup", PAID, stream)
    free = ask(on, form, stream, text=text + " free").body
    on.upstream.answer = obedient(form, "pay", PAID, stream)
    first = ask(on, form, stream, text=text)
    assert b"120.5" not in first.body and b"landlord" not in first.body
    approval = held(on, first)
    assert first.status == (200 if stream else 403)
    if not stream:
        assert first.headers["x-should-retry"] == "false" and first.headers["x-whyledger-decision"] == "hold"
        assert first.headers["x-whyledger-approval"] == approval
    bought = len(on.upstream.seen)
    again = ask(on, form, stream, text=text)
    assert held(on, again) == approval and again.status == 403, "the same request waits for the same person"
    assert decision(on, approval) == "approved"
    given = ask(on, form, stream, text=text, x_whyledger_approval=approval)
    assert given.status == 200 and b"approval_" not in given.body
    same = given.body.replace(b'"pay"', b'"lookup"')
    assert same == free if "to" not in form else len(same) == len(free)  # what is translated has times of its own
    twice = ask(on, form, stream, text=text, x_whyledger_approval=approval)
    assert twice.status == 403 and b"approval_used" in twice.body.lower()
    assert len(on.upstream.seen) == bought, "it was bought again"
    closed = on.entries("call.closed")[-1].facts
    assert (closed["result"], closed["cost_nano_eur"], closed["attempts"]) == ("answered", 0, [])
    assert "approval" in on.entries("call.opened")[-1].facts["passed"] and "tool-approval" in closed["passed"]


def test_why_says_who_approved_it_from_either_call_and_from_the_approval(on: Stage) -> None:
    on.upstream.answer = obedient("chat", "pay", PAID, False)
    text = text_of("why")
    approval = held(on, ask(on, text=text))
    first = on.entries("call.closed")[-1].call
    decision(on, approval, reason="the rent of May")
    given = ask(on, text=text, x_whyledger_approval=approval).headers["x-whyledger-call"]
    for ref in (str(first), given, approval):
        answer = explain(on.installation, ref)
        assert [one["person"].split(" (")[0] for one in answer.approvals["this_call"]["people"]] == ["ada"], ref
        assert "the rent of May" in answer.approvals["this_call"]["people"][0]["reason"]
        assert "ada approved it" in answer.verdict.text
    told = " ".join(one.text for one in explain(on.installation, str(first)).narrative)
    assert "it was held for 1 person with the role approver" in told
    assert "pay: every call of this tool waits for a person" in told
    told = " ".join(one.text for one in explain(on.installation, given).narrative)
    assert f"It was given the answer of {first}, which had waited for a person; nothing was bought." in told
    texts = [one.facts for one in on.entries() if one.kind.startswith("approval.")]
    assert "landlord" not in json.dumps([dict(one) for one in texts]), "a value of the call stands in an entry"


def test_a_recipient_that_somebody_has_said_asks_nobody_and_another_asks(on: Stage) -> None:
    on.upstream.answer = obedient("chat", "mail", {"to": "ana@firm.example", "text": "x"}, False)
    assert ask(on, text=text_of("said")).status == 200
    on.upstream.answer = obedient("chat", "mail", {"to": "eve@else.example", "text": "x"}, False)
    answer = ask(on, text=text_of("not said"))
    assert answer.status == 403 and "mail: said_by_person: to" in answer.error["message"]
    decision(on, held(on, answer), "reject", reason="nobody knows eve")
    refused = ask(on, text=text_of("not said"), x_whyledger_approval=held(on, answer))
    assert refused.error["code"] == "approval_rejected"
    repeated = ask(on, text=text_of("not said"))
    assert repeated.error["code"] == "repeated", "what was rejected is not bought again at once"


def test_what_breaks_a_hard_part_of_the_rule_is_refused_and_asks_nobody(on: Stage) -> None:
    on.upstream.answer = obedient("chat", "pay", {"amount": 9000, "to": "grocer"}, False)
    before = len(on.entries("approval.requested"))
    assert ask(on, text=text_of("hard")).error["code"] == "policy_denied"
    assert len(on.entries("approval.requested")) == before


def test_an_approval_is_for_the_very_same_request_by_the_same_key(on: Stage) -> None:
    on.upstream.answer = obedient("chat", "pay", PAID, False)
    text = text_of("same")
    approval = held(on, ask(on, text=text))
    decision(on, approval)
    for changed, key in ((text + "!", "agent"), (text, "small")):
        refused = ask(on, text=changed, key=key, x_whyledger_approval=approval)
        assert (refused.status, refused.error["code"]) == (403, "approval_mismatch")
        assert on.entries("call.refused")[-1].facts["inputs"] == {"approval": approval}
    unknown = ask(on, text=text, x_whyledger_approval=approval[:-4] + "0000")
    assert unknown.error["code"] == "approval_mismatch"
    assert ask(on, text=text, x_whyledger_approval="appr_1").status == 400
    assert ask(on, text=text, x_whyledger_approval=approval).status == 200


@pytest.mark.parametrize("stream", [False, True])
def test_a_caller_who_prefers_to_wait_gets_the_answer_on_the_same_connection(on: Stage, stream: bool) -> None:
    on.upstream.answer = obedient("chat", "pay", PAID, stream)
    text = text_of(f"wait {stream}")
    before = len(on.entries("approval.requested"))

    def approve() -> None:
        asked = on.settled("approval.requested", before + 1)[-1]
        decision(on, asked.facts["approval_ref"])

    deciding = threading.Thread(target=approve)
    deciding.start()
    answer = ask(on, "chat", stream, text=text, prefer="wait=20")
    deciding.join()
    assert answer.status == 200 and b"error" not in answer.body
    if not stream:
        assert (
            json.loads(json.loads(answer.body)["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"])
            == PAID
        )
    if stream:
        events = [json.loads(one[6:]) for one in answer.body.decode().split("\n\n") if one.startswith("data: {")]
        pieces = [call["function"]["arguments"] for one in events for choice in one["choices"] for call in choice["delta"].get("tool_calls", [])]  # fmt: skip
        assert json.loads("".join(pieces)) == PAID
        assert answer.body.count(b'"content": "well"') == 1, "what had been given was given again"
        assert answer.body.rstrip().endswith(b"data: [DONE]")


def test_a_wait_that_nobody_answers_ends_as_the_error_that_it_would_have_been(on: Stage) -> None:
    on.upstream.answer = obedient("chat", "pay", PAID, False)
    answer = ask(on, text=text_of("in vain"), prefer="wait=1")
    assert answer.status == 403 and held(on, answer)


def test_who_prefers_no_error_is_told_where_to_look(on: Stage) -> None:
    on.upstream.answer = obedient("chat", "pay", PAID, False)
    answer = ask(on, text=text_of("later"), prefer="respond-async")
    assert answer.status == 202 and int(answer.headers["retry-after"]) > 0
    approval = held(on, answer)
    assert answer.headers["location"] == f"/api/v1/approvals/{approval}"
    by_key = {"authorization": f"Bearer {on.keys['agent']}"}
    state = httpx2.get(on.url + answer.headers["location"], headers=by_key)
    assert state.json()["state"] == "requested" and "calls" not in state.json()
    other = httpx2.get(on.url + answer.headers["location"], headers={"authorization": f"Bearer {on.keys['small']}"})
    assert other.status_code == 404
    decision(on, approval)
    assert httpx2.get(on.url + answer.headers["location"], headers=by_key).json()["state"] == "approved"


def test_of_two_who_decide_at_once_one_counts_and_the_other_is_on_record(on: Stage) -> None:
    on.upstream.answer = obedient("chat", "pay", PAID, False)
    enrolled(on, "bea", "approver")
    approval = held(on, ask(on, text=text_of("race")))

    def one(who: str, word: str) -> str:
        try:
            return decision(on, approval, word, by=who)
        except ActRefused as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(one, ("ada", "bea"), ("approve", "reject")))
    assert sum(one in ("approved", "rejected") for one in said) == 1
    assert any("decided before" in one for one in said)
    tried = on.entries("approval.objected")[-1]
    assert tried.facts["because"] == "decided" and tried.facts["approval_ref"] == approval and tried.act


def test_a_requester_a_stranger_to_the_role_and_who_saw_something_else_decide_nothing(on: Stage) -> None:
    on.upstream.answer = obedient("chat", "pay", PAID, False)
    enrolled(on, "cleo", "approver")
    approval = held(on, ask(on, text=text_of("own"), x_whyledger_requester="cleo"))
    for who, because in (("cleo", "requester"), ("victor", "role")):
        with pytest.raises(ActRefused):
            decision(on, approval, by=who)
        assert on.entries("approval.objected")[-1].facts["because"] == because
    with pytest.raises(ActRefused, match="open it again"):
        decide(on.installation, on.person("ada"), approval, "approve", "well", "something else")
    assert on.entries("approval.objected")[-1].facts["because"] == "shown"
    about = held(on, ask(on, text=text_of("about"), x_whyledger_subject="cleo"))
    with pytest.raises(ActRefused, match="does not decide"):
        decision(on, about, by="cleo")
    assert decision(on, approval) == "approved", "none of these has decided it"


def test_an_approver_who_lost_the_role_before_it_was_fetched_has_approved_nothing(on: Stage) -> None:
    on.upstream.answer = obedient("chat", "pay", PAID, False)
    enrolled(on, "dora", "approver", "viewer")
    text = text_of("revoked")
    approval = held(on, ask(on, text=text))
    decision(on, approval, by="dora")
    grant(on.installation, on.person("ada"), "dora", "approver", take=True)
    refused = ask(on, text=text, x_whyledger_approval=approval)
    assert refused.error["code"] == "approval_void"
    assert on.entries("call.refused")[-1].facts["approval_ref"] == approval


def test_when_two_must_approve_one_person_counts_once(tmp_path: Any) -> None:
    with opened(tmp_path / "home", approvals="{people: 2}") as on:
        enrolled(on, "bea", "approver")
        on.upstream.answer = obedient("chat", "pay", PAID, False)
        approval = held(on, ask(on))
        assert decision(on, approval) == "requested"
        with pytest.raises(ActRefused, match="another person"):
            decision(on, approval)
        assert ask(on, x_whyledger_approval=approval).error["code"] == "approval_required"
        assert decision(on, approval, by="bea") == "approved"
        assert ask(on, x_whyledger_approval=approval).status == 200
        answer = explain(on.installation, approval)
        people = {one["person"].split(" (")[0] for one in answer.approvals["this_call"]["people"]}
        assert people == {"ada", "bea"}


@pytest.mark.parametrize(("policy", "code"), [("deny", 403), ("allow_with_flag", 200)])
def test_when_nobody_decides_in_time_the_policy_of_the_workflow_does(
    tmp_path: Any, clock: Clock, policy: str, code: int
) -> None:
    with opened(tmp_path / "home", approvals=f"{{minutes: 10, on_timeout: {policy}}}") as on:
        on.upstream.answer = obedient("chat", "pay", PAID, False)
        approval = held(on, ask(on))
        pass_time(on, clock)
        with pytest.raises(ActRefused, match="nobody decided in time"):
            decision(on, approval)
        assert on.entries("approval.objected")[-1].facts["because"] == "over"
        Deadlines(on.installation).look(on.gateway.ports.rules.now.configuration)  # type: ignore[union-attr]
        assert on.entries("approval.expired")[-1].facts["approval_ref"] == approval
        given = ask(on, x_whyledger_approval=approval)
        assert given.status == code, given.body
        if policy == "allow_with_flag":
            checks = on.entries("call.opened")[-1].facts["checks"]
            assert [(one["id"], one["verdict"]) for one in checks] == [("approval", "flag")]
        else:
            assert given.error["code"] == "approval_expired"


def test_what_nobody_decides_goes_to_others_and_no_longer_to_the_first(tmp_path: Any, clock: Clock) -> None:
    with opened(tmp_path / "home", approvals="{minutes: 10, on_timeout: escalate, escalate_to: compliance}") as on:
        enrolled(on, "bea", "approver")
        on.upstream.answer = obedient("chat", "pay", PAID, False)
        approval = held(on, ask(on))
        pass_time(on, clock)
        Deadlines(on.installation).look(on.gateway.ports.rules.now.configuration)  # type: ignore[union-attr]
        assert on.entries("approval.escalated")[-1].facts["roles"] == ["compliance"]
        with pytest.raises(ActRefused, match="needs the role compliance"):
            decision(on, approval, by="bea")
        assert decision(on, approval) == "approved"
        assert ask(on, x_whyledger_approval=approval).status == 200


def test_what_was_approved_is_not_given_out_once_the_rules_forbid_it(tmp_path: Any) -> None:
    with opened(tmp_path / "home") as on:
        on.upstream.answer = obedient("chat", "pay", PAID, False)
        approval = held(on, ask(on))
        decision(on, approval)
        assert '"maximum": 500' in on.text()
        on.put_into_force(on.text().replace('"maximum": 500', '"maximum": 100'))
        refused = ask(on, x_whyledger_approval=approval)
        assert refused.error["code"] == "policy_denied" and b"120.5" not in refused.body


def test_a_call_of_which_nothing_is_kept_is_refused_since_nobody_could_see_it(on: Stage) -> None:
    on.upstream.answer = obedient("chat", "pay", PAID, False)
    answer = ask(on, text=text_of("none"), x_whyledger_content="none")
    assert answer.error["code"] == "policy_denied" and "nobody could see it" in answer.error["message"]


def test_people_decide_over_the_api_and_on_the_page_and_see_exactly_what_was_asked(on: Stage) -> None:
    on.upstream.answer = obedient("chat", "pay", PAID, False)
    approval = held(on, ask(on, text=text_of("api"), x_whyledger_requester="Zoe"))
    signed = {"authorization": f"Bearer {on.tokens['ada']}"}
    url = f"{on.url}/api/v1/approvals/{approval}"
    seen = httpx2.get(url, headers=signed).json()
    assert seen["calls"] == [{"name": "pay", "arguments": json.dumps(PAID), "because": "every call of this tool waits for a person"}]  # fmt: skip
    assert seen["requester"] == "\u201cZoe\u201d" and seen["asked"][0] == ["user", text_of("api")]
    listed = httpx2.get(f"{on.url}/api/v1/approvals?state=requested", headers=signed).json()["approvals"]
    assert approval in [one["approval"] for one in listed]
    said = {"decision": "approve", "reason": "well", "shown": seen["shown"]}
    for token, status in (("victor", 403), ("ada", 200)):
        answer = httpx2.post(url, headers={"authorization": f"Bearer {on.tokens[token]}"}, json=said)
        assert answer.status_code == status, answer.text
    assert answer.json() == {"id": approval, "state": "approved"}
    assert httpx2.post(url, headers=signed, json=said).status_code == 400
    assert httpx2.post(url + "0", headers=signed, json=said).status_code == 404
    assert httpx2.post(url, headers={"authorization": f"Bearer {on.keys['agent']}"}, json=said).status_code == 401
    on_page = held(on, ask(on, text=text_of("page")))
    cookies = {"whyledger_token": on.tokens["ada"]}
    page = httpx2.get(f"{on.url}/approvals/{on_page}", cookies=cookies).text
    assert "&#34;amount&#34;: 120.5" in page and "Approve all of it, by name" in page
    fields = dict(re.findall(r'name="(csrf|shown)" value="([^"]+)"', page))
    strange = httpx2.post(f"{on.url}/approvals/{on_page}", cookies=cookies, data=fields | {"csrf": "x", "decision": "approve", "reason": "r"})  # fmt: skip
    assert strange.status_code == 403
    done = httpx2.post(f"{on.url}/approvals/{on_page}", cookies=cookies, data=fields | {"decision": "reject", "reason": "too much"})  # fmt: skip
    assert done.status_code == 303
    assert "too much" in httpx2.get(f"{on.url}/approvals/{on_page}", cookies=cookies).text
    assert "Decided so far" in httpx2.get(f"{on.url}/approvals", cookies=cookies).text


def test_people_decide_on_the_command_line_and_are_shown_the_exact_arguments(on: Stage) -> None:
    on.upstream.answer = obedient("chat", "pay", PAID, False)
    approval = held(on, ask(on, text=text_of("typed")))
    assert approval in typed(on, "approval", "list", "--state", "requested")
    shown = typed(on, "approval", "show", approval)
    assert '"amount": 120.5' in shown and "every call of this tool waits for a person" in shown
    assert typed(on, "approval", "approve", approval, "--as", "ada", "--reason", "rent") == f"{approval}: approved\n"
    assert "ada approved: \u201crent\u201d" in typed(on, "approval", "show", approval)
    rows = json.loads(typed(on, "approval", "list", "--json"))["approvals"]
    assert next(one for one in rows if one["approval"] == approval)["approved_by"] == ["ada"]


def test_a_receiver_that_fails_twice_gets_the_question_the_third_time_and_once(tmp_path: Any, clock: Clock) -> None:
    heard: list[dict[str, Any]] = []

    async def take(request: Request) -> Response:
        heard.append(await request.json())
        return Response(status_code=200 if len(heard) > 2 else 500)

    port = free_port()
    (tmp_path / "secret").write_text("secret-words", "utf-8")
    webhook = f"alerts: {{webhook: {{url: 'http://127.0.0.1:{port}/asked', secret: 'file:{tmp_path}/secret'}}}}\n"
    app = Starlette(routes=[Route("/asked", take, methods=["POST"])])
    with listening(app, port), opened(tmp_path / "home") as on:
        on.put_into_force(on.text() + webhook)
        on.upstream.answer = obedient("chat", "pay", PAID, False)
        approval = held(on, ask(on))
        until = time.monotonic() + 60
        while not on.entries("alert.delivered") and time.monotonic() < until:
            clock.offset += timedelta(minutes=1)
            time.sleep(1)
        (delivered,) = on.entries("alert.delivered")
    assert (delivered.facts["tries"], len(heard)) == (3, 3)
    assert [one["type"] for one in heard] == ["approval.requested"] * 3
    assert heard[0]["data"]["approval_ref"] == approval and "landlord" not in json.dumps(heard)


def test_the_official_client_is_told_once_and_asks_no_second_time(on: Stage) -> None:
    on.upstream.answer = obedient("chat", "pay", PAID, False)
    client = openai.OpenAI(base_url=f"{on.url}/v1", api_key=on.keys["agent"], max_retries=3, timeout=20)
    before, text = len(on.upstream.seen), text_of("client")
    asking: Any = {"model": "support", "messages": [{"role": "user", "content": text}]}
    with pytest.raises(openai.PermissionDeniedError) as caught:
        client.chat.completions.create(**asking)
    body: Any = caught.value.body
    assert caught.value.code == "approval_required" and len(on.upstream.seen) == before + 1
    decision(on, body["approval_id"])
    named = {"x-whyledger-approval": body["approval_id"]}
    given = client.chat.completions.create(**asking, extra_headers=named)
    client.close()
    assert json.loads(given.choices[0].message.tool_calls[0].function.arguments) == PAID  # type: ignore[index, union-attr]
    assert len(on.upstream.seen) == before + 1


@pytest.mark.parametrize("form", CLIENTS)
@pytest.mark.parametrize("stream", [False, True])
def test_every_official_client_takes_a_held_call_for_an_error_and_buys_nothing_twice(
    on: Stage, form: str, stream: bool
) -> None:
    on.upstream.answer = obedient(form, "pay", {"amount": 7, "to": f"{form} {stream}"}, stream)
    before = len(on.upstream.seen)
    for _ in range(2):  # by hand once more: it waits for the same person
        with pytest.raises((openai.APIError, anthropic.APIError, genai.errors.APIError, httpx2.HTTPError)):
            CLIENTS[form](on, stream)
    assert len(on.upstream.seen) <= before + 1, "streamed and whole are one request"


def test_a_pack_counts_what_people_decided_and_both_verifiers_find_the_same(on: Stage) -> None:
    on.upstream.answer = obedient("chat", "pay", PAID, False)
    approved, rejected = (held(on, ask(on, text=text_of(f"packed {word}"))) for word in ("yes", "no"))
    decision(on, approved, reason="in a pack")
    decision(on, rejected, "reject", reason="not in this world")
    assert ask(on, text=text_of("packed yes"), x_whyledger_approval=approved).status == 200
    made = export(on.installation, PackRequest(start="2020-01-01", end="2100-01-01", contents=True, person="ada"))
    assert verify_pack(made.pdf, vkeys=[on.installation.signer.vkey]).level == "L1"
    second_verifier.verify(made.bundle, [on.installation.signer.vkey])
    acts_made = [one.facts["decision"] for one in on.entries("approval.decided")]
    counts = made.said["counts"]
    assert (counts["approvals"], counts["overrides"]) == (acts_made.count("approve"), acts_made.count("reject"))


def test_the_projections_of_approvals_follow_from_the_entries(on: Stage) -> None:
    on.upstream.answer = obedient("chat", "pay", PAID, False)
    waits, rejected, used = (held(on, ask(on, text=text_of(f"replayed {name}"))) for name in "abc")
    decision(on, rejected, "reject")
    decision(on, used)
    assert ask(on, text=text_of("replayed c"), x_whyledger_approval=used).status == 200
    prefixes = ("approval:", "held:", "undecided:")
    before = {key: row for one in prefixes for key, row in on.installation.reader.states(one).items()}
    stands = [before[approval_row(one)]["state"] for one in (waits, rejected, used)]
    assert stands == ["requested", "rejected", "used"]
    state, _ = replay(on.installation.reader)
    assert {key: row for key, row in state.items() if key.startswith(prefixes)} == before
