"""A small real HTTP server that answers by the path: rightly, wrongly, by half, or not at all.

`python odd_http_server.py PORT [CERTIFICATE KEY]`; it writes `ready` once it listens.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from typing import cast

import uvloop

TLS_HANDSHAKE = b"\x16\x03"
"""RFC 8446, section 5.1: what a client hello begins with, which no HTTP method does."""

BODY = b"all is well"
RIGHT = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)

ANSWERS = {
    b"/right": RIGHT,
    b"/busy": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    b"/maintenance": b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nmaintenance",
    b"/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"4\r\nall \r\n7\r\nis well\r\n0\r\n\r\n",
    b"/interim": b"HTTP/1.1 103 Early Hints\r\n\r\n" + RIGHT,
    b"/garbage": b"SSH-2.0-OpenSSH_9.2\r\n",
}
ANSWERS_AND_CLOSES = {
    b"/cut-in-head": b"HTTP/1.1 200 OK\r\nContent-Le",
    b"/cut-in-body": b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nall is",
    b"/cut": b"",
    b"/until-close": b"HTTP/1.1 200 OK\r\n\r\n" + BODY,
    b"/last": RIGHT.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1),
}


def say(line: str) -> None:
    """One line for who started it."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Connection(asyncio.Protocol):
    """One connection; a path that is not known gets no answer."""

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if data.startswith(TLS_HANDSHAKE):
            self._transport.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            self._transport.close()
        while b"\r\n\r\n" in self._received:
            head, _, rest = self._received.partition(b"\r\n\r\n")
            length = 0
            for line in head.split(b"\r\n"):
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            if len(rest) < length:
                return
            self._received = rest[length:]
            self._answer(head.split(b" ", 2)[1], rest[:length])

    def _answer(self, path: bytes, body: bytes) -> None:
        if path == b"/echo":
            say(body.decode())
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            )
        elif path in ANSWERS_AND_CLOSES:
            self._transport.write(ANSWERS_AND_CLOSES[path])
            self._transport.close()
        else:
            self._transport.write(ANSWERS.get(path, b""))


async def main(port: int, certificate: tuple[str, ...]) -> None:
    """Until it is killed."""
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
    server = await asyncio.get_running_loop().create_server(
        Connection, "127.0.0.1", port, ssl=context, backlog=4096
    )
    say("ready")
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), tuple(sys.argv[2:])))
