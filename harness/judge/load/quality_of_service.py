"""Decides whether services have the class of pods that is documented for them. Pure.

A pod is Guaranteed where every container of it has requests of CPU and memory equal to its limits
(Kubernetes documentation, "Pod Quality of Service Classes"). The document does not say which
services it means: that none has such pods is a miss, that all have is a hit, and between the two
nothing can be said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.judge.answer import Answer, finding
from harness.judge.load.evidence import LoadRun
from harness.judge.load.quota_targets import CHECK, targets_of
from harness.model.quota import CapacitySettings, Claim
from harness.model.target import QualityOfService, Quota, Target
from harness.model.verdict import Finding, Verdict

_JOBS = ("Job/", "CronJob/")
"""The document has a class of their own for background jobs: they are no services."""


def judge(run: LoadRun) -> Iterator[Finding]:
    """One finding for each documented class."""
    settings, targets = run.plan.settings, run.plan.targets
    for target, asked in targets_of(targets, QualityOfService):
        yield finding(
            _class(settings, targets, asked),
            identity=f"{CHECK}/{target.id}/class",
            target=target.id,
            subject=None,
        )


def _class(
    settings: CapacitySettings, targets: Sequence[Target], asked: QualityOfService
) -> Answer:
    """The document does not say which services it means: only none or all of them is an answer."""
    namespaces = {
        one.namespace for _, one in targets_of(targets, Quota) if one.namespace is not None
    }
    claims = [
        one
        for one in settings.claims
        if one.qos
        and not one.controller.startswith(_JOBS)
        and (not namespaces or one.namespace in namespaces)
    ]
    meant = f"{asked.services}: {asked.qos}"
    if not claims:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{meant}: no controller is known whose pods could be",
            detail=tuple(f"{what}: {why}" for what, why in settings.unknown.items()),
        )
    of_class = [one for one in claims if one.qos == asked.qos]
    detail = tuple(
        f"{qos}: {', '.join(_name(one) for one in claims if one.qos == qos)}"
        for qos in sorted({one.qos for one in claims})
    )
    if not of_class:
        return Answer(
            verdict=Verdict.FAIL,
            headline=f"{meant}: none of {len(claims)} controllers has such pods: whichever are "
            "meant, it is kept for none",
            detail=detail,
            advice="give each of their containers requests equal to its limits"
            if asked.qos == "Guaranteed"
            else None,
        )
    if len(of_class) == len(claims) and not settings.unknown:
        return Answer(
            verdict=Verdict.PASS,
            headline=f"{meant}: the pods of all {len(claims)} controllers are",
            detail=detail,
        )
    return Answer(
        verdict=Verdict.INCONCLUSIVE,
        headline=f"{meant}: {len(of_class)} of {len(claims)} controllers have such pods; which "
        "services are meant, the document does not say",
        detail=detail,
    )


def _name(claim: Claim) -> str:
    return f"{claim.namespace}/{claim.controller}"
