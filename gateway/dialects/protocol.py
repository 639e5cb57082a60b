"""What the pipeline sees of a wire format: a request read, rewritten and sent; its answer read, judged and written.

Each format is one `Dialect`. Where client and server speak the same one, bytes pass through; where they do not, a
`Writer` turns what was read and judged into the client's format.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import orjson

from gateway.dialects.sse import Event, EventReader
from gateway.dialects.strict import TooDeep, loaded
from gateway.errors import Refused
from gateway.pricing.money import Reported

# Most tokens that a part may cost which the body only refers to. The dearest image we know of is gpt-4o-mini's in high
# detail: 2,833 tokens and 5,667 for each of at most eight 512-pixel tiles, 48,169 in all; the figures are the vendor's
# as remembered, not read again. A file is billed at up to the largest context window, and so is a history that the
# provider holds. What costs more is charged and flagged (`within-reservation`).
IMAGE_TOKENS = 50_000
FILE_TOKENS = 1_000_000
RUN_TOKENS = 200_000
"""Most tokens of input that tools which the provider runs are expected to add: ten searches of 20,000."""
MAX_NAME = 256


class Unreadable(Exception):
    """The answer, or a part of it, is not what it should be: no check can pass over it."""


class Sent(NamedTuple):
    """What came in: header names in lower case, the path below the base URL, the body as received."""

    headers: Mapping[str, str]
    path: str
    body: bytes


class Asked(NamedTuple):
    """What a request asks for. `fields` keeps every field that was sent."""

    fields: Mapping[str, Any]
    model: str
    """As written: an intent, or a model for the direct route."""
    stream: bool = False
    tools: tuple[str, ...] = ()
    """Names of the tools that it defines; those that the provider runs by their type."""
    forced: str = ""
    """The function that the answer has to call; empty for none."""
    required: bool = False
    """Some tool has to be called."""
    output_limit: int | None = None
    """Most tokens of output; 0 where there is none, None where the request names no limit."""
    choices: int = 1
    """How many answers are asked for."""
    input_bound: int = 0
    """Most tokens the input can be: UTF-8 bytes of the body plus constants for what it only refers to."""
    instructions: str = ""
    """The system text that it begins with."""
    tool_rounds: int = 0
    """How many times in a row the model has called tools since a person last said something."""
    free: bool = False
    """Providers bill nothing for it: counting tokens."""
    held: bool = False
    """A part of the input is held by the provider and does not stand in the request."""
    stored: bool = False
    """The provider is to store the answer."""
    path: str = ""
    """The path that was asked for, below the base URL."""
    headers: tuple[tuple[str, str], ...] = ()
    """Headers that belong to the format and go on to a provider that speaks it."""


class Server(NamedTuple):
    """How a request is put to a target."""

    model: str
    limit: int
    limit_field: str = "max_completion_tokens"
    asks_usage: bool = True


class Outgoing(NamedTuple):
    """A request as it is sent to a provider."""

    path: str
    """Below the provider's base URL."""
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    key_header: str = "authorization"
    """The header for the credential; `authorization` carries it as a bearer token."""
    dropped: tuple[str, ...] = ()
    """Members of the request that the provider's format has no place for."""


class Called(NamedTuple):
    """A tool call in an answer."""

    name: str
    arguments: str
    provider_run: bool = False
    """The provider ran it itself."""
    others: tuple[str, ...] = ()
    """Other arguments that some client would take for those of this call."""
    unclear: bool = False
    """Its arguments are not those of a function, come in pieces that are not put together, or stand where only some
    clients look."""


class Transcript(Protocol):
    """What an answer, whole or streamed, has said so far."""

    response_id: str | None
    model: str | None
    service_tier: str | None
    error: Any
    """What the provider says went wrong, if it does."""
    called: int
    """Grows with each piece of a tool call, so that whoever judges names looks again."""
    finished: bool
    """The end of the stream was seen."""

    @property
    def finish(self) -> str | None:
        """Why it ended, in the words of the chat format."""

    def see_whole(self, body: bytes) -> None:
        """Read a non-streamed answer. Raises `Unreadable`."""

    def see(self, event: Event) -> bool:
        """Read one event of a stream; returns True when it may be the end. Raises `Unreadable`."""

    def see_end(self) -> None:
        """The connection ended in order: where that is an end, the stream is finished."""

    def tool_calls(self) -> Sequence[Called]:
        """Return each tool call in order."""

    def reported(self) -> Reported | None:
        """Return what the answer says of its usage and cost; None where it says nothing."""

    def raw_usage(self) -> str | None:
        """Return the usage as it was received, as JSON text."""


class Dialect(Protocol):
    """One wire format."""

    name: str
    id_header: bytes
    """In which answers name our id of the call, as the SDKs of the format look for it."""
    limit_name: str
    """The member of a request that limits the output; empty where there is none."""
    keeps_answer: bool
    """Answers are kept, where contents are: vectors are not, as anybody with the input can have them made again."""

    def read(self, sent: Sent) -> Asked:
        """Read a request.

        Raises:
            Refused: `invalid_request`, naming the field.
        """

    def outgoing(self, asked: Asked, server: Server) -> Outgoing:
        """Return a request as a provider of the same format gets it: the client's, with model and output limit."""

    def with_instructions(self, fields: Mapping[str, Any], text: str) -> dict[str, Any]:
        """Return the fields of a request with a system text before everything else."""

    def reader(self) -> EventReader: ...
    def transcript(self, asked: Asked) -> Transcript: ...

    def is_extra(self, event: Event, asked: Asked) -> bool:
        """Tell whether an event is there because we asked for it, not the client."""

    def is_greeting(self, event: Event) -> bool:
        """Tell whether an event says only that the provider has begun: an error may still follow."""

    def error_in(self, body: bytes) -> Any:
        """Return the error that a body with status 200 is instead of an answer, `EMPTY` for nothing, else None."""

    def error_of(self, event: Event) -> Any:
        """Return the error that the first event of a stream is, `EMPTY` where it is the end already, else None."""

    def as_error(self, said: Any) -> bytes | None:
        """Return what a provider said went wrong in the envelope of the format; None where it said nothing."""

    def is_error(self, body: bytes) -> bool:
        """Tell whether a body is an error in the envelope of the format."""

    def error(self, status: int, code: str, message: str, call: str) -> bytes:
        """Return an error of ours in the envelope of the format."""

    def error_event(self, error: bytes) -> bytes:
        """Return an error in its envelope as what ends a stream that has begun."""


class Writer(Protocol):
    """Writes one answer of another format in the client's."""

    def whole(self, body: bytes) -> bytes: ...
    def event(self, event: Event) -> bytes: ...
    def end(self) -> bytes:
        """Return what the client's format ends with and the provider's did not say."""


def invalid(message: str) -> Refused:
    return Refused("invalid_request", message, stage=1)


def object_in(body: bytes) -> dict[str, Any]:
    """Return the JSON object that a request is.

    Raises:
        Refused: `invalid_request`.
    """
    try:
        request = loaded(body)
    except TooDeep as error:
        raise invalid("the body cannot be sent on; nest it less deeply") from error
    except orjson.JSONDecodeError as error:
        raise invalid(f"the body is not valid JSON in UTF-8 ({error}); send a JSON object") from error
    if not isinstance(request, dict):
        raise invalid("the body must be a JSON object")
    return request


def model_of(request: Mapping[str, Any]) -> str:
    model = request.get("model")
    if not isinstance(model, str) or not 0 < len(model) <= MAX_NAME:
        raise invalid("`model` must be a string: the name of an intent or, where allowed, of a model")
    return model


def flag_of(request: Mapping[str, Any], name: str, default: bool = False) -> bool:
    value = request.get(name)
    if not isinstance(value, bool | None):
        raise invalid(f"`{name}` must be true or false")
    return default if value is None else value


def whole_of(request: Mapping[str, Any], name: str, default: int, most: int) -> int:
    value = request.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise invalid(f"`{name}` must be a whole number from 1 to {most}")
    return value


def rounds_in(turns: Sequence[dict[str, Any]], whose: Callable[[dict[str, Any]], str]) -> int:
    """Return how many rounds of tools stand behind the last word of a person.

    Args:
        whose: says of a turn that it is a round of tools (`tool`) or the word of a `person`.
    """
    rounds = 0
    for turn in reversed(turns):
        kind = whose(turn)
        if kind == "person":
            break
        rounds += kind == "tool"
    return rounds


def require_priced(request: Mapping[str, Any], tiers: Sequence[str] = ("auto", "default", "flex")) -> None:
    """Refuse what providers bill at other prices than the rows we reserve by."""
    tier = request.get("service_tier")
    if tier is not None and tier not in tiers:
        raise invalid(f"`service_tier` must be {', '.join(tiers[:-1])} or {tiers[-1]}: no prices are known for others")
    if request.get("speed") not in (None, "standard"):
        raise invalid("`speed` must be standard: no prices are known for others")
    modalities = request.get("modalities")
    if modalities is not None and modalities != ["text"]:
        raise invalid('`modalities` must be ["text"]: no prices are known for others')
