"""Decides what a conformance check would read and make, before anything is asked. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from harness.conformance.ground import ActiveLook
from harness.errors import InputError
from harness.faults.rights import DRILL_NAMESPACE
from harness.model.cluster import Identity
from harness.model.conformance import KINDS, Conformance, ConformancePlan
from harness.model.target import Target
from harness.model.workload import Workload

OBJECTS = "objects"
"""The look that reads the API's objects: it is made before any other, which all build on it."""


def make_conformance_plan(  # noqa: PLR0913 - what a plan is made of
    suite: Conformance,
    *,
    environment: str,
    cluster: Identity,
    targets: tuple[Target, ...],
    workloads: tuple[Workload, ...],
    known: Sequence[ActiveLook],
    only: Sequence[str] = (),
) -> ConformancePlan:
    """The plan, with the looks in the order of the suite, objects first.

    Raises InputError for a look that there is none of, and for one of `only` that the suite lacks.
    """
    by_name = {one.name: one for one in known}
    names = [one for one in dict.fromkeys((OBJECTS, *suite.looks)) if one in suite.looks]
    for name in names:
        if name != OBJECTS and name not in by_name:
            raise InputError(
                f"suite {suite.suite}: looks: got {name!r}, expected some of "
                f"{', '.join((OBJECTS, *by_name))}"
            )
    for name in only:
        if name not in names:
            raise InputError(f"--only: got {name!r}, expected one of {', '.join(names)}")
    # What else is looked at is found by the objects.
    looks = tuple(one for one in names if not only or one in only or one == OBJECTS)
    if not looks or looks[0] != OBJECTS:
        raise InputError(
            f"suite {suite.suite}: looks: got {', '.join(looks) or 'none'}, expected {OBJECTS} "
            "among them: the others are told by it where to look"
        )
    active = [by_name[name] for name in looks if name != OBJECTS]
    return ConformancePlan(
        suite=suite.suite,
        title=suite.title,
        environment=environment,
        cluster=cluster,
        targets=targets,
        workloads=workloads,
        looks=looks,
        critical=suite.critical,
        repository=suite.repository,
        blast_radius=tuple(_blast_radius(active)),
        rights=tuple(_rights(active, targets)),
    )


def _blast_radius(active: Iterable[ActiveLook]) -> Iterator[str]:
    yield (
        f"{OBJECTS}: {len(KINDS)} kinds of objects are listed: "
        f"{', '.join(kind for _, kind in KINDS)}; what Secrets hold is not kept"
    )
    for one in active:
        yield from (f"{one.name}: {line}" for line in one.touches)
    yield (
        f"a lease in {DRILL_NAMESPACE} is held meanwhile, so that no drill breaks what is looked "
        "at; nothing else is changed, and no pod stays"
    )


def _rights(active: Sequence[ActiveLook], targets: Sequence[Target]) -> Iterator[str]:
    """As harness.faults.rights.parse_rights reads them, none twice."""
    found = [f"list {_plural(kind)}{_group(api_version)}" for api_version, kind in KINDS]
    # Which cluster it is, and whether the drills' namespace is there.
    found.append("get namespaces")
    found.append(f"create,get,patch leases.coordination.k8s.io in {DRILL_NAMESPACE}")
    found += [right for one in active for right in (*one.rights, *one.rights_for(targets))]
    yield from dict.fromkeys(found)


def _group(api_version: str) -> str:
    group, slash, _ = api_version.partition("/")
    return f".{group}" if slash else ""


def _plural(kind: str) -> str:
    """The resource of a kind by the rule that clients without discovery go by
    (k8s.io/apimachinery, meta.UnsafeGuessKindToResource).
    """
    singular = kind.lower()
    if singular.endswith("s"):
        return f"{singular}es"
    return f"{singular[:-1]}ies" if singular.endswith("y") else f"{singular}s"
