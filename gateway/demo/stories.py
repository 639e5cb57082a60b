"""The story set: business tasks with names, told over HTTP with the official OpenAI SDK where it is installed."""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.demo.world import APPROVER, World

sdk: Any
try:
    sdk = importlib.import_module("openai")
    SPOKEN = "the official openai SDK"
except ModuleNotFoundError:
    sdk = importlib.import_module("gateway.demo.plain")
    SPOKEN = "plain HTTP (the extra `openai` brings the official SDK)"

FLASH, HAIKU, PRO = "gemini-3-flash-preview", "claude-3-haiku", "gemini-3.1-pro-preview"
DOCS, SUPPORT, COPY = "summarize_internal_docs", "complex_customer_support", "marketing_copy"
REFUND_TOOL = {
    "type": "function",
    "function": {
        "name": "issue_refund",
        "description": "Pay money back to a customer",
        "parameters": {"type": "object", "properties": {"amount_eur": {"type": "number"}}, "required": ["amount_eur"]},
    },
}
PAGE_TOOL = {
    "type": "function",
    "function": {
        "name": "read_page",
        "description": "Read a page of the inbox",
        "parameters": {"type": "object", "properties": {"page": {"type": "integer"}}, "required": ["page"]},
    },
}


@dataclass(frozen=True, slots=True)
class Story:
    """A business task: its id, what happens, and the function that makes it happen. Returns a line for the terminal."""

    task: str
    title: str
    tell: Callable[[World, str], str]
    live: bool = False
    """Can be told with a real provider too."""


def _client(world: World, task: str, *, key: str = "support-agent", **headers: str) -> Any:
    named = {"x-whyledger-task": task, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return world.closing.enter_context(
        sdk.OpenAI(
            base_url=f"{world.base_url}/v1", api_key=world.keys[key], default_headers=named, max_retries=2, timeout=60
        )
    )


def _ask(client: Any, intent: str, text: str, **more: Any) -> Any:
    return client.chat.completions.create(model=intent, messages=[{"role": "user", "content": text}], **more)


def _refused(client: Any, intent: str, text: str, **more: Any) -> str:
    try:
        _ask(client, intent, text, **more)
    except sdk.APIStatusError as error:
        body = error.body if isinstance(error.body, Mapping) else {}
        return f"{error.status_code} {body.get('code')}"
    return "was answered, which it should not have been"


ONBOARDING = "Summarise the onboarding guide for new colleagues in five sentences."


def _plain(world: World, task: str) -> str:
    return str(_ask(_client(world, task), DOCS, ONBOARDING).choices[0].message.content)


def _streamed(world: World, task: str) -> str:
    stream = _ask(_client(world, task), SUPPORT, "Where is my parcel 8812?", stream=True)
    pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    return f"{''.join(pieces)} ({len(pieces)} events)"


def _fallback(world: World, task: str) -> str:
    world.behave(PRO, "status", status=500, times=3)
    return str(_ask(_client(world, task), SUPPORT, "My invoice shows the wrong address.").model)


def _exhausted(world: World, task: str) -> str:
    for model in (FLASH, HAIKU):
        world.behave(model, "status", status=503, times=2)
    return _refused(_client(world, task), DOCS, "Summarise the quarterly report.")


def _cached(world: World, task: str) -> str:
    answer = _client(world, task).chat.completions.with_raw_response.create(
        model=DOCS, messages=[{"role": "user", "content": ONBOARDING}]
    )
    return f"cache {answer.headers['x-whyledger-cache']}, EUR {answer.headers['x-whyledger-cost-eur']}"


def _over_budget(world: World, task: str) -> str:
    return _refused(_client(world, task), COPY, "Write the whole autumn campaign.", max_completion_tokens=10_000)


def _unknown_route(world: World, task: str) -> str:
    return _refused(_client(world, task), "summarise_docs", "Summarise the minutes.")


def _revoked(world: World, task: str) -> str:
    return _refused(_client(world, task, key="revoked"), SUPPORT, "Hello?")


def _client_gone(world: World, task: str) -> str:
    world.behave(
        PRO, "answer", gap=0.05, text="This long answer is read only in part by a customer who closes the page."
    )
    stream = _ask(_client(world, task), SUPPORT, "Explain your return policy.", stream=True)
    for number, _ in enumerate(stream):
        if number == 3:
            break
    stream.close()
    return "left after 4 events"


def _upstream_cut(world: World, task: str) -> str:
    world.behave(PRO, "cut", after=3, text="The upstream breaks off in the middle of this sentence.")
    try:
        events = list(_ask(_client(world, task), SUPPORT, "Which size fits me?", stream=True))
    except (sdk.APIError, OSError, Exception) as error:  # noqa: BLE001 - SDK versions differ in which error they raise
        return f"the client raised {type(error).__name__}: not a clean end"
    return f"ended cleanly after {len(events)} events, which it should not have"


def _runaway(world: World, task: str) -> str:
    client = _client(world, task, key="invoice-bot")
    results = []
    for number in range(4):
        world.behave(FLASH, "answer", text=f"Page {number + 1} read, I need to look again.")
        try:
            _ask(client, DOCS, f"Read invoice 77, attempt {number + 1}.")
            results.append("answered")
        except sdk.APIStatusError as error:
            results.append(f"{error.status_code}")
    world.post("/api/v1/stops", {"task": task, "reason": "the agent reads the same invoice in a loop"}, person=APPROVER)
    results.append(_refused(client, DOCS, "Read invoice 77 once more."))
    return ", ".join(results)


def _bank_holiday(world: World, task: str) -> str:
    """From Friday evening on nobody is there, and the agent asks for the same page again and again."""
    client = _client(world, task, key="booking-bot")
    turns: list[Any] = [{"role": "user", "content": "Book the invoices that come in over the bank holiday."}]
    world.behave(FLASH, "tool_call", name="read_page", arguments={"page": 1}, times=3)  # as many as are let through
    for number in range(100):
        try:
            message = client.chat.completions.create(model=DOCS, messages=turns, tools=[PAGE_TOOL]).choices[0].message
        except sdk.APIStatusError as error:
            body = error.body if isinstance(error.body, Mapping) else {}
            return f"{number} answered, then {error.status_code} {body.get('code')}, and nobody had to be there"
        call = message.tool_calls[0]
        function = {"name": call.function.name, "arguments": call.function.arguments}
        turns.append({"role": "assistant", "tool_calls": [{"id": call.id, "type": "function", "function": function}]})
        turns.append({"role": "tool", "tool_call_id": call.id, "content": "Page 1 of 1: nothing new."})
    return "nothing stopped it, which it should have"


def _refund(world: World, task: str) -> str:
    client = _client(world, task, x_whyledger_subject="customer-3391")
    world.behave(PRO, "status", status=500, times=3)
    _ask(client, SUPPORT, "Customer writes: the coffee machine arrived broken. What should we do?")
    world.behave(PRO, "tool_call", name="issue_refund", arguments={"amount_eur": 480.0})
    proposal = _ask(client, SUPPORT, "Propose the refund.", tools=[REFUND_TOOL])
    call = proposal.choices[0].message.tool_calls[0]
    _ask(client, SUPPORT, "Write the confirmation to the customer.")
    calls = _calls_of(world, task)
    world.post(
        "/api/v1/overrides",
        {
            "call": calls[1], "action": "reverse", "reason_code": "R07", "presented": "Proposed: refund EUR 480.00",
            "reason": "refunds above EUR 250 need finance; the customer gets a replacement instead",
            "before": f"{call.function.name} {call.function.arguments}", "after": "replacement sent, no refund",
        },
        person=APPROVER,
    )  # fmt: skip
    return f"3 calls, tool {call.function.name}, then reversed by {APPROVER}"


def _calls_of(world: World, task: str) -> list[str]:
    import json

    answer = json.loads(world.get(f"/api/v1/why/{task}", person=APPROVER))
    return [one["call"] for one in answer["calls"]]


STORIES = (
    Story("doc:onboarding", "A summary of the onboarding guide (plain)", _plain, live=True),
    Story("ticket:4702", "A live reply to a customer (streamed)", _streamed, live=True),
    Story("ticket:4703", "A complaint while the first model is down (fallback after three errors)", _fallback),
    Story("doc:quarterly", "The quarterly report while every model is down (retries exhausted)", _exhausted),
    Story("doc:onboarding-again", "The same summary an hour later (exact cache)", _cached, live=True),
    Story("campaign:autumn", "A campaign that does not fit the daily cap (budget stop)", _over_budget, live=True),
    Story("job:minutes", "A job with a typing error in its intent (unknown route)", _unknown_route, live=True),
    Story("ticket:4708", "Someone uses a key that was revoked (revoked key)", _revoked, live=True),
    Story("ticket:4709", "A customer closes the page (client gone mid-stream)", _client_gone),
    Story("ticket:4710", "The provider breaks off (upstream cut mid-stream)", _upstream_cut),
    Story("agent:bank-holiday", "An agent that nobody watches goes round in a circle (fan-out cap)", _bank_holiday),
    Story("agent:invoice-77", "An agent in a loop, stopped (runaway agent)", _runaway),
    Story("ticket:4711", "A refund proposed by a tool call and reversed by a person", _refund),
)
