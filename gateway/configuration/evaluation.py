"""What the configuration says of live evaluation: what is sampled, and by what it is scored."""

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from gateway.configuration.fields import Amount, JsonSchema, Listed, Name, Names, Section

Component = Literal["retrieval", "tool_selection", "policy", "answer"]
COMPONENTS: tuple[str, ...] = get_args(Component)
Mark = Annotated[str, Field(min_length=1, max_length=10)]
Word = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]


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
    json_schema: JsonSchema | None = None
    marks: Annotated[tuple[Mark, Mark], Listed] = ("[", "]")
    """Of citations: what stands before and after one; what is between them must stand in the prompt."""
    tools: Names = ()
    words: Annotated[tuple[Word, ...], Listed] = ()

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
