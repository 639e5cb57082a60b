"""What an entry records, in a few words."""

from collections.abc import Iterator
from typing import Any

from ledger.entry import Entry
from reports.ports import Evidence
from reports.times import clock
from reports.why.story import Story
from reports.why.words import ACTIONS, ENDED, refused_for

_CODES = ("tier", "signal", "rule", "reason", "status", "verdict")
_MOMENTS = {
    "call.opened": "call opened: {route_ref}",
    "call.extended": "a further attempt reserved",
    "call.closed": "call closed: {result}",
    "call.refused": "call refused: {reason_ref}",
    "call.interrupted": "call interrupted: {reason}",
    "override.recorded": "person: {action}",
    "approval.requested": "held for a person",
    "approval.decided": "person: {decision}",
    "approval.objected": "person: could not {decision}",
    "approval.escalated": "nobody decided in time: others were asked",
    "approval.expired": "nobody decided in time",
    "cost.corrected": "person: cost corrected",
    "stop.engaged": "person: stop of {scope}",
    "stop.released": "person: stop of {scope} lifted",
    "config.activated": "configuration activated",
    "prompt.registered": "prompt {prompt_ref}: version {version} registered",
    "prompt.promoted": "prompt {prompt_ref}: version {version} promoted in {environment}",
    "workflow.released": "workflow released",
    "workflow.classified": "risk class confirmed: {tier}",
    "evaluation.scored": "answer scored {verdict}: {evaluator}",
    "review.recorded": "person scored the answer {verdict}: {evaluator}",
    "outcome.recorded": "outcome {type}: {status}",
    "key.issued": "gateway key issued",
    "key.revoked": "gateway key revoked",
    "person.enrolled": "person enrolled",
    "role.granted": "role given to a person",
    "role.revoked": "role taken from a person",
    "token.issued": "new personal token issued",
    "token.revoked": "personal token revoked",
    "workflow.registered": "workflow registered",
    "workflow.contradicted": "traffic does not fit what was declared: {signal}",
    "access.recorded": "an auditor opened {page}",
    "pack.exported": "evidence pack exported",
    "gap.declared": "loss of entries declared",
    "signer.added": "keys of the log recorded",
    "alert.raised": "alert raised: {rule}",
    "incident.opened": "incident opened",
    "incident.updated": "incident goes on",
    "incident.closed": "person: incident closed",
    "hold.placed": "hold placed: {reason}",
    "hold.lifted": "person: hold lifted",
}


def moment(entry: Entry) -> str:
    """Say in a few words what an entry records; of a kind without words of its own, its name."""
    return _MOMENTS.get(entry.kind, entry.kind.replace(".", " ").replace("_", " ")).format_map(_in_words(entry))


def moments(story: Story, evidence: Evidence) -> Iterator[dict[str, Any]]:
    """Yield each entry that is told, in the order of the log, with what it says in a few words."""
    for entry in story.entries:
        yield {
            "at": entry.at,
            "shown": clock(entry.at, evidence.zone),
            "kind": entry.kind,
            "seq": entry.seq,
            "call": entry.call,
            "text": moment(entry),
        }


def _in_words(entry: Entry) -> dict[str, Any]:
    facts = dict(entry.facts)
    facts |= {name: facts[name].replace("_", " ") for name in _CODES if isinstance(facts.get(name), str)}
    if "result" in facts:
        facts["result"] = ENDED.get(str(facts["result"]), str(facts["result"]).replace("_", " "))
    if "reason_ref" in facts:
        facts["reason_ref"] = refused_for(entry.facts)
    if "action" in facts:
        facts["action"] = ACTIONS.get(str(facts["action"]), facts["action"])
    if "scope" in facts:
        facts["scope"] = str(facts["scope"]).partition(":")[0].replace("all", "everything")
    return facts
