"""From entries to a story: the calls of a reference, each with its beginning, its end, and what people did to it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Generic, TypeVar, cast

from ledger.entry import Entry
from ledger.links import Brief, brief
from reports.ports import Evidence

WHOLE, PAGE = 10, 5
"""A reference to at most so many calls is told whole; one to more, so many calls at a time."""
APPROVALS = tuple(map("approval.{}".format, ("requested", "objected", "decided", "escalated", "expired")))
_SCORES = ("evaluation.scored", "review.recorded")
_ENDS = ("call.closed", "call.interrupted", "call.refused")
Item = TypeVar("Item", bound=Entry | Brief, covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStory(Generic[Item]):
    """The entries of one call, in full where it is told (`CallStory[Entry]`)."""

    id: str
    first: Item
    """call.opened; of a call that was not opened, its end."""
    opened: Item | None
    ended: Item | None
    """call.closed, call.interrupted or call.refused; None while the call runs."""
    extended: tuple[Item, ...]
    overrides: tuple[Entry, ...]
    corrections: tuple[Entry, ...]
    """Costs that a person put in place of an upper bound."""
    approvals: tuple[Entry, ...]
    """That a person was asked about its answer, and what came of it; of a call that has what was approved, by whom."""
    scores: tuple[Entry, ...]
    """What evaluators and people who reviewed them said of the answer."""

    @property
    def acts(self) -> tuple[Entry, ...]:
        """What people did about the call."""
        decided = [one for one in self.approvals if one.kind == "approval.decided"]
        return (*self.overrides, *decided, *self.corrections)

    @property
    def entries(self) -> "tuple[Item | Entry, ...]":
        ends = [one for one in (self.opened, self.ended) if one]
        return (*ends, *self.extended, *self.overrides, *self.approvals, *self.corrections, *self.scores)

    @property
    def route(self) -> str:
        facts = self.first.facts
        return str(facts.get("route_ref") or facts.get("route") or "")

    @property
    def result(self) -> str:
        """answered, refused, interrupted, running, or what the close says."""
        if self.ended is None:
            return "running"
        return str(self.ended.facts.get("result") or self.ended.kind.removeprefix("call."))

    @property
    def cost(self) -> int:
        """Nano-EUR: what was charged, or what a person put in its place."""
        if self.corrections:
            return int(self.corrections[-1].facts["after_nano_eur"])
        return int(self.ended.facts.get("cost_nano_eur", 0)) if self.ended else 0


@dataclass(frozen=True, kw_only=True)
class Story:
    """Everything that belongs to the reference, and the rules and people around it."""

    ref: str
    kind: str
    calls: tuple[CallStory[Entry], ...]
    """Those that are told."""
    every: tuple[CallStory[Entry | Brief], ...]
    """All of the reference: more than `calls` where the story is told page by page."""
    pages: int
    contradictions: tuple[str, ...]
    """Where the list of a task's calls and the entries of those that are told say different things."""
    stops: tuple[Entry, ...]
    activations: tuple[Entry, ...]
    releases: tuple[Entry, ...]
    """Those that were in force: of what a call quotes as its workflow."""
    stale_releases: tuple[Entry, ...]
    """Releases of something that the workflow was no more."""
    classifications: tuple[Entry, ...]
    """The last confirmed risk class of each workflow that a call quotes, as the workflow was."""
    key_issues: tuple[Entry, ...]
    outcomes: tuple[Entry, ...]
    """What became of the tasks, each record of it."""
    prompts: tuple[Entry, ...]
    """Who registered the prompts that the calls used, and who promoted them."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries that are told of: of the calls that are told, and what people did about any of them."""
        told = [entry for call in self.calls for entry in call.entries]
        told += [*self.acts, *self.stops, *self.activations, *self.releases, *self.stale_releases]
        told += [*self.classifications, *self.key_issues, *self.outcomes, *self.prompts]
        return tuple(sorted({entry.seq: entry for entry in told}.values(), key=lambda entry: entry.seq))

    @cached_property
    def acts(self) -> tuple[Entry, ...]:
        """What people did about any of the calls, told here or not."""
        return tuple({entry.seq: entry for call in self.every for entry in call.acts}.values())

    @cached_property
    def approvals(self) -> tuple[Entry, ...]:
        """What people approved of the calls; a reversal is none."""
        return tuple(one for one in self.acts if "approve" in (one.facts.get("action"), one.facts.get("decision")))

    @cached_property
    def cost(self) -> int:
        """Nano-EUR of all the calls together."""
        return sum(call.cost for call in self.every)


def collect(
    ref: str, kind: str, found: Sequence[Entry | Brief], evidence: Evidence, *, page: int | None = None
) -> Story:
    """Return the story of what is found through a reference.

    The rules in force, the release and the stops are looked up by what the entries quote, never by time.

    Args:
        page: whose calls are told of in full, from 1; the others are in the totals. None tells of all.
    """
    listed = _calls(_by_call(kind, found, evidence))
    size = len(listed) if page is None or len(listed) <= WHOLE else PAGE
    first = ((page or 1) - 1) * size
    told, contradictions = _told(listed[first : first + size], evidence)
    told = tuple([_with_approval(call, evidence) for call in told])
    in_full = {call.id: call for call in told}
    calls = tuple([in_full.get(call.id, call) for call in listed])
    firsts = [call.first for call in calls]
    digests = _unique(entry.refs.get("config") for entry in firsts)
    workflows = _unique(entry.workflow for entry in firsts)
    scopes = _unique(call.ended.facts.get("inputs", {}).get("scope") for call in calls if call.ended)
    stops = [entry for entry in _in_full(found) if entry.kind.startswith("stop.")]
    stops += [entry for scope in scopes for entry in evidence.find("scope", scope)]
    last = max((entry.seq for call in calls for entry in call.entries), default=0)
    in_force, stale = _releases(firsts, workflows, last, evidence)
    return Story(
        ref=ref,
        kind=kind,
        calls=told,
        every=calls,
        pages=-(-len(calls) // max(size, 1)),
        contradictions=contradictions,
        stops=tuple({entry.seq: entry for entry in sorted(stops, key=lambda one: one.seq)}.values()),
        activations=tuple(
            entry for digest in digests for entry in _latest_before(evidence.find("config", digest), last)
        ),
        releases=in_force,
        stale_releases=stale,
        classifications=_classes(firsts, workflows, last, evidence),
        key_issues=tuple(
            entry
            for key in _unique(entry.facts.get("key") for entry in firsts)
            for entry in evidence.find("key", key)
            if entry.kind in ("key.issued", "key.revoked")
        ),
        outcomes=tuple(
            entry for task in _unique(call.first.task for call in told) for entry in evidence.find("outcome", task)
        ),
        prompts=_prompts(told, evidence),
    )


def _with_approval(call: CallStory[Entry], evidence: Evidence) -> CallStory[Entry]:
    """Return a call that has what was approved with who approved it: that was said about the call that was held."""
    if not call.opened or "approval_ref" not in call.opened.facts:
        return call
    found = evidence.find("approval", call.opened.facts["approval_ref"])
    return replace(call, approvals=tuple([one for one in found if one.kind == "approval.decided"]))


def _prompts(calls: Iterable[CallStory[Entry]], evidence: Evidence) -> tuple[Entry, ...]:
    """Return the registration of each version that was used and, where a promotion chose it, that promotion."""
    found: dict[int, Entry] = {}
    for first in (call.first for call in calls if "prompt" in call.first.facts):
        name, _, version = first.facts["prompt"].rpartition("@")
        acts = [one for one in evidence.find("prompt", name) if one.seq < first.seq]
        made = [one for one in acts if one.kind == "prompt.registered" and str(one.facts["version"]) == version]
        chosen = [
            one
            for one in acts
            if one.kind == "prompt.promoted" and one.facts["environment"] == first.facts["environment"]
        ]
        by = chosen[-1:] if first.facts.get("prompt_by") == "promoted" else []
        found |= {one.seq: one for one in (*made, *by)}
    return tuple(found[seq] for seq in sorted(found))


def _releases(
    firsts: Sequence[Entry | Brief], workflows: Iterable[str], last: int, evidence: Evidence
) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """Return the releases of what the calls quote as their workflow, and those of something else."""
    versions = {one.refs.get("workflow") for one in firsts}
    known = versions != {None}  # without knowing what was in force nothing can be said against a release
    released = [
        entry
        for workflow in workflows
        for entry in evidence.find("workflow", workflow)
        if entry.kind == "workflow.released" and entry.seq < last
    ]
    return (
        tuple([one for one in released if one.refs.get("workflow") in versions]),
        tuple([one for one in released if known and one.refs.get("workflow") not in versions]),
    )


def _classes(
    firsts: Sequence[Entry | Brief], workflows: Iterable[str], last: int, evidence: Evidence
) -> tuple[Entry, ...]:
    """Return the last class that was confirmed before the calls for what they quote as their workflow."""
    versions = {one.refs.get("workflow") for one in firsts}
    found = {
        str(entry.workflow): entry
        for workflow in workflows
        for entry in evidence.find("workflow", workflow)
        if entry.kind == "workflow.classified" and entry.seq < last and entry.refs.get("workflow") in versions
    }
    return tuple(found.values())


def _latest_before(activations: Sequence[Entry], seq: int) -> Sequence[Entry]:
    """One text may be activated more than once: the last time before the call is the one that was in force."""
    before = [entry for entry in activations if entry.seq <= seq]
    return (before or activations)[-1:]


def _unique(values: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(value for value in values if value))


def _in_full(found: Iterable[Entry | Brief]) -> tuple[Entry, ...]:
    """Return what is not in brief; what people did never is."""
    return tuple([entry for entry in found if isinstance(entry, Entry)])


def _told(
    listed: Sequence[CallStory[Entry | Brief]], evidence: Evidence
) -> tuple[tuple[CallStory[Entry], ...], tuple[str, ...]]:
    """Return calls in full, and where their entries are not what they were listed with."""
    if not any(isinstance(one, Brief) for call in listed for one in call.entries):
        return cast("tuple[CallStory[Entry], ...]", tuple(listed)), ()
    told = _calls(evidence.find_each("call", [call.id for call in listed]))
    in_full = {call.id: call for call in told}
    wrong = [call.id for call in listed if call.id not in in_full or not _agree(call, in_full[call.id])]
    said = "the list of the task does not say of {} what its entries say: run `whyledger rebuild`"
    return told, tuple([said.format(call) for call in wrong])


def _agree(listed: CallStory[Entry | Brief], told: CallStory[Entry]) -> bool:
    stated = {entry.seq: entry for entry in told.entries}
    return stated.keys() == {one.seq for one in listed.entries} and all(
        one == (brief(stated[one.seq], one.seq) if isinstance(one, Brief) else stated[one.seq])
        for one in listed.entries
    )


def _by_call(kind: str, found: Sequence[Entry | Brief], evidence: Evidence) -> Mapping[str, Sequence[Entry | Brief]]:
    """Return all entries of the calls. Each of them names the call and its task, so these two lead to all of it."""
    if kind not in ("call", "task"):
        return evidence.find_each("call", _unique(entry.call for entry in found))
    return _by_id(found)


def _by_id(found: Iterable[Item]) -> dict[str, list[Item]]:
    by_call: dict[str, list[Item]] = {}
    for entry in found:
        if entry.call:
            by_call.setdefault(entry.call, []).append(entry)
    return by_call


def _calls(by_call: Mapping[str, Sequence[Item]]) -> tuple[CallStory[Item], ...]:
    stories = []
    for call, entries in by_call.items():
        by_kind: dict[str, list[Item]] = {}
        for entry in entries:
            by_kind.setdefault(entry.kind, []).append(entry)
        opened = by_kind.get("call.opened", [])
        ended = [entry for kind in _ENDS for entry in by_kind.get(kind, ())]
        if opened or ended:
            stories.append(
                CallStory(
                    id=call,
                    first=(opened or ended)[0],
                    opened=opened[0] if opened else None,
                    ended=ended[0] if ended else None,
                    extended=tuple(by_kind.get("call.extended", ())),
                    overrides=_in_full(by_kind.get("override.recorded", ())),
                    corrections=_in_full(by_kind.get("cost.corrected", ())),
                    approvals=_in_full(one for kind in APPROVALS for one in by_kind.get(kind, ())),
                    scores=_in_full(one for kind in _SCORES for one in by_kind.get(kind, ())),
                )
            )
    return tuple(sorted(stories, key=lambda one: one.first.seq))
