"""Probes Redis: masters in their role, old data there, a new key written and read.

Either all masters, whose addresses are known, or one shard, whose master is found as clients do.
"""

from __future__ import annotations

import re
import threading

from harness.drivers.bounded_redis import (
    BoundedRedis,
    ConnectionLostError,
    NotConnectedError,
    Reply,
    shown,
)
from harness.drivers.redis_slots import SLOTS, Address, Routes, slot_of, slots_of
from harness.errors import DeadlineExceededError, SurroundingsError
from harness.ledger.naming import key_of
from harness.model.history import Outcome
from harness.probes.config import PROBE, RedisShardWrite, RedisWrite, Sentinel

_ALL_SLOTS = frozenset(range(SLOTS))

_ATTEMPTS = 3
"""How often a probe of a shard follows another map: redis-py's `cluster_error_retry_attempts`."""

_LEFT_BEHIND_MS = 60_000
"""A probe that is killed between SET and DEL leaves its key for so long."""


class RedisProbe:
    """Asks every master; see open_loop.Probe."""

    def __init__(self, asked: RedisWrite) -> None:
        self._asked = asked
        self._endpoint = asked.endpoint

    def __call__(self, slot: int, deadline_ns: int) -> tuple[Outcome, str]:
        """One probe of all masters, each on a connection of its own."""
        missing = set(self._asked.sentinels)
        for address in self._endpoint.nodes:
            where = f"redis {address[0]}:{address[1]}"
            try:
                node = BoundedRedis.connect(address, self._asked.access, deadline_ns=deadline_ns)
            except NotConnectedError as error:
                return Outcome.FAIL, str(error)
            except DeadlineExceededError as error:
                return Outcome.INDETERMINATE, str(error)
            try:
                wrong = self._ask(node, slot, missing, deadline_ns)
            except (ConnectionLostError, DeadlineExceededError) as error:
                return Outcome.INDETERMINATE, str(error)
            finally:
                node.close()
            if wrong:
                return Outcome.FAIL, f"{where}: {wrong}"
        if missing:
            sentinel = min(missing, key=lambda one: (one.client, one.seq))
            key = self._key_of(sentinel)
            return Outcome.FAIL, f"key {key} is missing, or no master has its slot"
        return Outcome.OK, ""

    def _key_of(self, sentinel: Sentinel) -> str:
        return key_of(self._asked.ledger, sentinel.client, sentinel.seq)

    def _ask(
        self, node: BoundedRedis, slot: int, missing: set[Sentinel], deadline_ns: int
    ) -> str | None:
        """What is wrong with one master's answers; takes the sentinels it has out of `missing`."""
        if self._endpoint.cluster:
            role, info, me, slots = node.exchange(
                [("ROLE",), ("CLUSTER", "INFO"), ("CLUSTER", "MYID"), ("CLUSTER", "SLOTS")],
                deadline_ns=deadline_ns,
            )
            if wrong := _wrong_cluster(info):
                return wrong
            served = slots_of(slots, me if isinstance(me, bytes) else b"")
        else:
            (role,) = node.exchange([("ROLE",)], deadline_ns=deadline_ns)
            served = _ALL_SLOTS
        if not isinstance(role, list) or role[0] != b"master":
            return f"ROLE: got {shown(role)}, expected master"
        if not served:
            return "serves no slot"
        key = _owned_key(PROBE, slot, served)
        mine = [sentinel for sentinel in missing if slot_of(self._key_of(sentinel)) in served]
        value = str(deadline_ns).encode()
        written, read, _, *held = node.exchange(
            [
                ("SET", key, value),
                ("GET", key),
                ("DEL", key),  # a key left behind would change the slot's key count
                *(("GET", self._key_of(sentinel)) for sentinel in mine),
            ],
            deadline_ns=deadline_ns,
        )
        if written != b"OK" or read != value:
            return f"SET and GET of {key}: got {shown(written)} and {shown(read)}"
        for sentinel, content in zip(mine, held, strict=True):
            if wrong := _altered(self._key_of(sentinel), content, sentinel):
                return wrong
        missing.difference_update(mine)
        return None


class RedisShardProbe:
    """Asks the master of one shard; see open_loop.Probe."""

    def __init__(self, asked: RedisShardWrite) -> None:
        self._asked = asked
        self._routes = Routes(asked.endpoint, asked.access)
        # Of a range, not of what its master serves now: slots may move, the class stays.
        self._slots = frozenset(range(asked.first_slot, asked.last_slot + 1))
        self._held = tuple(
            (key, sentinel)
            for sentinel in asked.sentinels
            if slot_of(key := key_of(asked.ledger, sentinel.client, sentinel.seq)) in self._slots
        )
        self._epoch = 0
        """The highest configuration epoch that was seen."""

        self._lock = threading.Lock()

    def __call__(self, slot: int, deadline_ns: int) -> tuple[Outcome, str]:
        """One probe, on a connection of its own, to whom the map names; a wrong map is read anew
        and followed at once, as long as nothing was written.
        """
        key = _owned_key(self._asked.keys, slot, self._slots)
        outcome, detail = Outcome.FAIL, ""
        for _ in range(_ATTEMPTS):
            try:
                address = self._routes.slots(deadline_ns=deadline_ns).owner(slot_of(key))[1]
            except DeadlineExceededError as error:
                return Outcome.INDETERMINATE, str(error)
            except SurroundingsError as error:
                return Outcome.FAIL, str(error)
            if address is None:
                outcome, detail = Outcome.FAIL, f"slot {slot_of(key)} has no master"
            else:
                outcome, detail = self._ask(address, key, deadline_ns)
            if outcome is Outcome.OK:
                break
            self._routes.forget()
            if outcome is Outcome.INDETERMINATE:
                break
        return outcome, detail

    def _ask(self, address: Address, key: str, deadline_ns: int) -> tuple[Outcome, str]:
        where = f"redis {address[0]}:{address[1]}"
        try:
            node = BoundedRedis.connect(address, self._asked.access, deadline_ns=deadline_ns)
        except NotConnectedError as error:
            return Outcome.FAIL, str(error)
        except DeadlineExceededError as error:
            return Outcome.INDETERMINATE, str(error)
        value = str(deadline_ns).encode()
        try:
            role, info, written, read, _, *held = node.exchange(
                [
                    ("ROLE",),
                    ("CLUSTER", "INFO") if self._asked.endpoint.cluster else ("PING",),
                    ("SET", key, value, "PX", _LEFT_BEHIND_MS),
                    ("GET", key),
                    ("DEL", key),
                    *(("GET", name) for name, _ in self._held),
                ],
                deadline_ns=deadline_ns,
            )
        except (ConnectionLostError, DeadlineExceededError) as error:
            return Outcome.INDETERMINATE, str(error)
        finally:
            node.close()
        if not isinstance(role, list) or role[0] != b"master":
            return Outcome.FAIL, f"{where}: ROLE: got {shown(role)}, expected master"
        if written != b"OK" or read != value:
            found = f"got {shown(written)} and {shown(read)}"
            return Outcome.FAIL, f"{where}: SET and GET of {key}: {found}"
        wrong = self._old(info)
        for (name, sentinel), content in zip(self._held, held, strict=True):
            wrong = wrong or _altered(name, content, sentinel)
        return (Outcome.FAIL, f"{where}: {wrong}") if wrong else (Outcome.OK, "")

    def _old(self, info: Reply) -> str | None:
        """A master that another has replaced acknowledges what will be lost."""
        found = re.search(rb"cluster_my_epoch:(\d+)", info) if isinstance(info, bytes) else None
        epoch = int(found[1]) if found else 0
        with self._lock:
            self._epoch = max(self._epoch, epoch)
            if self._epoch > epoch:
                return f"configuration epoch {epoch} after {self._epoch} was seen: an old master"
        return None


def _altered(key: str, content: Reply, sentinel: Sentinel) -> str | None:
    if isinstance(content, bytes) and content.startswith(b"%d:" % sentinel.payload):
        return None
    return f"key {key}: got {shown(content)}, expected the acknowledged"


def _wrong_cluster(info: Reply) -> str | None:
    if not isinstance(info, bytes):
        return f"CLUSTER INFO: got {shown(info)}"
    if b"cluster_state:ok" not in info:
        return "cluster_state is not ok"
    found = re.search(rb"cluster_slots_ok:(\d+)", info)
    covered = int(found[1]) if found else 0
    return None if covered == SLOTS else f"{covered} of {SLOTS} slots are ok"


def _owned_key(prefix: str, slot: int, served: frozenset[int]) -> str:
    """A probe key of this probing slot alone, in one of some hash slots."""
    number = 0
    while slot_of(key := f"{prefix}:{slot}:{number}") not in served:
        number += 1
    return key
