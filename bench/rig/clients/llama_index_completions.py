import os
import sys

from llama_index.llms.openai_like import OpenAILike

llm = OpenAILike(model="support", api_base=os.environ["OPENAI_BASE_URL"])
match sys.argv[1]:
    case "plain":
        print(llm.complete(os.environ["ASK"]).text)
    case "stream":
        print("".join(one.delta or "" for one in llm.stream_complete(os.environ["ASK"])))
