"""The values that travel between the stages of a call. Frozen; money in nano-EUR, times in milliseconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from gateway.configuration.model import Similar
from gateway.dialects.openai_chat import CHAT
from gateway.dialects.pairs import SAME, Pair
from gateway.dialects.protocol import Asked, Dialect
from gateway.pricing.money import Rate, Reported, Usage, cost
from gateway.pricing.prices import PriceHistory
from ledger.entry import Vetted, vetted

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Arrival(NamedTuple):
    """What came in over HTTP: header names in lower case, the body as received."""

    call: str
    """Our id of the call, given before anything can fail."""
    headers: Mapping[str, str]
    body: bytes
    dialect: Dialect = CHAT
    path: str = ""
    """Below the base URL of the dialect."""


class PromptUse(NamedTuple):
    """The version of a registered prompt that a call uses."""

    name: str
    version: int
    by: str
    """`promoted` in its environment, `asked` for by number, or recognised by its `text`."""
    digest: str
    rendered: str | None
    """The text with its variables; None where the caller sent it."""

    @property
    def label(self) -> str:
        return f"{self.name}@{self.version}"


class Call(NamedTuple):
    """Stage 1: a request in the dialect of its caller."""

    id: str
    dialect: Dialect
    asked: Asked
    """What the caller asks for: what rules and policies look at."""
    body: bytes
    task_id: str
    task_source: str
    subject_id: str | None
    content: str
    """`full`, `redacted` or `none`, as asked by header; the stricter of this and the workflow's counts."""
    may_repeat: bool = False
    """The caller wants it bought again, if it is a repetition."""
    component: str = ""
    """The part of the system that made it, as the header says."""
    approval: str = ""
    """The approval that it names, and nothing where it names none."""
    requester: str = ""
    """The person who asks for it, as the header says."""
    prompt: PromptUse | None = None
    sent: Asked | None = None
    """What providers get, where policies replace something of what is asked."""
    values: Mapping[str, str] = NOTHING
    """What its placeholders stand for that are replaced in the answer."""

    @property
    def prompt_facts(self) -> dict[str, str]:
        """The prompt as entries state it."""
        return {"prompt": self.prompt.label} if self.prompt else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Stage 2: whose key it is."""

    key: str
    environment: str
    workflow: str | None
    status: str
    cap: int | None = None
    """Hard daily cap of the key itself, nano-EUR."""


class Check(NamedTuple):
    """One evaluated rule: `verdict` is pass, flag, redact, hold or deny; `inputs` determined it."""

    id: str
    verdict: str
    reason: str = ""
    inputs: Mapping[str, Any] = NOTHING

    def facts(self) -> dict[str, Any]:
        return {"id": self.id, "verdict": self.verdict, "reason": self.reason, "inputs": dict(self.inputs)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A model at a provider that may serve the call."""

    provider: str
    model: str
    alias_of: str | None
    prices: PriceHistory
    simulated: bool
    pair: Pair = SAME[CHAT.name]
    """How the caller's dialect is put to it."""
    limit_field: str = "max_completion_tokens"
    asks_usage: bool = True
    environment: str = ""
    """Whose key of the provider is used."""
    facts: Vetted = field(init=False, compare=False, repr=False)
    """The target as entries state it."""

    def __post_init__(self) -> None:
        facts: dict[str, Any] = {"provider": self.provider, "model": self.model}
        if self.alias_of:
            facts["alias_of"] = self.alias_of
        if self.simulated:
            facts["simulated"] = True
        object.__setattr__(self, "facts", vetted(facts))


class Plan(NamedTuple):
    """Stage 6: the targets in order, the rejected ones with reasons, and what the route allows."""

    route: str
    direct: bool
    targets: tuple[Target, ...]
    rejected: tuple[tuple[str, str], ...]
    max_retries: int
    retry_within: float
    timeout: float
    first_byte: float
    whole_answer: float | None
    retry_timeouts: bool
    keep_alive: float
    repeat_window: int
    output_limit: int
    output_limit_set: bool
    """The request named no limit, so the route's was set."""
    cache_ttl: int
    similar: Similar | None
    embedder: Target | None
    """What makes the vectors of questions and answers; None for the local model."""
    look_up_reserved: int
    """Worst case of what is embedded for the call, nano-EUR."""
    attempt_reserved: int
    """Worst case of one attempt at the dearest target, nano-EUR."""
    caps: tuple[tuple[str, int], ...]
    """(budget scope, daily cap in nano-EUR) that the call counts in."""
    facts: Mapping[str, Any]
    """The choice as the entry states it: targets, rejected ones, their prices, the exchange rate."""
    lower: "Plan | None" = None
    """What is done instead once the route has used up a share of its cap."""
    step_down_at: int = 0
    """That share, in percent."""
    stepped_down: bool = False
    """This is what is done instead."""

    @property
    def reserved(self) -> int:
        """Return the worst case of the call with one attempt, nano-EUR."""
        return self.look_up_reserved + self.attempt_reserved

    def with_nothing_bought(self) -> "Plan":
        """Return the plan of a call whose answer is there."""
        return self._replace(attempt_reserved=0, look_up_reserved=0, similar=None, cache_ttl=0, lower=None)


class Opened(NamedTuple):
    """Stage 7: the call is on record and its worst case reserved."""

    call: str
    seq: int
    entry: str
    workflow: str | None
    task: str | None
    budgets: tuple[str, ...]
    reserved: int
    at: str
    """The instant of `call.opened`: the prices of this instant count."""
    serves_similar: bool = False
    """The answer to a similar question may be given: enough of what was verified agreed."""
    stepped_down: bool = False
    """The route had used up so much of its cap that cheaper models serve the call."""


class Attempt(NamedTuple):
    """Stage 8: one try at one target. `billed` is no, reported or unknown."""

    target: Target
    outcome: str
    billed: str
    status: int | None
    milliseconds: int
    request_id: str | None = None
    """What the provider calls this request; its support asks for it first."""
    code: str | None = None
    """The word by which the provider says what went wrong."""
    said: str = ""
    """Its sentence, for sealing."""
    dropped: tuple[str, ...] = ()
    """Members of the request that its format has no place for."""

    def facts(self) -> dict[str, Any]:
        facts = self.target.facts | {
            "outcome": self.outcome, "billed": self.billed, "status": self.status, "ms": self.milliseconds
        }  # fmt: skip
        if self.request_id:
            facts["request_id"] = self.request_id
        if self.code:
            facts["error"] = self.code
        if self.dropped:
            facts["dropped"] = list(self.dropped)
        return facts


class LookUp(NamedTuple):
    """What was embedded to find an answer that was given before. `billed` is no, reported or unknown."""

    target: Target
    outcome: str
    billed: str
    status: int | None
    milliseconds: int
    request_id: str | None
    usage: Usage | None
    bound: int
    """Most tokens that it can have been."""

    def facts(self, at: str, rate: Rate) -> dict[str, Any]:
        """Return it as the entry states it. Where nobody reported how much it was, it costs the most that it can."""
        row = self.target.prices.row_of(at)
        assert row is not None, "what is asked for at no tier has a price"
        facts = self.target.facts | {"outcome": self.outcome, "billed": self.billed, "status": self.status}
        facts |= {"ms": self.milliseconds} | ({"request_id": self.request_id} if self.request_id else {})
        spent = 0 if self.billed == "no" else cost(self.usage or Usage(input=self.bound), row, rate)
        facts |= {"usage": self.usage.facts()} if self.usage else {}
        price = row.facts_for(self.usage) if self.usage else row.facts
        return facts | {"price": price, "cost_nano_eur": spent}


class ToolCall(NamedTuple):
    """A tool call in an answer: the arguments stay sealed, the name is a fact only when it was granted."""

    name: str
    arguments: str
    granted: bool
    output_format: bool = False
    """It is the form that the request forced its answer into, and no tool."""
    provider_run: bool = False
    """The provider ran it itself."""
    effect: str = ""
    """What a call of it does, where a rule says so."""


class Asking(NamedTuple):
    """Why a call of a tool waits for a person, as an identifier and a part of the tool's rule: no value of the call."""

    tool: str
    because: str


class Outcome(NamedTuple):
    """Stage 9: how the answer went. `result` is answered, refused_answer, held, failed, unreadable,
    client_gone, upstream_cut, stopped or cancelled."""

    result: str
    finish: str | None = None
    reported: Reported | None = None
    raw_usage: str | None = None
    """The usage objects of a stream as received, for sealing: the caller may not have got them."""
    model: str | None = None
    """The model that the answer names."""
    service_tier: str | None = None
    complete: bool = False
    """The answer was read to its end: only then is what it says of its usage the whole of it."""
    response_id: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    checks: tuple[Check, ...] = ()
    asked: tuple[Asking, ...] = ()
    """Why it waits for a person."""
    released_from: str | None = None
    """The held call whose answer was approved and given out."""
    answer: str | None = None
    """The answer as it was sent, for sealing."""
    cached_from: str | None = None
    """The call whose answer the cache gave."""
    saved: int = 0
    """What that call cost, nano-EUR."""
    similar: Mapping[str, Any] | None = None
    """What was found for a similar question, as the entry states it."""
