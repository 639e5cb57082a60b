"""The OpenAI Responses format: requests read and rewritten, its greetings and errors told apart. Pure.

Source: the types of openai 3.57.0 and the vendor's API reference, read 2026-11-23; recorded answers of six servers.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from gateway.dialects import openai_error
from gateway.dialects.capabilities import refused_by
from gateway.dialects.openai_responses_answer import ResponsesTranscript
from gateway.dialects.protocol import (
    FILE_TOKENS,
    IMAGE_TOKENS,
    RUN_TOKENS,
    Asked,
    Outgoing,
    Sent,
    Server,
    flag_of,
    invalid,
    model_of,
    object_in,
    require_priced,
    whole_of,
)
from gateway.dialects.sse import Event, EventReader
from gateway.dialects.strict import loaded, written

GREETINGS = frozenset({"response.created", "response.in_progress", "response.queued", "keepalive"})
_REFERRED = {"input_image": IMAGE_TOKENS, "input_file": FILE_TOKENS, "computer_screenshot": IMAGE_TOKENS}
_RUN_BY_CALLER = frozenset({"function", "custom", "namespace", "local_shell", "shell", "apply_patch"})
_DATA = ("image_url", "file_data")


class Responses(openai_error.OpenAIEnvelope):
    """POST /v1/responses."""

    name = "openai.responses"
    limit_name = "max_output_tokens"
    keeps_answer = True
    answer_mark = b'"output"'

    def read(self, sent: Sent) -> Asked:
        request = object_in(sent.body)
        require_priced(request)
        if flag_of(request, "background"):
            raise invalid("`background` must be false: an answer that is fetched later would have no end on record")
        choice = request.get("tool_choice")
        items = _items(request)
        held = any(request.get(name) for name in ("previous_response_id", "conversation")) or any(
            map(_is_reference, items)
        )
        return Asked(
            fields=request,
            model=model_of(request),
            stream=flag_of(request, "stream"),
            tools=tuple(dict.fromkeys(_tools(request))),
            forced=_forced(choice),
            required=choice == "required",
            output_limit=whole_of(request, "max_output_tokens", 0, 10_000_000) or None,
            input_bound=len(sent.body) + _referred(items) + (FILE_TOKENS if held else 0) + _run_there(request),
            instructions=_instructions(request, items),
            tool_rounds=_rounds(items),
            held=held,
            stored=flag_of(request, "store", True),
        )

    def outgoing(self, asked: Asked, server: Server) -> Outgoing:
        dropped = refused_by(server.model, asked.fields)
        body = {name: value for name, value in asked.fields.items() if name not in dropped}
        body |= {"model": server.model, "max_output_tokens": server.limit}
        return Outgoing("/responses", written(body), dropped=dropped)

    def with_instructions(self, fields: Mapping[str, Any], text: str) -> dict[str, Any]:
        own = fields.get("instructions")
        return {**fields, "instructions": f"{text}\n\n{own}" if isinstance(own, str) and own else text}

    def reader(self) -> EventReader:
        return EventReader(lambda _value: None)  # each event has its own number

    def transcript(self, asked: Asked) -> ResponsesTranscript:
        return ResponsesTranscript(asked.tools)

    def is_extra(self, event: Event, asked: Asked) -> bool:
        return False

    def is_greeting(self, event: Event) -> bool:
        return event.value is not None and event.value.get("type") in GREETINGS

    def error_in(self, body: bytes) -> Any:
        """An answer of status `failed` is an error, whatever it holds beside."""
        if self.answer_mark not in body:
            return super().error_in(body)
        return _failure(body) if b'"failed"' in body else None

    def error_of(self, event: Event) -> Any:
        value = event.value or {}
        if value.get("type") == "response.failed" and isinstance(inner := value.get("response"), dict):
            return inner.get("error") or True
        if value.get("type") == "error":
            return value.get("error") or value
        return super().error_of(event)

    def error_event(self, error: bytes) -> bytes:
        """Return the event at which SDKs raise, and the one whose words Codex reads."""
        body = orjson.loads(error)
        said = {"type": "error", "sequence_number": 0, "error": body["error"]}
        response = {
            "id": body.get("whyledger_call"), "object": "response", "status": "failed", "output": [], "usage": None,
            "error": {"code": body["error"].get("code") or "server_error", "message": body["error"]["message"]},
        }  # fmt: skip
        failed = {"type": "response.failed", "sequence_number": 1, "response": response}
        return b"event: error\ndata: %b\n\nevent: response.failed\ndata: %b\n\n" % (
            written(said),
            written(failed),
        )


RESPONSES = Responses()


def _failure(body: bytes) -> Any:
    try:
        value = loaded(body)
    except orjson.JSONDecodeError:
        return None
    return value.get("error") or True if isinstance(value, dict) and value.get("status") == "failed" else None


def _rounds(items: list[dict[str, Any]]) -> int:
    """Return how many rounds of tools stand behind the last word of a person; the results of one stand together."""
    rounds, among_results = 0, False
    for item in reversed(items):
        kind = str(item.get("type") or "message")
        if kind == "message" and item.get("role") == "user":
            break
        is_result = kind.endswith("_call_output")
        rounds += is_result and not among_results
        among_results = is_result
    return rounds


def _items(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    said = request.get("input")
    if said is None or isinstance(said, str):
        return []
    if not isinstance(said, list) or not all([isinstance(one, dict) for one in said]):
        raise invalid("`input` must be a text or a list of objects")
    return said


def _is_reference(item: dict[str, Any]) -> bool:
    """Tell whether an item only names one that the provider holds. Its type may be left out."""
    return item.get("type") == "item_reference" or (item.get("type") is None and "role" not in item)


def _tools(request: Mapping[str, Any]) -> Iterator[str]:
    tools = request.get("tools")
    if not isinstance(tools, list | None):
        raise invalid("`tools` must be a list")
    for tool in tools or ():
        if not isinstance(tool, dict) or not isinstance(tool.get("type"), str):
            raise invalid("each tool must be an object with a `type`")
        if tool["type"] == "namespace":  # Codex 0.171.0
            yield from _tools(tool)
        elif tool["type"] in ("function", "custom") and isinstance(tool.get("name"), str):
            yield tool["name"]
        elif tool["type"] == "mcp":
            yield f"mcp:{tool.get('server_label')}"
        else:
            yield tool["type"]  # a tool the provider runs itself, or one of its own that the caller runs


def _run_there(request: Mapping[str, Any]) -> int:
    """Return what the results of tools add that the provider runs."""
    kinds = {tool["type"] for tool in request.get("tools") or ()}
    return RUN_TOKENS if any(one not in _RUN_BY_CALLER and not one.startswith("computer") for one in kinds) else 0


def _forced(choice: Any) -> str:
    named = isinstance(choice, dict) and choice.get("type") in ("function", "custom")
    return choice["name"] if named and isinstance(choice.get("name"), str) else ""


def _referred(items: list[dict[str, Any]]) -> int:
    """Return the tokens of what the items refer to, less the bytes of images and files that stand in them."""
    tokens = 0
    for item in items:
        tokens += _referred_by(item)
        for name in ("content", "output"):
            parts = item.get(name)
            for part in parts if isinstance(parts, list) else (parts,):
                tokens += _referred_by(part) if isinstance(part, dict) else 0
    return tokens


def _referred_by(part: dict[str, Any]) -> int:
    kind = part.get("type")
    cost = _REFERRED.get(kind, 0) if isinstance(kind, str) else 0
    if part.get("file_id") or part.get("file_url"):
        cost = cost or FILE_TOKENS
    inline = sum(len(v) for n in _DATA if isinstance(v := part.get(n), str) and v.startswith("data:")) if cost else 0
    return cost - inline


def _instructions(request: Mapping[str, Any], items: list[dict[str, Any]]) -> str:
    texts = [own] if isinstance(own := request.get("instructions"), str) and own else []
    for item in items:
        if item.get("role") not in ("system", "developer"):
            break
        content = item.get("content")
        parts = content if isinstance(content, list) else [{"text": content}]
        texts += [part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]
    return "\n".join(texts)
