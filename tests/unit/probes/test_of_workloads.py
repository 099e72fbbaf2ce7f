"""Which ways in are probed: one class for each, named as the plan and the report name it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.drivers import redis_slots
from harness.drivers.bounded_redis import NotConnectedError
from harness.drivers.redis import OPEN, Access
from harness.drivers.redis_slots import SlotMap
from harness.errors import InputError, SurroundingsError
from harness.ledger.game_day import ledgers_for, probe_name
from harness.model.cluster import ClusterAccess, Identity
from harness.model.codec import from_json, to_json
from harness.model.game_day import Way
from harness.model.workload import (
    BrokerWorkload,
    HttpWorkload,
    PostgresqlWorkload,
    RedisWorkload,
    Workload,
)
from harness.ports import PostgresEndpoint, RedisEndpoint
from harness.probes.config import (
    HttpRequest,
    KubernetesRead,
    PostgresWrite,
    ProberConfig,
    RedisShardWrite,
    Sentinel,
)
from harness.probes.of_workloads import (
    Held,
    Resolved,
    ResolvedAddress,
    ResolvedPostgresql,
    ResolvedRedis,
    Schedule,
    file_name,
    probes_for,
    subscriptions_for,
)
from harness.probes.resolving import resolve

WORKLOADS: tuple[Workload, ...] = (
    PostgresqlWorkload(id="orders", namespace="n", pods="app=p", service="p", read_service="r"),
    RedisWorkload(id="carts", namespace="n", pods="app=r", service="r"),
    BrokerWorkload(id="events", namespace="n", pods="app=b", service="b"),
    HttpWorkload(
        id="checkout",
        namespace="shop",
        pods="app=c",
        service="c",
        method="POST",
        path="/checkout",
        body='{"id": "{id}"}',
        expect_status=201,
    ),
)
PRIMARY = PostgresEndpoint(
    host="10.0.0.1", port=5432, database="d", user="u", system_identifier="7"
)
SHARDS = ((0, 5460), (5461, 10922), (10923, 16383))
REDIS = RedisEndpoint(nodes=(), cluster=True, seeds=(("10.0.0.3", 6379),))
RESOLVED = Resolved(
    postgresql={"orders": ResolvedPostgresql(primary=PRIMARY, replicas=PRIMARY)},
    redis={"carts": ResolvedRedis(endpoint=REDIS, access=OPEN, shards=SHARDS)},
    services={
        "events": ResolvedAddress(address=("10.0.0.4", 6379), host="b.n.svc"),
        "checkout": ResolvedAddress(address=("10.0.0.5", 80), host="c.shop.svc"),
    },
    api=KubernetesRead(kubeconfig=Path("/k"), context="c", uid="u"),
)
HELD = {"orders": Held(ledger="drill", sentinels=(Sentinel(client=1, seq=1, payload=5),))}
SCHEDULE = Schedule(output=Path("/run/observations"), trial="pod-kill-1", name="drill_probe")


def test_no_workload_is_no_probe() -> None:
    """Of nothing, nothing is probed."""
    assert probes_for((), tuple(Way), Resolved(), {}, SCHEDULE) == ()
    assert subscriptions_for((), tuple(Way), Resolved(), SCHEDULE, "c") == ()
    assert ledgers_for((), Resolved(), name="drill", directory=Path("/run/ledger")) == ()


def test_every_way_in_has_a_class_and_a_file_of_its_own() -> None:
    """The classes are named by workload and by what they do; each writes to its own file."""
    probes = probes_for(WORKLOADS, tuple(Way), RESOLVED, HELD, SCHEDULE)
    assert [(one.subject, one.way, one.probe_class) for one in probes] == [
        ("orders", Way.POSTGRESQL_NEW, "orders: write on a new connection"),
        ("orders", Way.POSTGRESQL_KEPT, "orders: write on a kept connection"),
        ("orders", Way.POSTGRESQL_READ, "orders: read on a new connection"),
        ("carts", Way.REDIS_SHARD, "carts: write, slots 0-5460"),
        ("carts", Way.REDIS_SHARD, "carts: write, slots 5461-10922"),
        ("carts", Way.REDIS_SHARD, "carts: write, slots 10923-16383"),
        ("checkout", Way.HTTP, "checkout: POST /checkout"),
        ("kubernetes", Way.API, "kubernetes: read"),
    ]
    config = ProberConfig(probes=probes)
    assert from_json(to_json(config), ProberConfig) == config


def test_what_is_demanded_comes_with_the_probe() -> None:
    """Old writes, the run's own table and keys, and the status of the workload are handed on."""
    new, *_, shard, http, _ = [
        one.ask for one in probes_for(WORKLOADS, tuple(Way), RESOLVED, HELD, SCHEDULE)
    ]
    assert isinstance(new, PostgresWrite)
    assert (new.table, new.ledger, new.sentinels) == (
        "drill_probe",
        "drill",
        HELD["orders"].sentinels,
    )
    assert isinstance(shard, RedisShardWrite)
    assert (shard.keys, shard.endpoint.seeds) == ("drill_probe", REDIS.seeds)
    assert isinstance(http, HttpRequest)
    assert (http.expect_status, http.host) == (201, "c.shop.svc")


def test_only_the_ways_that_are_asked_for() -> None:
    """A trial that asks for one way probes that one."""
    (only,) = probes_for(WORKLOADS, (Way.HTTP,), RESOLVED, HELD, SCHEDULE)
    assert only.way is Way.HTTP
    assert subscriptions_for(WORKLOADS, (Way.HTTP,), RESOLVED, SCHEDULE, "c") == ()


def test_a_broker_is_subscribed_to() -> None:
    """A broker has a publisher and three subscribers, and is not probed."""
    (broker,) = subscriptions_for(WORKLOADS, (Way.PUBSUB,), RESOLVED, SCHEDULE, "drill:1")
    assert (broker.subject, broker.channel, len(broker.subscribers)) == ("events", "drill:1", 3)
    assert broker.output == Path("/run/observations/pod-kill-1-events-subscriptions.jsonl")


def test_file_names_are_plain() -> None:
    """A file's name has no blank, no slash and no colon."""
    assert file_name("t-1", "checkout: POST /checkout") == "t-1-checkout-post-checkout.jsonl"


def test_each_durability_class_has_a_ledger() -> None:
    """PostgreSQL has one ledger; Redis one acknowledged by the master alone and one by a replica
    too, under names of their own.
    """
    kept = ledgers_for(WORKLOADS, RESOLVED, name="drill", directory=Path("/run/ledger"))
    assert [
        (one.workload, one.writer.subject, one.writer.name, one.writer.wait_replicas, one.logs)
        for one in kept
    ] == [
        ("orders", "orders", "drill", 0, 1),
        ("carts", "carts-wait0", "drill_wait0", 0, 3),
        ("carts", "carts-wait1", "drill_wait1", 1, 3),
    ]
    assert len({one.writer.directory for one in kept}) == 3
    assert probe_name("drill") == "drill_probe"


# -- asking for addresses -------------------------------------------------------------------------

ACCESS = ClusterAccess(
    kubeconfig=Path("/k"),
    identity=Identity(context="c", server="s", uid="u", version="v1.34.1"),
    provider="none",
    helper_image="busybox",
)
SERVED = tuple(one for one in WORKLOADS if isinstance(one, (BrokerWorkload, HttpWorkload)))


class Objects:
    """An API with some Services."""

    def __init__(self, addresses: dict[str, str]) -> None:
        self._addresses = addresses

    def get_object(
        self, api_version: str, kind: str, namespace: str, name: str
    ) -> dict[str, object] | None:
        found = self._addresses.get(f"{namespace}/{name}")
        return None if found is None else {"spec": {"clusterIP": found}}


def test_services_are_resolved_to_their_cluster_addresses() -> None:
    """Probers are told addresses; the name is what they send as Host."""
    found = resolve(SERVED, Objects({"n/b": "10.0.0.4", "shop/c": "10.0.0.5"}), ACCESS)
    assert found.services["checkout"].address == ("10.0.0.5", 80)
    assert found.services["checkout"].host == "c.shop.svc"
    assert found.api == KubernetesRead(kubeconfig=Path("/k"), context="c", uid="u")


@pytest.mark.parametrize("address", [None, "None", ""])
def test_a_service_without_an_address_is_refused(address: str | None) -> None:
    """A Service that does not exist, or has no address of its own, names itself and the hint."""
    there = {"n/b": "10.0.0.4"} | ({} if address is None else {"shop/c": address})
    with pytest.raises(InputError, match="service shop/c") as caught:
        resolve(SERVED, Objects(there), ACCESS)
    assert caught.value.hint == "kubectl -n shop get services"


def test_a_database_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that refuses for as long as is asked is an error of the surroundings."""

    def refuse(address: tuple[str, int], _access: Access, _deadline_ns: int) -> SlotMap:
        raise NotConnectedError(f"redis {address[0]}: refused")

    monkeypatch.setattr(redis_slots, "_ask", refuse)
    objects = Objects({"n/r": "10.0.0.3"})
    workload = RedisWorkload(id="carts", namespace="n", pods="app=r", service="r")
    with pytest.raises(SurroundingsError, match="workload carts: redis 10.0.0.3: refused"):
        resolve((workload,), objects, ACCESS, within_s=0)
