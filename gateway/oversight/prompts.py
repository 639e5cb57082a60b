"""Registering a version of a prompt and promoting it: each is an act of a person. A version never changes."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.configuration.load import digest
from gateway.oversight.acts import act, active_configuration, require_reason
from gateway.oversight.people import Actor, ActRefused
from gateway.prompts import VARIABLE
from gateway.state.rows import prompt_row
from gateway.store.installation import Installation
from ledger.entry import decode
from ledger.unit import State

KEEPERS = ("engineer", "compliance", "admin")
MOST_CHARACTERS = 100_000
MOST_VERSIONS = 1000
LOOK = 50_000
"""Entries that a list of unregistered texts looks back through."""


def register(installation: Installation, actor: Actor, name: str, text: str, reason: str) -> int:
    """Put a text on record as the next version of a prompt, and return its number. Nothing uses it by that alone.

    Raises:
        ActRefused: no such name or text, no reason, the text is the newest version, or the person's role.
    """
    require_reason(reason)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise ActRefused("a prompt's name is up to 100 letters, digits, dots, dashes and underscores")
    if not text.strip() or len(text) > MOST_CHARACTERS:
        raise ActRefused(f"a prompt is a text of at most {MOST_CHARACTERS} characters")
    said, row = digest(text), prompt_row(name)
    before = _versions(installation.reader.state(row))
    if before and before[-1] == said:
        raise ActRefused(f"version {len(before)} of {name} is this text already")
    if len(before) >= MOST_VERSIONS:
        raise ActRefused(f"{name} has {MOST_VERSIONS} versions; go on under another name")

    def unchanged(state: State) -> None:
        if _versions(state.get(row)) != before:
            raise ActRefused(f"somebody registered a version of {name} meanwhile: look at it, then register again")

    installation.vault.keep_text(said, text)
    facts = {"prompt_ref": name, "version": len(before) + 1, "variables": sorted(set(VARIABLE.findall(text)))[:64]}
    act(
        installation, "prompt.registered", actor, roles=KEEPERS, keys=(row,), facts=facts, refs={"prompt": said},
        texts={"reason": reason}, check=unchanged,
    )  # fmt: skip
    return len(before) + 1


def promote(installation: Installation, actor: Actor, name: str, version: int, environment: str, reason: str) -> None:
    """Make a version the one that callers get in an environment who name none; an earlier one takes it back.

    Raises:
        ActRefused: no such version or environment, no reason, it is promoted already, or the person's role.
    """
    require_reason(reason)
    environments = active_configuration(installation)[0].environments
    if environment not in environments:
        raise ActRefused(f"environment is one of {', '.join(environments)}, not {environment}")
    row = prompt_row(name)
    found = installation.reader.state(row)
    versions = _versions(found)
    if not 1 <= version <= len(versions):
        known = f"{name} has the versions 1 to {len(versions)}" if versions else f"no prompt {name} is on record"
        raise ActRefused(known)
    before = (found or {})["promoted"].get(environment)

    def unchanged(state: State) -> None:
        if (state.get(row) or {"promoted": {}})["promoted"].get(environment) != before:
            raise ActRefused(f"somebody promoted a version of {name} meanwhile: look at it, then promote again")

    if before == version:
        raise ActRefused(f"version {version} of {name} is promoted in {environment} already")
    facts: dict[str, Any] = {"prompt_ref": name, "version": version, "environment": environment, "before": before}
    act(
        installation, "prompt.promoted", actor, roles=KEEPERS, keys=(row,), facts=facts,
        refs={"prompt": versions[version - 1]}, texts={"reason": reason}, check=unchanged,
    )  # fmt: skip


def _versions(row: Mapping[str, Any] | None) -> list[str]:
    return list(row["versions"]) if row else []


class Unregistered(NamedTuple):
    """A system text that no registered version has, by its keyed digest."""

    digest: str
    workflow: str
    calls: int
    first: str
    last: str


def unregistered(installation: Installation) -> list[Unregistered]:
    """Return the system texts of the last calls that are no registered prompt, the most used first."""
    size = installation.reader.head().size
    found: dict[tuple[str, str], Unregistered] = {}
    for entry in map(decode, installation.reader.raw(max(0, size - LOOK), size)):
        if entry.kind == "call.opened" and "instructions" in entry.facts:
            place = (entry.facts["instructions"], entry.workflow or "")
            before = found.get(place) or Unregistered(*place, 0, entry.at, entry.at)
            found[place] = before._replace(calls=before.calls + 1, last=entry.at)
    return sorted(found.values(), key=lambda one: (-one.calls, one.first))[:100]
