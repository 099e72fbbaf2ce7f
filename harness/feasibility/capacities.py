"""Capacities add: what all parts may take at once must fit into the whole.

A part is so many times one amount. Quotas count requests and limits of all pods of a namespace,
each for itself (Kubernetes documentation, "Resource Quotas").
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.feasibility.finding import Finding, Harm, Word, once
from harness.model.autoscaling import Resource
from harness.model.quantity import show_bytes

RULE = "capacities-add"
LAW = "What all parts may take at once must fit into the whole."


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Some equal parts of a whole."""

    name: str
    """`5 services x 10 pods`; or the one that it is: `core-business-prod`."""

    count: float
    each: float
    """Cores or bytes."""

    of: str = ""
    """What each one is made of, where that is more than one amount: `(2 + 0.3) cores`."""

    targets: tuple[str, ...] = ()

    @property
    def amount(self) -> float:
        """All of them."""
        return round(self.count * self.each, 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """A whole, and what may be taken of it at once."""

    about: str
    subject: str
    """`All services of core-business-prod at their maximum`."""

    resource: Resource
    whole: float
    whole_called: str
    """`quota of core-business-prod`."""

    target: str
    shares: tuple[Share, ...]
    why: str
    resolve: str
    harm: Harm = Harm.CAPACITY
    beyond: Word = Word.CONTRADICTION
    left_out: tuple[str, ...] = ()
    """What should have a share as well and has none: the whole must not be used up then."""

    assumes: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


def add_up(capacity: Capacity) -> Finding:
    """The sum of all parts against the whole."""
    total = round(math.fsum(share.amount for share in capacity.shares), 6)
    whole = round(capacity.whole, 6)
    used_up = total == whole and bool(capacity.left_out)
    if total > whole:
        word, sign = capacity.beyond, ">"
    elif used_up:
        word, sign = Word.TIGHT, "="
    else:
        word, sign = Word.HOLDS, "<="
    without = f"; nothing is left for {', '.join(capacity.left_out)}" if used_up else ""
    shown, limit = show(capacity.resource, total), show(capacity.resource, whole)
    return Finding(
        rule=RULE,
        about=f"{capacity.about}, {capacity.resource}",
        word=word,
        says=f"{capacity.subject}: {shown} of {limit}{without}",
        sum=f"{' + '.join(_term(one, capacity) for one in capacity.shares)} = {shown} "
        f"{sign} {limit} {capacity.whole_called}",
        targets=once(
            capacity.target,
            *(target for share in capacity.shares for target in share.targets),
            *capacity.also,
        ),
        harm=capacity.harm,
        times=total / whole if whole else None,
        why=capacity.why,
        resolve="" if word is Word.HOLDS else capacity.resolve,
        assumes=capacity.assumes,
        sources=capacity.sources,
        telling=(str(capacity.resource),),
    )


def show(resource: Resource, amount: float) -> str:
    """Cores or bytes, for a person."""
    return f"{amount:.6g} cores" if resource is Resource.CPU else show_bytes(amount)


def _term(share: Share, capacity: Capacity) -> str:
    each = share.of or show(capacity.resource, share.each)
    return f"{each} {share.name}" if share.count == 1 else f"{share.name} x {each}"
