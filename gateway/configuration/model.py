"""The shape of the configuration file. Strict: an unknown key, a wrong type or an impossible value is an error.

Amounts are EUR (prices USD per million tokens, as providers publish them); days are those of the organisation's
time zone.
"""

import re
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, field_validator, model_validator

from gateway.configuration.alerts import Alerts
from gateway.configuration.approvals import Approvals
from gateway.configuration.evaluation import Evaluation
from gateway.configuration.fields import (
    Amount,
    Cosine,
    DialectNames,
    Granted,
    GrantedTools,
    Listed,
    ModelName,
    ModelNames,
    Name,
    Names,
    OutcomeName,
    Section,
    Texts,
)
from gateway.configuration.incidents import IncidentRule
from gateway.configuration.outcomes import OutcomeSource, OutcomeType
from gateway.configuration.policies import Policy
from gateway.configuration.tools import ToolRule


class Similar(Section):
    """Answers that may be given again to a similar question. Needs the extra `similarity`."""

    embedding: ModelName
    """The model for embeddings that questions are put to, for example `text-embedding-3-small`; `local` for the one of
    the extra, which needs its files and sends nothing anywhere."""
    mode: Literal["observe", "serve"] = "observe"
    """`observe` records what would have been served and whether the fresh answer agrees; `serve` serves it once enough
    of what was verified agreed, and no longer when it does not."""
    threshold: Cosine = 0.85
    """How alike two questions must be, as a cosine."""
    ttl: int = Field(default=86_400, ge=60, le=259_200)
    """For how many seconds an answer may be given again."""
    verify_percent: int = Field(default=5, ge=1, le=100)
    """The share of what could be served for which the model is asked all the same, to compare."""

    @field_validator("threshold", mode="before")
    @classmethod
    def _float(cls, value: Any) -> Any:
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


class Route(Section):
    """The playbook's routing entry: which models may serve an intent, in what order, for how much a day."""

    intent: Name
    """What callers send as `model`."""
    primary: ModelNames
    """Models in the order in which they are tried."""
    fallback: ModelNames = ()
    """Those that are tried after them."""
    max_retries: int = Field(default=1, ge=0, le=10)
    """How often a model is tried again that failed."""
    cache_ttl: int = Field(default=0, ge=0, le=86_400 * 30)
    """For how many seconds an answer may be given again to the very same request; 0 for never."""
    similar: Similar | None = None
    """Answers that may be given again to a similar question; none if left out."""
    max_budget_daily: Amount | None = None
    """Hard cap of the route in each environment."""
    max_output_tokens: int = Field(default=4096, ge=1, le=1_000_000)
    """The limit of answers whose request names none; a larger one of a request is its own."""
    max_input_tokens: int | None = Field(default=None, ge=1)
    """The most that a request may come to."""
    timeout: float = Field(default=600.0, gt=0, le=3600)
    """Seconds of silence after which a target is given up: models think long, and clients wait for ten minutes."""
    first_byte: float | None = Field(default=None, gt=0, le=3600)
    """The same until an answer begins, where that is another limit."""
    whole_answer: float | None = Field(default=None, gt=0, le=86_400)
    """Seconds for all of an answer; none if left out, as only silence shows that something is wrong."""
    keep_alive: float = Field(default=0.0, ge=0, le=600)
    """After so many seconds without an event a stream carries a comment, so that no load balancer takes it for dead;
    0 for never. Its head is then sent before a model has answered: what fails later is an error event."""
    retry_within: float = Field(default=60.0, ge=0, le=3600)
    """Seconds after which no further attempt begins."""
    step_down_at: int = Field(default=80, ge=1, le=100)
    """The percentage of `max_budget_daily`, spent and reserved, from which on cheaper models are tried first."""
    step_down_to: ModelNames = ()
    """Those models; none if left out. A call that they serve says so."""
    retry_timeouts: bool = False
    """Whether a target that gave no answer in time is asked again, or the next one is: it may have been bought."""
    repeat_window: int = Field(default=120, ge=0, le=3600)
    """For so many seconds a request is not bought again that was charged and whose answer could not be given out."""

    @field_validator("timeout", "first_byte", "whole_answer", "keep_alive", "retry_within", mode="before")
    @classmethod
    def _seconds(cls, value: Any) -> Any:
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @property
    def models(self) -> tuple[str, ...]:
        return (*self.primary, *self.fallback)

    @property
    def every_model(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.models, *self.step_down_to)))

    @model_validator(mode="after")
    def _has_cap(self) -> "Route":
        if self.step_down_to and self.max_budget_daily is None:
            raise ValueError("step_down_to needs max_budget_daily: it is a share of that cap")
        return self


class Price(Section):
    """USD per million tokens. Kinds that are left out cost as the tokens that they are counted with."""

    input: Amount = Field(le=10_000)
    output: Amount = Field(le=10_000)
    cached: Amount | None = Field(default=None, le=10_000)
    cache_write: Amount | None = Field(default=None, le=10_000)
    audio_input: Amount | None = Field(default=None, le=10_000)
    audio_output: Amount | None = Field(default=None, le=10_000)
    reasoning: Amount | None = Field(default=None, le=10_000)
    per_1000_requests: Amount | None = Field(default=None, le=10_000)
    per_1000_web_searches: Amount | None = Field(default=None, le=10_000)
    since: str | None = Field(default=None, alias="from", pattern=r"^\d{4}-\d\d-\d\d$")
    """The UTC day from which it holds; of several rows the last one that holds counts."""


def _rows(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else (value,)


PriceRows = Annotated[tuple[Price, ...], BeforeValidator(_rows), Field(min_length=1)]


class Provider(Section):
    """An upstream, and the formats that it speaks."""

    base_url: str = Field(pattern=r"^https?://[^\s?#]+$")
    """Up to and without `/chat/completions`, `/messages` or `/models/`."""
    dialects: Annotated[DialectNames, Field(min_length=1)] = (
        "openai.chat", "openai.responses", "openai.embeddings", "openai.completions",
    )  # fmt: skip
    """The formats that it speaks."""
    key_header: Literal["authorization", "api-key", "x-api-key", "x-goog-api-key"] | None = None
    """The header for its key; if left out, the one of the format: `authorization` as a bearer token, for Anthropic
    `x-api-key`, for Gemini `x-goog-api-key`."""
    key: str | None = None
    """`env:NAME` or `file:PATH`; of every environment."""
    keys: dict[Name, str] = Field(default_factory=dict)
    """Instead of `key`, one for each environment that may use the provider: no other can."""
    region: Name | None = None
    """Where it processes data, as `regions` of workflows name it: `eu`."""
    models: Texts
    """Names of its models, or beginnings of them: `gpt-*`."""
    catalogue: str | None = None
    """Name of this provider in the price catalogue."""
    price: Price | Literal[0] | None = None
    """One price for all its models; 0 for local ones."""
    prices: dict[str, PriceRows] = Field(default_factory=dict)
    """A model's price, or a list of them, each from its own day on."""
    output_limit_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    stream_usage: Literal["asked", "always"] = "asked"
    """Whether streams ask for usage (`stream_options`), or the server always sends it and takes no such field."""
    proxy: str | None = Field(default=None, pattern=r"^(none|env:\w+|(https?|socks5h?)://[^\s/@]+/?)$")
    """Forward proxy to this provider: a URL, `env:NAME` where it has a password, or `none`. If left out, what
    HTTPS_PROXY and NO_PROXY say."""
    ca_file: str | None = None
    """PEM file of authorities that vouch for this provider, beside the public ones."""
    client_certificate: str | None = None
    """PEM file with the certificate and the key that the provider wants to see."""
    http2: bool = False
    """Speak HTTP/2 where the server does."""
    transport: Literal["httpx"] | None = None
    """Which client carries the calls. If left out: ours, but httpx where a proxy or HTTP/2 needs it."""
    simulated: bool = False
    """Labelled as simulated in every entry: no model answers here."""

    @field_validator("key")
    @classmethod
    def _reference(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+", value):
            raise ValueError("write env:NAME or file:PATH; secrets do not stand in the file")
        return value

    @model_validator(mode="after")
    def _one_key_each(self) -> "Provider":
        for value in self.keys.values():
            self._reference(value)
        if self.keys and self.key is not None:
            raise ValueError("write `key` or `keys`, not both")
        if len(set(self.keys.values())) < len(self.keys):
            raise ValueError("two environments have the same key: each needs one of its own")
        return self

    def key_of(self, environment: str) -> str | None:
        """Return where the key of an environment stands."""
        return self.keys.get(environment) if self.keys else self.key


class Environment(Section):
    """A hard daily cap, and whether models may be asked for by name."""

    max_budget_daily: Amount
    """Hard cap of everything in it."""
    direct_route: bool = False
    """Whether models may be asked for by their own names."""
    paid: bool = True
    """Whether models that cost something may be used."""


class Workflow(Section):
    """A registered AI use. Tools that are not listed here are not granted."""

    purpose: str = Field(min_length=1, max_length=500)
    """What it is for, in words."""
    owner: str = Field(min_length=1, max_length=200)
    """Who answers for it."""
    role: Literal["provider", "deployer"] = "deployer"
    """Of the organisation, in the words of the AI Act."""
    tools: GrantedTools = ()
    """Tools that its requests may define and its answers may call."""
    tool_rules: dict[Granted, ToolRule] = {}
    """Of those tools, by name or beginning: what a call does, and with what arguments it may be made."""
    forced_tool: Literal["named", "required", "none"] = "named"
    """Which function describes the form of an answer and is no tool: the one that `tool_choice` names, also the only
    one where `tool_choice` is `required`, or none."""
    held_input: Literal["deny", "flag"] = "deny"
    """Whether a request may refer to input that the provider holds, as an earlier response or a cache: what does not
    stand in it is read by no rule and no policy, and is in no record."""
    unreleased_results: Literal["flag", "deny"] = "flag"
    """Whether a request of a task may have results of calls of tools that no answer in the task gave out. Of calls that
    name no task nobody can say."""
    routes: Names = ()
    """Intents it may use; empty means all."""
    regions: Names = ()
    """Where its data may be processed, by `region` of the providers; empty means anywhere."""
    content: Literal["full", "redacted", "none"] = "redacted"
    """What is kept of prompts and answers, sealed: all, without what is found of personal data and keys, or nothing."""
    max_budget_daily: Amount | None = None
    """Hard cap of the workflow in each environment."""
    max_calls_per_task: int = Field(default=25, ge=1)
    """After so many a task is refused: a loop? An agent whose task is a session needs more."""
    max_budget_per_task: Amount | None = None
    """Hard cap of all calls of a task, however many days it lasts."""
    max_identical_calls: int = Field(default=3, ge=0, le=100)
    """The call that is refused of those that are the very same in one task, once they are answered; also how often the
    model may call tools round a circle of up to three calls. 0 for no limit."""
    max_tool_rounds: int = Field(default=25, ge=1)
    """After so many rounds of tools without a word of a person a call is refused."""
    max_tool_calls: int = Field(default=32, ge=1, le=1000)
    """The most tools that one answer may call at once; an answer with more is withheld."""
    max_retries_per_task: int = Field(default=25, ge=0)
    """The most attempts at targets beside the first ones of the calls of a task."""
    approvals: Approvals = Approvals()
    """Who decides about what is held of it."""
    oversight: str = Field(default="", max_length=500)
    """How a person oversees it, in words."""
    next_review: str | None = Field(default=None, pattern=r"^\d{4}-\d\d-\d\d$")
    """The day by which somebody looks at it again."""

    @model_validator(mode="after")
    def _rules_are_of_tools(self) -> "Workflow":
        beginnings = tuple(one[:-1] for one in self.tools if one.endswith("*"))
        for name in self.tool_rules:
            if name not in self.tools and not (beginnings and name.startswith(beginnings)):
                raise ValueError(f"tool_rules has {name}, which is not among `tools`: grant it there")
            if self.tool_rules[name].definition and (":" in name or name.endswith("*")):
                raise ValueError(f"the definition of {name} cannot be pinned: requests do not hold it under one name")
        if self.asks and self.content == "none":
            raise ValueError("tool_rules ask for approval, and `content: none` keeps nothing that a person could see")
        return self

    @property
    def asks(self) -> bool:
        """Whether some call of a tool waits for a person."""
        return any(one.approval != "never" for one in self.tool_rules.values())


KEPT = ("none", "redacted", "full")
"""What may be kept of a call, the strictest first."""
UNDESCRIBED = Workflow(purpose="not stated", owner="not stated")
"""What holds for a registered workflow that the file does not describe: no tools, every route."""


class Organisation(Section):
    """Whose installation it is."""

    name: str = Field(default="not named", min_length=1, max_length=200)
    """As documents print it."""
    time_zone: str = "UTC"
    """An IANA name: its days are those of caps, costs and packs."""

    @field_validator("time_zone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{value} is no IANA time zone; write one like Europe/Berlin") from None
        return value


class ScheduledPack(Section):
    """An evidence pack that is made by itself when a month, quarter or year is over."""

    every: Literal["month", "quarter", "year"]
    workflow: Name | None = None
    """Restricts tables and contents to one workflow."""
    brief: bool = False
    """The two pages instead of the whole document."""


class Fx(Section):
    """The exchange rate that prices in USD are turned into EUR by, with its day and where it was read."""

    usd_per_eur: Amount
    date: str = Field(pattern=r"^\d{4}-\d\d-\d\d$")
    source: str


class Configuration(Section):
    """The whole file, merged with the built-in entries."""

    routes: Annotated[tuple[Route, ...], Listed] = ()
    organisation: Organisation = Organisation()
    providers: dict[Name, Provider] = Field(default_factory=dict)
    aliases: dict[str, str] = Field(default_factory=dict)
    environments: dict[Name, Environment] = Field(default_factory=dict)
    workflows: dict[Name, Workflow] = Field(default_factory=dict)
    policies: dict[Name, Policy] = Field(default_factory=dict)
    packs: Annotated[tuple[ScheduledPack, ...], Listed] = ()
    evaluation: Evaluation = Evaluation()
    alerts: Alerts = Alerts()
    incidents: dict[Name, IncidentRule] = Field(default_factory=dict)
    outcomes: dict[OutcomeName, OutcomeType] = Field(default_factory=dict)
    outcome_sources: dict[Name, OutcomeSource] = Field(default_factory=dict)
    fx: Fx
    """The exchange rate; the built-in part has a dated one, and whatever stands here takes its place."""

    @model_validator(mode="after")
    def _consistent(self) -> "Configuration":
        intents = [route.intent for route in self.routes]
        twice = sorted({intent for intent in intents if intents.count(intent) > 1})
        if twice:
            raise ValueError(f"intents listed twice: {', '.join(twice)}")
        for pack in self.packs:
            if pack.workflow is not None and pack.workflow not in self.workflows:
                raise ValueError(f"a pack names a workflow that does not exist: {pack.workflow}")
        if strange := sorted(set(self.evaluation.environments) - set(self.environments)):
            raise ValueError(f"evaluation names environments that do not exist: {', '.join(strange)}")
        for one in self.evaluation.evaluators:
            if one.workflow not in self.workflows or (one.route and one.route not in intents):
                raise ValueError(f"evaluator {one.name} names a workflow or a route that does not exist")
        for name, provider in self.providers.items():
            if unknown := sorted(set(provider.keys) - set(self.environments)):
                raise ValueError(f"provider {name} has keys of environments that do not exist: {', '.join(unknown)}")
        for name, outcome in self.outcomes.items():
            if unknown := sorted(set(outcome.workflows) - set(self.workflows)):
                raise ValueError(f"outcome {name} names workflows that do not exist: {', '.join(unknown)}")
        for name, policy in self.policies.items():
            lost = {*policy.workflows} - {*self.workflows} | {*policy.environments} - {*self.environments}
            if lost := lost | {*policy.routes} - {*intents}:
                raise ValueError(f"policy {name} names what does not exist: {', '.join(sorted(lost))}")
        for name, rule in self.incidents.items():
            if lost := {*rule.policies} - {*self.policies} | {*rule.workflows} - {*self.workflows}:
                raise ValueError(f"the incident {name} names what does not exist: {', '.join(sorted(lost))}")
        for name, workflow in self.workflows.items():
            unknown = sorted(set(workflow.routes) - set(intents))
            if unknown:
                raise ValueError(f"workflow {name} names routes that do not exist: {', '.join(unknown)}")
        return self

    def route(self, intent: str) -> Route | None:
        return next((route for route in self.routes if route.intent == intent), None)
