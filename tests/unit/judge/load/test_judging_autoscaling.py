"""Findings about an autoscaler: as documented, as it went, and in which reading a period holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from load_tests import (
    AUTOSCALER,
    CLAIM,
    CONTAINER,
    CPU_70,
    MEMORY_80,
    around,
    held,
    injected,
    looks,
    plan,
    pods,
    promise,
    recorded,
    run,
    seen,
    trial,
)
from msgspec.structs import replace

from harness.capacity.simulation import Phases, Service, Simulation
from harness.judge.load.autoscaling import judge, summaries
from harness.judge.load.evidence import LoadRun
from harness.model.autoscaling import (
    DEFAULT_DOWN,
    DEFAULT_UP,
    AutoscalerSettings,
    ContainerResources,
    PolicyKind,
    Resource,
    ResourceTarget,
    ScalingPolicy,
    ScalingRules,
    Sighting,
    Timings,
    VerticalAutoscalerSettings,
    VerticalPolicy,
)
from harness.model.history import Event, LoadInjected
from harness.model.load_profile import Profile, Stage
from harness.model.load_test import LoadTrial, Search
from harness.model.quota import CapacitySettings
from harness.model.target import (
    AutoscalerRange,
    AutoscalerUtilization,
    Objective,
    Replicas,
    ScalingPeriod,
    Target,
)
from harness.model.verdict import Finding, Verdict

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE

RANGE = AutoscalerRange(minimum=1, maximum=10)
CPU = AutoscalerUtilization(resource="cpu", percent=70)
MEMORY = AutoscalerUtilization(resource="memory", percent=80)
UP = ScalingPeriod(direction="up", period=timedelta(seconds=60))
DOWN = ScalingPeriod(direction="down", period=timedelta(seconds=300))


def minute(*kinds: tuple[PolicyKind, int], period_s: int = 60, window_s: int = 0) -> ScalingRules:
    return ScalingRules(
        window_s=window_s,
        policies=tuple(
            ScalingPolicy(kind=kind, value=value, period_s=period_s) for kind, value in kinds
        ),
    )


DOCUMENTED = replace(
    AUTOSCALER,
    metrics=(CPU_70, MEMORY_80),
    up=minute((PolicyKind.PERCENT, 100), (PolicyKind.PODS, 4)),
    down=minute((PolicyKind.PERCENT, 100), period_s=300, window_s=300),
)
STEP = Profile(profile="step", title="Step", stages=(Stage(rate=1, hold=timedelta(minutes=5)),))
STEPPED = trial(profile=STEP)


def scaled(
    by: AutoscalerSettings = DOCUMENTED, cores: float = 0.7, until_s: float = 700.0
) -> list[Sighting]:
    """Five minutes of so much, as the settings have it."""
    service = Service(request=0.1, limit=0.4, ready_s=10.0, memory=0.05)
    demand = [(-60.0, 0.005), (0.0, cores), (300.0, 0.005)]
    made = Simulation(by, Timings(), service, demand, Phases(kubelet_s=2, scrape_s=5, sync_s=9))
    return seen(made.states(until_s, every_s=1.0))


def recorded_run(
    sightings: Sequence[Sighting],
    *objectives: Objective | Target,
    by: AutoscalerSettings | None = DOCUMENTED,
    trials: Sequence[LoadTrial] = (STEPPED,),
    load: LoadInjected | None = injected(lasts_s=300.0),  # noqa: B008 - a frozen value
    **planned: object,
) -> LoadRun:
    facts: list[Event] = [recorded(looks=len(sightings)), *([load] if load else [])]
    return run(
        plan(*objectives, trials=trials, autoscaler=by, **planned),
        *around("drive", *facts),
        timelines={"drive.timeline.jsonl": sightings},
    )


def judged(of: LoadRun, about: str) -> Finding:
    """The one finding of that name."""
    (found,) = [one for one in judge(of) if one.id == f"autoscaling/{about}"]
    return found


def one_objective(of: LoadRun, objective: Objective) -> Finding:
    return judged(of, str(objective.__struct_config__.tag))


WHOLE = scaled()
MEMORY_TARGET = promise(MEMORY, id="autoscaler-memory")
DOWN_TARGET = promise(DOWN, id="scale-down-period")


# The whole way


def test_an_autoscaler_that_is_as_documented_passes() -> None:
    """Everything holds in at least one reading, and rests on facts."""
    found = list(judge(recorded_run(WHOLE, RANGE, CPU, MEMORY_TARGET, UP, DOWN_TARGET)))
    assert {one.verdict for one in found} == {PASS}, [one for one in found if one.verdict != PASS]
    assert len({one.id for one in found}) == len(found) == 9
    assert {one.check for one in found} == {"autoscaling"}
    seen_in_the_run = [one for one in found if "%" not in one.headline]
    assert all(one.evidence == (1, 2) for one in seen_in_the_run)


def test_its_behaviour_is_summarised() -> None:
    """One summary of each trial, with its decisions and each reading of each period."""
    (found,) = summaries(recorded_run(WHOLE, UP, DOWN_TARGET))
    assert found.trial == "drive"
    assert [one.observed for one in found.decisions] == [5, 10, 1]
    assert all(one.explained for one in found.decisions)
    assert (found.highest_wanted, found.highest_ready, found.flaps) == (10, 10, 0)
    assert [one.reading for one in found.timings] == [
        "scaling-period 60s as stabilisation window",
        "scaling-period 60s as policy period",
        "scaling-period 60s as time to the maximum",
        "scale-down-period 300s as stabilisation window",
        "scale-down-period 300s as policy period",
        "scale-down-period 300s as time to the minimum",
    ]


# Nothing to judge by


def test_without_sightings_nothing_is_said() -> None:
    """Neither of its way nor of its decisions; what it is set to is known all the same."""
    found = {one.id: one.verdict for one in judge(run(plan(RANGE, CPU, UP, autoscaler=DOCUMENTED)))}
    assert found == {
        "autoscaling/autoscaler-range": INCONCLUSIVE,
        "autoscaling/autoscaler-utilization": PASS,
        "autoscaling/scaling-period": INCONCLUSIVE,
        "autoscaling/decisions": INCONCLUSIVE,
        "autoscaling/flapping": INCONCLUSIVE,
        "autoscaling/metrics": INCONCLUSIVE,
        "autoscaling/requests": PASS,
    }


def test_a_service_without_an_autoscaler_is_inconclusive() -> None:
    """For each target that asks for one; nothing is said where none does."""
    found = list(judge(recorded_run([], RANGE, CPU, UP, by=None)))
    assert [one.verdict for one in found] == [INCONCLUSIVE] * 3
    assert "it has no autoscaler" in found[0].headline
    assert not list(judge(recorded_run([], by=None)))
    assert summaries(recorded_run([], by=None)) == ()


def test_without_a_load_its_way_is_not_told() -> None:
    calm = recorded_run(looks(0, 60), RANGE, UP, load=None)
    assert one_objective(calm, RANGE).verdict is INCONCLUSIVE
    assert one_objective(calm, UP).verdict is INCONCLUSIVE
    assert judged(calm, "decisions").verdict is INCONCLUSIVE
    (summary,) = summaries(calm)
    assert summary.onset_s is None
    assert "no load is on record" in summary.notes[0]


def test_what_was_held_is_not_judged() -> None:
    """A trial at four replicas, a search, and what came after the first hold of a drive."""
    jump = [*looks(0, 30, 1, cpu=0.7), *looks(30, 60, 4, cpu=0.7, scaled_s=30.0)]
    free = recorded_run(jump)
    assert judged(free, "decisions").verdict is FAIL
    at_four = recorded_run(jump, trials=[trial(replicas=4)])
    assert judged(at_four, "decisions").verdict is INCONCLUSIVE
    by_load = recorded_run(jump, load=injected(replicas=4))
    assert summaries(by_load) == ()
    searched = recorded_run(jump, trials=[trial(Search(id="drive", title="Searched"))])
    assert summaries(searched) == ()
    later = run(
        plan(trials=[STEPPED], autoscaler=DOCUMENTED),
        *around("drive", recorded(), injected(lasts_s=300.0), held("drive", 4, at_s=25)),
        timelines={"drive.timeline.jsonl": jump},
    )
    (summary,) = summaries(later)
    assert summary.decisions == ()
    assert summary.highest_wanted == 1


# Range


def test_another_range_than_the_documented_one_fails() -> None:
    found = one_objective(recorded_run(WHOLE, AutoscalerRange(minimum=2, maximum=10)), RANGE)
    assert found.verdict is FAIL
    assert found.headline.endswith("set to 1 to 10 replicas, expected 2 to 10 replicas")
    assert found.target == "autoscaler-range"


def test_a_maximum_that_was_not_tried_is_inconclusive() -> None:
    found = one_objective(recorded_run(scaled(cores=0.3), RANGE), RANGE)
    assert found.verdict is INCONCLUSIVE
    assert "its maximum of 10 was not tried: 5 wanted at the most" in found.headline


def test_a_maximum_that_was_wanted_and_never_ready_fails() -> None:
    """A quota holds it at seven."""
    stuck = looks(0, 90, 10, of=pods(7), cpu=0.9)
    found = one_objective(recorded_run(stuck, RANGE), RANGE)
    assert found.verdict is FAIL
    assert "10 replicas wanted for 89 s, 7 ready at the most" in found.headline
    brief = one_objective(recorded_run(stuck[:30], RANGE), RANGE)
    assert brief.verdict is INCONCLUSIVE


def test_a_way_back_that_nobody_saw_is_inconclusive() -> None:
    found = one_objective(recorded_run(scaled(until_s=400), RANGE), RANGE)
    assert found.verdict is INCONCLUSIVE
    assert "nobody saw it come back to 1" in found.headline


def test_more_than_the_maximum_fails() -> None:
    beyond = [*looks(0, 30, 8, cpu=1.05), *looks(30, 32, 12, cpu=1.05, scaled_s=30.0)]
    of = recorded_run(beyond, RANGE)
    assert one_objective(of, RANGE).verdict is FAIL
    assert judged(of, "decisions").headline.startswith(
        "autoscaler checkout: 1 of 1 decisions are not what its settings give: it decided 12"
    )


# Utilisation


@pytest.mark.parametrize(
    ("metrics", "verdict", "told"),
    [
        ((CPU_70, MEMORY_80), PASS, "cpu at 70 %, as documented"),
        ((replace(CPU_70, container="checkout"),), PASS, "70 % of container checkout alone"),
        ((replace(CPU_70, utilization=60),), FAIL, "cpu at 60 %, expected 70 %"),
        (
            (ResourceTarget(resource=Resource.CPU, average_value=0.5),),
            FAIL,
            "cpu at 0.5, expected 70 %",
        ),
        ((MEMORY_80,), FAIL, "it does not follow cpu, expected 70 %"),
    ],
)
def test_the_target_is_the_documented_one(
    metrics: tuple[ResourceTarget, ...], verdict: Verdict, told: str
) -> None:
    found = one_objective(recorded_run([], CPU, by=replace(DOCUMENTED, metrics=metrics)), CPU)
    assert found.verdict is verdict
    assert told in found.headline
    if verdict is PASS:
        assert "between 63 % and 77 % it does nothing" in found.detail[0]


# Periods


def test_each_reading_of_a_period_is_named() -> None:
    """Set as a policy's period, kept; no window, and pods take longer than a minute."""
    found = one_objective(recorded_run(WHOLE, UP), UP)
    assert found.verdict is PASS
    assert found.headline.endswith("scaling up: 1 min holds as policy period")
    window, policy, time = found.detail
    assert window == "scaling-period 60s as stabilisation window: does not hold: it is 0 s"
    assert policy.startswith(
        "scaling-period 60s as policy period: holds: its policies have 60 s; all 2 decisions up"
    )
    assert time.startswith("scaling-period 60s as time to the maximum: does not hold: to 10 ready")
    assert time.endswith("its rules alone take 60 s")


def test_a_way_back_longer_than_its_window_is_told() -> None:
    """300 s as window and as period; as a time it cannot hold: measuring comes on top."""
    found = one_objective(recorded_run(WHOLE, DOWN), DOWN)
    assert found.verdict is PASS
    assert "5 min holds as stabilisation window and as policy period" in found.headline
    assert "does not hold: back to 1 after 30" in found.detail[2]


@pytest.mark.parametrize("given", [True, False])
def test_a_period_that_is_set_nowhere_fails(given: bool) -> None:  # noqa: FBT001
    """The defaults: 15 s, or none at all."""
    by = replace(DOCUMENTED, up=DEFAULT_UP, down=DEFAULT_DOWN, behavior_given=given)
    found = one_objective(recorded_run(scaled(by), UP, by=by), UP)
    assert found.verdict is FAIL
    told = "its policies have 15 s" if given else "spec.behavior says nothing"
    assert told in found.detail[1]


def test_a_period_that_is_set_and_not_kept_fails() -> None:
    """Doubled twice within its minute."""
    by = replace(DOCUMENTED, up=minute((PolicyKind.PERCENT, 100)))
    watched = [*looks(0, 30, 2, cpu=1.9), *looks(30, 60, 4, cpu=1.9, scaled_s=30.0)]
    watched += looks(60, 62, 8, cpu=1.9, scaled_s=60.0)
    found = one_objective(recorded_run(watched, UP, by=by), UP)
    assert found.verdict is FAIL
    assert "1 decisions are not what it gives: 59 to 60 s: 4 -> 8" in found.detail[1]


def test_a_period_that_no_decision_tried_is_inconclusive() -> None:
    found = one_objective(recorded_run(looks(0, 60), UP), UP)
    assert found.verdict is INCONCLUSIVE
    assert "1 min is set as policy period, and no decision tried it" in found.headline


# What it did


def test_an_unexplained_decision_fails_with_its_sum() -> None:
    """Once, with when, and what the algorithm gives."""
    jump = [*looks(0, 20, 4, cpu=0.73), *looks(20, 25, 5, cpu=0.73, scaled_s=20.0)]
    found = judged(recorded_run(jump), "decisions")
    assert found.verdict is FAIL
    assert "1 of 1 decisions" in found.headline
    (line,) = found.detail
    assert line.startswith("drive: 19 to 20 s: 4 -> 5: it decided 5; by its algorithm 4; cpu: 73 %")
    assert found.since is not None
    assert found.advice == "kubectl -n core-business-prod describe hpa checkout"


def test_a_decision_without_metrics_is_inconclusive() -> None:
    blind = [*looks(0, 40, 2, cpu=None), *looks(40, 42, 4, cpu=None, scaled_s=40.0)]
    of = recorded_run(blind, UP)
    found = judged(of, "decisions")
    assert found.verdict is INCONCLUSIVE
    assert "1 of 1 decisions could not be recomputed: its metrics were not read" in found.headline
    assert judged(of, "metrics").verdict is INCONCLUSIVE
    assert one_objective(of, UP).verdict is INCONCLUSIVE


def test_flapping_is_found_once() -> None:
    """There, back, there again within five minutes, under one even load."""
    hasty = replace(DOCUMENTED, down=replace(DEFAULT_DOWN, window_s=0), up=DEFAULT_UP)
    watched = [*looks(0, 30, 2, cpu=1.4), *looks(30, 60, 4, cpu=0.3, scaled_s=30.0)]
    watched += looks(60, 90, 2, cpu=1.4, scaled_s=60.0)
    watched += looks(90, 120, 4, cpu=0.7, scaled_s=90.0)
    patient = replace(hasty, down=replace(DEFAULT_DOWN, window_s=300))
    found = judged(recorded_run(watched, by=patient), "flapping")
    assert found.verdict is FAIL
    assert "changed its direction 2 times within one stabilisation window, the load did 1" in (
        found.headline
    )
    saw = Profile(
        profile="saw",
        title="Saw",
        stages=tuple(Stage(rate=rate, hold=timedelta(seconds=30)) for rate in (1, 0.1, 1, 0.1)),
    )
    by_load = recorded_run(watched, by=patient, trials=[trial(profile=saw)])
    assert judged(by_load, "flapping").verdict is PASS


def test_stale_metrics_are_found_once() -> None:
    watched = [one for at in range(90) for one in looks(at, at + 1, age_s=5.0 + at)]
    found = judged(recorded_run(watched), "metrics")
    assert found.verdict is FAIL
    assert found.headline.endswith("its metrics were up to 94 s old, expected at most 60 s")
    assert found.detail == ("drive: 56 to 89 s after the load began: up to 94 s old",)


# What it computes from, and what contradicts it


def test_a_container_without_a_request_fails() -> None:
    """Also a sidecar: the share of the whole pod cannot be computed."""
    sidecar = ContainerResources(name="proxy", requests={Resource.CPU: 0.1}, sidecar=True)
    settings = CapacitySettings(
        claims=(replace(CLAIM, containers=(CONTAINER, sidecar)),), quotas=()
    )
    found = judged(recorded_run([], settings=settings), "requests")
    assert found.verdict is FAIL
    assert "no request for proxy (memory): it cannot compute their share" in found.headline
    assert "cpu: the sidecars proxy count: an idle one hides a busy service" in found.detail
    alone = replace(DOCUMENTED, metrics=(replace(CPU_70, container="checkout"),))
    found = judged(recorded_run([], by=alone, settings=settings), "requests")
    assert found.verdict is PASS
    assert "cpu: only checkout counts; a busy proxy is not seen" in found.detail


def test_requests_that_somebody_changes_fail() -> None:
    """As a VerticalPodAutoscaler does; whether there is one was not read, and is said."""
    grown = replace(CONTAINER, requests={**CONTAINER.requests, Resource.CPU: 0.15})
    found = judged(recorded_run(looks(0, 5, of=pods(1, containers=(grown,)))), "requests")
    assert found.verdict is FAIL
    assert "checkout (cpu): 0.1 and 0.15, as a VerticalPodAutoscaler" in found.headline
    assert "VerticalPodAutoscalers were not read" in found.detail[-1]
    unknown = CapacitySettings(
        claims=(CLAIM,), quotas=(), unknown={"VerticalPodAutoscaler": "forbidden"}
    )
    found = judged(recorded_run([], settings=unknown), "requests")
    assert found.detail[-1].endswith("is not known: forbidden")


def beside(*policies: VerticalPolicy, mode: str = "Auto", of: str = CLAIM.controller) -> Finding:
    """The check of requests of an autoscaler by CPU and memory, with a vertical one beside it."""
    vertical = VerticalAutoscalerSettings(
        namespace=CLAIM.namespace, name="checkout", target=of, mode=mode, policies=policies
    )
    settings = CapacitySettings(claims=(CLAIM,), quotas=(), vertical_autoscalers=(vertical,))
    return judged(recorded_run([], settings=settings), "requests")


def test_a_vertical_autoscaler_of_the_same_resources_fails() -> None:
    """By its settings already, before it has changed a request."""
    found = beside()
    assert found.verdict is FAIL
    assert found.headline.endswith(
        "VerticalPodAutoscaler checkout (updateMode Auto) sets the request for cpu of checkout, "
        "which it divides by: each undoes what the other does"
    )
    assert found.detail[0].endswith("sets the request for memory of checkout")
    only_memory = VerticalPolicy(container="*", resources=(Resource.MEMORY,))
    found = beside(only_memory, mode="Initial")
    assert found.verdict is FAIL
    assert "sets the request for memory of checkout" in found.headline


def test_a_vertical_autoscaler_that_does_no_harm_is_told() -> None:
    """It only recommends, leaves the container alone, or follows another service."""
    found = beside(mode="Off")
    assert found.verdict is PASS
    assert found.detail[-1] == "VerticalPodAutoscaler checkout: updateMode Off"
    own = VerticalPolicy(container="checkout", resources=())
    assert beside(own, VerticalPolicy(container="*", resources=tuple(Resource))).verdict is PASS
    elsewhere = beside(of="Deployment/another")
    assert elsewhere.verdict is PASS
    assert not any("VerticalPodAutoscaler" in line for line in elsewhere.detail)


def test_a_vertical_autoscaler_of_what_is_not_divided_by_passes() -> None:
    """An average value is of the usage alone."""
    by_value = replace(
        DOCUMENTED, metrics=(ResourceTarget(resource=Resource.CPU, average_value=0.5),)
    )
    vertical = VerticalAutoscalerSettings(
        namespace=CLAIM.namespace, name="checkout", target=CLAIM.controller, mode="Auto"
    )
    settings = CapacitySettings(claims=(CLAIM,), quotas=(), vertical_autoscalers=(vertical,))
    assert judged(recorded_run([], by=by_value, settings=settings), "requests").verdict is PASS


def test_what_nobody_read_of_its_pods_is_inconclusive() -> None:
    nothing = CapacitySettings(claims=(), quotas=())
    assert judged(recorded_run([], settings=nothing), "requests").verdict is INCONCLUSIVE


def test_a_minimum_below_the_documented_replicas_fails() -> None:
    """Only for namespaces that the promise is about."""
    production = promise(Replicas(namespaces="*-prod", count=3), id="replicas-production")
    staging = promise(Replicas(namespaces="*-staging", count=2), id="replicas-staging")
    of = recorded_run([], production, staging)
    found = judged(of, "replicas-production")
    assert found.verdict is FAIL
    assert found.target == "replicas-production"
    assert "its minimum is 1: it may scale below the 3 replicas" in found.headline
    assert not [one for one in judge(of) if one.target == "replicas-staging"]
    enough = recorded_run([], production, by=replace(DOCUMENTED, minimum=3))
    assert judged(enough, "replicas-production").verdict is PASS
