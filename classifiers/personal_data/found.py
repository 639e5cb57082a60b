"""Personal data in a text, known by form. Pure. Names of people and places are not found: that needs a model."""

import re
from collections.abc import Iterator
from ipaddress import ip_address

from classifiers.finding import Finding, without_overlaps
from classifiers.personal_data.numbers import known_kinds, numbers_in
from classifiers.personal_data.telephones import telephones_in

_EMAIL = re.compile(r"(?<![\w.%+-])[\w.%+-]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?![\w-])")
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
_VERSION = re.compile(r"(?:version|release|v|rev|build|section|chapter|python|kernel)\W{0,2}$", re.IGNORECASE)


def personal_data_in(text: str) -> list[Finding]:
    """Return what is found, in its order and without overlaps."""
    return without_overlaps([*_emails(text), *_addresses(text), *numbers_in(text), *telephones_in(text)])


def kinds() -> frozenset[str]:
    """Return every kind that can be found."""
    return frozenset(kind.name for kind in known_kinds()) | {"email_address", "ip_address", "telephone_number"}


def _emails(text: str) -> Iterator[Finding]:
    if "@" in text:
        for found in _EMAIL.finditer(text):
            yield Finding("personal_data", "email_address", found.start(), found.end())


def _addresses(text: str) -> Iterator[Finding]:
    candidates = [*_IPV4.finditer(text), *(_IPV6.finditer(text) if text.count(":") > 1 else ())]
    for found in candidates:
        if _is_address(found[0]) and not _VERSION.search(text, max(0, found.start() - 12), found.start()):
            yield Finding("personal_data", "ip_address", found.start(), found.end())


def _is_address(written: str) -> bool:
    """Tell whether an address can be somebody's: not this machine, no mask, no time 12:30:15 and no name a::b."""
    try:
        address = ip_address(written)
    except ValueError:
        return False
    is_name = not any(map(str.isdigit, written)) and written.count(":") < 4
    return not (is_name or address.is_loopback or address.is_unspecified or written.startswith("255."))
