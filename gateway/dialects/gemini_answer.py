"""What an answer in the generateContent format has said so far: who answered, its tool calls, its end, its usage.

Each event of a stream counts anew and the last one counts, but it may leave out what an earlier one had. Thoughts and
the input of tools stand beside prompt and candidates. Source: 852 recorded answers.
"""

from collections.abc import Sequence
from typing import Any

from gateway.dialects.openai_usage import count_of
from gateway.dialects.protocol import Called, Unreadable
from gateway.dialects.reading import Heard, Spelling, answer_in, list_in, text_in, word_in
from gateway.dialects.sse import Event
from gateway.dialects.strict import written
from gateway.pricing.money import Reported, Usage

_SPELLING = Spelling(
    "candidates", "content", "parts", "functionCall", "name", "args", "finishReason", "index", "toolCall", "toolType",
    "executableCode", "promptFeedback", "blockReason", "partialArgs", "willContinue",
)  # fmt: skip
_FINISHES = {"STOP": "stop", "MAX_TOKENS": "length", "1": "stop", "2": "length"}
_BLOCKED = frozenset(
    {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "MODEL_ARMOR", "IMAGE_SAFETY"}
)
_RUN_BY_PROVIDER = {"toolCall": "", "executableCode": "code_execution"}
_UNSPECIFIED = "FINISH_REASON_UNSPECIFIED"


_COUNTED = ("text", "functionCall", "executableCode", "inlineData")
_PROVIDERS = frozenset({"google_search", "url_context", "google_maps", "file_search"})
"""Tools of the provider whose kinds have longer names."""


class GenerateTranscript(Heard):
    """What an answer, whole or streamed, has said so far."""

    def __init__(self, tools: Sequence[str] = ()) -> None:
        """`tools`: names of the tools that the request defines."""
        super().__init__()
        self._tools = tools
        self._reasons: dict[int, str] = {}
        self._seen: set[int] = set()
        self._blocked = False
        self._calls: list[Called] = []
        self._usage: dict[str, Any] = {}
        self._greatest: dict[str, int] = {}
        self._searches = 0
        self._pieces: dict[int, list[Any]] = {}
        """By call: its arguments, of one that came in pieces."""
        self._goes_on_with: set[int] = set()
        """Calls to which a later piece added arguments in another way."""
        self._goes_on = False
        self._said = False
        """Something came that is billed as output."""

    @property
    def finish(self) -> str | None:
        """In the words of the chat format."""
        if self._blocked:
            return "content_filter"
        reason = next((self._reasons[number] for number in sorted(self._reasons)), None)
        found = finish_of(reason, called=any(not one.provider_run for one in self._calls)) if reason else None
        return found if reason in _FINISHES or found == "content_filter" or reason is None else "other"

    def see_whole(self, body: bytes) -> None:
        value = answer_in(body)
        if value.get("error") and not value.get("candidates"):
            self.error = value["error"]
            return
        if not isinstance(value.get("candidates"), list) and "promptFeedback" not in value:
            raise Unreadable("the answer has no candidates")
        self._see(value)
        self.finished = True

    def see(self, event: Event) -> bool:
        if event.unreadable:
            raise Unreadable(f"an event of the answer cannot be read: {event.unreadable}")
        if event.value is None:
            if event.error:
                self.error = self.error or True
            return event.done or self._may_end()
        if event.error or event.value.get("error"):
            self.error = event.value.get("error") or event.value
        self._see(event.value)
        return self._may_end()

    def _may_end(self) -> bool:
        ended = bool(self._reasons) and self._reasons.keys() >= self._seen
        return bool(ended or self._blocked or self.error)

    def see_end(self) -> None:
        """The end of the connection is the end of a stream, if each candidate has said why it finished."""
        self.finished = self.finished or (self._may_end() and not self.error)

    def _see(self, value: dict[str, Any]) -> None:
        _SPELLING.object_in(value, "the answer")
        self.response_id = word_in(value.get("responseId")) or self.response_id
        self.model = word_in(value.get("modelVersion")) or self.model
        for position, candidate in enumerate(_SPELLING.objects_in(value, "candidates")):
            self._see_candidate(position, candidate)
        feedback = value.get("promptFeedback")
        self._blocked = self._blocked or (isinstance(feedback, dict) and bool(feedback.get("blockReason")))
        if isinstance(usage := value.get("usageMetadata"), dict):
            self._see_usage(usage)

    def _see_candidate(self, position: int, candidate: dict[str, Any]) -> None:
        number = count_of(candidate.get("index"))
        number = position if number is None else number
        self._seen.add(number)
        content = candidate.get("content")
        for part in list_in(_SPELLING.object_in(content, "its content"), "parts") if content is not None else ():
            self._see_part(_SPELLING.object_in(part, "a part of it"))
        grounding = candidate.get("groundingMetadata")
        queries = grounding.get("webSearchQueries") if isinstance(grounding, dict) else None
        self._searches = max(self._searches, len(queries) if isinstance(queries, list) else 0)
        if is_reason(reason := candidate.get("finishReason")):
            self._reasons[number] = str(reason)

    def _see_part(self, part: dict[str, Any]) -> None:
        self._said = self._said or any(part.get(name) for name in _COUNTED)
        if (call := part.get("functionCall")) is not None:
            found = _SPELLING.object_in(call, "a function call")
            self._see_call(found)
        for kind, name in _RUN_BY_PROVIDER.items():
            if (said := part.get(kind)) is not None:
                run = _SPELLING.object_in(said, "a tool that was run")
                self.called += 1
                named = name or self._name_of(str(run.get("toolType") or "tool").lower())
                self._calls.append(Called(named, written(run).decode(), provider_run=True, unclear=True))

    def _see_call(self, found: dict[str, Any]) -> None:
        """A call may come in pieces, of which the first has the name (`streamFunctionCallArguments`)."""
        if not self._goes_on or found.get("name"):
            self.called += 1
            self._calls.append(Called(text_in(found.get("name")), text_in(found.get("args")) or "{}"))
        elif found.get("args"):
            self._goes_on_with.add(len(self._calls) - 1)
        if pieces := list_in(found, "partialArgs"):
            self._pieces.setdefault(len(self._calls) - 1, []).extend(pieces)
        self._goes_on = bool(found.get("willContinue"))

    def _name_of(self, kind: str) -> str:
        """Return the name under which the request defines a tool of the provider: `google_search` of
        `google_search_web`."""
        return next((one for one in self._tools if one in _PROVIDERS and f"{kind}_".startswith(f"{one}_")), kind)

    def _see_usage(self, usage: dict[str, Any]) -> None:
        for name, value in usage.items():
            self._greatest[name] = max(self._greatest.get(name, 0), count_of(value) or 0)
        self._usage = {name: value for name, value in usage.items() if value is not None}
        self.service_tier = word_in(usage.get("serviceTier")) or self.service_tier

    def tool_calls(self) -> list[Called]:
        calls = list(self._calls)
        for number in self._goes_on_with:
            calls[number] = calls[number]._replace(unclear=True)
        for number, pieces in self._pieces.items():
            calls[number] = calls[number]._replace(arguments=written(pieces).decode(), unclear=True)
        return calls

    def reported(self) -> Reported | None:
        lost = {name: most for name, most in self._greatest.items() if most and name not in self._usage}
        usage = self._usage | lost
        prompt = count_of(usage.get("promptTokenCount"))
        if prompt is None:
            return None

        def count(name: str) -> int:
            return count_of(usage.get(name)) or 0

        said = [f"the last count had no {name}; the greatest before it is taken" for name in lost]
        cached, tools, thoughts = map(
            count, ("cachedContentTokenCount", "toolUsePromptTokenCount", "thoughtsTokenCount")
        )
        if cached > prompt:
            said.append(f"{cached} cached tokens of a prompt of {prompt}")
        output = count("candidatesTokenCount")
        gap = count("totalTokenCount") - prompt - tools - thoughts - output
        if gap > 0:
            said.append(f"a total of {count('totalTokenCount')} holds {gap} tokens that nothing else counts")
            output += gap
        if self._said and not output + thoughts:
            return None  # something was said, and nothing counts it
        usage_ = Usage(
            input=max(prompt - cached, 0) + tools, cached=cached, output=output + thoughts, reasoning=thoughts,
            others=_by_modality(usage) + ((("web_search", self._searches),) if self._searches else ()),
        )  # fmt: skip
        return Reported(_without_twice(usage_), tuple(said))

    def raw_usage(self) -> str | None:
        return written(self._usage).decode() if self._usage else None


def is_reason(reason: Any) -> bool:
    """Tell whether a candidate has said why it finished."""
    return bool(reason) and reason != _UNSPECIFIED


def finish_of(reason: Any, *, called: bool) -> str:
    """Return a finish reason in the words of the chat format, in which every other end is `stop`."""
    if str(reason) in _BLOCKED:
        return "content_filter"
    finish = _FINISHES.get(str(reason), "stop")
    return "tool_calls" if called and finish == "stop" else finish


def _by_modality(usage: dict[str, Any]) -> tuple[tuple[str, int], ...]:
    """Return the tokens of audio of the prompt, which some models bill apart."""
    details = usage.get("promptTokensDetails")
    found = [one for one in details if isinstance(one, dict)] if isinstance(details, list) else []
    audio = sum(count_of(one.get("tokenCount")) or 0 for one in found if one.get("modality") == "AUDIO")
    return (("audio_input", audio),) if audio else ()


def _without_twice(usage: Usage) -> Usage:
    """Counts are disjoint: what is audio is not counted as text too."""
    audio = sum(count for kind, count in usage.others if kind == "audio_input")
    return usage._replace(input=max(usage.input - audio, 0))
