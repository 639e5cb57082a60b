"""How a workflow stood at a point of the log: as what it was registered, released and classified."""

from typing import Any

from gateway.configuration.load import loaded
from gateway.configuration.model import UNDESCRIBED
from gateway.configuration.releases import released_parts
from gateway.state.changes import changes_of
from gateway.state.rows import CONTROL, control_of, release_of
from gateway.store.installation import Installation
from reports.pack.systems import System


def names(installation: Installation) -> list[str]:
    """Return the names of all workflows on record, sorted."""
    return sorted(row.removeprefix("workflow:") for row in installation.reader.states("workflow:"))


def system_at(installation: Installation, name: str, before: int, day: str) -> System | None:
    """Return a workflow as it stood before an entry, on a day; nothing if it was not registered then."""
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
    declared = _declared(installation, name, registered.refs["config"], before)
    standing = state.get(row) or {}
    return System(
        name=name, declared=declared, standing=standing, classified=classified,
        release=release_of(standing, day),
    )  # fmt: skip


def _declared(installation: Installation, name: str, registered: str, before: int) -> dict[str, Any]:
    """Return what the file says of a workflow: the one in force, or for the past the one it was registered with."""
    control = control_of({CONTROL: installation.reader.state(CONTROL)})
    now = before >= installation.reader.head().size
    text = installation.vault.text(str(control["config"]) if now else registered)
    if not text:
        return {}
    configuration = loaded(text)
    described = configuration.workflows.get(name, UNDESCRIBED)
    beside = {"oversight": described.oversight, "next_review": described.next_review}
    return released_parts(configuration, name) | beside


def systems_at(installation: Installation, before: int, day: str, only: str | None = None) -> list[System]:
    """Return all workflows as they stood before an entry, or the one."""
    found = (system_at(installation, name, before, day) for name in names(installation) if only in (None, name))
    return [one for one in found if one]
