import asyncio
import os
import sys

from pydantic import BaseModel
from strands import Agent, tool
from strands.models.openai import OpenAIModel


class City(BaseModel):
    """A city."""

    name: str


@tool
def lookup(name: str) -> str:
    """Look up a city."""
    print("lookup", name)
    return name


async def stream() -> None:
    async for part in Agent(model=model, callback_handler=None).stream_async(ask):
        print(part.get("data", ""), end="")


client_args = {"base_url": os.environ["OPENAI_BASE_URL"], "api_key": os.environ["OPENAI_API_KEY"]}
ask, model = os.environ["ASK"], OpenAIModel(client_args=client_args, model_id="support")
match sys.argv[1]:
    case "plain":
        print(Agent(model=model)(ask))
    case "stream":
        asyncio.run(stream())
    case "tools":
        print(Agent(model=model, tools=[lookup])(ask))
    case "structured":
        print(Agent(model=model)(ask, structured_output_model=City).structured_output)
