"""Policies: of which calls, under which conditions, with which effect. A closed set of each."""

from importlib.util import find_spec
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from gateway.configuration.fields import Names, Section, Texts, one_or_several
from gateway.configuration.tools import Effect

Score = Annotated[float, Field(gt=0, le=1)]
ToolEffects = Annotated[tuple[Effect, ...], BeforeValidator(one_or_several)]


class When(Section):
    """What must all hold of a request."""

    hidden_in_data: Score | None = None
    """Results of tools or documents score as high as this for hidden instructions, 0 to 1."""
    hidden_in_words: Score | None = None
    """The last turn of a person does."""
    credentials: bool | None = None
    """The last turn of a person, or data, holds a key, a token or a password; or none does."""
    personal_data: Texts = ()
    """One of these kinds stands there: `iban`, `payment_card`, `email_address` and so on, or `any`."""
    data: bool | None = None
    """It holds results of tools or documents; or none."""
    may: ToolEffects = ()
    """Its workflow has a tool with one of these effects."""
    about_person: bool | None = None
    """It names a subject; or none."""
    input_above: int | None = Field(default=None, ge=1)
    """Its input may be longer than so many tokens."""

    @model_validator(mode="after")
    def _something_that_runs_here(self) -> "When":
        if self == When.model_construct():
            raise ValueError("names no condition; `data: true` is one")
        needed = {"numpy": self.hidden_in_data or self.hidden_in_words, "stdnum": self.personal_data}
        if missing := [name for name, asked in needed.items() if asked and find_spec(name) is None]:
            raise ValueError(f"needs {' and '.join(missing)}: pip install 'whyledger[screening]'")
        if self.personal_data:
            from classifiers.personal_data.found import kinds

            if unknown := sorted({*self.personal_data} - kinds() - {"any"}):
                raise ValueError(f"personal_data has {', '.join(unknown)}; it takes any, {', '.join(sorted(kinds()))}")
        return self


class Policy(Section):
    """What becomes of a call under conditions."""

    when: When
    """All of it must hold."""
    effect: Literal["flag", "hold", "deny"]
    """The call goes on with a flag on record; it waits for a person before anything is sent; or it is refused."""
    workflows: Names = ()
    """Whose calls; all if left out."""
    environments: Names = ()
    """Where; everywhere if left out."""
    routes: Names = ()
    """Which intents; all if left out."""
    shadow: bool = False
    """It is recorded what would have become of the call, and nothing becomes of it."""
    says: str = Field(default="", max_length=300)
    """What people read of it."""
