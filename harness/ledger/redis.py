"""Writes the ledger to Redis, one key per operation, and reads its keys back.

Keys `ledger:<client>:<seq>` have no hash tag: they spread over all slots of a cluster. A value is
`<payload>:<microseconds>`, the server's clock when it executed the write.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from harness.drivers.bounded_redis import (
    BoundedRedis,
    ConnectionLostError,
    ErrorReply,
    NotConnectedError,
    Reply,
    Word,
)
from harness.drivers.clock import HostClock
from harness.drivers.redis import OPEN, Access
from harness.errors import DeadlineExceededError, SurroundingsError
from harness.ledger.append import JournalAppender
from harness.ledger.journal import Flag, Type
from harness.ledger.rows import ROW, ReadBack, write_rows
from harness.model.history import Outcome
from harness.ports import RedisEndpoint

_CLOCK = HostClock()

Address = tuple[str, int]

SLOTS = 16_384
PREFIX = "ledger:"

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


def slot_of(key: str) -> int:
    """The slot of a key without a hash tag: CRC16-XMODEM modulo 16384 (cluster specification)."""
    return binascii.crc_hqx(key.encode(), 0) % SLOTS


def describe_server(
    endpoint: RedisEndpoint, access: Access = OPEN, *, within_s: float = 30.0
) -> str:
    """The masters' identities, for a journal's header; errors of BoundedRedis."""
    deadline_ns = _CLOCK.monotonic_ns() + int(within_s * 1e9)
    found = []
    for host, port in endpoint.nodes:
        node = BoundedRedis.connect((host, port), access, deadline_ns=deadline_ns)
        try:
            found.append(f"{host}:{port} {_assert_master(node, (host, port), deadline_ns)}")
        finally:
            node.close()
    return ", ".join(found)


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
        timeout_s: float = 2.0,
        wait_replicas: int = 0,
        wait_ms: int = 100,
    ) -> None:
        """`wait_replicas`: how many replicas each write is to reach (WAIT), within `wait_ms`."""
        self._endpoint = endpoint
        self._journal = journal
        self._access = access
        self._timeout_ns = int(timeout_s * 1e9)
        self._wait_replicas = wait_replicas
        self._wait_ms = wait_ms
        self._nodes: dict[Address, BoundedRedis] = {}
        self._map: SlotMap | None = None

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
        key = f"{PREFIX}{self._journal.header.client}:{self._journal.next_seq}"
        try:
            # Before the operation is announced: its record names the shard it goes to.
            slots = self._slots(deadline_ns)
        except SurroundingsError:
            slots = None
        log, address = slots.owner(slot_of(key)) if slots else (0, None)
        _, payload = self._journal.invoke(log)
        if address is None:
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
            self._map = None
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
        self._map = None

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
        self._map = None

    def _slots(self, deadline_ns: int) -> SlotMap:
        """The slot map, from the first node that answers where it is not known."""
        if self._map is not None:
            return self._map
        if not self._endpoint.cluster:
            self._map = SlotMap.single(self._endpoint.nodes[0])
            return self._map
        failure: SurroundingsError | None = None
        for address in self._endpoint.nodes:
            try:
                node = self._node(address, deadline_ns)
                (reply,) = node.exchange([("CLUSTER", "SLOTS")], deadline_ns=deadline_ns)
                self._map = SlotMap.parse(reply, address)
                return self._map
            except (NotConnectedError, ConnectionLostError, DeadlineExceededError) as error:
                self._forget(address)
                failure = error
        raise failure or SurroundingsError("redis cluster: got no node, expected one or more")


class SlotMap:
    """Which shard has a slot, and its master's address."""

    def __init__(self, ranges: Sequence[tuple[int, int, Address]]) -> None:
        """(first slot, last slot, master) of each range, in any order."""
        self._ranges = sorted(ranges)
        # Shards are numbered by their lowest slot: a failover changes the address, not the number.
        masters = dict.fromkeys(address for _, _, address in self._ranges)
        self._numbers = {address: number for number, address in enumerate(masters)}

    @classmethod
    def single(cls, address: Address) -> SlotMap:
        """Of a server that is not a cluster."""
        return cls([(0, SLOTS - 1, address)])

    @classmethod
    def parse(cls, reply: Reply, asked: Address) -> SlotMap:
        """Of the answer to CLUSTER SLOTS; a master without an address is the node asked."""
        if isinstance(reply, ErrorReply):
            raise ConnectionLostError(f"redis {asked[0]}:{asked[1]}: {reply}") from reply
        ranges: list[tuple[int, int, Address]] = []
        for entry in reply if isinstance(reply, list) else []:
            match entry:
                case [int(first), int(last), [host, int(port), *_], *_]:
                    name = host.decode() if isinstance(host, bytes) and host else asked[0]
                    ranges.append((first, last, (name, port)))
                case _:
                    raise ConnectionLostError(f"CLUSTER SLOTS: got {entry!r}")
        return cls(ranges)

    def owner(self, slot: int) -> tuple[int, Address | None]:
        """(shard number, master); (0, None) where nobody has the slot."""
        for first, last, address in self._ranges:
            if first <= slot <= last:
                return self._numbers[address], address
        return 0, None


def slots_of(reply: Reply, node_id: bytes) -> frozenset[int]:
    """The slots that one node serves as master, of the answer to CLUSTER SLOTS."""
    slots: set[int] = set()
    for entry in reply if isinstance(reply, list) else []:
        match entry:
            case [int(first), int(last), [_, _, bytes(owner), *_], *_] if owner == node_id:
                slots.update(range(first, last + 1))
    return frozenset(slots)


_KEY = re.compile(rb"ledger:(\d{1,9}):(\d{1,18})")
_VALUE = re.compile(rb"(\d{1,20}):(\d{1,18})")
_SCAN_COUNT = 2_000


def read_back(
    endpoint: RedisEndpoint, file: Path, *, access: Access = OPEN, within_s: float = 600.0
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
    for log, address in enumerate(endpoint.nodes):
        node = BoundedRedis.connect(address, access, deadline_ns=deadline_ns)
        try:
            identity = _assert_master(node, address, deadline_ns)
            seen: set[bytes] = set()  # SCAN may return a key more than once
            for keys in _scan(node, deadline_ns):
                fresh = [key for key in dict.fromkeys(keys) if key not in seen]
                seen.update(fresh)
                values = node.exchange([("GET", key) for key in fresh], deadline_ns=deadline_ns)
                for key, value in zip(fresh, values, strict=True):
                    if isinstance(value, ErrorReply) and value.prefix in ("MOVED", "ASK"):
                        unserved += 1
                    else:
                        rows.append(_row(key, value, log, len(rows)))
        finally:
            node.close()
        servers.append(f"{address[0]}:{address[1]} master {identity}")
    write_rows(file, np.array(rows, dtype=ROW))
    if unserved:
        servers.append(f"{unserved} keys on nodes that do not serve their slots")
    return ReadBack(rows=len(rows), server=", ".join(servers))


def _scan(node: BoundedRedis, deadline_ns: int) -> Iterator[list[bytes]]:
    cursor = b"0"
    while True:
        (reply,) = node.exchange(
            [("SCAN", cursor, "MATCH", f"{PREFIX}*", "COUNT", _SCAN_COUNT)], deadline_ns=deadline_ns
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
