"""What a tool does and with what arguments it may be called."""

from collections.abc import Iterator
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast, get_args

from pydantic import BeforeValidator, Field, model_validator

from gateway.configuration.fields import JsonSchema, Listed, Section, one_or_several

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError

Effect = Literal["read", "write", "money_out", "message_out", "code"]
EFFECTS: tuple[str, ...] = get_args(Effect)
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Digests = Annotated[tuple[Digest, ...], BeforeValidator(one_or_several)]
Host = Annotated[str, Field(pattern=r"^(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$")]
Hosts = Annotated[tuple[Host, ...], BeforeValidator(one_or_several), Field(min_length=1)]
Beginnings = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(one_or_several), Field(min_length=1)
]
Argument = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,99}$")]


def _multiple(validator: Any, step: Any, value: Any, _schema: Any) -> "Iterator[ValidationError]":
    """Judge `multipleOf` by decimals; jsonschema 4.26.0 divides doubles, by which 0.07 is no multiple of 0.01."""
    from jsonschema import ValidationError

    if validator.is_type(value, "number") and Decimal(str(value)) % Decimal(str(step)):
        yield ValidationError(f"is no multiple of {step}")


class ToolRule(Section):
    """A tool whose calls are judged by their arguments before a client sees them."""

    effect: Effect
    """What a call of it does: reads, writes, moves money, sends a message, or runs code."""
    definition: Digests = ()
    """Digests of the definitions that requests may give of it, `sha256:` and 64 digits; any definition if left out. A
    request with another one is refused, with its digest."""
    arguments: JsonSchema | None = None
    """JSON Schema (2020-12) of its arguments, as narrow as this workflow needs; without patterns."""
    hosts: dict[Argument, Hosts] = {}
    """By argument: hosts that addresses in it may name, of the web or of mail; `*.firm.example` for all below one."""
    beginnings: dict[Argument, Beginnings] = {}
    """By argument: what its text must begin with, for example a folder; `..` may not stand in it."""
    said_by_person: Annotated[tuple[Argument, ...], Listed] = ()
    """Arguments whose every text must stand in the system text or in the words of a person, and not only in the result
    of a tool or in a document."""
    approval: Literal["never", "unless_said", "always"] = "never"
    """Whether a call of it waits for a person: never; where it breaks `said_by_person`, which is refused otherwise; or
    always. What breaks another part of the rule is refused in any case."""

    @model_validator(mode="after")
    def _unless_what(self) -> "ToolRule":
        if self.approval == "unless_said" and not self.said_by_person:
            raise ValueError("`approval: unless_said` needs `said_by_person`, which says what must have been said")
        return self

    @property
    def judges(self) -> bool:
        """Whether it says anything of arguments."""
        said = self.hosts or self.beginnings or self.said_by_person or self.approval != "never"
        return self.arguments is not None or bool(said)

    @cached_property
    def validator(self) -> "Draft202012Validator":
        """The schema, ready to be used: every object if there is none. Multiples are exact: 0.07 is one of 0.01."""
        from jsonschema import Draft202012Validator
        from jsonschema.validators import extend

        exact = extend(Draft202012Validator, {"multipleOf": _multiple})  # type: ignore[no-untyped-call]
        return cast("Draft202012Validator", exact(dict(self.arguments or {})))

    @cached_property
    def names(self) -> frozenset[str]:
        """The arguments that the rule says something of."""
        described = (self.arguments or {}).get("properties")
        known = described if isinstance(described, dict) else {}
        return frozenset((*self.hosts, *self.beginnings, *self.said_by_person, *known))

    @cached_property
    def folded_names(self) -> frozenset[str]:
        """The same without regard to case, as some clients read members."""
        return frozenset(map(str.casefold, self.names))
