"""Writes the ledger to Redis, one key per operation, and reads its keys back.

Keys `<name>:<client>:<seq>` have no hash tag: they spread over all slots of a cluster. A value is
`<payload>:<microseconds>`, the server's clock when it executed the write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from harness.drivers.bounded_redis import (
    BoundedRedis,
    ConnectionLostError,
    ErrorReply,
    Reply,
    Word,
)
from harness.drivers.clock import HostClock
from harness.drivers.redis import OPEN, Access
from harness.drivers.redis_slots import Address, Routes, slot_of
from harness.errors import DeadlineExceededError, SurroundingsError
from harness.ledger.append import JournalAppender
from harness.ledger.journal import Flag, Type
from harness.ledger.naming import LEDGER, key_of, key_prefix
from harness.ledger.rows import ROW, ReadBack, write_rows
from harness.model.history import Outcome
from harness.ports import RedisEndpoint

_CLOCK = HostClock()

# TIME within the script is the instant of the write itself; the effect, a plain SET, is what goes
# to replicas and to the AOF ("Scripting with Lua", effects replication).
_WRITE = """local now = redis.call('TIME')
local us = string.format('%.0f', now[1] * 1000000 + now[2])
redis.call('SET', KEYS[1], ARGV[1] .. ':' .. us)
return us"""

# Answers that say that nothing was written. Any other error may come after the write.
_NOT_WRITTEN = frozenset({
    "MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "CROSSSLOT", "READONLY", "LOADING", "MASTERDOWN",
    "NOREPLICAS", "MISCONF", "OOM", "NOAUTH", "NOPERM", "WRONGPASS", "BUSY",
})  # fmt: skip


def describe_server(
    endpoint: RedisEndpoint, access: Access = OPEN, *, within_s: float = 30.0
) -> str:
    """The masters' identities, for a journal's header; errors of BoundedRedis."""
    deadline_ns = _CLOCK.monotonic_ns() + int(within_s * 1e9)
    found = []
    for host, port in _masters(endpoint, access, deadline_ns):
        node = BoundedRedis.connect((host, port), access, deadline_ns=deadline_ns)
        try:
            found.append(f"{host}:{port} {_assert_master(node, (host, port), deadline_ns)}")
        finally:
            node.close()
    return ", ".join(found)


def _masters(endpoint: RedisEndpoint, access: Access, deadline_ns: int) -> tuple[Address, ...]:
    """The masters in shard order: as given, or as the cluster has them now."""
    if not endpoint.seeds:
        return endpoint.nodes
    return Routes(endpoint, access).slots(deadline_ns=deadline_ns).masters


def _assert_master(node: BoundedRedis, address: Address, deadline_ns: int) -> str:
    """The server's run id; SurroundingsError where its role is another."""
    role, info = node.exchange([("ROLE",), ("INFO", "server")], deadline_ns=deadline_ns)
    where = f"redis {address[0]}:{address[1]}"
    for reply in (role, info):
        if isinstance(reply, ErrorReply):
            raise SurroundingsError(f"{where}: {reply}") from reply
    if _role(role) != b"master":
        raise SurroundingsError(f"{where}: got role {_role(role)!r}, expected master")
    match = re.search(rb"run_id:([0-9a-f]+)", info) if isinstance(info, bytes) else None
    return f"run id {match[1].decode()}" if match else "run id unknown"


def _role(reply: Reply) -> bytes:
    return reply[0] if isinstance(reply, list) and isinstance(reply[0], bytes) else b""


class RedisWriter:
    """One client of the ledger. One operation at a time, never retried; used by one thread.

    A redirection is booked as the failure it is, nothing was written there, and the slot map is
    read again before the next operation.
    """

    def __init__(  # noqa: PLR0913 - all of them are chosen by whoever writes
        self,
        endpoint: RedisEndpoint,
        journal: JournalAppender,
        *,
        access: Access = OPEN,
        name: str = LEDGER,
        timeout_s: float = 2.0,
        wait_replicas: int = 0,
        wait_ms: int = 100,
    ) -> None:
        """`wait_replicas`: how many replicas each write is to reach (WAIT), within `wait_ms`."""
        self._name = name
        self._journal = journal
        self._access = access
        self._timeout_ns = int(timeout_s * 1e9)
        self._wait_replicas = wait_replicas
        self._wait_ms = wait_ms
        self._nodes: dict[Address, BoundedRedis] = {}
        self._routes = Routes(endpoint, access)

    @property
    def connected(self) -> bool:
        """Whether the last operation left a usable connection."""
        return bool(self._nodes)

    def write_once(self) -> Outcome:
        """Sets one key and journals what came of it.

        FAIL where nothing was sent or the server refused; INDETERMINATE where it did not answer.
        Raises RecordError where the journal cannot be written.
        """
        deadline_ns = _CLOCK.monotonic_ns() + self._timeout_ns
        key = key_of(self._name, self._journal.header.client, self._journal.next_seq)
        try:
            # Before the operation is announced: its record names the shard it goes to.
            slots = self._routes.slots(deadline_ns=deadline_ns)
        except SurroundingsError:
            slots = None
        log, address = slots.owner(slot_of(key)) if slots else (0, None)
        _, payload = self._journal.invoke(log)
        if address is None:
            self._routes.forget()
            self._journal.complete(Type.FAIL, log=log)
            return Outcome.FAIL
        try:
            node = self._node(address, deadline_ns)
        except SurroundingsError:
            self._forget(address)
            self._journal.complete(Type.FAIL, log=log)
            return Outcome.FAIL
        commands: list[Sequence[Word]] = [("EVAL", _WRITE, 1, key, payload), ("ROLE",)]
        if self._wait_replicas:
            commands.append(("WAIT", self._wait_replicas, self._wait_ms))
        try:
            written, role, *waited = node.exchange(commands, deadline_ns=deadline_ns)
        except (ConnectionLostError, DeadlineExceededError):
            self._forget(address)
            self._journal.complete(Type.INDETERMINATE, log=log)
            return Outcome.INDETERMINATE
        if isinstance(written, ErrorReply):
            self._routes.forget()
            outcome = Type.FAIL if written.prefix in _NOT_WRITTEN else Type.INDETERMINATE
            self._journal.complete(outcome, log=log)
            return Outcome(outcome.name)
        offset = role[1] if isinstance(role, list) and _role(role) == b"master" else 0
        reached = waited[0] if waited else 0
        short = not isinstance(reached, int) or reached < self._wait_replicas
        self._journal.complete(
            Type.OK,
            log=log,
            server_us=int(written) if isinstance(written, bytes) else 0,
            position=offset if isinstance(offset, int) else 0,
            flags=Flag.UNREPLICATED if short else Flag(0),
        )
        return Outcome.OK

    def close(self) -> None:
        """Closes all connections; the next operation opens others."""
        for node in self._nodes.values():
            node.close()
        self._nodes.clear()
        self._routes.forget()

    def _node(self, address: Address, deadline_ns: int) -> BoundedRedis:
        if address not in self._nodes:
            self._nodes[address] = BoundedRedis.connect(
                address, self._access, deadline_ns=deadline_ns
            )
        return self._nodes[address]

    def _forget(self, address: Address) -> None:
        """Drops one connection and the map: the shard may have another master by now."""
        node = self._nodes.pop(address, None)
        if node is not None:
            node.close()
        self._routes.forget()


_KEY = re.compile(rb"(\d{1,9}):(\d{1,18})")
_VALUE = re.compile(rb"(\d{1,20}):(\d{1,18})")
_SCAN_COUNT = 2_000


def read_back(
    endpoint: RedisEndpoint,
    file: Path,
    *,
    access: Access = OPEN,
    name: str = LEDGER,
    within_s: float = 600.0,
) -> ReadBack:
    """Writes all keys of the ledger, by a full SCAN of every master, to `file`.

    A key of another form is a row of client 0, which nobody writes; a value of another form has
    payload 0. A key that its own node does not serve (MOVED: the file of another shard) is no row,
    since no client can read it; `server` says how many. Raises SurroundingsError where a node is
    no master or does not answer within `within_s` seconds.
    """
    deadline_ns = _CLOCK.monotonic_ns() + int(within_s * 1e9)
    rows: list[tuple[int, int, int, int, int]] = []
    servers: list[str] = []
    unserved = 0
    prefix = key_prefix(name)
    for log, address in enumerate(_masters(endpoint, access, deadline_ns)):
        node = BoundedRedis.connect(address, access, deadline_ns=deadline_ns)
        try:
            identity = _assert_master(node, address, deadline_ns)
            seen: set[bytes] = set()  # SCAN may return a key more than once
            for keys in _scan(node, prefix, deadline_ns):
                fresh = [key for key in dict.fromkeys(keys) if key not in seen]
                seen.update(fresh)
                values = node.exchange([("GET", key) for key in fresh], deadline_ns=deadline_ns)
                for key, value in zip(fresh, values, strict=True):
                    if isinstance(value, ErrorReply) and value.prefix in ("MOVED", "ASK"):
                        unserved += 1
                    else:
                        rows.append(_row(key[len(prefix) :], value, log, len(rows)))
        finally:
            node.close()
        servers.append(f"{address[0]}:{address[1]} master {identity}")
    write_rows(file, np.array(rows, dtype=ROW))
    if unserved:
        servers.append(f"{unserved} keys on nodes that do not serve their slots")
    return ReadBack(rows=len(rows), server=", ".join(servers))


def drop(
    endpoint: RedisEndpoint, name: str, *, access: Access = OPEN, within_s: float = 60.0
) -> int:
    """Deletes all keys of a ledger from every master; how many. Errors as of `read_back`."""
    deadline_ns = _CLOCK.monotonic_ns() + int(within_s * 1e9)
    dropped = 0
    for address in _masters(endpoint, access, deadline_ns):
        node = BoundedRedis.connect(address, access, deadline_ns=deadline_ns)
        try:
            _assert_master(node, address, deadline_ns)
            for keys in _scan(node, key_prefix(name), deadline_ns):
                # One by one: the keys of one command would have to be of one slot.
                replies = node.exchange([("UNLINK", key) for key in keys], deadline_ns=deadline_ns)
                dropped += sum(reply for reply in replies if isinstance(reply, int))
        finally:
            node.close()
    return dropped


def _scan(node: BoundedRedis, prefix: str, deadline_ns: int) -> Iterator[list[bytes]]:
    cursor = b"0"
    while True:
        (reply,) = node.exchange(
            [("SCAN", cursor, "MATCH", f"{prefix}*", "COUNT", _SCAN_COUNT)], deadline_ns=deadline_ns
        )
        match reply:
            case [bytes(following), list(keys)]:
                cursor = following
                yield [key for key in keys if isinstance(key, bytes)]
            case _:
                raise SurroundingsError(f"SCAN: got {reply!r}, expected a cursor and keys")
        if cursor == b"0":
            return


def _row(key: bytes, value: Reply, log: int, number: int) -> tuple[int, int, int, int, int]:
    named = _KEY.fullmatch(key)
    client, seq = (int(named[1]), int(named[2])) if named else (0, number)
    held = _VALUE.fullmatch(value) if isinstance(value, bytes) else None
    payload, server_us = (int(held[1]), int(held[2])) if held else (0, 0)
    return client, seq, payload & 0xFFFFFFFFFFFFFFFF, server_us, log
