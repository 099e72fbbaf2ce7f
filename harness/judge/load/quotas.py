"""Decides whether quotas are as documented, and whether services fit inside. Pure.

What is promised is a limit "up to": a tighter quota keeps it, a namespace without one does not, for
nothing limits what is asked for there. Whether the services have room inside is a question of its
own, and so is whether the quota really refuses (quota_proof).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.capacity.headroom import (
    ALL,
    DOCUMENTED,
    bound,
    claims_in,
    headrooms,
    names_of,
    show_amount,
    together,
    unsaid,
    written_out,
)
from harness.judge.answer import Answer, finding
from harness.judge.load import quality_of_service, quota_proof
from harness.judge.load.evidence import LoadRun
from harness.judge.load.quota_proof import filled
from harness.judge.load.quota_targets import (
    CHECK,
    FIT,
    describe,
    documented_amount,
    namespaces,
    show,
    targets_of,
)
from harness.model.autoscaling import Resource
from harness.model.load_judgement import Headroom
from harness.model.quota import CapacitySettings
from harness.model.target import Quota, Target
from harness.model.verdict import Finding, Measure, Verdict

__all__ = ["CHECK", "filled", "headroom", "judge"]


def judge(run: LoadRun) -> Iterator[Finding]:
    """Of each quota the limit, what fits inside and what a filling showed; then pods' classes."""
    settings, targets = run.plan.settings, run.plan.targets
    for target, quota in targets_of(targets, Quota):
        yield finding(
            _global_limit(settings, targets, quota)
            if quota.namespace is None
            else _limit(settings, quota, quota.namespace),
            identity=f"{CHECK}/{target.id}/limit",
            target=target.id,
            subject=None,
        )
    for namespace, owner in namespaces(run).items():
        yield finding(
            _fits(settings, namespace),
            identity=f"{CHECK}/{owner or namespace}/fits",
            target=owner,
            subject=None,
        )
    yield from quota_proof.judge(run)
    yield from quality_of_service.judge(run)


def headroom(run: LoadRun) -> tuple[Headroom, ...]:
    """Every resource of every quota, then all namespaces together."""
    settings = run.plan.settings
    documented = [one for _, one in targets_of(run.plan.targets, Quota) if one.namespace is None]
    return (*headrooms(settings), *together(settings, documented[0] if documented else None))


# --- the limit -------------------------------------------------------------------------------


def _limit(settings: CapacitySettings, quota: Quota, namespace: str) -> Answer:
    expected = f"expected at most {show(quota)}"
    found = {resource: bound(settings, namespace, resource) for resource in Resource}
    problems = [
        f"nothing limits {resource}"
        if limit is None
        else f"{show_amount(resource, limit)} are allowed"
        for resource, limit in found.items()
        if limit is None or limit > documented_amount(quota, resource) * FIT
    ]
    detail = tuple(_said(settings, quota, namespace))
    unread = _unread_quotas(settings, namespace)
    if unread:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{namespace}: its quotas are not known: {unread[0]}, {expected}",
            detail=(*unread[1:], *detail),
            advice=describe(namespace),
        )
    if problems:
        return Answer(
            verdict=Verdict.FAIL,
            headline=f"{namespace}: {'; '.join(problems)}, {expected}",
            detail=detail,
            advice=describe(namespace),
        )
    allowed = " and ".join(
        show_amount(resource, limit) for resource, limit in found.items() if limit is not None
    )
    return Answer(
        verdict=Verdict.PASS,
        headline=f"{namespace}: its quota allows {allowed}, {expected}",
        detail=detail,
    )


def _said(settings: CapacitySettings, quota: Quota, namespace: str) -> Iterator[str]:
    """What each quota says, and which of the two readings of a limit it leaves open."""
    for one in settings.quotas:
        if one.namespace == namespace:
            for resource in Resource:
                for name in names_of(resource):
                    if name in one.hard:
                        yield f"{one.name}: {name} {show_amount(name, one.hard[name])}"
    for resource in Resource:
        limits = [
            one.hard[f"limits.{resource}"]
            for one in settings.quotas
            if one.namespace == namespace and f"limits.{resource}" in one.hard
        ]
        if bound(settings, namespace, resource) is not None and (
            min(limits, default=float("inf")) > documented_amount(quota, resource) * FIT
        ):
            yield f"only requests of {resource} are held to it: what pods may use is more"


def _global_limit(
    settings: CapacitySettings, targets: Sequence[Target], documented: Quota
) -> Answer:
    """No object of Kubernetes limits a cluster: what namespaces allow adds up, or nothing does."""
    expected = f"expected at most {show(documented)}"
    unread = _unread_quotas(settings, None)
    unlimited = sorted(
        {
            one.namespace
            for _, one in targets_of(targets, Quota)
            if one.namespace is not None
            and any(bound(settings, one.namespace, resource) is None for resource in Resource)
        }
    )
    rows = together(settings, documented)
    detail = (
        *(written_out(row, settings) for row in rows),
        "a namespace without a quota and without controllers is not in the sum",
    )
    beyond = [row for row in rows if row.quota == DOCUMENTED and not row.fits]
    if beyond:
        more = " and ".join(show_amount(row.resource, row.claimed) for row in beyond)
        return Answer(
            verdict=Verdict.FAIL,
            headline=f"{ALL}: {more} may be asked for together, {expected}",
            detail=detail,
            advice=describe(None),
        )
    if unread:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{ALL}: not all quotas are known: {unread[0]}, {expected}",
            detail=(*unread[1:], *detail),
            advice=describe(None),
        )
    if unlimited or not rows:
        return Answer(
            verdict=Verdict.FAIL,
            headline=f"{ALL}: nothing limits {', '.join(unlimited) or 'any of them'}, {expected}",
            detail=detail,
            advice=describe(None),
        )
    allowed = " and ".join(
        show_amount(row.resource, row.claimed) for row in rows if row.quota == DOCUMENTED
    )
    return Answer(
        verdict=Verdict.PASS,
        headline=f"{ALL}: their quotas allow {allowed} together, {expected}",
        detail=detail,
    )


# --- what fits inside ------------------------------------------------------------------------


def _fits(settings: CapacitySettings, namespace: str) -> Answer:
    """All controllers at their maximum at once; each autoscaler beside the minima of the others."""
    rows = [row for row in headrooms(settings) if row.namespace == namespace]
    unread = _unread(settings, namespace)
    if not rows or not claims_in(settings, namespace):
        why = "it has no quota" if not rows else "no controller of it is known"
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{namespace}: what fits inside cannot be told: {why}",
            detail=unread,
            advice=describe(namespace),
        )
    fullest = max(rows, key=lambda row: row.with_surge / row.hard if row.hard else 0.0)
    missing = (*unread, *(line for line in unsaid(settings) if line.startswith(f"{namespace}: ")))
    detail = (
        *(written_out(row, settings) for row in rows),
        *(
            f"{row.resource}: {one}, the others at their minima"
            for row in rows
            for one in row.out_of_reach
        ),
        *missing,
    )
    verdict, words = _fit(rows, missing)
    return Answer(
        verdict=verdict,
        headline=f"{namespace}: {words}",
        detail=detail,
        measures=(
            Measure(
                name=f"claimed share of {fullest.resource}",
                unit="1",
                value=fullest.with_surge / fullest.hard if fullest.hard else None,
                predicted=True,
            ),
        ),
        advice=None if verdict is Verdict.PASS else describe(namespace),
    )


def _fit(rows: Sequence[Headroom], unread: Sequence[str]) -> tuple[Verdict, str]:
    out_of_reach = [(row, one) for row in rows for one in row.out_of_reach]
    too_much = [row for row in rows if row.claimed > row.hard]
    while_rolled_out = [row for row in rows if not row.fits]
    if out_of_reach:
        row, one = out_of_reach[0]
        words = f"an autoscaler cannot reach its maximum: {one} ({row.resource})"
        return Verdict.FAIL, f"{words}, the others at their minima"
    if too_much:
        row = too_much[0]
        return (
            Verdict.FAIL,
            f"its services do not fit at their maxima: {_of_hard(row, row.claimed)}",
        )
    if unread:
        return Verdict.INCONCLUSIVE, f"not all that its services ask for is known: {unread[0]}"
    if while_rolled_out:
        row = while_rolled_out[0]
        words = "its services fit at their maxima, and not while one is rolled out"
        return (
            Verdict.INCONCLUSIVE,
            f"{words}: {_of_hard(row, row.with_surge)}; its maxUnavailable decides what happens",
        )
    return Verdict.PASS, "its services fit at their maxima, with the largest rollout going on"


def _of_hard(row: Headroom, amount: float) -> str:
    asked, hard = show_amount(row.resource, amount), show_amount(row.resource, row.hard)
    return f"{row.resource} {asked}, of {hard}"


# --- common to all ---------------------------------------------------------------------------


def _unread_quotas(settings: CapacitySettings, namespace: str | None) -> tuple[str, ...]:
    """What of the quotas of a namespace, or of any (None), is not known."""
    of_all = ("ResourceQuota", "Namespace")
    beginnings = (*of_all, "quota ") if namespace is None else (f"quota {namespace}/",)
    return tuple(
        f"{what}: {why}"
        for what, why in settings.unknown.items()
        if what in (*of_all, f"ResourceQuota of {namespace}") or what.startswith(beginnings)
    )


def _unread(settings: CapacitySettings, namespace: str) -> tuple[str, ...]:
    """What of a namespace is not known: its quotas, its controllers, what their pods ask for."""
    others = tuple(
        f"{what}: {why}"
        for what, why in settings.unknown.items()
        if what.endswith(f" of {namespace}")
    )
    return tuple(dict.fromkeys((*_unread_quotas(settings, namespace), *others)))
