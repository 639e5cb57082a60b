import os
import sys

from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from pydantic import BaseModel


class City(BaseModel):
    name: str


@tool
def lookup(name: str) -> str:
    """Look up a city."""
    return name


match os.environ["MODEL"]:
    case "support":
        from langchain_openai import ChatOpenAI

        llm = ChatOpenAI(model="support")
    case "claude":
        from langchain_anthropic import ChatAnthropic

        llm = ChatAnthropic(model="claude")
    case "gemini":
        from langchain_google_genai import ChatGoogleGenerativeAI

        llm = ChatGoogleGenerativeAI(model="gemini")
ask = os.environ["ASK"]
match sys.argv[1]:
    case "plain":
        print(llm.invoke(ask).text)
    case "stream":
        print("".join(one.text for one in llm.stream(ask)))
    case "tools":
        bound, told = llm.bind_tools([lookup]), [HumanMessage(ask)]
        told.append(bound.invoke(told))
        told += [lookup.invoke(one) for one in told[-1].tool_calls]
        print("lookup", bound.invoke(told).text)
    case "structured":
        print(llm.with_structured_output(City).invoke(ask))
