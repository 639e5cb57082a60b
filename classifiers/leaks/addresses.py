"""An address as browsers read it: whom it asks, and what it carries to them. Pure.

Source: URL Standard (WHATWG), read 2026-11-29: backslashes are slashes, any number of them may follow the scheme, tabs
and line ends inside are dropped, host names are compared in their ASCII form.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import unquote

_SPECIAL = ("http", "https", "ws", "wss", "ftp")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_DROPPED = re.compile(r"[\t\r\n]")
LONG_PATH, LONG_LABEL, LONG_HOST = 64, 24, 64
"""Characters from which a path, a label of a host or a host is long enough to carry something."""
_WORDS = re.compile(r"(?:\d{4}-\d\d-\d\d-?)?[A-Za-z]*(?:[._~-][A-Za-z]*)*|[\d.]{1,6}|v\d[\w.-]{0,10}")
"""A segment of a path that names a thing: words (of a day), a number, a version."""
_SHORT = re.compile(r"[\w.~-]{1,15}")


@dataclass(frozen=True, slots=True)
class Address:
    """`host` in lower case and ASCII, without a port. `carries`: which of its parts say something to the host."""

    host: str
    carries: tuple[str, ...]

    def is_of(self, allowed: Collection[str]) -> bool:
        """Tell whether it asks a host on a list; `*.example.com` stands for every host below that one."""
        labels = self.host.split(".")
        above = (".".join(labels[place:]) for place in range(1, len(labels)))
        return self.host in allowed or any(f"*.{one}" in allowed for one in above)


def address_of(written: str) -> Address | None:
    """Return what an address asks whom; None where it asks nobody, as an address within a site."""
    text = _DROPPED.sub("", written.strip("\x00 \t\r\n\x1f"))
    found = _SCHEME.match(text)
    scheme = found[1].lower() if found else ""
    if scheme == "mailto":
        return _mail(text[found.end() :] if found else "")
    rest = text[found.end() :] if found else text
    if scheme in _SPECIAL or not scheme:
        rest = rest.replace("\\", "/")
    if not rest.startswith("//") and scheme not in _SPECIAL:
        return None
    address = _parts(rest.lstrip("/"))
    if address and not scheme and "." not in address.host:
        return None  # a comment in source code, more likely than a host
    return address


def _parts(rest: str) -> Address | None:
    rest, _, _fragment = rest.partition("#")  # it stays with whoever follows the link
    before, _, query = rest.partition("?")
    authority, _, path = before.partition("/")
    userinfo, _, host = authority.rpartition("@")
    host = ascii_host(host)
    if not host:
        return None
    said = {"userinfo": userinfo, "host": _host_says(host), "path": _path_says(path), "query": query}
    return Address(host, tuple(name for name, value in said.items() if value))


def _mail(rest: str) -> Address | None:
    to, _, query = rest.partition("?")
    host = ascii_host(to.rpartition("@")[2])
    return Address(host, ("query",) if query else ()) if host else None


def ascii_host(written: str) -> str:
    """Return a host name in ASCII and lower case, without its port and a last dot."""
    name = unquote(written)
    name = name if name.startswith("[") else name.partition(":")[0]
    try:
        return name.encode("idna").decode().lower().rstrip(".")
    except UnicodeError:
        return name.lower().rstrip(".")


def _host_says(host: str) -> bool:
    labels = host.split(".")
    long = len(host) >= LONG_HOST or any(len(one) >= LONG_LABEL for one in labels)
    return long or any(len(one) >= 12 and _is_coded(one) for one in labels if not one.startswith("xn--"))


def _path_says(path: str) -> bool:
    return len(path) >= LONG_PATH or any(not _is_name(one) for one in path.split("/"))


def _is_name(segment: str) -> bool:
    if _WORDS.fullmatch(segment):
        return True
    return bool(_SHORT.fullmatch(segment)) and not _is_coded(segment)


def _is_coded(segment: str) -> bool:
    """Tell whether letters and digits take turns, as in what is encoded, or it has as many digits as an account."""
    return any(
        len(re.findall(r"\d+|[A-Za-z]+", piece)) > 3 or sum(one.isdigit() for one in piece) > 6
        for piece in re.split(r"[._~-]", segment)
    )
