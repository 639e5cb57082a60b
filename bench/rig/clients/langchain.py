import os
import sys

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel


class City(BaseModel):
    name: str


@tool
def lookup(name: str) -> str:
    """Look up a city."""
    return name


ask, llm = os.environ["ASK"], ChatOpenAI(model="support")
match sys.argv[1]:
    case "plain":
        print(llm.invoke(ask).content)
    case "stream":
        print("".join(one.content for one in llm.stream(ask)))
    case "tools":
        print(llm.bind_tools([lookup]).invoke(ask).tool_calls)
    case "structured":
        print(llm.with_structured_output(City).invoke(ask))
