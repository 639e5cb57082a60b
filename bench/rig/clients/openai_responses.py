import os
import sys

import openai
from pydantic import BaseModel


class City(BaseModel):
    name: str


client = openai.OpenAI()
ask = {"model": "support", "input": os.environ["ASK"]}
lookup = {"type": "function", "name": "lookup", "parameters": City.model_json_schema(), "strict": False}
match sys.argv[1]:
    case "plain":
        print(client.responses.create(**ask).output_text)
    case "stream":
        with client.responses.stream(**ask) as events:
            print("".join(one.delta for one in events if one.type == "response.output_text.delta"))
            print(events.get_final_response().output_text)
    case "tools":
        first = client.responses.create(**ask, tools=[lookup])
        call = next(one for one in first.output if one.type == "function_call")
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "a city"}
        told = [{"role": "user", "content": ask["input"]}, *first.output, result]
        print(call.name, client.responses.create(model="support", input=told, tools=[lookup]).output_text)
    case "structured":
        print(client.responses.parse(**ask, text_format=City).output_parsed)
