"""What every look at a platform is given, and what one says of itself before anything is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.drivers.kubernetes import Cluster
from harness.model.cluster import ClusterAccess
from harness.model.conformance import ConformancePlan, Look, Objects
from harness.model.target import Target


def _none(_targets: Sequence[Target]) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The platform to be looked at, and where to write what was seen."""

    plan: ConformancePlan
    cluster: Cluster
    access: ClusterAccess
    objects: Objects
    """As they were read at the beginning; a kind that could not be read is missing."""

    run: str
    """Name of the run: the label DRILL_LABEL of every pod that is made."""

    record: Callable[[Look], None]
    """Returns when the fact is on disk; may be called by several threads."""

    should_stop: Callable[[], str | None]
    """Why no further look may begin, as where the lease of drills was lost; None: it may."""


@dataclass(frozen=True, kw_only=True)
class ActiveLook:
    """One look that asks more than the API's objects; its module calls it `LOOK`."""

    name: str
    """As in a suite's `looks`: `connections`."""

    look: Callable[[Ground], None]
    """Records what it saw. What could not be seen is a fact with its `detail`; a HarnessError ends
    this look, is recorded as a StepFailed, and keeps no other from being made.
    """

    touches: tuple[str, ...]
    """In words, for the blast radius: which pods are made, which servers are asked what."""

    rights: tuple[str, ...]
    """As harness.faults.rights.parse_rights reads them: `create pods in harness-drill`."""

    rights_for: Callable[[Sequence[Target]], tuple[str, ...]] = _none
    """Those that it needs beside them for what these targets promise, in their namespaces alone."""
