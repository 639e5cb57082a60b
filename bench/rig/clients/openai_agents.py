import asyncio
import os
import sys

from agents import Agent, OpenAIChatCompletionsModel, Runner, function_tool
from openai import AsyncOpenAI
from pydantic import BaseModel


class City(BaseModel):
    name: str


@function_tool
def lookup(name: str) -> str:
    print("lookup", name)
    return name


async def stream(agent: Agent) -> str:
    result = Runner.run_streamed(agent, ask)
    async for _ in result.stream_events():
        continue
    return result.final_output


ask, model = os.environ["ASK"], "support"
if "CHAT" in os.environ:
    model = OpenAIChatCompletionsModel("support", AsyncOpenAI())
match sys.argv[1]:
    case "plain":
        print(Runner.run_sync(Agent("a", model=model), ask).final_output)
    case "stream":
        print(asyncio.run(stream(Agent("a", model=model))))
    case "tools":
        print(Runner.run_sync(Agent("a", model=model, tools=[lookup]), ask).final_output)
    case "structured":
        print(Runner.run_sync(Agent("a", model=model, output_type=City), ask).final_output)
