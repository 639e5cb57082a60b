"""Roles and personal tokens: given, taken, replaced, ended. No entry holds a token, only a random number of it."""

import secrets
from datetime import datetime

from gateway.oversight.acts import act, boxed, require_reason
from gateway.oversight.people import (
    ROLES,
    Actor,
    ActRefused,
    Box,
    admins_of,
    find,
    has_token,
    new_token,
    require_admin_left,
)
from gateway.store.installation import Installation
from ledger.entry import Draft
from ledger.ids import new_id
from ledger.unit import State


def grant(
    installation: Installation, actor: Actor, name: str, role: str, *, take: bool = False, box: Box | None = None
) -> None:
    """Give a person a role, or take it; the last admin keeps theirs. An auditor's box is given anew with the role."""
    if role not in ROLES:
        raise ActRefused(f"roles are {', '.join(ROLES)}")
    person = find(installation, name)
    row = f"person:{person.pseudonym}"
    admins = admins_of(installation)
    facts = {"person_ref": person.pseudonym, "roles": [role]}
    if not take:
        facts |= boxed(installation, [role], box)

    def check(state: State) -> None:
        if take and role == "admin":
            require_admin_left(state, admins, without=row, name=name)

    def last_role(state: State, at: datetime) -> list[Draft]:
        """Whoever has no role left has no token left: a role that is given again later does not revive it."""
        if not (take and has_token(state[row]) and state[row]["roles"] == [role]):
            return []
        said = {"person_ref": person.pseudonym, "assurance": actor.assurance}
        return [Draft(id=new_id("ent", at), kind="token.revoked", act=actor.pseudonym, facts=said)]

    kind = "role.revoked" if take else "role.granted"
    act(
        installation, kind, actor, roles=("admin",), keys=(row, *admins), facts=facts, check=check, more=last_role
    )  # fmt: skip


def issue_token(installation: Installation, actor: Actor, name: str) -> str:
    """Return a new personal token of a person, which is kept nowhere; the one they had is dead with this entry.

    Raises:
        ActRefused: nobody by this name, or the actor is no admin.
    """
    person, token, number = find(installation, name), new_token(), secrets.token_urlsafe(9)
    installation.vault.remember_token(token, f"{person.pseudonym}#{number}")
    act(
        installation, "token.issued", actor, roles=("admin",), keys=(f"person:{person.pseudonym}",),
        facts={"person_ref": person.pseudonym, "token": number},
    )  # fmt: skip
    return token


def revoke_token(installation: Installation, actor: Actor, name: str, reason: str) -> list[str]:
    """End a person's token, and with it every session that it opened; returns the roles, which stay theirs.

    Raises:
        ActRefused: nobody by this name, no token to end, no reason, the last admin, or the actor is no admin.
    """
    require_reason(reason)
    person = find(installation, name)
    row, admins = f"person:{person.pseudonym}", admins_of(installation)

    def check(state: State) -> None:
        if not has_token(state[row]):
            raise ActRefused(f"{name} has no token that is valid; whyledger person token {name!r} issues one")
        require_admin_left(state, admins, without=row, name=name)

    act(
        installation, "token.revoked", actor, roles=("admin",), keys=(row, *admins), check=check,
        facts={"person_ref": person.pseudonym}, texts={"reason": reason},
    )  # fmt: skip
    return list(installation.reader.state(row)["roles"])
