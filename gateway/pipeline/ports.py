"""What the pipeline needs from the outside, as one-method protocols, and the frozen set of them that `app.py` fills."""

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from gateway.approvals.standing import Answers
from gateway.call import Principal, Target
from gateway.dialects.protocol import Outgoing
from gateway.minimisation.keeping import Keeping
from gateway.minimisation.minimiser import Minimiser
from gateway.pipeline.judging import Room
from gateway.policies.screening import Screen
from gateway.repeats import Memory
from gateway.rules.breaker import Breaker
from gateway.rules.snapshot import Rules
from ledger.entry import Sealed
from ledger.unit import Unit, Written


class Keys(Protocol):
    async def principal_of(self, secret: str | None) -> Principal:
        """Return whose key this is.

        Raises:
            Refused: unknown_key.
        """


class Evidence(Protocol):
    def submit(self, unit: Unit) -> Awaitable[Written]:
        """Hand a unit to the writer without waiting. Safe while the calling task is being cancelled."""

    def close(self, unit: Unit) -> Awaitable[Written]:
        """As `submit`, for the end of a call: one that cannot be committed now is tried again until it is."""

    def may_record_refusal_of(self, key: str) -> bool:
        """Tell whether a revoked key's refusal still fits its few entries a minute."""


class Contents(Protocol):
    async def subject(self, identifier: str) -> tuple[str, str]:
        """Return (key reference, pseudonym) of the person a call is about; durable before it returns."""

    def pseudonym(self, kind: str, identifier: str) -> str:
        """Return the keyed pseudonym of a task or a provider's response id."""

    def seal(
        self, values: Mapping[str, object], *, entry_id: str, key_ref: str | None, keeping: Keeping | None
    ) -> tuple[dict[str, str], Sealed]:
        """Commit to the contents of an entry and seal them: (commitments by name, what to store).

        Args:
            keeping: makes them fit to be kept; None where they are kept as they are. Every text of a call comes here.
        """


class UpstreamAnswer(Protocol):
    status: int
    headers: Mapping[str, str]

    async def read(self) -> bytes:
        """Return the whole body. Raises `UpstreamCut` or `UpstreamTimeout`."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives. Raises `UpstreamCut` or `UpstreamTimeout`."""

    def close(self) -> None:
        """Let go of the connection, read or not."""

    def redacted(self, text: bytes) -> bytes:
        """Return a text without the credential that was sent, in case it quotes it."""


class Upstream(Protocol):
    async def send(
        self, target: Target, outgoing: Outgoing, *, timeout: float, first_byte: float | None = None,
        whole_answer: float | None = None,
    ) -> UpstreamAnswer:  # fmt: skip
        """POST a request and return when the response head is there.

        Args:
            timeout: the longest silence, in seconds.
            first_byte: the same until the body begins, if it is another.
            whole_answer: the longest answer.

        Raises:
            UpstreamUnreached, NoCredential: nothing was sent; UpstreamTimeout, UpstreamCut: it may have been.
        """


class Cache(Protocol):
    def get(self, key: str) -> "Cached | None": ...
    def put(self, key: str, value: "Cached", *, ttl: int) -> None: ...


class Near(NamedTuple):
    """The answer to a similar question."""

    cached: "Cached"
    permille: int
    """How alike the questions are: a thousand times their cosine."""


class SimilarCache(Protocol):
    async def takes(self, text: str) -> bool:
        """Tell whether an answer to a question may serve another one at all."""

    async def embed(self, texts: Sequence[str]) -> Sequence[Any]:
        """Return the vector of each text by the local model; None for one that has none."""

    def near(self, partition: str, vector: Any, text: str, threshold: float) -> Near | None: ...
    def keep(self, partition: str, text: str, vector: Any, cached: "Cached", *, ttl: int) -> None: ...
    def agree(self, vectors: Sequence[Any], one: str, other: str) -> bool:
        """Tell whether two answers say the same."""


class Tasks(Protocol):
    async def had_data(self, workflow: str | None, task: str) -> bool:
        """Tell whether a call of a workflow in a task that is on record had data in it."""


class Clock(Protocol):
    def __call__(self) -> datetime:
        """Return the current instant, timezone-aware."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cached:
    """An answer that may be given again: what was sent, and the call that bought it."""

    call: str
    content_type: str
    body: bytes
    cost: int
    """What that call cost, nano-EUR: what is saved each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything a call touches outside itself."""

    keys: Keys
    evidence: Evidence
    contents: Contents
    upstream: Upstream
    cache: Cache
    clock: Clock
    boot: str
    build: str
    rules: "RulesInForce"
    approvals: Answers
    tasks: Tasks
    minimiser: Minimiser
    undelivered: Memory = field(default_factory=Memory)
    room: Room = field(default_factory=Room)
    screen: Screen = field(default_factory=Screen)
    similar: SimilarCache | None = None
    """None where nothing here turns a text into numbers."""
    breaker: Breaker = field(default_factory=Breaker)


class RulesInForce(Protocol):
    @property
    def now(self) -> Rules:
        """The newest snapshot of the rules.

        Raises:
            Refused: nothing is active yet.
        """

    async def refresh(self) -> None:
        """Read the control row again."""
