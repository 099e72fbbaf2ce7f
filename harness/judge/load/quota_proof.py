"""Decides by a filling whether quotas refuse, and hold the services at full size. Pure.

A namespace that stopped before its services were at their size, because its quota refused, FAILS:
they cannot grow as documented. A filling whose quota refused nothing proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from harness.capacity import full_size
from harness.capacity.headroom import headrooms, names_of, show_amount, written_out
from harness.judge.advice import RUN_AGAIN
from harness.judge.answer import Answer, finding
from harness.judge.facts import Known, known, sequences
from harness.judge.load.evidence import LoadRun
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
from harness.model.history import QuotasFilled
from harness.model.load_test import Fill
from harness.model.quota import CapacitySettings, Claim, Filled, QuotaLimit
from harness.model.target import Quota
from harness.model.verdict import Finding, Measure, Verdict

_EXCEEDED = "exceeded quota"
"""In the words of a refusal for want of room (apiserver, pkg/admission/plugin/resourcequota)."""


def filled(run: LoadRun) -> tuple[str, ...]:
    """What each filling of a namespace came to, one line for each."""
    facts = known(run.history, QuotasFilled)
    return tuple(
        _told(namespace, _of_namespace(facts, namespace, deployed=deployed))
        for deployed in (False, True)
        for namespace in _filled_namespaces(facts, deployed=deployed)
    )


def judge(run: LoadRun) -> Iterator[Finding]:
    """A finding for each namespace that was to be filled; none where no filling was planned."""
    facts = known(run.history, QuotasFilled)
    if not facts and not any(isinstance(one.scenario, Fill) for one in run.plan.trials):
        return
    for target, quota in targets_of(run.plan.targets, Quota):
        if quota.namespace is not None:
            yield finding(
                _proof(
                    facts,
                    quota.namespace,
                    deployed=False,
                    documented=quota,
                    claims=full_size.documented(run.plan.targets),
                ),
                identity=f"{CHECK}/{target.id}/full-size",
                target=target.id,
                subject=None,
            )
    owners = namespaces(run)
    for namespace in sorted({one.namespace for one in run.plan.settings.quotas}):
        owner = owners.get(namespace)
        yield finding(
            _proof(
                facts,
                namespace,
                deployed=True,
                documented=None,
                claims=run.plan.settings.claims,
            ),
            identity=f"{CHECK}/{owner or namespace}/as-deployed",
            target=owner,
            subject=None,
        )


def _proof(
    facts: Sequence[Known[QuotasFilled]],
    namespace: str,
    *,
    deployed: bool,
    documented: Quota | None,
    claims: Iterable[Claim],
) -> Answer:
    all_of_it = _of_namespace(facts, namespace, deployed=deployed)
    whose = "as deployed" if deployed else "as documented"
    evidence = sequences(facts)
    if not all_of_it:
        errors = [one.fact.error for one in facts if one.fact.error is not None]
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{namespace}: was not filled with its services {whose}"
            + (f": {errors[0]}" if errors else ""),
            advice=RUN_AGAIN,
            evidence=evidence,
        )
    verdict, words = _proven(all_of_it, documented)
    asked, created = _pods(all_of_it)
    return Answer(
        verdict=verdict,
        headline=f"{namespace}, {whose}: {words}",
        detail=(*_filled_lines(all_of_it), *_sums(all_of_it[-1], claims)),
        measures=(
            Measure(
                name="share of its services' pods that fit",
                unit="1",
                value=created / asked if asked else None,
            ),
        ),
        advice=None if verdict is Verdict.PASS else describe(namespace),
        evidence=evidence,
    )


def _proven(  # noqa: PLR0911 - one return for each rule, in their order
    all_of_it: Sequence[Filled], documented: Quota | None
) -> tuple[Verdict, str]:
    last = all_of_it[-1]
    services = [one for one in all_of_it if not one.rest]
    asked, created = _pods(all_of_it)
    let_in = [
        name
        for one in all_of_it
        for name, used in one.used.items()
        if used > one.hard.get(name, used) * FIT
    ]
    if let_in:
        name = let_in[0]
        return Verdict.FAIL, f"the quota let in more {name} than it allows"
    if documented is not None and (other := _other_figure(last, documented)):
        return Verdict.INCONCLUSIVE, f"it was filled to another figure: {other}"
    short = [one for one in services if one.created < one.asked]
    by_quota = [one for one in short if _EXCEEDED in one.refused]
    if by_quota:
        return (
            Verdict.FAIL,
            (
                f"{created} of {asked} pods fit; the quota refused {by_quota[0].controller} at "
                f"{by_quota[0].created} of {by_quota[0].asked}, with {_full(by_quota[0])}"
            ),
        )
    if short:
        why = short[0].refused or "it was given up"
        return (
            Verdict.INCONCLUSIVE,
            (
                f"{short[0].controller} stopped at {short[0].created} of {short[0].asked} pods for "
                f"another reason: {why}"
            ),
        )
    waiting = [one for one in all_of_it if one.running < one.created]
    if waiting:
        one = waiting[0]
        return (
            Verdict.INCONCLUSIVE,
            (
                f"{one.created - one.running} of {one.created} pods of {one.controller} do not "
                "run: the fake nodes have no room, or were given no time"
            ),
        )
    if not any(_EXCEEDED in one.refused for one in all_of_it):
        return Verdict.INCONCLUSIVE, "the quota refused nothing: its limit was not reached"
    run = f"all {asked} pods of its services run" if services else "it has no services"
    return Verdict.PASS, f"{run}; the quota refused what came after them, with {_full(last)}"


def _pods(all_of_it: Iterable[Filled]) -> tuple[int, int]:
    """Of services: asked for, and created."""
    services = [one for one in all_of_it if not one.rest]
    return sum(one.asked for one in services), sum(one.created for one in services)


def _sums(one: Filled, claims: Iterable[Claim]) -> Iterator[str]:
    """What arithmetic says of the same services and the same quota: which resource lets them in."""
    settings = CapacitySettings(
        claims=tuple(each for each in claims if each.namespace == one.namespace),
        quotas=(QuotaLimit(namespace=one.namespace, name="by arithmetic", hard=one.hard),),
    )
    if settings.claims:
        yield from (written_out(row, settings) for row in headrooms(settings))


def _other_figure(one: Filled, documented: Quota) -> str | None:
    """What the filled quota allows, where the documented figure is none of it."""
    for resource in Resource:
        figures = {name: one.hard[name] for name in names_of(resource) if name in one.hard}
        if documented_amount(documented, resource) not in figures.values():
            said = ", ".join(
                f"{name} {show_amount(name, figure)}" for name, figure in figures.items()
            )
            return f"{said or f'no {resource}'}, expected {show(documented)}"
    return None


def _full(one: Filled) -> str:
    """The fullest resource of a quota: `limits.cpu 50 cores of 50 cores`."""
    shares = {name: one.used.get(name, 0.0) / hard for name, hard in one.hard.items() if hard}
    if not shares:
        return "nothing that its quota counts"
    name = max(shares, key=lambda each: shares[each])
    used = one.used.get(name, 0.0)
    return f"{name} {show_amount(name, used)} of {show_amount(name, one.hard[name])}"


def _filled_lines(all_of_it: Iterable[Filled]) -> Iterator[str]:
    for one in all_of_it:
        what = "the rest" if one.rest else one.controller
        yield (
            f"{what}: {one.running} of {one.asked} pods run; {_full(one)}"
            + (f"; {one.refused}" if one.refused else "")
        )


def _told(namespace: str, all_of_it: Sequence[Filled]) -> str:
    services = [one for one in all_of_it if not one.rest]
    asked, running = sum(one.asked for one in services), sum(one.running for one in services)
    short = ", ".join(
        f"{one.controller} {one.running} of {one.asked}"
        for one in services
        if one.running < one.asked
    )
    last = all_of_it[-1]
    refused = any(one.refused for one in all_of_it)
    return (
        f"{namespace}, {'as deployed' if last.deployed else 'as documented'}: "
        f"{running} of {asked} pods run{f' ({short})' if short else ''}; "
        f"the quota refused {'more' if refused else 'nothing'}, with {_full(last)}"
    )


def _of_namespace(
    facts: Iterable[Known[QuotasFilled]], namespace: str, *, deployed: bool
) -> list[Filled]:
    """Of the last filling that came so far."""
    found: list[Filled] = []
    for fact in facts:
        these = [
            one
            for one in fact.fact.filled
            if one.namespace == namespace and one.deployed == deployed
        ]
        found = these or found
    return found


def _filled_namespaces(facts: Iterable[Known[QuotasFilled]], *, deployed: bool) -> list[str]:
    return list(
        dict.fromkeys(
            one.namespace for fact in facts for one in fact.fact.filled if one.deployed == deployed
        )
    )
