"""Offers a server one version of TLS alone, and looks at what comes of it.

Nothing is verified, and no client certificate is shown: what is asked is what the server accepts.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from cryptography import x509

from harness.drivers.clock import HostClock
from harness.errors import DeadlineExceededError, SurroundingsError
from harness.model.instant import seconds

VERSIONS = {
    "TLS 1.0": ssl.TLSVersion.TLSv1,
    "TLS 1.1": ssl.TLSVersion.TLSv1_1,
    "TLS 1.2": ssl.TLSVersion.TLSv1_2,
    "TLS 1.3": ssl.TLSVersion.TLSv1_3,
}

_CLOCK = HostClock()

_WARNINGS = threading.Lock()
"""Filters of warnings are one for all threads."""

_HANDSHAKE, _CHANGE_CIPHER_SPEC = 22, 20
"""Types of records (RFC 5246, 6.2.1)."""

_CERTIFICATE_REQUEST = 13
"""Type of a handshake message (RFC 5246, 7.4)."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What a server must be told around its TLS."""

    question: bytes
    """To which it answers something, once it takes the session for good."""

    opening: bytes = b""
    """Sent before TLS; the server must answer `S` (PostgreSQL documentation, SSL Session
    Encryption). Empty: TLS begins at once.
    """


@dataclass(frozen=True, kw_only=True)
class Handshake:
    """What a server made of one version of TLS."""

    accepted: bool | None
    """None: it could not be tried."""

    certificate_wanted: bool | None = None
    """None: it cannot be told; with TLS 1.3 the question is encrypted."""

    certificate_required: bool | None = None
    not_before: str | None = None
    not_after: str | None = None
    detail: str = ""


class NoTlsError(SurroundingsError):
    """The server said that it has no TLS."""


def handshake(
    address: tuple[str, int], version: str, protocol: Protocol, *, within_s: float = 3.0
) -> Handshake:
    """Offers a server that version of VERSIONS, and asks it something once the session is there.

    A server that wants a client's certificate refuses one that has none, in TLS 1.2 during the
    handshake (RFC 5246, 7.4.6), in TLS 1.3 after it (RFC 8446, 4.4.2.4 and 6.2).
    """
    deadline_ns = _CLOCK.monotonic_ns() + round(within_s * 1e9)
    try:
        with contextlib.closing(_connect(address, protocol, deadline_ns)) as connected:
            return _Session(connected, version, deadline_ns).try_it(protocol.question)
    except NoTlsError as error:
        return Handshake(accepted=False, detail=str(error))
    except SurroundingsError as error:
        return Handshake(accepted=None, detail=str(error))


def answer_without_tls(
    address: tuple[str, int], question: bytes, *, within_s: float = 3.0
) -> bytes | None:
    """The first bytes that a server answers without TLS; empty: it closed; None: it was silent or
    could not be reached.
    """
    deadline_ns = _CLOCK.monotonic_ns() + round(within_s * 1e9)
    try:
        with contextlib.closing(_open(address, deadline_ns)) as connected:
            connected.sendall(question)
            return connected.recv(4096)
    except ConnectionResetError:
        return b""
    except (OSError, SurroundingsError):
        return None


def _connect(address: tuple[str, int], protocol: Protocol, deadline_ns: int) -> socket.socket:
    connected = _open(address, deadline_ns)
    if not protocol.opening:
        return connected
    try:
        connected.sendall(protocol.opening)
        answer = connected.recv(1)
    except OSError as error:
        connected.close()
        raise SurroundingsError(f"{address[0]}:{address[1]}: {error}") from error
    if answer != b"S":
        connected.close()
        raise NoTlsError(f"{address[0]}:{address[1]}: the server says that it has no TLS")
    return connected


def _open(address: tuple[str, int], deadline_ns: int) -> socket.socket:
    try:
        return socket.create_connection(address, timeout=_remaining_s(deadline_ns))
    except OSError as error:
        raise SurroundingsError(f"{address[0]}:{address[1]}: {error.strerror or error}") from error


def _remaining_s(deadline_ns: int) -> float:
    remaining = seconds(deadline_ns - _CLOCK.monotonic_ns())
    if remaining <= 0:
        raise DeadlineExceededError("no answer in time")
    return remaining


Done = TypeVar("Done")


class _Session:
    """One session whose incoming bytes are kept: of TLS 1.2 they say what the server asked for."""

    def __init__(self, connected: socket.socket, version: str, deadline_ns: int) -> None:
        self._socket = connected
        self._old = version != "TLS 1.3"
        self._deadline_ns = deadline_ns
        self._received = bytearray()
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = _context(version).wrap_bio(self._in, self._out)

    def try_it(self, question: bytes) -> Handshake:
        try:
            self._drive(self._tls.do_handshake)
        except ssl.SSLError as error:
            return self._failed(error)
        except (TimeoutError, DeadlineExceededError):
            return Handshake(accepted=None, detail="the server was silent")
        except OSError as error:
            return Handshake(accepted=False, detail=str(error))
        not_before, not_after = _validity(self._tls.getpeercert(binary_form=True))
        required = self._refused_afterwards(question)
        return Handshake(
            accepted=True,
            certificate_wanted=asks_for_certificate(bytes(self._received))
            if self._old
            else (required or None),
            certificate_required=required,
            not_before=not_before,
            not_after=not_after,
        )

    def _failed(self, error: ssl.SSLError) -> Handshake:
        reason = error.reason or str(error)
        if reason == "NO_PROTOCOLS_AVAILABLE":
            return Handshake(accepted=None, detail="this machine's OpenSSL has not this version")
        # By an alert of the server's, after it had asked: the version was none of its reasons.
        asked = self._old and asks_for_certificate(bytes(self._received))
        if asked and "ALERT" in reason:
            return Handshake(
                accepted=True, certificate_wanted=True, certificate_required=True, detail=reason
            )
        return Handshake(accepted=False, detail=reason)

    def _refused_afterwards(self, question: bytes) -> bool | None:
        """Whether the server ends the session for want of a certificate; None: it is silent."""
        try:
            # A server that refuses resets the connection, at times before all is sent; its alert
            # came first and is there to be read all the same.
            with contextlib.suppress(ConnectionError):
                self._drive(lambda: self._tls.write(question))
            self._drive(lambda: self._tls.read(1))
        except ssl.SSLError as error:
            return True if "CERTIFICATE" in (error.reason or "") else None
        except (OSError, DeadlineExceededError):
            return None
        return False

    def _drive(self, step: Callable[[], Done]) -> Done:
        """Does a step, and sends and receives what it needs for it."""
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                self._flush()
                self._socket.settimeout(_remaining_s(self._deadline_ns))
                got = self._socket.recv(1 << 16)
                if not got:
                    raise ConnectionResetError("the server closed the connection") from None
                self._received += got
                self._in.write(got)
            else:
                self._flush()
                return done

    def _flush(self) -> None:
        self._socket.settimeout(_remaining_s(self._deadline_ns))
        if self._out.pending:
            self._socket.sendall(self._out.read())


@functools.cache
def _context(version: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # OpenSSL itself refuses TLS 1.1 and older above level 0 (SSL_CTX_set_security_level).
    context.set_ciphers("ALL:@SECLEVEL=0")
    with _WARNINGS, warnings.catch_warnings():
        # That they should not be used is why they are tried.
        warnings.simplefilter("ignore", DeprecationWarning)
        # The lower bound first would be above the upper one of a moment before.
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = VERSIONS[version]
        context.minimum_version = VERSIONS[version]
    return context


def _validity(certificate: bytes | None) -> tuple[str | None, str | None]:
    if certificate is None:
        return None, None
    try:
        found = x509.load_der_x509_certificate(certificate)
    except ValueError:
        return None, None
    return found.not_valid_before_utc.isoformat(), found.not_valid_after_utc.isoformat()


def asks_for_certificate(received: bytes) -> bool:
    """Whether a server asked for a client's certificate, in what it sent by TLS 1.2 or older,
    where that is not encrypted yet (RFC 5246, 7.4.4). Pure.
    """
    return _CERTIFICATE_REQUEST in _messages(b"".join(_handshake_records(received)))


def _handshake_records(received: bytes) -> Iterator[bytes]:
    """Contents of the records of the handshake, up to where encryption begins (RFC 5246, 6.2.1)."""
    at = 0
    while at + 5 <= len(received):
        kind = received[at]
        length = int.from_bytes(received[at + 3 : at + 5], "big")
        if kind == _CHANGE_CIPHER_SPEC:
            return
        if kind == _HANDSHAKE:
            yield received[at + 5 : at + 5 + length]
        at += 5 + length


def _messages(handshake: bytes) -> Iterator[int]:
    """Types of the messages, each behind a type and three bytes of length (RFC 5246, 7.4)."""
    at = 0
    while at + 4 <= len(handshake):
        yield handshake[at]
        at += 4 + int.from_bytes(handshake[at + 1 : at + 4], "big")
