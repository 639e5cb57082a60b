"""Bad input gets a clear error in the caller's dialect that says what to do, and an entry where a call was attempted."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stage import Stage, stage

from ledger.errors import LedgerUnavailable, LogHalted


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("bad") / "home") as opened:
        yield opened


def send(
    on: Stage, body: bytes, *, key: str | None = "agent", path: str = "/v1/chat/completions"
) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", on.port, timeout=30)
    headers = {"authorization": f"Bearer {on.keys[key]}"} if key else {}
    connection.request("POST", path, body, headers)
    response = connection.getresponse()
    status, content = response.status, response.read()
    connection.close()
    return status, json.loads(content)


def call(**more: Any) -> bytes:
    return json.dumps({"model": "support", "messages": [{"role": "user", "content": "x"}]} | more).encode()


@pytest.mark.parametrize(
    ("body", "code", "status", "hint"),
    [
        (b"", "invalid_request", 400, "JSON"),
        (b"{", "invalid_request", 400, "JSON"),
        (b"[]", "invalid_request", 400, "object"),
        (b'"text"', "invalid_request", 400, "object"),
        (b"\xff\xfe", "invalid_request", 400, "UTF-8"),
        (b'{"model": "support", "messages": [{"role": "user", "content": "\\ud800"}]}', "invalid_request", 400, "JSON"),
        (b"[" * 100_000, "invalid_request", 400, "JSON"),
        (call(model=7), "invalid_request", 400, "`model`"),
        (call(model=""), "invalid_request", 400, "`model`"),
        (call(model="x" * 300), "invalid_request", 400, "`model`"),
        (call(messages="hi"), "invalid_request", 400, "`messages`"),
        (call(messages=["hi"]), "invalid_request", 400, "`messages`"),
        (call(stream="yes"), "invalid_request", 400, "`stream`"),
        (call(n=0), "invalid_request", 400, "`n`"),
        (call(n=True), "invalid_request", 400, "`n`"),
        (call(max_tokens=-5), "invalid_request", 400, "max_tokens"),
        (call(max_tokens=1.5), "invalid_request", 400, "max_tokens"),
        (call(max_completion_tokens=10**30), "invalid_request", 400, "max_completion_tokens"),
        (call(tools={}), "invalid_request", 400, "`tools`"),
        (call(tools=[1]), "invalid_request", 400, "tool"),
        (call(tools=[{"type": "code_interpreter"}]), "policy_denied", 403, "code_interpreter"),
        (call(functions=[{"name": "old_style"}]), "policy_denied", 403, "old_style"),
        (call(model="nothing-like-it"), "route_unknown", 404, "support, cached"),
        (call(model="model-a"), "route_unknown", 404, "not allowed in prod"),
        (call(max_tokens=10_000_000), "budget_exceeded", 402, "Lower max_completion_tokens"),
        (b" " * (20 * 2**20 + 1), "too_large", 413, "20 MiB"),
    ],
    ids=lambda value: repr(value)[:40],
)  # fmt: skip
def test_a_bad_request_is_refused_in_the_dialect_with_what_to_do_and_is_on_record(
    on: Stage, body: bytes, code: str, status: int, hint: str
) -> None:
    before = len(on.entries("call.refused"))
    found, answer = send(on, body)
    assert (found, answer["error"]["code"]) == (status, code)
    assert hint in answer["error"]["message"]
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    refused = on.entries("call.refused")
    assert len(refused) == before + 1
    assert refused[-1].facts["reason_ref"] == code
    assert refused[-1].call == answer["whyledger_call"]


def test_odd_but_valid_requests_go_through(on: Stage) -> None:
    for body in (
        call(n=None, max_tokens=None, tools=None, stream=None, user=None),
        call(metadata={"task_id": "ticket:1"}),
        call(metadata="nonsense"),
        call(stream_options="nonsense"),
        call(messages=[]),
        call(
            messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x"}}]}],
            max_tokens=1,
        ),
        call(messages=[{"role": "user", "content": "\x00 nul \u2028 \U0001f600"}]),
    ):
        status, answer = send(on, body)
        assert status == 200, answer


def test_ten_mebibytes_are_taken_and_recorded(on: Stage) -> None:
    status, answer = send(on, call(messages=[{"role": "user", "content": "x" * (10 * 2**20)}], max_tokens=1))
    assert (status, answer["error"]["code"]) == (402, "budget_exceeded")  # ten million tokens do not fit the cap
    assert len(on.entries("call.refused")[-1].c["prompt"]) == 43


@pytest.mark.parametrize("task", ["x" * 257, ""])
def test_a_task_id_that_is_too_long_is_refused_and_an_empty_one_is_none(on: Stage, task: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", on.port, timeout=30)
    headers = {"authorization": f"Bearer {on.keys['agent']}", "x-whyledger-task": task}
    connection.request("POST", "/v1/chat/completions", call(), headers)
    assert connection.getresponse().status == (400 if task else 200)
    connection.close()


def test_without_a_key_nothing_is_parsed_and_nothing_written(on: Stage) -> None:
    before = len(on.entries())
    status, answer = send(on, call(), key=None)
    assert (status, answer["error"]["code"]) == (401, "unknown_key")
    assert len(on.entries()) == before


def test_a_dead_upstream_is_a_clear_error_with_an_end_on_record(on: Stage, tmp_path: Path) -> None:
    from stage import listening, prepare

    from gateway.app import Gateway
    from gateway.demo.world import free_port

    settings, keys, tokens = prepare(tmp_path / "dead", port=free_port())
    port = free_port()
    gateway = Gateway(settings)
    with listening(gateway, port, lifespan="on"):
        alone = Stage(settings, gateway, on.upstream, port, keys, tokens)
        status, answer = send(alone, call())
        assert (status, answer["error"]["code"]) == (502, "upstream_unreached")
        (closed,) = alone.entries("call.closed")
        assert (closed.facts["result"], closed.facts["cost_nano_eur"]) == ("failed", 0)


@pytest.mark.parametrize("kind", ["bad json", "not a completion", "empty"])
def test_an_upstream_that_answers_nonsense_is_charged_at_worst_case_and_never_passed_on(on: Stage, kind: str) -> None:
    from starlette.responses import Response

    async def nonsense(_request: Any, _body: Any) -> Response:
        return Response(
            {"bad json": b"{", "not a completion": b'{"ok": true}', "empty": b""}[kind], media_type="application/json"
        )

    on.upstream.answer = nonsense
    try:
        status, answer = send(on, call(user=kind))  # the same again would not be bought
    finally:
        on.upstream.answer = None
    nothing = kind == "empty"
    assert (status, answer["error"]["code"]) == (502, "upstream_failed" if nothing else "upstream_unreadable")
    closed = on.entries("call.closed")[-1]
    expected = ("failed", "none") if nothing else ("unreadable", "upper_bound")
    assert (closed.facts["result"], closed.facts["cost_state"]) == expected


def test_the_providers_own_complaint_about_the_request_is_passed_on(on: Stage) -> None:
    from starlette.responses import JSONResponse, Response

    async def complain(_request: Any, _body: Any) -> Response:
        return JSONResponse(
            {"error": {"message": "temperature is too high", "code": "unsupported_value"}}, status_code=400
        )

    on.upstream.answer = complain
    try:
        status, answer = send(on, call(temperature=9))
    finally:
        on.upstream.answer = None
    assert (status, answer["error"]["code"]) == (400, "unsupported_value")


@pytest.mark.parametrize(
    ("path", "body", "person", "status"),
    [
        ("/api/v1/overrides", {}, "ada", 422),
        (
            "/api/v1/overrides",
            {"call": "call_x", "action": "reverse", "reason_code": "R07", "presented": "x"},
            "ada",
            400,
        ),
        (
            "/api/v1/overrides",
            {"call": "call_x", "action": "reverse", "reason_code": "R07", "presented": "x"},
            None,
            401,
        ),
        ("/api/v1/stops", {"reason": "x"}, "ada", 400),
        ("/api/v1/stops", {"reason": "x", "everything": 1}, "ada", 422),
        ("/api/v1/stops", {"reason": "x", "task": "t"}, "victor", 403),
        ("/api/v1/stops", {"reason": "x", "key": "key_none"}, "ada", 400),
        ("/api/v1/stops/release", {"reason": "x", "task": "t"}, "ada", 400),
    ],
)
def test_the_own_api_answers_with_problems(on: Stage, path: str, body: Any, person: str | None, status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", on.port, timeout=30)
    headers = {"authorization": f"Bearer {on.tokens[person]}"} if person else {}
    connection.request("POST", path, json.dumps(body), headers | {"content-type": "application/json"})
    response = connection.getresponse()
    problem = json.loads(response.read())
    connection.close()
    assert response.status == problem["status"] == status
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["detail"]


def get(on: Stage, path: str, token: str | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", on.port, timeout=30)
    connection.request("GET", path, headers={"authorization": f"Bearer {token}"} if token else {})
    response = connection.getresponse()
    found = response.status, response.read()
    connection.close()
    return found


def test_a_gateway_key_may_ask_why_about_its_own_workflow_only(on: Stage) -> None:
    made = on.client("quiet", x_whyledger_task="quiet:1").chat.completions.with_raw_response.create(
        model="support", messages=[{"role": "user", "content": "x"}]
    )
    call_id = made.headers["x-whyledger-call"]
    assert get(on, f"/api/v1/why/{call_id}", on.keys["quiet"])[0] == 200
    assert get(on, f"/api/v1/why/{call_id}", on.keys["agent"])[0] == 404
    assert get(on, f"/api/v1/why/{call_id}")[0] == 401
    assert get(on, f"/why/{call_id}", on.keys["quiet"])[0] == 401  # pages are for people
    assert get(on, "/api/v1/why/nothing", on.tokens["victor"])[0] == 404


def test_a_person_s_token_makes_no_calls(on: Stage) -> None:
    on.keys["person"] = on.tokens["ada"]
    assert send(on, call(), key="person")[0] == 401


def test_readiness_models_and_the_document_of_the_hot_route(on: Stage) -> None:
    assert get(on, "/readyz")[0] == 200
    status, body = get(on, "/v1/models", on.keys["agent"])
    assert [one["id"] for one in json.loads(body)["data"]][:3] == ["support", "cached", "unpriced"]
    document = json.loads(get(on, "/openapi.json")[1])
    assert "/v1/chat/completions" in document["paths"]
    assert status == 200


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "chunked"])
@pytest.mark.parametrize("path", ["/api/v1/stops", "/api/v1/overrides", "/login"])
def test_the_own_routes_read_no_more_than_a_mebibyte(on: Stage, path: str, chunked: bool) -> None:
    body = b'{"reason":"' + b"x" * 2**20 + b'"}'
    connection = http.client.HTTPConnection("127.0.0.1", on.port, timeout=30)
    headers = {"authorization": f"Bearer {on.tokens['ada']}", "content-type": "application/json"}
    connection.request("POST", path, iter([body]) if chunked else body, headers, encode_chunked=chunked)
    response = connection.getresponse()
    problem = json.loads(response.read())
    connection.close()
    assert (response.status, problem["status"]) == (413, 413)
    assert response.headers["content-type"] == "application/problem+json"
    assert "1 MiB" in problem["detail"]


def test_a_body_of_exactly_a_mebibyte_is_read(on: Stage) -> None:
    assert post(on, b"{}" + b" " * (2**20 - 2))[0] == 422


def post(on: Stage, body: bytes, path: str = "/api/v1/stops") -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", on.port, timeout=30)
    headers = {"authorization": f"Bearer {on.tokens['ada']}", "content-type": "application/json"}
    connection.request("POST", path, body, headers)
    response = connection.getresponse()
    assert response.headers["content-type"] == "application/problem+json"
    found = response.status, json.loads(response.read())
    connection.close()
    return found


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"\xff\xfe{", 400),
        (b"[" * 100_000, 400),
        (b'{"reason":' + b"9" * 6000 + b"}", 400),
        (b'{"reason":"x","task":"\\ud800"}', 422),
        (b'{"reason":"x","\\ud800":1}', 422),
        (b'{"reason":NaN}', 422),
        (b'{"reason":"x","everything":1e999}', 422),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_json_that_is_none_or_holds_what_has_no_utf8_is_a_problem(on: Stage, body: bytes, status: int) -> None:
    assert post(on, body)[0] == status


def test_a_problem_names_a_few_places_however_many_are_wrong(on: Stage) -> None:
    status, problem = post(on, json.dumps({"y" * 10_000: 1} | {f"n{number}": 1 for number in range(20_000)}).encode())
    assert status == 422
    assert len(problem["detail"]) < 5_000


def test_the_name_of_a_tool_is_quoted_in_part(on: Stage) -> None:
    status, answer = send(on, call(tools=[{"type": "function", "function": {"name": "x" * 100_000}}]))
    assert (status, answer["error"]["code"]) == (403, "policy_denied")
    assert len(answer["error"]["message"]) < 1_000


@pytest.mark.parametrize(
    ("path", "allowed"), [("/v1/chat/completions", "POST"), ("/api/v1/stops", "POST"), ("/v1/models", "GET")]
)
def test_another_method_is_refused_in_the_dialect_with_the_one_that_is_allowed(
    on: Stage, path: str, allowed: str
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", on.port, timeout=30)
    connection.request("PUT", path, b"{}")
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    assert (response.status, response.headers["allow"]) == (405, allowed)
    if path.startswith("/v1/"):
        assert answer["error"]["code"] == "method_not_allowed"
        assert response.headers["x-should-retry"] == "false"
    else:
        assert answer["status"] == 405


@pytest.mark.parametrize(
    "body", [b"<html>no</html>", b'[{"error": {"message": "no"}}]', b'{"error": "no"}', b"\xff no"]
)
def test_a_providers_complaint_in_another_form_comes_in_our_envelope(on: Stage, body: bytes) -> None:
    from starlette.responses import Response

    async def complain(_request: Any, _body: Any) -> Response:
        return Response(body, status_code=415, media_type="text/html")

    on.upstream.answer = complain
    try:
        status, answer = send(on, call())
    finally:
        on.upstream.answer = None
    assert (status, answer["error"]["code"]) == (415, "upstream_failed")
    assert "no" in answer["error"]["message"]


def test_a_revoked_key_lists_no_models(on: Stage) -> None:
    from gateway.oversight import acts

    secret = acts.issue_key(on.installation, on.person("ada"), "prod", "agent")
    assert get(on, "/v1/models", secret)[0] == 200
    acts.revoke_key(on.installation, on.person("ada"), secret, "for the test")
    assert get(on, "/readyz")[0] == 200  # reads the rules again
    status, body = get(on, "/v1/models", secret)
    assert (status, json.loads(body)["error"]["code"]) == (401, "key_revoked")


@pytest.mark.parametrize(
    ("error", "status", "title"),
    [
        (LedgerUnavailable("the disk is full"), 503, "ledger_unavailable"),
        (LogHalted("another head"), 503, "ledger_unavailable"),
        (RuntimeError("a bug with a secret in it"), 500, "internal_error"),
    ],
)
def test_a_failing_ledger_or_a_bug_is_a_problem_too(
    on: Stage, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, title: str
) -> None:
    def fail(*_arguments: Any, **_named: Any) -> None:
        raise error

    monkeypatch.setattr(type(on.installation.log), "append", fail)
    found, problem = post(on, b'{"reason": "x", "task": "t"}')
    assert (found, problem["title"]) == (status, title)
    assert "secret" not in problem["detail"]
