"""An upstream that sends exactly the bytes it is told, in the pieces and with the end it is told."""

import gzip
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

DELIVERIES = ("in-one-piece", "byte-by-byte", "cut-at-awkward-places", "compressed", "until-it-closes")
"""How the same bytes may arrive."""
_AWKWARD = re.compile(
    rb"\r(?=\n)|\n(?=\n)|\r(?=\r)"  # within a line end, and between two
    rb"|[\xc0-\xff](?=[\x80-\xbf])|[\x80-\xbf](?=[\x80-\xbf])"  # within a character
    rb"|\\|dat(?=a)|(?<=\n):|\[DO"  # within an escape, the name of a field, a comment, the end
)
_MOST_CUTS = 60
_GAP = 0.0005


@dataclass(frozen=True)
class Script:
    """One answer: its bytes, and how they are sent."""

    body: bytes
    delivery: str = "in-one-piece"
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    chunked: bool = False
    cut: bool = False
    """End without the end that the framing promises."""

    def head(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} As Told", f"content-type: {self.content_type}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.delivery == "compressed":
            lines.append("content-encoding: gzip")
        if self.delivery == "until-it-closes":
            lines.append("connection: close")
        elif self._is_chunked():
            lines.append("transfer-encoding: chunked")
        else:
            lines.append(f"content-length: {len(self._coded()) + self.cut}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def pieces(self) -> list[bytes]:
        """Return what is sent after the head, in pieces with a pause between them."""
        coded = self._coded()
        if self.delivery == "byte-by-byte":
            return [b"".join(self._framed(coded[at : at + 1]) for at in range(len(coded))), self._end()]
        edges = [0, *self._cuts(coded), len(coded)]
        parts = [coded[low:high] for low, high in zip(edges, edges[1:], strict=False) if high > low]
        return [*map(self._framed, parts), self._end()]

    def _coded(self) -> bytes:
        if self.delivery != "compressed":
            return self.body
        packed = gzip.compress(self.body)
        return packed[:-8] if self.cut else packed

    def _cuts(self, coded: bytes) -> list[int]:
        if self.delivery == "compressed":
            return [5, len(coded) // 2]
        if self.delivery != "cut-at-awkward-places":
            return []
        return [match.end() for match in _AWKWARD.finditer(coded)][:_MOST_CUTS]

    def _is_chunked(self) -> bool:
        return self.chunked or self.delivery in ("byte-by-byte", "cut-at-awkward-places")

    def _framed(self, data: bytes) -> bytes:
        if self.delivery == "until-it-closes" or not self._is_chunked():
            return data
        return b"%x\r\n%s\r\n" % (len(data), data)

    def _end(self) -> bytes:
        return b"0\r\n\r\n" if self._is_chunked() and self.delivery != "until-it-closes" and not self.cut else b""

    def closes(self) -> bool:
        return self.cut or self.delivery == "until-it-closes"


@dataclass
class Wire:
    """A server on a socket. `script` is what the next requests get."""

    port: int
    script: Script = field(default_factory=lambda: Script(b""))
    seen: int = 0

    def serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, suppress(OSError):
            while _request(connection):
                self.seen += 1
                script = self.script
                connection.sendall(script.head())
                for number, piece in enumerate(script.pieces()):
                    if number:
                        time.sleep(_GAP)
                    connection.sendall(piece)
                if script.closes():
                    if script.cut and script.delivery == "until-it-closes":  # a close would be a clean end
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return


def _request(connection: socket.socket) -> bool:
    """Read one request; False when there is none."""
    received = b""
    while b"\r\n\r\n" not in received:
        if not (data := connection.recv(65536)):
            return False
        received += data
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    missing = int(length[1]) - len(body) if length else 0
    while missing > 0:
        if not (data := connection.recv(65536)):
            return False
        missing -= len(data)
    return True


@contextmanager
def wire() -> Iterator[Wire]:
    """Serve until the test is over."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        opened = Wire(listener.getsockname()[1])

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=opened.serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield opened
        listener.shutdown(socket.SHUT_RDWR)
