"""The rules in force: the active configuration with its prices, and what people have stopped or released.

A frozen snapshot. A new one is made when the generation of the control row moves; every call quotes the digests.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.configuration.model import UNDESCRIBED, Configuration, Workflow
from gateway.pricing.money import Rate
from gateway.pricing.prices import PriceList
from gateway.prompts import NO_PROMPTS, PromptBook


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """One generation of rules."""

    generation: int
    configuration: Configuration
    config_digest: str
    prices_digest: str
    prices: PriceList
    rate: Rate
    stops: Mapping[str, str]
    """Active stops: scope (`all`, `key:..`, `task:..`, `workflow:..`) to the entry that engaged them."""
    registered: frozenset[str]
    released: Mapping[str, str]
    """How each registered workflow stands: `released`, `stale` or `none`."""
    versions: Mapping[str, str]
    """Digest of what is in force of each registered workflow."""
    usable: frozenset[str]
    """Providers that need no credential, whose variable is set, or whose key stands in a file: one that is wrong or
    missing fails the attempt, so that it counts as soon as it is right."""
    task_pseudonym: Callable[[str], str]
    prompts: PromptBook = NO_PROMPTS
    prompts_since: str | None = None
    """The last act on a prompt, as the control row names it."""
    chosen: dict[Any, Any] = field(default_factory=dict, init=False, compare=False, repr=False)
    """What stage 6 has worked out under these rules, by what it depends on."""

    def workflow(self, name: str | None) -> Workflow | None:
        """Return a workflow as the file describes it, or as `UNDESCRIBED` when it is only registered."""
        described = self.configuration.workflows.get(name or "")
        return described or (UNDESCRIBED if name in self.registered else None)

    def refs(self) -> dict[str, str]:
        return {"config": self.config_digest, "prices": self.prices_digest}

    def refs_of(self, workflow: str | None) -> dict[str, str]:
        """As `refs`, with the workflow's digest."""
        version = self.versions.get(workflow or "")
        return self.refs() | ({"workflow": version} if version else {})

    def stop_for(self, *, key: str, workflow: str | None, task_id: str) -> str | None:
        """Return the scope of a stop that is in the way, or None."""
        if not self.stops:
            return None
        return stop_among(self.stops, key=key, workflow=workflow, task=self.task_pseudonym(task_id))


def stop_among(stops: Mapping[str, Any], *, key: str, workflow: str | None, task: str | None) -> str | None:
    scopes = ("all", f"key:{key}", f"workflow:{workflow}", f"task:{task}")
    return next((scope for scope in scopes if scope in stops), None)
