"""A stage for promise-level tests: the real application on a real socket, in this process so that a test can break
parts of it, with an upstream that the test scripts."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_bytes
from typing import Any

import formats
import httpx2
import openai
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from gateway.app import Gateway
from gateway.demo.world import free_port
from gateway.oversight import acts
from gateway.oversight.people import Actor, by_name
from gateway.settings import Settings, read_settings
from gateway.store.installation import Installation, make, opened
from ledger.entry import Entry, decode
from ledger.store.reader import Reader

CONFIG = """
organisation: {{time_zone: "Europe/Berlin"}}
routes:
  - {{intent: support, primary: model-a, fallback: model-b, max_retries: {retries}, timeout: {timeout}, retry_timeouts: true, max_budget_daily: {cap}}}
  - {{intent: cached, primary: model-a, cache_ttl: 60, max_retries: 0}}
  - {{intent: unpriced, primary: model-z}}
  - {{intent: claude, primary: claude-a, max_retries: {retries}}}
  - {{intent: gemini, primary: gem-a, max_retries: {retries}}}
  - {{intent: vectors, primary: [model-e, gem-a]}}
providers:
  upstream: {{base_url: "http://127.0.0.1:{port}/v1", models: ["model-*"], prices: {prices}}}
  second: {{base_url: "http://127.0.0.1:{port}/v1", models: ["claude-*"], dialects: anthropic.messages, price: {{input: 1, output: 4}}}}
  third: {{base_url: "http://127.0.0.1:{port}/v1beta", models: ["gem-*"], dialects: gemini, price: {{input: 1, output: 4}}}}
environments:
  prod: {{max_budget_daily: {environment_cap}}}
  dev: {{max_budget_daily: 5, direct_route: true}}
workflows:
  agent: {{purpose: test, owner: test, tools: {tools}, tool_rules: {tool_rules}, approvals: {approvals}, max_calls_per_task: {max_calls}, max_budget_daily: {workflow_cap}}}
  quiet: {{purpose: test, owner: test, content: none}}
  fresh: {{purpose: never released, owner: test}}
"""
PRICES = "{model-a: {input: 1, output: 4}, model-b: {input: 2, output: 8}, model-e: {input: 1, output: 0}}"
Answer = Callable[[Request, dict[str, Any]], Awaitable[Response]]


def completion(text: str = "hello", *, prompt: int = 10, output: int = 5, **message: Any) -> dict[str, Any]:
    """A chat completion in the wire format."""
    said = {"role": "assistant", "content": text} | message
    finish = "tool_calls" if message.get("tool_calls") else "stop"
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "model-a",
        "choices": [{"index": 0, "message": said, "finish_reason": finish}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output},
    }  # fmt: skip


def event(value: Any) -> bytes:
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return event(
        {"id": "chatcmpl-2", "object": "chat.completion.chunk", "model": "model-a", "choices": [choice], "usage": None}
    )


USAGE = event(
    {"id": "chatcmpl-2", "choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}}
)
DONE = event(b"[DONE]")


def streaming(*parts: bytes, gap: float = 0.0, cut: bool = False) -> Answer:
    """An upstream that streams these parts; with `cut` it breaks off after them."""

    async def answer(_request: Request, _body: dict[str, Any]) -> Response:
        async def body() -> AsyncIterator[bytes]:
            for part in parts:
                yield part
                await asyncio.sleep(gap)
            if cut:
                raise ConnectionResetError

        return StreamingResponse(body(), media_type="text/event-stream")

    return answer


@dataclass
class Upstream:
    """What the provider does, and what it saw."""

    answer: Answer | None = None
    seen: list[dict[str, Any]] = field(default_factory=list)
    on_call: Callable[[], None] = lambda: None

    async def endpoint(self, request: Request) -> Response:
        body = await request.json()
        asked = f"{request.url.path}?{request.url.query}".rstrip("?")
        self.seen.append({"body": body, "headers": dict(request.headers), "path": asked})
        self.on_call()
        if self.answer:
            return await self.answer(request, body)
        if (found := formats.usual(request, body)) is not None:
            return found
        if body.get("stream"):
            return await streaming(chunk({"content": "hel"}), chunk({"content": "lo"}), chunk({}, "stop"), USAGE, DONE)(
                request, body
            )
        return JSONResponse(completion())


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextmanager
def listening(app: Any, port: int, *, lifespan: str = "off") -> Iterator[_Server]:
    """Serve an ASGI app from a thread."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_config=None, lifespan=lifespan, timeout_graceful_shutdown=3
    )  # type: ignore[arg-type]
    server = _Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.started, "the server did not start"
    try:
        yield server
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        assert not thread.is_alive(), "the server did not stop"


class Clock:
    """The machine's clock, set to another time."""

    def __init__(self) -> None:
        self.offset = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset


@dataclass
class Stage:
    """The running application and everything around it."""

    settings: Settings
    gateway: Gateway
    upstream: Upstream
    port: int
    keys: dict[str, str]
    tokens: dict[str, str]
    clients: list[openai.OpenAI] = field(default_factory=list)

    @property
    def installation(self) -> Installation:
        return self.gateway.running

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, key: str = "agent", **headers: str) -> openai.OpenAI:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        made = openai.OpenAI(
            base_url=f"{self.url}/v1", api_key=self.keys[key], default_headers=named, max_retries=0, timeout=20
        )
        self.clients.append(made)
        return made

    def ask(
        self, model: str = "support", text: str = "hi", *, key: str = "agent", task: str | None = None, **more: Any
    ) -> Any:
        headers = {"x_whyledger_task": task} if task else {}
        return self.client(key, **headers).chat.completions.create(
            model=model, messages=[{"role": "user", "content": text}], **more
        )

    def entries(self, *kinds: str) -> list[Entry]:
        """Every entry of the log, or those of the given kinds."""
        reader = Reader(self.installation.engine)
        found = [decode(data) for data in reader.raw(0, reader.head().size)]
        return [entry for entry in found if not kinds or entry.kind in kinds]

    def settled(self, kind: str, count: int = 1, *, within: float = 15) -> list[Entry]:
        """Wait until there are `count` entries of a kind."""
        deadline = time.monotonic() + within
        while len(found := self.entries(kind)) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(found) >= count, f"{len(found)} of {count} {kind}"
        return found

    def budgets(self) -> dict[str, dict[str, int]]:
        return self.installation.reader.states("budget:")

    def text(self) -> str:
        """Return the configuration in force."""
        return self.installation.vault.text(acts.active_configuration(self.installation)[1]) or ""

    def put_into_force(self, text: str, reason: str = "for the test") -> None:
        """Activate a configuration, release what was released, and wait until the gateway has read it."""
        acts.activate(self.installation, self.person("ada"), text, reason)
        for workflow in ("agent", "quiet"):
            acts.release(self.installation, self.person("ada"), workflow, reason)
        httpx2.get(self.url + "/readyz")

    def person(self, name: str) -> Actor:
        return by_name(self.installation, name, self.tokens[name])


def on_postgresql() -> dict[str, str]:
    """Return the environment of an installation on two fresh PostgreSQL databases, as a role that owns nothing."""
    import postgresql

    ledger, keys = postgresql.new_database(), postgresql.new_database()
    return {
        "WHYLEDGER_DATABASE": postgresql.as_gateway(ledger),
        "WHYLEDGER_DATABASE_OWNER": ledger,
        "WHYLEDGER_KEY_STORE": keys,
    }


DEFAULTS: dict[str, Any] = {
    "retries": 0,
    "timeout": 5,
    "cap": 10,
    "environment_cap": 100,
    "workflow_cap": 100,
    "key_cap": 10**9,
    "max_calls": 100,
    "prices": PRICES,
    "tools": "[lookup]",
    "tool_rules": "{}",
    "approvals": "{}",
}
"""What a test does not say of the configuration."""


def prepare(
    folder: Path, *, port: int, environment: dict[str, str] | None = None, **knobs: Any
) -> tuple[Settings, dict[str, str], dict[str, str]]:
    """Make an installation with people, a configuration, releases and keys."""
    settings = read_settings(folder, environment=environment or {})
    make(settings, "ledger.example/stage", "Stage", {"root": token_bytes(32), "log": token_bytes(32)})
    values = DEFAULTS | knobs
    keys: dict[str, str] = {}
    with opened(settings) as installation:
        acts.bind_signer(installation)
        tokens = {"ada": acts.enrol(installation, None, "ada", ["admin", "engineer", "compliance", "approver"])}
        ada = by_name(installation, "ada", tokens["ada"])
        tokens["victor"] = acts.enrol(installation, ada, "victor", ["viewer"])
        acts.activate(installation, ada, CONFIG.format(port=port, **values), "for the test")
        for workflow in ("agent", "quiet"):
            acts.release(installation, ada, workflow, "for the test")
        for workflow in ("agent", "quiet", "fresh"):
            keys[workflow] = acts.issue_key(installation, ada, "prod", workflow)
        keys["small"] = acts.issue_key(installation, ada, "prod", "agent", values["key_cap"])
        keys["fresh-dev"] = acts.issue_key(installation, ada, "dev", "fresh")
    return settings, keys, tokens


@contextmanager
def stage(folder: Path, **knobs: Any) -> Iterator[Stage]:
    """Open a stage."""
    upstream, upstream_port, port = Upstream(), free_port(), free_port()
    settings, keys, tokens = prepare(folder, port=upstream_port, **knobs)
    gateway = Gateway(settings)
    app = Starlette(routes=[Route("/{path:path}", upstream.endpoint, methods=["POST"])])
    with listening(app, upstream_port), listening(gateway, port, lifespan="on"):
        opened_stage = Stage(settings, gateway, upstream, port, keys, tokens)
        try:
            yield opened_stage
        finally:
            for client in opened_stage.clients:
                client.close()
