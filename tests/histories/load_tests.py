"""Tiny constructors of load tests, so that a test of a judge says only what it is about.

Everything defaults to one drive of `checkout`, a minute long, ten right answers a second, with one
pod that uses half of its request. Times are seconds after the load's beginning, which is
BEGAN_NS and NOW on the two clocks. A test changes the one thing that it is about.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
from constructors import NOW, SECOND, target
from msgspec.structs import replace

from harness.capacity.simulation import ZERO, State
from harness.judge.load.evidence import LoadRun, Samples
from harness.model.autoscaling import (
    AutoscalerSettings,
    AutoscalerStatus,
    ContainerResources,
    Resource,
    ResourceTarget,
    ScaledPod,
    Sighting,
    Timings,
    Usage,
)
from harness.model.cluster import Identity
from harness.model.game_day import Caps
from harness.model.history import (
    CleanedUp,
    Entry,
    Event,
    History,
    LoadInjected,
    ReplicasHeld,
    RunEnded,
    TimelineRecorded,
    TrialEnded,
    TrialStarted,
)
from harness.model.instant import Instant
from harness.model.load_profile import Profile, Stage
from harness.model.load_test import Drive, LoadPlan, LoadScenario, LoadTrial
from harness.model.quota import CapacitySettings, Claim
from harness.model.sample import DTYPE, Answer
from harness.model.target import Kind, Objective, Target
from harness.model.workload import HttpWorkload

BEGAN_NS = 5_000 * SECOND
"""Monotonic: zero of every load."""

CHECKOUT = HttpWorkload(
    id="checkout",
    namespace="core-business-prod",
    pods="app=checkout",
    service="checkout",
    deployment="checkout",
    peak_rate=100.0,
)
STEADY = Profile(
    profile="steady", title="One rate", stages=(Stage(rate=0.1, hold=timedelta(minutes=1)),)
)
CONTAINER = ContainerResources(
    name="checkout",
    requests={Resource.CPU: 0.1, Resource.MEMORY: 100.0 * 2**20},
    limits={Resource.CPU: 0.2, Resource.MEMORY: 200.0 * 2**20},
)
CPU_70 = ResourceTarget(resource=Resource.CPU, utilization=70)
MEMORY_80 = ResourceTarget(resource=Resource.MEMORY, utilization=80)
AUTOSCALER = AutoscalerSettings(
    namespace=CHECKOUT.namespace,
    name="checkout",
    target="Deployment/checkout",
    minimum=1,
    maximum=10,
    metrics=(CPU_70,),
    behavior_given=True,
)
CLAIM = Claim(
    namespace=CHECKOUT.namespace,
    controller="Deployment/checkout",
    replicas=10,
    scaled_by="checkout",
    minimum=1,
    surge=3,
    containers=(CONTAINER,),
    qos="Burstable",
)


def nanoseconds_at(at_s: float) -> int:
    """That moment on the monotonic clock."""
    return BEGAN_NS + round(at_s * SECOND)


# What is planned


def promise(objective: Objective, **other: Any) -> Target:  # noqa: ANN401
    """A target of the service; its id is its kind's name."""
    return replace(target(objective, Kind.SERVICE), **other)


def trial(
    scenario: LoadScenario | str = "drive",
    *,
    profile: Profile | None = STEADY,
    peak: float = 100.0,
    **of_drive: Any,  # noqa: ANN401
) -> LoadTrial:
    """A trial of that scenario; a name becomes a drive. Its profile is None where it has none."""
    if isinstance(scenario, str):
        scenario = Drive(id=scenario, title="Driven", profile="steady", **of_drive)
    return LoadTrial(
        id=scenario.id,
        scenario=scenario,
        profile=profile if isinstance(scenario, Drive) else None,
        peak=peak,
        seed=1,
    )


def plan(
    *objectives: Objective | Target,
    trials: Sequence[LoadTrial] | None = None,
    **other: Any,  # noqa: ANN401
) -> LoadPlan:
    """A plan with a target for each objective; a Target is taken as it is."""
    made = LoadPlan(
        suite="pre-release-load",
        title="Load",
        environment="test",
        cluster=Identity(context="c", server="s", uid="u", version="v1.34.4"),
        workload=CHECKOUT,
        workloads=(CHECKOUT,),
        caps=Caps(),
        targets=tuple(one if isinstance(one, Target) else promise(one) for one in objectives),
        trials=tuple(trials) if trials is not None else (trial(),),
        autoscaler=AUTOSCALER,
        timings=Timings(),
        settings=CapacitySettings(claims=(CLAIM,), quotas=()),
        version="v1",
        baseline=None,
        cost_per_core_hour=None,
        cost_per_gibibyte_hour=None,
        blast_radius=(),
    )
    return replace(made, **other)


# What was recorded


def injected(
    of: str = "drive",
    *,
    at_s: float = 0.0,
    scheduled: int = 600,
    lasts_s: float = 60.0,
    **other: Any,  # noqa: ANN401
) -> LoadInjected:
    """Its samples are in `<trial>.samples`, those of a step in `<trial>-<step>.samples`."""
    step = other.pop("step", "")
    files = (f"{of}-{step}.samples" if step else f"{of}.samples",)
    made = LoadInjected(
        trial=of,
        step=step,
        began=Instant(monotonic_ns=nanoseconds_at(at_s), utc=NOW + timedelta(seconds=at_s)),
        scheduled=scheduled,
        lasts_s=lasts_s,
        rate=scheduled / lasts_s,
        workers=1,
        samples=files,
        generator_cpu_s=1.0,
    )
    return replace(made, **other)


def recorded(of: str = "drive", *, looks: int = 1, error: str | None = None) -> TimelineRecorded:
    """Its looks are in `<trial>.timeline.jsonl`."""
    return TimelineRecorded(trial=of, file=f"{of}.timeline.jsonl", looks=looks, error=error)


def held(of: str, replicas: int, *, at_s: float, ready_s: float | None = None) -> ReplicasHeld:
    """Ready after ten seconds."""
    ready = at_s + 10 if ready_s is None else ready_s
    return ReplicasHeld(
        trial=of,
        replicas=replicas,
        began_ns=nanoseconds_at(at_s),
        ready_ns=nanoseconds_at(ready),
    )


def around(of: str, *facts: Event) -> list[Event]:
    """The facts of a trial that began, ended and left nothing."""
    return [
        TrialStarted(trial=of),
        *facts,
        CleanedUp(trial=of, healed=(), leaks=()),
        TrialEnded(trial=of),
    ]


def run(
    planned: LoadPlan | None = None,
    *facts: Event,
    samples: Mapping[str, Samples] | None = None,
    timelines: Mapping[str, Sequence[Sighting]] | None = None,
    before: LoadRun | None = None,
) -> LoadRun:
    """The facts a second apart from before the load on, numbered from 0; then the run's end."""
    return LoadRun(
        plan=planned if planned is not None else plan(),
        history=History(
            entries=tuple(
                Entry(
                    sequence=number,
                    at=Instant(
                        monotonic_ns=nanoseconds_at(number - 60),
                        utc=NOW + timedelta(seconds=number - 60),
                    ),
                    fact=fact,
                )
                for number, fact in enumerate([*facts, RunEnded()])
            ),
            observations={},
        ),
        samples=samples or {},
        timelines={name: tuple(looks) for name, looks in (timelines or {}).items()},
        before=before,
    )


# What came of requests


def samples(
    count: int = 600,
    *,
    rate: float = 10.0,
    at_s: float = 0.0,
    takes_s: float | Sequence[float] = 0.05,
    lag_s: float | Sequence[float] = 0.0005,
    answer: Answer | Sequence[Answer] = Answer.OK,
    status: int = 200,
) -> Samples:
    """Even arrivals from `at_s` on. One value is that of all; a sequence has one for each.

    `takes_s` counts from the intended beginning.
    """
    made = np.zeros(count, dtype=DTYPE)
    intended = at_s + np.arange(count) / rate
    made["intended"] = np.rint(intended * SECOND)
    made["sent"] = np.rint((intended + np.asarray(lag_s)) * SECOND)
    made["ended"] = np.rint((intended + np.asarray(takes_s)) * SECOND)
    made["answer"] = np.asarray(answer)
    made["status"] = np.where(made["answer"] <= Answer.WRONG_BODY, status, 0)
    made["status"][made["answer"] == Answer.WRONG_STATUS] = 503
    return made[np.argsort(made["ended"], kind="stable")]


# What the cluster was seen to be


def pod(
    number: int = 0,
    *,
    ready: bool = True,
    since_s: float = -3_600.0,
    ready_since_s: float | None = None,
    **other: Any,  # noqa: ANN401
) -> ScaledPod:
    """`checkout-<number>`, created at `since_s`, ready (or not) from then on."""
    born = NOW + timedelta(seconds=since_s)
    made = ScaledPod(
        name=f"checkout-{number}",
        uid=f"uid-{number}",
        phase="Running",
        ready=ready,
        terminating=False,
        node="worker-1",
        created=born,
        started=born,
        ready_changed=born if ready_since_s is None else NOW + timedelta(seconds=ready_since_s),
        containers=(CONTAINER,),
        qos="Burstable",
    )
    return replace(made, **other)


def pending(number: int, *, since_s: float, waits_for: str = "") -> ScaledPod:
    """A pod that no kubelet took yet."""
    return pod(
        number,
        ready=False,
        since_s=since_s,
        phase="Pending",
        node="",
        started=None,
        ready_changed=None,
        waits_for=waits_for,
    )


def pods(count: int, **each: Any) -> tuple[ScaledPod, ...]:  # noqa: ANN401
    """So many, all alike."""
    return tuple(pod(number, **each) for number in range(count))


def usage(
    of: ScaledPod,
    cpu: float = 0.5,
    memory: float = 0.4,
    *,
    at_s: float = -5.0,
    window_s: float = 10.0,
) -> Usage:
    """`cpu` and `memory` are shares of the request of each of its containers."""
    return Usage(
        pod=of.name,
        measured=NOW + timedelta(seconds=at_s),
        window_s=window_s,
        containers={
            one.name: {
                resource: share * one.requests[resource]
                for resource, share in ((Resource.CPU, cpu), (Resource.MEMORY, memory))
                if resource in one.requests
            }
            for one in of.containers
        },
    )


def status(desired: int = 1, current: int | None = None, **other: Any) -> AutoscalerStatus:  # noqa: ANN401
    """Never scaled yet; `scaled_s` says when it last was."""
    scaled_s = other.pop("scaled_s", None)
    made = AutoscalerStatus(
        desired=desired,
        current=desired if current is None else current,
        last_scaled=None if scaled_s is None else NOW + timedelta(seconds=scaled_s),
    )
    return replace(made, **other)


def sighting(
    at_s: float,
    desired: int = 1,
    *,
    of: Sequence[ScaledPod] | None = None,
    cpu: float | None = 0.5,
    memory: float = 0.4,
    age_s: float = 5.0,
    **other: Any,  # noqa: ANN401
) -> Sighting:
    """One look, 100 ms long. `of`: its pods, else as many as desired, all ready.

    `cpu`, `memory`: what each of the pods used, as a share of its request, in ten seconds that
    ended `age_s` before; cpu=None: the metrics API was not read. `scaled_s`: when it was scaled.
    """
    seen = tuple(of) if of is not None else pods(desired)
    scaled_s = other.pop("scaled_s", None)
    usages = None
    if cpu is not None:
        usages = tuple(
            usage(one, cpu, memory, at_s=at_s - age_s) for one in seen if one.phase == "Running"
        )
    made = Sighting(
        began_ns=nanoseconds_at(at_s),
        ended_ns=nanoseconds_at(at_s + 0.1),
        wall=NOW + timedelta(seconds=at_s),
        replicas=desired,
        autoscaler=status(desired, scaled_s=scaled_s),
        pods=seen,
        endpoints=sum(one.ready for one in seen),
        usages=usages,
    )
    return replace(made, **other)


def looks(
    from_s: float,
    to_s: float,
    desired: int = 1,
    *,
    every_s: float = 1.0,
    **each: Any,  # noqa: ANN401
) -> list[Sighting]:
    """Looks from `from_s` on, before `to_s`, all alike."""
    count = max(0, round((to_s - from_s) / every_s))
    return [sighting(from_s + number * every_s, desired, **each) for number in range(count)]


def seen(states: Iterable[State], *, read_every: int = 5) -> list[Sighting]:
    """A simulation's states as looks; the metrics API is read in each `read_every`-th of them."""
    return [
        Sighting(
            began_ns=nanoseconds_at(one.at_s),
            ended_ns=nanoseconds_at(one.at_s + 0.1),
            wall=ZERO + timedelta(seconds=one.at_s),
            replicas=one.replicas,
            autoscaler=AutoscalerStatus(
                desired=one.replicas,
                current=one.replicas,
                last_scaled=None
                if one.scaled_s is None
                else ZERO + timedelta(seconds=math.floor(one.scaled_s)),
            ),
            pods=one.pods,
            endpoints=one.ready,
            usages=one.usages if number % read_every == 0 else None,
        )
        for number, one in enumerate(states)
    ]
