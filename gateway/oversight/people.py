"""Who may act, and how sure we are that it was them.

Every human act names one person. The command line takes `--as PERSON`; with that person's token in WHYLEDGER_TOKEN
the entry says `token`, without one it says `claimed`: whoever can run commands on this host can also read its keys, so
refusing would pretend to a protection that is not there. Over HTTP a token is always required.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.store.installation import Installation
from ledger.entry import format_time
from ledger.errors import LedgerError
from ledger.store.vault import SubjectKey
from ledger.unit import State

ROLES = ("viewer", "engineer", "finance", "compliance", "approver", "auditor", "admin")
AUDITOR = "auditor"
PERSON = "person"


class ActRefused(LedgerError):
    """The act is not allowed or not possible; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Box:
    """What an auditor may look at: until an instant (RFC 3339), and these workflows; none means all."""

    until: str
    workflows: tuple[str, ...] = ()


def held_roles(row: Mapping[str, Any] | None, at: datetime) -> list[str]:
    """Return the roles that the row of a person gives at an instant: an auditor's ends with its box."""
    if row is None:
        return []
    over = bool(row.get("box")) and row["box"]["until"] <= format_time(at)
    return [role for role in row["roles"] if role != AUDITOR or not over]


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, and `token` or `claimed`."""

    pseudonym: str
    assurance: str

    @property
    def row(self) -> str:
        return f"person:{self.pseudonym}"

    def require(self, state: State, at: datetime, *roles: str) -> None:
        """Check inside the transaction that the person holds one of `roles` at that instant.

        Raises:
            ActRefused: they do not.
        """
        held = held_roles(state.get(self.row), at)
        if not set(held) & set(roles):
            raise ActRefused(f"this needs the role {' or '.join(roles)}; the person has {', '.join(held) or 'none'}")


def by_name(installation: Installation, name: str, token: str | None) -> Actor:
    """Return the person called `name` on the command line.

    Raises:
        ActRefused: nobody by this name, or the token is another person's.
    """
    found = find(installation, name)
    if token is None:
        return Actor(found.pseudonym, "claimed")
    if installation.vault.owner_of(token) != found.pseudonym:
        raise ActRefused(f"the token in WHYLEDGER_TOKEN is not {name}'s")
    return Actor(found.pseudonym, "token")


def only_admin(installation: Installation, token: str | None) -> Actor:
    """Return who acts when nobody was named: the owner of the token, or the one admin there is.

    Raises:
        ActRefused: there is no such single person.
    """
    if token is not None:
        if actor := by_token(installation, token):
            return actor
        raise ActRefused("the token in WHYLEDGER_TOKEN is nobody's")
    admins = [key for key, row in installation.reader.states("person:").items() if "admin" in row["roles"]]
    if len(admins) != 1:
        raise ActRefused("say who acts: --as PERSON")
    return Actor(admins[0].removeprefix("person:"), "claimed")


def find(installation: Installation, name: str) -> SubjectKey:
    """Return the key and pseudonym of an enrolled person."""
    found = installation.vault.find_subject(PERSON, name)
    if found is None or installation.reader.state(f"person:{found.pseudonym}") is None:
        raise ActRefused(f"nobody called {name} is enrolled: whyledger person add {name!r} --role ...")
    return found


def by_token(installation: Installation, token: str | None) -> Actor | None:
    """Return the person whose personal token this is, or None."""
    owner = installation.vault.owner_of(token) if token else None
    if owner is None or not owner.startswith(f"{PERSON}."):
        return None
    return Actor(owner, "token") if installation.reader.state(f"person:{owner}") else None


def new_token() -> str:
    """Return a personal token: 256 random bits, shown once."""
    return f"wlp_{secrets.token_urlsafe(32)}"


def roles_of(installation: Installation, actor: Actor) -> list[str]:
    """Return the roles that a person holds now."""
    return held_roles(installation.reader.state(actor.row), installation.clock())


def scope_of(installation: Installation, actor: Actor) -> frozenset[str] | None:
    """Return the workflows that a person may look at; nothing where it is all of them."""
    row = installation.reader.state(actor.row)
    if row is None or held_roles(row, installation.clock()) != [AUDITOR] or not row.get("box"):
        return None
    return frozenset(row["box"]["workflows"]) or None
