import os
import sys

from google import genai
from pydantic import BaseModel


class City(BaseModel):
    name: str


def lookup(name: str) -> str:
    """Look up a city."""
    print("lookup", name)
    return name


client = genai.Client()
ask = {"model": "gemini", "contents": os.environ["ASK"]}
match sys.argv[1]:
    case "plain":
        print(client.models.generate_content(**ask).text)
    case "stream":
        print("".join(one.text or "" for one in client.models.generate_content_stream(**ask)))
    case "tools":
        print(client.models.generate_content(**ask, config={"tools": [lookup]}).text)
    case "structured":
        form = {"response_mime_type": "application/json", "response_schema": City}
        print(client.models.generate_content(**ask, config=form).parsed)
