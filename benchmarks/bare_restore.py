"""Times a restore with nothing around it: pgBackRest, a start, the promotion, one write.

What an operator's shell script would do, on the data and in the run of the drill it stands beside.
"""

from __future__ import annotations

from pathlib import Path

from harness.drivers import postgres, process
from harness.drivers.clock import HostClock, wait_until
from harness.errors import RestoreError
from harness.model.instant import seconds
from harness.model.subject import PgBackRest
from harness.ports import PostgresEndpoint

_WITHIN_S = 3_600.0


def bare_restore(
    subject: PgBackRest, endpoint: PostgresEndpoint, directory: Path, port: int
) -> float:
    """Seconds from the first command to the first committed write on the restored server.

    `endpoint` is the source's: its database and identity hold for the restored server too.
    """
    clock = HostClock()
    user = postgres.server_user(subject.operating_system_user)
    binaries = postgres.bin_directory(subject.bin_directory)
    data = directory / "data"
    data.mkdir(mode=0o700)
    for made in (data, directory):
        postgres.own(made, user)
    environment = {}
    if subject.primary.passphrase_file is not None:
        passphrase = subject.primary.passphrase_file.read_text(encoding="utf-8").strip()
        environment["PGBACKREST_REPO1_CIPHER_PASS"] = passphrase
    started_ns = clock.monotonic_ns()
    done = process.run(
        [
            *("pgbackrest", f"--config={subject.primary.config}", f"--stanza={subject.stanza}"),
            *(f"--pg1-path={data}", "--archive-mode=off", "--process-max=2"),
            *(f"--lock-path={directory}", "--log-level-file=off"),
            *("--recovery-option=recovery_target_action=promote", "restore"),
        ],
        directory=directory,
        environment=environment,
        user=user,
        timeout_s=_WITHIN_S,
    )
    if done.returncode != 0:
        raise RestoreError(f"pgbackrest restore: {done.last_line()}")
    server = postgres.start_server(
        data,
        bin_directory=binaries,
        log=directory / "log",
        user=user,
        environment=environment,
        settings={
            "port": str(port),
            "listen_addresses": endpoint.host,
            "unix_socket_directories": "",
            "archive_mode": "off",
        },
    )
    there = PostgresEndpoint(
        host=endpoint.host,
        port=port,
        database=endpoint.database,
        user=endpoint.user,
        system_identifier=endpoint.system_identifier,
    )
    try:
        wait_until(lambda: _writes(there), within_s=_WITHIN_S, every_s=0.05, what="the first write")
        return seconds(clock.monotonic_ns() - started_ns)
    finally:
        postgres.stop_server(server, postgres.StopMode.IMMEDIATE)


def _writes(endpoint: PostgresEndpoint) -> bool:
    try:
        with postgres.connect(endpoint) as connection:
            row = connection.execute("select pg_is_in_recovery()").fetchone()
            if row is None or row[0]:
                return False
            connection.execute("create table if not exists bare_restore (at timestamptz)")
            connection.execute("insert into bare_restore values (now())")
            return True
    except RestoreError:
        return False
