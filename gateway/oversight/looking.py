"""What auditors look at is on record before they see it, and reaches no further than their box."""

from collections.abc import Collection

from gateway.oversight.acts import act
from gateway.oversight.people import AUDITOR, Actor, roles_of
from gateway.store.installation import Installation

MOST_ADDRESS = 2000


def record_look(installation: Installation, actor: Actor, page: str, address: str) -> None:
    """Record that an auditor opens a page; nothing for anybody else.

    Args:
        page: the template of the path, `/why/{ref:path}`.
        address: what was asked for. It may name a task or a person, so it is sealed.
    """
    if AUDITOR in roles_of(installation, actor):
        act(installation, "access.recorded", actor, facts={"page": page}, texts={"address": address[:MOST_ADDRESS]})


def within(workflow: str | None, scope: Collection[str] | None) -> bool:
    """Say whether something of a workflow is inside a scope; nothing is the scope of everything."""
    return scope is None or workflow in scope
