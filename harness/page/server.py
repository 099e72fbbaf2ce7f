"""Serves the page over HTTP: takes the port, keeps the token in a file while it runs, ends at once
when told to. uvicorn.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from harness.errors import InputError, RecordError
from harness.page.feed import Feed

_STREAMS_END_WITHIN_S = 2
_BACKLOG = 64
_MOST_AT_ONCE = 128
_MOST_HEADER_BYTES = 32_768


class PageServer(uvicorn.Server):
    """A server whose streams end when it does."""

    def __init__(self, app: ASGIApp, feed: Feed) -> None:
        """Nothing listens yet."""
        super().__init__(
            uvicorn.Config(
                app,
                # The peer that the guard sees is the peer, whatever a header says of it.
                proxy_headers=False,
                server_header=False,
                access_log=False,  # addresses of pages may hold the token
                log_level="warning",
                lifespan="off",
                ws="none",
                http="h11",
                loop="asyncio",
                limit_concurrency=_MOST_AT_ONCE,
                h11_max_incomplete_event_size=_MOST_HEADER_BYTES,
                timeout_graceful_shutdown=_STREAMS_END_WITHIN_S,
            )
        )
        self._feed = feed

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends the streams first: who watches would keep them open for ever."""
        await self._feed.close()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's
        """Ctrl-C is how it ends: no error, and nothing that is raised again afterwards."""
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an address; a name is none."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def listen(address: str, port: int) -> socket.socket:
    """A listening socket; port 0: a free one. Raises InputError where it cannot be had."""
    try:
        family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
    except ValueError as error:
        raise InputError(
            f"--listen: got {address!r}, expected an IP address", hint="harness serve"
        ) from error
    taken = socket.socket(family, socket.SOCK_STREAM)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((address, port))
        taken.listen(_BACKLOG)
        taken.setblocking(False)
    except OSError as error:
        taken.close()
        raise InputError(
            f"{address}:{port}: cannot be listened at: {error.strerror}",
            hint="harness serve --port 0  # a free one",
        ) from error
    return taken


def netloc(address: str, port: int) -> str:
    """`127.0.0.1:8470`, `[::1]:8470`."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


@contextlib.contextmanager
def kept_token(state: Path, port: int, token: str) -> Iterator[Path]:
    """The token in a file that only its owner reads, for the length of a block."""
    path = state / f"page-{port}.token"
    try:
        state.mkdir(mode=0o755, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # of a server that was killed; its permissions are not ours
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(f"{token}\n")
    except OSError as error:
        raise RecordError(
            f"{path}: the token cannot be kept: {error.strerror}", hint=f"ls -ld {state}"
        ) from error
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def serve(server: PageServer, sockets: Sequence[socket.socket], told: Callable[[], None]) -> None:
    """Serves until SIGINT or SIGTERM; `told` is called when it may be asked."""
    told()  # the sockets listen already: who connects now is answered as soon as it runs
    server.run(sockets=list(sockets))
