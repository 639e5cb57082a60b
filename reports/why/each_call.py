"""The questions that each call answers for itself: what went in, what was in force and decided, what came out."""

from collections.abc import Mapping
from typing import Any

from ledger.amounts import cap_of, counted, eur_short
from ledger.entry import Entry
from reports.ports import Evidence, Integrity
from reports.why.serving import again, choice, looked_up, passed_over, tries, without_place
from reports.why.story import Story
from reports.why.transcript import called, said, turns
from reports.why.words import (
    COST_STATES,
    MISSING,
    check_said,
    per_million,
    person,
    pointer,
    price_said,
    quoted,
    refused_for,
    shorten,
)


def numbered(story: Story, lines: list[str]) -> list[str]:
    """Return lines, one for each call that is told: once where they are all the same, else with the call's number."""
    if len(set(lines)) <= 1:
        return lines[:1]
    numbers = {call.id: number for number, call in enumerate(story.every, start=1)}
    return [f"Call {numbers[call.id]}: {line}" for call, line in zip(story.calls, lines, strict=True)]


def went_in(story: Story, evidence: Evidence, _check: Integrity) -> tuple[list[str], list[str]]:
    lines, facts = [], []
    for call in story.calls:
        entry = call.first
        facts.append(pointer(entry, "c.prompt"))
        if "prompt" not in entry.c:
            lines.append(f"The request is {MISSING['not_kept']}.")
            continue
        content = evidence.content(entry, "prompt")
        said = [f"The request is {MISSING[content.missing]}."] if content.missing else [_request(content.value)]
        if "instructions" in entry.c:
            said.append(f"With the text of its prompt: {quoted(entry, 'instructions', evidence)}.")
            facts.append(pointer(entry, "c.instructions"))
        lines.append(" ".join(said))
    return numbered(story, lines), facts


def _request(body: str) -> str:
    return shorten("; ".join(f"{role}: {text}" for role, text in turns(body)))


def in_force(story: Story, _evidence: Evidence, _check: Integrity) -> tuple[list[str], list[str]]:
    prices, digests, facts = [], [], []
    for call in story.calls:
        refs = call.first.refs
        digests.append(f"By digest: {', '.join(f'{name} {digest[:12]}' for name, digest in sorted(refs.items()))}.")
        facts.append(pointer(call.first, "refs"))
        if call.opened:
            price = call.opened.facts["prices"][0]
            fx = call.opened.facts["fx"]
            prices.append(
                f"Price of {price['model']}: {price_said(price)} ({price['source']}); "
                f"EUR = USD x {fx['eur_num']}/{fx['usd_den']} ({fx['source']}, {fx['date']})."
            )
            facts += [pointer(call.opened, "facts.prices"), pointer(call.opened, "facts.fx")]
    return list(dict.fromkeys([*prices, *digests])), facts


def decided(story: Story, _evidence: Evidence, _check: Integrity) -> tuple[list[str], list[str]]:
    lines, facts = [], []
    for call in story.calls:
        if call.ended and call.ended.kind == "call.refused":
            lines.append(f"Refused: {refused_for(call.ended.facts)}.")
            facts += [pointer(call.ended, "facts.reason_ref"), pointer(call.ended, "facts.inputs")]
        elif call.opened:
            denied = (
                [one for one in call.ended.facts.get("checks", ()) if one["verdict"] == "deny"] if call.ended else []
            )
            lines.append(" ".join([_allowed(call.opened.facts), *map(check_said, denied)]))
            facts += [pointer(call.opened, "facts.passed"), pointer(call.opened, "facts.budgets")]
            facts += [pointer(call.ended, "facts.checks")] if call.ended and denied else []
        else:
            lines.append("Its beginning is not among these entries.")
    return numbered(story, lines), facts


def _allowed(stated: Mapping[str, Any]) -> str:
    room = "; ".join(
        f"{cap_of(one['row'])}: {eur_short(one['cap'] - one['spent'] - one['reserved'])} free of "
        f"{eur_short(one['cap'])}"
        for one in stated["budgets"]
    )
    flagged = f", {counted(len(stated['checks']), 'check')} raised a flag" if stated["checks"] else ""
    return (
        f"Allowed: {', '.join(stated['passed'])} passed{flagged}; no other check ran before it was sent. "
        f"Daily caps before the call: {room}."
    )


def which_model(story: Story, _evidence: Evidence, _check: Integrity) -> tuple[list[str], list[str]]:
    lines, facts = [], []
    for call in story.calls:
        if not call.ended or call.ended.kind != "call.closed":
            lines.append("No model answered." if call.ended else "No answer is on record yet.")
            facts.append(pointer(call.first))
            continue
        stated = call.ended.facts
        failed = [one for one in stated["attempts"] if one["outcome"] != "answered"]
        parts = [tries(failed)] if failed else []
        parts += [
            f"{one['model']} ({one['provider']}) answered{choice(call.opened, one)}"
            for one in stated["attempts"]
            if one["outcome"] == "answered"
        ]
        asked = f"{'; then '.join(parts) or 'No provider was asked for an answer'}{_again(stated)}.{_named(stated)}"
        lines.append(
            " ".join(
                [asked, *passed_over(call.opened), *without_place(stated["attempts"]), *looked_up(stated, call.opened)]
            )
        )
        facts += [pointer(call.ended, f"facts.{name}") for name in _TRIED if name in stated]
        if call.opened:
            facts += [pointer(call.opened, f"facts.{name}") for name in _CHOSEN if call.opened.facts.get(name)]
    return numbered(story, lines), facts


_CACHE = {"hit": ": the exact cache had the answer", "miss": "; the cache had no answer"}


_CHOSEN = ("step_down", "rejected", "look_up_rejected")
_TRIED = ("attempts", "cache", "similar", "look_ups")


def _again(stated: Mapping[str, Any]) -> str:
    if "released_ref" in stated:
        return f": the answer is that of {stated['released_ref']}, which had waited for a person"
    if similar := stated.get("similar"):
        return f"{':' if similar['served'] else ';'} {again(similar)}"
    return _CACHE.get(stated["cache"], "")


def _named(stated: Any) -> str:
    """Say what the answer says of itself: its model, tier, and the id that the provider's support asks for."""
    served = stated.get("served") or {}
    said = {
        "model": served.get("reported_model"), "service tier": served.get("service_tier"),
        "request id": stated.get("request_ref"),
    }  # fmt: skip
    named = ", ".join(f"{name} {value}" for name, value in said.items() if value)
    return f" By its own account: {named}." if named else ""


def came_out(story: Story, evidence: Evidence, _check: Integrity) -> tuple[list[str], list[str]]:
    lines, facts = [], []
    for call in story.calls:
        entry = call.ended
        if entry is None or entry.kind != "call.closed":
            lines.append("Nothing came out.")
            facts.append(pointer(call.first))
            continue
        kept = evidence.content(entry, "answer") if "answer" in entry.c else None
        text = f"The answer is {MISSING[kept.missing if kept and kept.missing else 'not_kept']}."
        if kept and kept.missing is None:
            end = _FINISH.get(str(entry.facts["finish"]), f" (it ended with {entry.facts['finish']})")
            words = shorten(said(kept.value))
            silent = words == "(no text)" and entry.facts["tool_calls"]
            text = "No text." if silent else f"Answer{end}: {words}"
        elif entry.facts["result"] == "failed":
            text = "Nothing came out."
        lines.append(" ".join([text, *_tools(entry, evidence)]))
        facts += [pointer(entry, "c.answer"), pointer(entry, "facts.tool_calls")]
    return numbered(story, lines), facts


_FINISH = {
    "stop": "", "tool_calls": " with a tool call", "length": ", cut off at its limit", "None": ", without an end",
}  # fmt: skip


def _tools(entry: Entry, evidence: Evidence) -> list[str]:
    said = []
    for tool in entry.facts["tool_calls"]:
        arguments = evidence.content(entry, tool["c"]) if tool.get("c") else None
        shown = shorten(called(arguments.value)) if arguments and not arguments.missing else ""
        name = tool["name"] or "a tool that is not granted"
        said.append(f"Tool call: {shown or f'{name}, its arguments are not kept'}.")
    return said


def costs(story: Story, evidence: Evidence, _check: Integrity) -> tuple[list[str], list[str]]:
    lines, facts = [], []
    for call in story.calls:
        if call.ended is None:
            lines.append("Not settled yet; the worst case stays reserved.")
            facts.append(pointer(call.first))
            continue
        stated = call.ended.facts
        state = stated.get("cost_state", "none")
        charged = eur_short(int(stated.get("cost_nano_eur", 0)), most=state == "upper_bound")
        said = [f"{charged}, {COST_STATES[state]}." + _sum(stated)]
        facts.append(pointer(call.ended, "facts.cost_nano_eur"))
        for entry in call.corrections:
            said.append(f"{person(entry, evidence)} {corrected(entry, evidence)}.")
            facts.append(pointer(entry, "facts.after_nano_eur"))
        lines.append(" ".join(said))
    whole = f"Together {eur_short(story.cost)}" if len(story.every) > 1 else eur_short(story.cost)
    return [f"{whole}. The provider's invoice may differ.", *numbered(story, lines)], facts


def _sum(stated: Any) -> str:
    """Return the arithmetic of a charge; the exact amount is in the entry, and in the JSON of the answer."""
    usage, price, fx = stated.get("usage"), stated.get("price"), stated.get("fx")
    if not usage or not price or not fx:
        return ""
    apart = "reasoning_pico_usd" in price  # else they cost what the output costs
    counts = {"requests": "request", "web_searches": "web_search"} | {
        name: name.removesuffix("_tokens") for name in usage if name.endswith("_tokens")
    }
    tokens: list[str] = []
    single: list[str] = []
    for name, kind in counts.items():
        count = usage.get(name, 0)
        count -= usage["reasoning_tokens"] if apart and kind == "output" else 0
        if f"{kind}_pico_usd" in price and (count or kind in ("input", "output")):
            part = f"{count:,} {kind.replace('_', ' ')} x {per_million(price[f'{kind}_pico_usd'])}"
            (tokens if name.endswith("_tokens") else single).append(part)
    parts = f"{' + '.join([*tokens, *single])}, USD per million, x {fx['eur_num']}/{fx['usd_den']}"
    text = f" {parts}, rounded up to the ninth decimal."
    if "stated_nano_eur" in stated:
        text += f" The provider stated {eur_short(stated['stated_nano_eur'])}; the larger one counts."
    return text


def corrected(entry: Entry, evidence: Evidence) -> str:
    before = eur_short(entry.facts["before_nano_eur"], most=True)
    after = eur_short(entry.facts["after_nano_eur"])
    return f"corrected the cost from {before}, an upper bound, to {after}, {quoted(entry, 'reason', evidence)}"
