"""What models are known to refuse, as data (`capabilities.yaml`)."""

import fnmatch
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib import resources
from typing import Any, NamedTuple

from ruamel.yaml import YAML


class _Known(NamedTuple):
    refuses: frozenset[str]
    unless_effort: frozenset[str]


@cache
def _table() -> tuple[tuple[tuple[str, ...], _Known], ...]:
    text = resources.files("gateway.dialects").joinpath("capabilities.yaml").read_text("utf-8")
    return tuple(
        (tuple(one["models"]), _Known(frozenset(one["refuses"]), frozenset(one.get("unless_effort", ()))))
        for one in YAML(typ="safe", pure=True).load(text)
    )


@lru_cache(maxsize=1024)
def _of(model: str) -> _Known | None:
    name = model.rpartition("/")[2]
    fits = (known for patterns, known in _table() if any(fnmatch.fnmatchcase(name, one) for one in patterns))
    return next(fits, None)


def refused_by(model: str, fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the members of a request that a model refuses."""
    known = _of(model)
    if known is None:
        return ()
    reasoning = fields.get("reasoning")
    effort = reasoning.get("effort") if isinstance(reasoning, dict) else fields.get("reasoning_effort")
    if isinstance(effort, str) and effort in known.unless_effort:
        return ()
    return tuple(name for name in fields if name in known.refuses and fields[name] is not None)
