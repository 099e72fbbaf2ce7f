"""A Kubernetes cluster as it was read at one moment: for guards, predictions and comparisons."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Identity(_Value, frozen=True, kw_only=True):
    """Which cluster a context of a kubeconfig leads to."""

    context: str
    server: str
    """The API's address as the kubeconfig has it."""

    uid: str
    """Of the namespace kube-system: it stays as long as the cluster, whatever the context says."""

    version: str
    """Of the API server: `v1.34.1`."""


class ClusterAccess(_Value, frozen=True, kw_only=True):
    """How to reach one cluster; the context is never the kubeconfig's current one."""

    kubeconfig: Path
    identity: Identity
    provider: str
    """Of its machines: `lab`, `docker`, `ec2` or `none`."""

    helper_image: str
    """An image with `sh`, `kill`, `ip` and `nsenter`, for helper pods on nodes."""


class Node(_Value, frozen=True, kw_only=True):
    """One node as the API knows it."""

    name: str
    uid: str
    boot_id: str
    """status.nodeInfo.bootID: another one after each boot of the machine."""

    ready: bool
    unschedulable: bool
    zone: str
    """Label topology.kubernetes.io/zone; empty where it has none."""

    control_plane: bool
    provider_id: str
    """spec.providerID: `aws:///eu-west-1a/i-0abc` on EC2; empty where there is none."""

    taints: tuple[str, ...] = ()
    """`key=value:Effect`, sorted."""

    labels: dict[str, str] = {}


class Container(_Value, frozen=True, kw_only=True):
    """One container of a pod, as the kubelet last reported it."""

    name: str
    container_id: str
    """Without its scheme; empty where it does not run."""

    ready: bool
    restarts: int


class Pod(_Value, frozen=True, kw_only=True):
    """One pod."""

    namespace: str
    name: str
    uid: str
    node: str
    address: str
    """status.podIP; empty where it has none yet."""

    phase: str
    ready: bool
    terminating: bool
    """Whether it has a deletion timestamp."""

    owner: str
    """`ReplicaSet/checkout-5f6d`, `StatefulSet/redis`, `DaemonSet/...`; empty for a bare pod."""

    labels: dict[str, str]
    containers: tuple[Container, ...] = ()


class DisruptionBudget(_Value, frozen=True, kw_only=True):
    """One PodDisruptionBudget."""

    namespace: str
    name: str
    match_labels: dict[str, str]
    disruptions_allowed: int


class State(_Value, frozen=True, kw_only=True):
    """All of a cluster that a guard looks at before something is broken."""

    nodes: tuple[Node, ...]
    pods: tuple[Pod, ...]
    budgets: tuple[DisruptionBudget, ...]


class Snapshot(_Value, frozen=True, kw_only=True):
    """What a drill must leave as it was, flattened: `kind/namespace/name field` -> its value.

    Specs, cordons, taints, labels, finalizers; no status, nothing that controllers count up.
    """

    taken: datetime
    facts: dict[str, str]
