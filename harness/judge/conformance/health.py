"""Decides whether what a kubelet's probe asks is answered, and whether the answer of readiness says
how the service's dependencies are. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.judge.answer import Answer, finding, worst
from harness.judge.conformance.covered import nobody, unseen
from harness.judge.conformance.evidence import ConformanceEvidence, JudgeFunction
from harness.judge.facts import Known, sequences
from harness.model.configuration import DependencyHealth, HealthProbe
from harness.model.conformance import HealthAsked
from harness.model.target import Target
from harness.model.verdict import Finding, Verdict
from harness.model.workload import HttpWorkload, Workload

_LOOK = "health"
_SUCCESS = range(200, 400)
"""Kubernetes documentation, Configure Liveness, Readiness and Startup Probes, HTTP probes."""

Asked = Known[HealthAsked]


def judge_probe(
    run: ConformanceEvidence, target: Target, objective: HealthProbe
) -> Iterator[Finding]:
    """Of all pods that were asked the documented question: whether each answered well."""
    asked = [
        one
        for one in run.facts(HealthAsked)
        if (one.fact.port, one.fact.path) == (objective.port, objective.path)
    ]
    where = f":{objective.port}{objective.path}"
    answers = [_answered(one) for one in asked]
    answer = worst(answers) if answers else unseen(run, _LOOK, where)
    if answer.verdict is Verdict.PASS:
        answer = replace(answer, headline=f"{where}: answered well by all {len(asked)} pods asked")
    yield finding(
        replace(answer, evidence=sequences(asked)),
        identity=f"health-probe/{target.id}/answers",
        target=target.id,
        subject=None,
    )


def _answered(asked: Asked) -> Answer:
    fact = asked.fact
    words = f"{fact.namespace}/{fact.pod}: :{fact.port}{fact.path}"
    advice = f"kubectl -n {fact.namespace} describe pod {fact.pod}"
    if fact.status is None:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{words} gave no answer: {fact.detail}",
            advice=advice,
        )
    if fact.status not in _SUCCESS:
        return Answer(
            verdict=Verdict.FAIL,
            headline=f"{words} answered {fact.status}, expected 200 to 399",
            advice=advice,
        )
    return Answer(verdict=Verdict.PASS, headline=f"{words} answered {fact.status}")


def judge_dependencies(
    run: ConformanceEvidence, target: Target, _objective: DependencyHealth
) -> Iterator[Finding]:
    """Of each service: whether an answer of readiness names all that it depends on."""
    services = [one for one in run.plan.workloads if isinstance(one, HttpWorkload)]
    if not services:
        yield finding(
            nobody(target),
            identity=f"dependency-health/{target.id}",
            target=target.id,
            subject=None,
        )
    paths = {
        one.objective.path
        for one in run.plan.targets
        if isinstance(one.objective, HealthProbe) and one.objective.probe == "readiness"
    }
    for service in services:
        asked = [one for one in run.facts(HealthAsked) if _is_of(one.fact, service)]
        ready = [one for one in asked if one.fact.path in paths]
        yield finding(
            replace(
                names_dependencies(run, service, ready or asked),
                evidence=sequences(ready or asked),
            ),
            identity=f"dependency-health/{target.id}/{service.id}",
            target=target.id,
            subject=service.id,
        )


def names_dependencies(
    run: ConformanceEvidence, service: HttpWorkload, asked: Sequence[Asked]
) -> Answer:
    """The answer that names most counts; an answer without a body says nothing about anything."""
    dependencies = [one for one in run.plan.workloads if one.id in service.depends_on]
    if not dependencies:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{service.id}: nobody says on which workloads it depends",
            advice=f"depends_on of workload {service.id} in harness.toml",
        )
    answered = [one for one in asked if one.fact.status is not None]
    if not answered:
        reason = asked[0].fact.detail if asked else ""
        answer = unseen(run, _LOOK, service.id)
        return replace(answer, headline=f"{service.id}: {reason}") if reason else answer
    best = min(answered, key=lambda one: len(_missing(one.fact.body, dependencies)))
    missing = _missing(best.fact.body, dependencies)
    where = f"{service.id}: :{best.fact.port}{best.fact.path}"
    body = (f"it answered {best.fact.status} {best.fact.body[:300] or 'without a body'}",)
    if missing:
        return Answer(
            verdict=Verdict.FAIL,
            headline=f"{where} says nothing of {', '.join(one.id for one in missing)}, expected "
            "each dependency",
            detail=body,
        )
    return Answer(
        verdict=Verdict.PASS,
        headline=f"{where} names {', '.join(one.id for one in dependencies)}",
        detail=body,
    )


def _missing(body: str, dependencies: Sequence[Workload]) -> list[Workload]:
    return [one for one in dependencies if not _names(body, one)]


def _names(body: str, dependency: Workload) -> bool:
    """By its id, its Service or its kind, as a word."""
    names = {dependency.id, dependency.service, dependency.target_kind.value}
    return any(
        re.search(rf"(?<![a-z0-9]){re.escape(name.lower())}(?![a-z0-9])", body.lower())
        for name in names
    )


def _is_of(fact: HealthAsked, service: HttpWorkload) -> bool:
    return fact.namespace == service.namespace and f"app={fact.app}" in service.pods.split(",")


JUDGES: dict[type, JudgeFunction] = {
    HealthProbe: judge_probe,
    DependencyHealth: judge_dependencies,
}
