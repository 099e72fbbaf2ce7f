"""One thing has one value: where two targets give it two, at most one of them is kept.

Only settings are compared, where a second value cannot be a second promise. Where the scope of one
lies within that of the other, the narrower one may be meant to override it; nobody says so.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from harness.feasibility.finding import Finding, Harm, Word, once
from harness.feasibility.ground import Ground
from harness.model.configuration import (
    ContainerEnvironment,
    ContainerPorts,
    ContainerResources,
    ControlPlane,
    EngineVersion,
    HealthProbe,
    SyncPolicy,
    TelemetryRetention,
    VerticalAutoscaler,
    WorkloadKind,
)
from harness.model.quantity import show_duration
from harness.model.target import (
    AutoscalerRange,
    AutoscalerUtilization,
    Kind,
    Quota,
    Replicas,
    Target,
)

RULE = "one-thing-has-one-value"
LAW = "Where two targets give one thing two values, at most one of them is kept."
NEEDS = "the same setting given by two targets"

_EVERYWHERE = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """What one target says of one thing, and where."""

    thing: str
    scope: str
    """A glob of namespaces."""

    value: str
    target: str


def look(ground: Ground) -> Iterator[Finding]:
    """Each two values of one thing whose scopes meet."""
    values = [one for target in ground.targets for one in _values(target)]
    for one, other in itertools.combinations(values, 2):
        if one.thing == other.thing:
            found = compare(one, other)
            if found is not None:
                yield found


def compare(one: Value, other: Value) -> Finding | None:
    """Two values of one thing; None where they are of different places."""
    if one.scope == other.scope:
        differs = Word.CONTRADICTION
    elif fnmatchcase(one.scope, other.scope) or fnmatchcase(other.scope, one.scope):
        differs = Word.TIGHT
    else:
        return None
    same = one.value == other.value
    narrower = min((one, other), key=lambda value: (value.scope == _EVERYWHERE, -len(value.scope)))
    return Finding(
        rule=RULE,
        about=f"{one.target}, {other.target}",
        word=Word.HOLDS if same else differs,
        says=f"{one.thing}: {one.value} ({one.scope}) and {other.value} ({other.scope})",
        sum=f"{one.value} {'=' if same else '!='} {other.value}",
        targets=once(one.target, other.target),
        harm=Harm.DOCUMENT,
        why="Whoever reads only one of the two places sets the other value.",
        resolve=""
        if same
        else "Say it once; or say that the second place overrides the first, as an overlay of "
        "Kustomize does.",
        assumes=()
        if differs is Word.CONTRADICTION
        else (f"what {narrower.target} says does not override the other",),
    )


def _values(target: Target) -> Iterator[Value]:  # noqa: C901, PLR0912 - one case for each setting
    objective, scope = target.objective, _EVERYWHERE
    match objective:
        case ContainerResources():
            scope, thing = objective.namespaces, "resources of a service's container"
            requests, limits = objective.requests, objective.limits
            value = (
                f"requests {requests.cpu} and {requests.memory}, "
                f"limits {limits.cpu} and {limits.memory}"
            )
        case Replicas():
            scope, thing, value = objective.namespaces, "replicas", str(objective.count)
        case SyncPolicy():
            scope, thing = objective.namespaces, "sync policy"
            value = (
                f"automated {objective.automated}, prune {objective.prune}, "
                f"self-heal {objective.self_heal}"
            )
        case ContainerEnvironment():
            for name, given in objective.variables.items():
                yield Value(
                    thing=f"variable {name}",
                    scope=objective.namespaces,
                    value=given,
                    target=target.id,
                )
            return
        case ContainerPorts():
            for name, port in objective.ports.items():
                yield Value(thing=f"port {name}", scope=scope, value=str(port), target=target.id)
            return
        case Quota():
            thing = f"quota of {objective.namespace or 'all namespaces'}"
            value = f"{objective.cores:g} cores, {objective.memory}"
        case AutoscalerRange():
            thing, value = "autoscaler's range", f"{objective.minimum} to {objective.maximum}"
        case AutoscalerUtilization():
            thing, value = f"utilization of {objective.resource}", f"{objective.percent} %"
        case VerticalAutoscaler():
            thing = "vertical autoscaler"
            value = (
                f"{objective.mode}, {objective.minimum.cpu} and {objective.minimum.memory} to "
                f"{objective.maximum.cpu} and {objective.maximum.memory}"
            )
        case ControlPlane():
            thing, value = "masters", str(objective.masters)
        case HealthProbe():
            thing = f"{objective.probe} probe"
            value = (
                f"{objective.path} on {objective.port}, after "
                f"{show_duration(objective.initial_delay)}, every {show_duration(objective.period)}"
            )
        case TelemetryRetention():
            thing = f"retention of {objective.store}"
            value = show_duration(objective.at_least)
        case EngineVersion():
            yield from _of_kinds(target, "version", str(objective.major))
            return
        case WorkloadKind():
            yield from _of_kinds(target, "kind of workload", objective.workload)
            return
        case _:
            return
    yield Value(thing=thing, scope=scope, value=value, target=target.id)


def _of_kinds(target: Target, thing: str, value: str) -> Iterator[Value]:
    kinds: tuple[Kind, ...] = target.covers
    for kind in kinds:
        yield Value(thing=f"{thing} of {kind}", scope=_EVERYWHERE, value=value, target=target.id)
