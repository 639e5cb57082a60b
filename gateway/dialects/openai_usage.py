"""What a provider says that a call used and cost, read from a `usage` object of the chat-completions format.

Where each provider puts what it counted is data (`openai_usage.yaml`). Counts that contradict one another are kept: the
dearer reading is charged and the contradiction named.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

from ruamel.yaml import YAML

from gateway.pricing.money import Reported, Usage

MOST = 10**8
"""Nobody counts more than this in one call."""
MOST_USD = Decimal(1_000_000)


@cache
def _homes() -> dict[str, tuple[tuple[tuple[str, ...], Decimal], ...]]:
    text = resources.files("gateway.dialects").joinpath("openai_usage.yaml").read_text("utf-8")
    data = YAML(typ="safe", pure=True).load(text)
    return {
        kind: tuple((tuple(one["path"].split(".")), Decimal(one.get("per_usd", 1))) for one in places)
        for kind, places in data.items()
    }


def is_usage(value: Any) -> bool:
    """Tell whether this is a `usage` object with the two counts that each has."""
    return (
        isinstance(value, dict)
        and count_of(value.get("prompt_tokens")) is not None
        and count_of(value.get("completion_tokens")) is not None
    )


def count_of(value: Any) -> int | None:
    """Return a count, also one written as a float; None when it is none."""
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value < MOST else None


def read_usage(value: Any, answer: Mapping[str, Any], *, choices: int = 1) -> Reported | None:
    """Return what a `usage` object says, or None when it is absent or malformed: missing is not zero.

    Args:
        answer: the whole that it stands in.
        choices: how many answers there are.
    """
    if not is_usage(value):
        return None
    said: list[str] = []
    prompt, output = count_of(value["prompt_tokens"]) or 0, count_of(value["completion_tokens"]) or 0
    if choices == 1 and "cost" not in answer and _is_plain(value, prompt + output):
        return Reported(Usage(input=prompt, output=output))
    found = {kind: _count(kind, value, said) for kind in _homes() if kind != "stated"}
    prompt, output = _with_total(value, prompt, output, found, said)
    if 0 < output < choices:
        said.append(f"{output} tokens of output for {choices} choices")
    usage = _disjoint(prompt, output, found, said)
    return Reported(usage, tuple(said), stated_usd(value, answer))


def _is_plain(value: Mapping[str, Any], total: int) -> bool:
    """Tell whether there is nothing but the three counts, which agree: most usage is so, and is read for every call."""
    if not value.keys() <= _PLAIN or value.get("total_tokens", total) != total:
        return False
    details = (value.get("prompt_tokens_details"), value.get("completion_tokens_details"))
    return all([not one or (isinstance(one, dict) and not any(one.values())) for one in details])


_PLAIN = frozenset(
    {"prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details"}
)


def _with_total(
    value: Mapping[str, Any], prompt: int, output: int, found: dict[str, int], said: list[str]
) -> tuple[int, int]:
    """Return prompt and output with what only the total counts: audio beside the prompt, else reasoning."""
    total = count_of(value.get("total_tokens"))
    if total is None:
        return prompt, output
    gap = total - prompt - output
    if gap < 0:
        said.append(f"a total of {total} is less than {prompt} and {output}")
    elif gap and gap != found["reasoning"] and any(n == gap for name, n in _leaves(value) if "audio" in name):
        found["audio_input"] = gap
        prompt += gap
    elif gap > 0:
        output += gap
    return prompt, output


def _disjoint(prompt: int, output: int, found: Mapping[str, int], said: list[str]) -> Usage:
    """Part the counts, which providers give as parts of `prompt_tokens` and `completion_tokens`."""
    audio_cached = min(found["audio_cached"], found["audio_input"], found["cached"])
    parts = {
        "cached": found["cached"] - audio_cached, "cache_write": found["cache_write"], "audio_cached": audio_cached,
        "audio_input": found["audio_input"] - audio_cached, "image_input": found["image_input"],
    }  # fmt: skip
    rest = prompt - sum(parts.values())
    if rest < 0:
        said.append(f"{sum(parts.values())} tokens are parts of a prompt of {prompt}")
        rest = prompt  # as if they stood beside it, which is the dearer reading
    outputs = {kind: found[kind] for kind in ("audio_output", "image_output")}
    text = output - sum(outputs.values())
    if text < 0 or found["reasoning"] > output:
        said.append(f"{max(sum(outputs.values()), found['reasoning'])} tokens are parts of an output of {output}")
        text = max(output, found["reasoning"])
    rare = {kind: parts[kind] for kind in ("audio_input", "audio_cached", "image_input")} | outputs
    rare |= {kind: found[kind] for kind in ("citation", "web_search")}
    return Usage(
        input=rest, cached=parts["cached"], cache_write=parts["cache_write"], output=text,
        reasoning=min(found["reasoning"], text), others=tuple((kind, n) for kind, n in rare.items() if n),
    )  # fmt: skip


def _count(kind: str, value: Mapping[str, Any], said: list[str]) -> int:
    counts = {n for path, _ in _homes()[kind] if (n := count_of(_at(value, path))) is not None}
    if len(counts) > 1:
        said.append(f"{kind} is {' and '.join(map(str, sorted(counts)))}")
    return min(counts, default=0) if kind == "cached" else max(counts, default=0)


def stated_usd(value: Any, answer: Mapping[str, Any]) -> Decimal | None:
    """Return what the provider says the call cost, in USD, exactly as written."""
    for path, per_usd in _homes()["stated"]:
        whole = path[0].startswith("/")
        found = _at(answer, (path[0][1:], *path[1:])) if whole else _at(value, path)
        if type(found) in (int, float):
            amount = Decimal(repr(found)) / per_usd
            if 0 <= amount <= MOST_USD:
                return amount
    return None


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _leaves(value: Mapping[str, Any]) -> Iterator[tuple[str, int | None]]:
    for name, one in value.items():
        if isinstance(one, dict):
            yield from _leaves(one)
        else:
            yield name, count_of(one)


def summed(readings: list[Reported]) -> Reported:
    """Return what several usage objects, one for each choice, come to together."""
    kinds: dict[str, int] = {}
    for one in readings:
        for kind, count in one.usage.others:
            kinds[kind] = kinds.get(kind, 0) + count
    names = ("input", "cached", "cache_write", "output", "reasoning")
    main = {name: sum(getattr(one.usage, name) for one in readings) for name in names}
    stated = [one.stated for one in readings if one.stated is not None]
    said = tuple(text for one in readings for text in one.contradictions)
    return Reported(Usage(**main, others=tuple(kinds.items())), said, sum(stated, Decimal()) if stated else None)
