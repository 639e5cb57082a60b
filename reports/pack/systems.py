"""The AI systems of a pack: what was declared of each workflow, what was seen of it, and its confirmed class."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ledger.entry import Entry


@dataclass(slots=True, kw_only=True)
class System:
    """One workflow. `declared` is what it was last registered with, a statement of its owner."""

    name: str
    declared: Mapping[str, Any]
    standing: Mapping[str, Any]
    """The workflow's state at the end of the period: version, and which version was released and classified."""
    release: str
    """At the end of the period: `released`, `stale` (changed since), or `none`, also where it is forbidden by then."""
    classified: Entry | None = None
    """The last confirmed class before the end of the period."""
    calls: int = 0
    models: Counter[str] = field(default_factory=Counter)
    results: Counter[str] = field(default_factory=Counter)
    tools: Counter[str] = field(default_factory=Counter)
    contradictions: list[Entry] = field(default_factory=list)

    @property
    def role(self) -> str:
        return str(self.declared.get("role", "not stated"))

    @property
    def tier(self) -> str | None:
        """The class, if it is confirmed for the workflow as it was at the end."""
        return str(self.classified.facts["tier"]) if self.classified and self.class_holds else None

    @property
    def roles_by_answers(self) -> tuple[str, ...]:
        """What the company is by the answers of the class, while it holds."""
        return tuple(self.classified.facts.get("roles", ())) if self.classified and self.tier else ()

    @property
    def class_holds(self) -> bool:
        return self.classified is not None and self.classified.refs.get("workflow") == self.standing.get("version")

    @property
    def released(self) -> bool:
        return self.release == "released"

    @property
    def declared_models(self) -> list[str]:
        routes = self.declared.get("routes", {})
        return sorted({model.partition(" at ")[0] for models in routes.values() for model in models})

    @property
    def undeclared_models(self) -> list[str]:
        """Models that answered and stand in no route of the workflow as it is declared."""
        return sorted(set(self.models) - set(self.declared_models))


class Systems:
    """Sees entries in the order of the log."""

    def __init__(self, systems: Iterable[System]) -> None:
        self.found = {system.name: system for system in systems}

    def see(self, entry: Entry) -> None:
        system = self.found.get(entry.workflow or "")
        if system is None:
            return
        if entry.kind == "call.opened":
            system.calls += 1
        elif entry.kind == "workflow.contradicted":
            system.contradictions.append(entry)
        elif entry.kind in ("call.closed", "call.refused", "call.interrupted"):
            _ended(system, entry)


def _ended(system: System, entry: Entry) -> None:
    facts = entry.facts
    system.results[str(facts.get("result") or entry.kind.removeprefix("call."))] += 1
    if target := facts.get("served"):
        system.models[str(target["model"])] += 1
    for tool in facts.get("tool_calls", ()):
        system.tools[str(tool.get("name") or "a tool that is not granted")] += 1
