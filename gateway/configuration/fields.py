"""Fields that sections of the configuration share: names, amounts, lists that may be written as one value."""

from collections.abc import Collection, Iterator
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

OutcomeName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}$")]
ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9/@][A-Za-z0-9@._:/+-]{0,199}$")]
"""As providers write them: `@cf/meta/llama-3.1-8b-instruct`, `/models/llama.gguf`."""


def _decimal(value: Any) -> Any:
    """Take YAML numbers by their text: 15.10 means 15.10, not the nearest double."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return value
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise ValueError(
            f"{value!r} is no number: write it with a point and without separators, like 1250.50"
        ) from None


def one_or_several(value: Any) -> Any:
    """Take one text where several may stand."""
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


Amount = Annotated[Decimal, BeforeValidator(_decimal), Field(ge=0, le=1_000_000, decimal_places=9)]


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Cosine = Annotated[float, Field(ge=0.75, le=1)]
Listed = BeforeValidator(_listed)
"""YAML has lists, frozen sections have tuples."""
Names = Annotated[tuple[Name, ...], BeforeValidator(one_or_several)]
ModelNames = Annotated[tuple[ModelName, ...], BeforeValidator(one_or_several)]
Granted = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._:/-]{0,99}\*?$")]
"""A tool by its name, or all whose names begin so: `mcp__*`."""
GrantedTools = Annotated[tuple[Granted, ...], BeforeValidator(one_or_several)]
Texts = Annotated[tuple[str, ...], BeforeValidator(one_or_several)]


def _schema(value: dict[str, Any]) -> dict[str, Any]:
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(value)
    except SchemaError as error:
        raise ValueError(f"is no JSON Schema: {error.message[:200]}") from None
    if any(not str(one).startswith("#") for one in _stands_under(value, ("$ref", "$dynamicRef"))):
        raise ValueError("refers to something outside itself; put it under $defs")
    # jsonschema 4.26.0 takes such a schema, and raises an error of its own inside only when it comes to the reference.
    if lost := next((one for one in _stands_under(value, ("$ref",)) if not _leads_somewhere(value, str(one))), None):
        raise ValueError(f"refers to {lost}, which is not in it")
    patterns = any(isinstance(one, str) for one in _stands_under(value, ("pattern",)))
    if patterns or any(True for _ in _stands_under(value, ("patternProperties",))):
        raise ValueError("has a pattern, which a text that a model writes could keep busy for ever; use enum")
    return value


def _leads_somewhere(schema: Any, pointer: str) -> bool:
    for step in pointer.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(schema, dict) or name not in schema:
            return False
        schema = schema[name]
    return pointer == "#" or pointer.startswith("#/")


def _stands_under(value: Any, names: Collection[str]) -> Iterator[Any]:
    """Yield what stands under a name in a schema, wherever that is."""
    if isinstance(value, dict):
        yield from (one for name, one in value.items() if name in names)
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _stands_under(one, names)


JsonSchema = Annotated[dict[str, Any], AfterValidator(_schema)]
"""Draft 2020-12, without patterns and without references to somewhere else."""


class Section(BaseModel):
    """Base of every section: frozen, no unknown keys, no coercion between types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


DialectName = Literal[
    "openai.chat", "openai.responses", "openai.embeddings", "openai.completions", "anthropic.messages", "gemini"
]  # fmt: skip
DialectNames = Annotated[tuple[DialectName, ...], BeforeValidator(one_or_several)]
