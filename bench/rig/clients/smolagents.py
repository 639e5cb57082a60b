import os
import sys

from smolagents import ChatMessage, OpenAIModel, ToolCallingAgent, tool


@tool
def lookup(name: str) -> str:
    """Look up a city.

    Args:
        name: of the city.
    """
    print("lookup", name)
    return name


SCHEMA = {"name": "city", "schema": {"type": "object", "properties": {"name": {"type": "string"}}}}
model = OpenAIModel("support", api_base=os.environ["OPENAI_BASE_URL"], api_key=os.environ["OPENAI_API_KEY"])
ask = [ChatMessage(role="user", content=os.environ["ASK"])]
match sys.argv[1]:
    case "plain":
        print(model.generate(ask).content)
    case "stream":
        print("".join(one.content or "" for one in model.generate_stream(ask)))
    case "tools":
        print(ToolCallingAgent(tools=[lookup], model=model, max_steps=3).run(os.environ["ASK"]))
    case "structured":
        print(model.generate(ask, response_format={"type": "json_schema", "json_schema": SCHEMA}).content)
