"""Who may act, and how sure we are that it was them.

Every human act names one person. The command line takes `--as PERSON`; with that person's token in WHYLEDGER_TOKEN
the entry says `token`, without one it says `claimed`: whoever can run commands on this host can also read its keys, so
refusing would pretend to a protection that is not there. Over HTTP a token is always required.

Of each person one token is valid at most. The key store has it under the person's pseudonym, with `#` and a random
number unless it is the token of their enrolment; the person's row names the number that is valid. So a token dies with
the entry that says so, in every process at once, and the cookie of a page, which is the token, with it.
"""

import secrets
from collections.abc import Mapping, Sequence
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
    """A person, and `token` or `claimed`. `number` is that of the token, where there is one and it has a number."""

    pseudonym: str
    assurance: str
    number: str = ""

    @property
    def row(self) -> str:
        return f"person:{self.pseudonym}"

    def require(self, state: State, at: datetime, *roles: str) -> None:
        """Check inside the transaction that the person holds one of `roles` at that instant.

        Raises:
            ActRefused: they do not.
        """
        self.require_token(state)
        held = held_roles(state.get(self.row), at)
        if not set(held) & set(roles):
            raise ActRefused(f"this needs the role {' or '.join(roles)}; the person has {', '.join(held) or 'none'}")

    def require_token(self, state: State) -> None:
        """Check inside the transaction that the token by which the person signed in is still theirs.

        Raises:
            ActRefused: it was replaced or revoked meanwhile.
        """
        row = state.get(self.row)
        if self.assurance == "token" and row is not None and valid_number(row) != self.number:
            raise ActRefused("this personal token was replaced or revoked; ask an admin for a new one")


def valid_number(row: Mapping[str, Any]) -> str | None:
    """Return the number of the token that is valid of a person; empty of the token of the enrolment."""
    number: str | None = row.get("token", "")
    return number


def has_token(row: Mapping[str, Any]) -> bool:
    """Say whether a person has a token that is valid."""
    return valid_number(row) is not None


def admins_of(installation: Installation) -> list[str]:
    """Return the rows of the people with the role admin."""
    return [key for key, row in installation.reader.states("person:").items() if "admin" in row["roles"]]


def require_admin_left(state: State, admins: Sequence[str], *, without: str, name: str) -> None:
    """Check inside the transaction that another admin with a valid token is left, if this one is no more.

    Raises:
        ActRefused: there is none.
    """
    if "admin" not in state[without]["roles"]:
        return
    rows = [state.get(key) for key in admins if key != without]
    if not any(row and "admin" in row["roles"] and has_token(row) for row in rows):
        raise ActRefused(f"{name} is the last admin with a token: give another person the role and a token first")


def by_name(installation: Installation, name: str, token: str | None) -> Actor:
    """Return the person called `name` on the command line.

    Raises:
        ActRefused: nobody by this name, or the token is another person's.
    """
    found = find(installation, name)
    if token is None:
        return Actor(found.pseudonym, "claimed")
    actor = by_token(installation, token)
    if actor is None or actor.pseudonym != found.pseudonym:
        raise ActRefused(f"the token in WHYLEDGER_TOKEN is not {name}'s, or was replaced or revoked")
    return actor


def only_admin(installation: Installation, token: str | None) -> Actor:
    """Return who acts when nobody was named: the owner of the token, or the one admin there is.

    Raises:
        ActRefused: there is no such single person.
    """
    if token is not None:
        if actor := by_token(installation, token):
            return actor
        raise ActRefused("the token in WHYLEDGER_TOKEN is nobody's, or was replaced or revoked")
    admins = admins_of(installation)
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
    """Return the person whose personal token this is, or None; a token that was replaced or revoked is nobody's."""
    owner = installation.vault.owner_of(token) if token else None
    if owner is None or not owner.startswith(f"{PERSON}."):
        return None
    pseudonym, _, number = owner.partition("#")
    row = installation.reader.state(f"person:{pseudonym}")
    return Actor(pseudonym, "token", number) if row and valid_number(row) == number else None


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
