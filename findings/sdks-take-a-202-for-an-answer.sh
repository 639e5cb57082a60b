#!/bin/sh
# A 202 with a JSON object is an answer to two official SDKs, an error to the third, and nothing at all in a stream.
#
# Seen on 2026-11-29 with openai 3.57.0, anthropic 2.14.0 and google-genai 3.6.1 (PyPI) on Python 3.11. RFC 9110, 15.3.3:
# 202 says that a request was accepted and its processing is not complete; RFC 7240, 4.1 (`Prefer: respond-async`) has a
# server answer so. The server here does, with an object that says where the work stands.
# openai and anthropic take any 2xx for what was asked for and validate nothing: `chat.completions.create` returns a
# ChatCompletion with `choices=None`, `messages.create` a Message with `content=None`, and neither raises. A stream that is
# asked for with `stream=True` ends at once, without a chunk and without an error; the helpers that put a stream together
# raise a bare AssertionError. google-genai raises an APIError with the code 202.
#
# Exit 0: they behave as described. 1: they do not any more.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openai==3.57.0 anthropic==2.14.0 google-genai==3.6.1
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import http.server
import json
import sys
import threading

import anthropic
import openai
from google import genai
from google.genai import types

BODY = json.dumps({"object": "job", "id": "job_1", "state": "accepted"}).encode()


class Server(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(202)
        self.send_header("content-type", "application/json")
        self.send_header("location", "/jobs/job_1")
        self.send_header("content-length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
said = [{"role": "user", "content": "hi"}]
ours = openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0)
claude = anthropic.Anthropic(base_url=url, api_key="x", max_retries=0)
gemini = genai.Client(api_key="x", http_options=types.HttpOptions(base_url=url))


def helper():
    with claude.messages.stream(model="m", max_tokens=5, messages=said) as stream:
        return stream.get_final_message()


ASKED = {
    "openai, whole": lambda: f"choices={ours.chat.completions.create(model='m', messages=said).choices}",
    "openai, streamed": lambda: f"{len(list(ours.chat.completions.create(model='m', messages=said, stream=True)))} chunks",
    "anthropic, whole": lambda: f"content={claude.messages.create(model='m', max_tokens=5, messages=said).content}",
    "anthropic, streamed": lambda: f"{len(list(claude.messages.create(model='m', max_tokens=5, messages=said, stream=True)))} events",
    "anthropic, put together": helper,
    "google-genai": lambda: gemini.models.generate_content(model="m", contents="hi"),
}
found = {}
for name, ask in ASKED.items():
    try:
        found[name] = str(ask())
    except Exception as error:
        found[name] = f"{type(error).__name__} {getattr(error, 'code', '')}".strip()
    print(f"{name}: {found[name]}")
sys.exit(found != {
    "openai, whole": "choices=None", "openai, streamed": "0 chunks", "anthropic, whole": "content=None",
    "anthropic, streamed": "0 events", "anthropic, put together": "AssertionError", "google-genai": "APIError 202",
})
PYTHON
