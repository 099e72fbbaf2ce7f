"""Plans of load tests: what is decided, what is drawn, what is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
import yaml
from drills import CHECKOUT, EXPERIMENTS, ORDERS

from harness.drill.load_plan import Surroundings, longest, make_load_plan
from harness.errors import InputError
from harness.model.autoscaling import AutoscalerSettings, Timings
from harness.model.cluster import Identity
from harness.model.load_profile import Profile, Stage
from harness.model.load_test import Drive, Fill, LoadPlan, LoadTest, Search
from harness.model.quota import CapacitySettings, QuotaLimit

STEADY = Profile(
    profile="steady", title="one rate", stages=(Stage(rate=0.5, hold=timedelta(minutes=2)),)
)
DRIVE = Drive(id="drive", title="Driven", profile="steady")
SEARCH = Search(id="capacity", title="Searched", replicas=(1, 2))
FILL = Fill(id="quotas", title="Filled")
AWAY = Drive(id="node-away", title="Away", profile="steady", away="node-power-cut")


def surroundings(peak: float | None = 100.0) -> Surroundings:
    service = msgspec.structs.replace(CHECKOUT, peak_rate=peak)
    return Surroundings(
        environment="staging",
        cluster=Identity(context="c", server="s", uid="u", version="v1.34.0"),
        workload=service,
        workloads=(ORDERS, service),
        settings=None,
        autoscaler=AutoscalerSettings(
            namespace="shop",
            name="checkout",
            target="Deployment/checkout",
            minimum=1,
            maximum=10,
            metrics=(),
        ),
        timings=Timings(),
        capacity=CapacitySettings(
            claims=(), quotas=(QuotaLimit(namespace="shop", name="compute", hard={}),)
        ),
        version="v1",
    )


def plan(*scenarios: Any, peak: float | None = 100.0, **other: Any) -> LoadPlan:  # noqa: ANN401
    document = yaml.safe_load((EXPERIMENTS / "node-power-cut.yaml").read_text())
    return make_load_plan(
        suite=LoadTest(suite="load", title="Load", workload="checkout", scenarios=scenarios),
        profiles={"steady": STEADY},
        experiments={"node-power-cut": ("digest", document)},
        targets=(),
        at=surroundings(peak),
        baseline=None,
        seed=other.pop("seed", 1),
        **other,
    )


def test_a_scenario_keeps_its_draw_when_others_are_left_out() -> None:
    """And another seed draws another."""
    whole = plan(DRIVE, SEARCH, FILL)
    alone = plan(DRIVE, SEARCH, FILL, only=["capacity"])
    assert [one.id for one in whole.trials] == ["drive", "capacity", "quotas"]
    assert alone.trials == whole.trials[1:2]
    assert plan(DRIVE, seed=2).trials[0].seed != whole.trials[0].seed


def test_the_peak_is_the_scenarios_or_the_environments() -> None:
    """A rate that is said nowhere is refused; a filling needs none."""
    own = msgspec.structs.replace(DRIVE, peak=7.0)
    assert plan(DRIVE).trials[0].peak == 100.0
    assert plan(own, peak=None).trials[0].peak == 7.0
    assert plan(FILL, peak=None).trials[0].peak == 0.0
    with pytest.raises(InputError, match="peak: is said neither there nor by workload checkout"):
        plan(DRIVE, peak=None)


def test_what_goes_on_meanwhile_is_an_experiment_of_this_trial() -> None:
    """Its facts bear the load's name, and it outlasts the load."""
    (trial,) = plan(AWAY).trials
    assert trial.away is not None
    assert trial.away.id == "node-away"
    assert trial.away.experiment == "node-power-cut"
    assert trial.away.watch > STEADY.lasts


def test_the_blast_radius_says_what_is_sent_held_and_broken() -> None:
    """One line for each, and none for what is left out."""
    held = msgspec.structs.replace(DRIVE, id="held", replicas=4)
    lines = plan(DRIVE, held, SEARCH, FILL).blast_radius
    assert lines[0].startswith(
        "drive: shop/checkout is sent up to 50 requests per second for 2 min"
    )
    assert "held: its autoscaler is held at 4, then as before" in lines
    assert any("capacity: shop/checkout is held at 1, 2 replicas" in line for line in lines)
    assert "nothing of the cluster" in lines[-1]
    assert any("node" in line for line in plan(AWAY).blast_radius[1:])


def test_rights_are_those_of_the_plan() -> None:
    """Only who holds may patch; only who takes a node away needs its lease."""
    reading = plan(DRIVE).rights
    assert "list pods.metrics.k8s.io in shop" in reading
    assert "list resourcequotas" in reading
    assert not [one for one in reading if one.startswith("patch") and "harness-drill" not in one]
    assert "patch horizontalpodautoscalers.autoscaling in shop" in plan(SEARCH).rights
    assert "get leases.coordination.k8s.io in kube-node-lease" in plan(AWAY).rights


def test_what_is_unknown_is_refused() -> None:
    """With what there is."""
    with pytest.raises(InputError, match="got nothing, expected of load: drive"):
        plan(DRIVE, only=["nothing"])
    with pytest.raises(InputError, match=r"profile: got 'other'.*steady"):
        plan(msgspec.structs.replace(DRIVE, profile="other"))


def test_a_longer_plan_lasts_longer() -> None:
    """A window must hold all of it."""
    assert longest(plan(DRIVE)) >= STEADY.lasts
    assert longest(plan(DRIVE, SEARCH)) > longest(plan(DRIVE))
