"""What a prober is told: where to ask, how often, and which acknowledged write must be there."""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.drivers.redis import OPEN, Access
from harness.errors import InputError
from harness.model.codec import from_json
from harness.ports import PostgresEndpoint, RedisEndpoint

INTERVAL_NS = 100_000_000
TIMEOUT_NS = 1_000_000_000


class Sentinel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One acknowledged write of the ledger that every right answer must contain."""

    client: int
    seq: int
    payload: int
    """As the journal has it: 0 to 2^64 - 1."""


class ProbeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file that `python -m harness.probes --config FILE` reads."""

    endpoint: PostgresEndpoint | RedisEndpoint
    """`{"type": "postgresql", ...}` or `{"type": "redis", ...}`."""

    output: Path
    """Where the observations go, one JSON line each, in the order in which they end."""

    interval_ns: int = INTERVAL_NS
    timeout_ns: int = TIMEOUT_NS
    """After which a probe is INDETERMINATE."""

    sentinels: tuple[Sentinel, ...] = ()
    """An empty server answers too: without these it counts as recovered."""

    stop_file: Path | None = None
    """The prober also ends when this file is there."""

    access: Access = OPEN
    """Redis: user, password file, CA. PostgreSQL takes libpq's environment (PGPASSFILE, ...)."""

    def __post_init__(self) -> None:
        if self.interval_ns < 1_000_000 or self.timeout_ns < self.interval_ns:
            raise ValueError(
                f"got interval_ns={self.interval_ns}, timeout_ns={self.timeout_ns}, "
                "expected an interval of 1 ms or more and no timeout below it"
            )


def read_config(file: Path) -> ProbeConfig:
    """Reads a prober's configuration; InputError with the path within the file."""
    try:
        return from_json(file.read_bytes(), ProbeConfig)
    except (OSError, msgspec.DecodeError) as error:
        raise InputError(f"{file}: {error}", hint="python -m harness.probes --help") from error
