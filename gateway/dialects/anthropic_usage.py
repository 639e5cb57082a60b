"""What an answer in the messages format says that it used.

Input, cache reads and cache writes are counted apart. Where the provider made several passes (`iterations`), the plain
counters may leave some out and may even fall: then the passes are summed, by model. Source: 756 recorded answers.
"""

from collections.abc import Mapping
from typing import Any

from gateway.dialects.openai_usage import count_of
from gateway.pricing.money import Reported, Usage


def read_usage(usage: Mapping[str, Any]) -> Reported | None:
    """Return what a usage object says, or None when it has no count of input and output: missing is not zero."""
    if not _is_counted(usage):
        return None
    said: list[str] = []
    passes = usage.get("iterations")
    parts = [one for one in passes if _is_counted(one)] if isinstance(passes, list) else []
    own = [one for one in parts if not _other_model(one)]
    others = tuple((str(one["model"]), _counted(one, said)) for one in parts if _other_model(one))
    total, plain_said = _summed([_counted(one, said) for one in own]), list[str]()
    plain = _counted(usage, plain_said)
    if not parts or _size(total) + sum(_size(one) for _, one in others) < _size(plain):
        said += ["its passes come to less than its counts, which are taken"] if parts else []
        said += plain_said
        total = plain
    searches = _searches(usage)
    if searches:
        total = total._replace(others=(*total.others, ("web_search", searches)))
    return Reported(total, tuple(dict.fromkeys(said)), by_others=others)


def _is_counted(one: Any) -> bool:
    return isinstance(one, dict) and None not in map(count_of, (one.get("input_tokens"), one.get("output_tokens")))


def _size(usage: Usage) -> int:
    return usage.all_input + usage.output


def _other_model(one: Mapping[str, Any]) -> bool:
    """Advisors and fallbacks name their model; the passes of the model that was asked do not."""
    return isinstance(one.get("model"), str) and one.get("type") not in (None, "message")


def _counted(usage: Mapping[str, Any], said: list[str]) -> Usage:
    def count(name: str) -> int:
        return count_of(usage.get(name)) or 0

    written, split = count("cache_creation_input_tokens"), usage.get("cache_creation")
    lives = split if isinstance(split, dict) else {}
    short, long = (count_of(lives.get(f"ephemeral_{life}_input_tokens")) or 0 for life in ("5m", "1h"))
    rest = written - short - long
    if rest > 0:
        said.append(f"of {written} tokens written to the cache {rest} have no lifetime; they are charged as for 1 hour")
        long += rest
    if rest < 0:
        said.append(f"{short + long} tokens with a lifetime are part of {written} written to the cache")
    details = usage.get("output_tokens_details")
    thinking = count_of(details.get("thinking_tokens")) or 0 if isinstance(details, dict) else 0
    output = count("output_tokens")
    return Usage(
        input=count("input_tokens"), cached=count("cache_read_input_tokens"), cache_write=short,
        output=output, reasoning=min(thinking, output), others=(("cache_write_1h", long),) if long else (),
    )  # fmt: skip


def _summed(parts: list[Usage]) -> Usage:
    main = {name: sum(getattr(one, name) for one in parts) for name in Usage._fields if name != "others"}
    long = sum(count for one in parts for _, count in one.others)
    return Usage(**main, others=(("cache_write_1h", long),) if long else ())


def _searches(usage: Mapping[str, Any]) -> int:
    run = usage.get("server_tool_use")
    return count_of(run.get("web_search_requests")) or 0 if isinstance(run, dict) else 0
