"""Recomputes what a HorizontalPodAutoscaler decides from metrics of resources. Pure.

The algorithm of autoscaling/v2 as kubernetes/kubernetes has it below pkg/controller/podautoscaler:
replica_calculator.go in its form with a tolerance for each direction (1.33 and later), metrics/
utilization.go, and horizontal.go with two-sided stabilisation (1.27 and later). Quantities are
whole thousandths there, and percents are cut, not rounded: both change decisions, so both are kept.
Pod-level requests (KEP-2837) are not: ContainerResources does not tell them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from harness.model.autoscaling import (
    AutoscalerSettings,
    PolicyKind,
    Resource,
    ResourceTarget,
    ScaledPod,
    ScalingPolicy,
    ScalingRules,
    SelectPolicy,
    Timings,
    Usage,
)

LEGACY_FACTOR, LEGACY_MINIMUM = 2, 4
"""Where spec.behavior says nothing: at most twice the replicas, or four (horizontal.go,
scaleUpLimitFactor and scaleUpLimitMinimum); no period applies."""

# A float of cores is a decimal of the API: 0.1 * 1000 must not become 101 thousandths.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the controller sees when it syncs."""

    now: datetime
    replicas: int
    """spec.replicas of its target."""

    pods: tuple[ScaledPod, ...]
    usages: tuple[Usage, ...]
    """All that the resource metrics API has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SortedPods:
    """Names of pods, by what they count for one metric."""

    counted: frozenset[str]
    unready: frozenset[str]
    """Not ready, or not yet measured since they are: 0 % when it would grow, else nothing."""

    missing: frozenset[str]
    """Running without a measurement: all of their request when it would shrink, else 0 %."""

    ignored: frozenset[str]
    """Ending or failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What one metric asks for."""

    metric: str
    replicas: int | None
    """None: it cannot be computed, and `because` says why."""

    because: str
    ratio: float | None = None
    """Usage / target of the pods that count, before those without a measurement are filled in."""

    utilization: int | None = None
    """Percent of the request, as status.currentMetrics tells it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """What all metrics together ask for, before windows, policies and limits."""

    replicas: int | None
    """None: nothing is decided."""

    proposals: tuple[Proposal, ...]

    @property
    def because(self) -> tuple[str, ...]:
        """One line for each metric."""
        return tuple(one.because for one in self.proposals)


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """What the recommendations of both stabilisation windows allow."""

    lowest: int
    """Of the window for growing: it grows to no more."""

    highest: int
    """Of the window for shrinking: it shrinks to no less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The autoscaler changed the replicas so long ago."""

    age_s: float
    by: int
    """Above 0: it added so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What is decided, and the conditions that are set with it."""

    replicas: int
    because: tuple[str, ...] = ()
    conditions: Mapping[str, str] = field(default_factory=dict)
    """`ScalingLimited` -> `True TooManyReplicas`."""


class _UncomputableError(ValueError):
    """Why a metric says nothing; the text is for a person."""


# What metrics ask for


def recommend(view: View, settings: AutoscalerSettings, timings: Timings) -> Recommendation:
    """The most that one of the metrics asks for.

    None where all of them fail, and where one fails and the others would shrink (horizontal.go,
    computeReplicasForMetrics). Metrics that are not of resources are not recomputed.
    """
    proposals = tuple(propose(one, view, settings, timings) for one in settings.metrics)
    wanted = [one.replicas for one in proposals if one.replicas is not None]
    most = max(wanted, default=None)
    failed = len(wanted) < len(proposals)
    undecided = most is None or (failed and most < view.replicas)
    return Recommendation(replicas=None if undecided else most, proposals=proposals)


def propose(
    metric: ResourceTarget, view: View, settings: AutoscalerSettings, timings: Timings
) -> Proposal:
    """What one metric asks for (replica_calculator.go, GetResourceReplicas)."""
    name = metric.resource.value
    if metric.container is not None:
        name = f"{name} of container {metric.container}"
    try:
        return _propose(metric, name, view, settings, timings)
    except _UncomputableError as error:
        return Proposal(metric=name, replicas=None, because=f"{name}: {error}")


def _propose(
    metric: ResourceTarget,
    name: str,
    view: View,
    settings: AutoscalerSettings,
    timings: Timings,
) -> Proposal:
    measured = _measured(metric, view.usages)
    if not view.pods:
        raise _UncomputableError("it has no pods")
    sorted_pods = sort_pods(view, frozenset(measured), metric.resource, timings)
    values = {
        pod: value
        for pod, value in measured.items()
        if pod not in sorted_pods.unready and pod not in sorted_pods.ignored
    }
    if not values:
        raise _UncomputableError("no pod that is ready has a measurement")
    target = _target(metric, view)
    ratio, share = target.ratio(values)
    utilization = share if metric.utilization is not None else None
    said = f"{name}: {target.tell(share)}: ratio {ratio:.2f}"

    def proposal(replicas: int, why: str) -> Proposal:
        return Proposal(
            metric=name,
            replicas=replicas,
            because=f"{said}, {why}",
            ratio=ratio,
            utilization=utilization,
        )

    counted = len(sorted_pods.counted)
    growing_with_unready = bool(sorted_pods.unready) and ratio > 1
    if not growing_with_unready and not sorted_pods.missing:
        if _within(ratio, settings, timings):
            return proposal(view.replicas, f"within the tolerance -> stays {view.replicas}")
        wanted = math.ceil(ratio * counted)
        return proposal(wanted, f"{_pods(counted)} counted -> {wanted}")

    filled = dict(values)
    for pod in sorted_pods.missing if ratio != 1 else ():
        filled[pod] = target.of_missing(pod) if ratio < 1 else 0
    for pod in sorted_pods.unready if growing_with_unready else ():
        filled[pod] = 0
    again, _ = target.ratio(filled)
    added = _filled(sorted_pods, growing_with_unready=growing_with_unready, ratio=ratio)
    said = f"{said}, {again:.2f} with {added}"
    turned = (ratio < 1 < again) or (again < 1 < ratio)
    if _within(again, settings, timings) or turned:
        return proposal(view.replicas, f"near enough -> stays {view.replicas}")
    wanted = math.ceil(again * len(filled))
    if (again < 1 and wanted > view.replicas) or (again > 1 and wanted < view.replicas):
        return proposal(view.replicas, f"{wanted} would be the wrong way -> stays {view.replicas}")
    return proposal(wanted, f"{_pods(len(filled))} counted -> {wanted}")


def sort_pods(
    view: View, measured: frozenset[str], resource: Resource, timings: Timings
) -> SortedPods:
    """What each pod counts for a metric (replica_calculator.go, groupPods).

    `measured`: the names of those that have a measurement of it.
    """
    by_name = {one.pod: one for one in view.usages}
    groups: dict[str, set[str]] = {"counted": set(), "unready": set(), "missing": set()}
    ignored = set()
    for pod in view.pods:
        if pod.terminating or pod.phase == "Failed":
            ignored.add(pod.name)
        elif pod.phase == "Pending":
            groups["unready"].add(pod.name)
        elif pod.name not in measured:
            groups["missing"].add(pod.name)
        elif resource is Resource.CPU and _unready(pod, by_name[pod.name], view.now, timings):
            groups["unready"].add(pod.name)
        else:
            groups["counted"].add(pod.name)
    return SortedPods(
        counted=frozenset(groups["counted"]),
        unready=frozenset(groups["unready"]),
        missing=frozenset(groups["missing"]),
        ignored=frozenset(ignored),
    )


def _unready(pod: ScaledPod, usage: Usage, now: datetime, timings: Timings) -> bool:
    if pod.ready_changed is None or pod.started is None:
        return True
    if pod.started + timedelta(seconds=timings.cpu_initialization_s) > now:
        fresh = pod.ready_changed + timedelta(seconds=usage.window_s)
        return not pod.ready or usage.measured < fresh
    never = pod.started + timedelta(seconds=timings.initial_readiness_s) > pod.ready_changed
    return not pod.ready and never


def _measured(metric: ResourceTarget, usages: Iterable[Usage]) -> dict[str, int]:
    """Thousandths by pod; a pod that lacks the resource in one of its containers has none."""
    found: dict[str, int] = {}
    for usage in usages:
        containers = usage.containers
        if metric.container is not None:
            if metric.container not in containers:
                raise _UncomputableError(f"pod {usage.pod} has no measurement of that container")
            containers = {metric.container: containers[metric.container]}
        if all(metric.resource in used for used in containers.values()):
            found[usage.pod] = sum(
                _thousandths(used[metric.resource]) for used in containers.values()
            )
    if not found:
        raise _UncomputableError("the metrics API has nothing of it")
    return found


def _thousandths(quantity: float) -> int:
    """As resource.Quantity.MilliValue: rounded up."""
    return math.ceil(quantity * 1000 - _ROUNDING)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Utilization:
    """A share of the request, in percent."""

    percent: int
    requests: Mapping[str, int]

    def ratio(self, values: Mapping[str, int]) -> tuple[float, int]:
        known = [pod for pod in values if pod in self.requests]
        asked = sum(self.requests[pod] for pod in known)
        if not asked:
            raise _UncomputableError("no measurement is of a pod with a request")
        share = sum(values[pod] for pod in known) * 100 // asked
        return share / self.percent, share

    def of_missing(self, pod: str) -> int:
        return self.requests[pod] * max(100, self.percent) // 100

    def tell(self, share: int) -> str:
        return f"{share} % of the request, target {self.percent} %"


@dataclass(frozen=True, slots=True, kw_only=True)
class _AverageValue:
    """So much of each pod, in thousandths."""

    thousandths: int

    def ratio(self, values: Mapping[str, int]) -> tuple[float, int]:
        average = sum(values.values()) // len(values)
        return average / self.thousandths, average

    def of_missing(self, _pod: str) -> int:
        return self.thousandths

    def tell(self, share: int) -> str:
        return f"{share / 1000:g} on average, target {self.thousandths / 1000:g}"


def _target(metric: ResourceTarget, view: View) -> _Utilization | _AverageValue:
    if metric.utilization is not None:
        return _Utilization(percent=metric.utilization, requests=_requests(metric, view.pods))
    if metric.average_value is not None:
        return _AverageValue(thousandths=_thousandths(metric.average_value))
    raise _UncomputableError("it names neither a utilization nor an average value")


def _requests(metric: ResourceTarget, pods: Iterable[ScaledPod]) -> dict[str, int]:
    """Of every pod, the ending ones too: one container without a request fails the metric."""
    found = {}
    for pod in pods:
        of_it = [one for one in pod.containers if metric.container in (None, one.name)]
        if not of_it:
            raise _UncomputableError(f"pod {pod.name} has no such container")
        without = [one.name for one in of_it if metric.resource not in one.requests]
        if without:
            raise _UncomputableError(f"container {without[0]} of pod {pod.name} has no request")
        found[pod.name] = sum(_thousandths(one.requests[metric.resource]) for one in of_it)
    return found


def _within(ratio: float, settings: AutoscalerSettings, timings: Timings) -> bool:
    down, up = tolerances(settings, timings)
    return 1.0 - down <= ratio <= 1.0 + up


def tolerances(settings: AutoscalerSettings, timings: Timings) -> tuple[float, float]:
    """By how much the ratio may be below and above 1 (KEP-4951)."""
    down, up = settings.down.tolerance, settings.up.tolerance
    return (
        timings.tolerance if down is None else down,
        timings.tolerance if up is None else up,
    )


def _pods(count: int) -> str:
    return f"{count} pod{'' if count == 1 else 's'}"


def _filled(sorted_pods: SortedPods, *, growing_with_unready: bool, ratio: float) -> str:
    parts = []
    if sorted_pods.missing:
        share = "all of its request" if ratio < 1 else "0 %"
        parts.append(f"{len(sorted_pods.missing)} without a measurement as {share}")
    if growing_with_unready:
        parts.append(f"{len(sorted_pods.unready)} not ready as 0 %")
    return " and ".join(parts)


# What windows, policies and limits make of it


def windows(
    settings: AutoscalerSettings, wanted: int, past: Iterable[tuple[float, int]]
) -> Windows:
    """`past`: ages in seconds and recommendations, before windows; `wanted` is the newest."""
    known = [*past, (0.0, wanted)]
    return Windows(
        lowest=min([wanted, *(one for age_s, one in known if age_s < settings.up.window_s)]),
        highest=max([wanted, *(one for age_s, one in known if age_s < settings.down.window_s)]),
    )


def decide(
    settings: AutoscalerSettings,
    *,
    current: int,
    wanted: int | None,
    allowed: Windows | None = None,
    changes: Sequence[Change] = (),
) -> Outcome:
    """What is decided (horizontal.go, reconcileAutoscaler).

    `wanted`: the recommendation of all metrics. `allowed` None: it has no earlier ones. `changes`:
    those that the autoscaler itself made.
    """
    if current == 0 and settings.minimum != 0:
        return Outcome(replicas=0, because=("0 replicas: it is switched off",))
    if current > settings.maximum:
        return Outcome(
            replicas=settings.maximum, because=(f"{current} are above {settings.maximum}",)
        )
    if current < settings.minimum:
        return Outcome(
            replicas=settings.minimum, because=(f"{current} are below {settings.minimum}",)
        )
    if wanted is None:
        return Outcome(
            replicas=current,
            because=("without its metrics it changes nothing",),
            conditions={"ScalingActive": "False FailedGetResourceMetric"},
        )
    if allowed is None:
        allowed = Windows(lowest=wanted, highest=wanted)
    if not settings.behavior_given:
        return _decide_without_behavior(settings, current, wanted, allowed)
    steady = min(max(current, allowed.lowest), allowed.highest)
    replicas, reason, line = _limited(settings, current, steady, changes)
    held = "ScaleUpStabilized" if wanted >= current else "ScaleDownStabilized"
    return Outcome(
        replicas=replicas,
        because=(*_told_windows(settings, current, wanted, steady), *line),
        conditions={
            "AbleToScale": f"True {'ReadyForNewScale' if steady == wanted else held}",
            "ScalingLimited": f"{replicas != steady} {reason}",
        },
    )


def _told_windows(
    settings: AutoscalerSettings, current: int, wanted: int, steady: int
) -> tuple[str, ...]:
    if steady == wanted:
        return ()
    if wanted > current:
        return (f"the last {settings.up.window_s} s asked for {steady} at the least",)
    return (f"the last {settings.down.window_s} s asked for up to {steady}",)


def _decide_without_behavior(
    settings: AutoscalerSettings, current: int, wanted: int, allowed: Windows
) -> Outcome:
    """horizontal.go, normalizeDesiredReplicas: what it does where spec.behavior is absent."""
    steady = allowed.highest
    limit = max(LEGACY_FACTOR * current, LEGACY_MINIMUM)
    line: tuple[str, ...] = ()
    replicas, reason = steady, "DesiredWithinRange"
    if steady < settings.minimum:
        replicas, reason, line = (
            settings.minimum,
            "TooFewReplicas",
            (f"minimum {settings.minimum}",),
        )
    elif steady > min(settings.maximum, limit):
        if settings.maximum > limit:
            replicas, reason = limit, "ScaleUpLimit"
            line = (f"at most {limit} at once: twice {current}, or {LEGACY_MINIMUM}",)
        else:
            replicas, reason = settings.maximum, "TooManyReplicas"
            line = (f"maximum {settings.maximum}",)
    return Outcome(
        replicas=replicas,
        because=(*_told_windows(settings, current, wanted, steady), *line),
        conditions={
            "AbleToScale": "True "
            + ("ReadyForNewScale" if steady == wanted else "ScaleDownStabilized"),
            "ScalingLimited": f"{replicas != steady} {reason}",
        },
    )


def _limited(
    settings: AutoscalerSettings, current: int, steady: int, changes: Sequence[Change]
) -> tuple[int, str, tuple[str, ...]]:
    """horizontal.go, convertDesiredReplicasWithBehaviorRate."""
    if steady > current:
        limit = max(current, growth_limit(settings.up, current, changes))
        most = min(settings.maximum, limit)
        if steady > most:
            if settings.maximum > limit:
                return most, "ScaleUpLimit", (f"{_told(settings.up)} allow {most}",)
            return most, "TooManyReplicas", (f"maximum {settings.maximum}",)
    elif steady < current:
        limit = min(current, shrink_limit(settings.down, current, changes))
        least = max(settings.minimum, limit)
        if steady < least:
            if settings.minimum < limit:
                return least, "ScaleDownLimit", (f"{_told(settings.down)} allow {least}",)
            return least, "TooFewReplicas", (f"minimum {settings.minimum}",)
    return steady, "DesiredWithinRange", ()


def growth_limit(rules: ScalingRules, current: int, changes: Sequence[Change]) -> int:
    """The most that the policies of growing allow (calculateScaleUpLimitWithScalingRules)."""
    if rules.select is SelectPolicy.DISABLED:
        return current
    proposed = []
    for policy in rules.policies:
        began_with = _period_start(policy, current, changes)
        proposed.append(
            began_with + policy.value
            if policy.kind is PolicyKind.PODS
            else math.ceil(began_with * (1 + policy.value / 100))
        )
    choose = min if rules.select is SelectPolicy.MIN else max
    return choose(proposed, default=current)


def shrink_limit(rules: ScalingRules, current: int, changes: Sequence[Change]) -> int:
    """The fewest that the policies of shrinking allow (calculateScaleDownLimitWithBehaviors)."""
    if rules.select is SelectPolicy.DISABLED:
        return current
    proposed = []
    for policy in rules.policies:
        began_with = _period_start(policy, current, changes)
        proposed.append(
            began_with - policy.value
            if policy.kind is PolicyKind.PODS
            else int(began_with * (1 - policy.value / 100))
        )
    choose = max if rules.select is SelectPolicy.MIN else min
    return choose(proposed, default=current)


def _period_start(policy: ScalingPolicy, current: int, changes: Sequence[Change]) -> int:
    return current - sum(one.by for one in changes if one.age_s < policy.period_s)


def _told(rules: ScalingRules) -> str:
    if rules.select is SelectPolicy.DISABLED:
        return "policies (disabled)"
    each = ", ".join(
        f"{one.value}{' %' if one.kind is PolicyKind.PERCENT else ' pods'}/{one.period_s} s"
        for one in rules.policies
    )
    return f"policies ({each}; {rules.select.value})"
