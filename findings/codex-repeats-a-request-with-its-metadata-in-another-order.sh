#!/bin/sh
# Codex repeats a request whose stream broke off with the members of `client_metadata` in another order each time.
#
# Seen on 2026-11-29 with @openai/codex 0.171.0 (npm): a server of the Responses format sends the first event of a stream
# and closes the connection. Codex asks again, up to five times by default. The requests mean the same, member by member,
# and differ in their bytes: the map `client_metadata` is written in another order from one to the next. Whoever tells a
# repetition by a digest of the body (to not sell it twice, or as an idempotency check) takes each for a new request;
# the members have to be put in order first.
#
# Exit 0: it behaves as described. 1: it does not any more.
set -eu
folder=$(mktemp -d)
server=
trap 'kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-fund --no-audit @openai/codex@0.171.0
cat > server.py <<'PYTHON'
import gzip
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def do_GET(self):
        self.send_response(404)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if self.path.endswith("/responses"):
            with open("bodies", "ab") as file:
                file.write(body.replace(b"\n", b" ") + b"\n")
        response = {"id": "resp_1", "object": "response", "created_at": 1, "status": "in_progress", "model": "m", "output": []}
        event = json.dumps({"type": "response.created", "sequence_number": 0, "response": response})
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        said = f"event: response.created\ndata: {event}\n\n".encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(said), said))
        self.close_connection = True  # without the last chunk


listening = ThreadingHTTPServer(("127.0.0.1", 0), Server)
print(listening.server_port, flush=True)
listening.serve_forever()
PYTHON
python3 server.py > port &
server=$!
until [ -s port ]; do sleep 0.1; done
mkdir -p home/.codex
cat > home/.codex/config.toml <<TOML
model = "m"
model_provider = "here"
[model_providers.here]
name = "here"
base_url = "http://127.0.0.1:$(cat port)/v1"
env_key = "HERE_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 5
TOML
: > bodies
HOME="$folder/home" CODEX_HOME="$folder/home/.codex" HERE_KEY=k timeout 120 ./node_modules/.bin/codex exec --skip-git-repo-check "hi" \
    < /dev/null > said 2>&1 || true
python3 - <<'PYTHON'
import json
import sys

bodies = [line for line in open("bodies", "rb").read().splitlines() if line]
values = [json.loads(one) for one in bodies]
same = len({json.dumps(one, sort_keys=True) for one in values})
orders = len({tuple(one.get("client_metadata", {})) for one in values})
print(f"{len(bodies)} requests, {len(set(bodies))} different bodies, {same} different meanings, {orders} orders of client_metadata")
sys.exit(0 if len(bodies) > 2 and same == 1 and orders > 1 else 1)
PYTHON
