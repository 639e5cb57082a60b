"""Behind a real reverse proxy (nginx, TLS): a path prefix, forwarded headers, compressed streams."""

import asyncio
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
import trustme
from environment import Hosted
from stage import DONE, USAGE, Upstream, chunk, listening, prepare
from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from gateway.demo.world import free_port
from gateway.settings import SettingsError, read_settings

pytestmark = pytest.mark.slow
NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error; worker_processes 1; {user}
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/p;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  gzip on; gzip_types *; gzip_min_length 0; gzip_proxied any;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem;
    proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto https;
    proxy_set_header X-Forwarded-For $remote_addr;
    location /llm/ {{ proxy_pass http://127.0.0.1:{gateway}; }}
    location /kept/llm/ {{ proxy_pass http://127.0.0.1:{gateway}/; }}
  }}
}}
"""


@dataclass
class Site:
    url: str
    ca: str
    direct: str
    keys: dict[str, str]
    tokens: dict[str, str]
    upstream: Upstream

    def browser(self, url: str | None = None) -> httpx2.Client:
        import ssl

        trusting = ssl.create_default_context(cafile=self.ca)
        return httpx2.Client(base_url=url or self.url, verify=trusting, timeout=20)


@contextmanager
def proxied(folder: Path, gateway: int) -> Iterator[tuple[str, str]]:
    """Run nginx before the gateway; yields its URL and the certificate of its authority."""
    folder.mkdir()
    port, authority = free_port(), trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "conf").write_text(NGINX.format(folder=folder, port=port, gateway=gateway, user=user))
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert nginx, "apt-get install nginx-light"
    process = subprocess.Popen([nginx, "-c", str(folder / "conf"), "-e", str(folder / "error")])
    try:
        for _ in range(400):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "error").read_text()
                time.sleep(0.05)
        yield f"https://localhost:{port}", str(folder / "ca.pem")
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, provider, upstream = tmp_path_factory.mktemp("site"), free_port(), Upstream()
    made, keys, tokens = prepare(folder / "home", port=provider)
    environment = {**made.environment, "WHYLEDGER_ROOT_PATH": "/llm/", "WHYLEDGER_TRUSTED_PROXIES": "127.0.0.0/8"}
    settings = read_settings(made.home, environment=environment)
    app = Starlette(routes=[Route("/v1/chat/completions", upstream.endpoint, methods=["POST"])])
    with listening(app, provider):
        server = Hosted(settings)
        try:
            with proxied(folder / "nginx", server.port) as (url, ca):
                yield Site(url, ca, f"http://127.0.0.1:{server.port}", keys, tokens, upstream)
        finally:
            server.kill()


@pytest.mark.parametrize("prefix", ["/llm", "/kept/llm"], ids=["the proxy passes the path on", "it takes it away"])
def test_every_address_that_is_given_out_has_the_prefix(site: Site, prefix: str) -> None:
    with site.browser() as browser:
        signed = browser.post(f"{prefix}/login", data={"token": site.tokens["ada"], "next": "/calls"})
        assert (signed.status_code, signed.headers["location"]) == (303, "/llm/calls")
        cookie = signed.headers["set-cookie"].lower()
        assert "secure" in cookie and "httponly" in cookie and "samesite=strict" in cookie
        for path in ("/", "/calls", "/systems", "/scorecard", "/docs"):
            page = browser.get(f"{prefix}{path}")
            assert page.status_code == 200, path
            links = re.findall(r'(?:href|action|src)="(/[^"]*)"', page.text)
            assert links and all(link.startswith("/llm/") for link in links), (path, links)
            assert browser.get(links[0]).status_code == 200
        answer = browser.post(
            f"{prefix}/v1/chat/completions", headers={"authorization": f"Bearer {site.keys['agent']}"},
            json={"model": "support", "messages": [{"role": "user", "content": "hi"}]},
        )  # fmt: skip
        assert answer.status_code == 200
        why = browser.get(answer.headers["x-whyledger-why"])
        assert why.status_code == 200 and answer.headers["x-whyledger-call"] in why.text
        refused = browser.post(f"{prefix}/v1/chat/completions", headers={"authorization": f"Bearer {site.keys['agent']}"},
                               json={"model": "nothing", "messages": []})  # fmt: skip
        assert refused.status_code in (400, 404) and refused.headers["x-whyledger-why"].startswith("/llm/why/")


def test_forwarded_headers_count_from_named_networks_only(site: Site, tmp_path: Path) -> None:
    made, _, tokens = prepare(tmp_path / "home", port=free_port())
    server = Hosted(made)
    try:
        with httpx2.Client(timeout=20, headers={"x-forwarded-proto": "https"}) as stranger:
            believed = stranger.post(f"{site.direct}/login", data={"token": site.tokens["ada"]})
            not_believed = stranger.post(f"http://127.0.0.1:{server.port}/login", data={"token": tokens["ada"]})
    finally:
        server.kill()
    assert "secure" in believed.headers["set-cookie"].lower()
    assert not_believed.status_code == 303 and "secure" not in not_believed.headers["set-cookie"].lower()


@pytest.mark.parametrize(
    ("name", "value"), [("TRUSTED_PROXIES", "*"), ("TRUSTED_PROXIES", "proxy.local"), ("ROOT_PATH", "llm"), ("ROOT_PATH", '/"><x')]
)  # fmt: skip
def test_settings_for_proxies_are_refused_by_name(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"WHYLEDGER_{name}"):
        read_settings(tmp_path, environment={f"WHYLEDGER_{name}": value})


def test_a_stream_arrives_as_it_comes_through_a_proxy_that_compresses(site: Site) -> None:
    """The first event is here while the model still talks: the end is sent only once it was read."""
    go_on = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def answer(_request: Any, _body: Any) -> Response:
        loops.append(asyncio.get_running_loop())

        async def body() -> Any:
            yield chunk({"content": "first"})
            await asyncio.wait_for(go_on.wait(), 30)
            for part in (chunk({"content": "last"}), chunk({}, "stop"), USAGE, DONE):
                yield part

        return StreamingResponse(body(), media_type="text/event-stream")

    site.upstream.answer = answer
    with site.browser(f"{site.url}/llm/v1") as http:
        client = openai.OpenAI(
            base_url=f"{site.url}/llm/v1", api_key=site.keys["agent"], http_client=http, max_retries=0
        )
        seen: list[str] = []
        for one in client.chat.completions.create(
            model="support", messages=[{"role": "user", "content": "stream"}], stream=True
        ):
            seen += [one.choices[0].delta.content or ""] if one.choices else []
            if seen == ["first"]:
                loops[0].call_soon_threadsafe(go_on.set)
    site.upstream.answer = None
    assert [text for text in seen if text] == ["first", "last"]


def test_the_description_of_the_api_needs_no_other_server(site: Site) -> None:
    with site.browser() as browser:
        page = browser.get("/llm/docs")
        document = browser.get("/llm/openapi.json").json()
    assert document["servers"] == [{"url": "/llm"}]
    assert "<script" not in page.text and "http" not in re.sub(r"<[^>]*>", "", page.text).replace("HTTP", "")
    for path, methods in document["paths"].items():
        for method in methods:
            assert f"<strong>{method.upper()}</strong> <code>{path}</code>" in page.text
