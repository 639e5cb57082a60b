import os
import sys

from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import tool
from pydantic import BaseModel


class City(BaseModel):
    name: str


@tool
def lookup(name: str) -> str:
    """Look up a city."""
    return name


given = {
    "plain": {},
    "stream": {"streaming_callback": lambda part: print(part.content, end="")},
    "tools": {"tools": [lookup]},
    "structured": {"generation_kwargs": {"response_format": City}},
}[sys.argv[1]]
generator = OpenAIChatGenerator(model="support", api_base_url=os.environ["OPENAI_BASE_URL"], **given)
print(generator.run([ChatMessage.from_user(os.environ["ASK"])])["replies"])
