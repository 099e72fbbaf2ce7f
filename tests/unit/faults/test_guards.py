"""What may be broken, and what may not: every guard with a twin that passes."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.faults.guards import conduct_refusals, refusals
from harness.model.blow import Blow, QuorumGroup
from harness.model.cluster import DisruptionBudget, Identity, Node, Pod, State
from harness.model.game_day import Caps
from harness.model.window import Weekday, Window


def node(name: str, zone: str = "zone-1", **changes: object) -> Node:
    plain = Node(
        name=name,
        uid=f"uid-{name}",
        boot_id=f"boot-{name}",
        ready=True,
        unschedulable=False,
        zone=zone,
        control_plane=False,
        provider_id="",
    )
    return replace(plain, **changes)


def pod(name: str, on: str, namespace: str = "shop", **changes: object) -> Pod:
    plain = Pod(
        namespace=namespace,
        name=name,
        uid=f"uid-{name}",
        node=on,
        address="10.0.0.1",
        phase="Running",
        ready=True,
        terminating=False,
        owner="StatefulSet/orders",
        labels={"app": "orders"},
    )
    return replace(plain, **changes)


def state(
    nodes: Iterable[Node] | None = None,
    pods: Iterable[Pod] | None = None,
    budgets: Iterable[DisruptionBudget] = (),
) -> State:
    usual_nodes = [node(f"worker-{n}", f"zone-{n}") for n in (1, 2, 3)]
    usual_pods = [pod(f"orders-{n}", f"worker-{n + 1}") for n in (0, 1, 2)]
    return State(
        nodes=tuple(usual_nodes if nodes is None else nodes),
        pods=tuple(usual_pods if pods is None else pods),
        budgets=tuple(budgets),
    )


def blow(  # the sets are written as sets
    *,
    pods: AbstractSet[str] = frozenset(),
    nodes: AbstractSet[str] = frozenset(),
    control_plane: AbstractSet[str] = frozenset(),
    gives_up: AbstractSet[str] = frozenset(),
    zone: str | None = None,
    voluntary: bool = False,
    quorums: tuple[QuorumGroup, ...] = (),
) -> Blow:
    return Blow(
        action="power cut",
        pods=frozenset(pods),
        nodes=frozenset(nodes),
        control_plane=frozenset(control_plane),
        gives_up=frozenset(gives_up),
        zone=zone,
        voluntary=voluntary,
        quorums=quorums,
    )


def members(up: int = 3, quorum: int = 2, *, of: int = 3) -> QuorumGroup:
    return QuorumGroup(
        name="orders",
        members={f"orders-{n}": f"shop/orders-{n}" for n in range(of)},
        up=frozenset(f"orders-{n}" for n in range(up)),
        quorum=quorum,
    )


ETCD = QuorumGroup(
    name="etcd",
    members={f"master-{n}": f"master-{n}" for n in (1, 2, 3)},
    up=frozenset({"master-1", "master-2", "master-3"}),
    quorum=2,
)


def test_nothing_selected_is_refused() -> None:
    (reason,) = refusals(state(), Caps(), blow())
    assert reason == "power cut: selects nothing, expected one target or more"


def test_no_state_is_refused() -> None:
    empty = State(nodes=(), pods=(), budgets=())
    assert any(
        "no node of the cluster could be read" in one
        for one in refusals(empty, Caps(), blow(nodes={"worker-1"}))
    )
    assert refusals(empty, Caps(), blow(pods={"shop/orders-0"}))
    assert refusals(empty, Caps(), blow(control_plane={"master-1"}, quorums=(ETCD,)))


def test_what_is_not_in_the_state_is_refused() -> None:
    reasons = refusals(state(), Caps(), blow(pods={"shop/other"}, nodes={"worker-9"}))
    assert "power cut: pod shop/other is not in the cluster's state, expected it there" in reasons
    assert any("node worker-9 is not in the cluster's state" in one for one in reasons)


@pytest.mark.parametrize(
    "harmless",
    [
        blow(pods={"shop/orders-0"}),
        blow(pods={"shop/orders-0"}, quorums=(members(),)),
        blow(nodes={"worker-1"}, quorums=(members(),)),
        blow(nodes={"worker-1"}, zone="zone-1"),
        blow(control_plane={"master-1"}, quorums=(ETCD,)),
    ],
)
def test_one_of_three_may_go(harmless: Blow) -> None:
    assert refusals(state(), Caps(), harmless) == ()


def test_two_of_three_nodes_are_beyond_the_cap() -> None:
    (reason,) = refusals(state(), Caps(), blow(nodes={"worker-1", "worker-2"}))
    assert reason == (
        "power cut: takes 2 of 3 workers (worker-1, worker-2), expected 1 at most "
        "(cap nodes = 0.34)"
    )


@pytest.mark.parametrize(("share", "refused"), [(0.0, True), (0.01, False), (0.5, False)])
def test_a_share_of_less_than_one_node_is_one_and_no_share_is_none(
    share: float, *, refused: bool
) -> None:
    reasons = refusals(state(), Caps(nodes=share), blow(nodes={"worker-1"}))
    assert bool(reasons) is refused


def test_the_only_node_takes_a_share_that_says_so() -> None:
    alone = state(nodes=[node("worker-1")])
    assert refusals(alone, Caps(nodes=0.99), blow(nodes={"worker-1"}))
    assert not refusals(alone, Caps(nodes=1.0), blow(nodes={"worker-1"}))


def test_a_node_that_is_away_already_uses_the_share_up() -> None:
    nodes = [
        node("worker-1", "zone-1"),
        node("worker-2", "zone-2", ready=False),
        node("worker-3", "zone-3"),
    ]
    (reason,) = refusals(state(nodes=nodes), Caps(), blow(nodes={"worker-1"}))
    assert "takes 1 of 3 workers (worker-1) beside 1 already away (worker-2)" in reason


def test_a_target_that_is_not_ready_is_refused() -> None:
    nodes = [node("worker-1", ready=False), node("worker-2"), node("worker-3")]
    (reason,) = refusals(state(nodes=nodes), Caps(), blow(nodes={"worker-1"}))
    assert "node worker-1 is not ready already" in reason


def test_the_share_of_a_zone() -> None:
    nodes = [node(f"worker-{n}", "zone-1" if n < 5 else "zone-2") for n in range(1, 9)]
    two = blow(nodes={"worker-1", "worker-2"})
    assert not refusals(state(nodes=nodes), Caps(nodes=0.5, nodes_of_zone=0.5), two)
    (reason,) = refusals(state(nodes=nodes), Caps(nodes=0.5, nodes_of_zone=0.25), two)
    assert "of 4 workers of zone zone-1" in reason
    assert "cap nodes_of_zone = 0.25" in reason


def test_a_zone_is_all_of_it_and_nothing_else() -> None:
    nodes = [
        node("worker-1", "a"),
        node("worker-2", "a"),
        node("worker-3", "b"),
        node("worker-4", "b"),
    ]
    caps = Caps(nodes=1.0)
    assert not refusals(state(nodes=nodes), caps, blow(nodes={"worker-1", "worker-2"}, zone="a"))
    (left_out,) = refusals(state(nodes=nodes), caps, blow(nodes={"worker-1"}, zone="a"))
    assert "node worker-2 of zone a is left out" in left_out
    foreign = blow(nodes={"worker-1", "worker-2", "worker-3"}, zone="a")
    assert any(
        "worker-3 is not in zone a" in one for one in refusals(state(nodes=nodes), caps, foreign)
    )
    assert refusals(state(nodes=[node("worker-1", "")]), caps, blow(nodes={"worker-1"}, zone=""))


def test_the_share_of_a_namespace() -> None:
    assert not refusals(
        state(), Caps(pods_of_namespace=0.67), blow(pods={"shop/orders-0", "shop/orders-1"})
    )
    (reason,) = refusals(
        state(), Caps(pods_of_namespace=0.66), blow(pods={"shop/orders-0", "shop/orders-1"})
    )
    assert "takes 2 of 3 pods of namespace shop" in reason
    assert "expected 1 at most (cap pods_of_namespace = 0.66)" in reason


def test_finished_pods_are_no_part_of_a_namespace() -> None:
    pods = [pod("orders-0", "worker-1"), pod("orders-1", "worker-1")]
    pods += [pod(f"job-{n}", "worker-1", phase="Succeeded", ready=False) for n in range(8)]
    two = blow(pods={"shop/orders-0", "shop/orders-1"})
    assert refusals(state(pods=pods), Caps(pods_of_namespace=0.8), two)


def test_a_pod_that_is_away_already_uses_the_share_up() -> None:
    pods = [pod("orders-0", "worker-1"), pod("orders-1", "worker-2", ready=False)]
    pods.append(pod("orders-2", "worker-3"))
    (reason,) = refusals(
        state(pods=pods), Caps(pods_of_namespace=0.5), blow(pods={"shop/orders-0"})
    )
    assert "beside 1 already away (shop/orders-1)" in reason


class TestDisruptionBudgets:
    budget = DisruptionBudget(
        namespace="shop", name="orders", match_labels={"app": "orders"}, disruptions_allowed=1
    )
    full = replace(budget, disruptions_allowed=0)

    def test_count_for_what_is_voluntary_only(self) -> None:
        full = state(budgets=[self.full])
        assert not refusals(full, Caps(), blow(pods={"shop/orders-0"}))
        (reason,) = refusals(full, Caps(), blow(pods={"shop/orders-0"}, voluntary=True))
        assert "PodDisruptionBudget shop/orders allows 0 disruptions of shop/orders-0" in reason

    def test_with_room_nothing_is_refused(self) -> None:
        roomy = state(budgets=[self.budget])
        assert not refusals(roomy, Caps(), blow(pods={"shop/orders-0"}, voluntary=True))
        assert not refusals(roomy, Caps(), blow(nodes={"worker-1"}, voluntary=True))

    def test_more_than_there_is_room_for(self) -> None:
        two = blow(pods={"shop/orders-0", "shop/orders-1"}, voluntary=True)
        assert refusals(state(budgets=[self.budget]), Caps(), two)

    def test_a_drain_needs_room_for_one_at_a_time(self) -> None:
        both = [pod("orders-0", "worker-1"), pod("orders-1", "worker-1")]
        drain = blow(nodes={"worker-1"}, voluntary=True)
        assert not refusals(state(pods=both, budgets=[self.budget]), Caps(), drain)
        assert refusals(state(pods=both, budgets=[self.full]), Caps(), drain)

    def test_a_drain_leaves_daemon_sets_and_finished_pods(self) -> None:
        stay = [
            pod("agent", "worker-1", owner="DaemonSet/agent"),
            pod("done", "worker-1", phase="Succeeded"),
            pod("orders-0", "worker-2"),
        ]
        drain = blow(nodes={"worker-1"}, voluntary=True)
        assert not refusals(state(pods=stay, budgets=[self.full]), Caps(), drain)

    def test_of_other_pods_do_not_count(self) -> None:
        others = [
            replace(self.full, namespace="else"),
            replace(self.full, match_labels={"app": "x"}),
        ]
        assert not refusals(
            state(budgets=others), Caps(), blow(pods={"shop/orders-0"}, voluntary=True)
        )

    def test_without_labels_it_is_about_all_pods_of_its_namespace(self) -> None:
        all_pods = replace(self.full, match_labels={})
        assert refusals(
            state(budgets=[all_pods]), Caps(), blow(pods={"shop/orders-0"}, voluntary=True)
        )

    def test_two_of_one_pod_are_refused(self) -> None:
        two = state(budgets=[self.budget, replace(self.budget, name="more")])
        (reason,) = refusals(two, Caps(), blow(pods={"shop/orders-0"}, voluntary=True))
        assert "has 2 PodDisruptionBudgets (more, orders)" in reason

    def test_caps_may_leave_them_out(self) -> None:
        caps = Caps(keep_disruption_budget=False)
        assert not refusals(
            state(budgets=[self.full]), caps, blow(pods={"shop/orders-0"}, voluntary=True)
        )

    def test_a_cordoned_node_is_not_drained_again(self) -> None:
        nodes = [node("worker-1", unschedulable=True), node("worker-2"), node("worker-3")]
        assert not refusals(state(nodes=nodes), Caps(), blow(nodes={"worker-1"}))
        (reason,) = refusals(state(nodes=nodes), Caps(), blow(nodes={"worker-1"}, voluntary=True))
        assert "node worker-1 is cordoned already" in reason


class TestQuorum:
    two = blow(pods={"shop/orders-0", "shop/orders-1"}, quorums=(members(),))

    def test_would_be_lost(self) -> None:
        (reason,) = refusals(state(), Caps(), self.two)
        assert reason == (
            "power cut: leaves orders 1 of 3 members, expected 2 or more: its quorum would be lost "
            "(cap keep_quorum)"
        )

    def test_pods_go_with_their_nodes(self) -> None:
        pods = [
            pod("orders-0", "worker-1"),
            pod("orders-1", "worker-1"),
            pod("orders-2", "worker-2"),
        ]
        one_node = blow(nodes={"worker-1"}, quorums=(members(),))
        assert any("would be lost" in one for one in refusals(state(pods=pods), Caps(), one_node))
        other = blow(nodes={"worker-2"}, quorums=(members(),))
        assert not refusals(state(pods=pods), Caps(), other)

    def test_is_lost_already(self) -> None:
        lost = blow(pods={"shop/orders-2"}, quorums=(members(up=1),))
        (reason,) = refusals(state(), Caps(), lost)
        assert "its quorum is lost already" in reason

    def test_is_lost_already_also_where_it_is_given_up(self) -> None:
        lost = blow(pods={"shop/orders-2"}, quorums=(members(up=1),), gives_up={"orders"})
        assert refusals(state(), Caps(), lost)

    def test_one_that_is_down_counts(self) -> None:
        at_the_edge = blow(pods={"shop/orders-0"}, quorums=(members(up=2),))
        assert refusals(state(), Caps(), at_the_edge)

    def test_an_experiment_may_say_that_it_gives_it_up(self) -> None:
        assert not refusals(state(), Caps(), replace(self.two, gives_up=frozenset({"orders"})))
        assert refusals(state(), Caps(), replace(self.two, gives_up=frozenset({"carts"})))

    def test_caps_may_leave_it_out(self) -> None:
        assert not refusals(state(), Caps(keep_quorum=False), self.two)

    @pytest.mark.parametrize("unknown", [members(of=0), members(quorum=0), members(quorum=4)])
    def test_that_is_not_known_is_refused(self, unknown: QuorumGroup) -> None:
        (reason,) = refusals(state(), Caps(), blow(pods={"shop/orders-0"}, quorums=(unknown,)))
        assert "expected as many members as the quorum needs" in reason

    def test_of_etcd(self) -> None:
        two = blow(control_plane={"master-1", "master-2"}, quorums=(ETCD,))
        assert any("leaves etcd 1 of 3" in one for one in refusals(state(), Caps(), two))

    def test_of_a_control_plane_that_nobody_knows(self) -> None:
        (reason,) = refusals(state(), Caps(), blow(control_plane={"master-1"}))
        assert "of which quorum master-1 of the control plane is a member is not known" in reason
        nodes = [node("worker-1"), node("server", control_plane=True)]
        assert refusals(state(nodes=nodes), Caps(), blow(nodes={"server"}))


shares = st.floats(min_value=0, max_value=1, allow_nan=False)


@st.composite
def situations(draw: st.DrawFn) -> tuple[State, Blow]:
    count = draw(st.integers(1, 6))
    nodes = [
        node(f"worker-{n}", draw(st.sampled_from(["a", "b", ""])), ready=draw(st.booleans()))
        for n in range(count)
    ]
    pods = [
        pod(
            f"orders-{n}",
            f"worker-{draw(st.integers(0, count - 1))}",
            draw(st.sampled_from(["shop", "bank"])),
            ready=draw(st.booleans()),
        )
        for n in range(draw(st.integers(0, 6)))
    ]
    chosen_pods = (
        draw(st.sets(st.sampled_from([f"{p.namespace}/{p.name}" for p in pods]))) if pods else set()
    )
    chosen_nodes = draw(st.sets(st.sampled_from([n.name for n in nodes])))
    group = QuorumGroup(
        name="orders",
        members={p.name: f"{p.namespace}/{p.name}" for p in pods},
        up=frozenset(p.name for p in pods if p.ready),
        quorum=draw(st.integers(0, 6)),
    )
    return (
        state(nodes=nodes, pods=pods),
        blow(
            pods=chosen_pods,
            nodes=chosen_nodes,
            voluntary=draw(st.booleans()),
            quorums=(group,),
        ),
    )


caps_of = st.builds(
    Caps,
    pods_of_namespace=shares,
    nodes=shares,
    nodes_of_zone=shares,
    keep_disruption_budget=st.booleans(),
    keep_quorum=st.booleans(),
)


@given(situations(), caps_of, caps_of)
def test_a_smaller_cap_never_allows_more(
    situation: tuple[State, Blow], one: Caps, other: Caps
) -> None:
    smaller = Caps(
        pods_of_namespace=min(one.pods_of_namespace, other.pods_of_namespace),
        nodes=min(one.nodes, other.nodes),
        nodes_of_zone=min(one.nodes_of_zone, other.nodes_of_zone),
        keep_disruption_budget=one.keep_disruption_budget or other.keep_disruption_budget,
        keep_quorum=one.keep_quorum or other.keep_quorum,
    )
    if not refusals(*reversed_arguments(situation, smaller)):
        assert not refusals(*reversed_arguments(situation, one))


@given(situations(), caps_of, st.data())
def test_a_smaller_blow_is_never_refused_where_a_larger_passed(
    situation: tuple[State, Blow], caps: Caps, data: st.DataObject
) -> None:
    there, larger = situation
    if not larger.nodes or refusals(there, caps, larger):
        return
    fewer = data.draw(st.sets(st.sampled_from(sorted(larger.nodes)), min_size=1))
    assert not refusals(there, caps, replace(larger, nodes=frozenset(fewer)))


def reversed_arguments(situation: tuple[State, Blow], caps: Caps) -> tuple[State, Caps, Blow]:
    return situation[0], caps, situation[1]


class TestConduct:
    identity = Identity(
        context="staging", server="https://10.0.0.1:6443", uid="1f", version="v1.34.1"
    )
    now = datetime(2026, 11, 25, 21, tzinfo=UTC)  # a Wednesday
    window = Window(weekday=Weekday.WEDNESDAY, start=time(20), end=time(22))

    def reasons(self, **changes: object) -> tuple[str, ...]:
        usual: dict[str, Any] = {
            "environment": "staging",
            "expected": {"staging": "1f"},
            "found": self.identity,
            "production": False,
            "named": None,
            "windows": (),
            "now": self.now,
            "lasting": timedelta(minutes=30),
            "holder": None,
        }
        return conduct_refusals(**usual | changes)

    def test_a_drill_may_begin(self) -> None:
        assert self.reasons() == ()

    def test_an_empty_allow_list_allows_nothing(self) -> None:
        (reason,) = self.reasons(expected={})
        assert (
            "context 'staging' is not on the allow-list of staging, expected one of: none" in reason
        )

    def test_another_cluster_under_the_same_name(self) -> None:
        (reason,) = self.reasons(found=replace(self.identity, uid="2e"))
        assert "leads to cluster 2e (https://10.0.0.1:6443), expected 1f" in reason

    def test_no_uid_is_no_uid_in_common(self) -> None:
        assert self.reasons(expected={"staging": ""}, found=replace(self.identity, uid=""))

    def test_production_is_named_and_has_a_window(self) -> None:
        production: dict[str, Any] = {"production": True, "windows": (self.window,)}
        assert self.reasons(**production, named="staging") == ()
        (unnamed,) = self.reasons(**production)
        assert "got no --production, expected --production staging" in unnamed
        (other,) = self.reasons(**production, named="live")
        assert "got --production live" in other
        (no_window,) = self.reasons(production=True, named="staging")
        assert "has no maintenance window" in no_window

    def test_a_window_binds_whoever_has_one(self) -> None:
        (reason,) = self.reasons(windows=(self.window,), now=self.now + timedelta(hours=1))
        assert "Wednesday 22:00:00 UTC" in reason
        assert "expected wednesday 20:00 to 22:00 UTC" in reason

    def test_the_drill_ends_within_the_window(self) -> None:
        assert not self.reasons(windows=(self.window,), lasting=timedelta(hours=1))
        assert self.reasons(windows=(self.window,), lasting=timedelta(hours=1, seconds=1))

    def test_one_drill_at_a_time(self) -> None:
        (reason,) = self.reasons(holder="alice@host/run-7")
        assert "the lease is held by alice@host/run-7" in reason
        assert self.reasons(holder="")
