import os
import sys

from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel


class City(BaseModel):
    """A city."""

    name: str


def lookup(name: str) -> str:
    """Look up a city."""
    return name


ask = os.environ["ASK"]
llm = OpenAILike(model="support", api_base=os.environ["OPENAI_BASE_URL"], is_chat_model=True, is_function_calling_model=True)  # fmt: skip
match sys.argv[1]:
    case "plain":
        print(llm.chat([ChatMessage(ask)]).message.content)
    case "stream":
        print("".join(one.delta or "" for one in llm.stream_chat([ChatMessage(ask)])))
    case "tools":
        print(llm.chat_with_tools([FunctionTool.from_defaults(lookup)], user_msg=ask).message)
        print("lookup")
    case "structured":
        print(llm.as_structured_llm(City).complete(ask))
