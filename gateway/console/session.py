"""Who looks at a page: the person of the cookie, and the word that proves that a form came from our own page."""

import hashlib
import hmac
from dataclasses import dataclass

from gateway.oversight.people import Actor, by_token, roles_of, scope_of
from gateway.store.evidence import LiveEvidence
from gateway.store.installation import Installation
from reports.why.words import name_of


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in person. `csrf` is in every form that changes something; a stranger's page cannot know it."""

    actor: Actor
    roles: tuple[str, ...]
    csrf: str
    scope: frozenset[str] | None
    """The workflows that they may look at; nothing where it is all of them."""
    name: str


def session_of(installation: Installation, token: str | None) -> Session | None:
    """Return the session of a token; nothing if it is nobody's, or its person has no role."""
    actor = by_token(installation, token)
    roles = tuple(roles_of(installation, actor)) if actor else ()
    if actor is None or not roles or not token:
        return None
    csrf = hmac.new(token.encode(), b"whyledger console form", hashlib.sha256).hexdigest()
    name = name_of(actor.pseudonym, LiveEvidence(installation))
    return Session(actor, roles, csrf, scope_of(installation, actor), name)


def same_page(session: Session, given: str) -> bool:
    """Say whether a form came from a page of this session."""
    return hmac.compare_digest(session.csrf.encode(), given.encode())
