"""Which documented durations follow each other, and which promise they must be over within."""

from __future__ import annotations

from collections.abc import Iterator

from harness.feasibility.finding import Finding, Harm, Word
from harness.feasibility.ground import KUBERNETES_TOLERATION_S, Ground, Said
from harness.feasibility.time_budgets import Step, TimeBudget, spend
from harness.model.autoscaling import Timings
from harness.model.cluster_settings import WorkloadSettings
from harness.model.configuration import (
    Canary,
    DaprAnnotations,
    HealthProbe,
    ServiceCalls,
    SyncWave,
)
from harness.model.quantity import show_duration
from harness.model.target import (
    AutoscalerRange,
    Kind,
    Latency,
    RecoveryTime,
    Replicas,
    ScalingPeriod,
)

NEEDS = (
    "a recovery time with sync waves, canary phases or a single replica; call timeouts with a "
    "response time; readiness delays with a scale-up period"
)

_SIDECAR_DELAY = "dapr.io/sidecar-readiness-probe-delay-seconds"
_SIDECAR_PERIOD_S = 6.0
"""dapr.io/sidecar-readiness-probe-period-seconds where it is not set (Dapr documentation,
"Dapr arguments and annotations")."""

_METRICS_S = 15.0
"""--metric-resolution in the manifests of metrics-server; its own default is 60 s (its FAQ)."""

_NODE_LOSS = (
    "Kubernetes waits until a node is taken for lost, then for as long as the pod tolerates that, "
    "and only then makes another one"
)
_EVICTION = 'Kubernetes documentation, "Taints and Tolerations", taint-based evictions'


def look(ground: Ground) -> Iterator[Finding]:
    """Each sum of durations that the targets and the cluster give."""
    for budget in (
        *_rebuilds(ground),
        *_canaries(ground),
        *_calls(ground),
        *_scale_ups(ground),
        *_lost_nodes(ground),
        *_lost_nodes_as_deployed(ground),
    ):
        yield spend(budget)


def _rebuilds(ground: Ground) -> Iterator[TimeBudget]:
    """Argo CD begins a wave when all of the wave before is healthy; one wave's parts go together.

    Only where the promise covers the platform itself: what a data store's recovery takes is not
    decided by the waves after it.
    """
    waves = ground.said(SyncWave)
    if not waves:
        return
    longest: dict[int, Said[SyncWave]] = {}
    for one in sorted(waves, key=lambda said: said.objective.takes):
        longest[one.objective.wave] = one
    for rto in _recovery_times(ground, Kind.KUBERNETES):
        yield TimeBudget(
            about=f"{rto.id}, rebuild from Git",
            subject="A rebuild of the platform from Git",
            limit_s=rto.objective.at_most.total_seconds(),
            limit="RTO",
            target=rto.id,
            steps=tuple(
                Step(
                    name=f"wave {number}",
                    least_s=one.objective.takes.total_seconds(),
                    longest_s=one.objective.takes.total_seconds(),
                    target=one.id,
                )
                for number, one in sorted(longest.items())
            ),
            harm=Harm.OUTAGE,
            why="A wave begins when all of the one before it is healthy, so that the durations of "
            "waves add. Making the cluster itself and restoring its data come on top.",
            resolve="Give the rebuild a recovery time of its own, beside the one of a failover; or "
            "shorten the waves, by putting into one what does not depend on each other.",
            assumes=("the recovery time is promised for the loss of the whole platform, too",),
            sources=('Argo CD documentation, "Sync Phases and Waves"',),
        )


def _canaries(ground: Ground) -> Iterator[TimeBudget]:
    for canary in ground.said(Canary):
        for rto in _recovery_times(ground, Kind.SERVICE):
            yield TimeBudget(
                about=f"{rto.id}, {canary.id}",
                subject="A new version that goes through the canary's phases",
                limit_s=rto.objective.at_most.total_seconds(),
                limit="RTO",
                target=rto.id,
                steps=tuple(
                    Step(
                        name=f"at {phase.weight} %",
                        least_s=phase.lasts.total_seconds(),
                        longest_s=phase.lasts.total_seconds(),
                        target=canary.id,
                    )
                    for phase in canary.objective.phases
                ),
                harm=Harm.OUTAGE,
                beyond=Word.TIGHT,
                why="Phases follow each other. A fault that only a new version mends is mended for "
                "all when the last phase begins, not earlier.",
                resolve="Say that a fault is mended by going back, never forward, and prove the "
                "time of the way back; or document a way past the phases for such a version.",
                assumes=("a fault can need a new version: the version before it may have it, too",),
            )


def _calls(ground: Ground) -> Iterator[TimeBudget]:
    """A caller that tries again waits for each attempt anew."""
    for calls in ground.said(ServiceCalls):
        attempts = 1 + calls.objective.retries
        each_s = calls.objective.timeout.total_seconds()
        for promise in ground.said(Latency):
            limit_s = promise.objective.at_most.total_seconds()
            yield TimeBudget(
                about=f"{promise.id}, {calls.id}",
                subject="A call to a service that does not answer",
                limit_s=limit_s,
                limit="response time",
                target=promise.id,
                steps=tuple(
                    Step(
                        name="first attempt" if number == 0 else f"retry {number}",
                        least_s=each_s,
                        longest_s=each_s,
                        target=calls.id,
                    )
                    for number in range(attempts)
                ),
                harm=Harm.OUTAGE,
                beyond=Word.TIGHT,
                why=f"One call that is not answered is {each_s * attempts / limit_s:.6g} times the "
                "response time that is promised, and callers of callers multiply it. The promise "
                f"is kept only while fewer than {100 - promise.objective.percentile:g} % of "
                "requests need such a call.",
                resolve="A timeout below the response time, retries within one deadline that is "
                "handed on with the call, and a circuit breaker.",
                sources=("gRPC documentation, Deadlines",),
            )


def _scale_ups(ground: Ground) -> Iterator[TimeBudget]:
    delay = _readiness_delay(ground)
    if delay is None:
        return
    timings = ground.timings or Timings(scrape_s=_METRICS_S)
    for promise in ground.said(ScalingPeriod):
        if promise.objective.direction != "up":
            continue
        yield TimeBudget(
            about=f"{promise.id}, readiness",
            subject="From more load to a ready pod more",
            limit_s=promise.objective.period.total_seconds(),
            limit="scale-up period",
            target=promise.id,
            steps=(
                Step(
                    name="until it is measured",
                    least_s=0,
                    longest_s=timings.scrape_s,
                    source=f"{timings.source}: metric-resolution",
                ),
                Step(
                    name="until the autoscaler looks",
                    least_s=0,
                    longest_s=timings.sync_s,
                    source=f"{timings.source}: --horizontal-pod-autoscaler-sync-period",
                ),
                delay,
            ),
            harm=Harm.CAPACITY,
            why="A pod counts when all its containers are ready, and a container is not asked "
            "before its initial delay. Placing it, fetching its image and starting it come on top.",
            resolve="Shorten the delay of the slowest probe: one that asks early costs nothing, "
            "for a pod that is not ready yet is asked again.",
            assumes=("the period means the time that scaling takes",),
        )


def _lost_nodes(ground: Ground) -> Iterator[TimeBudget]:
    """A service that may have one replica only is away until that is made anew elsewhere."""
    grace = ground.node_grace
    delay = _readiness_delay(ground)
    for single, certain in _singles(ground):
        for rto in _recovery_times(ground, Kind.SERVICE):
            yield TimeBudget(
                about=f"{rto.id}, lost node, {single}",
                subject="A service with one replica, whose node is lost,",
                limit_s=rto.objective.at_most.total_seconds(),
                limit="RTO",
                target=rto.id,
                steps=(
                    Step(
                        name="until the node is taken for lost",
                        least_s=grace.low_s,
                        longest_s=grace.high_s,
                        source=grace.source,
                    ),
                    Step(
                        name="that pods tolerate it",
                        least_s=KUBERNETES_TOLERATION_S,
                        longest_s=KUBERNETES_TOLERATION_S,
                        source=f"Kubernetes default: tolerationSeconds ({_EVICTION})",
                    ),
                    *(() if delay is None else (delay,)),
                ),
                harm=Harm.OUTAGE,
                beyond=Word.CONTRADICTION if certain else Word.TIGHT,
                why=f"{_NODE_LOSS}. The targets allow one replica, and none sets a toleration.",
                resolve="Two replicas or more on different nodes, always: the autoscaler's minimum "
                "included. Or tolerationSeconds of not-ready and unreachable that the recovery "
                "time has room for.",
                assumes=(
                    "pods have the tolerations that admission gives them: no target says others",
                    *(() if certain else ("the recovery time is meant for that environment, too",)),
                ),
                also=(single,),
            )


def _lost_nodes_as_deployed(ground: Ground) -> Iterator[TimeBudget]:
    """The same sum from what the cluster is set to."""
    if ground.settings is None:
        return
    for workload in ground.settings.workloads:
        for rto in _recovery_times(ground, Kind.SERVICE):
            budget = _as_deployed(ground, workload, rto)
            if budget is not None:
                yield budget


def _as_deployed(
    ground: Ground, workload: WorkloadSettings, rto: Said[RecoveryTime]
) -> TimeBudget | None:
    pods, grace = workload.pods, ground.node_grace
    if pods is None or pods.unreachable_toleration_s is None or not pods.is_replaced_elsewhere:
        return None
    least = pods.replicas if pods.autoscaler_minimum is None else pods.autoscaler_minimum
    if least > 1:
        return None
    return TimeBudget(
        about=f"{rto.id}, lost node, {workload.workload}",
        subject=f"{workload.workload} with one replica, whose node is lost,",
        limit_s=rto.objective.at_most.total_seconds(),
        limit="RTO",
        target=rto.id,
        steps=(
            Step(
                name="until the node is taken for lost",
                least_s=grace.low_s,
                longest_s=grace.high_s,
                source=grace.source,
            ),
            Step(
                name="that its pods tolerate it",
                least_s=pods.unreachable_toleration_s,
                longest_s=pods.unreachable_toleration_s,
                source=f"tolerationSeconds of {pods.controller}",
            ),
            Step(
                name="before it is asked whether it is ready",
                least_s=pods.readiness_delay_s,
                longest_s=pods.readiness_delay_s + pods.readiness_period_s,
                source=f"readiness probe of {pods.controller}",
            ),
        ),
        harm=Harm.OUTAGE,
        why=f"{_NODE_LOSS}. So it is set in this cluster.",
        resolve="Two replicas or more on different nodes, or a shorter toleration.",
        sources=(_EVICTION,),
    )


def _singles(ground: Ground) -> Iterator[tuple[str, bool]]:
    """What allows one replica, and whether it is said of all environments."""
    for range_ in ground.said(AutoscalerRange):
        if range_.objective.minimum <= 1:
            yield range_.id, True
    replicas = ground.said(Replicas)
    for one in replicas:
        if one.objective.count == 1:
            yield one.id, len(replicas) == 1


def _readiness_delay(ground: Ground) -> Step | None:
    """The latest of all delays before a container is asked: they run beside each other."""
    delays = [
        Step(
            name="before the service is asked whether it is ready",
            least_s=one.objective.initial_delay.total_seconds(),
            longest_s=(one.objective.initial_delay + one.objective.period).total_seconds(),
            target=one.id,
        )
        for one in ground.said(HealthProbe)
        if one.objective.probe == "readiness"
    ]
    for one in ground.said(DaprAnnotations):
        given = one.objective.annotations.get(_SIDECAR_DELAY, "")
        if given.isdigit():
            delays.append(
                Step(
                    name="before the sidecar is asked whether it is ready",
                    least_s=float(given),
                    longest_s=float(given) + _SIDECAR_PERIOD_S,
                    target=one.id,
                    telling=_SIDECAR_DELAY,
                    source='Dapr documentation, "Dapr arguments and annotations": asked every '
                    f"{show_duration(_SIDECAR_PERIOD_S)}",
                )
            )
    return max(delays, key=lambda step: (step.least_s, step.longest_s), default=None)


def _recovery_times(ground: Ground, kind: Kind) -> tuple[Said[RecoveryTime], ...]:
    return tuple(one for one in ground.said(RecoveryTime) if one.covers(kind))
