"""Decides whether documented namespaces and services are there, with what belongs to them. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from harness.judge.answer import Answer
from harness.judge.conformance.evidence import ConformanceEvidence, JudgeFunction
from harness.judge.conformance.selectors import is_particular, selects
from harness.judge.conformance.services import (
    CONTROLLERS,
    Object,
    Service,
    controllers,
    documented_namespaces,
    each,
    name_of,
    over,
    runs,
    said,
    services,
)
from harness.model.configuration import Namespace, NamespacePattern, ServiceObject, Services
from harness.model.target import Target
from harness.model.verdict import Finding, Verdict


def judge_namespace(
    run: ConformanceEvidence, target: Target, objective: Namespace
) -> Iterator[Finding]:
    """It is there, and a controller of each of its services."""
    kinds = ("Namespace", *CONTROLLERS)
    there = [one["metadata"]["name"] for one in run.of_kind("Namespace")]
    names = [one.name for one in controllers(run, objective.name)]
    unread = run.unread(*kinds)
    if unread:
        subjects: list[tuple[str, tuple[str, ...]]] = []
    elif objective.name not in there:
        subjects = [(objective.name, ("is not there",))]
    else:
        subjects = [
            (service, () if any(runs(name, service) for name in names) else ("does not run there",))
            for service in objective.services
        ]
    yield over(
        run,
        target,
        subjects,
        kinds=kinds,
        what=f"namespace {objective.name}",
        advice=f"kubectl -n {objective.name} get deployments,statefulsets",
    )


def judge_pattern(
    run: ConformanceEvidence, target: Target, objective: NamespacePattern
) -> Iterator[Finding]:
    """Each documented service has a namespace that is called after it."""
    there = {one["metadata"]["name"] for one in run.of_kind("Namespace")}
    ending = objective.pattern.replace("{service}", "")
    wanted = [
        objective.pattern.replace("{service}", service)
        for namespace, named in documented_namespaces(run).items()
        if namespace.endswith(ending)
        for service in named
    ]
    read = not run.unread("Namespace")
    subjects = [(name, () if name in there else ("is not there",)) for name in wanted if read]
    yield over(
        run,
        target,
        subjects,
        kinds=("Namespace",),
        what=f"namespaces called {objective.pattern}",
        advice="kubectl get namespaces",
    )


def judge_count(run: ConformanceEvidence, target: Target, objective: Services) -> Iterator[Finding]:
    """So many services run, each counted once whatever the number of its environments."""
    unread = run.unread(*CONTROLLERS)
    found = sorted({one.name for one in services(run)})
    if unread or not found:
        answer = Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"services: {unread[0] if unread else 'there is none to look at'}",
            advice="kubectl get deployments --all-namespaces",
        )
    else:
        fits = len(found) == objective.count
        answer = Answer(
            verdict=Verdict.PASS if fits else Verdict.FAIL,
            headline=f"services: {len(found)} run, expected {objective.count}",
            detail=(", ".join(found),),
            advice=None if fits else "kubectl get deployments --all-namespaces",
        )
    yield said(run, target, answer, kinds=CONTROLLERS)


def judge_object(
    run: ConformanceEvidence, target: Target, objective: ServiceObject
) -> Iterator[Finding]:
    """Each service has such an object in its namespace: one that selects its pods or scales it, or
    one that is called after it.
    """
    kind = objective.object
    found = services(run)
    if run.unread(kind):
        subjects = []
    else:
        subjects = each(
            found,
            lambda one: (
                ()
                if any(_belongs(kind, each_, one) for each_ in run.of_kind(kind, one.namespace))
                else (f"has no {kind}",)
            ),
        )
    yield over(
        run,
        target,
        subjects,
        kinds=(*CONTROLLERS, kind),
        what=f"{kind} of each service",
        advice=f"kubectl get {kind.lower()} --all-namespaces",
    )


def _belongs(kind: str, content: Object, service: Service) -> bool:
    spec = content.get("spec") or {}
    if kind == "HorizontalPodAutoscaler":
        aimed = spec.get("scaleTargetRef") or {}
        return (aimed.get("kind"), aimed.get("name")) == (service.kind, service.name)
    if kind == "Service":
        return _is_of({"matchLabels": spec.get("selector")}, service)
    if kind == "PodDisruptionBudget":
        return _is_of(spec.get("selector"), service)
    if kind == "NetworkPolicy":
        return _is_of(spec.get("podSelector"), service)
    if kind == "ServiceMonitor":
        return _is_of(spec.get("selector"), service) or runs(name_of(content), service.name)
    return runs(name_of(content), service.name)


def _is_of(selector: Object | None, service: Service) -> bool:
    """By labels of its own: what selects all pods belongs to no service."""
    wanted = selector or {}
    return is_particular(wanted) and selects(wanted, service.labels)


JUDGES: dict[type, JudgeFunction] = {
    Namespace: judge_namespace,
    NamespacePattern: judge_pattern,
    Services: judge_count,
    ServiceObject: judge_object,
}
