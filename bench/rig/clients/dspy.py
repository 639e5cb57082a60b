import asyncio
import os
import sys

import dspy


class City(dspy.Signature):
    question: str = dspy.InputField()
    name: str = dspy.OutputField()


def lookup(name: str) -> str:
    """Look up a city."""
    print("lookup", name)
    return name


lm = dspy.LM("openai/support", cache=False)
dspy.configure(lm=lm, adapter=dspy.JSONAdapter())
ask = os.environ["ASK"]


async def stream() -> None:
    async for part in dspy.streamify(dspy.Predict(City))(question=ask):
        print("hello", part)


match sys.argv[1]:
    case "plain":
        print(lm(ask))
    case "stream":
        asyncio.run(stream())
    case "tools":
        print(lm(ask, tools=[dspy.Tool(lookup).format_as_litellm_function_call()]))
    case "structured":
        print(dspy.Predict(City)(question=ask))
