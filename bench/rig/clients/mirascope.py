import os
import sys

from mirascope import llm
from pydantic import BaseModel


class City(BaseModel):
    name: str


@llm.tool
def lookup(name: str) -> str:
    """Look up a city."""
    return name


ask, model = os.environ["ASK"], llm.Model("openai/support:completions")
match sys.argv[1]:
    case "plain":
        print(model.call(ask).text())
    case "stream":
        print("".join(model.stream(ask).text_stream()))
    case "tools":
        print(model.call(ask, tools=[lookup]).tool_calls)
    case "structured":
        print(model.call(ask, format=City).parse())
