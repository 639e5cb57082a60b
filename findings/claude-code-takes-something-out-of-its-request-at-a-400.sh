#!/bin/sh
# After a stream that broke off, Claude Code asks again, and what it does then depends on the status of the refusal.
#
# Seen on 2026-11-29 with @anthropic-ai/claude-code 2.1.332 (npm): a server of the messages format sends the first events
# of a stream and closes the connection; every later request is refused. At 412 Claude Code gives up after that one
# repetition. At 400 it goes on, four to seven requests in all, and takes `display` out of `thinking` in the last ones, so
# that they are another request than those before. A gateway that refuses a repetition, so that nothing is bought twice,
# must not do so with a 400: what comes next is no repetition any more, and would be bought.
#
# Exit 0: it behaves as described. 1: it does not any more.
set -eu
folder=$(mktemp -d)
server=
trap 'kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-fund --no-audit @anthropic-ai/claude-code@2.1.332
cat > server.py <<'PYTHON'
import gzip
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

status = int(sys.argv[1])
seen = []


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def say(self, code, value):
        body = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_GET(self):
        self.say(404, {"type": "error", "error": {"type": "not_found_error", "message": "no"}})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if not self.path.startswith("/v1/messages") or "count_tokens" in self.path:
            return self.say(404, {"type": "error", "error": {"type": "not_found_error", "message": "no"}})
        seen.append(json.loads(body))
        with open("bodies", "ab") as file:
            file.write(body.replace(b"\n", b" ") + b"\n")
        if len(seen) > 1:
            return self.say(status, {"type": "error", "error": {"type": "invalid_request_error", "message": "refused"}})
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
                   "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}}
        events = [
            {"type": "message_start", "message": message},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hel"}},
        ]
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for event in events:
            said = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(said), said))
        self.close_connection = True  # without the last chunk


listening = ThreadingHTTPServer(("127.0.0.1", 0), Server)
print(listening.server_port, flush=True)
listening.serve_forever()
PYTHON
seen=""
for status in 412 400; do
    : > bodies
    : > port
    python3 server.py "$status" > port &
    server=$!
    until [ -s port ]; do sleep 0.1; done
    mkdir -p home
    HOME="$folder/home" ANTHROPIC_BASE_URL="http://127.0.0.1:$(cat port)" ANTHROPIC_AUTH_TOKEN=k \
        ANTHROPIC_DEFAULT_HAIKU_MODEL=m CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 \
        timeout 120 ./node_modules/.bin/claude -p hi --model m < /dev/null > said 2>&1 || true
    kill "$server"
    found=$(python3 - <<'PYTHON'
import json

bodies = [json.loads(line) for line in open("bodies", "rb").read().splitlines() if line]
meanings = [{name: one[name] for name in sorted(one) if name != "stream"} for one in bodies]
print(len(bodies), "the last one like the first" if meanings[-1] == meanings[0] else "the last one another")
PYTHON
)
    echo "refused with $status: requests $found"
    seen="$seen$status:$found;"
done
case $seen in
    "412:2 the last one like the first;400:"[4-9]" the last one another;") exit 0 ;;
    *) exit 1 ;;
esac
