"""A real HTTP server whose response times are known: by the number of the request, not by chance.

`python known_times_server.py PORT MILLISECONDS,...` answers the n-th request after the n-th of the
times, which go round; it writes `ready` once it listens.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from typing import cast

RIGHT = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nall is well"


def main(port: int, times_s: list[float]) -> None:
    """Until it is killed."""
    times = itertools.cycle(times_s)

    class Connection(asyncio.Protocol):
        """One connection: who injects asks the next thing on it when it has its answer."""

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self._transport = cast("asyncio.WriteTransport", transport)

        def data_received(self, data: bytes) -> None:
            for _ in range(data.count(b"\r\n\r\n")):
                asyncio.get_running_loop().call_later(next(times), self._answer)

        def _answer(self) -> None:
            if not self._transport.is_closing():
                self._transport.write(RIGHT)

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Connection, "127.0.0.1", port, backlog=4096)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await server.serve_forever()

    # Not uvloop: its timers are of whole milliseconds, and end up to one too early.
    asyncio.run(serve())


if __name__ == "__main__":
    main(int(sys.argv[1]), [float(one) / 1000 for one in sys.argv[2].split(",")])
