"""The bytes of a request, made once; only its id is new each time. Pure but for the ids' random."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from harness.errors import InputError
from harness.load.config import HttpRequest

_ID = b"{id}"
_ID_LENGTH = 36

_IDS_AT_ONCE = 1024
"""Random bytes are asked of the kernel for so many: a system call each would cost more than all
the rest."""

_DEFAULT_PORTS = {False: 80, True: 443}
"""RFC 9110, sections 4.2.1 and 4.2.2: not written into Host."""

_NO_BODY_IN_ANSWER = frozenset({"HEAD", "CONNECT"})


def request_bytes(request: HttpRequest) -> Callable[[], bytes]:
    """Gives the bytes of the next request (RFC 9112), on a connection that is kept.

    Raises InputError where it is none that can be sent: a line break in its head, or a method whose
    answers have no body though they say its length (RFC 9110, section 9.3.2).
    """
    method = request.method.upper()
    if method in _NO_BODY_IN_ANSWER:
        raise InputError(f"request: got method {method}, expected one whose answer has a body")
    body = request.body.encode() if request.body is not None else b""
    parts = body.split(_ID)
    length = len(body) + (_ID_LENGTH - len(_ID)) * (len(parts) - 1)
    headers = {"Host": host_header(request), **_without_host(request.headers)}
    if request.body is not None:
        headers["Content-Length"] = str(length)
    lines = [f"{method} {request.path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
    for line in lines:
        if "\r" in line or "\n" in line:
            raise InputError(f"request: got a line break in {line!r}")
    head = "\r\n".join(lines).encode() + b"\r\n\r\n"
    if len(parts) == 1:
        whole = head + body
        return lambda: whole
    parts[0] = head + parts[0]
    ids = new_ids()
    if len(parts) == 2:
        before, after = parts
        return lambda: b"%b%b%b" % (before, next(ids), after)
    return lambda: next(ids).join(parts)


def host_header(request: HttpRequest) -> str:
    """What is asked for at that address: the Host header that is given, or the host itself."""
    for name, value in request.headers.items():
        if name.lower() == "host":
            return value
    host = f"[{request.host}]" if ":" in request.host else request.host
    return host if request.port == _DEFAULT_PORTS[request.tls] else f"{host}:{request.port}"


def new_ids() -> Iterator[bytes]:
    """UUIDs of version 4 (RFC 9562, section 5.4), without end."""
    while True:
        digits = os.urandom(16 * _IDS_AT_ONCE).hex().encode()
        for at in range(0, len(digits), 32):
            # The variant's two bits are 10: one of 8, 9, a and b.
            yield b"%b-%b-4%b-%c%b-%b" % (
                digits[at : at + 8],
                digits[at + 8 : at + 12],
                digits[at + 13 : at + 16],
                b"89ab"[digits[at + 16] & 3],
                digits[at + 17 : at + 20],
                digits[at + 20 : at + 32],
            )


def _without_host(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() != "host"}
