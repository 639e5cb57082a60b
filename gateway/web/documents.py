"""What the own API answers, as the OpenAPI document says it."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from reports.ports import Integrity
from reports.why.cited import CitedEntry
from reports.why.questions import Answered
from reports.why.sentences import Sentence
from reports.why.subject import AboutSubject

PROBLEM = "application/problem+json"


class Problem(BaseModel):
    """RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class Overridden(BaseModel):
    """The entry of an override, and where to read on."""

    override: str
    why: str


class Stopped(BaseModel):
    """What was stopped, or is stopped no more."""

    scope: str


class Model(BaseModel):
    """An intent, in the words of the OpenAI API."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class Models(BaseModel):
    """The intents of the configuration in force."""

    object: Literal["list"]
    data: list[Model]


class AnthropicModel(BaseModel):
    """An intent, in the words of Anthropic's API."""

    type: Literal["model"]
    id: str
    display_name: str
    created_at: str
    lifecycle: Literal["active"]


class AnthropicModels(BaseModel):
    """All of them: there is one page."""

    data: list[AnthropicModel]
    has_more: Literal[False]
    first_id: str | None
    last_id: str | None


class GeminiModel(BaseModel):
    """An intent, in the words of Gemini's API."""

    name: str
    displayName: str  # noqa: N815 - theirs
    supportedGenerationMethods: list[str]  # noqa: N815


class GeminiModels(BaseModel):
    """All of them: there is one page."""

    models: list[GeminiModel]


class Ready(BaseModel):
    """This process takes calls, by the rules of this generation."""

    ready: bool
    generation: int
    minimisation: dict[str, Any]
    """What was tried with made-up values and replaced wherever a text can stand: `kinds`, and `lists` with how many
    terms each has."""


class Level(BaseModel):
    """Who approved on one level; where nobody did, `said` says so."""

    people: list[dict[str, str]]
    said: str


class Why(BaseModel):
    """`whyledger.why/1`."""

    schema_: str = Field(alias="schema")
    boundary: str
    ref: str
    kind: Literal["call", "response", "request", "task", "subject"]
    as_of_seq: int
    verdict: Sentence
    headline: str
    narrative: list[Sentence]
    timeline: list[dict[str, Any]]
    approvals: dict[str, Level]
    decisions: list[dict[str, str]]
    questions: list[Answered]
    unknown: list[str]
    integrity: Integrity
    calls: list[dict[str, Any]]
    told: list[dict[str, Any]]
    subject: AboutSubject | None
    page: int
    pages: int


class CitedEntries(BaseModel):
    """`whyledger.entry/1`: entries that a citation or an id names."""

    schema_: str = Field(alias="schema")
    ref: str
    kind: Literal["entry", "key", "configuration", "pack", "workflow", "prompt", "incident", "alert", "hold"]
    as_of_seq: int
    headline: str
    facts: list[dict[str, Any]]
    entries: list[CitedEntry]
    integrity: Integrity


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the description of these statuses for a route; `gateway.web.openapi` adds the schema they refer to."""
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": "problem", "content": content} for status in statuses}


def also(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """Return the description of an answer that is given in these forms too, beside JSON."""
    return {200: {"content": dict.fromkeys(media_types, {"schema": {}})}}
