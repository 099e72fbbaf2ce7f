"""Quotas: what services may grow to, and what their namespaces allow."""

from __future__ import annotations

import msgspec

from harness.model.autoscaling import ContainerResources, VerticalAutoscalerSettings


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Claim(_Value, frozen=True, kw_only=True):
    """One controller of pods, and what all its replicas may ask for at once."""

    namespace: str
    controller: str
    """`Deployment/checkout`."""

    replicas: int
    """The most there may be: an autoscaler's maximum, or spec.replicas."""

    scaled_by: str = ""
    """The autoscaler's name; empty where there is none."""

    minimum: int | None = None
    """The autoscaler's."""

    surge: int = 0
    """Pods beyond `replicas` while it is rolled out: maxSurge, rounded up."""

    containers: tuple[ContainerResources, ...] = ()
    qos: str = ""
    """Guaranteed, Burstable or BestEffort, by its containers."""


class QuotaLimit(_Value, frozen=True, kw_only=True):
    """One ResourceQuota's hard limits: cores, bytes, counts, by the name of the resource."""

    namespace: str
    name: str
    hard: dict[str, float]


class CapacitySettings(_Value, frozen=True, kw_only=True):
    """All that decides how far the services of a cluster can grow; facts, read once."""

    claims: tuple[Claim, ...]
    quotas: tuple[QuotaLimit, ...]
    allocatable: dict[str, dict[str, float]] = {}
    """Node -> `cpu`, `memory`, `pods` -> what it can give to pods."""

    vertical_autoscalers: tuple[VerticalAutoscalerSettings, ...] | None = None
    """Those that were seen; None: nobody looked for any."""

    unknown: dict[str, str] = {}
    """What could not be read, and why: by its kind, or by what it is of."""


class Filled(_Value, frozen=True, kw_only=True):
    """One namespace, filled with pods of one controller until the quota refused one."""

    namespace: str
    controller: str
    asked: int
    """Replicas that were asked for."""

    created: int
    """Pods there were when it stopped."""

    running: int
    refused: str
    """The API's words (event FailedCreate); empty: all that was asked for was created."""

    used: dict[str, float]
    """Of the namespace's quota at the end."""

    hard: dict[str, float]

    deployed: bool = False
    """With the quotas and the controllers of the cluster under test; else with the documented
    ones."""

    rest: bool = False
    """No service: it takes what the services left, so that it is seen whether the quota refuses."""
