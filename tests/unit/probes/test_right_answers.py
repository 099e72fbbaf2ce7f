"""What probes take for a right answer: servers that answer, and lie, are found out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from harness.drivers import bounded_postgres, bounded_redis, redis_slots
from harness.drivers.bounded_http import NotConnectedError as NoHttpConnectionError
from harness.drivers.bounded_http import Request, Response
from harness.drivers.bounded_postgres import Answer, BoundedPostgres, StatementError
from harness.drivers.bounded_redis import BoundedRedis, ErrorReply, Reply, Word
from harness.drivers.redis_slots import SlotMap
from harness.errors import DeadlineExceededError
from harness.model.history import Outcome
from harness.ports import PostgresEndpoint, RedisEndpoint
from harness.probes import http
from harness.probes.config import (
    HttpRequest,
    PostgresRead,
    PostgresWrite,
    RedisShardWrite,
    Sentinel,
)
from harness.probes.http import HttpProbe
from harness.probes.postgres import PostgresReadProbe, PostgresWriteProbe
from harness.probes.redis import RedisShardProbe

LATER = 2**62
PRIMARY = PostgresEndpoint(host="p", port=1, database="d", user="u", system_identifier="7")

# -- PostgreSQL -----------------------------------------------------------------------------------


class Server:
    """A PostgreSQL server as its sessions see it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.identifier = "7"
        self.timeline = "00000001"
        self.replica = False
        self.sessions = 0
        self.closed = 0
        self.broken: Exception | None = None
        self.rows = "1"
        monkeypatch.setattr(BoundedPostgres, "connect", self._connect)

    def _connect(self, _endpoint: PostgresEndpoint, *, deadline_ns: int) -> Server:
        self.sessions += 1
        return self

    def close(self) -> None:
        self.closed += 1

    def execute(self, sql: str, *_parameters: str, deadline_ns: int) -> Answer:
        if self.broken is not None:
            raise self.broken
        if "INSERT" in sql:
            if self.replica:
                raise StatementError("cannot execute INSERT in a read-only transaction", "25006")
            return Answer(rows=((self.identifier, self.timeline),), command="SELECT 1")
        if "count(*)" in sql:
            return Answer(rows=((self.rows,),), command="SELECT 1")
        return Answer(rows=((self.identifier, "t" if self.replica else "f"),), command="SELECT 1")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    return Server(monkeypatch)


@pytest.mark.parametrize("kept", [False, True])
def test_the_primary_is_right_and_a_replica_is_not(server: Server, kept: bool) -> None:  # noqa: FBT001
    """The server's role at the moment of the write counts, also on a connection from before."""
    probe = PostgresWriteProbe(PostgresWrite(endpoint=PRIMARY, kept=kept))
    assert probe(0, LATER) == (Outcome.OK, "")
    server.replica = True
    outcome, detail = probe(0, LATER)
    assert outcome is Outcome.FAIL
    assert "read-only" in detail


def test_an_old_primary_is_not_right(server: Server) -> None:
    """Once a newer timeline was seen, an answer from an older one is that of an old primary."""
    probe = PostgresWriteProbe(PostgresWrite(endpoint=PRIMARY))
    server.timeline = "0000000B"
    assert probe(0, LATER)[0] is Outcome.OK
    server.timeline = "0000000A"
    outcome, detail = probe(1, LATER)
    assert outcome is Outcome.FAIL
    assert detail == "timeline 10 after 11 was seen: an old primary"


def test_another_cluster_is_not_right(server: Server) -> None:
    """A server with another identity is wrong in every role."""
    server.identifier = "8"
    assert "wrong server" in PostgresWriteProbe(PostgresWrite(endpoint=PRIMARY))(0, LATER)[1]
    server.replica = True
    assert "wrong server" in PostgresReadProbe(PostgresRead(endpoint=PRIMARY))(0, LATER)[1]


def test_a_kept_connection_is_kept_until_it_breaks(server: Server) -> None:
    """Each slot has a connection of its own, and opens another at its next probe after a wrong
    answer, whatever was wrong.
    """
    probe = PostgresWriteProbe(PostgresWrite(endpoint=PRIMARY, kept=True))
    for slot in (0, 0, 1, 1, 0):
        assert probe(slot, LATER)[0] is Outcome.OK
    assert (server.sessions, server.closed) == (2, 0)
    for broken, outcome in (
        (bounded_postgres.ConnectionLostError("gone"), Outcome.INDETERMINATE),
        (DeadlineExceededError("silent"), Outcome.INDETERMINATE),
        (StatementError("no", "25006"), Outcome.FAIL),
    ):
        server.broken = broken
        before = server.sessions, server.closed
        assert probe(0, LATER)[0] is outcome
        server.broken = None
        assert probe(0, LATER)[0] is Outcome.OK
        assert (server.sessions, server.closed) == (before[0] + 1, before[1] + 1)


def test_a_new_connection_is_new_each_time(server: Server) -> None:
    """No session outlives its probe."""
    probe = PostgresWriteProbe(PostgresWrite(endpoint=PRIMARY))
    assert [probe(0, LATER)[0] for _ in range(3)] == [Outcome.OK] * 3
    assert (server.sessions, server.closed) == (3, 3)


def test_a_read_is_right_from_a_replica_with_the_old_write(server: Server) -> None:
    """A primary, and a replica without the acknowledged write, are wrong."""
    held = (Sentinel(client=1, seq=2, payload=3),)
    probe = PostgresReadProbe(PostgresRead(endpoint=PRIMARY, sentinels=held))
    assert "not in recovery" in probe(0, LATER)[1]
    server.replica = True
    assert probe(0, LATER) == (Outcome.OK, "")
    server.rows = "0"
    assert probe(0, LATER) == (Outcome.FAIL, "ledger row 1:2 is missing")


# -- Redis ----------------------------------------------------------------------------------------

CLUSTER = RedisEndpoint(nodes=(), cluster=True, seeds=(("seed", 1),))
SHARD = RedisShardWrite(endpoint=CLUSTER, first_slot=0, last_slot=16_383)


class Node:
    """A node of a cluster."""

    def __init__(self, role: bytes = b"master", epoch: int = 1) -> None:
        self.role = role
        self.epoch = epoch
        self.refuses: str | None = None
        self.raises: Exception | None = None
        self.lies = False
        self.gone = False
        self.asked = 0

    def exchange(self, commands: Sequence[Sequence[Word]], *, deadline_ns: int) -> list[Reply]:
        self.asked += 1
        if self.raises is not None:
            raise self.raises
        return [self._reply(command, commands) for command in commands]

    def close(self) -> None:
        pass

    def _reply(self, command: Sequence[Word], commands: Sequence[Sequence[Word]]) -> Reply:
        written = next(one[2] for one in commands if one[0] == "SET")
        assert isinstance(written, bytes)
        match command[0]:
            case "ROLE":
                return [self.role, 0, []]
            case "CLUSTER":
                return b"cluster_state:ok\r\ncluster_my_epoch:%d\r\n" % self.epoch
            case _ if self.refuses is not None:
                return ErrorReply(self.refuses)
            case "SET":
                return b"OK"
            case "GET":
                return b"another" if self.lies else written
            case _:
                return 1


class Nodes:
    """A cluster: the map that is read, and the nodes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.nodes = {"a": Node(), "b": Node()}
        self.maps = iter(["a"])
        monkeypatch.setattr(redis_slots, "_ask", lambda *_: self._map())
        monkeypatch.setattr(BoundedRedis, "connect", self._connect)

    def _map(self) -> SlotMap:
        return SlotMap([(0, 16_383, (next(self.maps), 1))])

    def _connect(self, address: tuple[str, int], _access: object, *, deadline_ns: int) -> Node:
        if self.nodes[address[0]].gone:
            raise bounded_redis.NotConnectedError("refused")
        return self.nodes[address[0]]


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Nodes:
    return Nodes(monkeypatch)


def test_the_master_of_the_shard_is_right(nodes: Nodes) -> None:
    """Written and read at a master: right, and the map is asked for once."""
    probe = RedisShardProbe(SHARD)
    assert nodes.nodes["a"].asked == 0
    assert [probe(0, LATER) for _ in range(3)] == [(Outcome.OK, "")] * 3


@pytest.mark.parametrize(
    "spoil",
    [
        lambda node: setattr(node, "role", b"slave"),
        lambda node: setattr(node, "refuses", "MOVED 5 b:1"),
        lambda node: setattr(node, "refuses", "READONLY You can't write against a read only"),
        lambda node: setattr(node, "gone", True),
    ],
)
def test_a_stale_map_is_followed_within_the_probe(
    nodes: Nodes, spoil: Callable[[Node], None]
) -> None:
    """A node that is no master any more, redirects or is gone: the new map is followed at once."""
    nodes.maps = iter(["a", "b"])
    probe = RedisShardProbe(SHARD)
    assert probe(0, LATER)[0] is Outcome.OK
    spoil(nodes.nodes["a"])
    assert probe(0, LATER) == (Outcome.OK, "")


def test_a_wrong_role_stays_wrong(nodes: Nodes) -> None:
    """Where every map leads to a replica, the answer is wrong, and the asking ends."""
    nodes.maps = iter(["a"] * 10)
    nodes.nodes["a"].role = b"slave"
    outcome, detail = RedisShardProbe(SHARD)(0, LATER)
    assert outcome is Outcome.FAIL
    assert "expected master" in detail
    assert nodes.nodes["a"].asked == 3


def test_an_old_master_is_not_right(nodes: Nodes) -> None:
    """Once a newer configuration epoch was seen, an older one is that of a replaced master."""
    nodes.maps = iter(["b", "a", "a", "a"])
    nodes.nodes["b"].epoch = 9
    probe = RedisShardProbe(SHARD)
    assert probe(0, LATER)[0] is Outcome.OK
    nodes.nodes["b"].refuses = "CLUSTERDOWN The cluster is down"
    outcome, detail = probe(0, LATER)
    assert outcome is Outcome.FAIL
    assert "epoch 1 after 9 was seen: an old master" in detail


def test_what_was_sent_and_not_answered_is_not_sent_again(nodes: Nodes) -> None:
    """A lost connection is indeterminate, and the next probe reads the map anew."""
    nodes.maps = iter(["a", "b"])
    probe = RedisShardProbe(SHARD)
    assert probe(0, LATER)[0] is Outcome.OK
    nodes.nodes["a"].raises = bounded_redis.ConnectionLostError("reset")
    assert probe(0, LATER)[0] is Outcome.INDETERMINATE
    assert probe(0, LATER)[0] is Outcome.OK
    assert nodes.nodes["b"].asked == 1


def test_another_value_is_not_right(nodes: Nodes) -> None:
    """A node that reads back something else than was written is wrong."""
    nodes.maps = iter(["a"] * 10)
    nodes.nodes["a"].lies = True
    assert RedisShardProbe(SHARD)(0, LATER)[0] is Outcome.FAIL


# -- HTTP -----------------------------------------------------------------------------------------

ORDER = HttpRequest(
    address=("c", 80),
    host="c",
    method="POST",
    path="/checkout",
    body='{"id": "{id}"}',
    expect_status=201,
)


def answered(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[Request], Response]
) -> tuple[Outcome, str]:
    """One probe of a service that answers so."""
    monkeypatch.setattr(http, "ask", lambda request, **_: answer(request))
    return HttpProbe(ORDER)(0, LATER)


def test_an_order_is_right_with_its_status_and_its_own_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """The id of the request is in the answer."""
    right = answered(monkeypatch, lambda asked: Response(status=201, body=asked.body or b""))
    assert right == (Outcome.OK, "")


def test_an_answer_to_somebody_else_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of a proxy with the right status, and an echo with a wrong one, are wrong answers."""
    page = answered(monkeypatch, lambda _: Response(status=201, body=b"<html>"))
    assert page[0] is Outcome.FAIL
    refused = answered(monkeypatch, lambda asked: Response(status=503, body=asked.body or b""))
    assert refused[0] is Outcome.FAIL
    assert "got status 503, expected 201" in refused[1]


def test_no_connection_is_a_failure_and_silence_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused: nothing was asked. Silent: nobody knows."""

    def refuse(_: Request) -> Response:
        raise NoHttpConnectionError("refused")

    def say_nothing(_: Request) -> Response:
        raise DeadlineExceededError("no answer in time")

    assert answered(monkeypatch, refuse)[0] is Outcome.FAIL
    assert answered(monkeypatch, say_nothing)[0] is Outcome.INDETERMINATE
