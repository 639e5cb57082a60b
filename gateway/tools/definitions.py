"""Whether the tools that a request defines are the ones that somebody has looked at. Pure.

A description is an instruction to the model: whoever changes it changes what the model does. So a definition can be
pinned by its digest, which is the same in the OpenAI and Anthropic formats.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.tools.rules import Rules, rule_of
from ledger.canonical import canonicalize

_DECLARATIONS = ("functionDeclarations", "function_declarations")
_SCHEMAS = ("parameters", "input_schema", "parametersJsonSchema", "parameters_json_schema")
_SAYS_NOTHING = ("type", "strict", "cache_control")
"""Members of a definition that tell the model nothing."""


def changed_in(fields: Mapping[str, Any], rules: Rules) -> list[tuple[str, str]]:
    """Return name and digest of each defined tool whose definition is pinned to another digest."""
    found = []
    for name, definition in definitions_in(fields):
        rule = rule_of(name, rules)
        if rule and rule.definition and (digest := digest_of(definition)) not in rule.definition:
            found.append((name, digest))
    return found


def definitions_in(fields: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield name and definition of each function that a request of any format defines."""
    for member in ("tools", "functions"):
        tools = fields.get(member)
        for tool in tools if isinstance(tools, list) else ():
            if isinstance(tool, dict):
                yield from _of_tool(tool)


def _of_tool(tool: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    kind = tool.get("type")
    inner = tool.get(kind) if isinstance(kind, str) else None
    definition = inner if isinstance(inner, dict) else tool
    if isinstance(definition.get("name"), str):
        yield definition["name"], definition
    yield from definitions_in(tool)  # a namespace of tools
    for member in _DECLARATIONS:
        declared = tool.get(member)
        yield from definitions_in({"tools": declared})


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
