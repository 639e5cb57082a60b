import os
import sys

import litellm
from pydantic import BaseModel


class City(BaseModel):
    name: str


ask = {"model": os.environ["MODEL"], "messages": [{"role": "user", "content": os.environ["ASK"]}]}
lookup = {"type": "function", "function": {"name": "lookup", "parameters": {"type": "object"}}}
match sys.argv[1]:
    case "plain":
        print(litellm.completion(**ask).choices[0].message.content)
    case "stream":
        print("".join(one.choices[0].delta.content or "" for one in litellm.completion(**ask, stream=True)))
    case "tools":
        print(litellm.completion(**ask, tools=[lookup]).choices[0].message.tool_calls)
    case "structured":
        print(litellm.completion(**ask, response_format=City).choices[0].message.content)
