"""What the configuration says of live evaluation: what is sampled, and by what it is scored."""

from collections.abc import Collection, Iterator
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from gateway.configuration.fields import Amount, Listed, Name, Names, Section

Component = Literal["retrieval", "tool_selection", "policy", "answer"]
COMPONENTS: tuple[str, ...] = get_args(Component)
Mark = Annotated[str, Field(min_length=1, max_length=10)]
Word = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]


def _named(value: Any, names: Collection[str]) -> Iterator[Any]:
    """Yield what stands under a name in a schema, wherever that is."""
    if isinstance(value, dict):
        yield from (one for name, one in value.items() if name in names)
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _named(one, names)


class Evaluator(Section):
    """One failure mode of one component, scored Correct, Partial or Incorrect."""

    name: Name
    workflow: Name
    component: Component
    kind: Literal["judge", "json_schema", "citation", "expected_tools", "forbidden_words"]
    question: str = Field(default="", max_length=2000)
    """Of a judge: what it has to decide, one failure mode."""
    route: Name | None = None
    """Of a judge: the intent by which it is asked."""
    json_schema: dict[str, Any] | None = None
    marks: Annotated[tuple[Mark, Mark], Listed] = ("[", "]")
    """Of citations: what stands before and after one; what is between them must stand in the prompt."""
    tools: Names = ()
    words: Annotated[tuple[Word, ...], Listed] = ()

    @field_validator("json_schema")
    @classmethod
    def _schema(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        from jsonschema import Draft202012Validator, SchemaError

        try:
            Draft202012Validator.check_schema(value or {})
        except SchemaError as error:
            raise ValueError(f"is no JSON Schema: {error.message[:200]}") from None
        if any(not str(one).startswith("#") for one in _named(value, ("$ref", "$dynamicRef"))):
            raise ValueError("refers to something outside itself; put it under $defs")
        patterns = any(isinstance(one, str) for one in _named(value, ("pattern",)))
        if patterns or any(True for _ in _named(value, ("patternProperties",))):
            raise ValueError("has a pattern, which a text that a model writes could keep busy for ever; use enum")
        return value

    @model_validator(mode="after")
    def _complete(self) -> "Evaluator":
        needed = {
            "judge": bool(self.question and self.route), "json_schema": self.json_schema is not None,
            "expected_tools": bool(self.tools), "forbidden_words": bool(self.words), "citation": True,
        }  # fmt: skip
        if not needed[self.kind]:
            raise ValueError(f"evaluator {self.name}: {self.kind} needs {_NEEDS[self.kind]}")
        return self


_NEEDS = {
    "judge": "question and route",
    "json_schema": "json_schema",
    "expected_tools": "tools",
    "forbidden_words": "words",
}


class Evaluation(Section):
    """Which calls of production are scored, by what, and with whose key judges are asked."""

    enabled: bool = True
    rate: Amount = Field(default="0.05", ge=0, le=1, validate_default=True)
    """Of the calls of each workflow and component; 0.05 to 0.10 is usual."""
    expensive: Amount | None = None
    """EUR from which a call is always scored."""
    environments: Names = ("prod",)
    """Whose calls are sampled."""
    key: str | None = Field(default=None, pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$")
    """A gateway key of an environment that is not sampled, with a cap of its own: by it judges are asked."""
    evaluators: Annotated[tuple[Evaluator, ...], Listed] = ()

    @model_validator(mode="after")
    def _consistent(self) -> "Evaluation":
        names = [one.name for one in self.evaluators]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"evaluators listed twice: {', '.join(twice)}")
        if self.key is None and any(one.kind == "judge" for one in self.evaluators):
            raise ValueError("a judge is asked with a gateway key of its own: key: env:NAME")
        return self
