"""Which controllers run the documented services, and one answer over many of them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from harness.judge.answer import Answer, finding
from harness.judge.conformance.evidence import ConformanceEvidence
from harness.model.configuration import Namespace
from harness.model.target import Target
from harness.model.verdict import Finding, Verdict
from harness.model.workload import HttpWorkload

CONTROLLERS = ("Deployment", "StatefulSet")
_NAMED = 10
"""So many offenders are named; a list of all of them nobody reads."""

Object = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One controller of pods, and the template that it makes them of."""

    kind: str
    namespace: str
    name: str
    content: Object

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def template(self) -> Object:
        """spec.template."""
        return dict(self.content["spec"]["template"])

    @property
    def pod(self) -> Object:
        """spec.template.spec."""
        return dict(self.template["spec"])

    @property
    def labels(self) -> dict[str, str]:
        """Of its pods."""
        return dict(self.template.get("metadata", {}).get("labels") or {})

    @property
    def container(self) -> Object:
        """The main container: the first."""
        return dict(self.pod["containers"][0])

    def containers(self) -> Iterator[tuple[str, Object]]:
        """All of them by their names, init containers too."""
        for one in (*self.pod.get("initContainers", ()), *self.pod["containers"]):
            yield str(one["name"]), one


def controllers(run: ConformanceEvidence, namespaces: str = "*") -> tuple[Service, ...]:
    """All Deployments and StatefulSets of the namespaces that a glob matches."""
    return tuple(
        Service(
            kind=kind,
            namespace=one["metadata"]["namespace"],
            name=one["metadata"]["name"],
            content=one,
        )
        for kind in CONTROLLERS
        for one in run.of_kind(kind)
        if fnmatchcase(one["metadata"]["namespace"], namespaces)
    )


def services(run: ConformanceEvidence, namespaces: str = "*") -> tuple[Service, ...]:
    """The controllers of the documented namespaces, but for those that hold data stores: what is
    promised of a service's container is not promised of a database's.
    """
    documented = documented_namespaces(run)
    stores = {one.namespace for one in run.plan.workloads if not isinstance(one, HttpWorkload)}
    return tuple(
        one
        for one in controllers(run, namespaces)
        if one.namespace in documented and one.namespace not in stores
    )


def documented_namespaces(run: ConformanceEvidence) -> dict[str, tuple[str, ...]]:
    """Namespace -> the services that the document names in it."""
    return {
        one.objective.name: one.objective.services
        for one in run.plan.targets
        if isinstance(one.objective, Namespace)
    }


def runs(name: str, service: str) -> bool:
    """Whether a controller of that name is the documented service: `postgresql-0` of postgresql."""
    return name == service or name.startswith(f"{service}-")


def name_of(content: Object) -> str:
    """metadata.name."""
    return str(content["metadata"]["name"])


def place_of(content: Object) -> str:
    """`core-business-prod/checkout`."""
    return f"{content['metadata']['namespace']}/{name_of(content)}"


def over(  # noqa: PLR0913 - the parts of one answer
    run: ConformanceEvidence,
    target: Target,
    subjects: Sequence[tuple[str, Sequence[str]]],
    *,
    kinds: Sequence[str],
    what: str,
    advice: str,
    part: str | None = None,
) -> Finding:
    """One answer over (name, what is not as documented): FAIL names offenders, none of them at all
    is INCONCLUSIVE, and so is a kind that could not be read.
    """
    unread = run.unread(*kinds)
    wrong = [(name, problem) for name, problems in subjects for problem in problems]
    if wrong:
        lines = [f"{name}: {problem}" for name, problem in wrong]
        more = len(lines) - _NAMED
        offenders = len({name for name, _ in wrong})
        answer = Answer(
            verdict=Verdict.FAIL,
            headline=f"{what}: {offenders} of {len(subjects)} are not as documented: {lines[0]}",
            detail=(*lines[:_NAMED], *((f"and {more} more",) if more > 0 else ()), *unread),
            advice=advice,
        )
    elif unread:
        answer = Answer(
            verdict=Verdict.INCONCLUSIVE, headline=f"{what}: {unread[0]}", detail=unread[1:]
        )
    elif not subjects:
        answer = Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{what}: there is none to look at",
            advice=advice,
        )
    else:
        names = ", ".join(name for name, _ in subjects[:_NAMED])
        answer = Answer(
            verdict=Verdict.PASS, headline=f"{what}: {len(subjects)} as documented: {names}"
        )
    return said(run, target, answer, kinds=kinds, part=part)


def said(
    run: ConformanceEvidence,
    target: Target,
    answer: Answer,
    *,
    kinds: Sequence[str],
    part: str | None = None,
) -> Finding:
    """An answer as the finding `<tag>/<target>[/<part>]`, with what was read as its evidence."""
    tag = str(type(target.objective).__struct_config__.tag)
    return finding(
        replace(answer, evidence=run.sequences_of(*kinds)),
        identity="/".join(filter(None, (tag, target.id, part))),
        target=target.id,
        subject=None,
    )


def each(
    found: Iterable[Service], problems: Callable[[Service], Iterable[str]]
) -> list[tuple[str, Sequence[str]]]:
    """(name, its problems) of each."""
    return [(str(one), tuple(problems(one))) for one in found]
