"""Decides whether Dapr's sidecars are asked for as documented, how services call each other through
them, and over what they publish. Pure.

Field names are those of Dapr's documentation: Arguments and annotations, Resiliency spec, Component
spec.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.judge.answer import Answer
from harness.judge.conformance.evidence import ConformanceEvidence, JudgeFunction
from harness.judge.conformance.services import (
    CONTROLLERS,
    Object,
    Service,
    each,
    over,
    place_of,
    said,
    services,
)
from harness.model.configuration import DaprAnnotations, PubSub, ServiceCalls
from harness.model.conformance import EngineAsked
from harness.model.quantity import duration_s
from harness.model.target import Target
from harness.model.verdict import Finding, Verdict
from harness.model.workload import BrokerWorkload

_OWN_NAME = "service-name"
_TYPE = "pubsub."
_ENABLED = "dapr.io/enabled"


def judge_annotations(
    run: ConformanceEvidence, target: Target, objective: DaprAnnotations
) -> Iterator[Finding]:
    """Of the pods that each service's controller makes.

    Where no service has a sidecar at all the platform is one without Dapr: nothing can be said of
    how it would be set up.
    """
    found = services(run)

    def problems(one: Service) -> Iterator[str]:
        given = (one.template.get("metadata") or {}).get("annotations") or {}
        for name, documented in objective.annotations.items():
            expected = one.name if documented == _OWN_NAME else documented
            if given.get(name) != expected:
                yield f"{name}: got {given.get(name)}, expected {expected}"

    if found and not any(_has_sidecar(one) for one in found):
        answer = Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"annotations of Dapr: none of {len(found)} services has one: the cluster "
            "runs without Dapr",
            advice="kubectl get pods --all-namespaces -l dapr.io/metrics-enabled",
        )
        yield said(run, target, answer, kinds=CONTROLLERS)
        return
    yield over(
        run,
        target,
        each(found, problems),
        kinds=CONTROLLERS,
        what="annotations of Dapr",
        advice="kubectl get deployments --all-namespaces -o yaml",
    )


def judge_calls(
    run: ConformanceEvidence, target: Target, objective: ServiceCalls
) -> Iterator[Finding]:
    """The timeout and the retries that each Resiliency gives the apps that it names as targets."""
    subjects = [
        (f"{place_of(one)} for {app}", tuple(_call(one["spec"], aimed or {}, objective)))
        for one in run.of_kind("Resiliency")
        for app, aimed in ((one["spec"].get("targets") or {}).get("apps") or {}).items()
    ]
    yield over(
        run,
        target,
        subjects,
        kinds=("Resiliency",),
        what="calls between services",
        advice="kubectl get resiliencies.dapr.io --all-namespaces -o yaml",
    )


def _call(spec: Object, aimed: Object, wanted: ServiceCalls) -> Iterator[str]:
    policies = spec.get("policies") or {}
    timeout = (policies.get("timeouts") or {}).get(aimed.get("timeout"))
    expected_s = wanted.timeout.total_seconds()
    if timeout is None or duration_s(str(timeout)) != expected_s:
        yield f"timeout: got {timeout}, expected {expected_s:g}s"
    retry = (policies.get("retries") or {}).get(aimed.get("retry")) or {}
    if retry.get("maxRetries") != wanted.retries:
        yield f"maxRetries: got {retry.get('maxRetries')}, expected {wanted.retries}"


def judge_pub_sub(run: ConformanceEvidence, target: Target, objective: PubSub) -> Iterator[Finding]:
    """That each Component of that kind is of the documented broker, and that a broker answers."""
    subjects = []
    for one in run.of_kind("Component"):
        kind = str(one["spec"]["type"])
        if kind.startswith(_TYPE):
            fits = kind == _TYPE + objective.broker
            expected = f"type: got {kind}, expected {_TYPE}{objective.broker}"
            subjects.append((place_of(one), () if fits else (expected,)))
    yield over(
        run,
        target,
        subjects,
        kinds=("Component",),
        what="publish and subscribe",
        advice="kubectl get components.dapr.io --all-namespaces -o yaml",
        part="component",
    )
    for broker in run.plan.workloads:
        if isinstance(broker, BrokerWorkload):
            yield said(run, target, _answers(run, broker.id), kinds=(), part=broker.id)


def _answers(run: ConformanceEvidence, broker: str) -> Answer:
    asked = [one for one in run.facts(EngineAsked) if one.fact.subject == broker]
    if not asked:
        why = run.not_looked("engines") or "the look at engines said nothing of it"
        return Answer(verdict=Verdict.INCONCLUSIVE, headline=f"{broker}: {why}")
    last = asked[-1]
    if last.fact.version is None:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{broker}: it gave no answer: {last.fact.detail}",
            evidence=(last.sequence,),
        )
    return Answer(
        verdict=Verdict.PASS,
        headline=f"{broker}: it answers, version {last.fact.version}",
        evidence=(last.sequence,),
    )


def _has_sidecar(one: Service) -> bool:
    given = (one.template.get("metadata") or {}).get("annotations") or {}
    return _ENABLED in given or any(name == "daprd" for name, _ in one.containers())


JUDGES: dict[type, JudgeFunction] = {
    DaprAnnotations: judge_annotations,
    ServiceCalls: judge_calls,
    PubSub: judge_pub_sub,
}
