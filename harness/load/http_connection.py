"""One kept HTTP/1.1 connection: asks one thing at a time, and says what came of it. No timers.

The parser is llhttp, which is Node's. Nothing is asked twice: a request whose connection is closed
by the other side is CUT, whether its service had begun with it or not, for a second attempt would
hide from the count what its user saw.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from harness.model.sample import Answer

_FIRST_FINAL_STATUS = 200
"""RFC 9110, section 15.2: an interim answer (1xx) is followed by another."""

_HEAD_END = b"\r\n\r\n"

_HEAD_AT_MOST = 1 << 16
"""So much of an answer that comes in pieces is kept, to look at its head again."""

_INTERIM = re.compile(rb"HTTP/1\.[01] 1")

_TELLS_LENGTH = re.compile(rb"\r\n(content-length|transfer-encoding)[ \t]*:", re.IGNORECASE)


class HttpConnection(asyncio.Protocol):
    """A connection that is being opened, waits for an answer (`busy`), is free, or is closed."""

    def __init__(
        self,
        request: Callable[[], bytes],
        *,
        status: int,
        body: bytes,
        ended: Callable[[HttpConnection, int, Answer], None],
        closed: Callable[[HttpConnection], None],
    ) -> None:
        """`request` gives the bytes of the next request; right is an answer of `status` whose body
        contains `body`.

        `ended` is called once for each `ask`, with the status (0: none came) and the answer;
        `usable` says then whether another may be asked. `closed` is called once, after that, if it
        was ever open.
        """
        self._request = request
        self._right_status = status
        self._right_body = body
        self._tell_ended = ended
        self._tell_closed = closed
        self._transport: asyncio.WriteTransport | None = None
        if body:
            self._body: list[bytes] = []
            # Looked up by the parser when it is made; without it bodies stay in C.
            self.on_body = self._body.append
        self._parser = HttpResponseParser(self)
        self._unfinished = b""
        self._status = 0
        self._kept = True

        self.opening: asyncio.Task[None] | None = None
        """What opens it; None once it is open, or failed."""

        self.busy = False
        self.usable = True
        """False: not to be asked any more."""

        self.intended_ns = 0
        self.sent_ns = 0
        self.until_ns = 0
        """When it is old, by its owner's clock."""

        self.free_ns = 0
        """Since when it is free."""

    def ask(self, intended_ns: int, sent_ns: int) -> None:
        """Sends a request: now, or as soon as it is open."""
        self.intended_ns = intended_ns
        self.sent_ns = sent_ns
        self.busy = True
        if self._transport is not None:
            self._transport.write(self._request())

    def give_up(self) -> None:
        """Ends it without another word: nothing is called for what was asked."""
        self.busy = self.usable = False
        if self.opening is not None:
            self.opening.cancel()
        elif self._transport is not None:
            self._transport.abort()

    def failed(self, answer: Answer) -> None:
        """It could not be opened."""
        self.usable = False
        if self.busy:
            self._end(0, answer)

    # -- asyncio.Protocol ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast("asyncio.WriteTransport", transport)
        self.opening = None
        if self.busy:
            self._transport.write(self._request())
        elif not self.usable:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """A part of an answer, mostly a whole one."""
        if not self.busy:
            # What nobody asked for, as the 408 of a server that is tired of waiting.
            self.give_up()
            return
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self.usable = False
            self._end(0, Answer.PROTOCOL)
            self.give_up()
            return
        if self._status:
            self._complete()
        elif len(self._unfinished) < _HEAD_AT_MOST:
            self._unfinished += data

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed, by whomever."""
        self.usable = False
        if self.busy:
            if exc is None and self._ends_with_connection():
                self._status = self._parser.get_status_code()
                self._complete()
            else:
                self._end(0, Answer.TLS if isinstance(exc, ssl.SSLError) else Answer.CUT)
        self._tell_closed(self)

    # -- httptools ----------------------------------------------------------------------------

    def on_message_complete(self) -> None:
        """The parser's: an answer is whole."""
        status = self._parser.get_status_code()
        if status >= _FIRST_FINAL_STATUS:
            self._status = status
            self._kept = self._parser.should_keep_alive()

    # -----------------------------------------------------------------------------------------

    def _complete(self) -> None:
        status, self._status = self._status, 0
        if self._unfinished:
            self._unfinished = b""
        answer = Answer.OK if status == self._right_status else Answer.WRONG_STATUS
        if self._right_body:
            if answer is Answer.OK and self._right_body not in b"".join(self._body):
                answer = Answer.WRONG_BODY
            self._body.clear()
        if not self._kept:
            self.usable = False
        self._end(status, answer)
        if not self.usable and self._transport is not None:
            self._transport.close()

    def _end(self, status: int, answer: Answer) -> None:
        self.busy = False
        self._tell_ended(self, status, answer)

    def _ends_with_connection(self) -> bool:
        """Whether its answer's end is the connection's (RFC 9112, section 6.3, item 8)."""
        head, end, rest = self._unfinished.partition(_HEAD_END)
        while _INTERIM.match(head):
            head, end, rest = rest.partition(_HEAD_END)
        return bool(end) and _TELLS_LENGTH.search(head) is None
