"""Keys, tokens and passwords in a text, known by how they begin, by their form, or by the words before them. Pure.

What a placeholder has in the place of a key is none: a few characters again and again, or a word that says so.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from classifiers.finding import Finding, without_overlaps
from classifiers.resources import read_yaml

_FORMS = tuple(
    (kind, mark, re.compile(pattern))
    for kind, mark, pattern in (
        ("jwt", ".eyJ", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
        (
            "password_in_address", "://",
            r"\b[a-z][a-z0-9+.-]{2,20}://[^\s:/@\"'<>]{0,80}:[^\s@\"'<>]{3,200}@[^\s\"'<>]{3,}",
        ),
        ("telegram", ":AA", r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{30,34}(?![A-Za-z0-9_-])"),
        ("slack_webhook", "hooks.slack", r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9_/-]{30,80}"),
        ("azure_account_key", "ccount", r"(?i:AccountKey)=[A-Za-z0-9+/]{86}=="),
        ("bearer", "earer ", r"\b[Bb]earer +[A-Za-z0-9._~+/-]{20,}={0,2}"),
    )
)  # fmt: skip
"""Kind, what a text must hold for it to be looked for, and its form."""
_BEGIN, _END = (
    re.compile(rf"-----{word} (?:[A-Z]{{1,20}} ){{0,3}}PRIVATE KEY(?: BLOCK)?-----") for word in ("BEGIN", "END")
)
LEAST_OF_A_KEY = 64
"""Characters between the lines of a private key: the shortest kinds have as many."""
_ASSIGNED = re.compile(
    r"(?:passw(?:or)?d|passwort|kennwort|passphrase|pwd|secret|token|(?:api|access|auth|private)[_-]?key|credential)"
    r"[A-Za-z0-9_-]{0,20}[\"']?\s{0,4}(?::=|=>|[:=]|\b(?:is|lautet|ist)\b)\s{0,4}[\"'`]?(?P<value>[^\s\"'`<>{}()$,;]{8,200})",
    re.IGNORECASE,
)
_WORDS = (
    "passw", "kennwort", "passphrase", "pwd", "secret", "token", "credential",
    *(f"{of}{sign}key" for of in ("api", "access", "auth", "private") for sign in ("", "_", "-")),
)  # fmt: skip
_PLACEHOLDER = re.compile(
    r"xxxx|XXXX|(?i:example|placeholder|your[_-]|changeme|redacted|dummy|1234567|abcdef)|\*\*\*|\.\.\."
)


def credentials_in(text: str) -> list[Finding]:
    """Return the credentials of a text in their order; of two that overlap, the one that begins first."""
    return without_overlaps([*_by_beginning(text), *_by_form(text), *_private_keys(text), *_by_words(text)])


def _by_beginning(text: str) -> Iterator[Finding]:
    for token in _tokens().finditer(text):
        for kind, pattern in _beginnings().get(token[0][:2], ()):
            if (whole := pattern.match(text, token.start())) and _is_random(whole["rest"]):
                yield Finding("credential", kind, whole.start(), whole.start() + len(whole[0].rstrip(".")))
                break


def _by_form(text: str) -> Iterator[Finding]:
    for kind, mark, form in _FORMS:
        for found in form.finditer(text) if mark in text else ():
            secret = found[0].rpartition("@")[0] if kind == "password_in_address" else found[0]
            if not _PLACEHOLDER.search(secret):
                yield Finding("credential", kind, found.start(), found.end())


def _private_keys(text: str) -> Iterator[Finding]:
    place = 0
    while (begun := _BEGIN.search(text, place)) and (ended := _END.search(text, begun.end())):
        if ended.start() - begun.end() >= LEAST_OF_A_KEY:
            yield Finding("credential", "private_key", begun.start(), ended.end())
        place = ended.end()


def _by_words(text: str) -> Iterator[Finding]:
    lowered = text.lower()
    if not any(word in lowered for word in _WORDS):
        return
    for found in _ASSIGNED.finditer(text):
        value = found["value"].rstrip(".!?:")
        if _is_secret(value):
            yield Finding("credential", "assigned", found.start("value"), found.start("value") + len(value))


def _is_secret(value: str) -> bool:
    """Tell whether a value is no word, name or reference: it mixes letters with digits, and not as a path does."""
    if len(value) < 8 or _PLACEHOLDER.search(value) or "/" in value[:2] or "://" in value:
        return False
    letters, digits = any(one.isalpha() for one in value), sum(one.isdigit() for one in value)
    mixed = value.lower() != value and value.upper() != value
    return letters and digits >= 2 and len(set(value)) >= 7 and (mixed or digits >= 4 or not value.isalnum())


def _is_random(rest: str) -> bool:
    return len(set(rest)) >= 8 and not _PLACEHOLDER.search(rest)


@cache
def _tokens() -> re.Pattern[str]:
    """Return what finds the words of a text that begin as a key may, by their first two characters."""
    begins = "|".join(sorted(map(re.escape, _beginnings())))
    return re.compile(rf"(?<![A-Za-z0-9])(?:{begins})[A-Za-z0-9._-]{{2,}}")


@cache
def _beginnings() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """Return kind and pattern by the first two characters."""
    kinds: dict[str, dict[str, Any]] = read_yaml("classifiers.credentials", "kinds.yaml")
    found: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for kind, said in kinds.items():
        for begins in said["begins"]:
            pattern = re.compile(f"{re.escape(begins)}(?P<rest>{said['rest']})(?![A-Za-z0-9_-])")
            found.setdefault(begins[:2], []).append((kind, pattern))
    return found
