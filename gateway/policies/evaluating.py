"""What becomes of a call by the policies that apply to it. Pure: the same request under the same policies, the same."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from gateway.approvals.standing import NEEDED
from gateway.call import Call, Check
from gateway.configuration.model import Workflow
from gateway.configuration.policies import Policy, When
from gateway.errors import Refused
from gateway.policies.screening import Detectors, Screened, load

NEAR = 0.8
"""The share of a threshold from which a score that does not reach it is told of."""


class Applying(NamedTuple):
    """A policy that applies to a call, by its name."""

    name: str
    policy: Policy


class Request(NamedTuple):
    """What conditions look at beside the texts."""

    about_person: bool
    input_tokens: int
    may: frozenset[str]
    """Effects of the tools of its workflow."""
    data_before: bool = False
    """A call of its task that is on record had data in it."""


def request_of(call: Call, workflow: Workflow, *, data_before: bool = False) -> Request:
    """Return what conditions look at of a call that is made."""
    return Request(call.subject_id is not None, call.asked.input_bound, effects_of(workflow), data_before)


def asks_of_task(policies: Sequence[Applying]) -> bool:
    """Tell whether a policy looks at what came before in a task."""
    return any(one.policy.when and one.policy.when.rule_of_two is not None for one in policies)


def effects_of(workflow: Workflow) -> frozenset[str]:
    """Return what the tools of a workflow may do, as its rules say."""
    return frozenset(one.effect for one in workflow.tool_rules.values())


def applying(
    policies: Mapping[str, Policy], workflow: str | None, environment: str, route: str
) -> tuple[Applying, ...]:
    """Return the policies that apply to the calls of a workflow in an environment by a route."""
    return tuple([
        Applying(name, one) for name, one in policies.items()
        if _among(workflow, one.workflows) and _among(environment, one.environments) and _among(route, one.routes)
    ])  # fmt: skip


def asked_by(policies: Sequence[Applying]) -> Detectors:
    """Return the detectors that the policies of requests among them need."""
    every = [one.policy.when for one in policies if one.policy.when]
    return Detectors(
        any(one.hidden_in_data is not None or one.hidden_in_words is not None for one in every),
        any(one.credentials is not None for one in every), any(one.personal_data for one in every),
    )  # fmt: skip


def prepare(policies: Mapping[str, Policy]) -> None:
    """Load what the policies of a configuration and what is kept are read with, so that no call waits for it."""
    asked = asked_by([Applying(*one) for one in policies.items()])
    load(asked._replace(credentials=True, personal_data=True))


def _among(name: str | None, names: Sequence[str]) -> bool:
    return not names or name in names


def checks_of(policies: Sequence[Applying], request: Request, screened: Screened) -> Iterator[Check]:
    """Yield a check for each policy: its effect where all conditions hold, else pass; `near` where one nearly did."""
    for one in policies:
        if one.policy.when is None:
            continue
        conditions = dict(_conditions(one.policy.when, request, screened))
        met = all(held for held, _ in conditions.values())
        inputs: dict[str, Any] = {"policy": one.name, "version": one.policy.version}
        inputs |= {name: found for name, (_, found) in conditions.items()}
        if not met:
            near = sorted(_near(one.policy.when, screened))
            yield Check(f"policy:{one.name}", "pass", "near" if near else "", inputs | ({"near": near} if near else {}))
        elif one.policy.shadow:
            yield Check(f"policy:{one.name}", "flag", f"in shadow: {_WOULD[one.policy.effect]}", inputs)
        else:
            yield Check(f"policy:{one.name}", one.policy.effect, one.policy.says or "its conditions hold", inputs)


def decide_by(
    policies: Sequence[Applying], call: Call, workflow: Workflow, screened: Screened, *, data_before: bool = False
) -> tuple[Check, ...]:
    """Return the checks of the policies. A request that names an approval goes on to where that is looked at.

    Raises:
        Refused: policy_denied, or approval_required where a person is asked before anything is sent.
    """
    checks = tuple(checks_of(policies, request_of(call, workflow, data_before=data_before), screened))
    for check in checks:
        if check.verdict == "deny":
            raise _denied(check, f"the policy {check.inputs['policy']} refuses it: {check.reason}")
    held = [check for check in checks if check.verdict == "hold"]
    if held and not call.approval:
        if "none" in (call.content, workflow.content):
            why = f"the policy {held[0].inputs['policy']} holds it for a person, and nothing of it is kept to be seen"
            raise _denied(held[0], why)
        raise Refused(NEEDED, "a person must approve this first", stage=5, inputs=_inputs(held[0]))
    return tuple([check._replace(verdict="flag") if check in held else check for check in checks])


def _denied(check: Check, words: str) -> Refused:
    return Refused("policy_denied", words, stage=5, inputs=_inputs(check))


def _inputs(check: Check) -> dict[str, Any]:
    return {"rule": "policy"} | dict(check.inputs)


_WOULD = {"flag": "would have raised a flag", "hold": "would have been held", "deny": "would have been refused"}


def _conditions(when: When, request: Request, screened: Screened) -> Iterator[tuple[str, tuple[bool, Any]]]:
    """Yield each condition that is set with whether it holds and what determined it, in numbers and words of ours."""
    for name, least, seen in (
        ("hidden_in_data", when.hidden_in_data, screened.data.hidden),
        ("hidden_in_words", when.hidden_in_words, screened.words.hidden),
    ):
        if least is not None:
            yield name, ((seen or 0) >= 1000 * least, seen or 0)
    if when.credentials is not None:
        yield "credentials", ((screened.credentials > 0) == when.credentials, screened.credentials)
    if when.personal_data:
        wanted = screened.personal_data if "any" in when.personal_data else set(when.personal_data)
        kinds = sorted(screened.personal_data & wanted)
        yield "personal_data", (bool(kinds), kinds)
    if when.data is not None:
        yield "data", (screened.has_data == when.data, screened.has_data)
    if when.may:
        effects = sorted(request.may & set(when.may))
        yield "may", (bool(effects), effects)
    if when.about_person is not None:
        yield "about_person", (request.about_person == when.about_person, request.about_person)
    if when.rule_of_two is not None:
        found = {
            "data": screened.has_data or request.data_before, "private": "read" in request.may or request.about_person,
            "acts": bool(request.may - {"read"}),
        }  # fmt: skip
        yield "rule_of_two", (all(found.values()) == when.rule_of_two, found)
    if when.input_above is not None:
        yield "input_tokens", (request.input_tokens > when.input_above, request.input_tokens)


def _near(when: When, screened: Screened) -> Iterator[str]:
    """Yield the scores that nearly reach what the policy asks for."""
    for name, least, seen in (
        ("hidden_in_data", when.hidden_in_data, screened.data.hidden),
        ("hidden_in_words", when.hidden_in_words, screened.words.hidden),
    ):
        if least is not None and NEAR * 1000 * least <= (seen or 0) < 1000 * least:
            yield name
