#!/bin/sh
# A server-sent event without data ends a stream of the openai SDK with a bare json.JSONDecodeError.
#
# Seen on 2026-11-28 with openai 3.57.0 (PyPI) on Python 3.11: the WHATWG standard (section 9.2.6) lets a server send an
# event that has a name, an id or a retry time and no data; a client dispatches nothing for it. Servers send such events
# as keep-alives. The SDK decodes the empty text as JSON. What it raises is no openai.APIError, so the handlers that
# callers write for the SDK's errors do not see it; comment lines (": ...") are passed over as they should be.
# Where it stands: `Stream.__stream__` in openai/_streaming.py calls `sse.json()` for every event that is not [DONE].
#
# Exit 0: it behaves as described. 1: it does not any more.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openai==3.57.0
"$folder/venv/bin/python" - <<'PYTHON'
import http.server
import json
import sys
import threading

import openai

CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
         "choices": [{"index": 0, "delta": {"content": "hello"}, "finish_reason": None}]}
DATA = b"data: " + json.dumps(CHUNK).encode() + b"\n\n"
BETWEEN = {"a comment": b": keep-alive\n\n", "an event without data": b"event: keepalive\n\n"}


class Server(http.server.BaseHTTPRequestHandler):
    between = b""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        body = DATA + Server.between + DATA + b"data: [DONE]\n\n"
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = openai.OpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="x", max_retries=0)
found = {}
for name, between in BETWEEN.items():
    Server.between = between
    seen = 0
    try:
        for _ in client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], stream=True):
            seen += 1
        found[name] = f"{seen} chunks, a clean end"
    except Exception as error:
        kind = "an openai.APIError" if isinstance(error, openai.APIError) else "no openai.APIError"
        found[name] = f"{seen} chunks, then {type(error).__module__}.{type(error).__name__}, {kind}"
    print(f"openai {openai.__version__}, {name} between two chunks: {found[name]}")
expected = {"a comment": "2 chunks, a clean end",
            "an event without data": "1 chunks, then json.decoder.JSONDecodeError, no openai.APIError"}
sys.exit(found != expected)
PYTHON
