"""How a workflow stood at a point of the log: as what it was registered, released and classified."""

from typing import Any

from gateway.configuration.load import load
from gateway.configuration.releases import released_parts
from gateway.state import changes_of
from gateway.store.installation import Installation
from reports.pack.systems import System


def system_at(installation: Installation, name: str, before: int) -> System | None:
    """Return a workflow as it stood before an entry; nothing if it was not registered then."""
    row, state = f"workflow:{name}", dict[str, Any]()
    registered = classified = None
    for entry in installation.reader.entries(installation.reader.find("workflow", name)):
        if entry.seq >= before or entry.workflow != name:
            continue
        state |= changes_of(entry, state)
        registered = entry if entry.kind == "workflow.registered" else registered
        classified = entry if entry.kind == "workflow.classified" else classified
    if registered is None:
        return None
    text = installation.vault.text(registered.refs["config"])
    declared = released_parts(load(text), name) if text else {}
    return System(name=name, declared=declared, standing=state.get(row) or {}, classified=classified)


def systems_at(installation: Installation, before: int, only: str | None = None) -> list[System]:
    """Return all workflows as they stood before an entry, or the one."""
    names = sorted(row.removeprefix("workflow:") for row in installation.reader.states("workflow:"))
    found = (system_at(installation, name, before) for name in names if only in (None, name))
    return [one for one in found if one]
