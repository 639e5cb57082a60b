"""Two older formats of the OpenAI API: completions, which llama-index and base models ask for, and embeddings. Pure.

Source: the types of openai 3.57.0 and the vendor's API reference, read 2026-11-23.
"""

import math
from collections.abc import Mapping
from typing import Any

import orjson

from gateway.dialects import openai_error
from gateway.dialects.openai_answer import ChatTranscript
from gateway.dialects.openai_chat import is_usage_only, wants_usage, with_usage_asked
from gateway.dialects.protocol import (
    Asked,
    Outgoing,
    Sent,
    Server,
    Unreadable,
    flag_of,
    invalid,
    model_of,
    object_in,
    require_priced,
    whole_of,
)
from gateway.dialects.sse import Event, EventReader
from gateway.dialects.strict import written
from gateway.dialects.whole import EmbeddingsTranscript

MOST_INPUTS = 2048
MOST_NUMBERS = 16_384


class Completions(openai_error.OpenAIEnvelope):
    """POST /v1/completions."""

    name = "openai.completions"
    limit_name = "max_tokens"
    keeps_answer = True

    def read(self, sent: Sent) -> Asked:
        request = object_in(sent.body)
        require_priced(request)
        prompts = _inputs(request, "prompt") if request.get("prompt") is not None else 1
        answers = max(whole_of(request, "n", 1, 128), whole_of(request, "best_of", 1, 128))
        return Asked(
            fields=request,
            model=model_of(request),
            stream=flag_of(request, "stream"),
            output_limit=whole_of(request, "max_tokens", 0, 10_000_000) or None,
            choices=prompts * answers,
            input_bound=len(sent.body),
        )

    def outgoing(self, asked: Asked, server: Server) -> Outgoing:
        body = {**asked.fields, "model": server.model, "max_tokens": server.limit}
        return Outgoing("/completions", written(with_usage_asked(body, server)))

    def with_instructions(self, fields: Mapping[str, Any], text: str) -> dict[str, Any]:
        prompt = fields.get("prompt")
        if not isinstance(prompt, str | None):
            raise invalid("a registered prompt goes before one text, not before several or before tokens")
        return {**fields, "prompt": f"{text}\n\n{prompt}" if prompt else text}

    def reader(self) -> EventReader:
        return EventReader(lambda _value: None)

    def transcript(self, asked: Asked) -> ChatTranscript:
        return ChatTranscript(asked.choices)

    def is_extra(self, event: Event, asked: Asked) -> bool:
        return is_usage_only(event) and not wants_usage(asked.fields)


class Embeddings(openai_error.OpenAIEnvelope):
    """POST /v1/embeddings."""

    name = "openai.embeddings"
    limit_name = ""
    answer_mark = b'"data"'
    keeps_answer = False

    def read(self, sent: Sent) -> Asked:
        request = object_in(sent.body)
        if flag_of(request, "stream"):
            raise invalid("embeddings have no stream; leave `stream` out")
        _inputs(request, "input")
        return Asked(fields=request, model=model_of(request), output_limit=0, input_bound=len(sent.body))

    def outgoing(self, asked: Asked, server: Server) -> Outgoing:
        return Outgoing("/embeddings", written({**asked.fields, "model": server.model}))

    def with_instructions(self, fields: Mapping[str, Any], text: str) -> dict[str, Any]:
        raise invalid("embeddings take no registered prompt; leave `prompt` out")

    def reader(self) -> EventReader:
        return EventReader(lambda _value: None)

    def transcript(self, asked: Asked) -> EmbeddingsTranscript:
        return EmbeddingsTranscript()

    def is_extra(self, event: Event, asked: Asked) -> bool:
        return False


COMPLETIONS, EMBEDDINGS = Completions(), Embeddings()


def vectors_in(body: bytes, count: int) -> list[list[float]]:
    """Return the vectors of an answer in the order of the inputs.

    Raises:
        Unreadable: it does not hold `count` vectors of the same length, each with a direction.
    """
    try:
        listed = sorted(orjson.loads(body)["data"], key=lambda one: one["index"])
        vectors = [[float(number) for number in one["embedding"]] for one in listed]
        lengths = [math.hypot(*one) for one in vectors]
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise Unreadable("the answer holds no vectors of numbers") from error
    if len(vectors) != count or len({len(one) for one in vectors}) != 1 or len(vectors[0]) > MOST_NUMBERS:
        raise Unreadable("the answer holds not one vector for each text")
    if not all(math.isfinite(length) and length > 0 for length in lengths):
        raise Unreadable("a vector of the answer has no direction")
    return vectors


def _inputs(request: Mapping[str, Any], name: str) -> int:
    """Return how many inputs there are: a text, tokens, or a list of either."""
    said = request.get(name)
    if isinstance(said, str):
        return 1
    if isinstance(said, list) and said:
        if all([type(one) is int for one in said]):
            return 1
        if all([isinstance(one, str) for one in said]) or all([_is_tokens(one) for one in said]):
            if len(said) > MOST_INPUTS:
                raise invalid(f"`{name}` has {len(said)} inputs; send at most {MOST_INPUTS} at once")
            return len(said)
    raise invalid(f"`{name}` must be a text, a list of token numbers, or a list of either")


def _is_tokens(value: Any) -> bool:
    return isinstance(value, list) and all([type(one) is int for one in value])
