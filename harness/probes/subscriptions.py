"""Publishes to a broker on a schedule, and subscribes from outside: what is heard, and what not.

The publisher is an open loop, like a prober. A subscriber is a client that keeps one connection,
asks it for a sign of life where nothing comes, and subscribes anew at another node where it is
gone. Pub/Sub keeps nothing: what is published meanwhile, it will never hear.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from harness.drivers.bounded_redis import (
    BoundedRedis,
    ConnectionLostError,
    ErrorReply,
    NotConnectedError,
    Reply,
    shown,
)
from harness.drivers.clock import HostClock
from harness.drivers.redis import OPEN, Access, parse_nodes
from harness.drivers.redis_slots import Address
from harness.errors import DeadlineExceededError, InputError, RecordError, SurroundingsError
from harness.model.codec import from_json
from harness.model.history import Outcome
from harness.model.instant import seconds
from harness.model.subscription import Published, Received, Subscribed, Unsubscribed
from harness.probes.open_loop import Due, Sink, keep_schedule

_CLOCK = HostClock()


class SubscriptionsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file that `python -m harness.probes.pubsub --config FILE` reads."""

    subject: str
    seeds: tuple[Address, ...]
    """Where the broker's nodes are learned from, and where messages are published: addresses that
    outlive its nodes', such as a Service's."""

    channel: str
    """A new one for each run: nobody else publishes there."""

    output: Path
    """Where the events go, one JSON line each (model/subscription.py)."""

    subscribers: tuple[str, ...] = ("subscriber-1", "subscriber-2", "subscriber-3")
    interval_ns: int = 200_000_000
    """Between two messages."""

    timeout_ns: int = 1_000_000_000
    """For connecting, and for each answer."""

    ping_after_ns: int = 1_000_000_000
    """A subscriber that has heard nothing for so long asks for a sign of life, and gives the
    connection up where none comes within the timeout: redis-py's `health_check_interval`."""

    access: Access = OPEN

    def __post_init__(self) -> None:
        if not self.seeds or not self.subscribers:
            raise ValueError("got no seed or no subscriber, expected one or more of each")
        if self.interval_ns < 1_000_000 or self.timeout_ns < self.interval_ns:
            raise ValueError(
                f"got interval_ns={self.interval_ns}, timeout_ns={self.timeout_ns}, "
                "expected an interval of 1 ms or more and no timeout below it"
            )


def read_config(file: Path) -> SubscriptionsConfig:
    """Reads the configuration; InputError with the path within the file."""
    try:
        return from_json(file.read_bytes(), SubscriptionsConfig)
    except (OSError, msgspec.DecodeError) as error:
        raise InputError(f"{file}: {error}") from error


def keep_subscribed(config: SubscriptionsConfig, told: threading.Event) -> None:
    """Publishes and subscribes until told to stop; RecordError where events cannot be written."""
    try:
        output = config.output.open("ab")
    except OSError as error:
        raise RecordError(f"{config.output}: {error.strerror}") from error
    with output:
        sink = Sink(output)
        listening = threading.Event()
        """Set when the subscribers are told to stop: later than the publisher, so that its last
        message can still be heard."""

        subscribers = [
            Subscriber(config, name, number, sink.write, listening.wait)
            for number, name in enumerate(config.subscribers)
        ]
        for subscriber in subscribers:
            subscriber.start()
        try:
            # What is published before somebody listens is nobody's loss.
            first_by_ns = _CLOCK.monotonic_ns() + _FIRST_WITHIN_NS
            for subscriber in subscribers:
                subscriber.subscribed.wait(max(0, seconds(first_by_ns - _CLOCK.monotonic_ns())))
            keep_schedule(
                Publisher(config, sink.write),
                interval_ns=config.interval_ns,
                timeout_ns=config.timeout_ns,
                stopping=lambda within_s: sink.failure is not None or told.wait(within_s),
            )
            listening.wait(seconds(config.timeout_ns))
        finally:
            listening.set()
            for subscriber in subscribers:
                subscriber.join()
        crashes = [one.crash for one in subscribers if one.crash is not None]
        for failure in (sink.failure, *crashes):
            if failure is not None:
                raise failure


Write = Callable[[msgspec.Struct], None]


class Publisher:
    """Publishes one message at each due time; see open_loop.Work."""

    def __init__(self, config: SubscriptionsConfig, write: Write) -> None:
        self._config = config
        self._write = write
        self._kept: dict[int, BoundedRedis] = {}
        """One connection a slot, used by one thread at a time."""

    def __call__(self, slot: int, due: Due) -> None:
        """Publishes the number of the due time, once: nothing is sent twice."""
        started_ns = _CLOCK.monotonic_ns()
        outcome, receivers, detail = self._publish(
            slot, due.number, started_ns + self._config.timeout_ns
        )
        self._write(
            Published(
                seq=due.number,
                scheduled_ns=due.at_ns,
                started_ns=started_ns,
                ended_ns=_CLOCK.monotonic_ns(),
                outcome=outcome,
                receivers=receivers,
                detail=detail,
            )
        )

    def _publish(self, slot: int, number: int, deadline_ns: int) -> tuple[Outcome, int | None, str]:
        node = self._kept.pop(slot, None)
        if node is None:
            try:
                node = self._connect(number, deadline_ns)
            except (NotConnectedError, DeadlineExceededError) as error:
                return Outcome.FAIL, None, str(error)  # no message was sent
        try:
            (reply,) = node.exchange(
                [("PUBLISH", self._config.channel, number)], deadline_ns=deadline_ns
            )
        except (ConnectionLostError, DeadlineExceededError) as error:
            node.close()
            return Outcome.INDETERMINATE, None, str(error)
        if not isinstance(reply, int):
            node.close()
            return Outcome.FAIL, None, f"PUBLISH: got {shown(reply)}"
        self._kept[slot] = node
        return Outcome.OK, reply, ""

    def _connect(self, number: int, deadline_ns: int) -> BoundedRedis:
        """To the next seed in turn: which node is behind it is the Service's choice."""
        seed = self._config.seeds[number % len(self._config.seeds)]
        return BoundedRedis.connect(seed, self._config.access, deadline_ns=deadline_ns)


class Subscriber(threading.Thread):
    """One client that listens; each begins at another node, where there are so many."""

    def __init__(
        self,
        config: SubscriptionsConfig,
        name: str,
        number: int,
        write: Write,
        stopping: Callable[[float], bool],
    ) -> None:
        super().__init__(name=name)
        self._config = config
        self._turn = number
        self._write = write
        self._stopping = stopping
        self._cut_off = False
        self.subscribed = threading.Event()
        """Whether it ever was."""

        self.crash: BaseException | None = None

    def run(self) -> None:
        """Until told to stop."""
        try:
            while not self._stopping(0):
                try:
                    self._listen()
                except SurroundingsError as error:
                    self._lost(str(error))
                    self._turn += 1  # the next node: this one may stay away
                    self._stopping(_PAUSE_S)
        except BaseException as error:  # noqa: BLE001 - raised where the subscribers are joined
            self.crash = error

    def _listen(self) -> None:
        """Subscribes and hears until told to stop; raises where the connection is gone."""
        deadline_ns = _CLOCK.monotonic_ns() + self._config.timeout_ns
        address = self._choose(deadline_ns)
        node = BoundedRedis.connect(
            address,
            self._config.access,
            deadline_ns=_CLOCK.monotonic_ns() + self._config.timeout_ns,
        )
        with contextlib.closing(node):
            node.send(("SUBSCRIBE", self._config.channel), deadline_ns=deadline_ns)
            reply = node.next_reply(deadline_ns=deadline_ns)
            if not isinstance(reply, list) or reply[0] != b"subscribe":
                raise ConnectionLostError(f"SUBSCRIBE: got {shown(reply)}")
            self._cut_off = False
            self.subscribed.set()
            self._write(
                Subscribed(
                    subscriber=self.name,
                    at_ns=_CLOCK.monotonic_ns(),
                    node=f"{address[0]}:{address[1]}",
                )
            )
            self._hear(node)

    def _hear(self, node: BoundedRedis) -> None:
        heard_ns = _CLOCK.monotonic_ns()
        asked_ns: int | None = None
        while not self._stopping(0):
            if asked_ns is None:
                until_ns = heard_ns + self._config.ping_after_ns
            else:
                until_ns = asked_ns + self._config.timeout_ns
            try:
                # In short steps: who is told to stop need not wait for a message.
                step_ns = _CLOCK.monotonic_ns() + _STEP_NS
                reply = node.next_reply(deadline_ns=min(until_ns, step_ns))
            except DeadlineExceededError:
                now_ns = _CLOCK.monotonic_ns()
                if now_ns < until_ns:
                    continue
                if asked_ns is not None:
                    raise
                node.send(("PING",), deadline_ns=now_ns + self._config.timeout_ns)
                asked_ns = now_ns
                continue
            heard_ns, asked_ns = _CLOCK.monotonic_ns(), None
            seq = _message(reply)
            if seq is not None:
                self._write(Received(subscriber=self.name, seq=seq, at_ns=heard_ns))

    def _lost(self, reason: str) -> None:
        if not self._cut_off:
            self._cut_off = True
            self._write(
                Unsubscribed(subscriber=self.name, at_ns=_CLOCK.monotonic_ns(), reason=reason)
            )

    def _choose(self, deadline_ns: int) -> Address:
        """One of the nodes that the broker has now; a seed where it is no cluster."""
        seed = self._config.seeds[self._turn % len(self._config.seeds)]
        with contextlib.closing(
            BoundedRedis.connect(seed, self._config.access, deadline_ns=deadline_ns)
        ) as node:
            (reply,) = node.exchange([("CLUSTER", "NODES")], deadline_ns=deadline_ns)
        if isinstance(reply, ErrorReply) or not isinstance(reply, bytes):
            return seed
        nodes = sorted(_reachable(reply.decode("utf-8", "replace")))
        return nodes[self._turn % len(nodes)] if nodes else seed


_PAUSE_S = 0.1
"""Before a subscriber that was cut off, or found nobody, tries again."""

_STEP_NS = 100_000_000

_FIRST_WITHIN_NS = 5_000_000_000
"""How long the first message waits for all to listen."""


def _message(reply: Reply) -> int | None:
    """The number that was published; None for anything else, such as an answer to PING."""
    match reply:
        case [b"message", _, bytes(content)] if content.isdigit():
            return int(content)
    return None


def _reachable(nodes: str) -> list[Address]:
    """The nodes of CLUSTER NODES that the one asked does not take for failed."""
    return [
        (node.host, node.port) for node in parse_nodes(nodes) if node.host and not node.has_failed
    ]
