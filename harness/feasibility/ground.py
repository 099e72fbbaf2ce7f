"""All that rules may compare: documented targets, and what is known of a cluster and restores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from harness.model.autoscaling import Timings
from harness.model.cluster_settings import ClusterSettings, Span
from harness.model.quota import CapacitySettings
from harness.model.target import Kind, Objective, Target

ObjectiveT = TypeVar("ObjectiveT")

KUBERNETES_GRACE = Span(
    low_s=40,
    high_s=50,
    source="Kubernetes default: --node-monitor-grace-period, 40 s before 1.32 and 50 s since "
    "(Kubernetes reference, kube-controller-manager)",
)
KUBERNETES_TOLERATION_S = 300.0
"""tolerationSeconds that admission adds to each pod for nodes that are away (Kubernetes
documentation, "Taints and Tolerations", taint-based evictions)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said(Generic[ObjectiveT]):
    """One target, with its objective's type known."""

    target: Target
    objective: ObjectiveT

    @property
    def id(self) -> str:
        """The target's."""
        return self.target.id

    def covers(self, *kinds: Kind) -> bool:
        """Whether it covers any of them."""
        return any(kind in self.target.covers for kind in kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRestore:
    """How long restores of one kind take, as runs have measured it: a + b x GB."""

    kind: Kind
    fixed_s: float
    per_gb_s: float
    """Seconds for each 10^9 bytes restored."""

    source: str
    """The run, and from what sizes it was fitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Facts, and where they are from. What is not known is None or empty, never guessed."""

    targets: tuple[Target, ...]
    settings: ClusterSettings | None = None
    """None: no environment was given; Kubernetes' defaults are taken, and named so."""

    capacity: CapacitySettings | None = None
    timings: Timings | None = None
    """Of the autoscaling controllers; None: Kubernetes' defaults."""

    restores: tuple[MeasuredRestore, ...] = ()
    peak_rate: float | None = None
    """Requests per second at the environment's peak."""

    def said(self, kind: type[ObjectiveT]) -> tuple[Said[ObjectiveT], ...]:
        """All targets with such an objective, in their order."""
        return tuple(self._said(kind))

    def _said(self, kind: type[ObjectiveT]) -> Iterator[Said[ObjectiveT]]:
        for target in self.targets:
            objective: Objective = target.objective
            if isinstance(objective, kind):
                yield Said(target=target, objective=objective)

    def restore_of(self, kind: Kind) -> MeasuredRestore | None:
        """What was measured of that kind; the slowest where there is more."""
        return max(
            (one for one in self.restores if one.kind is kind),
            key=lambda one: (one.per_gb_s, one.fixed_s),
            default=None,
        )

    @property
    def node_grace(self) -> Span:
        """How long a node is silent before it is taken for lost."""
        return KUBERNETES_GRACE if self.settings is None else self.settings.node_grace
