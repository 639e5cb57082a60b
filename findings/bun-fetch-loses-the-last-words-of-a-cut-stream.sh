#!/bin/sh
# Bun's fetch may lose what a server said last before it broke a stream off; Node's does not.
#
# Seen on 2026-11-28 with bun 1.4.5 and openai 7.59.0 (npm), Node 20: a stream of server-sent events has begun, the server
# sends an error event and closes the connection without the end of the chunked body, as gateways must that may not let an
# incomplete answer pass for a whole one. In Node every reader gets the event, and the SDK raises its message. In Bun about
# one in three readers gets "The socket connection was closed unexpectedly" instead and never sees the event, although its
# bytes had arrived first; programs built on Bun (agents on the command line) then take a refusal for a fault of the network
# and repeat the request. When the connection stays open for half a second after the event, nobody loses it.
#
# Exit 0: it behaves as described. 1: it does not any more.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-fund --no-audit bun@1.4.5 openai@7.59.0
cat > server.py <<'PYTHON'
import json
import socket
import sys
import threading
import time

wait = float(sys.argv[1])
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)


def part(value):
    data = b"data: " + json.dumps(value).encode() + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(data), data)


def serve(connection):
    choice = {"index": 0, "delta": {"content": "hel"}, "finish_reason": None}
    with connection:
        connection.recv(65536)
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        connection.sendall(head + part({"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}))
        time.sleep(0.2)
        connection.sendall(part({"error": {"message": "the budget of today is used up", "type": "server_error"}}))
        time.sleep(wait)


while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
PYTHON
cat > ask.mjs <<'JS'
import OpenAI from "openai";
const client = new OpenAI({ baseURL: `http://127.0.0.1:${process.argv[2]}/v1`, apiKey: "k", maxRetries: 0 });
let told = 0, lost = 0;
for (let turn = 0; turn < 30; turn++) {
  try {
    const stream = await client.chat.completions.create({ model: "m", stream: true, messages: [{ role: "user", content: "hi" }] });
    for await (const _ of stream);
  } catch (error) {
    if (error.message.includes("budget")) told++;
    else if (/closed|terminated|ECONNRESET/.test(error.message)) lost++;
  }
}
console.log(`${told} told, ${lost} lost`);
JS
seen=""
for how in "node 0" "bun 0" "bun 0.5"; do
    python3 server.py "${how#* }" > port &
    server=$!
    until [ -s port ]; do sleep 0.1; done
    program=${how% *}
    [ "$program" = bun ] && program=./node_modules/.bin/bun
    found=$("$program" ask.mjs "$(cat port)")
    kill "$server"
    : > port
    echo "${how% *}, connection closed ${how#* } s after the event: $found"
    seen="$seen$how:$found;"
done
case $seen in
    "node 0:30 told, 0 lost;bun 0:30 told, 0 lost;"*) exit 1 ;;
    "node 0:30 told, 0 lost;bun 0:"*"bun 0.5:30 told, 0 lost;") exit 0 ;;
    *) exit 1 ;;
esac
