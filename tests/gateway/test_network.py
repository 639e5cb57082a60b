"""Ways to a provider: real proxies (CONNECT, SOCKS), a private authority, client certificates, HTTP/2 (nginx)."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trustme
import uvloop
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.call import Target
from gateway.configuration.model import Provider
from gateway.demo.world import free_port
from gateway.dialects.protocol import Outgoing
from gateway.errors import UpstreamUnreached
from gateway.upstream import general, network
from gateway.upstream.client import HttpUpstream
from gateway.upstream.network import Endpoint, Network, network_of, proxy_for

SENT = Outgoing("/chat/completions", b"{}")
TARGET = cast(Target, SimpleNamespace(provider="p", environment="dev"))
NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error; worker_processes 1; {user}
events {{ worker_connections 64; }}
http {{
  access_log {folder}/access; client_body_temp_path {folder}/body; proxy_temp_path {folder}/p;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem;
    ssl_client_certificate {folder}/ca.pem; ssl_verify_client optional;
    location / {{ return 200 "$server_protocol $ssl_client_verify $request_method $uri"; }}
  }}
}}
"""


@contextmanager
def running(*command: str, port: int, **more: Any) -> Iterator[None]:
    """A program that listens on a port once it is there."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, f"{command[0]} ended"
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Iterator[tuple[str, Path]]:
    """A server with a certificate of a private authority; it says how it was spoken to."""
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    authority.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(
        str(folder / "server.pem")
    )
    authority.issue_cert("us@example.com").private_key_and_cert_chain_pem.write_to_path(str(folder / "client.pem"))
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "conf").write_text(NGINX.format(folder=folder, port=port, user=user))
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert nginx, "apt-get install nginx-light"
    with running(nginx, "-c", str(folder / "conf"), "-e", str(folder / "error"), port=port):
        yield f"https://localhost:{port}/v1", folder


@pytest.fixture(scope="module")
def connecting() -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "proxy", "--hostname", "127.0.0.1", "--port", str(port), "--num-workers", "1"]
    with running(*command, "--num-acceptors", "1", "--basic-auth", "user:secret", port=port):
        yield f"127.0.0.1:{port}"


@pytest.fixture(scope="module")
def socks() -> Iterator[str]:
    port = free_port()
    program = shutil.which("microsocks")
    assert program, "apt-get install microsocks"
    with running(program, "-i", "127.0.0.1", "-p", str(port), port=port):
        yield f"socks5://127.0.0.1:{port}"


def asked(url: str, way: Network, times: int = 1) -> list[str]:
    async def use() -> list[str]:
        upstream = HttpUpstream(lambda _name, _environment: Endpoint(url, "sk-1", way))
        try:
            return [(await (await upstream.send(TARGET, SENT, timeout=20)).read()).decode() for _ in range(times)]
        finally:
            await upstream.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(use())


@pytest.mark.parametrize("general", [False, True], ids=["ours", "httpx"])
def test_a_private_authority_is_believed_beside_the_public_ones(provider: tuple[str, Path], general: bool) -> None:
    url, folder = provider
    way = Network(ca_file=str(folder / "ca.pem"), general=general)
    assert asked(url, way, 2) == ["HTTP/1.1 NONE POST /v1/chat/completions"] * 2
    assert asked(url, way._replace(client_certificate=str(folder / "client.pem"))) == [
        "HTTP/1.1 SUCCESS POST /v1/chat/completions"
    ]
    context = network.context_of(way)
    assert len(context.get_ca_certs()) == len(network.context_of(way._replace(ca_file=None)).get_ca_certs()) + 1
    with pytest.raises(UpstreamUnreached, match="its certificate is not accepted .*`ca_file`"):
        asked(url, Network(general=general))


@pytest.mark.parametrize("general", [False, True], ids=["ours", "httpx"])
def test_a_certificate_that_was_exchanged_is_read_again(
    provider: tuple[str, Path], tmp_path: Path, general: bool
) -> None:
    """By one running gateway: with the next call."""
    url, folder = provider
    kept, strange = tmp_path / "ca.pem", tmp_path / "strange.pem"
    trustme.CA().cert_pem.write_to_path(str(strange))

    async def use() -> None:
        upstream = HttpUpstream(
            lambda _name, _environment: Endpoint(url, "sk-1", Network(ca_file=str(kept), general=general))
        )
        for place, wrong in ((strange, "certificate is not accepted"), (folder / "ca.pem", "")):
            kept.write_bytes(place.read_bytes())
            if wrong:
                with pytest.raises(UpstreamUnreached, match=wrong):
                    await upstream.send(TARGET, SENT, timeout=20)
            else:
                assert await (await upstream.send(TARGET, SENT, timeout=20)).read()
        kept.write_text("no certificate")
        if general:  # ours may still hold a connection that was made before
            with pytest.raises(UpstreamUnreached, match="ca_file or client_certificate cannot be used"):
                await upstream.send(TARGET, SENT, timeout=20)
        await upstream.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(use())


def test_http2_is_spoken_where_the_server_does_and_one_connection_serves_many(provider: tuple[str, Path]) -> None:
    url, folder = provider
    way = Network(ca_file=str(folder / "ca.pem"), http2=True)
    before = (folder / "access").read_text().count("HTTP/2.0")
    assert asked(url, way, 3) == ["HTTP/2.0 NONE POST /v1/chat/completions"] * 3
    assert (folder / "access").read_text().count("HTTP/2.0") == before + 3


def test_a_call_goes_through_a_proxy_that_wants_a_password(provider: tuple[str, Path], connecting: str) -> None:
    url, folder = provider
    way = Network(ca_file=str(folder / "ca.pem"), proxy=f"http://user:secret@{connecting}")
    assert asked(url, way, 2) == ["HTTP/1.1 NONE POST /v1/chat/completions"] * 2
    assert asked(url, way._replace(http2=True)) == ["HTTP/2.0 NONE POST /v1/chat/completions"]
    with pytest.raises(UpstreamUnreached, match="its proxy refused: 407") as refused:
        asked(url, way._replace(proxy=f"http://user:wrong@{connecting}"))
    assert "wrong" not in str(refused.value)


def test_a_call_goes_through_a_socks_proxy(provider: tuple[str, Path], socks: str) -> None:
    url, folder = provider
    assert asked(url, Network(ca_file=str(folder / "ca.pem"), proxy=socks)) == [
        "HTTP/1.1 NONE POST /v1/chat/completions"
    ]


@pytest.mark.parametrize("kind", ["http", "socks5"])
def test_nothing_was_sent_where_no_proxy_listens(kind: str) -> None:
    with pytest.raises(UpstreamUnreached):
        asked("https://api.example.com/v1", Network(proxy=f"{kind}://127.0.0.1:{free_port()}"))


@pytest.mark.parametrize(
    "proxy", ["ftp://u:s3cret@p:1", "http://u:s3cret@127.0.0.1:1", "http://u:s3cret@p:99999", "socks5://u:s3cret@127.0.0.1:1"]
)  # fmt: skip
def test_no_error_quotes_the_password_of_a_proxy(proxy: str) -> None:
    with pytest.raises(UpstreamUnreached) as refused:
        asked("https://api.example.com/v1", Network(proxy=proxy))
    assert "s3cret" not in str(refused.value)


def test_a_pool_that_is_too_old_is_left_for_a_new_one(
    provider: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, folder = provider
    made: list[general._Pool] = []
    first = general._Pool.__init__

    def noted(self: general._Pool, *args: Any) -> None:
        first(self, *args)
        made.append(self)

    monkeypatch.setattr(general._Pool, "__init__", noted)
    way = Network(ca_file=str(folder / "ca.pem"), http2=True)
    asked(url, way, 3)
    assert len(made) == 1
    monkeypatch.setattr(general, "AGE_SECONDS", -1.0)
    asked(url, way, 3)
    assert len(made) == 4


PROXIES = {"HTTPS_PROXY": "http://p:3128", "http_proxy": "q:8080", "NO_PROXY": ".corp.example, 10.0.0.0/8,x.test:8443,fd00::/8"}  # fmt: skip


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.openai.com/v1", "http://p:3128"),
        ("http://models.test/v1", "http://q:8080"),
        ("https://llm.corp.example/v1", None),
        ("https://corp.example/v1", None),
        ("https://notcorp.example/v1", "http://p:3128"),
        ("https://10.1.2.3/v1", None),
        ("https://11.1.2.3/v1", "http://p:3128"),
        ("https://x.test:8443/v1", None),
        ("https://x.test/v1", "http://p:3128"),
        ("https://[fd00::1]:8443/v1", None),
        ("http://localhost:11434/v1", None),
        ("http://127.0.0.1:11434/v1", None),
        ("http://[::1]:11434/v1", None),
    ],
)
def test_the_environment_names_the_proxy_as_for_other_programs(url: str, expected: str | None) -> None:
    assert proxy_for(url, PROXIES) == expected


def test_lower_case_wins_everything_may_be_exempt_and_all_proxy_is_the_last() -> None:
    assert proxy_for("https://a.test", {"HTTPS_PROXY": "http://a", "https_proxy": "http://b"}) == "http://b"
    assert proxy_for("https://a.test", {"ALL_PROXY": "socks5://c:1"}) == "socks5://c:1"
    assert proxy_for("https://a.test", {"HTTPS_PROXY": "http://a", "no_proxy": "*"}) is None
    assert proxy_for("https://a.test", {"HTTPS_PROXY": "  "}) is None


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_list_of_exemptions_breaks_the_choice(listed: str, host: str) -> None:
    assert proxy_for("https://api.example.com/v1", {"HTTPS_PROXY": "http://p", "NO_PROXY": listed}) in (
        "http://p",
        None,
    )
    assert network._matches(listed.lower(), host, 443, None) in (True, False)


def test_a_provider_says_its_own_way() -> None:
    base: dict[str, Any] = {"base_url": "https://api.example.com/v1", "models": ("m",)}
    environment = {"HTTPS_PROXY": "http://p:3128"}
    assert network_of(Provider(**base), environment).needs_general
    assert network_of(Provider(**base, proxy="none"), environment) == Network()
    assert network_of(Provider(**base, proxy="socks5://s:1080"), environment).proxy == "socks5://s:1080"
    password = {"COMPANY_PROXY": "http://user:secret@p:3128"}
    way = network_of(Provider(**base, proxy="env:COMPANY_PROXY"), password)
    assert way.proxy == password["COMPANY_PROXY"]
    assert network.in_words(way) == "through the proxy p:3128"
    with pytest.raises(UpstreamUnreached, match="(?i)company_proxy"):
        asked("https://api.example.com/v1", network_of(Provider(**base, proxy="env:COMPANY_PROXY"), {}))
    with pytest.raises(ValidationError):
        Provider(**base, proxy="http://user:secret@p:3128")
    assert network_of(Provider(**base, transport="httpx"), {}).needs_general
    assert not network_of(Provider(**base, ca_file="x"), {}).needs_general
