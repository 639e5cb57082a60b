"""How a provider is reached: directly or through a proxy, and by whose certificates. No I/O but the reading of them."""

import ipaddress
import re
import ssl
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from gateway.configuration.model import Provider
from gateway.dialects.protocol import Outgoing
from gateway.errors import NoCredential, UpstreamUnreached

CONNECT_SECONDS = 10.0
IDLE_SECONDS = 15.0
"""How long a connection is kept for the next call. Whether its server has closed it meanwhile is asked before use."""
AGE_SECONDS = 300.0
"""How long a connection is used at all, so that a provider that moves to other addresses is followed."""
_PRINTABLE = re.compile(r"[\x21-\x7e]+")
_SENDABLE = re.compile(r"[\x20-\x7e]+")


class Network(NamedTuple):
    """The way to a provider."""

    proxy: str | None = None
    http2: bool = False
    ca_file: str | None = None
    """Certificates of authorities that are believed beside the public ones."""
    client_certificate: str | None = None
    """One PEM file with a certificate and its key."""
    general: bool = False
    """Use the general client even where ours would do."""

    @property
    def needs_general(self) -> bool:
        return self.general or self.http2 or self.proxy is not None


DIRECT = Network()


class Endpoint(NamedTuple):
    """Where a provider is, and what it is shown."""

    base_url: str
    credential: str | None = None
    network: Network = DIRECT
    key_header: str | None = None
    """The header for the credential, where it is another than the one of the dialect."""


def checked(base_url: str, path: str, credential: str | None) -> tuple[SplitResult, int | None]:
    """Return the URL of a path at a provider in parts, and its port.

    Raises:
        UpstreamUnreached, NoCredential: the URL or the credential cannot stand in a request.
    """
    try:
        parts = urlsplit(f"{base_url}{path}")
        port = parts.port
    except ValueError as error:
        raise UpstreamUnreached("its base_url is no URL") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or not _PRINTABLE.fullmatch(parts.geturl()):
        raise UpstreamUnreached("its base_url is not an http(s) URL")
    if credential is not None and not _PRINTABLE.fullmatch(credential):
        raise NoCredential("its key holds a blank or a line break")
    return parts, port


def headers_of(outgoing: Outgoing, endpoint: Endpoint) -> list[tuple[str, str]]:
    """Return the headers of a request, but for those that frame it."""
    headers = [
        ("content-type", "application/json"), ("accept", "application/json, text/event-stream"),
        ("accept-encoding", "identity"), ("user-agent", "whyledger"),
    ]  # fmt: skip
    headers += [(name, value) for name, value in outgoing.headers if _SENDABLE.fullmatch(value)]
    name, credential = endpoint.key_header or outgoing.key_header, endpoint.credential
    if not credential:
        return headers
    return [*headers, (name, f"Bearer {credential}" if name == "authorization" else credential)]


def network_of(provider: Provider, environment: Mapping[str, str]) -> Network:
    """Return the way to a provider. `environment`: where HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY may stand."""
    proxy = provider.proxy or proxy_for(provider.base_url, environment)
    if proxy and proxy.startswith("env:"):
        name = proxy.removeprefix("env:")
        proxy = environment.get(name, "").strip() or f"unset://{name}"  # which no client can use, and it says so
    return Network(
        proxy=None if proxy == "none" else proxy,
        http2=provider.http2,
        ca_file=provider.ca_file,
        client_certificate=provider.client_certificate,
        general=provider.transport == "httpx",
    )


def proxy_for(url: str, environment: Mapping[str, str]) -> str | None:
    """Return the proxy that the environment names for a URL. The lower case of a name wins, as with curl."""
    parts = urlsplit(url)
    named: dict[str, str] = {}
    for name in sorted(environment):  # upper case stands before lower
        if environment[name].strip():
            named[name.lower()] = environment[name].strip()
    proxy = named.get(f"{parts.scheme}_proxy") or named.get("all_proxy")
    host = (parts.hostname or "").lower()
    if not proxy or _is_exempt(host, parts.port, named.get("no_proxy", "")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_exempt(host: str, port: int | None, listed: str) -> bool:
    """Tell whether a host is reached without the proxy: this machine always is, others by name, suffix or network."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address: ipaddress.IPv4Address | ipaddress.IPv6Address | None = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address and address.is_loopback:
        return True
    return any(_matches(one.strip().lower(), host, port, address) for one in listed.split(",") if one.strip())


def _matches(
    entry: str, host: str, port: int | None, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None
) -> bool:
    if entry == "*":
        return True
    if address:
        try:
            return address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            pass
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdigit():
        if str(port) != wanted:
            return False
        entry = name
    entry = entry.removeprefix("*").removeprefix(".")
    return host == entry.strip("[]") or host.endswith(f".{entry}")


def context_of(network: Network) -> ssl.SSLContext:
    """Return what a TLS connection is held to; read again when a file of it has changed.

    Raises:
        UpstreamUnreached: a file of it cannot be used.
    """
    try:
        files = [one for one in (network.ca_file, network.client_certificate) if one]
        return _context(
            network.ca_file, network.client_certificate, tuple(Path(one).stat().st_mtime_ns for one in files)
        )
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise UpstreamUnreached(f"its ca_file or client_certificate cannot be used ({reason})") from error


@lru_cache(maxsize=64)
def _context(ca_file: str | None, certificate: str | None, _stamps: tuple[int, ...]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(ca_file)
    if certificate:
        context.load_cert_chain(certificate)
    return context


def in_words(network: Network) -> str:
    """Return the way without its secrets; empty for a plain one."""
    words = []
    if network.proxy:
        words.append(f"through the proxy {urlsplit(network.proxy).netloc.rpartition('@')[2]}")
    words += ["by HTTP/2"] if network.http2 else []
    words += ["with a client certificate"] if network.client_certificate else []
    words += ["believing its ca_file too"] if network.ca_file else []
    return ", ".join(words)


def reason_of(error: BaseException) -> str:
    """Return why nothing was reached, in words that help an operator and name no address."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted ({inner.verify_message}); a private authority needs `ca_file`"
        if isinstance(inner, ssl.SSLError):
            return f"TLS failed ({inner.reason or type(inner).__name__})"
        inner = inner.__cause__ or inner.__context__
    return type(error).__name__
