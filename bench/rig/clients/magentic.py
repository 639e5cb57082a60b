import os
import sys

from magentic import FunctionCall, OpenaiChatModel, StreamedStr, prompt
from pydantic import BaseModel


class City(BaseModel):
    name: str


def lookup(name: str) -> str:
    """Look up a city."""
    return name


model = OpenaiChatModel("support")


@prompt("{ask}", model=model)
def plain(ask: str) -> str: ...


@prompt("{ask}", model=model)
def stream(ask: str) -> StreamedStr: ...


@prompt("{ask}", model=model, functions=[lookup])
def tools(ask: str) -> FunctionCall[str] | str: ...


@prompt("{ask}", model=model)
def structured(ask: str) -> City: ...


answer = globals()[sys.argv[1]](os.environ["ASK"])
print("".join(answer) if sys.argv[1] == "stream" else answer)
