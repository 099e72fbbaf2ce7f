"""One HTTP request on a connection of its own that ends by a deadline, and that never retries.

http.client's timeout counts anew for every read, and says nothing of what was sent. Its parser of
answers is used all the same. Sent is HTTP/1.1 with `Connection: close` (RFC 9112, 9.6).
"""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import ssl
from collections.abc import Mapping
from typing import cast

import msgspec

from harness.drivers.clock import HostClock
from harness.errors import DeadlineExceededError, SurroundingsError
from harness.model.instant import seconds

_CLOCK = HostClock()

_LARGEST_ANSWER_BYTES = 1 << 20


class NotConnectedError(SurroundingsError):
    """No connection came about: no request can have been sent."""


class ConnectionLostError(SurroundingsError):
    """The connection ended before the answer did: what was asked for may have been done."""


class NotHttpError(SurroundingsError):
    """What was answered is not HTTP."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for, and of whom."""

    address: tuple[str, int]
    method: str
    path: str
    host: str
    """The header Host, and the name that a certificate must be for."""

    headers: Mapping[str, str] = {}
    body: bytes | None = None


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """The answer."""

    status: int
    body: bytes


def ask(request: Request, *, deadline_ns: int, tls: ssl.SSLContext | None = None) -> Response:
    """The whole answer by `deadline_ns` (monotonic).

    Raises NotConnectedError, ConnectionLostError, NotHttpError or DeadlineExceededError.
    """
    subject = f"http {request.address[0]}:{request.address[1]}"
    connected = _connect(request, tls, deadline_ns, subject)
    try:
        connected.settimeout(_remaining_s(deadline_ns, subject))
        connected.sendall(_encode(request))
        received = _receive(connected, deadline_ns, subject)
    except TimeoutError as error:
        raise DeadlineExceededError(f"{subject}: no answer in time") from error
    except OSError as error:
        raise ConnectionLostError(f"{subject}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            connected.close()
    return _parse(received, request.method, subject)


def _connect(
    request: Request, tls: ssl.SSLContext | None, deadline_ns: int, subject: str
) -> socket.socket:
    try:
        plain = socket.create_connection(
            request.address, timeout=_remaining_s(deadline_ns, subject)
        )
    except TimeoutError as error:
        raise DeadlineExceededError(f"{subject}: no connection in time") from error
    except OSError as error:
        raise NotConnectedError(f"{subject}: {error.strerror or error}") from error
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is None:
            return plain
        plain.settimeout(_remaining_s(deadline_ns, subject))
        return tls.wrap_socket(plain, server_hostname=request.host)
    except TimeoutError as error:
        plain.close()
        raise DeadlineExceededError(f"{subject}: no TLS session in time") from error
    except OSError as error:
        plain.close()
        raise NotConnectedError(f"{subject}: {error}") from error
    except BaseException:
        plain.close()
        raise


def _encode(request: Request) -> bytes:
    body = request.body or b""
    headers = {"Host": request.host, **request.headers, "Connection": "close"}
    if request.body is not None:
        headers["Content-Length"] = str(len(body))
    lines = [f"{request.method} {request.path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _receive(connected: socket.socket, deadline_ns: int, subject: str) -> bytes:
    """All that comes until the connection is closed."""
    received = bytearray()
    while True:
        connected.settimeout(_remaining_s(deadline_ns, subject))
        got = connected.recv(1 << 16)
        if not got:
            return bytes(received)
        received += got
        if len(received) > _LARGEST_ANSWER_BYTES:
            raise NotHttpError(f"{subject}: got more than {_LARGEST_ANSWER_BYTES} bytes")


class _Received:
    """What http.client takes for a socket."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._content)


def _parse(received: bytes, method: str, subject: str) -> Response:
    if not received:
        raise ConnectionLostError(f"{subject}: closed the connection without an answer")
    answer = http.client.HTTPResponse(cast("socket.socket", _Received(received)), method=method)
    try:
        answer.begin()
        return Response(status=answer.status, body=answer.read())
    except http.client.IncompleteRead as error:
        raise ConnectionLostError(f"{subject}: the answer ends early") from error
    except (http.client.HTTPException, ValueError) as error:
        raise NotHttpError(f"{subject}: {type(error).__name__}: {error}") from error


def _remaining_s(deadline_ns: int, subject: str) -> float:
    remaining = deadline_ns - _CLOCK.monotonic_ns()
    if remaining <= 0:
        raise DeadlineExceededError(f"{subject}: no answer in time")
    return seconds(remaining)
