import os
import sys

import openai
from pydantic import BaseModel


class City(BaseModel):
    name: str


ask = {"model": "support", "messages": [{"role": "user", "content": os.environ["ASK"]}]}
lookup = {"type": "function", "function": {"name": "lookup", "parameters": {"type": "object"}}}
create = openai.OpenAI().chat.completions.create
match sys.argv[1]:
    case "plain":
        print(create(**ask).choices[0].message.content)
    case "stream":
        print("".join(one.choices[0].delta.content or "" for one in create(**ask, stream=True) if one.choices))
    case "tools":
        print(create(**ask, tools=[lookup]).choices[0].message.tool_calls[0].function.name)
    case "structured":
        print(openai.OpenAI().chat.completions.parse(**ask, response_format=City).choices[0].message.parsed)
