"""Ranges must nest: what may become of a number must stay within what is promised of it.

An autoscaler that may go below the documented replicas does not keep them; a request beyond its
limit is refused; a threshold that is looser than another one of the same event never decides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from harness.feasibility.finding import Finding, Harm, Word, once
from harness.feasibility.ground import Ground
from harness.feasibility.pods import amounts
from harness.model.autoscaling import Resource
from harness.model.configuration import ContainerResources, VerticalAutoscaler
from harness.model.quantity import show_bytes
from harness.model.target import AutoscalerRange, Availability, ErrorRate, Replicas

RULE = "ranges-nest"
LAW = "What a number may become must lie within what is promised of it."
NEEDS = (
    "an autoscaler's range with replicas or requests, requests with limits, or two thresholds of "
    "the same event"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nesting:
    """Between which two numbers something may be, and between which it must be."""

    about: str
    may: tuple[float, float]
    must: tuple[float, float]
    may_called: str
    must_called: str
    targets: tuple[str, ...]
    harm: Harm
    why: str
    resolve: str
    outside: Word = Word.CONTRADICTION
    unit: str = ""
    """`cores`, `%`; `bytes` are shown with theirs; empty: a number by itself."""

    assumes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


def nest(nesting: Nesting) -> Finding:
    """Whether all that may be is within what must be."""
    (least, most), (lowest, highest) = nesting.may, nesting.must
    problems = []
    if least < lowest:
        problems.append(f"{_show(least, nesting)} < {_show(lowest, nesting)}")
    if most > highest:
        problems.append(f"{_show(most, nesting)} > {_show(highest, nesting)}")
    word = nesting.outside if problems else Word.HOLDS
    may, must = _range(nesting.may, nesting), _range(nesting.must, nesting)
    return Finding(
        rule=RULE,
        about=nesting.about,
        word=word,
        says=f"{nesting.may_called} {may}, {nesting.must_called} {must}",
        sum=" and ".join(problems) or f"{must} includes {may}",
        targets=nesting.targets,
        harm=nesting.harm,
        why=nesting.why,
        resolve=nesting.resolve if problems else "",
        assumes=nesting.assumes,
        sources=nesting.sources,
    )


def look(ground: Ground) -> Iterator[Finding]:
    """Each range that the targets give, within the one that it must be in."""
    for nesting in (
        *_replicas(ground),
        *_requests(ground),
        *_vertical(ground),
        *_thresholds(ground),
    ):
        yield nest(nesting)


def _replicas(ground: Ground) -> Iterator[Nesting]:
    for range_ in ground.said(AutoscalerRange):
        for replicas in ground.said(Replicas):
            count, lowest = replicas.objective.count, range_.objective.minimum
            if count >= lowest:
                yield Nesting(
                    about=f"{range_.id}, {replicas.id}",
                    may=(lowest, math.inf),
                    must=(count, math.inf),
                    may_called="an autoscaler keeps",
                    must_called=f"documented for {replicas.objective.namespaces} are",
                    targets=once(replicas.id, range_.id),
                    harm=Harm.OUTAGE,
                    why="While there is no load an autoscaler takes replicas away, down to its "
                    "minimum: spec.replicas is then what it says, not what Git says.",
                    resolve=f"A minimum of {count} where {count} replicas are promised: one for "
                    "each environment.",
                    assumes=("the autoscaler's range is meant for that environment",),
                    sources=('Kubernetes documentation, "Horizontal Pod Autoscaling"',),
                )
            yield Nesting(
                about=f"{replicas.id}, {range_.id}, reach",
                may=(count, count),
                must=(min(lowest, count) if count >= lowest else lowest, range_.objective.maximum),
                may_called=f"documented for {replicas.objective.namespaces} are",
                must_called="an autoscaler allows",
                targets=once(replicas.id, range_.id),
                harm=Harm.CAPACITY,
                why="An autoscaler brings a service into its range as soon as it looks, whatever "
                "was set before.",
                resolve="A range that includes the documented replicas.",
                sources=('Kubernetes documentation, "Horizontal Pod Autoscaling"',),
            )


def _requests(ground: Ground) -> Iterator[Nesting]:
    for one in ground.said(ContainerResources):
        requests, limits = amounts(one.objective.requests), amounts(one.objective.limits)
        for resource in Resource:
            yield Nesting(
                about=f"{one.id}, {resource}",
                may=(0, requests[resource]),
                must=(0, limits[resource]),
                may_called=f"requests of {resource} are",
                must_called="limits are",
                targets=(one.id,),
                harm=Harm.OUTAGE,
                why="The API refuses a container that requests more than its limit.",
                resolve="A limit of at least the request.",
                unit=_unit(resource),
                sources=('Kubernetes documentation, "Resource Management for Pods"',),
            )


def _vertical(ground: Ground) -> Iterator[Nesting]:
    for vertical in ground.said(VerticalAutoscaler):
        least, most = amounts(vertical.objective.minimum), amounts(vertical.objective.maximum)
        for one in ground.said(ContainerResources):
            requests = amounts(one.objective.requests)
            for resource in Resource:
                yield Nesting(
                    about=f"{one.id}, {vertical.id}, {resource}",
                    may=(requests[resource], requests[resource]),
                    must=(least[resource], most[resource]),
                    may_called=f"requests of {resource} are",
                    must_called="a vertical autoscaler allows",
                    targets=once(one.id, vertical.id),
                    harm=Harm.CAPACITY,
                    why="A vertical autoscaler changes requests into its range: what is documented "
                    "outside of it is never deployed.",
                    resolve="A range that includes the documented requests.",
                    unit=_unit(resource),
                    sources=("Kubernetes autoscaler, vertical-pod-autoscaler: minAllowed",),
                )


def _thresholds(ground: Ground) -> Iterator[Nesting]:
    """By shares of requests an unavailable answer is an error, and the other way round."""
    for errors in ground.said(ErrorRate):
        for available in ground.said(Availability):
            yield Nesting(
                about=f"{errors.id}, {available.id}",
                may=(0, round(errors.objective.at_most * 100, 9)),
                must=(0, round((1 - available.objective.at_least) * 100, 9)),
                may_called="errors may be",
                must_called="what is not available may be",
                unit="%",
                targets=once(errors.id, available.id),
                harm=Harm.SIGHT,
                outside=Word.TIGHT,
                why="As shares of requests both are the same event: the looser threshold never "
                "decides anything, for the tighter one has decided before it.",
                resolve="One threshold for errors; or say that availability is a share of time, "
                "and in which of its seconds a service counts as available.",
                assumes=("availability is a share of requests; as a share of time both can hold",),
                sources=("Google, Site Reliability Workbook, chapter 2, request-based SLIs",),
            )


def _unit(resource: Resource) -> str:
    return "cores" if resource is Resource.CPU else "bytes"


def _range(bounds: tuple[float, float], nesting: Nesting) -> str:
    least, most = bounds
    if least == most:
        return _show(least, nesting)
    if most == math.inf:
        return f"{_show(least, nesting)} or more"
    if least == 0:
        return f"{_show(most, nesting)} or less"
    return f"{_show(least, nesting)} to {_show(most, nesting)}"


def _show(number: float, nesting: Nesting) -> str:
    if nesting.unit == "bytes":
        return show_bytes(number)
    return f"{number:.6g} {nesting.unit}".rstrip()
