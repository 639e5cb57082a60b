"""An answer in the Gemini generateContent format, written in the chat-completions format."""

from typing import Any

from gateway.dialects.gemini_answer import GenerateTranscript, finish_of, is_reason
from gateway.dialects.openai_usage import count_of
from gateway.dialects.reading import answer_in
from gateway.dialects.sse import Event
from gateway.dialects.strict import written
from gateway.dialects.translation.chat_writing import ChatAnswer, call_of, comment_of, message_of


class GeminiWriter:
    """Writes one answer."""

    def __init__(self, created: int, wants_usage: bool) -> None:
        self._answer = ChatAnswer(created, wants_usage)
        self._said = GenerateTranscript()
        self._calls: dict[int, int] = {}
        """How many tool calls each choice has made so far."""

    def whole(self, body: bytes) -> bytes:
        self._said.see_whole(body)
        value = answer_in(body)
        self._name(value)
        choices = [self._choice(number, one) for number, one in enumerate(value.get("candidates") or ())]
        return self._answer.whole(choices or [_blocked()], self._said.reported())

    def event(self, event: Event) -> bytes:
        self._said.see(event)
        value = event.value
        if value is None:
            return comment_of(event)
        self._name(value)
        parts = [self._chunks(number, one) for number, one in enumerate(value.get("candidates") or ())]
        feedback = value.get("promptFeedback")
        if not parts and isinstance(feedback, dict) and feedback.get("blockReason"):
            return self._answer.chunk({}, finish="content_filter")
        return b"".join(parts)

    def end(self) -> bytes:
        """A stream of the format has no mark at its end."""
        return self._answer.last(self._said.reported())

    def _name(self, value: dict[str, Any]) -> None:
        self._answer.id = str(value.get("responseId") or self._answer.id)
        self._answer.model = str(value.get("modelVersion") or self._answer.model)

    def _choice(self, number: int, candidate: dict[str, Any]) -> tuple[dict[str, Any], str]:
        text: list[str] = []
        reasoning: list[str] = []
        calls: list[dict[str, Any]] = []
        for part in _parts(candidate):
            if isinstance(part.get("text"), str):
                (reasoning if part.get("thought") else text).append(part["text"])
            elif isinstance(part.get("functionCall"), dict):
                calls.append(self._call(number, part))
        return message_of(text, reasoning, calls), finish_of(candidate.get("finishReason"), called=bool(calls))

    def _chunks(self, position: int, candidate: dict[str, Any]) -> bytes:
        said = count_of(candidate.get("index"))
        number = position if said is None else said
        written = []
        for part in _parts(candidate):
            if isinstance(part.get("text"), str):
                member = "reasoning_content" if part.get("thought") else "content"
                written.append(self._answer.chunk({member: part["text"]}, index=number))
            elif isinstance(part.get("functionCall"), dict):
                place = self._calls.get(number, 0)
                call = self._call(number, part) | {"index": place}
                written.append(self._answer.chunk({"tool_calls": [call]}, index=number))
        if is_reason(reason := candidate.get("finishReason")):
            finish = finish_of(reason, called=bool(self._calls.get(number)))
            written.append(self._answer.chunk({}, index=number, finish=finish))
        return b"".join(written)

    def _call(self, number: int, part: dict[str, Any]) -> dict[str, Any]:
        """Calls that have no id get one that is unique in the answer."""
        said, place = part["functionCall"], self._calls.get(number, 0)
        self._calls[number] = place + 1
        arguments = written(said.get("args") or {}).decode()
        key = str(said.get("id") or f"call_{self._answer.id}_{number}_{place}")
        signature = part.get("thoughtSignature")
        more = {"extra_content": {"google": {"thought_signature": signature}}} if signature else {}
        return call_of(key, str(said.get("name")), arguments, **more)


def _parts(candidate: dict[str, Any]) -> list[dict[str, Any]]:
    content = candidate.get("content")
    return (content.get("parts") or []) if isinstance(content, dict) else []


def _blocked() -> tuple[dict[str, Any], str]:
    return message_of([], [], []) | {"content": None}, "content_filter"
