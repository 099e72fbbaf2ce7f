"""Decides whether an autoscaler has what it computes from: fresh metrics, requests. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from harness.capacity.scaling import Stale, oldest_expected_s, stale
from harness.judge.answer import Answer
from harness.judge.load.autoscaler_trials import FreeTrial, evidence_of
from harness.judge.load.autoscaler_words import describe, name
from harness.judge.load.evidence import LoadRun
from harness.model.autoscaling import AutoscalerSettings, ContainerResources, Resource, Timings
from harness.model.verdict import Measure, Verdict

_NAMED = 5


def judge_metrics(
    settings: AutoscalerSettings, timings: Timings, trials: Sequence[FreeTrial]
) -> Answer:
    """Whether the newest measurement was ever older than a working metrics-server leaves it."""
    who = name(settings)
    limit_s = oldest_expected_s(timings)
    found: list[tuple[FreeTrial, Stale]] = [
        (one, stretch)
        for one in trials
        for stretch in stale(one.sightings, timings, zero_ns=one.zero_ns)
    ]
    ages = [
        max((look.wall - usage.measured).total_seconds() for usage in look.usages)
        for one in trials
        for look in one.sightings
        if look.usages
    ]
    if found:
        one, stretch = max(found, key=lambda each: each[1].oldest_s)
        return Answer(
            verdict=Verdict.FAIL,
            headline=f"{who}: its metrics were up to {stretch.oldest_s:.0f} s old, expected at "
            f"most {limit_s:.0f} s",
            detail=tuple(
                f"{each.summary.trial}: {part.low_s:.0f} to {part.high_s:.0f} s after the load "
                f"began: up to {part.oldest_s:.0f} s old"
                for each, part in found[:_NAMED]
            ),
            measures=(Measure(name="oldest metrics", unit="s", value=stretch.oldest_s),),
            since=None if one.began is None else one.began + timedelta(seconds=stretch.low_s),
            advice="kubectl get --raw /apis/metrics.k8s.io/v1beta1/pods",
            evidence=evidence_of(trials),
        )
    if not ages:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{who}: its metrics were not seen",
            advice="kubectl get --raw /apis/metrics.k8s.io/v1beta1/pods",
            evidence=evidence_of(trials),
        )
    return Answer(
        verdict=Verdict.PASS,
        headline=f"{who}: its metrics were never older than {limit_s:.0f} s",
        measures=(Measure(name="oldest metrics", unit="s", value=max(ages)),),
        evidence=evidence_of(trials),
    )


def judge_requests(
    run: LoadRun, settings: AutoscalerSettings, trials: Sequence[FreeTrial]
) -> Answer:
    """Whether it can compute at all, and whether somebody else changes what it divides by."""
    who = name(settings)
    kinds = _kinds_of_pods(run, settings, trials)
    if not kinds:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{who}: nobody knows what its pods ask for",
            advice=describe(settings),
        )
    without = [
        f"{one.name} ({metric.resource.value})"
        for containers in kinds
        for metric in settings.metrics
        for one in containers
        if metric.container in (None, one.name) and metric.resource not in one.requests
    ]
    counted = {metric.resource for metric in settings.metrics}
    changed = sorted(
        f"{container} ({resource.value}): {' and '.join(f'{value:g}' for value in sorted(values))}"
        for (container, resource), values in _asked(kinds).items()
        if resource in counted and len(values) > 1
    )
    setters = tuple(_setters(run, settings, kinds))
    detail = (*_left_out(settings, kinds[0]), *_vertical(run, settings))
    if without:
        return Answer(
            verdict=Verdict.FAIL,
            headline=f"{who}: no request for {', '.join(dict.fromkeys(without))}: it cannot "
            "compute their share",
            detail=detail,
            advice=describe(settings),
        )
    if setters:
        return Answer(
            verdict=Verdict.FAIL,
            headline=f"{who}: {setters[0]}, which it divides by: each undoes what the other does",
            detail=(*setters[1:], *changed, *detail),
            advice=f"kubectl -n {settings.namespace} get verticalpodautoscalers -o yaml  # one of "
            "the two by another metric, or updateMode Off",
            evidence=evidence_of(trials),
        )
    if changed:
        return Answer(
            verdict=Verdict.FAIL,
            headline=f"{who}: somebody changed requests that it divides by: {changed[0]}, as a "
            "VerticalPodAutoscaler with updateMode Auto does",
            detail=(*changed[1:], *detail),
            advice=f"kubectl -n {settings.namespace} get verticalpodautoscalers",
            evidence=evidence_of(trials),
        )
    return Answer(
        verdict=Verdict.PASS,
        headline=f"{who}: all containers that it counts have a request, and kept it",
        detail=detail,
        evidence=evidence_of(trials),
    )


def _kinds_of_pods(
    run: LoadRun, settings: AutoscalerSettings, trials: Sequence[FreeTrial]
) -> list[tuple[ContainerResources, ...]]:
    """Each different set of containers that its pods had, the planned one first."""
    planned = [
        claim.containers
        for claim in run.plan.settings.claims
        if (claim.namespace, claim.controller) == (settings.namespace, settings.target)
    ]
    seen = [pod.containers for one in trials for look in one.sightings for pod in look.pods or ()]
    found: list[tuple[ContainerResources, ...]] = []
    for one in [*planned, *seen]:
        if one and one not in found:
            found.append(one)
    return found


def _asked(
    kinds: Sequence[tuple[ContainerResources, ...]],
) -> dict[tuple[str, Resource], set[float]]:
    found: dict[tuple[str, Resource], set[float]] = {}
    for containers in kinds:
        for one in containers:
            for resource, value in one.requests.items():
                found.setdefault((one.name, resource), set()).add(value)
    return found


def _left_out(
    settings: AutoscalerSettings, containers: Sequence[ContainerResources]
) -> Iterator[str]:
    for metric in settings.metrics:
        others = [one.name for one in containers if one.name != metric.container]
        sidecars = [one.name for one in containers if one.sidecar]
        if metric.container is not None and others:
            yield (
                f"{metric.resource.value}: only {metric.container} counts; a busy "
                f"{', '.join(others)} is not seen"
            )
        elif metric.container is None and sidecars:
            yield (
                f"{metric.resource.value}: the sidecars {', '.join(sidecars)} count: an idle one "
                "hides a busy service"
            )


def _setters(
    run: LoadRun,
    settings: AutoscalerSettings,
    kinds: Sequence[tuple[ContainerResources, ...]],
) -> Iterator[str]:
    """Each vertical autoscaler that sets a request of which this one takes a share. An average
    value divides by none (Vertical Pod Autoscaler, Known limitations: not with a
    HorizontalPodAutoscaler on the same resource metric).
    """
    for one in run.plan.settings.vertical_autoscalers or ():
        if (one.namespace, one.target) != (settings.namespace, settings.target):
            continue
        for metric in settings.metrics:
            names = {each.name for containers in kinds for each in containers}
            counted = names if metric.container is None else names & {metric.container}
            of = sorted(name for name in counted if metric.resource in one.sets(name))
            if of and metric.utilization is not None:
                yield (
                    f"VerticalPodAutoscaler {one.name} (updateMode {one.mode}) sets the request "
                    f"for {metric.resource.value} of {', '.join(of)}"
                )


def _vertical(run: LoadRun, settings: AutoscalerSettings) -> Iterator[str]:
    """What is not known of vertical autoscalers, and those that are there and do no harm."""
    kind = "VerticalPodAutoscaler"
    for what, why in run.plan.settings.unknown.items():
        if what in (kind, f"{kind} of {settings.namespace}"):
            yield f"whether a {kind} follows the same service is not known: {why}"
            return
    found = run.plan.settings.vertical_autoscalers
    if found is None:
        yield f"{kind}s were not read: only changed requests would show one"
    for one in found or ():
        if (one.namespace, one.target) == (settings.namespace, settings.target):
            yield f"{kind} {one.name}: updateMode {one.mode}"
