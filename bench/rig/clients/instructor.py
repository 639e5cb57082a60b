import os
import sys

import instructor
from pydantic import BaseModel


class City(BaseModel):
    name: str


client = instructor.from_provider(os.environ["MODEL"])
ask = {"messages": [{"role": "user", "content": os.environ["ASK"]}], "response_model": City}
match sys.argv[1]:
    case "plain" | "structured" | "tools":
        print("hello lookup", client.create(**ask))
    case "stream":
        print("hello", list(client.create_partial(**ask)))
