"""Keeps a ledger: several clients write at a steady rate until they are told to stop."""

from __future__ import annotations

import secrets
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import msgspec

from harness.drivers.clock import HostClock, boot_id, wait_until
from harness.drivers.redis import OPEN, Access
from harness.errors import HarnessError, InputError, SurroundingsError
from harness.ledger import postgres, redis
from harness.ledger.append import JournalAppender, SyncThread, next_client, seal_abandoned
from harness.ledger.journal import Header
from harness.ledger.naming import LEDGER, check_name
from harness.model.codec import from_json, to_json
from harness.model.instant import seconds
from harness.model.quantity import show_duration
from harness.ports import PostgresEndpoint, RedisEndpoint

_CLOCK = HostClock()

_FIRST_BACK_OFF_S, _LONGEST_BACK_OFF_S = 0.1, 2.0


class WriterConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file that `python -m harness.ledger --config FILE` reads."""

    subject: str
    directory: Path
    """Where the journals go: outside the blast radius of whatever is broken later. Made if need
    be."""

    endpoint: PostgresEndpoint | RedisEndpoint
    """`{"type": "postgresql", ...}` or `{"type": "redis", ...}`."""

    name: str = LEDGER
    """Of the table, or of the prefix of the keys; another one is another ledger."""

    rate_per_s: float = 20.0
    """Of all clients together. A slot that passes while a client waits for an answer is left out,
    never made up for."""

    clients: int = 2
    timeout_s: float = 2.0
    """For connecting and for each operation; after it the operation is INDETERMINATE (or FAIL
    where COMMIT was not sent)."""

    start_within_s: float = 30.0
    """How long the server may take to answer at first."""

    seed: int | None = None
    """Of the payloads, below 2^63; None: drawn."""

    first_client: int = 1
    """Clients are numbered from here, above all that have a journal in the directory."""

    synchronous_commit: str | None = None
    """PostgreSQL: None leaves the server's setting."""

    wait_replicas: int = 0
    """Redis: WAIT for so many replicas after each write; fewer are flagged, not failed."""

    wait_ms: int = 100
    access: Access = OPEN
    """Redis: user, password file, CA. PostgreSQL takes libpq's environment (PGPASSFILE, ...)."""

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.rate_per_s <= 0 or self.clients < 1 or self.timeout_s <= 0:
            raise ValueError(
                f"got rate_per_s={self.rate_per_s}, clients={self.clients}, "
                f"timeout_s={self.timeout_s}, expected all above 0"
            )


def read_config(file: Path) -> WriterConfig:
    """Reads a writer's configuration; InputError with the path within the file."""
    try:
        return from_json(file.read_bytes(), WriterConfig)
    except (OSError, msgspec.DecodeError) as error:
        raise InputError(f"{file}: {error}", hint="python -m harness.ledger --help") from error


def keep_ledger(config: WriterConfig, stopping: threading.Event) -> int:
    """Writes until `stopping`; the number of operations. Announces its journals on stdout.

    Raises SurroundingsError where the server does not answer at the start, RecordError where a
    journal cannot be written: the writing then stops at once.
    """
    server, durability = _describe(config)
    config.directory.mkdir(parents=True, exist_ok=True)
    seal_abandoned(config.directory)
    first = next_client(config.directory, config.first_client)
    seed = config.seed if config.seed is not None else secrets.randbits(63)
    journals = tuple(
        JournalAppender(
            config.directory,
            Header(
                subject=config.subject,
                client=client,
                seed=seed,
                boot_id=boot_id(),
                started=_CLOCK.now().utc,
                server=server,
                durability=durability,
            ),
        )
        for client in range(first, first + config.clients)
    )
    clients = [_Client(config, journal, index, stopping) for index, journal in enumerate(journals)]
    sync = SyncThread(journals)
    sync.start()
    print(to_json({"journals": [journal.path for journal in journals]}).decode(), flush=True)  # noqa: T201 - the result
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    sync.finish()
    failures = [client.failure for client in clients if client.failure is not None]
    if failures:
        raise failures[0]
    for journal in journals:
        journal.close()
    return sum(client.operations for client in clients)


def _describe(config: WriterConfig) -> tuple[str, str]:
    """Awaits the server, prepares it, and asks what it is and what it promises."""
    last: list[SurroundingsError] = []

    def ask() -> tuple[str, str] | None:
        try:
            match config.endpoint:
                case PostgresEndpoint():
                    postgres.create_ledger(config.endpoint, config.name, within_s=config.timeout_s)
                    return postgres.describe_server(
                        config.endpoint, config.synchronous_commit, within_s=config.timeout_s
                    )
                case RedisEndpoint():
                    found = redis.describe_server(
                        config.endpoint, config.access, within_s=config.timeout_s
                    )
                    return found, f"WAIT {config.wait_replicas} {config.wait_ms} ms"
        except SurroundingsError as error:
            last[:] = [error]
            return None

    try:
        return wait_until(ask, within_s=config.start_within_s, what="first answer", every_s=0.1)
    except SurroundingsError as error:
        reason = last[0] if last else error
        raise SurroundingsError(
            f"{config.subject}: no ledger can be kept: {reason} "
            f"(asked for {show_duration(config.start_within_s)})"
        ) from error


class _Client(threading.Thread):
    """One client: an operation in each of its slots that finds it free."""

    def __init__(
        self, config: WriterConfig, journal: JournalAppender, index: int, stopping: threading.Event
    ) -> None:
        super().__init__(name=f"ledger-client-{journal.header.client}", daemon=True)
        self._writer = _writer(config, journal)
        self._stopping = stopping
        self._period_ns = int(1e9 * config.clients / config.rate_per_s)
        self._phase_ns = int(1e9 * index / config.rate_per_s)
        self.operations = 0
        self.failure: HarnessError | None = None

    def run(self) -> None:
        """Until told to stop, or the journal cannot be written."""
        start_ns = _CLOCK.monotonic_ns() + self._phase_ns
        slot = 0
        back_off_s = 0.0
        try:
            while not self._stopping.wait(self._until(start_ns + slot * self._period_ns)):
                self._writer.write_once()
                self.operations += 1
                if self._writer.connected:
                    back_off_s = 0.0
                else:
                    back_off_s = min(max(_FIRST_BACK_OFF_S, 2 * back_off_s), _LONGEST_BACK_OFF_S)
                    if self._stopping.wait(back_off_s):
                        break
                elapsed_ns = _CLOCK.monotonic_ns() - start_ns
                slot = max(slot + 1, -(-elapsed_ns // self._period_ns))
        except HarnessError as error:
            self.failure = error
            self._stopping.set()
        finally:
            self._writer.close()

    @staticmethod
    def _until(due_ns: int) -> float:
        return max(0.0, seconds(due_ns - _CLOCK.monotonic_ns()))


def _writer(
    config: WriterConfig, journal: JournalAppender
) -> postgres.PostgresWriter | redis.RedisWriter:
    match config.endpoint:
        case PostgresEndpoint():
            return postgres.PostgresWriter(
                config.endpoint,
                journal,
                name=config.name,
                timeout_s=config.timeout_s,
                synchronous_commit=config.synchronous_commit,
            )
        case RedisEndpoint():
            return redis.RedisWriter(
                config.endpoint,
                journal,
                access=config.access,
                name=config.name,
                timeout_s=config.timeout_s,
                wait_replicas=config.wait_replicas,
                wait_ms=config.wait_ms,
            )


def main(arguments: Sequence[str]) -> int:
    """`--config FILE`: keeps a ledger until SIGTERM or SIGINT; the exit code."""
    if len(arguments) != 2 or arguments[0] != "--config":
        print("usage: python -m harness.ledger --config FILE.json", file=sys.stderr)  # noqa: T201
        return 2
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        operations = keep_ledger(read_config(Path(arguments[1])), stopping)
    except HarnessError as error:
        print(error, file=sys.stderr)  # noqa: T201
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    print(to_json({"operations": operations}).decode(), flush=True)  # noqa: T201 - the result
    return 0
