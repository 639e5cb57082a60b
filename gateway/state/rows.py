"""The state rows: how they are named, and what is read from one. Pure.

control                 configuration and prices in force, active stops, generation
key:<id>                a gateway key: status, environment, workflow, daily cap
person:<pseudonym>      roles; until when and for which workflows an auditor's holds; the number of the valid token
                        (left out: that of the enrolment), or null
workflow:<name>         registered, released and classified, and as which version
budget:<scope>:<day>    nano-EUR spent and reserved
task:<workflow>:<pseudonym>  calls of a workflow in a task, their cost, first and last day; none while a call is
                        its own task
sum:<slice>             calls that ended, their cost and tokens, by what a spend question asks for
corrected:<call>        the cost that a person put in place of an upper bound
bound:<call>            the slice of a call that was charged at an upper bound
call:<id>               an open call: boot, reservation, the budgets it counts in, key, route, prompt
prompt:<name>           digests of a registered prompt's versions, and which is promoted in which environment
undelivered             requests that were paid for and not given out, the latest, by keyed digest
scheduled:<what>:<start>  the pack of a schedule that was made of a period
human:<day>|<workflow>  what people decided about calls
incident:<id>           workflow, day, severity, whether it is open
hold:<id>               what may be neither swept nor erased (`gateway.state.holds`)
outcome:..., done:...   outcomes of tasks (`gateway.state.outcomes`)
quality:..., review:... scores of an evaluator's series on a day, and what people said beside them
imported:...            results of evaluations that ran elsewhere, by the day they ran
similar:<workflow>|<route>  how many answers to similar questions were verified, and how many were wrong
alert:..., deliver:...  alerts that are active, and messages that have not arrived
approval:..., held:..., undecided:...  what waits for a person (`gateway.approvals.standing`)
gap                     the last loss that a person declared
halt                    why nothing may be written until a person declares a loss
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.state import rollup
from ledger.entry import NOTHING
from ledger.unit import HALT

CONTROL = "control"
DATED = ("override.recorded", "stop.engaged", "incident.opened")
"""Acts whose entries name the organisation's day, because they are counted by it."""
CURSOR = "evaluating"
UNDELIVERED = "undelivered"
EPHEMERAL = ("boot:", "checkpoint", HALT, CURSOR, "cusum:", "incident-watch")


def control_of(state: Mapping[str, Any]) -> dict[str, Any]:
    return state.get(CONTROL) or {"generation": 0, "config": None, "prices": None, "stops": {}}


def release_of(row: Mapping[str, Any] | None, day: str = "") -> str:
    """Return how a workflow's row stands: `none`, `released`, or `stale` when it changed after its release.

    Args:
        day: on and after the day on which its class begins to be a prohibition, no release holds.
    """
    if not row or not row.get("released") or barred(row, day):
        return "none"
    return "released" if row.get("released_version") == row.get("version") else "stale"


def barred(row: Mapping[str, Any], day: str) -> bool:
    """Say whether the confirmed class of a workflow forbids its use on a day."""
    start = row.get("bars_from")
    return bool(row.get("barred")) or (start is not None and start <= day)


def class_of(row: Mapping[str, Any] | None) -> str:
    """Return how a workflow's class stands: `none`, `confirmed`, or `stale` when the workflow changed since."""
    if not row or not row.get("classified"):
        return "none"
    return "confirmed" if row.get("classified_version") == row.get("version") else "stale"


def task_row(workflow: str | None, task: str | None) -> str:
    """Name the row that counts a workflow's calls in a task."""
    return f"task:{workflow}:{task}"


def approval_row(approval: str) -> str:
    """Name the row of an approval."""
    return f"approval:{approval}"


def held_row(digest: str) -> str:
    """Name the row of a request that waits for a person, by its keyed digest."""
    return f"held:{digest}"


def undecided_row(approval: str) -> str:
    """Name the row that is there while nobody has decided about an approval."""
    return f"undecided:{approval}"


def person_row(pseudonym: str) -> str:
    """Name the row of a person."""
    return f"person:{pseudonym}"


def scheduled_row(every: str, workflow: str | None, start: str, *, brief: bool) -> str:
    """Name the row that says that a pack of the schedule was made."""
    return f"scheduled:{every}:{workflow or ''}:{'brief' if brief else 'whole'}:{start}"


def similar_row(workflow: str | None, route: str) -> str:
    """Name the row that counts what was verified of the answers to similar questions."""
    return f"similar:{workflow or ''}|{route}"


def prompt_row(name: str) -> str:
    """Name the row of a registered prompt."""
    return f"prompt:{name}"


def human_row(day: str, workflow: str | None) -> str:
    """Name the row that counts what people decided about a workflow's calls on a day."""
    return f"human:{day}|{workflow or ''}"


def quality_row(facts: Mapping[str, Any], workflow: str | None) -> str:
    """Name the row that counts the scores of an evaluator's series on a day."""
    prompt = (facts["prompt"],) if "prompt" in facts else ()
    parts = (facts["day"], workflow or "", facts["component"], facts["evaluator"], facts["series"], *prompt)
    return "quality:" + "|".join(parts)


def imported_row(workflow: str | None, facts: Mapping[str, Any]) -> str:
    """Name the row of a result of an evaluation that ran elsewhere."""
    return f"imported:{facts['day']}|{workflow or ''}|{facts['suite']}|{facts['digest']}"


def review_row(facts: Mapping[str, Any]) -> str:
    """Name the row that counts what people said beside an evaluator's series: `judged>said` to how many."""
    return f"review:{facts['evaluator']}|{facts['series']}"


def alert_row(rule: str, subject: str) -> str:
    """Name the row of an alert that is active."""
    return f"alert:{rule}|{subject}"


def rows_of_end(
    call: str, budgets: Sequence[str], workflow: str | None, task: str | None, facts: Mapping[str, Any],
    row: Mapping[str, Any] = NOTHING,
) -> list[str]:  # fmt: skip
    """Name the rows that the end of a call changes.

    Args:
        facts: those of the entry that ends it.
        row: the row of the open call, where the facts do not say by which key and route it came.
    """
    names = [f"call:{call}", *budgets, rollup.row_of(day_of(budgets), workflow, facts, row)]
    names += [UNDELIVERED] if "undelivered" in facts else []
    names += [similar_row(workflow, facts["route"])] if "similar" in facts else []
    return [*names, task_row(workflow, task)] if task else names


def day_of(budgets: Sequence[str]) -> str:
    """Return the day of a call: that of the budgets it counts in."""
    return budgets[0].rpartition(":")[2] if budgets else ""
