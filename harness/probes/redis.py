"""Probes Redis: every master in its role, the cluster whole, old data there, a new key written."""

from __future__ import annotations

import re

from harness.drivers.bounded_redis import (
    BoundedRedis,
    ConnectionLostError,
    ErrorReply,
    NotConnectedError,
    Reply,
)
from harness.drivers.redis import Access
from harness.errors import DeadlineExceededError
from harness.ledger.redis import PREFIX, SLOTS, slot_of, slots_of
from harness.model.history import Outcome
from harness.ports import RedisEndpoint
from harness.probes.config import Sentinel

_ALL_SLOTS = frozenset(range(SLOTS))

PROBE_CLASS = "redis: write and read on a new connection to every master"


class RedisProbe:
    """The probe of one endpoint; see open_loop.Probe."""

    def __init__(
        self, endpoint: RedisEndpoint, sentinels: tuple[Sentinel, ...], access: Access
    ) -> None:
        self._endpoint = endpoint
        self._sentinels = sentinels
        self._access = access

    def __call__(self, slot: int, deadline_ns: int) -> tuple[Outcome, str]:
        """One probe of all masters, each on a connection of its own."""
        missing = set(self._sentinels)
        for address in self._endpoint.nodes:
            where = f"redis {address[0]}:{address[1]}"
            try:
                node = BoundedRedis.connect(address, self._access, deadline_ns=deadline_ns)
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
            return Outcome.FAIL, f"key {_key_of(sentinel)} is missing, or no master has its slot"
        return Outcome.OK, ""

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
            return f"ROLE: got {_show(role)}, expected master"
        if not served:
            return "serves no slot"
        key = _owned_key(slot, served)
        mine = [sentinel for sentinel in missing if slot_of(_key_of(sentinel)) in served]
        value = str(deadline_ns).encode()
        written, read, _, *held = node.exchange(
            [
                ("SET", key, value),
                ("GET", key),
                ("DEL", key),  # a key left behind would change the slot's key count
                *(("GET", _key_of(sentinel)) for sentinel in mine),
            ],
            deadline_ns=deadline_ns,
        )
        if written != b"OK" or read != value:
            return f"SET and GET of {key}: got {_show(written)} and {_show(read)}"
        for sentinel, content in zip(mine, held, strict=True):
            if not isinstance(content, bytes) or not content.startswith(b"%d:" % sentinel.payload):
                return f"key {_key_of(sentinel)}: got {_show(content)}, expected the acknowledged"
        missing.difference_update(mine)
        return None


def _wrong_cluster(info: Reply) -> str | None:
    if not isinstance(info, bytes):
        return f"CLUSTER INFO: got {_show(info)}"
    if b"cluster_state:ok" not in info:
        return "cluster_state is not ok"
    found = re.search(rb"cluster_slots_ok:(\d+)", info)
    covered = int(found[1]) if found else 0
    return None if covered == SLOTS else f"{covered} of {SLOTS} slots are ok"


def _owned_key(slot: int, served: frozenset[int]) -> str:
    """A probe key of this probing slot alone, in a hash slot that the node serves."""
    number = 0
    while slot_of(key := f"harness_probe:{slot}:{number}") not in served:
        number += 1
    return key


def _key_of(sentinel: Sentinel) -> str:
    return f"{PREFIX}{sentinel.client}:{sentinel.seq}"


def _show(reply: Reply) -> str:
    return str(reply) if isinstance(reply, ErrorReply) else repr(reply)
