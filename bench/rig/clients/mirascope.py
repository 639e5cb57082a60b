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


ask, model = os.environ["ASK"], llm.Model(os.environ["MODEL"])
match sys.argv[1]:
    case "plain":
        print(model.call(ask).text())
    case "stream":
        print("".join(model.stream(ask).text_stream()))
    case "tools":
        first = model.call(ask, tools=[lookup])
        print("lookup", first.resume(first.execute_tools()).text())
    case "structured":
        print(model.call(ask, format=City).parse())
