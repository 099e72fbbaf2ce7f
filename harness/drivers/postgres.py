"""Starts, stops and asks PostgreSQL servers of ours; finds the programs that belong to them.

Every exception of psycopg is turned into a PostgresError (or one of its kinds) here.
"""

from __future__ import annotations

import contextlib
import enum
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from harness.drivers import process
from harness.drivers.clock import wait_until
from harness.errors import DeadlineExceededError, RestoreError
from harness.ports import PostgresEndpoint

PORT_IN_SOCKET_BYTES = len("/.s.PGSQL.65535")
SOCKET_PATH_BYTES = 107
"""sun_path of Linux's sockaddr_un (unix(7)) without its closing NUL."""

_DEBIAN = Path("/usr/lib/postgresql")
_QUICK_S = 20.0


class PostgresError(RestoreError):
    """A PostgreSQL server or program could not be started, or answered with an error."""


class PostgresUnavailableError(PostgresError):
    """No connection, or the connection broke: nothing is known of what the server did."""


class WrongServerError(PostgresError):
    """Another PostgreSQL cluster than the expected one answered."""


class StopMode(enum.Enum):
    """How the postmaster ends (manual, "Shutting Down the Server")."""

    SMART = signal.SIGTERM
    """When all clients have left."""

    FAST = signal.SIGINT
    """Clients are disconnected; a shutdown checkpoint is written: the data directory is clean."""

    IMMEDIATE = signal.SIGQUIT
    """No checkpoint: the next start replays WAL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A postgres child of ours."""

    child: subprocess.Popen[bytes]  # noqa: TID251 - its type only; process.start makes it
    data_directory: Path
    log: Path
    """What it writes to standard error."""


# -- programs -----------------------------------------------------------------------------------


def bin_directory(chosen: Path | None = None, major: int | None = None) -> Path:
    """The directory of `postgres` and its own programs: `chosen`, or the newest that is found.

    `major` is preferred where Debian's place has that version. Looked for in Debian's place for
    each version, then by `pg_config --bindir`, then in PATH.
    Raises PostgresError where there is none.
    """
    if chosen is not None:
        if not (chosen / "postgres").is_file():
            raise PostgresError(
                f"{chosen}: no `postgres` in it, expected PostgreSQL's bin directory",
                hint="pg_config --bindir",
            )
        return chosen
    debian = [
        path.parent
        for path in _DEBIAN.glob("*/bin/postgres")
        if re.fullmatch(r"\d+(\.\d+)?", path.parent.parent.name)
    ]
    if major is not None and _DEBIAN / str(major) / "bin" in debian:
        return _DEBIAN / str(major) / "bin"
    if debian:
        return max(debian, key=lambda path: [int(n) for n in path.parent.name.split(".")])
    if shutil.which("pg_config"):
        said = process.run(["pg_config", "--bindir"], directory=Path("/"), timeout_s=_QUICK_S)
        told = Path(said.stdout.strip())
        if (told / "postgres").is_file():
            return told
    in_path = shutil.which("postgres")
    if in_path is None:
        raise PostgresError(
            f"PostgreSQL's programs: none in {_DEBIAN}/*/bin, by pg_config, nor in PATH",
            hint="make setup  # installs the programs needed",
        )
    return Path(in_path).resolve().parent


def major_version(bin_directory: Path) -> int:
    """15 for `postgres (PostgreSQL) 15.18 (Debian ...)`."""
    said = process.run([bin_directory / "postgres", "--version"], directory=Path("/"), timeout_s=10)
    match = re.search(r"\(PostgreSQL\) (\d+)", said.stdout)
    if match is None:
        raise PostgresError(f"{bin_directory}/postgres --version: got {said.last_line()!r}")
    return int(match[1])


def server_user(chosen: str | None) -> str | None:
    """Who PostgreSQL runs as: it refuses root, so `postgres` where root names nobody."""
    if chosen is not None:
        return chosen
    return "postgres" if os.geteuid() == 0 else None


def own(path: Path, user: str | None) -> None:
    """Gives a file or directory (not what is in it) to a user, where we are root."""
    if user is not None and os.geteuid() == 0:
        shutil.chown(path, user, process.become_group(user))


def initialise(
    data_directory: Path,
    *,
    bin_directory: Path,
    user: str | None = None,
    options: Sequence[str] = (),
) -> None:
    """Initdb with page checksums, UTF-8, the C locale, `postgres` as superuser, and trust.

    The directory's parent must exist. Raises PostgresError with what initdb said.
    """
    data_directory.mkdir(mode=0o700)
    own(data_directory, user)
    argv: list[str | Path] = [
        bin_directory / "initdb",
        *("--pgdata", data_directory, "--data-checksums", "--username=postgres"),
        *("--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions", *options),
    ]
    done = process.run(argv, directory=data_directory, user=user, timeout_s=120)
    if done.returncode != 0:
        raise PostgresError(f"initdb in {data_directory}: {done.last_line()}")


def read_control(data_directory: Path, *, bin_directory: Path) -> dict[str, str]:
    """pg_controldata as its own field names: `{"Database system identifier": "73...", ...}`."""
    done = process.run(
        [bin_directory / "pg_controldata", "-D", data_directory],
        directory=data_directory,
        environment={"LC_ALL": "C"},
        timeout_s=_QUICK_S,
    )
    if done.returncode != 0:
        raise PostgresError(
            f"pg_controldata of {data_directory}: {done.last_line()}", hint=f"ls {data_directory}"
        )
    return parse_control(done.stdout)


def parse_control(text: str) -> dict[str, str]:
    """`name: value` lines of pg_controldata."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


# -- servers ------------------------------------------------------------------------------------


def start_server(  # noqa: PLR0913 - a server has that many sides
    data_directory: Path,
    *,
    bin_directory: Path,
    log: Path,
    user: str | None = None,
    settings: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Server:
    """Starts `postgres` in the foreground, working in its data directory; does not await it.

    `settings` go on its command line and win over every file, postgresql.auto.conf included: no
    secrets. `environment` is inherited by archive_command and restore_command. `user` as
    process.start. Its log is appended to `log`.
    """
    options = [
        word for name, value in (settings or {}).items() for word in ("-c", f"{name}={value}")
    ]
    child = process.start(
        [bin_directory / "postgres", "-D", data_directory, *options],
        directory=data_directory,
        environment={"LC_MESSAGES": "C", **(environment or {})},
        user=user,
        log=log,
    )
    return Server(child=child, data_directory=data_directory, log=log)


def stop_server(server: Server, mode: StopMode = StopMode.FAST, *, within_s: float = 120.0) -> None:
    """Ends the server and reaps it; returns at once where it has ended already.

    Raises DeadlineExceededError after `within_s` seconds: a shutdown checkpoint, or an archiver
    that cannot archive, may take long, and nothing is killed here (`kill_server` does).
    """
    if server.child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            server.child.send_signal(mode.value)
        try:
            server.child.wait(within_s)
        except subprocess.TimeoutExpired as error:
            raise DeadlineExceededError(
                f"postgres in {server.data_directory}: {mode.name.lower()} shutdown not within "
                f"{within_s:g} s",
                hint=f"tail {server.log}",
            ) from error
    process.stop(server.child)


def kill_server(server: Server) -> None:
    """SIGKILL to the postmaster and all its children, as a host that loses power would.

    Returns when they are gone. What pgBackRest detached for asynchronous archiving is no child
    and works in `/`: it survives this.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        postmaster = psutil.Process(server.child.pid)
        # Stopped, it forks no more while its children are counted.
        postmaster.suspend()
        family = [postmaster, *postmaster.children(recursive=True)]
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        process.stop(server.child)
        process.await_ends(family[1:])
    process.stop(server.child, signal.SIGKILL)
    process.kill_below(server.data_directory)


def await_accepting(server: Server, endpoint: PostgresEndpoint, *, within_s: float = 60.0) -> None:
    """Returns when the server lets a client in and is the one expected.

    Raises PostgresError with the end of its log where it ended instead, WrongServerError,
    or DeadlineExceededError after `within_s` seconds.
    """

    def accepts() -> bool:
        raise_if_ended(server)
        try:
            with connect(endpoint):
                return True
        except PostgresUnavailableError:
            return False

    wait_until(
        accepts,
        within_s=within_s,
        what=f"postgres in {server.data_directory} accepting connections",
        hint=f"tail {server.log}",
    )


def raise_if_ended(server: Server) -> None:
    """PostgresError with its last complaint where the postmaster has ended."""
    if server.child.poll() is not None:
        raise PostgresError(
            f"postgres in {server.data_directory}: ended with code {server.child.returncode}: "
            f"{last_complaint(server.log)}",
            hint=f"tail {server.log}",
        )


def last_complaint(log: Path) -> str:
    """The last FATAL or PANIC of a server's log, else its last line."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    lines = [line for line in text.splitlines() if line.strip()]
    complaints = [line for line in lines if re.search(r"\b(FATAL|PANIC):", line)]
    return (complaints or lines or ["no log"])[-1]


# -- clients ------------------------------------------------------------------------------------


def conninfo(endpoint: PostgresEndpoint, *, connect_timeout_s: int = 5) -> str:
    """Libpq's connection string; `host` may be the directory of a Unix socket.

    A connection that no longer answers at all breaks after about ten seconds.
    """
    return make_conninfo(
        host=endpoint.host,
        port=endpoint.port,
        dbname=endpoint.database,
        user=endpoint.user,
        connect_timeout=connect_timeout_s,
        keepalives_idle=5,
        keepalives_interval=2,
        keepalives_count=2,
        tcp_user_timeout=10_000,
        application_name="harness",
        passfile=endpoint.passfile,
    )


def client_options(endpoint: PostgresEndpoint) -> tuple[str, ...]:
    """Host, port and user for psql, pg_dump and pg_amcheck; the database is named apart."""
    return (
        f"--host={endpoint.host}",
        f"--port={endpoint.port}",
        f"--username={endpoint.user}",
        "--no-password",
    )


@contextlib.contextmanager
def connect(
    endpoint: PostgresEndpoint,
    *,
    connect_timeout_s: int = 5,
    statement_timeout_s: float | None = 30.0,
) -> Iterator[psycopg.Connection]:
    """An autocommit connection to the server expected, closed at the end of the block.

    Raises PostgresUnavailableError where there is no connection or it breaks, WrongServerError
    where the system identifier is another (an empty one in `endpoint` accepts any), PostgresError
    for any other error of the server within the block.
    """
    place = f"postgresql {endpoint.host}:{endpoint.port}/{endpoint.database}"
    connection: psycopg.Connection | None = None
    try:
        connection = psycopg.connect(
            conninfo(endpoint, connect_timeout_s=connect_timeout_s), autocommit=True
        )
        if endpoint.system_identifier:
            _demand_identity(connection, endpoint, place)
        timeout_ms = int((statement_timeout_s or 0) * 1000)
        connection.execute(f"SET statement_timeout = {timeout_ms}".encode())
        yield connection
    except psycopg.Error as error:
        raise mapped(error, connection, place) from error
    finally:
        if connection is not None:
            connection.close()


def mapped(
    error: psycopg.Error, connection: psycopg.Connection | None, place: str
) -> PostgresError:
    """The one mapping of psycopg's exceptions."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    text = f"{place}: {lines[0]}"
    # Class 57P: the server ends, starts up or recovers. Without a SQLSTATE, libpq speaks.
    lost = connection is None or connection.broken or connection.closed
    if lost or error.sqlstate is None or error.sqlstate.startswith(("08", "57P")):
        return PostgresUnavailableError(text)
    return PostgresError(f"{text} (SQLSTATE {error.sqlstate})")


def _demand_identity(
    connection: psycopg.Connection, endpoint: PostgresEndpoint, place: str
) -> None:
    row = connection.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
    got = row[0] if row else "no identifier"
    if got != endpoint.system_identifier:
        raise WrongServerError(
            f"{place}: got the cluster with system identifier {got}, "
            f"expected {endpoint.system_identifier}",
            hint=f"psql -h {endpoint.host} -p {endpoint.port} -c 'SELECT pg_control_system()'",
        )
