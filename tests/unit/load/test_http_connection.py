"""A kept connection: what arrives, in whatever pieces, becomes one answer of each request."""

from __future__ import annotations

import asyncio
import ssl
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.load.http_connection import HttpConnection
from harness.model.sample import Answer

RIGHT = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nwe\r\n2\r\nll\r\n0\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


class Transport(asyncio.Transport):
    """Remembers what is done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.ended = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def close(self) -> None:
        self.ended = True

    def abort(self) -> None:
        self.ended = True


class Asked:
    """An open connection that was asked once."""

    def __init__(self, body: bytes = b"well") -> None:
        self.answers: list[tuple[int, Answer]] = []
        self.closed = 0
        self.transport = Transport()
        self.connection = HttpConnection(
            lambda: b"ask",
            status=200,
            body=body,
            ended=lambda _, status, answer: self.answers.append((status, answer)),
            closed=lambda _: self._count(),
        )
        self.connection.ask(1, 2)
        assert self.transport.written == []
        self.connection.connection_made(self.transport)
        assert self.transport.written == [b"ask"]

    def _count(self) -> None:
        self.closed += 1


@given(
    st.sampled_from([RIGHT, CHUNKED, INTERIM + RIGHT, INTERIM + CHUNKED]),
    st.lists(st.integers(0, 150), max_size=8),
)
def test_in_whatever_pieces_it_comes(answer: bytes, cuts: list[int]) -> None:
    """One answer at the last byte, not before; and the connection takes another request."""
    asked = Asked()
    places = sorted({0, len(answer), *(cut for cut in cuts if cut < len(answer))})
    for begin, end in pairwise(places):
        assert asked.answers == []
        asked.connection.data_received(answer[begin:end])
    assert asked.answers == [(200, Answer.OK)]
    assert asked.connection.usable
    asked.connection.ask(3, 4)
    assert asked.transport.written == [b"ask", b"ask"]
    asked.connection.data_received(RIGHT)
    assert asked.answers == [(200, Answer.OK)] * 2


@given(st.sampled_from([RIGHT, CHUNKED, INTERIM + RIGHT]), st.data())
def test_cut_anywhere(answer: bytes, data: st.DataObject) -> None:
    """Every beginning of an answer that says its length is CUT by the connection's end."""
    asked = Asked()
    length = data.draw(st.integers(0, len(answer) - 1))
    if length:
        asked.connection.data_received(answer[:length])
    asked.connection.connection_lost(None)
    assert asked.answers == [(0, Answer.CUT)]
    assert asked.closed == 1


def test_an_answer_that_ends_with_its_connection() -> None:
    """RFC 9112, section 6.3, item 8: right where its head was whole."""
    asked = Asked()
    asked.connection.data_received(b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\nwe")
    asked.connection.data_received(b"ll")
    assert asked.answers == []
    asked.connection.connection_lost(None)
    assert asked.answers == [(200, Answer.OK)]
    assert asked.closed == 1


def test_a_body_that_ends_with_a_reset_is_cut() -> None:
    """Only an orderly end is the end of an answer."""
    asked = Asked()
    asked.connection.data_received(b"HTTP/1.0 200 OK\r\n\r\nwell")
    asked.connection.connection_lost(ConnectionResetError())
    assert asked.answers == [(0, Answer.CUT)]


@pytest.mark.parametrize(
    ("received", "status", "answer"),
    [
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\nwell", 500, Answer.WRONG_STATUS),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlame", 200, Answer.WRONG_BODY),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, Answer.WRONG_BODY),
        (b"SMTP ready\r\n", 0, Answer.PROTOCOL),
        (
            b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
            0,
            Answer.PROTOCOL,
        ),
    ],
)
def test_what_is_not_right(received: bytes, status: int, answer: Answer) -> None:
    """Each by its name, and once, whatever comes after it."""
    asked = Asked()
    asked.connection.data_received(received)
    asked.connection.connection_lost(None)
    assert asked.answers == [(status, answer)]


def test_a_wrong_body_is_not_remembered() -> None:
    """Of the next answer, only its own body counts."""
    asked = Asked()
    asked.connection.data_received(RIGHT)
    asked.connection.ask(3, 4)
    asked.connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlame")
    assert asked.answers == [(200, Answer.OK), (200, Answer.WRONG_BODY)]


def test_no_body_asked_for() -> None:
    """Any body will do."""
    asked = Asked(body=b"")
    asked.connection.data_received(RIGHT)
    assert asked.answers == [(200, Answer.OK)]


def test_a_server_that_closes_after_its_answer() -> None:
    """The answer is right, and nothing more is asked there."""
    asked = Asked()
    asked.connection.data_received(RIGHT.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert asked.answers == [(200, Answer.OK)]
    assert not asked.connection.usable
    assert asked.transport.ended


def test_what_nobody_asked_for() -> None:
    """A server's own 408 ends a free connection, and is the answer of no request."""
    asked = Asked()
    asked.connection.data_received(RIGHT)
    asked.connection.data_received(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    assert asked.answers == [(200, Answer.OK)]
    assert not asked.connection.usable
    assert asked.transport.ended


def test_lost_by_tls() -> None:
    """An alert after the handshake, as of a server that wants the client's certificate."""
    asked = Asked()
    asked.connection.connection_lost(ssl.SSLError(1, "alert"))
    assert asked.answers == [(0, Answer.TLS)]


def test_given_up() -> None:
    """Nothing is called for what was asked: who gives up knows."""
    asked = Asked()
    asked.connection.give_up()
    assert asked.transport.ended
    asked.connection.connection_lost(None)
    assert asked.answers == []
    assert asked.closed == 1


def test_never_opened() -> None:
    """Its request has the answer that its opener says."""
    asked = Asked()
    never = HttpConnection(
        lambda: b"ask",
        status=200,
        body=b"",
        ended=lambda _, status, answer: asked.answers.append((status, answer)),
        closed=lambda _: None,
    )
    never.ask(1, 2)
    never.failed(Answer.REFUSED)
    assert asked.answers == [(0, Answer.REFUSED)]
    assert not never.usable
