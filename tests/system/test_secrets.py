"""Nothing secret is told: every way a call, a person or a start can fail, with values planted wherever one can be.

Planted are keys of providers, keys of the gateway, tokens of persons, a passphrase, a prompt, a subject and an answer.
Whatever goes wrong, none of them stands in what the process prints, in the metrics or in an entry; and no key, token or
passphrase in what a caller gets. A caller may see their own prompt again where the provider quotes it.
"""

import asyncio
import base64
import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from environment import Hosted, until
from stage import DONE, USAGE, Answer, Upstream, chunk, completion, event, listening, prepare, streaming
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.demo.world import free_port
from gateway.oversight import acts
from gateway.oversight.people import by_name
from gateway.settings import Settings
from gateway.store.installation import opened
from ledger.entry import decode

ROOT = Path(__file__).parents[2]
WINDOW, STEP = 12, 4

PROMPT = 'pr-58fe21 "0c9d" für 77ab13e4c2'
ANSWER = "an-c4417d a3b9 \u20ac 5510ffe9b8"
SUBJECT = "su-91d7+3ac0@e55b.example/8842c1"
ENV_KEY = "sk-env-6dB1+q/Zx07Wn4Kc9uJt2Rw8"
FILE_KEY = "sk-file-Yh3=Lm8/Qa5+Xv1Po6Ns0Eb4"
PASSPHRASE = "pp-2f6c ad09 b1e7 5548 03d2"
STRANGER = "wl_prod_Gq4xTz81kVbN0mLs62PcRfYd9Hj"
WORDS = (PROMPT, ANSWER, SUBJECT)

CONFIG = """
routes:
  - {{intent: support, primary: model-a, max_retries: 0, timeout: 1.5}}
  - {{intent: filed, primary: file-a, max_retries: 0}}
  - {{intent: both, primary: file-a, fallback: model-a, max_retries: 0}}
  - {{intent: dead, primary: dead-a, max_retries: 0}}
  - {{intent: keyless, primary: none-a}}
  - {{intent: narrow, primary: model-a, max_input_tokens: 5}}
  - {{intent: dear, primary: model-a, max_budget_daily: 0.000001}}
providers:
  upstream: {{base_url: "http://127.0.0.1:{port}/v1", key: "env:PLANTED_KEY", models: ["model-*"], price: {{input: 1, output: 4}}}}
  filed: {{base_url: "http://127.0.0.1:{port}/v1", key: "file:{file}", models: ["file-*"], price: {{input: 1, output: 4}}}}
  dead: {{base_url: "http://127.0.0.1:{dead}/v1", key: "env:PLANTED_KEY", models: ["dead-*"], price: {{input: 1, output: 4}}}}
  keyless: {{base_url: "http://127.0.0.1:{port}/v1", key: "env:NOT_SET_ANYWHERE", models: ["none-*"], price: {{input: 1, output: 4}}}}
environments:
  prod: {{max_budget_daily: 100}}
workflows:
  agent: {{purpose: test, owner: test, tools: [lookup], max_calls_per_task: 2}}
  fresh: {{purpose: never released, owner: test}}
"""

# Runs the gateway; while a file names one of the places below, whoever comes there fails, and says all that it was given.
BREAKABLE = """
import sys
from pathlib import Path
import gateway.app, gateway.cli, gateway.server
import gateway.pipeline.attempt, gateway.pipeline.relay, gateway.pipeline.run, gateway.pipeline.settle
import gateway.upstream.client, gateway.store.ports, gateway.web.api, gateway.web.calls, gateway.web.pages
import ledger.log, ledger.store.vault
from ledger.errors import LedgerUnavailable

wanted = Path(sys.argv.pop(1))

def breaking(place):
    owner, _, name = place.rpartition(".")
    holder = sys.modules.get(owner) or getattr(sys.modules[owner.rpartition(".")[0]], owner.rpartition(".")[2])
    real = getattr(holder, name)
    def call(*given, **named):
        if wanted.exists() and wanted.read_text() == place:
            quoted = [repr(one) for one in (*given, *named.values())]
            if owner == "ledger.log.Log":
                raise LedgerUnavailable("the disk is full")
            raise ValueError(*given, named, quoted)
        return real(*given, **named)
    setattr(holder, name, call)

for place in sys.argv.pop(1).split():
    breaking(place)
gateway.cli.main()
"""
BEFORE = [
    "gateway.pipeline.run.parse",
    "gateway.pipeline.run.admit",
    "gateway.pipeline.run.screen",
    "gateway.pipeline.run.plan_route",
    "gateway.pipeline.run.record_of",
    "gateway.pipeline.run.open_call",
    "gateway.web.calls.authenticate",
    "ledger.store.vault.Vault.owner_of",
    "ledger.store.vault.Vault.subject",
    "ledger.store.vault.Vault.seal",
]
AFTER = [
    "gateway.dialects.openai_chat.Chat.outgoing",
    "gateway.pipeline.relay.first_answer",
    "gateway.upstream.client.HttpUpstream.send",
    "gateway.upstream.direct._prepared",
    "gateway.store.ports.RulesInForce.endpoint",
    "gateway.pipeline.relay.charge",
    "gateway.pipeline.relay.close_unit",
    "gateway.pipeline.settle._sealed",
    "gateway.dialects.openai_answer.ChatTranscript.see_whole",
]
STREAMED = [
    "gateway.dialects.openai_answer.ChatTranscript.see",
    "gateway.dialects.openai_chat.Chat.is_extra",
    "gateway.pipeline.relay.close_unit",
    "gateway.pipeline.judging.Judge._keep",
]
UNOWNED = [
    "gateway.web.calls._headers",
    "gateway.pipeline.relay.Relay.abandon",
    "gateway.web.calls._send_error",
    "gateway.web.calls.error_response",
    "gateway.upstream.direct._Connection.data_received",
]
PERSONS = [
    "gateway.web.api.by_token",
    "gateway.web.api.roles_of",
    "gateway.web.api.explain",
    "gateway.console.session.by_token",
    "gateway.web.pages.look_up",
]
PLACES = {
    *BEFORE, *AFTER, *STREAMED, *UNOWNED, *PERSONS,
    "gateway.store.ports.RulesInForce.refresh", "gateway.store.ports.RulesInForce.read",
    "gateway.app.Gateway._timers", "gateway.app._record_end", "ledger.log.Log.hand_over",
}  # fmt: skip


def forms(value: str) -> Iterator[str]:
    """Yield a value as it may be written: as it is, quoted for Python, JSON or a URL, in base64 or hexadecimal."""
    data = value.encode()
    yield value
    yield repr(value)[1:-1]
    yield repr(data)[2:-1]
    yield json.dumps(value)[1:-1]
    yield json.dumps(json.dumps(value))[3:-3]
    yield urllib.parse.quote(value, safe="")
    yield urllib.parse.quote_plus(value)
    yield data.decode("latin-1")
    yield data.hex()
    for lead in range(3):  # base64 looks different by where in its text the value begins
        coded = base64.b64encode(b"\0" * lead + data).decode().rstrip("=")[4 if lead else 0 : -4]
        yield coded
        yield coded.translate(str.maketrans("+/", "-_"))


def told(text: str, values: dict[str, str]) -> list[str]:
    """Return which values a text tells, whole or a long part of it."""
    found = []
    for name, value in values.items():
        pieces = {form[at : at + WINDOW] for form in forms(value) for at in range(0, len(form) - WINDOW + 1, STEP)}
        found += [f"{name}: {piece}" for piece in pieces if piece in text]
    return found


@dataclass
class Planted:
    """The running gateway, what was planted, and what callers got."""

    server: Hosted
    upstream: Upstream
    file: Path
    wanted: Path
    keys: dict[str, str]
    secrets: dict[str, str]
    words: dict[str, str]

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        quoted: bool = False,
    ) -> tuple[int, str]:
        """Send a request and hold that an error tells no secret; returns status and body."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)) as connection:
            connection.request(method, path, body, headers or {})
            try:
                response = connection.getresponse()
                fields, status = str(response.headers), response.status
                data = response.read()
            except http.client.IncompleteRead as cut:
                data, status = cut.partial, 200
            except (http.client.BadStatusLine, ConnectionResetError):
                return 0, ""
        text = data.decode("utf-8", "replace")
        if path != "/login" or status >= 400:  # the cookie of who signed in is their token
            assert told(fields + text, self.secrets) == []
        if status >= 400 and not quoted:
            assert told(fields + text, self.words) == []
        return status, text

    def chat(
        self,
        model: str = "support",
        *,
        key: str = "agent",
        task: str = "",
        body: bytes | None = None,
        quoted: bool = False,
        **more: Any,
    ) -> tuple[int, str, str]:
        """Make a call with everything planted in it; returns status, code and message."""
        asked = {
            "model": model,
            "messages": [{"role": "user", "content": PROMPT}],
            "max_completion_tokens": 9,
            "user": SUBJECT,
        }
        headers = {"authorization": f"Bearer {self.keys[key]}", "x-whyledger-subject": SUBJECT}
        headers |= {"x-whyledger-repeat": "allow"} | ({"x-whyledger-task": task} if task else {})
        status, text = self.send(
            "POST", "/v1/chat/completions", body or json.dumps(asked | more).encode(), headers, quoted=quoted
        )
        try:
            error = json.loads(text)["error"]
        except (ValueError, KeyError):
            return status, "", text
        return status, error["code"], error["message"]

    @contextlib.contextmanager
    def broken(self, place: str, says: str) -> Iterator[None]:
        """Let a place fail, and hold that the log says something and nothing secret."""
        before = len(self.server.said)
        self.wanted.write_text(place)
        try:
            yield
        finally:
            self.wanted.unlink()
        until(lambda: says in self.server.said[before:], f"not in the log: {says}\n{self.server.said[before:]}", 20)
        self.tells_nothing(before)

    def tells_nothing(self, since: int = 0) -> None:
        """Hold that the log, from a place in it on, tells nothing."""
        assert told(self.server.said[since:], self.secrets | self.words) == []


@contextlib.contextmanager
def planted(folder: Path) -> Iterator[Planted]:
    """A running server with everything planted, its provider, and a file that names what shall fail."""
    upstream, port, file, wanted = Upstream(), free_port(), folder / "provider.key", folder / "wanted"
    settings, keys, tokens = prepare(folder / "home", port=port, environment={"WHYLEDGER_PASSPHRASE": PASSPHRASE})
    with opened(settings) as installation:
        ada = by_name(installation, "ada", tokens["ada"])
        acts.activate(installation, ada, CONFIG.format(port=port, file=file, dead=free_port()), "for the test")
        acts.release(installation, ada, "agent", "for the test")
        keys["revoked"] = acts.issue_key(installation, ada, "prod", "agent")
        acts.revoke_key(installation, ada, keys["revoked"], "for the test")
    keys |= {"ada": tokens["ada"], "victor": tokens["victor"], "stranger": STRANGER}
    program = ("-c", BREAKABLE, str(wanted), " ".join(sorted(PLACES)))
    secrets = {f"the key or token {name}": value for name, value in keys.items()}
    secrets |= {"the provider's key": ENV_KEY, "the key in the file": FILE_KEY, "the passphrase": PASSPHRASE}
    words = {"the prompt": PROMPT, "the answer": ANSWER, "the subject": SUBJECT}
    app = Starlette(routes=[Route("/v1/chat/completions", upstream.endpoint, methods=["POST"])])
    with listening(app, port), pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLANTED_KEY", ENV_KEY)
        server = Hosted(settings, program=program, admin_port=free_port())
        file.write_text(FILE_KEY + "\n")  # it was not there when the process started
        try:
            yield Planted(server, upstream, file, wanted, keys, secrets, words)
        finally:
            server.kill()


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    with planted(tmp_path_factory.mktemp("secrets")) as running:
        yield running


@pytest.fixture(autouse=True)
def _restored(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "on" in request.fixturenames:
        running: Planted = request.getfixturevalue("on")
        running.upstream.answer = None
        running.file.write_text(FILE_KEY + "\n")


# That the walk below could find something


@pytest.mark.parametrize("value", [*WORDS, ENV_KEY, FILE_KEY, PASSPHRASE, STRANGER])
def test_each_value_is_found_in_every_form_and_in_part(value: str) -> None:
    for form in forms(value):
        assert told(f"x {form} y", {"it": value}), form
    assert told(f"'{value[:20]}'+9", {"it": value})
    assert told("an innocent text", {"it": value}) == []


def test_the_keys_are_really_in_use_and_the_words_really_come_through(on: Planted) -> None:
    assert f"the key file {on.file} of provider filed does not exist" in on.server.said
    on.upstream.answer = answering(completion(ANSWER))
    before = len(on.upstream.seen)
    for model in ("support", "filed"):
        status, _, said = on.chat(model)
        assert (status, json.loads(said)["choices"][0]["message"]["content"]) == (200, ANSWER)
    sent = on.upstream.seen[before:]
    assert [one["headers"]["authorization"] for one in sent] == [f"Bearer {ENV_KEY}", f"Bearer {FILE_KEY}"]
    assert sent[0]["body"]["messages"][0]["content"] == PROMPT


# Refusals and malformed requests


def call_of(**more: Any) -> bytes:
    return json.dumps({"model": "support", "messages": [{"role": "user", "content": PROMPT}]} | more).encode()


@pytest.mark.parametrize(
    ("model", "key", "more", "code"),
    [
        ("support", "stranger", {}, "unknown_key"),
        ("support", "ada", {}, "unknown_key"),
        ("support", "revoked", {}, "key_revoked"),
        ("support", "fresh", {}, "workflow_not_released"),
        ("nothing-like-it", "agent", {}, "route_unknown"),
        ("keyless", "agent", {}, "no_target"),
        ("narrow", "agent", {}, "input_too_large"),
        ("dear", "agent", {}, "budget_exceeded"),
        ("support", "agent", {"tools": [{"type": "function", "function": {"name": "x"}}]}, "policy_denied"),
        ("support", "agent", {"task": "t" * 300}, "invalid_request"),
        ("support", "agent", {"n": PROMPT}, "invalid_request"),
        ("support", "agent", {"messages": PROMPT}, "invalid_request"),
        ("support", "agent", {"max_tokens": PROMPT}, "invalid_request"),
        ("support", "agent", {"service_tier": PROMPT}, "invalid_request"),
        ("support", "agent", {"stream": PROMPT}, "invalid_request"),
        ("support", "agent", {"metadata": json.loads("[" * 300 + "]" * 300)}, "invalid_request"),
        ("support", "agent", {"body": call_of()[:-3]}, "invalid_request"),
        ("support", "agent", {"body": call_of().replace(b"model", b"\xff")}, "invalid_request"),
        ("support", "agent", {"body": json.dumps(PROMPT).encode()}, "invalid_request"),
        ("support", "agent", {"body": call_of(pad="x" * (20 * 2**20))}, "too_large"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_a_refusal_tells_nothing(on: Planted, model: str, key: str, more: dict[str, Any], code: str) -> None:
    assert on.chat(model, key=key, **more)[1] == code


def test_other_refusals_tell_nothing(on: Planted) -> None:
    assert [on.chat(task="one-task")[0] for _ in range(3)] == [200, 200, 403]
    bearer = {"authorization": f"Bearer {on.keys['agent']}", "content-type": "application/json"}
    assert on.send("PUT", "/v1/chat/completions", call_of(), bearer)[0] == 405
    person = bearer | {"authorization": f"Bearer {on.keys['ada']}"}
    stop = json.dumps({"reason": PROMPT, "workflow": "agent"}).encode()
    assert on.send("POST", "/api/v1/stops", stop, person)[0] == 201
    until(lambda: on.chat()[1] == "stopped", "the stop does not hold")
    assert on.send("POST", "/api/v1/stops/release", stop, person)[0] == 200
    until(lambda: on.chat()[0] == 200, "the stop is not lifted")


def test_what_is_no_http_or_ends_too_early_tells_nothing(on: Planted) -> None:
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {on.keys['agent']}\r\n"
    for sent in (
        f"{PROMPT} {ENV_KEY}\r\n\r\n",
        head + f"content-length: 1000\r\n\r\n{PROMPT}",
        head + f"content-length: {PROMPT}\r\n\r\n",
        head + f"transfer-encoding: chunked\r\n\r\n{STRANGER}\r\n",
        head
        + f"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: {STRANGER}\r\nsec-websocket-version: 9\r\n\r\n",
        head + f"no colon {STRANGER}\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", on.server.port), timeout=10) as raw:
            raw.sendall(sent.encode())
            raw.shutdown(socket.SHUT_WR)
            with contextlib.suppress(OSError):
                assert told(raw.recv(65536).decode("latin-1"), on.secrets) == []


# What a provider does


def answering(value: Any, status: int = 200, *, raw: bytes | None = None) -> Answer:
    async def answer(_request: Request, _body: dict[str, Any]) -> Response:
        return Response(raw, status) if raw is not None else JSONResponse(value, status)

    return answer


def quoting(status: int, *, as_json: bool = True) -> Answer:
    """A provider that quotes what it was sent, key and all."""

    async def answer(request: Request, body: dict[str, Any]) -> Response:
        said = f"{ANSWER}: {request.headers['authorization']} {body['messages']}"
        return JSONResponse({"error": {"message": said, "code": "x"}}, status) if as_json else Response(said, status)

    return answer


TOOL = {
    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "x", "arguments": json.dumps({"a": ANSWER})}}]
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 429, 500, 503, 504, 529, 204, 302])
@pytest.mark.parametrize("as_json", [True, False], ids=["json", "text"])
def test_a_provider_s_error_that_quotes_the_key_tells_nothing(
    on: Planted, status: int, stream: bool, as_json: bool
) -> None:
    on.upstream.answer = answering(None, status, raw=b"") if status == 204 else quoting(status, as_json=as_json)
    found, _, message = on.chat(stream=stream, quoted=status != 204)  # its words reach the caller, without the key
    assert found == status if status in (400, 413, 422, 429) else found >= 500
    assert ("***" in message) is (status != 204)


@pytest.mark.parametrize(
    ("answer", "stream", "code"),
    [
        (answering(None, raw=ANSWER.encode()), False, "upstream_unreadable"),
        (answering({"said": ANSWER}), False, "upstream_unreadable"),
        (answering(completion(ANSWER, **TOOL)), False, "policy_denied"),
        (streaming(chunk({"content": ANSWER}), cut=True), False, "upstream_failed"),
        (streaming(chunk({"content": ANSWER}), gap=4), False, "upstream_failed"),
    ],
    ids=["no JSON", "no completion", "tool", "cut", "timeout"],
)  # fmt: skip
def test_an_answer_that_is_not_given_out_is_not_told(on: Planted, answer: Answer, stream: bool, code: str) -> None:
    on.upstream.answer = answer
    assert on.chat(stream=stream)[1] == code


async def silent(_request: Request, _body: dict[str, Any]) -> Response:
    await asyncio.sleep(4)
    return JSONResponse(completion(ANSWER))


def test_a_provider_that_is_silent_or_is_not_there_tells_nothing(on: Planted) -> None:
    on.upstream.answer = silent
    assert on.chat()[1] == "upstream_timeout"
    assert on.chat("dead")[1] == "upstream_unreached"


@pytest.mark.parametrize(
    "answer",
    [
        streaming(chunk({"content": ANSWER}), cut=True),
        streaming(chunk({"content": ANSWER}), gap=4),
        streaming(chunk({"content": ANSWER})),
        streaming(chunk({"content": ANSWER}), event({"error": {"message": ANSWER}})),
        streaming(chunk({"content": ANSWER}), event(ANSWER.encode())),
        streaming(chunk(TOOL), chunk({}, "tool_calls"), USAGE, DONE),
        streaming(chunk({"content": ANSWER * 3_000_000})),
    ],
    ids=["cut", "timeout", "no end", "error", "no JSON", "tool", "too large"],
)  # fmt: skip
def test_a_stream_that_breaks_tells_nothing_in_the_log(on: Planted, answer: Answer) -> None:
    on.upstream.answer = answer
    before = len(on.server.said)
    on.chat(stream=True)
    until(lambda: "without a clean end" in on.server.said[before:], on.server.said[before:])
    on.tells_nothing(before)


# Key files


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        (None, "does not exist"),
        (b"", "is empty"),
        (FILE_KEY.encode("utf-16"), "is not UTF-8 text"),
        (FILE_KEY.encode() + b"\xff", "is not UTF-8 text"),
        (f"{FILE_KEY}\n{ENV_KEY}\n".encode(), "has more than one line"),
        (f"{FILE_KEY} {ENV_KEY}\n".encode(), "holds a blank"),
    ],
    ids=["missing", "empty", "UTF-16", "bytes", "two lines", "blank"],
)  # fmt: skip
def test_a_key_file_that_is_wrong_is_a_failed_attempt_with_a_fallback_and_tells_nothing(
    on: Planted, data: bytes | None, wrong: str
) -> None:
    on.file.unlink() if data is None else on.file.write_bytes(data)
    sent, before = len(on.upstream.seen), len(on.server.said)
    status, code, message = on.chat("filed")
    assert (status, code) == (502, "no_credential")
    assert f"the key file of provider filed {wrong}" in message
    assert str(on.file) not in message
    assert len(on.upstream.seen) == sent
    assert on.chat("both")[0] == 200
    assert on.upstream.seen[-1]["headers"]["authorization"] == f"Bearer {ENV_KEY}"
    closed = [entry for entry in entries(on.server.settings) if entry.kind == "call.closed"][-2:]
    alone, both = ([(one["outcome"], one["billed"]) for one in entry.facts["attempts"]] for entry in closed)
    assert (alone, both) == ([("no_credential", "no")], [("no_credential", "no"), ("answered", "reported")])
    assert (closed[0].facts["cost_nano_eur"], closed[0].facts["cost_state"]) == (0, "none")
    until(lambda: f"the key file {on.file} of provider filed {wrong}" in on.server.said, on.server.said)
    checked = whyledger(on, "doctor")
    assert f"FIX  the key file {on.file} of provider filed {wrong}" in checked.stdout
    assert told(checked.stdout + checked.stderr, on.secrets) == []
    on.tells_nothing(before)
    on.file.write_text(f"\ufeff{FILE_KEY}\r\n", "utf-8")
    assert on.chat("filed")[0] == 200
    assert on.upstream.seen[-1]["headers"]["authorization"] == f"Bearer {FILE_KEY}"


def whyledger(on: Planted, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "gateway", "--home", str(on.server.settings.home), *arguments]
    named = os.environ | {"WHYLEDGER_PASSPHRASE": PASSPHRASE} | environment
    return subprocess.run(command, env=named, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)


# Faults of our own: whatever fails has all that it was given among its variables and in what it says


@pytest.mark.parametrize("place", BEFORE)
def test_a_fault_before_the_open_tells_nothing(on: Planted, place: str) -> None:
    with opened(on.server.settings) as installation:  # a key is looked up when it is seen first
        ada = by_name(installation, "ada", on.keys["ada"])
        on.keys["unseen"] = on.secrets["the unseen key"] = acts.issue_key(installation, ada, "prod", "agent")
    with on.broken(place, "a call failed before it was opened"):
        assert on.chat(key="unseen")[:2] == (500, "internal_error")


@pytest.mark.parametrize("place", AFTER)
def test_a_fault_after_the_open_tells_nothing(on: Planted, place: str) -> None:
    on.upstream.answer = answering(completion(ANSWER))
    with on.broken(place, "a call failed after it was opened"):
        assert on.chat()[:2] == (500, "internal_error")


@pytest.mark.parametrize("place", STREAMED)
def test_a_fault_in_a_stream_tells_nothing(on: Planted, place: str) -> None:
    on.upstream.answer = streaming(chunk({"content": ANSWER}), chunk({}, "stop"), USAGE, DONE)
    with on.broken(place, "a call failed after it was opened"):
        on.chat(stream=True)


@pytest.mark.parametrize("place", UNOWNED)
def test_a_fault_that_nothing_of_ours_catches_tells_nothing(on: Planted, place: str) -> None:
    on.upstream.answer = answering(completion(ANSWER))
    with on.broken(place, "Traceback"):
        on.chat("nothing-like-it" if place.endswith(("_send_error", "error_response")) else "support")


def test_a_timer_that_fails_tells_nothing(on: Planted) -> None:
    before = len(on.server.said)
    with on.broken("gateway.store.ports.RulesInForce.refresh", "a timer failed"):
        until(lambda: "a timer failed" in on.server.said[before:], "no timer ran")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_ledger_that_takes_nothing_tells_nothing(on: Planted, stream: bool) -> None:
    before = len(on.server.said)
    on.wanted.write_text("ledger.log.Log.hand_over")
    try:
        assert on.chat(stream=stream)[0] >= 500
    finally:
        on.wanted.unlink()
    until(lambda: on.chat()[0] == 200, "calls do not work again")
    on.tells_nothing(before)


# Persons


@pytest.mark.parametrize("token", ["stranger", "agent", "victor"])
def test_signing_in_and_asking_tell_no_token(on: Planted, token: str) -> None:
    form = urllib.parse.urlencode({"token": on.keys[token], "next": "/why/x"}).encode()
    assert on.send("POST", "/login", form)[0] == (303 if token == "victor" else 403)
    for headers in ({"authorization": f"Bearer {on.keys[token]}"}, {"cookie": f"whyledger_token={on.keys[token]}"}):
        assert on.send("GET", "/api/v1/why/nothing", None, headers)[0] >= 401
        assert on.send("GET", "/api/v1/why", None, headers)[0] == 422
        for body in (
            PROMPT.encode(),
            json.dumps({"reason": 7, "token": on.keys["ada"]}).encode(),
            json.dumps([PROMPT]).encode(),
        ):
            status, _ = on.send(
                "POST", "/api/v1/stops", body, headers | {"content-type": "application/json"}, quoted=True
            )
            assert 400 <= status < 500
    assert on.send("GET", f"/why?token={on.keys[token]}")[0] == 422


@pytest.mark.parametrize("place", PERSONS)
def test_a_fault_of_the_own_api_or_a_page_tells_nothing(on: Planted, place: str) -> None:
    headers = {"authorization": f"Bearer {on.keys['ada']}", "content-type": "application/json"}
    with on.broken(place, "Traceback"):
        if "pages" in place or "console" in place:
            form = urllib.parse.urlencode({"token": on.keys["ada"]}).encode()
            asked = ("GET", f"/why/{SUBJECT}", None) if "look_up" in place else ("POST", "/login", form)
        elif "explain" in place:
            asked = ("GET", f"/api/v1/why/{urllib.parse.quote(SUBJECT)}", None)
        else:
            asked = ("POST", "/api/v1/stops", json.dumps({"reason": PROMPT, "task": "t"}).encode())
        assert on.send(*asked, headers)[0] == 500


# What is left of it all


def entries(settings: Settings) -> list[Any]:
    with opened(settings) as installation:
        return [decode(data) for data in installation.reader.raw(0, installation.reader.head().size)]


def test_after_all_this_neither_metrics_nor_entries_nor_the_log_tell_anything(on: Planted) -> None:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", on.server.admin_port, timeout=30)) as connection:
        connection.request("GET", "/metrics")
        metrics = connection.getresponse().read().decode()
    assert "whyledger_closed" in metrics
    everything = on.secrets | on.words
    assert told(metrics, everything) == []
    on.wanted.write_text("gateway.app._record_end")  # the end fails too
    on.server.stop()
    on.wanted.unlink()
    assert "did not end in order" in on.server.said
    on.tells_nothing()
    with opened(on.server.settings) as installation:
        raw = b"\n".join(installation.reader.raw(0, installation.reader.head().size)).decode()
    assert told(raw, everything) == []
    assert told((on.server.settings.home / "head.note").read_text(), everything) == []


# Starts that fail, and the command line


def failed_start(on: Planted, *program: str, **environment: str) -> str:
    command = [sys.executable, *(program or ("-m", "gateway")), "--home", str(on.server.settings.home), "serve"]
    command += ["--port", str(free_port()), "--admin-port", "0"]
    named = os.environ | {"WHYLEDGER_PASSPHRASE": PASSPHRASE, "PLANTED_KEY": ENV_KEY} | environment
    done = subprocess.run(command, env=named, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert done.returncode != 0
    assert told(done.stdout + done.stderr, on.secrets) == []
    return done.stdout + done.stderr


@pytest.mark.parametrize("place", ["gateway.app.Gateway._timers", "gateway.store.ports.RulesInForce.read"])
def test_a_start_that_fails_by_a_fault_tells_nothing(on: Planted, place: str) -> None:
    on.wanted.write_text(place)
    try:
        said = failed_start(on, "-c", BREAKABLE, str(on.wanted), place)
    finally:
        on.wanted.unlink()
    assert "the gateway did not start" in said
    assert "in call" in said  # where it happened


def test_a_start_with_a_wrong_passphrase_or_database_tells_nothing(on: Planted) -> None:
    assert "whyledger: " in failed_start(on, WHYLEDGER_PASSPHRASE=STRANGER)
    url = f"postgresql://gateway:{urllib.parse.quote(STRANGER)}@127.0.0.1:1/ledger"
    assert "whyledger: " in failed_start(on, WHYLEDGER_DATABASE=url, WHYLEDGER_KEY_STORE=url.replace("ledger", "keys"))
    assert "WHYLEDGER_DATABASE" in failed_start(on, WHYLEDGER_DATABASE=f"mysql://gateway:{STRANGER}@127.0.0.1/ledger")


def test_the_command_line_tells_no_secret(on: Planted, tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(f"providers: {{p: {{base_url: 'http://x/v1', models: ['*'], key: {json.dumps(ENV_KEY)}}}}}\n")
    for arguments in (
        ("config", "check", str(file)),
        ("config", "activate", str(file), "--as", "ada", "--reason", "r"),
        ("key", "revoke", STRANGER, "--as", "ada", "--reason", "r"),
        ("correct", "call_x", "--cost", "1", "--as", "ada", "--reason", "r"),
    ):
        done = whyledger(on, *arguments, WHYLEDGER_TOKEN=on.keys["victor"])
        assert done.returncode != 0
        assert told(done.stdout + done.stderr, on.secrets) == []
