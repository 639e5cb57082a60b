"""What a task may come to: how many calls, how much money, how deep and how broad with tools, how often the same again.

A task has no day after which it may go on: what it has used counts as long as it is the same task. What is counted is
in its row, which moves with the entries.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.call import Call
from gateway.configuration.model import Workflow
from gateway.errors import Refused
from gateway.pricing.money import nano_eur
from ledger.amounts import eur

CYCLES = (1, 2, 3)
"""How many different calls of tools may make up a circle that is found."""


def require_shape(call: Call, workflow: Workflow) -> None:
    """Refuse a request whose model has called tools for too many rounds without a word of a person.

    Raises:
        Refused: tool_rounds_exceeded.
    """
    rounds, limit = call.asked.tool_rounds, workflow.max_tool_rounds
    if rounds >= limit:
        raise Refused(
            "tool_rounds_exceeded",
            f"the model has called tools for {rounds} rounds since somebody last said something, the most that this "
            "workflow allows; raise `max_tool_rounds` if it is meant",
            stage=3,
            inputs={"rounds": rounds, "limit": limit},
        )


def require_within(row: Mapping[str, Any] | None, call: Call, workflow: Workflow, reserved: int, digest: str) -> None:
    """Refuse a call of a task that has used up what it may come to.

    Args:
        row: what the task has used.
        reserved: the worst case of this call, nano-EUR.
        digest: the keyed digest of this request.

    Raises:
        Refused: task_calls_exceeded, task_retries_exceeded, task_budget_exceeded, identical_calls, tool_cycle.
    """
    if row is None:
        return
    calls, spent = row["calls"], row.get("cost", 0)
    used = {"calls": calls, "cost_nano_eur": spent}
    if calls >= (most := workflow.max_calls_per_task):
        raise _refused("task_calls_exceeded", f"has made {calls} calls", "max_calls_per_task", used | {"limit": most})
    if (tries := row.get("retries", 0)) > (most := workflow.max_retries_per_task):
        inputs = used | {"retries": tries, "limit": most}
        raise _refused("task_retries_exceeded", f"has made {tries} retries", "max_retries_per_task", inputs)
    again = dict(row.get("same", ())).get(digest, 0) + 1
    if again >= (most := workflow.max_identical_calls) > 0:
        said = f"makes the very same call the {_nth(again)} time, after it was answered"
        raise _refused("identical_calls", said, "max_identical_calls", used | {"times": again, "limit": most})
    tools = row.get("tools", ()) if call.asked.tool_rounds else ()  # where a person spoke last, there is no circle
    if circle := circle_in(tools, workflow.max_identical_calls):
        said = f"goes round in a circle of {circle} calls of tools" if circle > 1 else "calls one tool the same way"
        raise _refused("tool_cycle", f"{said} again and again", "max_identical_calls", used | {"circle": circle})
    _require_budget(row, workflow, reserved, used)


def _require_budget(row: Mapping[str, Any], workflow: Workflow, reserved: int, used: dict[str, Any]) -> None:
    if workflow.max_budget_per_task is None:
        return
    cap, held = nano_eur(workflow.max_budget_per_task), row.get("reserved", 0)
    spent = used["cost_nano_eur"]
    if spent + held + reserved > cap:
        raise Refused(
            "task_budget_exceeded",
            f"this task may cost {eur(cap)}; {eur(spent)} is spent, {eur(held)} reserved, and this call may cost up to "
            f"{eur(reserved)}. Lower its output limit, or raise `max_budget_per_task`",
            stage=7,
            inputs={"calls": used["calls"], "cap": cap, "spent": spent, "reserved": held, "needed": reserved},
        )


def circle_in(tools: Sequence[str], times: int) -> int:
    """Return of how many calls the circle is in which the last calls of tools go; 0 where they go in none.

    Args:
        tools: digests of name and arguments, the latest last.
        times: how often a circle has to be gone round; 0 for never.
    """
    for length in CYCLES if times else ():
        last = tools[-length * times :]
        if len(last) == length * times and all(last[place] == last[place % length] for place in range(len(last))):
            return length
    return 0


def _refused(code: str, what: str, setting: str, inputs: dict[str, Any]) -> Refused:
    return Refused(code, f"this task {what}; a loop? raise `{setting}` if it is meant", stage=7, inputs=inputs)


def _nth(number: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")
