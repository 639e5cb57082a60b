"""What the configuration says of incidents that open by themselves."""

from pydantic import Field, model_validator

from gateway.configuration.fields import Names, Section, Texts

REFUSALS = frozenset({
    "budget_exceeded", "policy_denied", "key_revoked", "identical_calls", "tool_cycle", "tool_rounds_exceeded",
    "task_calls_exceeded", "task_budget_exceeded", "task_retries_exceeded", "approval_mismatch", "approval_used",
    "approval_void", "workflow_not_released", "release_stale", "list_unreadable",
})  # fmt: skip
RESULTS = frozenset({"refused_answer", "unreadable", "upstream_cut", "failed", "stopped", "interrupted"})
ALERTS = frozenset({"incorrect", "errors", "cap_share", "spend", "interrupted", "gap"})


class IncidentRule(Section):
    """An incident that opens when something happens so often."""

    policies: Names = ()
    """A policy of these had its effect: it flagged, replaced, held or refused something. In shadow it has none."""
    results: Texts = ()
    """A call ended so: `refused_answer`, `unreadable` and so on."""
    refusals: Texts = ()
    """A call was refused for this: `budget_exceeded`, `tool_cycle` and so on."""
    alerts: Texts = ()
    """An alert was raised: `incorrect`, `errors` and so on."""
    at_least: int = Field(default=1, ge=1, le=64)
    """How many of them, all together, in one workflow."""
    within_minutes: int = Field(default=60, ge=1, le=10_080)
    severity: int = Field(ge=1, le=5)
    """1 (the worst) to 5. A person may say otherwise."""
    freeze: bool = True
    """A hold is placed on the workflow from the first day on: nothing of it is swept or erased until a person lifts
    it."""
    workflows: Names = ()
    """Where; everywhere if left out."""

    @model_validator(mode="after")
    def _something_that_happens(self) -> "IncidentRule":
        if not (self.policies or self.results or self.refusals or self.alerts):
            raise ValueError("names nothing that happens; `results: refused_answer` is something")
        for name, known in (("results", RESULTS), ("refusals", REFUSALS), ("alerts", ALERTS)):
            if unknown := sorted(set(getattr(self, name)) - known):
                raise ValueError(f"{name} has {', '.join(unknown)}; it takes {', '.join(sorted(known))}")
        return self
