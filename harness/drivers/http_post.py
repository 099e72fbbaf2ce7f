"""Posts to a web address: with a deadline, tried again where that may help, no secret in errors."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from harness.drivers import bounded_http
from harness.drivers.clock import HostClock, sleep_until
from harness.errors import InputError, SurroundingsError

_WITHIN_S = 30.0
"""All attempts together."""

_PAUSES_S = (1.0, 3.0)
"""Before the second and the third attempt."""

_LATER = {408, 425, 429}
"""Statuses below 500 that ask for another attempt (RFC 9110, 15.5; RFC 8470; RFC 6585)."""


def post(url: str, body: bytes, headers: Mapping[str, str], *, ca_file: Path | None = None) -> None:
    """Returns when the body was taken (2xx).

    The path of the address may be a secret, as a webhook's is: no error names it. Raises InputError
    for what is no address, SurroundingsError where nobody took the body in time.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InputError("got no address that begins with http:// or https:// and names a host")
    tls = _tls(ca_file) if parts.scheme == "https" else None
    deadline_ns = HostClock().monotonic_ns() + int(_WITHIN_S * 1e9)
    for pause_s in (*_PAUSES_S, None):
        try:
            status = _once(parts, body, headers, tls, deadline_ns)
        except SurroundingsError as error:
            trouble = str(error)
        else:
            if 200 <= status < 300:
                return
            trouble = f"{parts.hostname} answered {status}"
            if status < 500 and status not in _LATER:
                break
        if pause_s is None:
            break
        until = HostClock().monotonic_ns() + int(pause_s * 1e9)
        if until >= deadline_ns:
            break
        sleep_until(until)
    raise SurroundingsError(trouble)


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except OSError as error:
        raise InputError(f"{ca_file}: got no certificates: {error}") from error


def _once(
    parts: SplitResult,
    body: bytes,
    headers: Mapping[str, str],
    tls: ssl.SSLContext | None,
    deadline_ns: int,
) -> int:
    host = parts.hostname or ""
    port = parts.port or (443 if tls is not None else 80)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = bounded_http.Request(
        address=(host, port),
        method="POST",
        path=path,
        host=host,
        headers={**({} if parts.port is None else {"Host": f"{host}:{port}"}), **headers},
        body=body,
    )
    try:
        return bounded_http.ask(request, deadline_ns=deadline_ns, tls=tls).status
    except socket.gaierror as error:
        raise SurroundingsError(f"{host}: {error.strerror}") from error
