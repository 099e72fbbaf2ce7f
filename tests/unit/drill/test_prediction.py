"""What settings predict: each formula, what is not known, and that nothing gets better by worse."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from cluster_facts import (
    BROKER,
    CARTS,
    CHECKOUT,
    EVENTS,
    ORDERS,
    PATRONI,
    PODS,
    POSTGRESQL,
    REDIS,
    REDIS_CLUSTER,
    RTO,
    SETTINGS,
    SHOP,
    STATEFUL,
    WORKLOADS,
    member,
    with_workload,
)
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.drill.prediction import predict
from harness.drill.strike import How, Strike
from harness.model.cluster_settings import (
    ClusterSettings,
    ControlPlaneSettings,
    Span,
    WorkloadSettings,
)
from harness.model.game_day import Expected, Way
from harness.model.workload import KUBERNETES, Workload


def strike(how: How, workload: str = "", role: str = "", count: int = 1, **more: object) -> Strike:
    plain = Strike(how=how, action="an action", workload=workload, role=role, count=count)
    return replace(plain, **more)


def expected(
    of: Strike,
    way: Way,
    subject: str,
    settings: ClusterSettings | None = SETTINGS,
    workloads: Sequence[Workload] = WORKLOADS,
) -> Expected:
    prediction = predict([of], [way], workloads, [RTO], settings)
    (found,) = [one for one in prediction.expected if one.subject == subject]
    return found


def unpredicted(
    of: Strike, way: Way, settings: ClusterSettings | None = SETTINGS
) -> tuple[str, ...]:
    return predict([of], [way], WORKLOADS, [RTO], settings).unpredicted


def bounds(found: Expected) -> tuple[float, float | None]:
    return found.low_s, found.high_s


PRIMARY_NODE = strike(How.NODE_POWER, "orders", "primary")
ANY_NODE = strike(How.NODE_POWER)
MASTER_NODE = strike(How.NODE_POWER, "carts", "master")


class TestWithoutKnowledge:
    def test_nothing_asked_is_nothing_predicted(self) -> None:
        assert predict([ANY_NODE], [], WORKLOADS, [RTO], SETTINGS).expected == ()

    def test_no_settings_is_no_prediction(self) -> None:
        prediction = predict([ANY_NODE], [Way.HTTP], WORKLOADS, [RTO], None)
        assert prediction.expected == ()
        assert prediction.unpredicted == (
            "checkout: request: the cluster's settings were not read",
        )

    def test_no_strike_is_no_prediction(self) -> None:
        (line,) = predict([], [Way.API], WORKLOADS, [RTO], SETTINGS).unpredicted
        assert "what the experiment does is not known" in line

    @pytest.mark.parametrize(
        ("way", "workload", "reason"),
        [
            (Way.POSTGRESQL_NEW, replace(POSTGRESQL, patroni=None), "who fails it over"),
            (Way.POSTGRESQL_NEW, replace(POSTGRESQL, pods=None), "how its pods are run"),
            (Way.REDIS_SHARD, replace(REDIS_CLUSTER, redis=None), "its configuration"),
            (Way.REDIS_SHARD, replace(REDIS_CLUSTER, pods=None), "how its pods are run"),
            (
                Way.REDIS_SHARD,
                replace(REDIS_CLUSTER, members=(member("redis-0", 1),)),
                "which of its nodes are masters",
            ),
            (Way.HTTP, replace(SHOP, pods=None), "how its pods are run"),
            (Way.HTTP, replace(SHOP, members=()), "where its pods are"),
            (
                Way.HTTP,
                replace(SHOP, pods=None, unknown={"pods": "403: not allowed"}),
                "403: not allowed",
            ),
        ],
    )
    def test_what_was_not_read_is_named(
        self, way: Way, workload: WorkloadSettings, reason: str
    ) -> None:
        (line,) = unpredicted(
            strike(How.NODE_POWER, nodes=("worker-1",)), way, with_workload(workload)
        )
        assert reason in line

    def test_who_needs_a_service_beside_the_cluster(self) -> None:
        (line,) = unpredicted(strike(How.SERVICE, target="s3-primary"), Way.HTTP)
        assert "who needs s3-primary is not known" in line

    def test_roles_that_were_not_read_choose_nothing(self) -> None:
        roleless = replace(POSTGRESQL, members=(member("postgresql-0", 1),))
        (line,) = unpredicted(PRIMARY_NODE, Way.HTTP, with_workload(roleless))
        assert "who of orders is primary was not read" in line

    def test_nodes_that_were_not_read_are_not_drawn_from(self) -> None:
        (line,) = unpredicted(ANY_NODE, Way.HTTP, replace(SETTINGS, state=None))
        assert "the cluster's nodes were not read" in line


class TestPostgresql:
    def test_its_node_by_pattern_of_patroni(self) -> None:
        # ttl - loop_wait .. ttl, + loop_wait, + 2 s for the members' answers, + 2 s for endpoints.
        found = expected(PRIMARY_NODE, Way.POSTGRESQL_NEW, "orders")
        assert bounds(found) == (20, 44)
        assert found.misses is None
        assert any(
            "ttl 30 s" in line and "postgresql-primary-config" in line for line in found.because
        )

    def test_a_kept_connection_has_to_be_given_up(self) -> None:
        assert bounds(expected(PRIMARY_NODE, Way.POSTGRESQL_KEPT, "orders")) == (20, 45)
        process = strike(How.PROCESS, "orders", "primary")
        assert bounds(expected(process, Way.POSTGRESQL_KEPT, "orders")) == bounds(
            expected(process, Way.POSTGRESQL_NEW, "orders")
        )

    @pytest.mark.parametrize("how", [How.NODE_NETWORK, How.POD_NETWORK])
    def test_cut_off_is_as_long_as_away(self, how: How) -> None:
        found = expected(strike(how, "orders", "primary"), Way.POSTGRESQL_NEW, "orders")
        assert bounds(found) == (20, 44)

    def test_a_service_by_labels_keeps_the_dead_pod(self) -> None:
        by_labels = replace(POSTGRESQL, patroni=replace(PATRONI, service_selects=True))
        found = expected(PRIMARY_NODE, Way.POSTGRESQL_NEW, "orders", with_workload(by_labels))
        assert bounds(found) == (40, 62)
        cut_off = strike(How.POD_NETWORK, "orders", "primary")
        never = expected(cut_off, Way.POSTGRESQL_NEW, "orders", with_workload(by_labels))
        assert never.high_s is None

    def test_a_service_that_is_not_known_makes_it_wider(self) -> None:
        unknown = replace(POSTGRESQL, patroni=replace(PATRONI, service_selects=None))
        found = expected(PRIMARY_NODE, Way.POSTGRESQL_NEW, "orders", with_workload(unknown))
        assert bounds(found) == (20, 62)
        assert "how its Service finds the primary is not known" in found.because

    def test_a_process_is_started_in_place(self) -> None:
        found = expected(strike(How.PROCESS, "orders", "primary"), Way.POSTGRESQL_NEW, "orders")
        assert bounds(found) == (0, 10 + 300 + 14)
        assert found.misses == "may miss rto (5 min): up to 5 min 24 s"

    def test_without_a_start_timeout_it_is_given_away_at_once(self) -> None:
        at_once = replace(POSTGRESQL, patroni=replace(PATRONI, primary_start_timeout_s=0))
        process = strike(How.PROCESS, "orders", "primary")
        found = expected(process, Way.POSTGRESQL_NEW, "orders", with_workload(at_once))
        assert bounds(found) == (0, 24)

    def test_a_deleted_pod_gives_its_lock_back(self) -> None:
        found = expected(strike(How.DELETE, "orders", "primary"), Way.POSTGRESQL_NEW, "orders")
        assert bounds(found) == (0, 30 + 14)
        assert "it gives its lock back: this is a switch, not a failure" in found.because

    def test_a_pod_deleted_at_once_may_take_its_own_lock_again(self) -> None:
        deleted = strike(How.DELETE_AT_ONCE, "orders", "primary")
        assert bounds(expected(deleted, Way.POSTGRESQL_NEW, "orders")) == (0, 5 + 10 + 300 + 14)

    def test_a_synchronous_replica_holds_commits_up(self) -> None:
        replica = strike(How.NODE_POWER, "orders", "replica")
        assert bounds(expected(replica, Way.POSTGRESQL_NEW, "orders")) == (0, 70)
        killed = strike(How.PROCESS, "orders", "replica")
        assert bounds(expected(killed, Way.POSTGRESQL_NEW, "orders")) == (0, 10)
        alone = with_workload(replace(POSTGRESQL, patroni=replace(PATRONI, synchronous_mode=False)))
        assert bounds(expected(replica, Way.POSTGRESQL_NEW, "orders", alone)) == (0, 0)

    def test_reads_through_a_replica_that_is_away(self) -> None:
        replica = strike(How.NODE_POWER, "orders", "replica")
        assert bounds(expected(replica, Way.POSTGRESQL_READ, "orders")) == (40, 62)
        assert bounds(expected(PRIMARY_NODE, Way.POSTGRESQL_READ, "orders")) == (0, 56)

    def test_the_only_replica_is_no_replica_any_more(self) -> None:
        two = with_workload(replace(POSTGRESQL, members=POSTGRESQL.members[:2]))
        found = expected(PRIMARY_NODE, Way.POSTGRESQL_READ, "orders", two)
        assert found.high_s is None
        assert found.misses is not None
        assert found.misses.startswith("will miss rto (5 min): never by itself: the only replica")

    def test_a_single_server_stays_away_with_its_node(self) -> None:
        single = with_workload(replace(POSTGRESQL, members=POSTGRESQL.members[:1]))
        assert expected(PRIMARY_NODE, Way.POSTGRESQL_NEW, "orders", single).high_s is None


class TestRedis:
    def test_its_node(self) -> None:
        # 15 .. 22.5 to be found, 0.5 .. 2 to be elected, and once more after 4 x 15.
        found = expected(MASTER_NODE, Way.REDIS_SHARD, "carts")
        assert bounds(found) == (15.5, 24.5 + 60)
        assert any("usually 15.5 to 24.5 s in all" in line for line in found.because)

    def test_a_short_timeout_is_retried_after_four_seconds_at_the_least(self) -> None:
        quick = with_workload(replace(REDIS_CLUSTER, redis=replace(REDIS, node_timeout_s=0.5)))
        assert bounds(expected(MASTER_NODE, Way.REDIS_SHARD, "carts", quick)) == (1, 2.75 + 4)

    def test_two_of_three_masters_by_their_nodes_never_come_back(self) -> None:
        two = strike(How.NODE_POWER, "carts", "master", 2)
        found = expected(two, Way.REDIS_SHARD, "carts")
        assert found.high_s is None
        assert found.misses is not None
        assert "2 of 3 masters are away, and a promotion needs the majority" in found.misses

    def test_two_of_three_processes_come_back_by_the_kubelet(self) -> None:
        two = strike(How.PROCESS, "carts", "master", 2)
        assert bounds(expected(two, Way.REDIS_SHARD, "carts")) == (0, 6)

    def test_a_master_whose_replica_is_on_the_same_node(self) -> None:
        members = tuple(
            replace(one, node="worker-1") if one.pod == "redis-3" else one
            for one in REDIS_CLUSTER.members
        )
        together = with_workload(replace(REDIS_CLUSTER, members=members))
        found = expected(
            strike(How.NODE_POWER, nodes=("worker-1",)), Way.REDIS_SHARD, "carts", together
        )
        assert found.high_s is None
        assert any("no replica of redis-0 is left" in line for line in found.because)

    def test_only_a_replica(self) -> None:
        replica = strike(How.PROCESS, "carts", "replica")
        assert bounds(expected(replica, Way.REDIS_SHARD, "carts")) == (0, 0)

    def test_a_killed_process_is_back_before_anybody_takes_over(self) -> None:
        master = strike(How.PROCESS, "carts", "master")
        assert bounds(expected(master, Way.REDIS_SHARD, "carts")) == (0, 84.5)

    def test_a_drained_node_keeps_the_volume(self) -> None:
        drained = strike(How.EVICT, "carts", "master")
        assert bounds(expected(drained, Way.REDIS_SHARD, "carts")) == (0, 30 + 84.5)


class TestStateless:
    def test_one_of_three_nodes_is_a_matter_of_endpoints(self) -> None:
        # 50 s of grace from a heartbeat up to 10 s ago; looked at every 5 s, twice; + 2 s.
        assert bounds(expected(ANY_NODE, Way.HTTP, "checkout")) == (40, 62)

    def test_a_single_replica_on_default_settings_misses_five_minutes(self) -> None:
        single = with_workload(replace(SHOP, members=SHOP.members[:1]))
        found = expected(strike(How.NODE_POWER, "checkout"), Way.HTTP, "checkout", single)
        assert bounds(found) == (40 + 300 + 5, 60 + 300 + 15 + 2)
        assert found.misses == "will miss rto (5 min): 5 min 45 s at the least"

    def test_a_single_replica_whose_volume_is_attached(self) -> None:
        attached = replace(SHOP, members=SHOP.members[:1], pods=replace(PODS, volume="attached"))
        found = expected(
            strike(How.NODE_POWER, "checkout"), Way.HTTP, "checkout", with_workload(attached)
        )
        assert bounds(found) == (345, 377 + 360)

    @pytest.mark.parametrize(
        "pods",
        [
            replace(PODS, volume="node"),
            replace(PODS, controller="StatefulSet/checkout"),
            replace(PODS, unreachable_toleration_s=None),
        ],
    )
    def test_what_is_never_moved(self, pods: object) -> None:
        stays = with_workload(replace(SHOP, members=SHOP.members[:1], pods=pods))
        found = expected(strike(How.NODE_NETWORK, "checkout"), Way.HTTP, "checkout", stays)
        assert found.high_s is None

    @pytest.mark.parametrize(
        ("how", "some", "only"),
        [
            (How.DELETE, (0, 2), (5, 17)),
            (How.DELETE_AT_ONCE, (0, 2), (5, 17)),
            (How.CONTAINER, (0, 3), (5, 18)),
            (How.PROCESS, (0, 3), (5, 18)),
            (How.EVICT, (0, 2), (5, 17)),
            (How.POD_NETWORK, (0, None), (0, None)),
            (How.BLACK_HOLE, (0, None), (0, None)),
            (How.ROLLOUT, (0, None), (0, None)),
        ],
    )
    def test_with_other_pods_and_without(
        self, how: How, some: tuple[float, float | None], only: tuple[float, float | None]
    ) -> None:
        one = strike(how, "checkout")
        single = with_workload(replace(SHOP, members=SHOP.members[:1]))
        assert bounds(expected(one, Way.HTTP, "checkout")) == some
        assert bounds(expected(one, Way.HTTP, "checkout", single)) == only

    def test_a_new_version_is_not_detected_before_it_takes_requests(self) -> None:
        found = expected(strike(How.ROLLOUT, "checkout"), Way.HTTP, "checkout")
        assert any(
            line.startswith("5 to 17 s: the new version takes its first requests")
            for line in found.because
        )
        unread = with_workload(replace(SHOP, pods=None))
        still = expected(strike(How.ROLLOUT, "checkout"), Way.HTTP, "checkout", unread)
        assert bounds(still) == (0, None)

    def test_back_off_of_a_container_that_was_restarted(self) -> None:
        restarted = replace(SHOP, members=SHOP.members[:1], pods=replace(PODS, restarts=3))
        found = expected(
            strike(How.CONTAINER, "checkout"), Way.HTTP, "checkout", with_workload(restarted)
        )
        assert bounds(found) == (5, 18 + 40)

    def test_the_autoscaler_may_leave_fewer(self) -> None:
        scaled = with_workload(replace(SHOP, pods=replace(PODS, autoscaler_minimum=1)))
        found = expected(strike(How.DELETE, "checkout"), Way.HTTP, "checkout", scaled)
        assert any("the autoscaler may leave 1" in line for line in found.because)

    def test_a_broker_is_left_for_another_node_of_it(self) -> None:
        assert bounds(expected(ANY_NODE, Way.PUBSUB, "events")) == (0, 62)
        assert bounds(expected(PRIMARY_NODE, Way.PUBSUB, "events")) == (0, 62)
        away = with_workload(replace(BROKER, members=BROKER.members[:1]))
        assert bounds(expected(PRIMARY_NODE, Way.PUBSUB, "events", away)) == (0, 0)


class TestDependencies:
    needing = replace(CHECKOUT, depends_on=("orders", "carts"))

    def of(self, hit: Strike, settings: ClusterSettings = SETTINGS) -> Expected:
        return expected(hit, Way.HTTP, "checkout", settings, (ORDERS, CARTS, EVENTS, self.needing))

    def test_count_where_they_take_longer(self) -> None:
        cut_off = strike(How.POD_NETWORK, "orders", "primary")
        assert bounds(expected(cut_off, Way.HTTP, "checkout")) == (0, 0)
        found = self.of(cut_off)
        assert bounds(found) == (20, 44)
        assert any(line.startswith("it depends on orders") for line in found.because)

    def test_that_are_not_hit_add_nothing(self) -> None:
        deleted = strike(How.DELETE, "checkout")
        assert self.of(deleted) == expected(deleted, Way.HTTP, "checkout")

    def test_a_name_server_on_the_node_is_asked_in_vain(self) -> None:
        state = SETTINGS.state
        assert state is not None
        dns = replace(
            state.pods[0], name="coredns", namespace="kube-system", labels={"k8s-app": "kube-dns"}
        )
        elsewhere = with_workload(
            replace(SHOP, members=(member("checkout-1", 1), member("checkout-3", 3)))
        )
        without = self.of(PRIMARY_NODE, elsewhere)
        # Redis' master of that node is the longest that it waits for.
        assert bounds(without) == (20, 84.5)
        quick = with_workload(
            replace(REDIS_CLUSTER, redis=replace(REDIS, node_timeout_s=1)), elsewhere
        )
        with_dns = replace(quick, state=replace(state, pods=(*state.pods, dns)))
        assert bounds(self.of(PRIMARY_NODE, quick)) == (20, 44)
        # The longest is PostgreSQL's promotion, which waits for a lookup of its own: 5 s, and E.
        assert bounds(self.of(PRIMARY_NODE, with_dns)) == (20, 62 + 5 + 2)

    def test_a_promotion_waits_for_a_lookup_where_the_dns_is_on_the_primarys_node(self) -> None:
        state = SETTINGS.state
        assert state is not None
        dns = replace(
            state.pods[0],
            name="coredns",
            namespace="kube-system",
            labels={"k8s-app": "kube-dns"},
            node="worker-2",
        )
        with_dns = replace(SETTINGS, state=replace(state, pods=(*state.pods, dns)))
        beside = replace(dns, node="worker-3")
        elsewhere = replace(SETTINGS, state=replace(state, pods=(*state.pods, beside)))
        low, high = bounds(expected(PRIMARY_NODE, Way.POSTGRESQL_NEW, "orders"))
        assert bounds(expected(PRIMARY_NODE, Way.POSTGRESQL_NEW, "orders", with_dns)) == (low, 69)
        assert bounds(expected(PRIMARY_NODE, Way.POSTGRESQL_KEPT, "orders", with_dns)) == (low, 70)
        assert bounds(expected(PRIMARY_NODE, Way.POSTGRESQL_NEW, "orders", elsewhere)) == (
            low,
            high,
        )
        killed = strike(How.PROCESS, "orders", role="primary")
        without = expected(killed, Way.POSTGRESQL_NEW, "orders")
        assert expected(killed, Way.POSTGRESQL_NEW, "orders", with_dns) == without


class TestControlPlane:
    member = strike(How.CONTROL_PLANE)
    leader = strike(How.CONTROL_PLANE, leader=True)

    def test_any_member_may_be_the_leader(self) -> None:
        assert bounds(expected(self.member, Way.API, KUBERNETES)) == (0, 2 + 4)
        assert bounds(expected(self.leader, Way.API, KUBERNETES)) == (1, 2 + 4)

    @pytest.mark.parametrize(
        ("control_plane", "reason"),
        [
            (None, "how the control plane is run"),
            (ControlPlaneSettings(members=3, election_timeout_s=1), "how its load balancer"),
            (
                ControlPlaneSettings(members=3, balancer=Span(low_s=0, high_s=1, source="x")),
                "etcd's election timeout",
            ),
        ],
    )
    def test_what_is_not_known_is_not_predicted(
        self, control_plane: ControlPlaneSettings | None, reason: str
    ) -> None:
        (line,) = unpredicted(self.member, Way.API, replace(SETTINGS, control_plane=control_plane))
        assert reason in line

    def test_the_only_member(self) -> None:
        single = replace(SETTINGS, control_plane=ControlPlaneSettings(members=1))
        assert expected(self.member, Way.API, KUBERNETES, single).high_s is None

    def test_a_zone_takes_the_member_that_is_in_it(self) -> None:
        zone = strike(How.NODE_POWER, whole_zone=True, zone="zone-1")
        assert bounds(expected(zone, Way.API, KUBERNETES)) == (0, 6)
        control_plane = replace(
            SETTINGS.control_plane or ControlPlaneSettings(members=3), machines={}
        )
        (line,) = unpredicted(zone, Way.API, replace(SETTINGS, control_plane=control_plane))
        assert "which machines of the control plane are hit is not known" in line

    def test_a_worker_is_none_of_it(self) -> None:
        assert bounds(expected(ANY_NODE, Way.API, KUBERNETES)) == (0, 0)

    def test_databases_go_on_without_the_api(self) -> None:
        for way, subject in (
            (Way.POSTGRESQL_NEW, "orders"),
            (Way.REDIS_SHARD, "carts"),
            (Way.HTTP, "checkout"),
        ):
            assert bounds(expected(self.leader, way, subject)) == (0, 0)

    def test_a_primary_without_failsafe_mode_steps_down(self) -> None:
        strict = with_workload(replace(POSTGRESQL, patroni=replace(PATRONI, failsafe_mode=False)))
        assert bounds(expected(self.leader, Way.POSTGRESQL_NEW, "orders", strict)) == (0, 26)


class TestChoices:
    def test_a_drawn_node_has_the_range_of_all(self) -> None:
        found = expected(ANY_NODE, Way.POSTGRESQL_NEW, "orders")
        assert bounds(found) == (0, 70)
        assert found.because[0] == "by what is hit; the longest:"

    def test_several_strikes_are_as_long_as_the_longest(self) -> None:
        both = [strike(How.DELETE, "checkout"), strike(How.BLACK_HOLE, "checkout", count=0)]
        (found,) = predict(both, [Way.HTTP], WORKLOADS, [RTO], SETTINGS).expected
        assert found.high_s is None

    def test_a_named_pod(self) -> None:
        named = strike(How.PROCESS, "orders", pods=("postgresql-1",))
        assert bounds(expected(named, Way.POSTGRESQL_NEW, "orders")) == (0, 10)
        (line,) = unpredicted(
            strike(How.PROCESS, "orders", pods=("postgresql-9",)), Way.POSTGRESQL_NEW
        )
        assert "orders has no postgresql-9 now" in line


seconds = st.integers(0, 600)


def _high(found: Expected) -> float:
    return math.inf if found.high_s is None else found.high_s


@given(
    ttl=st.integers(20, 600),
    longer=seconds,
    loop=st.integers(1, 10),
    how=st.sampled_from(How),
    role=st.sampled_from(["primary", "replica"]),
    way=st.sampled_from([Way.POSTGRESQL_NEW, Way.POSTGRESQL_KEPT, Way.POSTGRESQL_READ]),
)
def test_a_longer_ttl_never_shortens_a_prediction(
    ttl: int, longer: int, loop: int, how: How, role: str, way: Way
) -> None:
    def with_ttl(ttl_s: float) -> list[Expected]:
        patroni = replace(PATRONI, ttl_s=ttl_s, loop_wait_s=loop)
        settings = with_workload(replace(POSTGRESQL, patroni=patroni))
        return list(
            predict([strike(how, "orders", role)], [way], WORKLOADS, [RTO], settings).expected
        )

    for short, long in zip(with_ttl(ttl), with_ttl(ttl + longer), strict=True):
        assert short.low_s <= long.low_s
        assert _high(short) <= _high(long)


@given(
    timeout=st.integers(1, 600),
    longer=seconds,
    how=st.sampled_from(How),
    role=st.sampled_from(["master", "replica"]),
    count=st.integers(1, 3),
)
def test_a_longer_node_timeout_never_shortens_a_prediction(
    timeout: int, longer: int, how: How, role: str, count: int
) -> None:
    def with_timeout(timeout_s: float) -> list[Expected]:
        redis = replace(REDIS, node_timeout_s=timeout_s)
        settings = with_workload(replace(REDIS_CLUSTER, redis=redis))
        hit = strike(how, "carts", role, count)
        return list(predict([hit], [Way.REDIS_SHARD], WORKLOADS, [RTO], settings).expected)

    for short, long in zip(with_timeout(timeout), with_timeout(timeout + longer), strict=True):
        assert short.low_s <= long.low_s
        assert _high(short) <= _high(long)


@given(
    grace=seconds,
    longer=seconds,
    toleration=seconds,
    how=st.sampled_from(How),
    replicas=st.integers(1, 3),
)
def test_a_longer_grace_or_toleration_never_shortens_a_prediction(
    grace: int, longer: int, toleration: int, how: How, replicas: int
) -> None:
    def with_grace(grace_s: float, toleration_s: float) -> Expected:
        shop = replace(
            SHOP,
            members=SHOP.members[:replicas],
            pods=replace(PODS, unreachable_toleration_s=toleration_s),
        )
        span = Span(low_s=grace_s, high_s=grace_s, source="its flag")
        settings = replace(with_workload(shop), node_grace=span)
        (found,) = predict(
            [strike(how, "checkout")], [Way.HTTP], (CHECKOUT,), [RTO], settings
        ).expected or (None,)
        assert found is not None
        return found

    if how in {How.SERVICE, How.CONTROL_PLANE}:
        return
    short = with_grace(grace, toleration)
    for long in (with_grace(grace + longer, toleration), with_grace(grace, toleration + longer)):
        assert short.low_s <= long.low_s
        assert _high(short) <= _high(long)


@given(
    how=st.sampled_from(How),
    workload=st.sampled_from(["", "orders", "carts", "events", "checkout"]),
    role=st.sampled_from(["", "primary", "master", "replica"]),
    count=st.integers(0, 7),
    stateful=st.booleans(),
)
def test_every_way_in_has_a_prediction_or_a_reason(
    how: How, workload: str, role: str, count: int, *, stateful: bool
) -> None:
    settings = with_workload(replace(SHOP, pods=STATEFUL)) if stateful else SETTINGS
    prediction = predict(
        [strike(how, workload, role, count)], tuple(Way), WORKLOADS, [RTO], settings
    )
    assert len(prediction.expected) + len(prediction.unpredicted) == 7
    for found in prediction.expected:
        assert found.because
        assert found.low_s >= 0
        assert found.high_s is None or found.low_s <= found.high_s
        if found.high_s is None:
            assert found.misses is not None
