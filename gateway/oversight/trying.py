"""Policies and thresholds held against requests that are on record and kept. Nothing is recorded, nothing sent."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from classifiers.personal_data.found import kinds
from gateway.call import Check
from gateway.configuration.model import UNDESCRIBED, Configuration
from gateway.configuration.policies import Policy
from gateway.minimisation.minimiser import Minimiser
from gateway.minimisation.placeholders import label_of, labels_in
from gateway.minimisation.replacing import replacing
from gateway.policies.evaluating import Request, applying, asked_by, checks_of, effects_of
from gateway.policies.parts import Parts, parts_of
from gateway.policies.screening import Detectors, Screen, Screened, Seen
from gateway.store.dictionaries import Dictionaries
from gateway.store.evidence import LiveEvidence
from gateway.store.installation import Installation
from ledger.entry import Entry, decode
from reports.statistics import FEWEST_FOR_PERCENT, wilson

KINDS = ("call.opened", "call.refused")
SHOWN = 5
_WRITTEN = tuple(f'"kind":"{kind}"'.encode() for kind in KINDS)
_CHUNK = 500


class Kept(NamedTuple):
    """A request on record; without fields where it is not kept or cannot be read."""

    entry: Entry
    fields: dict[str, Any] | None = None

    @property
    def parts(self) -> Parts | None:
        return None if self.fields is None else parts_of(self.fields)


def kept_requests(installation: Installation, most: int, workflow: str = "") -> Iterator[Kept]:
    """Yield the requests on record, the latest first."""
    evidence, high, found = LiveEvidence(installation), installation.reader.head().size, 0
    while high > 0 and found < most:
        first = max(0, high - _CHUNK)
        for data in reversed(list(installation.reader.raw(first, high))):
            if not any(one in data for one in _WRITTEN):
                continue
            entry = decode(data)
            if not entry.call or (workflow and entry.workflow != workflow):
                continue
            yield Kept(entry, _fields(entry, evidence))
            found += 1
            if found == most:
                return
        high = first


def _fields(entry: Entry, evidence: LiveEvidence) -> dict[str, Any] | None:
    content = evidence.content(entry, "prompt") if "prompt" in entry.c else None
    if content is None or content.missing:
        return None
    try:
        fields = json.loads(str(content.value))
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None


@dataclass(slots=True)
class Tried:
    """What policies would have done."""

    requests: int = 0
    not_kept: int = 0
    """Requests of which nothing can be read: no policy was tried on them."""
    effects: dict[str, Counter[str]] = field(default_factory=dict)
    """By policy: how many it would have flagged, held or refused, how many nearly, and to how many it applies."""
    examples: dict[str, list[str]] = field(default_factory=dict)
    """By policy: calls on which it would have had an effect, the latest."""
    strongest: Counter[str] = field(default_factory=Counter)
    """How many requests all of them together would have flagged, held, refused or let pass."""


def try_policies(installation: Installation, configuration: Configuration, most: int, workflow: str = "") -> Tried:
    """Return what the policies of a configuration would have done with the latest requests; none is in shadow here."""
    of_requests = {name: one for name, one in configuration.policies.items() if one.when or one.replaces}
    open_ones = {name: one.model_copy(update={"shadow": False}) for name, one in of_requests.items()}
    tried, screen = Tried(effects={name: Counter() for name in open_ones}), Screen()
    minimiser = Minimiser(Dictionaries(installation.settings.dictionaries))
    for kept in kept_requests(installation, most, workflow):
        tried.requests += 1
        parts = kept.parts
        if kept.fields is None or parts is None:
            tried.not_kept += 1
            continue
        facts, described = kept.entry.facts, configuration.workflows.get(kept.entry.workflow or "", UNDESCRIBED)
        route = str(facts.get("route_ref") or facts.get("route") or "")
        applies = applying(open_ones, kept.entry.workflow, str(facts.get("environment", "")), route)
        request = Request(kept.entry.sub is not None, int(facts.get("input_bound_tokens", 0)), effects_of(described))
        found = frozenset(facts.get("found", ()))  # what has placeholders in what is kept
        checks = [*checks_of(applies, request, with_placeholders(screen.read(parts, asked_by(applies)), parts, found))]
        replaced = minimiser.replaced(kept.fields, replacing(applies)).checks
        checks += [_as_asked(check, open_ones[check.inputs["policy"]], found) for check in replaced]
        for check in checks:
            _count(tried, check.inputs["policy"], "near" if check.reason == "near" else check.verdict, kept.entry.call)
        verdicts = {one.verdict for one in checks}
        tried.strongest[next((one for one in ("deny", "hold", "redact", "flag") if one in verdicts), "pass")] += 1
    return tried


def with_placeholders(screened: Screened, parts: Parts, found: Collection[str]) -> Screened:
    """Return what was found, with what stood where a request that is kept has placeholders now.

    Args:
        found: the kinds that were replaced in it.
    """
    words, data = _and(screened.words, parts.words, found), _and(screened.data, parts.data, found)
    return screened._replace(words=words, data=data)


def _as_asked(check: Check, policy: Policy, found: frozenset[str]) -> Check:
    """Return the check of a policy that replaces, as it would be of the request before it had placeholders."""
    assert policy.replaces is not None
    named = kinds() if "any" in policy.replaces.personal_data else policy.replaces.personal_data
    sought = {*named, *policy.replaces.terms, *(["credential"] if policy.replaces.credentials else ())}
    return check._replace(verdict="redact") if found & sought else check


def _and(seen: Seen, texts: Sequence[str], found: Collection[str]) -> Seen:
    labels = [label for text in texts for label in labels_in(text)]
    if seen.credentials is not None and "credential" in found:
        seen = seen._replace(credentials=seen.credentials + labels.count(label_of("credential")))
    if seen.personal_data is not None:
        there = {kind for kind in kinds().intersection(found) if label_of(kind) in labels}
        seen = seen._replace(personal_data=seen.personal_data | there)
    return seen


def _count(tried: Tried, policy: str, what: str, call: str | None) -> None:
    tried.effects[policy].update(["applies", what])
    if what in ("deny", "hold", "redact", "flag") and call and len(tried.examples.setdefault(policy, [])) < SHOWN:
        tried.examples[policy].append(call)


class Threshold(NamedTuple):
    """The score from which so many of so many requests would be found, and the 95 % interval of their share."""

    score: float
    found: int
    of: int
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Scores of hidden instructions in the requests of a deployment, by where the text comes from."""

    requests: int
    not_kept: int
    scores: dict[str, list[int]]
    """Thousandths, ascending, of the requests that hold such a text: `hidden_in_data`, `hidden_in_words`."""


def calibrate(installation: Installation, most: int, workflow: str = "") -> Calibration:
    """Score the latest requests."""
    screen, requests, missing = Screen(), 0, 0
    scores: dict[str, list[int]] = {"hidden_in_data": [], "hidden_in_words": []}
    for kept in kept_requests(installation, most, workflow):
        requests += 1
        if kept.parts is None:
            missing += 1
            continue
        seen = screen.read(kept.parts, Detectors(hidden=True))
        if kept.parts.data:
            scores["hidden_in_data"].append(seen.data.hidden or 0)
        if kept.parts.words:
            scores["hidden_in_words"].append(seen.words.hidden or 0)
    return Calibration(requests, missing, {name: sorted(found) for name, found in scores.items()})


def threshold_for(scores: Sequence[int], share: float) -> Threshold | None:
    """Return the lowest threshold by which at most such a share is found; None with too few requests to say.

    Args:
        scores: thousandths, ascending.
    """
    if len(scores) < FEWEST_FOR_PERCENT:
        return None
    allowed = int(share * len(scores))
    score = min(1000, scores[-allowed - 1] + 1)
    found = sum(one >= score for one in scores)
    return Threshold(score / 1000, found, len(scores), *wilson(found, len(scores)))


def as_json(tried: Tried) -> dict[str, Any]:
    return {
        "requests": tried.requests, "not_kept": tried.not_kept, "together": dict(tried.strongest),
        "policies": {
            name: dict(counts) | {"examples": tried.examples.get(name, [])} for name, counts in tried.effects.items()
        },
    }  # fmt: skip
