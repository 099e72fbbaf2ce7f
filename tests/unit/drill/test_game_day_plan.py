"""The plan of a game day: trials, draws, what it refuses, and what it says it will take."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster_facts import (
    CARTS,
    CHECKOUT,
    CLUSTER,
    ORDERS,
    PODS,
    REDIS_CLUSTER,
    RTO,
    SETTINGS,
    SHOP,
    WORKLOADS,
    with_workload,
)
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.drill.game_day_plan import make_game_day_plan
from harness.errors import InputError
from harness.model.codec import to_json
from harness.model.game_day import Caps, Experiment, GameDay, GameDayPlan, ManualStep, Way
from harness.report.game_day_plan import show_game_day_plan
from harness.suites import load_suite
from harness.targets import load_targets

ROOT = Path(__file__).parents[3]


def action(function: str, **arguments: str) -> dict[str, Any]:
    return {
        "type": "action",
        "name": f"does {function}",
        "provider": {
            "type": "python",
            "module": "harness.chaos.actions.any",
            "func": function,
            "arguments": arguments,
        },
    }


def document(*method: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"title": "t", "description": "d", "method": list(method), **more}


DELETE = document(
    action("delete_pods", workload="${workload}"),
    action("hold"),
    configuration={"workload": "checkout"},
)
NODE = document(action("kill_node", workload="orders", target="primary"))
DOCUMENTS: dict[str, dict[str, Any]] = {"pod-delete": DELETE, "postgresql-node": NODE}


def suite(*experiments: Experiment, **more: Any) -> GameDay:  # noqa: ANN401 - fields of a suite
    usual = (
        Experiment(id="pods", title="Pods", experiment="pod-delete", trials=3),
        Experiment(id="node", title="Node", experiment="postgresql-node"),
    )
    return GameDay(suite="game-day", title="Game day", experiments=experiments or usual, **more)


def plan(
    of: GameDay | None = None,
    documents: Mapping[str, dict[str, Any]] = DOCUMENTS,
    **changes: Any,  # noqa: ANN401 - arguments of make_game_day_plan
) -> GameDayPlan:
    usual: dict[str, Any] = {
        "targets": (RTO,),
        "environment": "staging",
        "cluster": CLUSTER,
        "workloads": WORKLOADS,
        "settings": SETTINGS,
        "seed": 1,
    }
    experiments = {name: (f"sha-of-{name}", content) for name, content in documents.items()}
    return make_game_day_plan(suite=of or suite(), experiments=experiments, **usual | changes)


def one(name: str = "one", experiment: str = "pod-delete", **more: Any) -> Experiment:  # noqa: ANN401 - its fields
    return Experiment(id=name, title=name, experiment=experiment, **more)


class TestTrials:
    def test_are_in_the_suites_order_each_as_often_as_it_says(self) -> None:
        assert [trial.id for trial in plan().trials] == ["pods-1", "pods-2", "pods-3", "node-1"]
        assert plan().trials[0].digest == "sha-of-pod-delete"

    def test_equal_arguments_give_an_equal_plan(self) -> None:
        assert to_json(plan()) == to_json(plan())

    def test_another_seed_draws_other_moments(self) -> None:
        assert [t.delay for t in plan().trials] != [t.delay for t in plan(seed=2).trials]
        assert len({trial.seed for trial in plan().trials}) == 4

    @given(st.integers(0, 2**32), st.integers(0, 3600))
    def test_the_moment_is_within_the_control_period(self, seed: int, period_s: int) -> None:
        experiment = one(trials=5, control_period=timedelta(seconds=period_s))
        for trial in plan(suite(experiment), seed=seed).trials:
            assert timedelta(0) <= trial.delay <= timedelta(seconds=period_s)

    def test_leaving_others_out_changes_nothing_of_a_trial(self) -> None:
        assert plan(only=["node"]).trials == plan().trials[3:]

    def test_are_watched_for_twice_the_longest_rto(self) -> None:
        assert plan().trials[0].watch == timedelta(minutes=10)
        assert plan(targets=()).trials[0].watch == timedelta(hours=1)
        short = suite(one(watch=timedelta(minutes=1)))
        assert plan(short).trials[0].watch == timedelta(minutes=1)

    def test_ask_for_the_ways_in_that_there_are(self) -> None:
        trial = plan(suite(one()), workloads=(CHECKOUT,)).trials[0]
        assert trial.ways == (Way.HTTP, Way.API)

    def test_know_what_is_expected(self) -> None:
        trial = plan().trials[3]
        assert {found.subject for found in trial.expected} == {
            "orders",
            "carts",
            "events",
            "checkout",
            "kubernetes",
        }
        assert plan(settings=None).trials[0].expected == ()
        assert len(plan(settings=None).trials[0].unpredicted) == 7

    def test_configuration_overrides_the_documents(self) -> None:
        of_orders = suite(one(configuration={"workload": "orders"}))
        assert plan(of_orders).blast_radius[0].startswith("one: 1 pod of orders, drawn: deleted")


class TestRefused:
    def test_only_what_is_there(self) -> None:
        with pytest.raises(
            InputError, match="experiment: got nodes, expected of game-day: pods, node"
        ):
            plan(only=["node", "nodes"])

    def test_a_file_that_is_not_there(self) -> None:
        with pytest.raises(
            InputError, match=r"got file 'pod-delete', expected one of experiments/: none"
        ):
            plan(documents={})

    def test_a_workload_that_is_not_there(self) -> None:
        with pytest.raises(
            InputError, match="workload: got 'billing', expected one of staging: orders"
        ):
            plan(suite(one(configuration={"workload": "billing"})))

    def test_a_dependency_that_is_not_there(self) -> None:
        hole = document(action("black_hole_dependency", workload="checkout", dependency="mail"))
        with pytest.raises(InputError, match="dependency: got 'mail'"):
            plan(suite(one(experiment="hole")), {"hole": hole})

    @pytest.mark.parametrize("workloads", [(CHECKOUT,), (CHECKOUT, CARTS)])
    def test_what_no_workload_serves(self, workloads: object) -> None:
        with pytest.raises(InputError, match="workload: got 'orders', expected one of staging"):
            plan(suite(one(experiment="postgresql-node")), workloads=workloads)

    def test_a_role_that_its_workload_does_not_have(self) -> None:
        wrong = document(action("kill_node", workload="checkout", target="primary"))
        with pytest.raises(InputError, match="aims at a primary of workload checkout, .* orders"):
            plan(suite(one(experiment="wrong")), {"wrong": wrong})

    def test_a_way_in_that_the_environment_lacks(self) -> None:
        asked = suite(one(ways=(Way.HTTP, Way.PUBSUB)))
        with pytest.raises(InputError, match=r"ways: got pubsub, expected of staging: .*http"):
            plan(asked, workloads=(CHECKOUT, ORDERS))

    def test_no_way_in(self) -> None:
        with pytest.raises(InputError, match="ways: got none"):
            plan(suite(one(ways=())))

    def test_an_override_that_chaos_toolkit_would_ignore(self) -> None:
        with pytest.raises(
            InputError, match="configuration: got wrokload, expected of what it declares"
        ):
            plan(suite(one(configuration={"wrokload": "orders"})))

    def test_an_action_that_does_not_exist(self) -> None:
        with pytest.raises(InputError, match="got action .*melt_node"):
            plan(suite(one(experiment="melt")), {"melt": document(action("melt_node"))})

    def test_a_document_without_its_parts(self) -> None:
        with pytest.raises(InputError, match="method: an activity lacks 'provider'"):
            plan(suite(one(experiment="torn")), {"torn": document({"type": "action", "name": "x"})})


class TestBlastRadius:
    def lines(self, **changes: Any) -> tuple[str, ...]:  # noqa: ANN401 - arguments of plan
        return plan(**changes).blast_radius

    def test_has_numbers(self) -> None:
        lines = self.lines()
        assert lines[0] == (
            "pods: 1 pod of checkout, drawn: deleted: 1 of its 3 pods; made again by the platform"
        )
        assert lines[1] == (
            "node: power cut of the node of the primary of orders (worker-2 now): 1 node, 5 pods "
            "of 2 namespaces; switched on again after"
        )
        assert "at most 34% of the workers" in lines[2]

    def test_without_a_cluster_it_has_none(self) -> None:
        assert self.lines(settings=None)[1] == (
            "node: power cut of the node of the primary of orders; switched on again after"
        )

    def test_says_what_is_given_up_on_purpose(self) -> None:
        two = document(
            action(
                "kill_process",
                workload="carts",
                target="master",
                count="2",
                gives_up="carts: masters of Redis",
            )
        )
        lines = plan(suite(one(experiment="two")), {"two": two}).blast_radius
        assert lines[0] == (
            "one: 2 masters of carts, drawn: process killed: 2 of its 6 pods; started again by the "
            "platform; takes the quorum of carts: masters of Redis away, on purpose"
        )

    def test_says_that_caps_are_off(self) -> None:
        off = suite(one(), caps=Caps(keep_quorum=False))
        assert "quorums NOT kept" in plan(off).blast_radius[1]

    def test_of_what_could_not_be_read_it_says_so(self) -> None:
        roleless = replace(
            REDIS_CLUSTER, members=tuple(replace(m, role="") for m in REDIS_CLUSTER.members)
        )
        masters = document(action("kill_process", workload="carts", target="master"))
        lines = plan(
            suite(one(experiment="m")), {"m": masters}, settings=with_workload(roleless)
        ).blast_radius
        assert "(who of carts is master was not read)" in lines[0]


class TestText:
    def test_misses_come_first_with_their_reasons(self) -> None:
        single = with_workload(replace(SHOP, members=SHOP.members[:1], pods=PODS))
        lost = document(action("kill_node", workload="checkout"))
        of = suite(one("pods"), one("lost", "lost"))
        shown = show_game_day_plan(plan(of, {"lost": lost, **DOCUMENTS}, settings=single))
        lines = shown.splitlines()
        first = lines.index("predicted to miss a target:")
        assert lines[first + 1].startswith(
            "  lost  checkout: request: 5 min 45 s to 6 min 17 s; will miss rto (5 min)"
        )
        assert any("tolerate a node that is away" in line for line in lines)
        assert first < next(n for n, line in enumerate(lines) if line.startswith("predicted, from"))

    def test_says_what_is_not_predicted_and_why(self) -> None:
        shown = show_game_day_plan(plan(settings=None))
        assert (
            "not predicted, the cluster's settings were not read: orders: write on a new" in shown
        )

    def test_reasons_of_all_on_demand(self) -> None:
        assert "the leader's lock runs out" not in show_game_day_plan(plan())
        assert "the leader's lock runs out" in show_game_day_plan(plan(), reasons=True)

    def test_people_read_their_steps(self) -> None:
        step = ManualStep(id="call", instruction="Call the owner.")
        shown = show_game_day_plan(
            plan(suite(one(manual=(step,)), opening=(step,), closing=(step,)))
        )
        assert shown.count("Call the owner.") == 3

    def test_names_the_cluster(self) -> None:
        assert "context staging, https://10.0.0.1:6443, Kubernetes v1.34.1, cluster 1f" in (
            show_game_day_plan(plan())
        )


def test_the_documented_game_day() -> None:
    """Every experiment of the suite can be planned, predicted or told why not, and granted."""
    game_day = load_suite("game-day", ROOT / "suites")
    assert isinstance(game_day, GameDay)
    documents = {
        path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in (ROOT / "experiments").glob("*.yaml")
    }
    made = plan(game_day, documents, targets=load_targets(ROOT / "targets"))
    assert {trial.scenario for trial in made.trials} == {one.id for one in game_day.experiments}
    unpredicted = {trial.scenario for trial in made.trials if trial.unpredicted}
    assert unpredicted <= {"s3-region-away", "s3-region-away-restore"}
    assert show_game_day_plan(made, reasons=True)
    assert made.rights
