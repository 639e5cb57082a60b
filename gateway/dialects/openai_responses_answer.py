"""What an answer in the Responses format has said so far: who answered, its tool calls, its end, its usage.

Tools that the provider runs itself are told by the type of their item, those of the caller by their name.
"""

import re
from collections.abc import Sequence
from typing import Any

from gateway.dialects.openai_usage import count_of, read_usage
from gateway.dialects.protocol import Called, Unreadable
from gateway.dialects.reading import Heard, Spelling, answer_in, list_in, text_in, type_of, word_in
from gateway.dialects.sse import Event
from gateway.dialects.strict import written
from gateway.pricing.money import Reported

_SPELLING = Spelling(
    "type", "item", "name", "arguments", "input", "output", "response", "status", "output_index", "item_id",
    "server_label",
)  # fmt: skip
ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})
_FINISHES = {"max_output_tokens": "length", "max_messages": "length", "content_filter": "content_filter"}
_NAMED = frozenset({"function_call", "custom_tool_call"})
_OF_CALLER = frozenset({"local_shell_call", "shell_call", "apply_patch_call", "computer_call", "mcp_approval_request"})
"""Tools of the provider's making that the caller runs, or is asked about."""
_OF_MCP = frozenset({"mcp_call", "mcp_approval_request"})
_CALLS_NOTHING = frozenset({
    "message", "reasoning", "compaction", "additional_tools", "mcp_list_tools", "mcp_approval_response",
    "program_output", "tool_search_output",
})  # fmt: skip
"""Items that are no call; whatever an item of another type is, it may be one."""
_OF_CALL = re.compile(r"response\.(\w+_call)(_|\.|$)")
"""Events that tell of a call beside its item."""
_NAMES = {
    "input_tokens": "prompt_tokens", "input_tokens_details": "prompt_tokens_details",
    "output_tokens": "completion_tokens", "output_tokens_details": "completion_tokens_details",
}  # fmt: skip
"""Members of a usage object by their names in the chat format."""


class ResponsesTranscript(Heard):
    """What an answer, whole or streamed, has said so far."""

    def __init__(self, tools: Sequence[str] = ()) -> None:
        """`tools`: names and types of the tools that the request defines."""
        super().__init__()
        self._tools = tools
        self._status = self._reason = ""
        self._calls: dict[tuple[int, str], bool] = {}
        """By place and name: whether the provider runs it."""
        self._arguments: dict[int, str] = {}
        self._pieces: dict[int, str] = {}
        self._told: dict[int, dict[str, None]] = {}
        """By place: every text that was told as the arguments of a call there."""
        self._unclear: set[int] = set()
        """Places of calls whose arguments are not those of a function."""
        self._places: dict[str, int] = {}
        """Where an item stands, by its id."""
        self._searches: set[int] = set()
        self._usage: Any = None
        self._last: dict[str, Any] = {}

    @property
    def finish(self) -> str | None:
        """In the words of the chat format."""
        if self._status == "incomplete":
            return _FINISHES.get(self._reason, "other")
        if self._status != "completed":
            return None
        return "tool_calls" if not all(self._calls.values()) else "stop"

    def see_whole(self, body: bytes) -> None:
        value = _SPELLING.object_in(answer_in(body), "the answer")
        if value.get("error") and not value.get("output"):
            self.error = value["error"]
            self._see_header(value)
            return
        if not isinstance(value.get("output"), list):
            raise Unreadable("the answer is not a response")
        self._see_response(value)
        self.finished = True

    def see(self, event: Event) -> bool:
        if event.error and event.value is None:
            self.error = self.error or True
        if event.unreadable:
            raise Unreadable(f"an event of the answer cannot be read: {event.unreadable}")
        if event.value is None:
            return event.done or self.finished or bool(self.error)  # SDKs of OpenAI stop at `[DONE]`
        value = _SPELLING.object_in(event.value, "an event")
        if event.error or (kind := type_of(event, value)) == "error":
            self.error = value.get("error") or value
        elif kind in ENDS:
            self._see_response(_SPELLING.object_in(value.get("response"), "its response"))
            self.finished = True
        else:
            self._see_piece(kind, value)
        return self.finished or bool(self.error)

    def _see_piece(self, kind: str, value: dict[str, Any]) -> None:
        """By its members, whatever its type: some client reads them all the same."""
        if "item" in value:
            self._see_item(count_of(value.get("output_index")) or 0, value["item"])
        if isinstance(inner := value.get("response"), dict):
            self._see_header(inner)
            self._see_items(_SPELLING.object_in(inner, "its response"))
        if told := _OF_CALL.match(kind):
            self._see_told(told[1], value)
        if kind in ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta"):
            place = self._place_of(value)
            self._pieces[place] = self._pieces.get(place, "") + text_in(value.get("delta"))
        if kind in ("response.function_call_arguments.done", "response.custom_tool_call_input.done"):
            self._tell(self._place_of(value), text_in(value.get("arguments")) + text_in(value.get("input")))

    def _see_told(self, kind: str, value: dict[str, Any]) -> None:
        """A call may be told by another event than that of its item, and by a name of its own."""
        place, name = self._place_of(value), text_in(value.get("name"))
        known = [one for at, one in self._calls if at == place]
        if known and (not name or name in known or kind not in _NAMED):
            return
        self.called += 1
        kind = "image_generation_call" if kind == "image_gen_call" else kind
        self._calls[place, name if kind in _NAMED else self._name_of(kind, value)] = kind not in _NAMED | _OF_CALLER

    def _place_of(self, value: dict[str, Any]) -> int:
        identifier = value.get("item_id")
        known = self._places.get(identifier) if isinstance(identifier, str) else None
        return (count_of(value.get("output_index")) or 0) if known is None else known

    def see_end(self) -> None:
        """A stream ends by its last event alone."""

    def _see_response(self, value: dict[str, Any]) -> None:
        self._see_header(value)
        self._see_items(value)
        self._status = word_in(value.get("status")) or "completed"
        details = value.get("incomplete_details")
        self._reason = str(details.get("reason")) if isinstance(details, dict) else ""
        if self._status == "failed" or value.get("error"):
            self.error = value.get("error") or True

    def _see_items(self, value: dict[str, Any]) -> None:
        for index, item in enumerate(list_in(value, "output")):
            self._see_item(index, item)

    def _see_header(self, value: dict[str, Any]) -> None:
        self.response_id = word_in(value.get("id")) or self.response_id
        self.model = word_in(value.get("model")) or self.model
        self.service_tier = word_in(value.get("service_tier")) or self.service_tier
        if isinstance(usage := value.get("usage"), dict):
            self._usage, self._last = usage, value

    def _see_item(self, index: int, item: Any) -> None:
        found = _SPELLING.object_in(item, "an item of its output")
        kind = found.get("type")
        if not isinstance(kind, str):
            raise Unreadable("an item of its output has no type")
        if identifier := word_in(found.get("id")):
            self._places.setdefault(identifier, index)
        if kind in _CALLS_NOTHING or kind.endswith("_call_output"):
            return
        self.called += 1
        name = text_in(found.get("name")) if kind in _NAMED else self._name_of(kind, found)
        if name:
            self._calls.pop((index, ""), None)  # its arguments had come before it
        self._calls[index, name] = kind not in _NAMED | _OF_CALLER
        if kind == "web_search_call" and _is_search(found.get("action")):
            self._searches.add(index)
        if kind not in _NAMED:
            self._arguments[index] = written(found).decode()
            self._unclear.add(index)
        elif arguments := text_in(found.get("arguments")) or text_in(found.get("input")):
            self._arguments[index] = arguments
            self._tell(index, arguments)

    def _tell(self, place: int, arguments: str) -> None:
        self._told.setdefault(place, {})[arguments] = None

    def _name_of(self, kind: str, item: dict[str, Any]) -> str:
        """Return the name under which the request defines a tool of the provider: `web_search_preview`."""
        if kind in _OF_MCP:
            return f"mcp:{item.get('server_label')}"
        stem = kind.removesuffix("_call")
        forms = re.compile(rf"{re.escape(stem)}(_use)?(_preview)?(_20\d\d_\d\d_\d\d)?")
        return next((one for one in self._tools if forms.fullmatch(one)), stem)

    def tool_calls(self) -> list[Called]:
        every = sorted(self._calls.items(), key=lambda one: one[0][0])
        return [self._called(index, name, run) for (index, name), run in every]

    def _called(self, index: int, name: str, run: bool) -> Called:
        """Items may share a place, and one call may be told in two ways: all of it counts for each of them."""
        pieces = self._pieces.get(index, "")
        arguments = self._arguments.get(index, pieces)
        every = dict.fromkeys(one for one in (*self._told.get(index, ()), pieces) if one)
        others = tuple(one for one in every if one != arguments)
        return Called(name, arguments, run, others, index in self._unclear)

    def reported(self) -> Reported | None:
        if not isinstance(self._usage, dict):
            return None
        usage = {_NAMES.get(name, name): value for name, value in self._usage.items()}
        found = read_usage(usage, self._last)
        if found is None or not self._searches or dict(found.usage.others).get("web_search"):
            return found
        searched = ("web_search", len(self._searches))  # billed apiece, and no count says how many
        return found._replace(usage=found.usage._replace(others=(*found.usage.others, searched)))

    def raw_usage(self) -> str | None:
        return written(self._usage).decode() if self._usage else None


def _is_search(action: Any) -> bool:
    """Tell whether a search of the web is billed as one; opening a page that it found is not."""
    return not isinstance(action, dict) or action.get("type") in (None, "search")
