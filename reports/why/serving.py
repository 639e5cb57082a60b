"""How a call came to its answer, in words: what was passed over, tried and given again, and whose choice answered."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from ledger.amounts import eur, in_words
from ledger.entry import Entry
from reports.why.words import went


def choice(opened: Entry | None, attempt: Mapping[str, Any]) -> str:
    """Say whether the first choice answered, with a comma before it; empty where that is not known."""
    if opened is None:
        return ""
    first = opened.facts["targets"][0]
    if (attempt["provider"], attempt["model"]) != (first["provider"], first["model"]):
        return ", a fallback"
    if step := opened.facts.get("step_down"):
        return f", put first because the route had used up {step['percent']} % of its cap or more"
    return ", the first that was not passed over" if opened.facts.get("rejected") else ", the first choice"


def passed_over(opened: Entry | None) -> list[str]:
    """Say which targets were not to be asked, and why."""
    rejected = opened.facts.get("rejected", ()) if opened else ()
    return [f"{one['model']} was passed over: {one['reason']}." for one in rejected]


def without_place(attempts: Iterable[Mapping[str, Any]]) -> list[str]:
    """Say what a request asked for that the format of the provider that answered cannot say."""
    dropped = [one["dropped"] for one in attempts if one["outcome"] == "answered" and one.get("dropped")]
    return [f"Its format has no place for {', '.join(one)}, which the request asked for." for one in dropped]


def again(found: Mapping[str, Any]) -> str:
    """Say what was found for a similar question, and what became of it."""
    text = f"the answer of {found['source_ref']} to a question alike to {found['permille'] / 10:.1f} % was"
    if found["served"]:
        return f"{text} given again"
    ended = "whether the fresh one agrees could not be told"
    if "agreed" in found:
        ended = f"the fresh one {'agreed' if found['agreed'] else 'did not agree'} with it"
    return f"{text} not given again; {ended}"


def looked_up(stated: Mapping[str, Any], opened: Entry | None) -> list[str]:
    """Say who got a text to find the answer to a similar question, what that cost, and why it was not looked for."""
    said = [
        f"To find an answer to a similar question, {one['model']} ({one['provider']}) was asked for vectors: "
        f"{went(one['outcome'])}, {eur(one['cost_nano_eur'])}."
        for one in stated.get("look_ups", ())
    ]
    rejected = opened.facts.get("look_up_rejected", ()) if opened else ()
    return said + [f"No answer to a similar question was looked for: {one['reason']}." for one in rejected]


def tries(failed: Iterable[Mapping[str, Any]]) -> str:
    """Say which attempts gave no answer, and how they went: `Three attempts at m (p) failed with HTTP 500`."""
    said = []
    for (model, provider, how), found in groupby(failed, lambda one: (one["model"], one["provider"], _how(one))):
        number = len([*found])
        said.append(f"{in_words(number)} attempt{'s' * (number > 1)} at {model} ({provider}) failed with {how}")
    text = "; ".join(said)
    return text[:1].upper() + text[1:]


def _how(attempt: Mapping[str, Any]) -> str:
    said = went(attempt["outcome"])
    return f"{said} ({str(attempt['error']).replace('_', ' ')})" if attempt.get("error") else said
