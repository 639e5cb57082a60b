"""Whether a client goes through the gateway, as far as its source says."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.scanning.catalogue import Catalogue, Library
from gateway.scanning.finding import Status

BASE_URL = re.compile(
    r"(?i)^(?:\w*base_?ur[li]|\w*api_?base|base_?path|uri_?base|\w*endpoint|host|server_?url|with_?base_?url|api_?url)$"
)
"""Names under which libraries take the base URL."""
_OWN = re.compile(r"(?i)whyledger|\bwl_[a-z][a-z0-9.-]*_[A-Za-z0-9_-]{20,}")
_WORD = re.compile(r"[A-Za-z0-9_.:-]+")


@dataclass(frozen=True, slots=True)
class Gateways:
    """What leads to the gateway: hosts, and names of variables that hold its address or its keys."""

    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, given: Iterable[str]) -> "Gateways":
        """Return what was given as an address, a host or the name of a variable."""
        plain = (re.sub(r"^[a-z]+://", "", one.strip()).split("/")[0].rpartition("@")[2] for one in given)
        return cls(frozenset(one.lower() for one in plain if one))

    def meant_by(self, text: str) -> bool:
        """Tell whether a text names the gateway."""
        if _OWN.search(text):
            return True
        words = {word.lower() for word in _WORD.findall(text)} if self.names else set()
        return any(name in words or any(word.endswith(f".{name}") for word in words) for name in self.names)


@dataclass(frozen=True, slots=True)
class Made:
    """How a client is made: the values of its base URL, everything else it is given, and whether more is hidden."""

    base_urls: tuple[str, ...]
    text: str
    hidden: bool = False
    """Arguments come from a dictionary (`**options`) that is not to be seen there."""


def status_of(made: Made, library: Library, gateways: Gateways, catalogue: Catalogue) -> Status:
    """Return where a client leads."""
    if any(map(gateways.meant_by, made.base_urls)) or _OWN.search(made.text):
        return "gateway"
    if any(True for one in made.base_urls for _ in catalogue.urls(one)):
        return "direct"
    if made.base_urls or made.hidden:
        return "unclear"
    by_default = any(name.lower() in gateways.names for name in catalogue.base_variables(library.provider))
    return "gateway" if by_default else "direct"
