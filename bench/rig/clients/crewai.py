import os
import sys

from crewai import LLM, Agent
from crewai.tools import tool
from pydantic import BaseModel


class City(BaseModel):
    name: str


@tool("lookup")
def lookup(name: str) -> str:
    """Look up a city."""
    print("lookup", name)
    return name


ask, mode = os.environ["ASK"], sys.argv[1]
llm = LLM(model="openai/support", base_url=os.environ["OPENAI_BASE_URL"], api_key=os.environ["OPENAI_API_KEY"], stream=mode == "stream")  # fmt: skip
agent = Agent(role="a", goal="b", backstory="c", llm=llm, tools=[lookup] if mode == "tools" else [])
print(agent.kickoff(ask, response_format=City if mode == "structured" else None))
