import os
import sys

import anthropic
from pydantic import BaseModel


class City(BaseModel):
    name: str


@anthropic.beta_tool
def lookup(name: str) -> str:
    """Look up a city.

    Args:
        name: of the city.
    """
    print("lookup", name)
    return name


client = anthropic.Anthropic()
ask = {"model": "claude", "max_tokens": 200, "messages": [{"role": "user", "content": os.environ["ASK"]}]}
match sys.argv[1]:
    case "plain":
        print(client.messages.create(**ask).content[0].text)
    case "stream":
        with client.messages.stream(**ask) as events:
            print("".join(events.text_stream))
    case "tools":
        print(client.beta.messages.tool_runner(**ask, tools=[lookup]).until_done().content[0].text)
    case "structured":
        print(client.messages.parse(**ask, output_format=City).parsed_output)
