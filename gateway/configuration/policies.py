"""Policies: of which calls, under which conditions, with which effect. A closed set of each."""

import hashlib
from functools import cached_property
from importlib.util import find_spec
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from gateway.configuration.fields import Names, Section, Texts, one_or_several
from gateway.configuration.tools import Effect, Host

Score = Annotated[float, Field(gt=0, le=1)]
Hosts = Annotated[tuple[Host, ...], BeforeValidator(one_or_several)]
ToolEffects = Annotated[tuple[Effect, ...], BeforeValidator(one_or_several)]


class When(Section):
    """What must all hold of a request."""

    hidden_in_data: Score | None = None
    """Results of tools or documents score as high as this for hidden instructions, 0 to 1."""
    hidden_in_words: Score | None = None
    """What a person has said since the model last spoke does."""
    credentials: bool | None = None
    """The words of a person, or data, hold a key, a token or a password; or none does."""
    personal_data: Texts = ()
    """One of these kinds stands there: `iban`, `payment_card`, `email_address` and so on, or `any`."""
    data: bool | None = None
    """It holds results of tools or documents; or none."""
    may: ToolEffects = ()
    """Its workflow has a tool with one of these effects."""
    about_person: bool | None = None
    """It names a subject; or none."""
    rule_of_two: bool | None = None
    """All three come together in its task: data that nobody here wrote, something that is not for everybody (a tool
    that reads, or a subject), and a tool that acts; or not all three. Without a task it is the call alone."""
    input_above: int | None = Field(default=None, ge=1)
    """Its input may be longer than so many tokens."""

    @model_validator(mode="after")
    def _something_that_runs_here(self) -> "When":
        if self == When.model_construct():
            raise ValueError("names no condition; `data: true` is one")
        if self.hidden_in_data or self.hidden_in_words:
            _require("numpy")
        _require_kinds(self.personal_data)
        return self


def _require_kinds(names: tuple[str, ...]) -> None:
    """Refuse kinds of personal data that nothing finds."""
    if names:
        from classifiers.personal_data.found import kinds

        if unknown := sorted({*names} - kinds() - {"any"}):
            raise ValueError(f"personal_data has {', '.join(unknown)}; it takes any, {', '.join(sorted(kinds()))}")


def _require(module: str) -> None:
    """Refuse what nobody could look for: no check is skipped."""
    if find_spec(module) is None:
        raise ValueError(f"needs {module}: pip install 'whyledger[screening]'")


class Says(Section):
    """What must all hold of a text of an answer."""

    links_beside: Hosts | None = None
    """It has an address that carries something to a host that is none of these, of which `[]` is all;
    `*.firm.example` is every host below one."""
    credentials: bool = False
    """It holds a key, a token or a password."""
    personal_data: Texts = ()
    """It holds one of these kinds, or `any`, that does not stand in the request."""
    system_text: bool = False
    """It repeats twelve words in a row of the system text."""

    @model_validator(mode="after")
    def _something_that_runs_here(self) -> "Says":
        if self == Says.model_construct():
            raise ValueError("names no condition; `credentials: true` is one")
        _require_kinds(self.personal_data)
        return self


class Replaces(Section):
    """What is replaced by placeholders in a request before a provider gets it."""

    credentials: bool = False
    """Keys, tokens and passwords."""
    personal_data: Texts = ()
    """These kinds, or `any`."""
    terms: Names = ()
    """What stands in these lists: `customers` is the file `dictionaries/customers.txt` of the installation."""
    keeps: Texts = ()
    """Values that stay as they are: `support@firm.example`, `*@firm.example`."""
    restores: bool = True
    """The answer has the values again where it has placeholders."""

    @model_validator(mode="after")
    def _something_that_runs_here(self) -> "Replaces":
        if not (self.credentials or self.personal_data or self.terms):
            raise ValueError("names nothing; `credentials: true` is something")
        _require_kinds(self.personal_data)
        return self


class Policy(Section):
    """What becomes of a call under conditions on its request, or on its answer."""

    when: When | None = None
    """What must hold of the request."""
    says_that: Says | None = None
    """Or what must hold of the answer."""
    replaces: Replaces | None = None
    """Or what is replaced in the request."""
    effect: Literal["flag", "hold", "deny", "redact"]
    """The call goes on with a flag on record; it waits for a person before anything is sent; it is refused, and an
    answer withheld; or what is found is replaced (`redact`)."""
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

    @cached_property
    def version(self) -> str:
        """Return twelve digits of the SHA-256 of its JSON: what entries name it by."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]

    @model_validator(mode="after")
    def _of_one(self) -> "Policy":
        if sum(one is not None for one in (self.when, self.says_that, self.replaces)) != 1:
            raise ValueError("takes `when` (of the request), `says_that` (of the answer) or `replaces`, one of them")
        if (self.replaces is not None) != (self.effect == "redact"):
            raise ValueError("`replaces` has the effect `redact`, and nothing else has it")
        if self.says_that is not None and self.effect == "hold":
            raise ValueError("an answer is flagged or withheld (`deny`); a person is asked about tools: `approval`")
        return self
