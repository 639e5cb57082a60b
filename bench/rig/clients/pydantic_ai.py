import os
import sys

from pydantic import BaseModel
from pydantic_ai import Agent


class City(BaseModel):
    name: str


ask, model = os.environ["ASK"], os.environ["MODEL"]
match sys.argv[1]:
    case "plain":
        print(Agent(model).run_sync(ask).output)
    case "stream":
        for text in Agent(model).run_stream_sync(ask).stream_text():
            print(text)
    case "tools":
        agent = Agent(model)

        @agent.tool_plain
        def lookup(name: str) -> str:
            print("lookup", name)
            return name

        print(agent.run_sync(ask).output)
    case "structured":
        print(Agent(model, output_type=City).run_sync(ask).output)
