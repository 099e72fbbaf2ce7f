"""A conformance check: the suite, its plan, and what was seen of a platform that nothing breaks."""

from __future__ import annotations

from typing import Any

import msgspec

from harness.model.cluster import Identity
from harness.model.target import Target
from harness.model.workload import Workload


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Conformance(_Value, frozen=True, kw_only=True, tag_field="kind", tag="conformance"):
    """One file of suites/ with `kind: conformance`."""

    suite: str
    title: str
    looks: tuple[str, ...] = ("objects", "connections", "tls", "health", "engines", "configuration")
    """What is looked at, of these."""

    critical: tuple[str, ...] = ()
    """Names of the services that the document calls critical; none: it is not known."""

    repository: str | None = None
    """A clone of the Git repository that the platform is set up from; None: nobody looks."""


class ConformancePlan(_Value, frozen=True, kw_only=True, tag_field="plan", tag="conformance"):
    """All that the looks need, and all that the judges need beside the history."""

    suite: str
    title: str
    environment: str
    cluster: Identity
    targets: tuple[Target, ...]
    workloads: tuple[Workload, ...]
    looks: tuple[str, ...]
    critical: tuple[str, ...]
    repository: str | None
    blast_radius: tuple[str, ...]
    """In words: what is read, and which pods are made to look from; printed by `harness plan`."""

    rights: tuple[str, ...] = ()


KINDS: tuple[tuple[str, str], ...] = (
    ("v1", "Node"),
    ("v1", "Namespace"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "ResourceQuota"),
    ("v1", "LimitRange"),
    ("v1", "PersistentVolumeClaim"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("policy/v1", "PodDisruptionBudget"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("autoscaling.k8s.io/v1", "VerticalPodAutoscaler"),
    ("argoproj.io/v1alpha1", "Application"),
    ("argoproj.io/v1alpha1", "Rollout"),
    ("dapr.io/v1alpha1", "Component"),
    ("dapr.io/v1alpha1", "Resiliency"),
    ("bitnami.com/v1alpha1", "SealedSecret"),
    ("monitoring.coreos.com/v1", "ServiceMonitor"),
    ("monitoring.coreos.com/v1", "Prometheus"),
    ("cert-manager.io/v1", "Certificate"),
)
"""What is read of a cluster: API version and kind. Those of a definition may not be served."""


class ObjectsRead(_Value, frozen=True, kw_only=True, tag_field="event", tag="objects-read"):
    """All objects of one kind were read; else `error` says why not.

    `file`, below observations/, is a JSON array of them as the API gave them, without
    metadata.managedFields. Secrets and ConfigMaps are without their data, except for the keys of
    ConfigMaps that end in .yml, .yaml or .conf; of a Secret's managedFields those that own its data
    stay, without its fields: by their time it was last written.
    """

    api_version: str
    kind: str
    file: str | None
    count: int
    served: bool = True
    """False: the cluster has no such kind."""

    forbidden: bool = False
    """True: the account may not list them."""

    error: str | None = None


class ConnectionTried(_Value, frozen=True, kw_only=True, tag_field="event", tag="connection-tried"):
    """A pod tried to connect, as a NetworkPolicy would see it."""

    source_namespace: str
    source_app: str
    """Label `app` of the pod that tried; empty: none."""

    destination: str
    """`host:port`, or the name that was to be resolved."""

    destination_namespace: str
    port: int
    """53: a name was resolved, over UDP."""

    connected: bool | None
    """None: it could not be tried. Of a name: whether a server answered, be it that it knows no
    such name.
    """

    refused: bool = False
    """True: what came back was `connection refused`: the packet reached someone."""

    destination_app: str = ""
    """Label `app` of the pod that was to be reached; empty: none, or no pod."""

    detail: str = ""


class TlsTried(_Value, frozen=True, kw_only=True, tag_field="event", tag="tls-tried"):
    """A handshake with one version of TLS alone."""

    subject: str
    """Id of a workload, or `kubernetes`."""

    address: str
    version: str
    """`TLS 1.2`; empty: no TLS was tried, only whether it answers without: `plain`."""

    accepted: bool | None
    """None: it could not be tried."""

    plain: bool = False
    """True: it answered without TLS at all."""

    client_certificate_wanted: bool | None = None
    """True: it asked for one; None: it cannot be told."""

    client_certificate_required: bool | None = None
    """True: it ended the session of a client that had none; None: it cannot be told."""

    certificate_not_before: str | None = None
    """RFC 3339."""

    certificate_not_after: str | None = None
    detail: str = ""


class HealthAsked(_Value, frozen=True, kw_only=True, tag_field="event", tag="health-asked"):
    """What a kubelet's probe asks was asked of one pod."""

    namespace: str
    app: str
    pod: str
    port: int
    path: str
    status: int | None
    """Of the HTTP answer; None: there was none."""

    body: str = ""
    """Its first 2,000 characters."""

    detail: str = ""


class EngineAsked(_Value, frozen=True, kw_only=True, tag_field="event", tag="engine-asked"):
    """What a data store says of itself."""

    subject: str
    version: str | None
    facts: dict[str, str]
    """PostgreSQL: `replicas` (pg_stat_replication), `ssl`, ... Redis: `cluster_enabled`,
    `cluster_size`, `aof_enabled`, `save`, `connected_slaves`."""

    detail: str = ""


class CommitsRead(_Value, frozen=True, kw_only=True, tag_field="event", tag="commits-read"):
    """The history of the Git repository that the platform is set up from."""

    repository: str
    commits: int
    oldest: str | None
    newest: str | None
    """RFC 3339, of the committers."""

    signed: int
    """Commits whose signature `git verify-commit` takes for good."""

    unverifiable: int = 0
    """Commits whose signature could not be checked, as one by a key that is not known here."""

    files: tuple[str, ...] = ()
    """Paths of all files of the newest commit, from the root of the repository."""

    detail: str = ""


Look = ObjectsRead | ConnectionTried | TlsTried | HealthAsked | EngineAsked | CommitsRead

Objects = dict[str, tuple[dict[str, Any], ...]]
"""Kind -> its objects as the API gave them."""
