"""One Redis connection whose every exchange ends by a deadline, and that never retries.

redis-py retries, redirects and reconnects by itself, and its timeouts count anew for every read.
Whoever measures availability, or books what was acknowledged, needs the one answer of the one
server that was asked, and to know whether anything was sent. The protocol is RESP2 ("Redis
serialization protocol specification").
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Sequence
from typing import TypeAlias

from harness.drivers.clock import HostClock
from harness.drivers.redis import OPEN, Access
from harness.errors import DeadlineExceededError, SurroundingsError
from harness.model.instant import seconds

_CLOCK = HostClock()


class NotConnectedError(SurroundingsError):
    """No connection came about: no command can have been sent."""


class ConnectionLostError(SurroundingsError):
    """The connection ended during an exchange: what was sent may have been executed."""


class ErrorReply(SurroundingsError):  # noqa: N818 - RESP's own name for it
    """The server answered with an error; returned as a reply, not raised, by `exchange`."""

    @property
    def prefix(self) -> str:
        """The first word: `MOVED`, `CLUSTERDOWN`, `ERR`."""
        return str(self).split(" ", 1)[0]


Word: TypeAlias = str | bytes | int
Reply: TypeAlias = "bytes | int | ErrorReply | list[Reply] | None"


def shown(reply: Reply) -> str:
    """A reply for a person."""
    return str(reply) if isinstance(reply, ErrorReply) else repr(reply)


class BoundedRedis:
    """One connection. After an exception it is of no more use but to be closed."""

    def __init__(self, connected: socket.socket, subject: str) -> None:
        """Use `connect`."""
        self._socket = connected
        self._subject = subject
        self._received = bytearray()
        self._at = 0

    @classmethod
    def connect(
        cls, address: tuple[str, int], access: Access = OPEN, *, deadline_ns: int
    ) -> BoundedRedis:
        """Connects, and authenticates where `access` says so, by `deadline_ns` (monotonic).

        Raises NotConnectedError or DeadlineExceededError.
        """
        subject = f"redis {address[0]}:{address[1]}"
        try:
            plain = socket.create_connection(address, timeout=_remaining_s(deadline_ns, subject))
        except TimeoutError as error:
            raise DeadlineExceededError(f"{subject}: no connection in time") from error
        except OSError as error:
            raise NotConnectedError(f"{subject}: {error.strerror or error}") from error
        connection = cls(plain, subject)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if access.tls_ca_file is not None:
                plain.settimeout(_remaining_s(deadline_ns, subject))
                context = ssl.create_default_context(cafile=str(access.tls_ca_file))
                connection._socket = context.wrap_socket(plain, server_hostname=address[0])
            if access.password_file is not None:
                password = access.password_file.read_text(encoding="utf-8").strip()
                user = (access.username,) if access.username is not None else ()
                (answer,) = connection.exchange(
                    [("AUTH", *user, password)], deadline_ns=deadline_ns
                )
                if isinstance(answer, ErrorReply):
                    raise NotConnectedError(f"{subject}: {answer}")  # noqa: TRY301 - closed below
        except TimeoutError as error:
            connection.close()
            raise DeadlineExceededError(f"{subject}: no TLS session in time") from error
        except (OSError, ConnectionLostError) as error:
            connection.close()
            raise NotConnectedError(f"{subject}: {error}") from error
        except BaseException:
            connection.close()
            raise
        return connection

    def exchange(self, commands: Sequence[Sequence[Word]], *, deadline_ns: int) -> list[Reply]:
        """Sends some commands at once and returns one reply each, errors among them.

        Raises ConnectionLostError or DeadlineExceededError.
        """
        try:
            self._socket.settimeout(_remaining_s(deadline_ns, self._subject))
            self._socket.sendall(b"".join(map(_encode, commands)))
            replies = [self._reply(deadline_ns) for _ in commands]
        except TimeoutError as error:
            raise DeadlineExceededError(f"{self._subject}: no answer in time") from error
        except OSError as error:
            raise ConnectionLostError(f"{self._subject}: {error.strerror or error}") from error
        del self._received[: self._at]
        self._at = 0
        return replies

    def next_reply(self, *, deadline_ns: int) -> Reply:
        """The next reply that nothing asked for here: a message of a channel.

        Raises ConnectionLostError, or DeadlineExceededError: the connection is then still good, and
        no part of a reply is lost.
        """
        begins = self._at
        try:
            reply = self._reply(deadline_ns)
        except (TimeoutError, DeadlineExceededError) as error:
            self._at = begins
            raise DeadlineExceededError(f"{self._subject}: no message in time") from error
        except OSError as error:
            raise ConnectionLostError(f"{self._subject}: {error.strerror or error}") from error
        del self._received[: self._at]
        self._at = 0
        return reply

    def send(self, command: Sequence[Word], *, deadline_ns: int) -> None:
        """Sends a command whose reply comes among messages; errors as of `exchange`."""
        try:
            self._socket.settimeout(_remaining_s(deadline_ns, self._subject))
            self._socket.sendall(_encode(command))
        except TimeoutError as error:
            raise DeadlineExceededError(f"{self._subject}: could not send in time") from error
        except OSError as error:
            raise ConnectionLostError(f"{self._subject}: {error.strerror or error}") from error

    def close(self) -> None:
        """Closes the socket."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def _reply(self, deadline_ns: int) -> Reply:
        line = self._line(deadline_ns)
        kind, rest = line[:1], line[1:]
        match kind:
            case b"+":
                return rest
            case b"-":
                return ErrorReply(rest.decode("utf-8", "replace"))
            case b":":
                return int(rest)
            case b"$":
                return self._bulk(int(rest), deadline_ns)
            case b"*":
                count = int(rest)
                return None if count < 0 else [self._reply(deadline_ns) for _ in range(count)]
            case _:
                raise ConnectionLostError(f"{self._subject}: got {line[:20]!r}, expected RESP2")

    def _line(self, deadline_ns: int) -> bytes:
        while (end := self._received.find(b"\r\n", self._at)) < 0:
            self._receive(deadline_ns)
        line = bytes(self._received[self._at : end])
        self._at = end + 2
        return line

    def _bulk(self, length: int, deadline_ns: int) -> bytes | None:
        if length < 0:
            return None
        end = self._at + length
        while len(self._received) < end + 2:
            self._receive(deadline_ns)
        content = bytes(self._received[self._at : end])
        self._at = end + 2
        return content

    def _receive(self, deadline_ns: int) -> None:
        self._socket.settimeout(_remaining_s(deadline_ns, self._subject))
        got = self._socket.recv(1 << 16)
        if not got:
            raise ConnectionLostError(f"{self._subject}: closed the connection")
        self._received += got


def _encode(command: Sequence[Word]) -> bytes:
    """One command as a RESP array of bulk strings."""
    words = [word if isinstance(word, bytes) else str(word).encode() for word in command]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in words)


def _remaining_s(deadline_ns: int, subject: str) -> float:
    remaining = deadline_ns - _CLOCK.monotonic_ns()
    if remaining <= 0:
        raise DeadlineExceededError(f"{subject}: no answer in time")
    return seconds(remaining)
