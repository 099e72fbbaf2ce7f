"""The S3 beside the cluster: two replicating regions, served on the lab's network.

`python -m harness.lab.object_stores DIRECTORY` runs them on the machine outside the cluster until
SIGTERM; when they answer and the bucket is there, it writes DIRECTORY/ready.json. An HAProxy for
each region takes calls on the machine's address and hands them to the region, which listens on its
loopback: without its HAProxy a region is away, for all of its clients.
"""

from __future__ import annotations

import signal
import sys
from datetime import timedelta
from pathlib import Path

import msgspec

from harness.certificates import write
from harness.lab.layout import Machine
from harness.model.codec import to_json
from harness.practice.object_store import EVIDENCE, Regions, RegionServer

PRIMARY_PORT, REPLICA_PORT = 8333, 8334
"""Where the regions' S3 is on the address of the machine outside."""

PORTS = {"s3-primary": PRIMARY_PORT, "s3-replica": REPLICA_PORT}
"""The services that make the regions reachable, and at which port."""

NAMES = ("s3.infrastructure.svc", "s3-replica.infrastructure.svc")
"""Under which names pods call the regions: what their certificate is for, beside the address."""

BUCKET = "backups"
_LOCK = timedelta(days=31)
"""A day longer than the document wants backups kept: locks count from the second of the upload."""

_LEAST_LOCK = timedelta(days=1)
"""Of evidence: each run is put there with a longer one of its own."""

# The machine outside has a loopback of its own, where nothing else listens.
_PORTS = (tuple(range(17000, 17008)), tuple(range(17010, 17018)))
_S3 = 6


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """As whom a client calls one region."""

    access_key: str
    secret_key: str


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """What a client of the regions needs to know."""

    ca_file: Path
    bucket: str
    writer: Keys
    """The primary's identity `backup`: may write and read, not delete what is locked."""

    reader: Keys
    """The primary's identity `drill`: may read and list."""

    replica_reader: Keys
    """The replica's."""

    evidence: Keys
    """The primary's identity `evidence`: may put sealed runs into the bucket of that name."""


def gateway(machine: Machine, service: str) -> str:
    """HAProxy's configuration: from the machine's address to one region on its loopback."""
    inner = dict(zip(PORTS, _PORTS, strict=True))[service][_S3]
    return f"""\
defaults
  mode tcp
  timeout connect 2s
  timeout client 10m
  timeout server 10m

listen {service}
  bind {machine.address}:{PORTS[service]}
  server s3 127.0.0.1:{inner} check
"""


def main(directory: Path, address: str) -> int:
    """Serves until SIGTERM; exit code 0."""
    ready = directory / "ready.json"
    ready.unlink(missing_ok=True)
    regions = Regions.start(directory, more_hosts=(*NAMES, address), ports=_PORTS)
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # now, since children inherit it
    try:
        regions.create_bucket(BUCKET, _LOCK)
        regions.create_bucket(EVIDENCE, _LEAST_LOCK)
        clients = Ready(
            ca_file=regions.primary.ca_file,
            bucket=BUCKET,
            writer=_keys(regions.primary, "backup"),
            reader=_keys(regions.primary, "drill"),
            replica_reader=_keys(regions.replica, "drill"),
            evidence=_keys(regions.primary, "evidence"),
        )
        partial = ready.with_suffix(".part")
        write(partial, to_json(clients), 0o600)
        partial.rename(ready)
        signal.sigwait(_SIGNALS)
    finally:
        regions.kill()
    return 0


def _keys(region: RegionServer, profile: str) -> Keys:
    access, secret = region.credentials(profile)
    return Keys(access_key=access, secret_key=secret)


_SIGNALS = (signal.SIGTERM, signal.SIGINT)

if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
