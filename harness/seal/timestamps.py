"""Asks a timestamp service when a seal was made, and checks what it answered (RFC 3161)."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509
from rfc3161_client import (
    PKIStatus,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from harness.errors import InputError, SurroundingsError

ANSWER_S = 30
"""How long the service may take."""

_LARGEST = 2**20
"""Bytes of an answer: one with its certificates has a few thousand."""


def ask(url: str, content: bytes) -> bytes:
    """The service's answer over the content, whole (RFC 3161, section 3.4: over HTTP).

    Whose answer it is, is for `check`. Raises SurroundingsError where the service does not answer,
    does not grant it, or answers another request.
    """
    request = TimestampRequestBuilder().data(content).cert_request(cert_request=True).build()
    what = f"timestamp service {url}"
    if not url.startswith(("http://", "https://")):
        raise InputError(f"{what}: got no address of HTTP")
    asked = urllib.request.Request(  # noqa: S310 - looked at above
        url,
        data=request.as_bytes(),
        headers={"Content-Type": "application/timestamp-query"},
    )
    try:
        with urllib.request.urlopen(asked, timeout=ANSWER_S) as answer:  # noqa: S310 - as above
            said: bytes = answer.read(_LARGEST)
    except (OSError, urllib.error.URLError, ValueError) as error:
        raise SurroundingsError(f"{what}: {error}") from error
    try:
        response = decode_timestamp_response(said)
        status = response.status
    except ValueError as error:
        raise SurroundingsError(f"{what}: got no timestamp response: {error}") from error
    if status not in (PKIStatus.GRANTED, PKIStatus.GRANTED_WITH_MODS):
        raise SurroundingsError(f"{what}: did not grant it: status {status}")
    about = response.tst_info
    if about.nonce != request.nonce or (
        about.message_imprint.message != request.message_imprint.message
    ):
        # RFC 3161, section 2.4.2: both are those of the request, or it is an answer to another one.
        raise SurroundingsError(f"{what}: answered another request than ours")
    return said


def read_root(path: Path) -> x509.Certificate:
    """The certificate of a timestamp service's authority, in PEM; raises InputError."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path}: got no certificate in PEM: {error}") from error


def check(answer: bytes, content: bytes, roots: Sequence[x509.Certificate]) -> datetime:
    """When the service saw the content, UTC. ValueError, in words: the answer is of other content,
    of a service that no root vouches for, or none at all.
    """
    try:
        response = decode_timestamp_response(answer)
        info = response.tst_info
    except ValueError as error:
        raise ValueError(f"no timestamp response: {error}") from error
    builder = VerifierBuilder()
    for root in roots:
        builder = builder.add_root_certificate(root)
    try:
        builder.build().verify_message(response, content)
    except VerificationError as error:
        raise ValueError(str(error)) from error
    return info.gen_time


def claims(answer: bytes) -> datetime | None:
    """When an answer says that it was given, whoever gave it; None: it is no answer."""
    try:
        return decode_timestamp_response(answer).tst_info.gen_time
    except ValueError:
        return None
