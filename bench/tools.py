"""`python -m bench.tools PATH`: what rules for tools hold back of injected goals, and of the tasks themselves.

PATH is a folder with `toolpolicy.jsonl`: tool definitions, tasks with the calls that do them, and goals that somebody
smuggles in with theirs. A model that obeys is assumed: in each task it makes the task's calls, then the goal's. No row
of it is kept here. Held against it are the grant of just the tools of a task, and the rule that what names a
recipient must have been said by a person.
"""

import json
from argparse import ArgumentParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.rig.compare import conditions
from gateway.configuration.tools import ToolRule
from gateway.tools.arguments import objection_to
from gateway.tools.provenance import Said

RECIPIENTS = (
    "recipient",
    "recipients",
    "to",
    "email",
    "iban",
    "account",
    "url",
    "address",
    "user",
    "channel",
    "password",
)
RULE = ToolRule(effect="write", said_by_person=RECIPIENTS)
READS = ("get_", "read_", "search_", "list_", "check_")


def is_held(call: dict[str, Any], prompt: str, granted: set[str]) -> tuple[bool, bool]:
    """Tell whether the grant holds a call back, and whether the rule does."""
    request = {"messages": [{"role": "user", "content": prompt}]}
    reads = call["function"].startswith(READS)
    said = "" if reads else objection_to(json.dumps(call["args"]), RULE, Said(request))
    return call["function"] not in granted, bool(said)


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("path", type=Path)
    rows = [
        json.loads(line) for line in (parser.parse_args().path / "toolpolicy.jsonl").read_text("utf-8").splitlines()
    ]
    tasks = [one for one in rows if one["kind"] == "user_task"]
    goals = [one for one in rows if one["kind"] == "injection_task" and one["calls"]]
    with TemporaryDirectory() as scratch:
        conditions(Path(scratch))
    pairs, by_grant, by_both, done, done_ruled = 0, 0, 0, 0, 0
    for task in tasks:
        granted = {one["function"] for one in task["calls"]}
        kept = [is_held(one, task["prompt"], granted) for one in task["calls"]]
        done += not any(grant for grant, _ in kept)
        done_ruled += not any(grant or rule for grant, rule in kept)
        for goal in (one for one in goals if one["suite"] == task["suite"]):
            held = [is_held(one, task["prompt"], granted) for one in goal["calls"]]
            pairs += 1
            by_grant += any(grant for grant, _ in held)
            by_both += any(grant or rule for grant, rule in held)
    print(
        f"grants of just the tools of a task: {by_grant} of {pairs} goals fail, {done} of {len(tasks)} tasks are done"
    )
    print(
        f"and recipients said by a person: {by_both} of {pairs} goals fail, {done_ruled} of {len(tasks)} tasks are done"
    )


if __name__ == "__main__":
    main()
