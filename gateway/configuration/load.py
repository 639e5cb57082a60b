"""From the text of a configuration file to a checked `Configuration`, with the line of every error."""

import fnmatch
import hashlib
import io
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from gateway.configuration.model import Configuration, Provider
from ledger.entry import b64

LATER = {
    "policies", "retention", "anchors", "semantic_cache", "residency", "tier"
}  # fmt: skip


class ConfigurationError(Exception):
    """The file cannot take effect. `problems` has one line per mistake: place, then what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def digest(text: str) -> str:
    """Return the digest by which every call quotes a configuration text."""
    return b64(hashlib.sha256(text.encode()).digest())


@cache
def builtin() -> dict[str, Any]:
    text = resources.files("gateway.configuration").joinpath("builtin.yaml").read_text("utf-8")
    return _plain(_parse(text, "builtin.yaml"))  # type: ignore[no-any-return]


def load(text: str, *, name: str = "configuration") -> Configuration:
    """Parse and check a configuration text.

    Raises:
        ConfigurationError: malformed YAML, duplicate or unknown keys, wrong values; each with its line.
    """
    document = _parse(text, name)
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise ConfigurationError([f"{name}:1: the file must be a mapping that starts with `routes:`"])
    try:
        return Configuration.model_validate(_merge(_plain(document)))
    except ValidationError as error:
        raise ConfigurationError([_problem(name, document, dict(one)) for one in error.errors()]) from error


@lru_cache(maxsize=8)
def loaded(text: str) -> Configuration:
    """Return the configuration of a text that has taken effect; pages and packs ask for the same few."""
    return load(text)


def _parse(text: str, name: str) -> Any:
    yaml = YAML(typ="rt")
    yaml.allow_duplicate_keys = False
    try:
        return yaml.load(io.StringIO(text))
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        reason = (error.problem or str(error)).splitlines()[0]
        raise ConfigurationError([f"{name}:{line}: {reason}"]) from error
    except YAMLError as error:
        raise ConfigurationError([f"{name}:1: {error}"]) from error


def plain(text: str, *, name: str) -> Any:
    """Return what a YAML text holds, as plain values.

    Raises:
        ConfigurationError: malformed YAML or duplicate keys, with the line.
    """
    return _plain(_parse(text, name))


def _plain(node: Any) -> Any:
    """Turn round-trip YAML nodes into plain values."""
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    if isinstance(node, bool) or node is None:
        return node
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return str(node)


def _merge(document: dict[str, Any]) -> dict[str, Any]:
    """Lay the file over the built-in entries; providers of the file come first, so that their patterns win."""
    base = builtin()
    merged = dict(document)
    for section in ("providers", "aliases", "environments"):
        given = document.get(section, {})
        if isinstance(given, dict):
            merged[section] = given | {key: value for key, value in base[section].items() if key not in given}
    merged.setdefault("fx", base["fx"])
    return merged


def _problem(name: str, document: Any, error: dict[str, Any]) -> str:
    node, line = document, 1
    for key in error["loc"]:
        try:
            line = node.lc.data[key][0] + 1
            node = node[key]
        except (AttributeError, KeyError, IndexError, TypeError):
            break
    place = ".".join(str(part) for part in error["loc"]) or "file"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        last = str(error["loc"][-1])
        message = "not available in this version" if last in LATER else "unknown key; check its spelling"
    return f"{name}:{line}: {place}: {message}"


def provider_of(configuration: Configuration, model: str) -> tuple[str, Provider] | None:
    """Return the first provider whose patterns take this model name, in the order of the file."""
    for name, provider in configuration.providers.items():
        if any(fnmatch.fnmatchcase(model, pattern) for pattern in provider.models):
            return name, provider
    return None
