"""The points of the first week, month and quarter, and what each is measured by. Pure."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from gateway.configuration.evaluation import COMPONENTS
from gateway.configuration.model import Configuration
from gateway.state.rows import class_of, release_of
from ledger.amounts import counted, eur

Status = Literal["done", "not yet", "cannot be measured here"]
NAMED = Decimal("0.9")
"""Share of the cost whose calls have to name a task."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What an installation says of itself. Calls are those of the last 30 days, amounts nano-EUR."""

    configuration: Configuration | None
    digest: str
    day: str
    calls: int
    by_name: int
    """Calls that asked for a model by its own name."""
    cost: int
    named_cost: int
    """Cost of the calls that name a task."""
    keys: tuple[tuple[str, str], ...]
    """Environment and workflow of each key that is active."""
    workflows: Mapping[str, Mapping[str, Any]]
    outcomes: int
    scores: int
    reviews: int
    decisions: int
    packs: int
    auditors: int
    law_stale: str
    leaks: int | None
    """Places of the source that go past the gateway or cannot be told; nothing where no source was given."""


class Point(NamedTuple):
    """A point of the playbook as it stands."""

    phase: str
    title: str
    status: Status
    figure: str
    """What was measured, or why nothing is."""
    command: str
    """What gets it done."""


_WATCHED = ("incorrect", "errors", "cap_share", "spend", "gaps")
"""Sections of `alerts:` that raise something."""
_Found = tuple[bool | None, str]
"""Done, not yet or not to be measured, and the figure."""


def points(facts: Facts) -> Iterator[Point]:
    """Yield every point in the order of the playbook."""
    said: Mapping[bool | None, Status] = {True: "done", False: "not yet", None: "cannot be measured here"}
    for phase, title, measured, command in _POINTS:
        done, figure = measured(facts)
        yield Point(phase, title, said[done], figure, command)


def _source(facts: Facts) -> _Found:
    if facts.leaks is None:
        return None, "the source is not here; name it with --source PATH"
    return facts.leaks == 0, f"{counted(facts.leaks, 'place')} past the gateway or not to be told"


def _active(facts: Facts) -> _Found:
    if facts.configuration is None:
        return False, "no configuration is active"
    routes = len(facts.configuration.routes)
    return routes > 0, f"{facts.digest[:12]} is active, with {counted(routes, 'route')}"


def _calls(facts: Facts) -> _Found:
    return facts.calls > 0, f"{counted(facts.calls, 'call')} in the last 30 days"


def _keys(facts: Facts) -> _Found:
    keyed = facts.workflows.keys() & {workflow for _, workflow in facts.keys}
    return _all_of(keyed, facts.workflows, "workflows with an active key")


def _caps(facts: Facts) -> _Found:
    return _of_routes(facts, lambda route: route.max_budget_daily is not None, "routes with a daily cap")


def _intents(facts: Facts) -> _Found:
    figure = f"{facts.calls - facts.by_name} of {counted(facts.calls, 'call')} in the last 30 days asked for an intent"
    return facts.calls > 0 and not facts.by_name, figure


def _fallbacks(facts: Facts) -> _Found:
    return _of_routes(facts, lambda route: len(set(route.models)) > 1, "routes with a second model")


def _closed(facts: Facts) -> _Found:
    prod = facts.configuration.environments.get("prod") if facts.configuration else None
    if prod is None:
        return False, "no environment prod is configured"
    return not prod.direct_route, f"direct_route of prod is {str(prod.direct_route).lower()}"


def _described(facts: Facts) -> _Found:
    described = facts.configuration.workflows if facts.configuration else {}
    return _all_of(facts.workflows.keys() & described.keys(), facts.workflows, "workflows that the file describes")


def _released(facts: Facts) -> _Found:
    running = {workflow for environment, workflow in facts.keys if environment == "prod"}
    held = {one for one in running if release_of(facts.workflows.get(one), facts.day) == "released"}
    return _all_of(held, running, "workflows with a key of prod that are released as they are now")


def _tasks(facts: Facts) -> _Found:
    figure = f"{eur(facts.named_cost)} of {eur(facts.cost)} in the last 30 days is of calls that name a task"
    return facts.cost > 0 and facts.named_cost >= NAMED * facts.cost, figure


def _outcomes(facts: Facts) -> _Found:
    defined = len(facts.configuration.outcomes) if facts.configuration else 0
    return bool(defined and facts.outcomes), f"{defined} defined, {facts.outcomes} of tasks on record"


def _alerts(facts: Facts) -> _Found:
    alerts = facts.configuration.alerts if facts.configuration else None
    watched = [name for name in _WATCHED if alerts and getattr(alerts, name)]
    webhook = alerts is not None and alerts.webhook is not None
    return bool(watched) and webhook, f"watched: {', '.join(watched) or 'nothing'}; {'a' if webhook else 'no'} webhook"


def _unrecorded(_facts: Facts) -> _Found:
    return None, "doing it leaves no record here"


def _scored(facts: Facts) -> _Found:
    evaluation = facts.configuration.evaluation if facts.configuration else None
    covered = {one.component for one in evaluation.evaluators} if evaluation and evaluation.enabled else set()
    figure = (
        f"evaluators for {len(covered)} of {len(COMPONENTS)} components, {counted(facts.scores, 'score')} on record"
    )
    return len(covered) == len(COMPONENTS) and facts.scores > 0, figure


def _reviewed(facts: Facts) -> _Found:
    return facts.reviews > 0, f"{counted(facts.reviews, 'review')} on record"


def _classified(facts: Facts) -> _Found:
    held = {name for name, row in facts.workflows.items() if class_of(row) == "confirmed"}
    return _all_of(held, facts.workflows, "workflows with a class that a person confirmed")


def _decided(facts: Facts) -> _Found:
    return facts.decisions > 0, f"{counted(facts.decisions, 'decision')} on record"


def _packed(facts: Facts) -> _Found:
    scheduled = len(facts.configuration.packs) if facts.configuration else 0
    return facts.packs > 0, f"{counted(facts.packs, 'pack')} made, {scheduled} scheduled"


def _auditor(facts: Facts) -> _Found:
    return facts.auditors > 0, f"{counted(facts.auditors, 'auditor')} with access now"


def _law(facts: Facts) -> _Found:
    return not facts.law_stale, facts.law_stale or "no date for a check has passed"


def _read(facts: Facts) -> _Found:
    """A policy counts for the workflows that it names; one in shadow reads too."""
    policies = facts.configuration.policies.values() if facts.configuration else ()
    reading = [one.workflows or tuple(facts.workflows) for one in policies if one.when or one.replaces]
    held = {name for names in reading for name in names if name in facts.workflows}
    return _all_of(held, facts.workflows, "workflows whose requests a policy reads")


def _held(facts: Facts) -> _Found:
    described = facts.configuration.workflows if facts.configuration else {}
    policies = facts.configuration.policies.values() if facts.configuration else ()
    every = {name for one in policies if one.effect == "hold" for name in one.workflows or tuple(facts.workflows)}
    held = {name for name in facts.workflows if name in every or (name in described and described[name].asks)}
    return len(held) > 0, f"{counted(len(held), 'workflow')} with calls that wait for a person"


def _of_routes(facts: Facts, fits: Callable[[Any], bool], nouns: str) -> _Found:
    routes = {one.intent: one for one in facts.configuration.routes} if facts.configuration else {}
    return _all_of({name for name, one in routes.items() if fits(one)}, routes, nouns)


def _all_of(held: Collection[str], whole: Collection[str], nouns: str) -> _Found:
    return len(whole) > 0 and len(held) == len(whole), f"{nouns}: {len(held)} of {len(whole)}"


_WEEK, _MONTH, _QUARTER = "week 1", "month 1", "quarter 1"
_ACTIVATE = "whyledger config activate FILE --as PERSON --reason TEXT"
_POINTS: tuple[tuple[str, str, Callable[[Facts], _Found], str], ...] = (
    (_WEEK, "List the calls that go past the gateway, and change them", _source, "whyledger scan PATH"),
    (_WEEK, "Put a configuration into force", _active, _ACTIVATE),
    (_WEEK, "Send calls through the gateway", _calls, "whyledger serve"),
    (_WEEK, "Give each workflow a key of its own", _keys,
     "whyledger key create --environment prod --workflow NAME --as PERSON"),
    (_WEEK, "Cap every route", _caps, f"max_budget_daily of each route, then {_ACTIVATE}"),
    (_WEEK, "Ask for intents, not for models", _intents, "whyledger costs --by route"),
    (_MONTH, "Give every route a second model", _fallbacks, f"fallback of each route, then {_ACTIVATE}"),
    (_MONTH, "Keep unnamed models out of prod", _closed, f"direct_route: false of prod, then {_ACTIVATE}"),
    (_MONTH, "Describe every workflow", _described, f"workflows in the file, then {_ACTIVATE}"),
    (_MONTH, "Release what runs in prod", _released, "whyledger workflow release NAME --as PERSON --reason TEXT"),
    (_MONTH, "Name the task, for nine tenths of the cost", _tasks, "the header x-whyledger-task on each call"),
    (_MONTH, "Define outcomes and report them", _outcomes,
     "whyledger outcome record TASK --type TYPE --status success --as PERSON"),
    (_MONTH, "Have somebody told when something is out of bounds", _alerts, f"alerts in the file, then {_ACTIVATE}"),
    (_MONTH, "Hold the provider's bill against the record", _unrecorded, "whyledger reconcile FILE"),
    (_MONTH, "Back up, with the secrets apart", _unrecorded, "whyledger backup FOLDER"),
    (_QUARTER, "Score live answers in every component", _scored, f"evaluation in the file, then {_ACTIVATE}"),
    (_QUARTER, "Have people check the scores", _reviewed, "whyledger review next --as PERSON"),
    (_QUARTER, "Classify every workflow under the AI Act", _classified,
     "whyledger workflow classify NAME --answers FILE --as PERSON"),
    (_QUARTER, "Put on record what people decide", _decided,
     "whyledger override CALL --as PERSON --action reverse --presented TEXT"),
    (_QUARTER, "Make an evidence pack", _packed, "whyledger pack --as PERSON"),
    (_QUARTER, "Give the auditor access", _auditor, "whyledger person add NAME --role auditor --until DAY --as PERSON"),
    (_QUARTER, "Have the auditor verify a pack away from here", _unrecorded, "whyledger verifier -o FILE"),
    (_QUARTER, "Keep the law data checked", _law, "whyledger law check"),
    (_QUARTER, "Find secrets, personal data and injections in prompts", _read,
     f"policies in the file, then {_ACTIVATE}"),
    (_QUARTER, "Hold calls until a person has approved them", _held, f"approval of a tool's rule, then {_ACTIVATE}"),
)  # fmt: skip
