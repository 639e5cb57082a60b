"""Whether what became of a recording is what must: what the client got, and what the ledger says."""

import json
from dataclasses import dataclass
from typing import Any

from replay import Recording, admits

from ledger.entry import Entry

_COUNTS = (
    "input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens", "audio_input_tokens",
    "audio_cached_tokens", "audio_output_tokens", "cache_write_1h_tokens",
)  # fmt: skip
_PRICED = {
    "input_tokens": ("input_pico_usd",), "cached_tokens": ("cached_pico_usd",),
    "cache_write_tokens": ("cache_write_pico_usd",), "output_tokens": ("output_pico_usd",),
    "audio_input_tokens": ("audio_input_pico_usd", "input_pico_usd"),
    "audio_cached_tokens": ("audio_cached_pico_usd", "cached_pico_usd"),
    "audio_output_tokens": ("audio_output_pico_usd", "output_pico_usd"),
    "cache_write_1h_tokens": ("cache_write_1h_pico_usd", "cache_write_pico_usd"),
    "requests": ("request_pico_usd",), "web_searches": ("web_search_pico_usd",),
}  # fmt: skip
NOT_READ = "not all of the answer could be read"
PICO = 10**12
MANY = 100


@dataclass(frozen=True)
class Received:
    """What the client got: with `clean` the body had the end that its framing promises."""

    status: int
    headers: dict[str, str]
    body: bytes
    clean: bool


def differences(
    recording: Recording, received: Received, closed: Entry, sealed: dict[str, Any], pseudonym: str
) -> list[str]:
    """Say what is not as it must be; with several expectations, of the one that comes nearest."""
    always = [*_kept_from_client(recording, received), *_contradictions(closed)]
    each = []
    for expected in recording.expectations:
        wrong = _entry(recording, expected, closed)
        if wrong[:1] == [_other_result(expected, closed)]:
            wrong += [""] * MANY  # another expectation with this result comes nearer
        elif closed.facts["result"] == "answered":
            wrong += _answered(recording, expected, received, closed, sealed, pseudonym)
        else:
            wrong += _withheld(recording, expected, received)
        each.append(wrong)
    return [*always, *filter(None, min(each, key=len))]


def _other_result(expected: dict[str, Any], closed: Entry) -> str | None:
    wanted, found = expected.get("result", "answered"), closed.facts["result"]
    return None if admits(wanted, found) else f"result: {found!r} is not {wanted!r}"


def _kept_from_client(recording: Recording, received: Received) -> list[str]:
    said = received.body.decode("utf-8", "replace")
    return [f"{text!r} reached the client" for text in recording.wire.get("never", []) if text in said]


def _contradictions(closed: Entry) -> list[str]:
    """What no entry may say, whatever the answer was."""
    facts, wrong = closed.facts, []
    verdicts = {check["id"]: check["verdict"] for check in facts["checks"]}
    denied = "deny" in verdicts.values()
    if facts["result"] == "answered" and denied:
        wrong.append("answered beside a check that denies")
    if facts["result"] == "refused_answer" and not (denied and any(not one["granted"] for one in facts["tool_calls"])):
        wrong.append("refused, and neither a check nor a call says why")
    if both := set(verdicts) & set(facts["passed"]):
        wrong.append(f"passed and not passed: {both}")
    if facts["result"] == "unreadable":
        if facts["passed"]:
            wrong.append(f"passed over what could not be read: {facts['passed']}")
        flagged = [check for check in facts["checks"] if check["reason"] == NOT_READ and check["verdict"] == "flag"]
        if not flagged:
            wrong.append("no check says that not all could be read")
    if any(one["name"] is not None for one in facts["tool_calls"] if not one["granted"]):
        wrong.append("the name of a call that is not granted stands in the entry")
    return wrong


def _entry(recording: Recording, expected: dict[str, Any], closed: Entry) -> list[str]:
    facts = closed.facts
    answered = facts["result"] == "answered"
    served = facts.get("served", {})
    found = {
        "finish": facts["finish"], "cost_state": facts["cost_state"],
        "tool_calls": [one["name"] for one in facts["tool_calls"]], "attempts": len(facts["attempts"]),
        "reported_model": served.get("reported_model"), "service_tier": served.get("service_tier"),
        "request_ref": facts.get("request_ref"),
    }  # fmt: skip
    wanted = {name: expected[name] for name in found if name in expected}
    other = _other_result(expected, closed)
    if answered and not other:
        defaults = {"cost_state": "provider_reported", "tool_calls": [], "service_tier": None}
        defaults["reported_model"] = recording.model
        wanted = defaults | wanted
    wrong = [other] if other else []
    wrong += [
        f"{name}: {found[name]!r} is not {value!r}"
        for name, value in wanted.items()
        if not (found[name] == value if name == "tool_calls" else admits(value, found[name]))
    ]
    if "usage" in expected:
        wrong += _usage(expected["usage"], facts["usage"])
    if answered and not other:
        flags = sorted(check["id"] for check in facts["checks"] if check["verdict"] == "flag")
        if not (expected.get("flags") == "any" or flags == expected.get("flags", [])):
            wrong.append(f"flags: {flags} are not {expected.get('flags', [])}")
    return wrong + _cost(expected, facts)


def _usage(expected: Any, found: dict[str, int] | None) -> list[str]:
    options = expected if isinstance(expected, list) else [expected]
    for option in options:
        if option == "any" or option is found is None:
            return []
        if option is not None and found is not None:
            wanted = {f"{name}_tokens": count for name, count in option.items()}
            if all(found.get(name, 0) == wanted.get(name, 0) for name in _COUNTS):
                return []
    return [f"usage: {found} is not {expected}"]


def _nano_eur(pico_usd: int, facts: dict[str, Any]) -> int:
    fx = facts["fx"]
    return -(-pico_usd * fx["eur_num"] // (fx["usd_den"] * 1000))


def _cost(expected: dict[str, Any], facts: dict[str, Any]) -> list[str]:
    """Compute the cost again, from the entry alone."""
    wrong = []
    price, usage = facts.get("price"), facts["usage"]
    stated = facts.get("stated_nano_eur")
    if "stated_usd" in expected and "fx" in facts:
        whole, _, part = expected["stated_usd"].partition(".")
        amount = _nano_eur(int(whole) * PICO + int(part.ljust(12, "0")), facts)
        if stated is None or abs(stated - amount) > 1:
            wrong.append(f"stated: {stated} is not {amount}")
    if facts["cost_state"] in ("provider_reported", "provider_stated") and price and usage:
        pico_usd = sum(
            count * next((price[kind] for kind in _PRICED[name] if kind in price), 0)
            for name, count in usage.items()
            if name in _PRICED
        )
        computed = _nano_eur(pico_usd, facts)
        if facts.get("computed_nano_eur", computed) != computed:
            wrong.append(f"computed: {facts['computed_nano_eur']} is not {computed}")
        if facts["cost_nano_eur"] != max(computed, stated or 0):
            wrong.append(f"cost: {facts['cost_nano_eur']} is not the larger of {computed} and {stated}")
    return wrong


def _answered(
    recording: Recording, expected: dict[str, Any], received: Received, closed: Entry,
    sealed: dict[str, Any], pseudonym: str,
) -> list[str]:  # fmt: skip
    wrong = []
    if (received.status, received.clean) != (200, True):
        wrong.append(f"answered, with status {received.status} and {'a' if received.clean else 'no'} clean end")
    if received.body.removeprefix(b"\xef\xbb\xbf") not in _whole_bodies(recording, expected):
        wrong.append(f"the client got {received.body!r}")
    if sealed.get("answer") != received.body.decode("utf-8", "replace"):
        wrong.append("the answer in the ledger is not what was sent")
    for number, arguments in enumerate(expected.get("arguments", [])):
        if (found := sealed.get(f"tool_call_{number}", {}).get("arguments")) != arguments:
            wrong.append(f"arguments of call {number}: {found!r} are not {arguments!r}")
    for usage in recording.usages[-1:]:
        if not _holds(sealed.get("usage") or sealed.get("answer"), usage):
            wrong.append(f"the usage as received is not in the ledger: {sealed.get('usage')!r}")
    ref = pseudonym if recording.response_id else None
    if closed.facts.get("response_ref") != ref:
        wrong.append("response_ref is not of the id of the answer")
    return wrong


def _whole_bodies(recording: Recording, expected: dict[str, Any]) -> list[bytes]:
    """What a client may get of a complete answer."""
    if not recording.streamed:
        return [recording.body.removeprefix(b"\xef\xbb\xbf")]
    options = expected.get("stream", {})
    bodies = []
    for option in options if isinstance(options, list) else [options]:
        kept = [one for number, one in enumerate(recording.events) if number not in option.get("without", [])]
        bodies.append(b"".join(kept).removeprefix(b"\xef\xbb\xbf"))
    return bodies


def _withheld(recording: Recording, expected: dict[str, Any], received: Received) -> list[str]:
    wrong = []
    streamed, told = received.status == 200, received.body
    if not admits(expected.get("status", received.status), received.status):
        wrong.append(f"status: {received.status} is not {expected['status']}")
    if not streamed and received.status < 400:
        wrong.append(f"status {received.status} for what was withheld")
    if streamed:
        if received.clean:
            wrong.append("withheld, and the body has a clean end")
        rest = _rest(recording, expected.get("stream", {}).get("at_most", 0), received.body)
        if rest is None:
            return [*wrong, f"the client got {received.body!r}"]
        told = rest
    said = told.decode("utf-8", "replace")
    texts = [recording.wire[name] for name in ("error",) if name in recording.wire] + recording.wire.get("also", [])
    wrong += [f"the client was not told {text!r}" for text in texts if text not in said]
    return [*wrong, *_error(said, streamed=streamed)]


def _rest(recording: Recording, most: int, body: bytes) -> bytes | None:
    """Return what follows the events that were sent, None when these are others than the first."""
    rest = None
    for count in range(min(most, len(recording.events)) + 1):
        sent = b"".join(recording.events[:count])
        if body.startswith(sent):
            rest = body[len(sent) :]
    return rest


def _error(text: str, *, streamed: bool) -> list[str]:
    """Say what is wrong with the error that a client gets."""
    if not streamed:
        return [] if isinstance(_parsed(text).get("error"), dict) else [f"no error in {text!r}"]
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    data = [line.removeprefix("data:") for line in lines if line.startswith("data:")]
    if any(one.strip() == "[DONE]" for one in data):
        return ["what was withheld ends like what is whole"]
    objects = [_parsed(one) for one in data]
    if len(objects) > 2 or not any(objects):
        return [f"after what was sent comes {text!r}"]
    return [] if any("error" in one for one in objects) else [f"no error in {text!r}"]


def _parsed(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _holds(sealed: Any, usage: dict[str, Any]) -> bool:
    """Tell whether a sealed value is, or has in it, this object."""
    if isinstance(sealed, str):
        try:
            return _holds(json.loads(sealed), usage)
        except ValueError:
            return False
    if isinstance(sealed, list):
        return any(_holds(one, usage) for one in sealed)
    return isinstance(sealed, dict) and (sealed == usage or any(_holds(one, usage) for one in sealed.values()))
