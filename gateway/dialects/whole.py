"""Answers of which there is no stream: counts of tokens, for which nothing is billed, and vectors."""

from typing import Any

from gateway.dialects.openai_usage import count_of, is_usage, read_usage
from gateway.dialects.protocol import Called, Unreadable
from gateway.dialects.reading import Heard, answer_in, word_in
from gateway.dialects.sse import Event
from gateway.dialects.strict import written
from gateway.pricing.money import Reported, Usage


class WholeTranscript(Heard):
    """What such an answer says."""

    def __init__(self) -> None:
        super().__init__()
        self._usage: Any = None

    @property
    def finish(self) -> str | None:
        return None

    def see(self, event: Event) -> bool:
        raise Unreadable("it came as a stream")

    def see_end(self) -> None:
        """There is no stream."""

    def tool_calls(self) -> list[Called]:
        return []

    def raw_usage(self) -> str | None:
        return written(self._usage).decode() if self._usage else None


class CountTranscript(WholeTranscript):
    """How many tokens a request has."""

    def __init__(self, member: str) -> None:
        """`member`: in which the number stands."""
        super().__init__()
        self._member = member

    def see_whole(self, body: bytes) -> None:
        if self._member not in answer_in(body):
            raise Unreadable(f"the answer has no {self._member}")

    def reported(self) -> Reported | None:
        """Nothing is billed: what the number counts would be, if it were sent."""
        return Reported(Usage())


class EmbeddingsTranscript(WholeTranscript):
    """Vectors of the OpenAI format."""

    def see_whole(self, body: bytes) -> None:
        value = answer_in(body, calls=False)
        if not isinstance(value.get("data"), list):
            raise Unreadable("the answer holds no embeddings")
        self._usage = value.get("usage")
        self._others = {name: one for name, one in value.items() if name != "data"}
        self.model = word_in(value.get("model"))

    def reported(self) -> Reported | None:
        usage = {"completion_tokens": 0, **self._usage} if isinstance(self._usage, dict) else None
        return read_usage(usage, self._others) if is_usage(usage) else None


class VectorsTranscript(WholeTranscript):
    """Vectors of the Gemini format."""

    def see_whole(self, body: bytes) -> None:
        value = answer_in(body, calls=False)
        if not value.keys() & {"embedding", "embeddings"}:
            raise Unreadable("the answer holds no embeddings")
        self._usage = value.get("usageMetadata")

    def reported(self) -> Reported | None:
        prompt = count_of(self._usage.get("promptTokenCount")) if isinstance(self._usage, dict) else None
        return None if prompt is None else Reported(Usage(input=prompt))
