"""One HTTP exchange, without a socket: what is sent, and what an answer is taken for."""

from __future__ import annotations

import pytest

from harness.drivers.bounded_http import (
    ConnectionLostError,
    NotHttpError,
    Request,
    _encode,
    _parse,
)


def test_no_answer_is_a_lost_connection() -> None:
    """A connection that ends before the first byte says nothing of what was done."""
    with pytest.raises(ConnectionLostError, match="without an answer"):
        _parse(b"", "GET", "it")


@pytest.mark.parametrize(
    "received",
    [
        b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.0 201 Created\r\n\r\nok",
    ],
)
def test_an_answer_is_read(received: bytes) -> None:
    """Status and body, however the body's end is marked."""
    answer = _parse(received, "GET", "it")
    assert (answer.status, answer.body) == (201, b"ok")


def test_half_an_answer_is_a_lost_connection() -> None:
    """A body that ends early is not an answer."""
    with pytest.raises(ConnectionLostError, match="ends early"):
        _parse(b"HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\nok", "GET", "it")


@pytest.mark.parametrize(
    "received", [b"-ERR unknown command\r\n", b"\x15\x03\x01", b"HTTP/1.1 x\r\n"]
)
def test_what_is_not_http_is_said(received: bytes) -> None:
    """Another protocol's answer is a wrong answer, not a lost one."""
    with pytest.raises(NotHttpError):
        _parse(received, "GET", "it")


def test_a_request_has_its_length_and_ends_the_connection() -> None:
    """A body has its length; the connection is closed after the answer."""
    request = Request(
        address=("10.0.0.1", 80), method="POST", path="/x", host="h", body="ü".encode()
    )
    head, _, body = _encode(request).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /x HTTP/1.1"
    assert {b"Host: h", b"Connection: close", b"Content-Length: 2"} <= set(lines)
    assert body == "ü".encode()
