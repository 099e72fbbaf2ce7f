"""Picks out what a load test's judges of quotas ask about: targets, namespaces, figures. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from harness.judge.load.evidence import LoadRun
from harness.model.autoscaling import Resource
from harness.model.quantity import bytes_of
from harness.model.target import Objective, Quota, Target

CHECK = "quotas"

FIT = 1 + 1e-9
"""What a limit may be exceeded by: sums of floats."""

Asked = TypeVar("Asked", bound=Objective)


def targets_of(targets: Iterable[Target], kind: type[Asked]) -> Iterator[tuple[Target, Asked]]:
    """The targets with an objective of that kind."""
    for target in targets:
        if isinstance(target.objective, kind):
            yield target, target.objective


def namespaces(run: LoadRun) -> dict[str, str | None]:
    """Namespaces with a documented quota, or with one that was found -> the target's id."""
    found: dict[str, str | None] = {
        quota.namespace: target.id
        for target, quota in targets_of(run.plan.targets, Quota)
        if quota.namespace is not None
    }
    for one in run.plan.settings.quotas:
        found.setdefault(one.namespace, None)
    return found


def documented_amount(quota: Quota, resource: Resource) -> float:
    """Cores or bytes."""
    return quota.cores if resource is Resource.CPU else float(bytes_of(quota.memory))


def show(quota: Quota) -> str:
    """`50 cores and 100Gi`."""
    return f"{quota.cores:g} cores and {quota.memory}"


def describe(namespace: str | None) -> str:
    """What to type to see the quotas of a namespace, or of all (None)."""
    where = "--all-namespaces" if namespace is None else f"--namespace {namespace}"
    return f"kubectl describe resourcequota {where}"
