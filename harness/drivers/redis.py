"""Starts and stops redis-server children and asks Redis servers and clusters what they are.

Every exception of redis-py is turned into a RedisServerError (or DeadlineExceededError) here.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import redis
import redis.cluster
from redis.backoff import NoBackoff
from redis.retry import Retry

from harness.drivers import process
from harness.drivers.clock import wait_until
from harness.drivers.loopback import ADDRESS
from harness.errors import RestoreError

SLOTS = 16_384
"""Hash slots of a cluster (Redis cluster specification, "Key distribution model")."""

Address = tuple[str, int]
"""(host, port) of a Redis server."""

_LOG = "redis.log"
_COUNT_BATCH = 2_048


class RedisServerError(RestoreError):
    """A Redis server could not be started, did not answer, or answered something else."""


class Access(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a Redis server lets a client in; secrets are named by file, never contained."""

    username: str | None = None
    password_file: Path | None = None
    tls_ca_file: Path | None = None
    """None: no TLS."""


OPEN = Access()
"""No password, no TLS: the practice platform and scratch servers, on loopback only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A redis-server child of ours."""

    child: subprocess.Popen[bytes]  # noqa: TID251 - its type only; process.start makes it
    directory: Path
    port: int

    @property
    def address(self) -> Address:
        """Where it listens."""
        return (ADDRESS, self.port)

    @property
    def log(self) -> Path:
        """Its log file; what it says about importing slots or truncated files is only there."""
        return self.directory / _LOG


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One line of CLUSTER NODES."""

    id: str
    host: str
    port: int
    flags: tuple[str, ...]
    master_id: str | None
    config_epoch: int
    slots: tuple[tuple[int, int], ...]
    """Ranges of slots it serves, both ends included."""

    linked: bool
    """Whether the node asked has a connection to it, by its cluster bus."""

    open_slots: tuple[str, ...]
    """Slots it is migrating or importing, as `[slot->-id]`; only known of the node asked."""

    @property
    def is_master(self) -> bool:
        """Whether it serves slots of its own, or could."""
        return "master" in self.flags

    @property
    def has_failed(self) -> bool:
        """Whether the node asked cannot reach it, or is not sure."""
        return not {"fail", "fail?", "handshake", "noaddr"}.isdisjoint(self.flags)


# -- servers ------------------------------------------------------------------------------------


def start_server(  # noqa: PLR0913 - a server has that many sides
    directory: Path,
    port: int,
    *,
    cluster: bool = False,
    options: Mapping[str, str] | None = None,
    user: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Server:
    """Starts redis-server on the loopback address, working in `directory`; does not await it.

    `options` are lines of redis.conf (`{"appendonly": "yes"}`) and win over the defaults: nothing
    is saved by itself, the bus of a cluster node is on port + 10000. They are written to
    redis.conf (0600), so that a password among them is on no command line. Raises RedisServerError
    where the program does not exist.
    """
    directory.mkdir(parents=True, exist_ok=True)
    settings = {
        "bind": ADDRESS,
        "port": str(port),
        "dir": f'"{directory.resolve()}"',
        "logfile": f'"{directory.resolve() / _LOG}"',
        "daemonize": "no",
        "save": "",
        "appendonly": "no",
    }
    if cluster:
        settings |= {
            "cluster-enabled": "yes",
            "cluster-config-file": "nodes.conf",
            "cluster-node-timeout": "3000",
        }
    settings |= options or {}
    configuration = directory / "redis.conf"
    configuration.touch(mode=0o600)
    configuration.write_text(
        "".join(f"{name} {value or chr(34) * 2}\n" for name, value in settings.items()),
        encoding="utf-8",
    )
    if user is not None and os.geteuid() == 0:
        for path in (directory, configuration):
            shutil.chown(path, user)
    try:
        child = process.start(
            ["redis-server", configuration.resolve()],
            directory=directory,
            user=user,
            environment=environment,
            log=directory / "redis.stderr",
        )
    except FileNotFoundError as error:
        raise RedisServerError(
            "redis-server: no such program", hint="make setup  # installs the programs needed"
        ) from error
    return Server(child=child, directory=directory, port=port)


def await_ready(server: Server, *, within_s: float = 60.0) -> None:
    """Returns when the server answers PING and has loaded its data.

    Raises RedisServerError with the end of its log where it ended instead, DeadlineExceededError
    after `within_s` seconds.
    """

    def ready() -> bool:
        state = loading(server)
        return state is not None and state.finished

    wait_until(
        ready,
        within_s=within_s,
        what=f"redis-server on port {server.port} loading its data",
        hint=f"tail {server.log}",
    )


class Loading(msgspec.Struct, frozen=True, kw_only=True):
    """How far a server is with loading its data."""

    done_bytes: int
    total_bytes: int
    finished: bool


def loading(server: Server) -> Loading | None:
    """How far a server is (INFO persistence, which answers while it loads); None: no answer yet.

    Raises RedisServerError with the end of its log where it ended instead.
    """
    if server.child.poll() is not None:
        raise RedisServerError(
            f"redis-server on port {server.port}: ended with code {server.child.returncode} "
            f"instead of loading its data: {last_complaint(server)}",
            hint=f"tail {server.log}",
        )
    try:
        with _connect(server.address, OPEN, timeout_s=2.0) as connected:
            info = connected.info("persistence")
    except (redis.ConnectionError, redis.TimeoutError):
        return None
    if info["loading"]:
        return Loading(
            done_bytes=int(info["loading_loaded_bytes"]),
            total_bytes=int(info["loading_total_bytes"]),
            finished=False,
        )
    size = int(info.get("aof_current_size", 0))
    return Loading(done_bytes=size, total_bytes=size, finished=True)


def last_complaint(server: Server) -> str:
    """The last warning (`#`) of a server's log, else its last line of any kind."""
    lines: list[str] = []
    for path in (server.directory / "redis.stderr", server.log):
        if path.exists():
            lines += path.read_text(encoding="utf-8", errors="replace").splitlines()
    said = [line for line in lines if line.strip()]
    warnings = [line for line in said if " # " in line]
    return (warnings or said or ["no log"])[-1]


def stop_server(server: Server) -> None:
    """SHUTDOWN by SIGTERM: flushes the AOF, waits for lagging replicas at most 10 s, then exits."""
    process.stop(server.child, signal.SIGTERM)


def kill_server(server: Server) -> None:
    """SIGKILL, and reaps it: what the AOF's fsync has not reached is lost with the page cache's
    grace only.
    """
    process.stop(server.child, signal.SIGKILL)


# -- clients ------------------------------------------------------------------------------------


@contextlib.contextmanager
def client(
    address: Address, access: Access = OPEN, *, timeout_s: float = 5.0
) -> Iterator[redis.Redis]:
    """A client of one server (bytes in, bytes out), closed at the end of the block.

    Raises RedisServerError for whatever goes wrong inside the block, naming the server.
    """
    try:
        with _connect(address, access, timeout_s=timeout_s) as connected:
            yield connected
    except redis.RedisError as error:
        raise RedisServerError(
            f"redis {address[0]}:{address[1]}: {_reason(error)}",
            hint=f"redis-cli -h {address[0]} -p {address[1]} ping",
        ) from error


@contextlib.contextmanager
def cluster_client(
    address: Address, access: Access = OPEN, *, timeout_s: float = 5.0
) -> Iterator[redis.cluster.RedisCluster]:
    """A client of the cluster that `address` belongs to; errors as of `client`."""
    try:
        connected = redis.cluster.RedisCluster(
            host=address[0], port=address[1], **_arguments(access, timeout_s)
        )
        try:
            yield connected
        finally:
            connected.close()
    except redis.RedisError as error:
        raise RedisServerError(
            f"redis cluster at {address[0]}:{address[1]}: {_reason(error)}",
            hint=f"redis-cli -h {address[0]} -p {address[1]} cluster info",
        ) from error


def _reason(error: redis.RedisError) -> str:
    return str(error) or type(error).__name__


def _connect(address: Address, access: Access, *, timeout_s: float) -> redis.Redis:
    # By itself redis-py tries again ten times with growing pauses: whoever awaits a server here
    # asks again at once.
    return redis.Redis(
        host=address[0],
        port=address[1],
        retry=Retry(NoBackoff(), 0),
        **_arguments(access, timeout_s),
    )


def _arguments(access: Access, timeout_s: float) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
    }
    if access.username is not None:
        arguments["username"] = access.username
    if access.password_file is not None:
        arguments["password"] = access.password_file.read_text(encoding="utf-8").strip()
    if access.tls_ca_file is not None:
        arguments |= {"ssl": True, "ssl_ca_certs": str(access.tls_ca_file)}
    return arguments


def ask(connected: redis.Redis, *words: str | bytes | int) -> object:
    """Sends one command, word by word, and returns the answer as redis-py parsed it."""
    return connected.execute_command(*words)  # type: ignore[no-untyped-call] # redis-py: no types


def redis_cli(address: Address, access: Access = OPEN) -> list[str]:
    """How redis-cli is called for a server; it takes a password from `password_environment`."""
    argv = ["redis-cli", "-h", address[0], "-p", str(address[1])]
    if access.username is not None:
        argv += ["--user", access.username]
    if access.tls_ca_file is not None:
        argv += ["--tls", "--cacert", str(access.tls_ca_file)]
    return argv


def password_environment(access: Access) -> dict[str, str]:
    """What redis-cli reads a password from, so that it is on no command line."""
    if access.password_file is None:
        return {}
    return {"REDISCLI_AUTH": access.password_file.read_text(encoding="utf-8").strip()}


def server_time(connected: redis.Redis) -> datetime:
    """The server's own wall clock (TIME), in UTC."""
    epoch_s, microseconds = connected.time()
    return datetime.fromtimestamp(int(epoch_s), UTC) + timedelta(microseconds=int(microseconds))


def version(connected: redis.Redis) -> str:
    """The version that the server says it has: `7.0.15`."""
    return str(connected.info("server")["redis_version"])


# -- clusters -----------------------------------------------------------------------------------


def create_cluster(nodes: Sequence[Address], *, replicas: int, directory: Path) -> None:
    """Makes a cluster of empty nodes with `redis-cli --cluster create`; masters come first.

    `directory` is where redis-cli works. Raises RedisServerError with what redis-cli said.
    """
    argv = ["redis-cli", "--cluster", "create", *(f"{host}:{port}" for host, port in nodes)]
    argv += ["--cluster-replicas", str(replicas), "--cluster-yes"]
    done = process.run(argv, directory=directory, timeout_s=60)
    if done.returncode != 0:
        raise RedisServerError(f"redis-cli --cluster create: {done.last_line()}")


def wait_cluster_ok(nodes: Sequence[Address], *, within_s: float = 60.0) -> None:
    """Returns when every node says cluster_state:ok, all slots covered, all nodes known.

    Raises DeadlineExceededError after `within_s` seconds, naming a node that did not.
    """
    for address in nodes:
        wait_until(
            lambda where=address: cluster_is_ok(where, len(nodes)),  # type: ignore[misc] # mypy#4226: default argument of a lambda
            within_s=within_s,
            what=f"cluster_state:ok on {address[0]}:{address[1]}",
            hint=f"redis-cli -h {address[0]} -p {address[1]} cluster info",
        )


def wait_replicas(masters: Sequence[Address], *, each: int, within_s: float = 60.0) -> None:
    """Returns when every master has `each` replicas that are online (INFO replication).

    Raises DeadlineExceededError after `within_s` seconds, naming a master that has fewer.
    """
    for address in masters:
        wait_until(
            lambda where=address: _online_replicas(where) >= each,  # type: ignore[misc] # as below
            within_s=within_s,
            what=f"{each} online replicas of {address[0]}:{address[1]}",
            hint=f"redis-cli -h {address[0]} -p {address[1]} info replication",
        )


def _online_replicas(address: Address) -> int:
    with client(address) as connected:
        said = connected.info("replication")
    return sum(
        isinstance(value, dict) and value.get("state") == "online" for value in said.values()
    )


def cluster_is_ok(address: Address, nodes: int) -> bool:
    """Whether a node says cluster_state:ok, has all slots covered and knows so many nodes."""
    try:
        with client(address) as connected:
            said = cluster_info(connected)
    except RedisServerError:
        return False
    return (
        said["cluster_state"] == "ok"
        and int(said["cluster_slots_ok"]) == SLOTS
        and int(said["cluster_known_nodes"]) >= nodes
    )


def cluster_info(connected: redis.Redis) -> dict[str, str]:
    """CLUSTER INFO as its own field names."""
    return parse_info(_text(ask(connected, "CLUSTER", "INFO")))


def parse_info(text: str) -> dict[str, str]:
    """`name:value` lines."""
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def read_nodes(connected: redis.Redis) -> tuple[Node, ...]:
    """All nodes as the one asked sees them (CLUSTER NODES)."""
    # Not CLUSTER SHARDS: that has neither config epochs nor open slots, and needs Redis 7.
    return parse_nodes(_text(ask(connected, "CLUSTER", "NODES")))


def parse_nodes(text: str) -> tuple[Node, ...]:
    """The lines of CLUSTER NODES, which are those of nodes.conf too (its `vars` line skipped)."""
    return tuple(
        _parse_node(line) for line in text.splitlines() if line and not line.startswith("vars ")
    )


# <ip:port@cport[,hostname]> (manual page of CLUSTER NODES); an IPv6 address has colons itself.
_ADDRESS = re.compile(r"(?P<host>.*):(?P<port>\d+)(@\d+)?(,.*)?")


def _parse_node(line: str) -> Node:
    words = line.split()
    match = _ADDRESS.fullmatch(words[1]) if len(words) >= 8 else None
    if match is None:
        raise RedisServerError(f"CLUSTER NODES: got {line!r}, expected eight fields or more")
    ranges = [word.partition("-") for word in words[8:] if not word.startswith("[")]
    return Node(
        id=words[0],
        host=match["host"],
        port=int(match["port"]),
        flags=tuple(words[2].split(",")),
        master_id=None if words[3] == "-" else words[3],
        config_epoch=int(words[6]),
        slots=tuple((int(first), int(last or first)) for first, _, last in ranges),
        linked=words[7] == "connected",
        open_slots=tuple(word for word in words[8:] if word.startswith("[")),
    )


def slot_numbers(ranges: Iterable[tuple[int, int]]) -> Iterator[int]:
    """Every slot of some ranges."""
    for first, last in ranges:
        yield from range(first, last + 1)


def slot_counts(connected: redis.Redis, ranges: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Keys of each slot on this node (CLUSTER COUNTKEYSINSLOT), in pipelines of 2048."""
    numbers = list(slot_numbers(ranges))
    counts: dict[int, int] = {}
    for start in range(0, len(numbers), _COUNT_BATCH):
        batch = numbers[start : start + _COUNT_BATCH]
        pipeline = connected.pipeline(transaction=False)
        for slot in batch:
            ask(pipeline, "CLUSTER", "COUNTKEYSINSLOT", slot)
        counts.update(zip(batch, map(int, pipeline.execute()), strict=True))
    return counts


def _text(answer: object) -> str:
    """An answer as text. redis-py parses `CLUSTER NODES` by itself where it is asked as one word;
    asked as two, as here, it gives the bytes.
    """
    if isinstance(answer, bytes):
        return answer.decode()
    if isinstance(answer, str):
        return answer
    raise RedisServerError(f"got an answer of {type(answer).__name__}, expected text")
