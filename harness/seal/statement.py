"""What a seal says of a run: an in-toto statement over the digests of all its files. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePosixPath
from typing import Literal

import msgspec
import rfc8785

from harness.model.verdict import Verdict

PAYLOAD_TYPE = "application/vnd.in-toto+json"
"""Of a DSSE envelope (in-toto Attestation Framework v1, Envelope)."""

STATEMENT_TYPE: Literal["https://in-toto.io/Statement/v1"] = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Literal["urn:recovery-harness:sealed-run:1"] = "urn:recovery-harness:sealed-run:1"

STATEMENT = "statement.dsse.json"
"""The envelope's file in the run directory."""

TIMESTAMP = "statement.tsr"
"""The answer of a timestamp service, over the envelope's bytes (RFC 3161, section 2.4.2)."""

SUMS = "SHA256SUMS"
"""Digests for `sha256sum -c`: what a reviewer has everywhere."""

SEAL_FILES = (STATEMENT, TIMESTAMP)
"""What the statement cannot name, as it comes later."""


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Digests(_Value, frozen=True, kw_only=True):
    """A digest set (in-toto Attestation Framework v1, DigestSet)."""

    sha256: str


class Subject(_Value, frozen=True, kw_only=True):
    """One file of the run directory."""

    name: str
    """Its path in there, with `/`."""

    digest: Digests


class RunBefore(_Value, frozen=True, kw_only=True):
    """The run that was sealed before."""

    run: str
    sha256: str
    """Of the bytes of its envelope's file."""


class HistorySeal(_Value, frozen=True, kw_only=True):
    """The end of the hash chain (harness.seal.chain)."""

    lines: int
    head: str
    chained: bool


class SealedRun(_Value, frozen=True, kw_only=True):
    """The predicate: which run it is, what came of it, who sealed it, and which came before."""

    run: str
    suite: str
    environment: str
    verdict: Verdict
    started: datetime
    ended: datetime | None
    """None: it was cut off, and sealed as it stood."""

    sealed: datetime
    """UTC, by the clock of `host`; a timestamp service's answer is the stronger witness."""

    user: str
    host: str
    harness: str
    """Version of the program."""

    sequence: int
    """How many runs of the folder were sealed before."""

    before: RunBefore | None
    """None: it is the first."""

    history: HistorySeal


class Statement(_Value, frozen=True, kw_only=True):
    """The statement (in-toto Attestation Framework v1, Statement)."""

    type: Literal["https://in-toto.io/Statement/v1"] = msgspec.field(
        name="_type", default=STATEMENT_TYPE
    )
    subject: tuple[Subject, ...]
    predicate_type: Literal["urn:recovery-harness:sealed-run:1"] = msgspec.field(
        name="predicateType", default=PREDICATE_TYPE
    )
    predicate: SealedRun

    @property
    def files(self) -> dict[str, str]:
        """Path -> SHA-256."""
        return {one.name: one.digest.sha256 for one in self.subject}


def state(predicate: SealedRun, digests: Mapping[str, str]) -> bytes:
    """The statement's canonical bytes (RFC 8785): equal statements give equal bytes."""
    statement = Statement(
        subject=tuple(
            Subject(name=name, digest=Digests(sha256=digests[name])) for name in sorted(digests)
        ),
        predicate=predicate,
    )
    return rfc8785.dumps(msgspec.to_builtins(statement))


def decode(payload: bytes) -> Statement:
    """A statement; ValueError where it is none, or names a file outside of its run."""
    try:
        statement = msgspec.json.decode(payload, type=Statement)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from error
    for one in statement.subject:
        path = PurePosixPath(one.name)
        if path.is_absolute() or ".." in path.parts or str(path) != one.name:
            raise ValueError(f"got file {one.name!r}, expected one of the run")
    return statement


def sums(digests: Mapping[str, str]) -> bytes:
    """The file SHA256SUMS, as GNU coreutils' `sha256sum` writes it, in the order of the names."""
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode()
