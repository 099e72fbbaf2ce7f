"""The bytes of requests: what RFC 9112 asks for, and what cannot be sent is refused."""

from __future__ import annotations

import uuid
from itertools import islice

import pytest

from harness.errors import InputError
from harness.load.config import HttpRequest
from harness.load.request_bytes import host_header, new_ids, request_bytes


def test_a_get() -> None:
    """No body, and no length of one."""
    made = request_bytes(HttpRequest(host="shop.example", port=8080, path="/orders"))
    assert made() == b"GET /orders HTTP/1.1\r\nHost: shop.example:8080\r\n\r\n"
    assert made() is made(), "made once"


def test_a_post_with_headers() -> None:
    """The length is of bytes, not of characters."""
    made = request_bytes(
        HttpRequest(
            host="10.0.0.1",
            port=80,
            method="post",
            headers={"host": "shop.example", "Content-Type": "text/plain"},
            body="für",
        )
    )
    assert made() == (
        b"POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Type: text/plain\r\n"
        b"Content-Length: 4\r\n\r\nf\xc3\xbcr"
    )


@pytest.mark.parametrize("times", [1, 2, 3])
def test_the_length_counts_the_ids(times: int) -> None:
    """Whatever their number: each has 36 characters, and all of one request are the same."""
    made = request_bytes(
        HttpRequest(host="shop.example", port=80, method="POST", body="<" + "{id}" * times + ">")
    )
    seen = set()
    for _ in range(3):
        head, _, body = made().partition(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head
        ids = {body[1 + 36 * i : 37 + 36 * i] for i in range(times)}
        assert len(ids) == 1
        seen |= ids
    assert len(seen) == 3


def test_ids_are_uuids_of_version_4() -> None:
    """Over more than one block of random digits, none twice."""
    ids = [uuid.UUID(one.decode()) for one in islice(new_ids(), 3000)]
    assert len(set(ids)) == 3000
    assert {(one.version, one.variant) for one in ids} == {(4, uuid.RFC_4122)}
    assert len({str(one)[19] for one in ids}) == 4, "both free bits of the variant's digit vary"


@pytest.mark.parametrize(
    ("host", "port", "tls", "header"),
    [
        ("shop.example", 80, False, "shop.example"),
        ("shop.example", 443, True, "shop.example"),
        ("shop.example", 80, True, "shop.example:80"),
        ("::1", 80, False, "[::1]"),
        ("::1", 8080, False, "[::1]:8080"),
    ],
)
def test_the_host_header_has_the_port_where_it_is_not_the_scheme_s(
    host: str,
    port: int,
    *,
    tls: bool,
    header: str,
) -> None:
    """RFC 9110, section 7.2."""
    assert host_header(HttpRequest(host=host, port=port, tls=tls)) == header


@pytest.mark.parametrize(
    "request_",
    [
        HttpRequest(host="shop.example", port=80, path="/\r\nX: y"),
        HttpRequest(host="shop.example", port=80, headers={"X": "y\nZ: z"}),
        HttpRequest(host="shop.example", port=80, method="HEAD"),
        HttpRequest(host="shop.example", port=80, method="connect"),
    ],
)
def test_what_cannot_be_sent(request_: HttpRequest) -> None:
    """Is refused before anything is sent."""
    with pytest.raises(InputError, match="request: got"):
        request_bytes(request_)
