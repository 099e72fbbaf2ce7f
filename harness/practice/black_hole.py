"""A TCP relay on loopback that can swallow everything for an exactly known time.

It is how the harness proves that its probers measure right: what they report must contain the time
that the relay really was silent. Connections stay open and are still accepted, as where packets are
dropped by a firewall; what was sent meanwhile arrives when the silence ends, as retransmissions do.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

from harness.drivers.clock import HostClock, sleep_until
from harness.drivers.loopback import ADDRESS
from harness.model.instant import Bracket

_CLOCK = HostClock()
_CHUNK_BYTES = 1 << 16


class BlackHole:
    """Relays between its own `address` and a server's, until it is left."""

    def __init__(self, server: tuple[str, int]) -> None:
        """Listens at once, on a port that the kernel chooses."""
        self._server = server
        self._flowing = threading.Event()
        self._flowing.set()
        self._stop_after: bytes | None = None
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._closing = False
        self._listener = socket.create_server((ADDRESS, 0), backlog=128)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        threading.Thread(target=self._accept, name="black-hole", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing = True
        self._flowing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for one in self._sockets:
                with contextlib.suppress(OSError):
                    one.close()

    def swallow(self, duration_ns: int) -> tuple[Bracket, Bracket]:
        """Lets nothing through for so long; when the silence began and when it ended."""
        before_ns = _CLOCK.monotonic_ns()
        self._flowing.clear()
        began = Bracket(earliest_ns=before_ns, latest_ns=_CLOCK.monotonic_ns())
        sleep_until(began.latest_ns + duration_ns)
        before_ns = _CLOCK.monotonic_ns()
        self._flowing.set()
        return began, Bracket(earliest_ns=before_ns, latest_ns=_CLOCK.monotonic_ns())

    def stop_after(self, content: bytes) -> None:
        """Falls silent as soon as a client has sent something that contains `content`, which the
        server still gets: what it answers does not arrive.
        """
        self._stop_after = content

    def let_through(self) -> None:
        """Ends a silence that `stop_after` began."""
        self._stop_after = None
        self._flowing.set()

    def _accept(self) -> None:
        while not self._closing:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._server)
            except OSError:
                client.close()  # what a client of a dead server sees: the end of the connection
                continue
            with self._lock:
                self._sockets += [client, server]
            for source, sink in ((client, server), (server, client)):
                threading.Thread(
                    target=self._relay, args=(source, sink, source is client), daemon=True
                ).start()

    def _relay(self, source: socket.socket, sink: socket.socket, to_server: bool) -> None:  # noqa: FBT001 - a thread's argument
        """One direction, to its end."""
        with contextlib.suppress(OSError):
            while content := source.recv(_CHUNK_BYTES):
                self._flowing.wait()
                if to_server and self._stop_after is not None and self._stop_after in content:
                    self._flowing.clear()
                sink.sendall(content)
            self._flowing.wait()
            sink.shutdown(socket.SHUT_WR)
