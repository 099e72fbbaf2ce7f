"""Knows which Redis master serves which slot, by asking whichever node of the cluster answers."""

from __future__ import annotations

import binascii
import threading
from collections.abc import Sequence

from harness.drivers.bounded_redis import (
    BoundedRedis,
    ConnectionLostError,
    ErrorReply,
    NotConnectedError,
    Reply,
)
from harness.drivers.clock import HostClock
from harness.drivers.redis import OPEN, Access
from harness.errors import DeadlineExceededError, SurroundingsError
from harness.ports import RedisEndpoint

_CLOCK = HostClock()

Address = tuple[str, int]

SLOTS = 16_384


def slot_of(key: str) -> int:
    """The slot of a key without a hash tag: CRC16-XMODEM modulo 16384 (cluster specification)."""
    return binascii.crc_hqx(key.encode(), 0) % SLOTS


def slots_of(reply: Reply, node_id: bytes) -> frozenset[int]:
    """The slots that one node serves as master, of the answer to CLUSTER SLOTS."""
    slots: set[int] = set()
    for entry in reply if isinstance(reply, list) else []:
        match entry:
            case [int(first), int(last), [_, _, bytes(owner), *_], *_] if owner == node_id:
                slots.update(range(first, last + 1))
    return frozenset(slots)


class SlotMap:
    """Which shard has a slot, and its master's address."""

    def __init__(
        self, ranges: Sequence[tuple[int, int, Address]], replicas: Sequence[Address] = ()
    ) -> None:
        """(first slot, last slot, master) of each range, in any order."""
        self._ranges = sorted(ranges)
        # Shards are numbered by their lowest slot: a failover changes the address, not the number.
        self._numbers: dict[Address, int] = {}
        shards: list[tuple[int, int]] = []
        for first, last, address in self._ranges:
            if address not in self._numbers:
                self._numbers[address] = len(shards)
                shards.append((first, last))
        self.shards = tuple(shards)
        """The lowest range of slots of each shard, in the order of their numbers."""

        self.masters = tuple(self._numbers)
        """Of each shard, in the same order."""

        self.nodes = tuple(dict.fromkeys((*self.masters, *replicas)))
        """All nodes that were named."""

    @classmethod
    def single(cls, address: Address) -> SlotMap:
        """Of a server that is not a cluster."""
        return cls([(0, SLOTS - 1, address)])

    @classmethod
    def parse(cls, reply: Reply, asked: Address) -> SlotMap:
        """Of the answer to CLUSTER SLOTS; a node without an address is the node asked."""
        if isinstance(reply, ErrorReply):
            raise ConnectionLostError(f"redis {asked[0]}:{asked[1]}: {reply}") from reply
        ranges: list[tuple[int, int, Address]] = []
        others: list[Address] = []
        for entry in reply if isinstance(reply, list) else []:
            match entry:
                case [int(first), int(last), [host, int(port), *_], *replicas]:
                    ranges.append((first, last, _address(host, port, asked)))
                    for replica in replicas:
                        match replica:
                            case [host, int(port), *_]:
                                others.append(_address(host, port, asked))
                            case _:
                                pass
                case _:
                    raise ConnectionLostError(f"CLUSTER SLOTS: got {entry!r}")
        return cls(ranges, others)

    def owner(self, slot: int) -> tuple[int, Address | None]:
        """(shard number, master); (0, None) where nobody has the slot."""
        for first, last, address in self._ranges:
            if first <= slot <= last:
                return self._numbers[address], address
        return 0, None


def _address(host: Reply, port: int, asked: Address) -> Address:
    return (host.decode() if isinstance(host, bytes) and host else asked[0], port)


class Routes:
    """The slot map of one client, kept until it proves wrong; may be used by several threads.

    As the cluster specification has clients do it ("Clients first connection and handling of
    redirections"): the whole map is read again after a failure or a redirection, from any node.
    """

    def __init__(self, endpoint: RedisEndpoint, access: Access = OPEN) -> None:
        """Asks nothing yet."""
        self._cluster = endpoint.cluster
        self._access = access
        self._lasting = endpoint.seeds or endpoint.nodes
        self._candidates = list(self._lasting)
        self._known: SlotMap | None = None
        self._lock = threading.Lock()

    def forget(self) -> None:
        """The map was wrong, or may be by now: the next `slots` asks anew."""
        with self._lock:
            self._known = None

    def slots(self, *, deadline_ns: int) -> SlotMap:
        """The map; SurroundingsError where no node gives one by the deadline (monotonic).

        A node that is silent costs at most half of what is left of the time, and is asked last
        the next time.
        """
        with self._lock:
            if self._known is not None:
                return self._known
            candidates = tuple(self._candidates)
        if not self._cluster:
            return SlotMap.single(candidates[0])
        failure: SurroundingsError | None = None
        for address in candidates:
            now_ns = _CLOCK.monotonic_ns()
            try:
                found = _ask(address, self._access, now_ns + (deadline_ns - now_ns) // 2)
            except (NotConnectedError, ConnectionLostError, DeadlineExceededError) as error:
                failure = error
                self._put_last(address)
                continue
            self._learn(address, found)
            return found
        raise failure or SurroundingsError("redis cluster: got no node, expected one or more")

    def _put_last(self, address: Address) -> None:
        with self._lock:
            if address in self._candidates:
                self._candidates.remove(address)
                self._candidates.append(address)

    def _learn(self, answered: Address, found: SlotMap) -> None:
        with self._lock:
            self._known = found
            self._candidates = list(dict.fromkeys((answered, *found.nodes, *self._lasting)))


def _ask(address: Address, access: Access, deadline_ns: int) -> SlotMap:
    node = BoundedRedis.connect(address, access, deadline_ns=deadline_ns)
    try:
        (reply,) = node.exchange([("CLUSTER", "SLOTS")], deadline_ns=deadline_ns)
    finally:
        node.close()
    found = SlotMap.parse(reply, address)
    if not found.masters:
        raise ConnectionLostError(f"redis {address[0]}:{address[1]}: serves no slot, knows none")
    return found
