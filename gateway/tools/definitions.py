"""Whether the tools that a request defines are the ones that somebody has looked at. Pure.

A description is an instruction to the model: whoever changes it changes what the model does. So a definition can be
pinned by its digest, which is the same in the OpenAI and Anthropic formats.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.tools.rules import Rules, rule_of
from ledger.canonical import canonicalize

_DECLARATIONS = ("functionDeclarations", "function_declarations")
_SCHEMAS = ("parameters", "input_schema", "parametersJsonSchema", "parameters_json_schema")
_SAYS_NOTHING = ("type", "strict", "cache_control")
"""Members of a definition that tell the model nothing."""


def changed_in(fields: Mapping[str, Any], asked: Sequence[str], rules: Rules) -> list[tuple[str, str]]:
    """Return name and digest of each tool whose definition is pinned to another digest.

    Args:
        asked: names of all tools that the request asks for; of one that has no definition in it the digest is empty.
    """
    defined = [(name, digest_of(one)) for name, one in definitions_in(fields) if _pins(name, rules)]
    lacking = [(name, "") for name in asked if _pins(name, rules) and name not in dict(defined)]
    return [(name, digest) for name, digest in defined if digest not in _pins(name, rules)] + lacking


def _pins(name: str, rules: Rules) -> Sequence[str]:
    rule = rule_of(name, rules)
    return rule.definition if rule else ()


def definitions_in(fields: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield name and definition of each function that a request of any format defines."""
    for member in ("tools", "functions"):
        yield from _in_tools(fields.get(member))


def _in_tools(tools: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for tool in tools if isinstance(tools, list) else [tools]:
        if isinstance(tool, dict):
            kind = tool.get("type")
            inner = tool.get(kind) if isinstance(kind, str) else None
            for definition in (inner, tool):  # some readers take the one, some the other
                if isinstance(definition, dict) and isinstance(definition.get("name"), str):
                    yield definition["name"], definition
            for member in ("tools", *_DECLARATIONS):  # a namespace of tools, declarations of Gemini
                yield from _in_tools(tool.get(member))


def digest_of(definition: Mapping[str, Any]) -> str:
    """Return `sha256:` and the digest of all that a definition tells the model, canonical as RFC 8785 says.

    Its schema counts as `parameters` by whatever name; empty where it cannot be written so, which no pin equals.
    """
    told = {name: value for name, value in definition.items() if name not in (*_SAYS_NOTHING, *_SCHEMAS)}
    schema: Any = next((definition[name] for name in _SCHEMAS if name in definition), {})
    try:
        return f"sha256:{hashlib.sha256(canonicalize(told | {'parameters': schema})).hexdigest()}"
    except (ValueError, TypeError):
        return ""
