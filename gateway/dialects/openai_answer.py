"""What an answer in the chat-completions format has said so far: who answered, its tool calls, its end, its usage.

Read as the laxest client reads it: where two readings of a tool's name are possible, both are told, and what has no
reading at all raises `Unreadable`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway.dialects.openai_usage import count_of, is_usage, read_usage, summed
from gateway.dialects.protocol import Called, Unreadable
from gateway.dialects.reading import Spelling, answer_in, text_in
from gateway.dialects.sse import Event
from gateway.dialects.strict import written
from gateway.pricing.money import Reported

_SPELLING = Spelling(
    "choices", "delta", "message", "tool_calls", "function_call", "function", "custom", "name", "arguments", "index"
)


@dataclass(slots=True)
class _Called:
    """A tool call as far as it has come. `other` is another reading of its name."""

    name: str = ""
    arguments: str = ""
    other: str = ""

    def add(self, function: dict[str, Any]) -> None:
        piece = text_in(function.get("name"))
        if piece and self.name and piece.startswith(self.name):
            if piece != self.name:  # a name that grows with each piece, or one that doubles its beginning
                self.other, self.name = self.name + piece, piece
        elif piece:
            self.name += piece
        self.arguments += text_in(function.get("arguments")) + text_in(function.get("input"))


@dataclass(slots=True)
class ChatTranscript:
    """What an answer, whole or streamed, has said so far."""

    choices: int = 1
    """How many answers were asked for (`n`); a stream is finished when each has its end."""
    response_id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    finish: str | None = None
    error: Any = None
    """What the provider says went wrong, if it does."""
    called: int = 0
    """Grows with each piece of a tool call, so that whoever judges names looks again."""
    finished: bool = False
    """Every choice of the stream has its finish reason."""
    _seen: set[int] = field(default_factory=set)
    _ended: set[int] = field(default_factory=set)
    _calls: dict[tuple[int, int, int], _Called] = field(default_factory=dict)
    _ids: dict[tuple[int, int], tuple[int, str]] = field(default_factory=dict)
    _beside: dict[str, None] = field(default_factory=dict)
    """Names that are called where only some clients look."""
    _said: Any = None
    _usage: Any = None
    _usages: list[Any] = field(default_factory=list)
    """Those that stood alone, in chunks of their own."""
    _last: dict[str, Any] = field(default_factory=dict)

    def see_whole(self, body: bytes) -> None:
        """Read a non-streamed answer.

        Raises:
            Unreadable: it is neither a chat completion nor an error.
        """
        value = answer_in(body)
        self._header(value)
        self.error = value.get("error")
        if self.error and not value.get("choices"):
            return
        if not isinstance(value.get("choices"), list):
            raise Unreadable("the answer is not a chat completion")
        for position, choice in enumerate(_choices(value)):
            self._finish(choice.get("finish_reason"))
            self._tool_calls(position, choice.get("message"), whole=True)
            self._look_beside(choice.get("delta"))
        self.finished = True

    def see(self, event: Event) -> bool:
        """Read one event of a stream; returns True when it may be the end: every choice seen so far has its finish.

        Raises:
            Unreadable: it cannot be read.
        """
        if event.again:
            return self._may_end()
        if event.error:
            self.error = self.error or event.value or True
        if event.unreadable:
            raise Unreadable(f"an event of the answer cannot be read: {event.unreadable}")
        value = event.value
        if event.done:
            self.finished = True
        if value is None:
            return self.finished or bool(self.error)
        self.error = value.get("error") or self.error
        self._header(value)
        for choice in _choices(value):
            number = count_of(choice.get("index")) or 0
            self._seen.add(number)
            self._tool_calls(number, choice.get("delta"))
            self._look_beside(choice.get("message"))
            if choice.get("finish_reason"):
                self._finish(choice["finish_reason"])
                self._ended.add(number)
                self.finished = self.finished or len(self._ended) >= self.choices
        return self._may_end()

    def _may_end(self) -> bool:
        return self.finished or bool(self.error) or (bool(self._ended) and self._ended >= self._seen)

    def see_end(self) -> None:
        """The stream has ended without `[DONE]`: it is whole if each choice that appeared has its finish."""
        self.finished = self.finished or (bool(self._ended) and self._ended >= self._seen)

    def tool_calls(self) -> list[Called]:
        """Without name and arguments there is no call."""
        called = [one for _, one in sorted(self._calls.items()) if one.name or one.arguments]
        calls = [Called(one.name, one.arguments, unclear=one.name in self._beside) for one in called]
        known = {one.name for one in called}
        others = [one.other for one in called if one.other] + [name for name in self._beside if name not in known]
        return calls + [Called(name, "", unclear=True) for name in dict.fromkeys(others)]

    def reported(self) -> Reported | None:
        """Return what the answer says of its usage and cost."""
        if self.choices > 1 and len(self._usages) == self.choices:  # one for each choice (llama.cpp)
            readings = [one for usage in self._usages if (one := read_usage(usage, self._last))]
            return summed(readings) if readings else None
        return read_usage(self._usage, self._last, choices=self.choices)

    def raw_usage(self) -> str | None:
        """Return the usage as it was received, as JSON text."""
        several = self.choices > 1 and len(self._usages) == self.choices
        found = self._usages if several else self._usage
        return written(found).decode() if found else None

    def _header(self, value: dict[str, Any]) -> None:
        said = (value.get("id"), value.get("model"), value.get("service_tier"))
        if said != self._said:  # the same in nearly all events of a stream
            self._said = said
            self._name(value)
        usage = value.get("usage")
        if usage is None:
            usage = _usage_elsewhere(value)
        if isinstance(usage, dict) and (is_usage(usage) or self._usage is None):
            self._usage, self._last = usage, value
            if self.choices > 1 and not value.get("choices"):
                self._usages.append(usage)

    def _name(self, value: dict[str, Any]) -> None:
        for name in ("id", "model", "service_tier"):
            if isinstance(said := value.get(name), str) and said:
                setattr(self, "response_id" if name == "id" else name, said)

    def _finish(self, reason: Any) -> None:
        if isinstance(reason, str) and reason:
            self.finish = reason

    def _tool_calls(self, choice: int, message: Any, *, whole: bool = False) -> None:
        if message is None or ("tool_calls" not in message and "function_call" not in message):
            return
        self.called += 1
        for position, call in enumerate(_SPELLING.objects_in(message, "tool_calls")):
            index = position if whole else count_of(call.get("index"))
            index = position if index is None else index
            function = _function(call)
            turn = 0 if whole else self._turn(choice, index, call.get("id"), bool(function.get("name")))
            self._calls.setdefault((choice, index, turn), _Called()).add(function)
        if (function := message.get("function_call")) is not None:  # the deprecated single call
            self._calls.setdefault((choice, 1000, 0), _Called()).add(_SPELLING.object_in(function, "function_call"))

    def _turn(self, choice: int, index: int, identifier: Any, named: bool) -> int:
        """Some servers number all parallel calls 0: another id with a name is another call. Others give each piece an
        id of its own: a piece without a name belongs to the call before it."""
        turn, known = self._ids.get((choice, index), (0, ""))
        if isinstance(identifier, str) and identifier and identifier != known and (named or not known):
            turn, known = turn + bool(known), identifier
        self._ids[choice, index] = (turn, known)
        return turn

    def _look_beside(self, message: Any) -> None:
        """Note the names of calls that stand where only some clients look: in the other form of a message."""
        if not isinstance(message, dict) or not (message.keys() & {"tool_calls", "function_call"}):
            return
        self.called += 1
        functions = [_function(call) for call in _SPELLING.objects_in(message, "tool_calls")]
        functions += (
            [_SPELLING.object_in(one, "function_call")] if (one := message.get("function_call")) is not None else []
        )
        self._beside |= {name: None for one in functions if (name := text_in(one.get("name")))}


def _choices(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the choices of an answer or an event, having looked at the spelling of what decides."""
    _SPELLING.object_in(value, "the answer")
    for choice in _SPELLING.objects_in(value, "choices"):
        for name in ("delta", "message"):
            if (inner := choice.get(name)) is not None:
                _SPELLING.object_in(inner, name)
        yield choice


def _function(call: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a tool call that names it; where there is none, the call itself."""
    for name in ("function", "custom"):
        if (found := call.get(name)) is not None:
            return _SPELLING.object_in(found, name)
    return call


def _usage_elsewhere(value: dict[str, Any]) -> Any:
    """Return a usage that stands in Groq's own member, or in a choice (Moonshot)."""
    if isinstance(groq := value.get("x_groq"), dict):
        return groq.get("usage")
    choices = value.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return first.get("usage") if isinstance(first, dict) else None


def plain_text_of(body: bytes) -> str | None:
    """Return the text of an answer, whole or streamed; None where it has none, or is no plain text."""
    try:
        if not body.startswith(b"{"):
            return _streamed_in(body)
        text = orjson.loads(body)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    return text if isinstance(text, str) and text else None


def _streamed_in(body: bytes) -> str | None:
    lines = (line.removeprefix(b"data:").strip() for line in body.splitlines() if line.startswith(b"data:"))
    choices = [one for line in lines if line != b"[DONE]" for one in orjson.loads(line).get("choices") or ()]
    return "".join([one["delta"].get("content") or "" for one in choices]) or None
