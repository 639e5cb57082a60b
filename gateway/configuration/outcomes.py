"""What the configuration says of outcomes: what a task may come to, what that is worth, and who tells of it."""

from decimal import Decimal

from pydantic import Field

from gateway.configuration.fields import Amount, Names, Section


class OutcomeType(Section):
    """What may become of a task, and what an attempt costs beside its calls."""

    workflows: Names = Field(min_length=1)
    """Whose calls in a task count as the cost of an attempt."""
    window_days: int = Field(default=7, ge=1, le=366)
    """An outcome later than this after the last call of its task is not attributed to it."""
    value: Amount = Decimal(0)
    """EUR that a success is worth, where none is sent."""
    tool_cost: Amount = Decimal(0)
    """EUR for tools, an attempt."""
    human_minutes: Amount = Decimal(0)
    """Minutes of people, an attempt, where none are sent."""
    human_hour: Amount = Decimal(0)
    """EUR for an hour of people."""
    target: Amount | None = None
    """EUR that an outcome should cost at most."""


class OutcomeSource(Section):
    """A system that sends outcomes by signed webhook (Standard Webhooks)."""

    secret: str = Field(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$")
