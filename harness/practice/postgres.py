"""Starts, fills, backs up, kills and stops the practice platform's PostgreSQL server."""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from harness.drivers import detached, postgres, process, s3
from harness.drivers.loopback import ADDRESS
from harness.errors import SurroundingsError
from harness.model.subject import ObjectStore, PgBackRest, PgBackRestRepository
from harness.ports import PostgresEndpoint
from harness.practice.object_store import RegionServer
from harness.practice.past_clock import PastClock

STANZA = "orders"

_DATABASE = _SUPERUSER = "postgres"
_PGBENCH_UNITS = 10
"""At scale 1. A unit of pgbench is 100,000 accounts, 15 MB."""

_LONG_S = 3_600.0


@dataclass(kw_only=True)
class PracticePostgres:
    """One PostgreSQL server with page checksums, which archives its WAL by pgBackRest.

    `home` is what is lost with the server: its data, its sockets, pgBackRest's spool. What restores
    are made with (`configuration`) is elsewhere.
    """

    home: Path
    configuration: Path
    """pgbackrest.conf of the server, those of restores, and the passphrase."""

    port: int
    _bin: Path = field(default_factory=postgres.bin_directory)
    _user: str | None = field(default_factory=lambda: postgres.server_user(None))
    _passphrase: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    _server: postgres.Server | None = None
    _system_identifier: str = ""

    @property
    def data(self) -> Path:
        """PGDATA."""
        return self.home / "data"

    @property
    def log_file(self) -> Path:
        """All that the server says."""
        return self.home / "postgresql.log"

    @property
    def user(self) -> str | None:
        """The operating-system user it runs as; None: this process's own."""
        return self._user

    @property
    def endpoint(self) -> PostgresEndpoint:
        """How clients reach it; there is no password, and no other address it listens on."""
        return PostgresEndpoint(
            host=ADDRESS,
            port=self.port,
            database=_DATABASE,
            user=_SUPERUSER,
            system_identifier=self._system_identifier,
        )

    @property
    def ports(self) -> tuple[int, ...]:
        """Where it listens."""
        return (self.port,)

    @property
    def running(self) -> bool:
        """Whether the postmaster runs."""
        return self._server is not None and self._server.child.poll() is None

    # -- life ---------------------------------------------------------------------------------

    def initialise(self) -> None:
        """Makes an empty cluster with page checksums; not started."""
        for directory in (self.home, self.configuration, self._tool("spool"), self._tool("log")):
            directory.mkdir(parents=True, exist_ok=True)
        for directory in (self.home, self._tool("spool"), self._tool("log"), self._tool("")):
            postgres.own(directory, self._user)
        self._write_secret("passphrase", self._passphrase)
        # Whoever cuts this off makes another one: nothing has to survive a power failure yet.
        postgres.initialise(
            self.data, bin_directory=self._bin, user=self._user, options=["--no-sync"]
        )
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(self._settings())
        control = postgres.read_control(self.data, bin_directory=self._bin)
        self._system_identifier = control["Database system identifier"]

    def start(self, clock: PastClock | None = None) -> None:
        """Starts the server and awaits its first answer; with `clock`, in the past.

        Raises PostgresError with the server's last complaint where it ends instead.
        """
        past = {} if clock is None else {"archive_command": self._archive_command("past")}
        self._server = postgres.start_server(
            self.data,
            bin_directory=self._bin,
            log=self.log_file,
            user=self._user,
            settings=past,
            environment={**self._secret(), **({} if clock is None else clock.environment)},
        )
        postgres.await_accepting(self._server, self.endpoint, within_s=_LONG_S)

    def stop(self) -> None:
        """A fast shutdown: clients are disconnected, WAL is flushed and a checkpoint written."""
        if self._server is not None:
            postgres.stop_server(self._server)
            self._server = None
        detached.kill_configured_below(self.configuration)

    def kill(self) -> None:
        """SIGKILL to the server, all its children, and whatever of pgBackRest works for it."""
        archivers = detached.configured_below(self.configuration)
        if self._server is not None:
            postgres.kill_server(self._server)
            self._server = None
        for one in archivers:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        detached.kill_configured_below(self.configuration)

    # -- data ---------------------------------------------------------------------------------

    def fill(self, scale: float) -> None:
        """Makes pgbench's tables: 150 MB at scale 1."""
        units = max(1, round(scale * _PGBENCH_UNITS))
        argv: list[str | Path] = [
            self._bin / "pgbench",
            *("--initialize", "--quiet", f"--scale={units}"),
            *(f"--host={ADDRESS}", f"--port={self.port}", f"--username={_SUPERUSER}", _DATABASE),
        ]
        self._run(argv, what="pgbench --initialize")

    # -- backups ------------------------------------------------------------------------------

    def configure_past(self) -> None:
        """A repository on local disk for the past; `publish_past` copies it to the store."""
        repository = self._past_repository
        repository.mkdir(mode=0o700, exist_ok=True)
        postgres.own(repository, self._user)
        self._configure(
            "past",
            {
                "repo1-type": "posix",
                "repo1-path": str(repository),
                # By the clock of the past, which may run fast.
                "archive-timeout": "1800",
                # Files are dated by the true clock, later than any backup: compare their content.
                "delta": "y",
            },
        )
        self._run(self._pgbackrest("past", "stanza-create"), what="pgbackrest stanza-create")

    def publish_past(self, store: ObjectStore) -> None:
        """Copies the past's repository, as it is, to the store; the server must be stopped.

        A pgBackRest repository has the same files under the same names whatever holds it.
        """
        client = s3.connect(store)
        repository = self._past_repository
        # Without the links (`latest`), which are for people only.
        files = [p for p in repository.rglob("*") if p.is_file() and not p.is_symlink()]

        def upload(path: Path) -> None:
            s3.put_bytes(client, store, str(path.relative_to(repository)), path.read_bytes())

        s3.in_parallel(upload, sorted(files))
        shutil.rmtree(repository)

    def configure_store(self, primary: RegionServer, replica: RegionServer, bucket: str) -> None:
        """Configurations for the server, which writes, and for restores, which only read."""
        purposes = (
            ("server", primary, "backup"),
            (primary.name, primary, "drill"),
            (replica.name, replica, "drill"),
        )
        for name, region, profile in purposes:
            access, secret = region.credentials(profile)
            self._configure(
                name,
                {
                    "repo1-type": "s3",
                    "repo1-path": f"/{STANZA}",
                    "repo1-s3-bucket": bucket,
                    "repo1-s3-region": "us-east-1",
                    "repo1-s3-endpoint": region.endpoint_url,
                    "repo1-s3-uri-style": "path",
                    "repo1-s3-key": access,
                    "repo1-s3-key-secret": secret,
                    "repo1-storage-ca-file": str(region.ca_file),
                    "process-max": "2",
                    # A backup may begin while the WAL of a large fill is still being archived.
                    "archive-timeout": "1800",
                    "archive-async": "y" if name == "server" else "n",
                },
            )

    def back_up(self, kind: str, clock: PastClock | None = None) -> None:
        """Takes a backup, `full`, `diff` or `incr`; with `clock`, into the past's repository."""
        self._run(
            self._pgbackrest("server" if clock is None else "past", "backup", f"--type={kind}"),
            what=f"pgbackrest backup --type={kind}",
            environment={} if clock is None else clock.environment,
        )

    def subject(
        self, primary: RegionServer, replica: RegionServer, bucket: str, ledger: Path
    ) -> PgBackRest:
        """It as a drill's environment names it, with the documented volume."""

        def repository(region: RegionServer) -> PgBackRestRepository:
            return PgBackRestRepository(
                config=self._config(region.name),
                store=region.store(bucket, STANZA, "drill"),
                passphrase_file=self.configuration / "passphrase",
            )

        return PgBackRest(
            id=STANZA,
            volume="100Gi",
            ledger=ledger,
            operating_system_user=self._user,
            stanza=STANZA,
            primary=repository(primary),
            replica=repository(replica),
            database=_DATABASE,
            user=_SUPERUSER,
            bin_directory=self._bin,
        )

    # -- within -------------------------------------------------------------------------------

    @property
    def _past_repository(self) -> Path:
        return self.home / "past"

    def _tool(self, name: str) -> Path:
        return self.home / "pgbackrest" / name

    def _settings(self) -> str:
        settings = {
            "port": str(self.port),
            "listen_addresses": ADDRESS,
            "unix_socket_directories": str(self.home),
            "shared_buffers": "128MB",
            # In files of the data directory: POSIX shared memory outlives a SIGKILL.
            "dynamic_shared_memory_type": "mmap",
            "max_wal_size": "4GB",
            "archive_mode": "on",
            "archive_timeout": "10s",
            "archive_command": self._archive_command("server"),
        }
        return "".join(f"{name} = {_quoted(value)}\n" for name, value in settings.items())

    def _archive_command(self, name: str) -> str:
        # Whatever clock the server lives by: requests to a store are signed with the true time.
        words = ["env", "-u", "LD_PRELOAD", *self._pgbackrest(name, "archive-push")]
        return shlex.join(words).replace("%", "%%") + " %p"

    def _pgbackrest(self, configuration: str, *words: str) -> list[str]:
        config = f"--config={self._config(configuration)}"
        return ["pgbackrest", config, f"--stanza={STANZA}", *words]

    def _config(self, name: str) -> Path:
        return self.configuration / f"{name}.conf"

    def _configure(self, name: str, options: Mapping[str, str]) -> None:
        common = {
            "repo1-cipher-type": "aes-256-cbc",
            "repo1-bundle": "y",
            "repo1-retention-full-type": "time",
            "repo1-retention-full": "30",
            "compress-type": "zst",
            "compress-level": "3",
            "start-fast": "y",
            "spool-path": str(self._tool("spool")),
            "lock-path": str(self._tool("lock")),
            "log-path": str(self._tool("log")),
            "log-level-console": "warn",
        }
        stanza = {
            "pg1-path": str(self.data),
            "pg1-port": str(self.port),
            "pg1-socket-path": str(self.home),
            "pg1-user": _SUPERUSER,
        }
        sections: Mapping[str, Mapping[str, str]] = {
            "global": {**common, **options},
            STANZA: stanza,
        }
        lines: list[str] = []
        for section, settings in sections.items():
            lines += [f"[{section}]", *(f"{key}={value}" for key, value in settings.items())]
        self._write_secret(f"{name}.conf", "\n".join(lines) + "\n")

    def _secret(self) -> dict[str, str]:
        return {"PGBACKREST_REPO1_CIPHER_PASS": self._passphrase}

    def _write_secret(self, name: str, content: str) -> None:
        path = self.configuration / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
        postgres.own(path, self._user)

    def _run(
        self,
        argv: Sequence[str | Path],
        *,
        what: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        done = process.run(
            argv,
            directory=self.home,
            user=self._user,
            environment={**self._secret(), **(environment or {})},
            timeout_s=_LONG_S,
        )
        if done.returncode != 0:
            raise SurroundingsError(
                f"{what}: got exit code {done.returncode}, expected 0: {done.last_line()}",
                hint=f"tail {self.log_file}",
            )


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
