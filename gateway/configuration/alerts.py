"""What the configuration says of alerts: thresholds, and where they are sent."""

from typing import Annotated

from pydantic import Field

from gateway.configuration.evaluation import Component
from gateway.configuration.fields import Amount, Section

Share = Annotated[Amount, Field(gt=0, lt=1)]


class Webhook(Section):
    """Where alerts are sent, signed as Standard Webhooks asks."""

    url: str = Field(pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[^\s#]*)?$", max_length=500)
    secret: str = Field(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$")


class Alerts(Section):
    """When somebody is told. What is left out raises nothing."""

    incorrect: dict[Component, Share] = Field(default_factory=dict)
    """By component, the share of incorrect answers that must not last: 0.10."""
    errors: Amount | None = Field(default=None, gt=0, lt=1)
    """Share of the calls of a workflow and day that may fail."""
    cap_share: Amount | None = Field(default=None, gt=0, le=1)
    """Share of a daily cap from which somebody is told."""
    spend: Amount | None = Field(default=None, gt=1, le=1000)
    """How many times the mean of its last seven days a workflow may spend on one day."""
    gaps: bool = False
    """Tell of calls whose end was not seen, and of losses that were declared."""
    webhook: Webhook | None = None
