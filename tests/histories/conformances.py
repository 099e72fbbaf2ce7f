"""Tiny constructors of conformance checks, for tests of conduct, judges and renderers.

Everything defaults to a whole check in which every kind was read, and was empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from constructors import NOW, SECOND

from harness.judge.conformance.evidence import ConformanceEvidence
from harness.model.cluster import Identity
from harness.model.conformance import KINDS, ConformancePlan, ObjectsRead
from harness.model.history import (
    CleanedUp,
    Entry,
    Event,
    History,
    RunEnded,
    TrialEnded,
    TrialStarted,
)
from harness.model.instant import Instant
from harness.model.target import Kind, Objective, Source, Target

CLUSTER = Identity(
    context="c", server="https://api:6443", uid="uid-of-kube-system", version="v1.34"
)


def promise(objective: Objective, identity: str = "", section: str = "Cluster") -> Target:
    """A promise of the document; its id is its kind where none is given."""
    tag = str(type(objective).__struct_config__.tag)
    return Target(
        id=identity or tag,
        covers=(Kind.KUBERNETES,),
        objective=objective,
        source=Source(section=section, quote=f"what it says of {identity or tag}"),
    )


def plan(*targets: Target, looks: tuple[str, ...] = ("objects",)) -> ConformancePlan:
    """A plan of these promises."""
    return ConformancePlan(
        suite="conformance",
        title="Conformance",
        environment="lab",
        cluster=CLUSTER,
        targets=targets,
        workloads=(),
        looks=looks,
        critical=(),
        repository=None,
        blast_radius=("objects are listed",),
        rights=("list pods",),
    )


def read(kind: str, count: int = 0, **changed: Any) -> ObjectsRead:  # noqa: ANN401 - any field
    """That a kind was read; `served=False`, `forbidden=True` or `error=...` that it was not."""
    version = next(version for version, one in KINDS if one == kind)
    file = None if changed else f"objects-{kind}.json"
    return ObjectsRead(api_version=version, kind=kind, file=file, count=count, **changed)


def evidence(
    given: ConformancePlan,
    objects: Mapping[str, Sequence[dict[str, Any]]] | None = None,
    *,
    hidden: Mapping[str, ObjectsRead] | None = None,
    facts: Iterable[Event] = (),
) -> ConformanceEvidence:
    """A whole check: `objects` were read, `hidden` could not be, every other kind was empty."""
    found = {kind: tuple(given_ones) for kind, given_ones in (objects or {}).items()}
    reads = [(hidden or {}).get(kind) or read(kind, len(found.get(kind, ()))) for _, kind in KINDS]
    return ConformanceEvidence(
        plan=given,
        history=history(given.looks, [*reads, *facts]),
        objects={one.kind: found.get(one.kind, ()) for one in reads if one.file is not None},
    )


def history(looks: Sequence[str], facts: Sequence[Event], *, ended: bool = True) -> History:
    """The looks one after the other; all facts are of the first."""
    all_facts: list[Event] = []
    for index, look in enumerate(looks):
        all_facts.append(TrialStarted(trial=look))
        all_facts += facts if index == 0 else ()
        all_facts += [CleanedUp(trial=look, healed=(), leaks=()), TrialEnded(trial=look)]
    if ended:
        all_facts.append(RunEnded())
    return History(
        entries=tuple(
            Entry(
                sequence=number,
                at=Instant(monotonic_ns=number * SECOND, utc=NOW + timedelta(seconds=number)),
                fact=fact,
            )
            for number, fact in enumerate(all_facts)
        ),
        observations={},
    )
