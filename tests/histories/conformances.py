"""Tiny constructors of conformance checks, for tests of conduct, judges and renderers.

Everything defaults to a whole check in which every kind was read, and was empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
from constructors import NOW, SECOND

from harness.judge.conformance.evidence import ConformanceEvidence
from harness.judge.conformance.registry import JUDGES
from harness.model.cluster import Identity
from harness.model.configuration import Namespace
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
from harness.model.verdict import Finding

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


# --- objects, in the shapes of the Kubernetes API ---------------------------------------------

SHOP = "shop-prod"
"""The documented namespace of the services in these objects."""

SHOPS = promise(Namespace(name=SHOP, services=("checkout",)), "namespace-shop")


def service(
    name: str = "checkout",
    *,
    kind: str = "Deployment",
    namespace: str = SHOP,
    container: Mapping[str, Any] | None = None,
    pod: Mapping[str, Any] | None = None,
    annotations: Mapping[str, str] | None = None,
    **spec: Any,  # noqa: ANN401 - any field of its spec
) -> dict[str, Any]:
    """A controller of pods with label `app`, and one container."""
    return {
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": 3,
            **spec,
            "template": {
                "metadata": {"labels": {"app": name}, "annotations": dict(annotations or {})},
                "spec": {
                    "containers": [{"name": "main", "image": "r/x:1", **(container or {})}],
                    **(pod or {}),
                },
            },
        },
    }


def running(
    name: str,
    *,
    namespace: str = SHOP,
    app: str | None = None,
    image: str = "r/x:1",
    node: str = "w1",
    ready: bool = True,
    arguments: Sequence[str] = (),
    **status: Any,  # noqa: ANN401 - any field of its status
) -> dict[str, Any]:
    """A pod of one container."""
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": app or name}},
        "spec": {
            "nodeName": node,
            "containers": [{"name": "main", "image": image, "args": [*arguments]}],
        },
        "status": {"conditions": [_condition(ready)], **status},
    }


def node(
    name: str, zone: str | None = "a", *, master: bool = False, ready: bool = True
) -> dict[str, Any]:
    """A node; a master has no zone where none is given."""
    labels = {"topology.kubernetes.io/zone": zone} if zone is not None else {}
    if master:
        labels["node-role.kubernetes.io/control-plane"] = ""
    return {
        "metadata": {"name": name, "labels": labels},
        "status": {"conditions": [_condition(ready)]},
    }


def thing(
    name: str,
    spec: Mapping[str, Any] | None = None,
    *,
    namespace: str = SHOP,
    **metadata: Any,  # noqa: ANN401 - any field of its metadata
) -> dict[str, Any]:
    """An object of any kind with a spec."""
    return {
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": dict(spec or {}),
    }


def _condition(ready: bool) -> dict[str, str]:  # noqa: FBT001 - the state itself
    return {"type": "Ready", "status": "True" if ready else "False"}


def judged(
    objective: Objective,
    objects: Mapping[str, Sequence[dict[str, Any]]] | None = None,
    *,
    hidden: Sequence[str] = (),
    absent: Sequence[str] = (),
    facts: Iterable[Event] = (),
    **planned: Any,  # noqa: ANN401 - any field of the plan
) -> Finding:
    """The one finding of the objective's first judge.

    `hidden` kinds may not be listed, `absent` ones the cluster does not have.
    """
    target = promise(objective, "it")
    if "covers" in planned:
        target = msgspec.structs.replace(target, covers=planned.pop("covers"))
    given = msgspec.structs.replace(plan(SHOPS, target), **planned)
    unread = {
        **{kind: read(kind, forbidden=True, error="not allowed: them") for kind in hidden},
        **{kind: read(kind, served=False) for kind in absent},
    }
    run = evidence(given, objects, hidden=unread, facts=facts)
    (found,) = JUDGES[type(objective)][0](run, target, objective)
    assert found.target == "it"
    assert found.id.startswith(found.check + "/it")
    return found
