"""Asks every server which versions of TLS it accepts, whether it also answers without, and whether
it wants a client's certificate.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from harness.conformance.ground import ActiveLook, Ground
from harness.conformance.handshake import VERSIONS, Protocol, answer_without_tls, handshake
from harness.errors import HarnessError, SurroundingsError
from harness.model.conformance import TlsTried
from harness.model.workload import (
    KUBERNETES,
    BrokerWorkload,
    HttpWorkload,
    PostgresqlWorkload,
    RedisWorkload,
    Workload,
)
from harness.probes.resolving import service_address

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
"""PostgreSQL documentation, Message Formats, SSLRequest."""

_PROTOCOL_3 = 196608
"""PostgreSQL documentation, Message Formats, StartupMessage."""

_NOT_IN_PG_HBA = b"C28000\0"
"""Field of an ErrorResponse: invalid_authorization_specification, as where pg_hba.conf has no line
for a session without encryption (PostgreSQL documentation, The pg_hba.conf File).
"""

_HTTPS_EXPECTED = b" 400 "
"""How servers of HTTPS (Go's, nginx) answer who asks without TLS."""

Address = tuple[str, int]


def startup(user: str, database: str) -> bytes:
    """PostgreSQL's StartupMessage. Pure."""
    words = b"".join(text.encode() + b"\0" for text in ("user", user, "database", database, ""))
    return struct.pack("!ii", len(words) + 8, _PROTOCOL_3) + words


def protocol_of(workload: Workload | None) -> Protocol:
    """How a workload's servers are spoken to; None: the Kubernetes API. Pure."""
    match workload:
        case PostgresqlWorkload():
            return Protocol(
                question=startup(workload.user, workload.database), opening=_SSL_REQUEST
            )
        case RedisWorkload() | BrokerWorkload():
            return Protocol(question=b"PING\r\n")
        case HttpWorkload():
            # Not its own request: that may be an order.
            return Protocol(question=_get("/", f"{workload.service}.{workload.namespace}.svc"))
        case None:
            return Protocol(question=_get("/version", "kubernetes"))


def _get(path: str, host: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("ascii")


def is_served(workload: Workload | None, answer: bytes) -> bool:
    """Whether an answer that came without TLS is one of the protocol itself. Pure."""
    match workload:
        case PostgresqlWorkload():
            return answer[:1] == b"R" or (answer[:1] == b"E" and _NOT_IN_PG_HBA not in answer)
        case RedisWorkload() | BrokerWorkload():
            return answer[:1] in (b"+", b"-")
        case _:
            status = answer.partition(b"\r\n")[0]
            return answer.startswith(b"HTTP/") and _HTTPS_EXPECTED not in status + b" "


def tried(subject: str, workload: Workload | None, address: Address) -> Iterator[TlsTried]:
    """One fact for each version, then one for no TLS at all; all are tried at once, for a server
    of another protocol is silent until it is given up.
    """
    protocol = protocol_of(workload)
    where = f"{address[0]}:{address[1]}"
    with ThreadPoolExecutor(max_workers=len(VERSIONS) + 1) as threads:
        plain = threads.submit(answer_without_tls, address, protocol.question)
        offered = threads.map(lambda version: handshake(address, version, protocol), VERSIONS)
    for version, done in zip(VERSIONS, offered, strict=True):
        yield TlsTried(
            subject=subject,
            address=where,
            version=version,
            accepted=done.accepted,
            client_certificate_wanted=done.certificate_wanted,
            client_certificate_required=done.certificate_required,
            certificate_not_before=done.not_before,
            certificate_not_after=done.not_after,
            detail=done.detail,
        )
    answer = plain.result()
    yield TlsTried(
        subject=subject,
        address=where,
        version="",
        accepted=None if answer is None else is_served(workload, answer),
        plain=answer is not None and is_served(workload, answer),
        detail="no answer" if answer is None else "",
    )


def look(ground: Ground) -> None:
    """Tries all servers at once."""
    subjects: list[tuple[str, Workload | None]] = [
        (KUBERNETES, None),
        *((one.id, one) for one in ground.plan.workloads),
    ]

    def ask(subject: tuple[str, Workload | None]) -> None:
        name, workload = subject
        if ground.should_stop() is not None:
            return
        try:
            address = _address(ground, workload)
        except HarnessError as error:
            ground.record(
                TlsTried(subject=name, address="", version="", accepted=None, detail=str(error))
            )
            return
        for fact in tried(name, workload, address):
            ground.record(fact)

    with ThreadPoolExecutor(max_workers=len(subjects)) as threads:
        list(threads.map(ask, subjects))


def _address(ground: Ground, workload: Workload | None) -> Address:
    """Of the API; of a service its Service's; of a data store that of a pod, past every proxy."""
    if workload is None:
        server = urlsplit(ground.access.identity.server)
        return server.hostname or "", server.port or 443
    if isinstance(workload, HttpWorkload):
        return service_address(ground.cluster, workload, workload.service), workload.port
    pods = [
        one
        for one in ground.cluster.pods(workload.namespace, workload.pods)
        if one.address and one.ready
    ]
    if not pods:
        raise SurroundingsError(
            f"{workload.id}: no pod of {workload.namespace} with {workload.pods} is ready"
        )
    return pods[0].address, workload.port


LOOK = ActiveLook(
    name="tls",
    look=look,
    touches=(
        "the API server and the servers of all workloads: five connections each, to shake hands",
    ),
    rights=("list pods", "get services"),
)
