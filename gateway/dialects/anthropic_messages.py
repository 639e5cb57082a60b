"""The Anthropic messages format, and counting tokens in it: requests read and rewritten, errors written. Pure.

Source: the types of anthropic 2.14.0 and platform.claude.com (api/versioning, api/errors), read 2026-11-23.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.dialects.anthropic_answer import MessagesTranscript
from gateway.dialects.envelope import EMPTY, Envelope
from gateway.dialects.protocol import (
    FILE_TOKENS,
    IMAGE_TOKENS,
    RUN_TOKENS,
    Asked,
    Outgoing,
    Sent,
    Server,
    Transcript,
    flag_of,
    invalid,
    model_of,
    object_in,
    require_priced,
    rounds_in,
    whole_of,
)
from gateway.dialects.sse import Event, EventReader, Text
from gateway.dialects.strict import written
from gateway.dialects.whole import CountTranscript

VERSION = "2023-06-01"
"""What is sent to the provider for a client that names none."""
_HEADERS = ("anthropic-version", "anthropic-beta")
_TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
    404: "not_found_error", 409: "conflict_error", 412: "invalid_request_error", 413: "request_too_large",
    429: "rate_limit_error", 504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip
_RUN_BY_CALLER = ("custom", "bash_", "text_editor_", "computer_", "browser_", "memory_")
ABOUT_TOOLS = 1_000
"""Tokens that the vendor puts before a request with tools: some hundreds by model, as remembered, not read again."""
_REFERRED = {"image": IMAGE_TOKENS, "document": FILE_TOKENS, "container_upload": FILE_TOKENS}


class MessagesEnvelope(Envelope):
    """How errors stand in the format."""

    id_header = b"request-id"
    limit_name = "max_tokens"
    answer_mark = b'"content"'

    def is_greeting(self, event: Event) -> bool:
        return event.value is not None and event.value.get("type") in ("message_start", "ping")

    def error_in(self, body: bytes) -> Any:
        if self.answer_mark in body and b'"error"' not in body:
            return None
        value = self.read_error(body)
        if value is EMPTY or value is None:
            return value
        return value.get("error") or True if value.get("type") == "error" else None

    def error_of(self, event: Event) -> Any:
        value = event.value or {}
        return value.get("error") or value or True if event.error or value.get("type") == "error" else None

    def wrapped(self, words: dict[str, Any]) -> dict[str, Any]:
        return {"type": "error", "error": {"type": "api_error", "message": "no message"} | words}

    def is_wrapped(self, value: Any) -> bool:
        return value["type"] == "error" and isinstance(value["error"]["message"], str)

    def error(self, status: int, code: str, message: str, call: str) -> bytes:
        body = {"type": _TYPES.get(status, "api_error"), "message": message, "code": code}
        return written({"type": "error", "error": body, "request_id": call, "whyledger_call": call})

    def error_event(self, error: bytes) -> bytes:
        return b"event: error\ndata: " + error + b"\n\n"


class Messages(MessagesEnvelope):
    """POST /v1/messages."""

    name = "anthropic.messages"
    keeps_answer = True

    def read(self, sent: Sent) -> Asked:
        request = object_in(sent.body)
        require_priced(request, ("auto", "standard_only"))
        if request.get("fallbacks") is not None:
            raise invalid("`fallbacks` must be left out: name them in the route, whose prices are reserved")
        if request.get("inference_geo") not in (None, "global"):
            raise invalid("`inference_geo` must be global: no prices are known for other regions")
        messages, choice = request.get("messages"), request.get("tool_choice")
        if not isinstance(messages, list) or not all([isinstance(one, dict) for one in messages]):
            raise invalid("`messages` must be a list of objects")
        choice = choice if isinstance(choice, dict) else {}
        return Asked(
            fields=request,
            model=model_of(request),
            stream=flag_of(request, "stream"),
            tools=tuple(dict.fromkeys(_tools(request))),
            forced=choice["name"] if choice.get("type") == "tool" and isinstance(choice.get("name"), str) else "",
            required=choice.get("type") == "any",
            output_limit=whole_of(request, "max_tokens", 0, 10_000_000) or None,
            input_bound=len(sent.body) + sum(map(_referred, messages)) + _run_there(request),
            instructions=_instructions(request.get("system")),
            tool_rounds=rounds_in(messages, _turn_of),
            held=bool(request.get("container")),
            path=sent.path,
            headers=tuple((name, sent.headers[name]) for name in _HEADERS if sent.headers.get(name)),
        )

    def outgoing(self, asked: Asked, server: Server) -> Outgoing:
        return self._outgoing(asked, {**asked.fields, "model": server.model, "max_tokens": server.limit})

    def _outgoing(self, asked: Asked, body: dict[str, Any]) -> Outgoing:
        headers = {"anthropic-version": VERSION} | dict(asked.headers)
        return Outgoing(asked.path, written(body), tuple(headers.items()), "x-api-key")

    def with_instructions(self, fields: Mapping[str, Any], text: str) -> dict[str, Any]:
        own = fields.get("system")
        if isinstance(own, list):
            return {**fields, "system": [{"type": "text", "text": text}, *own]}
        return {**fields, "system": f"{text}\n\n{own}" if own else text}

    def reader(self) -> EventReader:
        return EventReader(text_of)

    def transcript(self, asked: Asked) -> Transcript:
        return MessagesTranscript()

    def is_extra(self, event: Event, asked: Asked) -> bool:
        return False


class CountTokens(Messages):
    """POST /v1/messages/count_tokens: free, but the provider sees the content."""

    name = "anthropic.count_tokens"
    answer_mark = b'"input_tokens"'

    def read(self, sent: Sent) -> Asked:
        asked = super().read(sent)
        if asked.stream:
            raise invalid("counting tokens has no stream; leave `stream` out")
        return asked._replace(output_limit=0, free=True)

    def outgoing(self, asked: Asked, server: Server) -> Outgoing:
        return self._outgoing(asked, {**asked.fields, "model": server.model})

    def transcript(self, asked: Asked) -> Transcript:
        return CountTranscript("input_tokens")


MESSAGES, COUNT_TOKENS = Messages(), CountTokens()


def text_of(value: dict[str, Any]) -> Text | None:
    """Return the text of an event that says nothing else, as the reader of events wants it."""
    delta = value.get("delta")
    if value.keys() != {"type", "index", "delta"} or value["type"] != "content_block_delta":
        return None
    if not isinstance(delta, dict) or delta.keys() != {"type", "text"} or delta["type"] != "text_delta":
        return None
    text = delta["text"]
    return (b"text", text.encode()) if isinstance(text, str) else None


def _turn_of(message: dict[str, Any]) -> str:
    """The results of tools stand in messages of the user, and are nobody's word."""
    content = message.get("content")
    kinds = [one.get("type") for one in content if isinstance(one, dict)] if isinstance(content, list) else []
    if message.get("role") == "user":
        return "" if "tool_result" in kinds else "person"
    return "tool" if "tool_use" in kinds else ""


def _tools(request: Mapping[str, Any]) -> Iterator[str]:
    tools, servers = request.get("tools"), request.get("mcp_servers")
    if not isinstance(tools, list | None) or not isinstance(servers, list | None):
        raise invalid("`tools` and `mcp_servers` must be lists")
    for tool in tools or ():
        if not isinstance(tool, dict) or not (isinstance(tool.get("name"), str) or isinstance(tool.get("type"), str)):
            raise invalid("each tool must be an object with a `name`")
        if tool.get("type") == "mcp_toolset":
            yield f"mcp:{tool.get('mcp_server_name')}"
        elif isinstance(tool.get("name"), str):
            yield tool["name"]
        else:  # all tools of a set, each of which is called by the name of the set and its own
            family, is_set, _version = tool["type"].partition("_toolset_")
            yield f"{family}:*" if is_set else tool["type"]
    for server in servers or ():
        yield f"mcp:{server.get('name') if isinstance(server, dict) else None}"


def _run_there(request: Mapping[str, Any]) -> int:
    """Return what tools add to the input: the vendor's own words about them, and the results of those that it runs."""
    tools = request.get("tools") or []
    kinds = {str(one.get("type") or "custom") for one in tools}
    run = any(not one.startswith(_RUN_BY_CALLER) for one in kinds) or bool(request.get("mcp_servers"))
    return (ABOUT_TOOLS if tools else 0) + (RUN_TOKENS if run else 0)


def _referred(message: Mapping[str, Any]) -> int:
    """Return the tokens of what the blocks of a message refer to, less the bytes of images and files in it."""
    content, tokens = message.get("content"), 0
    for block in content if isinstance(content, list) else ():
        if isinstance(block, dict):
            kind, source = block.get("type"), block.get("source")
            cost = _REFERRED.get(kind, 0) if isinstance(kind, str) else 0
            data = source.get("data") if isinstance(source, dict) and source.get("type") == "base64" else None
            tokens += cost - (len(data) if cost and isinstance(data, str) else 0) + _referred(block)
    return tokens


def _instructions(system: Any) -> str:
    if isinstance(system, str):
        return system
    parts = system if isinstance(system, list) else ()
    return "\n".join(one["text"] for one in parts if isinstance(one, dict) and isinstance(one.get("text"), str))
