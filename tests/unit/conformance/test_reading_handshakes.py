"""What bytes of a handshake, and answers without TLS, mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.conformance.handshake import asks_for_certificate
from harness.conformance.tls import is_served, protocol_of, startup
from harness.model.workload import (
    BrokerWorkload,
    HttpWorkload,
    PostgresqlWorkload,
    RedisWorkload,
    Workload,
)

ORDERS = PostgresqlWorkload(
    id="orders", namespace="n", pods="app=p", service="p", user="me", database="shop"
)
CARTS = RedisWorkload(id="carts", namespace="n", pods="app=r", service="r")
EVENTS = BrokerWorkload(id="events", namespace="n", pods="app=b", service="b")
SHOP = HttpWorkload(id="checkout", namespace="n", pods="app=c", service="c", path="/checkout")

SERVER_HELLO, CERTIFICATE, CERTIFICATE_REQUEST, DONE = 2, 11, 13, 14


def message(kind: int, length: int = 3) -> bytes:
    """A message of the handshake (RFC 5246, 7.4)."""
    return bytes([kind]) + length.to_bytes(3, "big") + b"\x0d" * length


def record(content: bytes, kind: int = 22) -> bytes:
    """A record (RFC 5246, 6.2.1)."""
    return bytes([kind, 3, 3]) + len(content).to_bytes(2, "big") + content


def test_a_request_is_found_wherever_it_is() -> None:
    """In a record of its own, among others, and over two."""
    flight = b"".join(map(message, (SERVER_HELLO, CERTIFICATE, CERTIFICATE_REQUEST, DONE)))
    assert asks_for_certificate(record(flight))
    assert asks_for_certificate(record(flight[:9]) + record(flight[9:]))
    assert asks_for_certificate(
        record(message(SERVER_HELLO)) + record(message(CERTIFICATE_REQUEST))
    )


def test_no_request_is_none() -> None:
    """Whatever the certificate consists of."""
    assert not asks_for_certificate(record(message(SERVER_HELLO) + message(CERTIFICATE, 40)))
    assert not asks_for_certificate(b"")


def test_what_is_encrypted_is_not_read() -> None:
    """After the change of the cipher any byte may be 13."""
    hello = record(message(SERVER_HELLO))
    change = record(b"\x01", kind=20)
    assert not asks_for_certificate(hello + change + record(message(CERTIFICATE_REQUEST)))


@given(st.binary(max_size=200))
def test_anything_may_come(received: bytes) -> None:
    """A server that speaks something else is no error."""
    assert asks_for_certificate(received) in (True, False)


@pytest.mark.parametrize(
    ("workload", "answer", "served"),
    [
        (ORDERS, b"R\0\0\0\x08\0\0\0\0", True),
        (ORDERS, b'E\0\0\0\x40SFATAL\0C3D000\0Mdatabase "x" does not exist\0\0', True),
        (ORDERS, b"E\0\0\0\x40SFATAL\0C28000\0Mno pg_hba.conf entry\0\0", False),
        (ORDERS, b"", False),
        (CARTS, b"+PONG\r\n", True),
        (EVENTS, b"-NOAUTH Authentication required.\r\n", True),
        (CARTS, b"\x15\x03\x01\0\x02\x02\x46", False),
        (SHOP, b"HTTP/1.1 404 Not Found\r\n", True),
        (None, b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS", False),
        (SHOP, b"\x15\x03\x01\0\x02\x02\x46", False),
    ],
)
def test_an_answer_without_tls_is_that_of_the_protocol(
    workload: Workload | None,
    answer: bytes,
    served: bool,  # noqa: FBT001 - expected
) -> None:
    """A refusal for want of encryption, or an alert of TLS, is none."""
    assert is_served(workload, answer) is served


def test_a_startup_message_is_as_long_as_it_says() -> None:
    """PostgreSQL documentation, Message Formats."""
    message = startup("me", "shop")
    assert int.from_bytes(message[:4], "big") == len(message)
    assert message[8:] == b"user\0me\0database\0shop\0\0"


def test_no_question_does_anything() -> None:
    """A service is not sent the request of its workload, which may be an order."""
    assert b"/checkout" not in protocol_of(SHOP).question
    assert protocol_of(SHOP).question.startswith(b"GET / ")
    assert protocol_of(ORDERS).opening
    assert protocol_of(CARTS) == protocol_of(EVENTS)
    assert protocol_of(None).question.startswith(b"GET /version ")
