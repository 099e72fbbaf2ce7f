"""Decides whether quotas limit what they are documented to, and of which class pods are. Pure.

What is promised is "up to", as in harness.judge.load.quotas: a tighter quota keeps it, none does
not. That a quota refuses at its limit, a load test shows by filling it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.capacity.headroom import names_of, show_amount
from harness.judge.answer import Answer
from harness.judge.conformance.evidence import ConformanceEvidence, JudgeFunction
from harness.judge.conformance.services import documented_namespaces, over, place_of, said
from harness.model.autoscaling import Resource
from harness.model.quantity import amount_of, bytes_of
from harness.model.target import QualityOfService, Quota, Target
from harness.model.verdict import Finding, Verdict
from harness.model.workload import HttpWorkload

_KIND = "ResourceQuota"
_ADVICE = "kubectl describe resourcequota --all-namespaces"
_FIT = 1 + 1e-9
"""What a sum of floats may be over by."""


def judge_quota(run: ConformanceEvidence, target: Target, objective: Quota) -> Iterator[Finding]:
    """Of one namespace what its tightest quota allows; of all of them together the sum."""
    namespaces = tuple(_with_quotas(run)) if objective.namespace is None else (objective.namespace,)
    subjects = []
    for resource in Resource:
        limits = {one: _limit(run, one, resource) for one in namespaces}
        open_ones = [one for one, limit in limits.items() if limit is None]
        allowed = sum(limit for limit in limits.values() if limit is not None)
        documented = (
            objective.cores if resource is Resource.CPU else float(bytes_of(objective.memory))
        )
        expected = f"expected at most {show_amount(resource, documented)}"
        if open_ones:
            problems: Sequence[str] = (f"nothing limits it in {', '.join(open_ones)}, {expected}",)
        elif allowed > documented * _FIT:
            problems = (f"{show_amount(resource, allowed)} are allowed, {expected}",)
        else:
            problems = ()
        subjects.append((str(resource), problems))
    where = objective.namespace or "all namespaces with a documented quota"
    yield over(
        run,
        target,
        [] if run.unread(_KIND) or not namespaces else subjects,
        kinds=(_KIND,),
        what=f"quota of {where}",
        advice=_ADVICE,
    )


def _with_quotas(run: ConformanceEvidence) -> Iterator[str]:
    for one in run.plan.targets:
        if isinstance(one.objective, Quota) and one.objective.namespace is not None:
            yield one.objective.namespace


def _limit(run: ConformanceEvidence, namespace: str, resource: Resource) -> float | None:
    """The tightest that its quotas say of the resource; None: nothing limits it."""
    hard = [
        amount_of(one["spec"]["hard"][name])
        for one in run.of_kind(_KIND, namespace)
        for name in names_of(resource)
        if name in (one["spec"].get("hard") or {})
    ]
    return min(hard, default=None)


def judge_class(
    run: ConformanceEvidence, target: Target, objective: QualityOfService
) -> Iterator[Finding]:
    """Of the services that the suite calls critical where they are meant, else of all others.

    INCONCLUSIVE where the suite calls none so, for then nobody says which services are meant.
    """
    meant = f"{objective.services}: {objective.qos}"
    if not run.plan.critical:
        answer = Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{meant}: nobody says which services are critical",
            advice=f"critical: [NAME, ...] in suites/{run.plan.suite}.yaml",
        )
        yield said(run, target, answer, kinds=("Pod",))
        return
    stores = {one.namespace for one in run.plan.workloads if not isinstance(one, HttpWorkload)}
    documented = documented_namespaces(run)
    critical = "critical" in objective.services.lower()
    subjects = []
    for pod in run.of_kind("Pod"):
        name = (pod["metadata"].get("labels") or {}).get("app", "")
        namespace = pod["metadata"]["namespace"]
        is_service = namespace in documented and namespace not in stores
        if is_service and (name in run.plan.critical) is critical:
            got = (pod.get("status") or {}).get("qosClass")
            fits = got == objective.qos
            subjects.append(
                (place_of(pod), () if fits else (f"is {got}, expected {objective.qos}",))
            )
    yield over(
        run,
        target,
        subjects,
        kinds=("Pod",),
        what=meant,
        advice="give each of its containers requests equal to its limits"
        if objective.qos == "Guaranteed"
        else "kubectl get pods --all-namespaces -o custom-columns="
        "NAME:.metadata.name,CLASS:.status.qosClass",
    )


JUDGES: dict[type, JudgeFunction] = {Quota: judge_quota, QualityOfService: judge_class}
