import os
import sys

from agno.agent import Agent
from agno.models.openai.like import OpenAILike
from pydantic import BaseModel


class City(BaseModel):
    name: str


def lookup(name: str) -> str:
    """Look up a city."""
    print("lookup", name)
    return name


ask = os.environ["ASK"]
model = OpenAILike(id="support", base_url=os.environ["OPENAI_BASE_URL"], api_key=os.environ["OPENAI_API_KEY"])
match sys.argv[1]:
    case "plain":
        print(Agent(model=model).run(ask).content)
    case "stream":
        print("".join(getattr(one, "content", "") or "" for one in Agent(model=model).run(ask, stream=True)))
    case "tools":
        print(Agent(model=model, tools=[lookup]).run(ask).content)
    case "structured":
        print(Agent(model=model, output_schema=City).run(ask).content)
