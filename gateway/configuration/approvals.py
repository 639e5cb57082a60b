"""How people decide about what is held."""

from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field

from gateway.configuration.fields import Section, one_or_several

Role = Literal["approver", "compliance", "engineer", "finance", "admin"]
ROLES: tuple[str, ...] = get_args(Role)
Roles = Annotated[tuple[Role, ...], BeforeValidator(one_or_several), Field(min_length=1)]


class Approvals(Section):
    """Who decides about what is held of a workflow, and what comes of it where nobody does."""

    roles: Roles = ("approver",)
    """Whoever holds one of these may decide."""
    people: int = Field(default=1, ge=1, le=5)
    """How many different people must approve; one who rejects is enough."""
    minutes: int = Field(default=60, ge=1, le=43_200)
    """How long they have, and how long the caller has afterwards to fetch what was approved."""
    on_timeout: Literal["deny", "escalate", "allow_with_flag"] = "deny"
    """Where nobody decides in time: it is over; those of `escalate_to` have the same time again; or it is let through,
    with a flag on record."""
    escalate_to: Roles = ("compliance", "admin")
    """Who decides once the time is over and `on_timeout` is `escalate`."""
