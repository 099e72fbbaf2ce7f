"""Objectives about how a platform is set up: what a look at it answers, without a drill."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, get_args

import msgspec

from harness.model.quantity import amount_of


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Size(_Value, frozen=True, kw_only=True):
    """Quantities of the Kubernetes API: `500m` cores, `512Mi`."""

    cpu: str
    memory: str

    def __post_init__(self) -> None:
        amount_of(self.cpu)
        amount_of(self.memory)


class ControlPlane(_Value, frozen=True, kw_only=True, tag_field="kind", tag="control-plane"):
    """How many masters there are, all of them ready."""

    masters: int


class WorkersPerZone(_Value, frozen=True, kw_only=True, tag_field="kind", tag="workers-per-zone"):
    """How many ready workers each zone has, at the least; zones by topology.kubernetes.io/zone."""

    at_least: int


class ZoneSpread(_Value, frozen=True, kw_only=True, tag_field="kind", tag="zone-spread"):
    """Over how many zones the pods of each data store are, at the least."""

    zones: int


class Namespace(_Value, frozen=True, kw_only=True, tag_field="kind", tag="namespace"):
    """A namespace, and the services that run in it."""

    name: str
    services: tuple[str, ...]
    """Names of Deployments or StatefulSets, or the part of their names before a dash."""


class Services(_Value, frozen=True, kw_only=True, tag_field="kind", tag="services"):
    """How many services the platform deploys in all."""

    count: int


class ContainerResources(
    _Value, frozen=True, kw_only=True, tag_field="kind", tag="container-resources"
):
    """What a service's container asks for and may use at the most."""

    namespaces: str = "*"
    """Glob of the namespaces' names: `*-prod`."""

    requests: Size
    limits: Size


class ContainerEnvironment(
    _Value, frozen=True, kw_only=True, tag_field="kind", tag="container-environment"
):
    """Environment variables of a service's container."""

    namespaces: str = "*"
    """Glob of the namespaces' names: `*-prod`."""

    variables: dict[str, str]


class ContainerPorts(_Value, frozen=True, kw_only=True, tag_field="kind", tag="container-ports"):
    """Ports of a service's container, by their names."""

    ports: dict[str, int]


class HealthProbe(_Value, frozen=True, kw_only=True, tag_field="kind", tag="health-probe"):
    """A probe of the kubelet, and that what it asks answers."""

    probe: Literal["liveness", "readiness", "startup"]
    path: str
    port: int
    initial_delay: timedelta
    period: timedelta


class DependencyHealth(
    _Value, frozen=True, kw_only=True, tag_field="kind", tag="dependency-health"
):
    """That a readiness answer says how the service's dependencies are."""


class SecurityContext(_Value, frozen=True, kw_only=True, tag_field="kind", tag="security-context"):
    """Under which rights containers run (Kubernetes API, SecurityContext, PodSecurityContext)."""

    run_as_non_root: bool
    run_as_user: int
    fs_group: int
    read_only_root_filesystem: bool
    allow_privilege_escalation: bool
    drop: tuple[str, ...]
    seccomp: str
    """Type of the profile: `RuntimeDefault`."""


class ImageRegistry(_Value, frozen=True, kw_only=True, tag_field="kind", tag="image-registry"):
    """Where the images of services come from."""

    registry: str | None = None
    """None: any that is private, thus not one of the public ones."""


class ImageEvidence(_Value, frozen=True, kw_only=True, tag_field="kind", tag="image-evidence"):
    """That images are signed or scanned, and who said so."""

    evidence: Literal["signature", "scan", "base"]
    by: tuple[str, ...]
    """One of these suffices: `Trivy`, `Clair`."""


class ImmutableImages(_Value, frozen=True, kw_only=True, tag_field="kind", tag="immutable-images"):
    """That an image's name means one image for ever: a digest, or a tag that is not `latest`
    (Kubernetes documentation, Images).
    """


class DaprAnnotations(_Value, frozen=True, kw_only=True, tag_field="kind", tag="dapr-annotations"):
    """Annotations of pods that Dapr's injector reads
    (Dapr documentation, arguments and annotations).
    """

    annotations: dict[str, str]
    """Where the value is `service-name`, the service's own name stands."""


class ServiceCalls(_Value, frozen=True, kw_only=True, tag_field="kind", tag="service-calls"):
    """How services call each other, and for how long they wait."""

    timeout: timedelta
    retries: int


class PubSub(_Value, frozen=True, kw_only=True, tag_field="kind", tag="pub-sub"):
    """Over what services publish and subscribe: a Component of Dapr, and that it answers
    (Dapr documentation, pub/sub component specs).
    """

    broker: str
    """What follows `pubsub.` in the component's type: `redis`."""


class BrokerTopology(_Value, frozen=True, kw_only=True, tag_field="kind", tag="broker-topology"):
    """How a message broker is built."""

    partitions: int | None = None
    replication: int | None = None
    persistence: tuple[Literal["AOF", "RDB"], ...] = ()


class Flow(_Value, frozen=True, kw_only=True):
    """Traffic between a service and the pods of some namespaces."""

    namespaces: tuple[str, ...]
    """Names; empty: any."""

    ports: tuple[int, ...]
    """TCP; empty: any."""

    def allows(self, namespace: str, port: int) -> bool:
        """Whether it may be between a namespace's pods and the service, on a port."""
        return (not self.namespaces or namespace in self.namespaces) and self.allows_port(port)

    def allows_port(self, port: int) -> bool:
        """Whether it may be on a port at all."""
        return not self.ports or port in self.ports


class NetworkPolicyAllows(
    _Value, frozen=True, kw_only=True, tag_field="kind", tag="network-policy"
):
    """Who may connect to a service's pods, and to whom they may: nobody else."""

    namespace: str
    app: str
    """Label `app` of the pods."""

    ingress: Flow
    egress: Flow


class EngineVersion(_Value, frozen=True, kw_only=True, tag_field="kind", tag="engine-version"):
    """The major version of a data store."""

    major: int


class WorkloadKind(_Value, frozen=True, kw_only=True, tag_field="kind", tag="workload-kind"):
    """By what kind of object a data store is run."""

    workload: Literal["StatefulSet", "Deployment"]


class Replicated(_Value, frozen=True, kw_only=True, tag_field="kind", tag="replicated"):
    """How a data store outlives an instance."""

    mode: Literal["primary-replica", "cluster"]


class Component(_Value, frozen=True, kw_only=True, tag_field="kind", tag="component"):
    """A program that the platform has: `Prometheus`, `Loki`, `Argo CD`."""

    name: str


class TelemetryRetention(
    _Value, frozen=True, kw_only=True, tag_field="kind", tag="telemetry-retention"
):
    """How far back metrics or logs reach."""

    store: Literal["Prometheus", "Loki"]
    at_least: timedelta


class Scraping(_Value, frozen=True, kw_only=True, tag_field="kind", tag="scraping"):
    """How often Prometheus asks, and evaluates its rules."""

    interval: timedelta | None = None
    evaluation: timedelta | None = None


class Rollout(_Value, frozen=True, kw_only=True, tag_field="kind", tag="rollout"):
    """How a Deployment replaces its pods; percent of its replicas."""

    max_surge: int
    max_unavailable: int


class CanaryPhase(_Value, frozen=True, kw_only=True):
    """For how long a new version has what share of the traffic, percent."""

    weight: int
    lasts: timedelta


class Canary(_Value, frozen=True, kw_only=True, tag_field="kind", tag="canary"):
    """The phases of a canary deployment."""

    phases: tuple[CanaryPhase, ...]


class SyncWave(_Value, frozen=True, kw_only=True, tag_field="kind", tag="sync-wave"):
    """One wave of Argo CD: what it brings, and in what time."""

    wave: int
    services: tuple[str, ...]
    takes: timedelta


class SyncPolicy(_Value, frozen=True, kw_only=True, tag_field="kind", tag="sync-policy"):
    """How Argo CD brings an environment to what Git says (Argo CD, Automated Sync Policy)."""

    namespaces: str
    automated: bool
    prune: bool
    self_heal: bool


class Synced(_Value, frozen=True, kw_only=True, tag_field="kind", tag="synced"):
    """That the cluster is what Git says: no Application is OutOfSync (Argo CD, sync status)."""


class NamespacePattern(
    _Value, frozen=True, kw_only=True, tag_field="kind", tag="namespace-pattern"
):
    """How the namespaces of an environment are called: `{service}-dev`."""

    pattern: str


class ServiceObject(_Value, frozen=True, kw_only=True, tag_field="kind", tag="service-object"):
    """An object that every service comes with, beside its pods."""

    object: Literal[
        "Service",
        "ConfigMap",
        "Secret",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "NetworkPolicy",
        "ServiceMonitor",
    ]


class RepositoryLayout(
    _Value, frozen=True, kw_only=True, tag_field="kind", tag="repository-layout"
):
    """Which files and directories the Git repository that the platform is set up from has."""

    paths: tuple[str, ...]
    """From its root; `{service}` stands for each of apps/."""


class VerticalAutoscaler(
    _Value, frozen=True, kw_only=True, tag_field="kind", tag="vertical-autoscaler"
):
    """Whether a VerticalPodAutoscaler changes requests by itself, and within which bounds."""

    mode: Literal["Auto", "Recreate", "Initial", "Off"]
    minimum: Size
    maximum: Size


class TransportEncryption(
    _Value, frozen=True, kw_only=True, tag_field="kind", tag="transport-encryption"
):
    """The lowest version of TLS that a server accepts."""

    lowest: Literal["TLS 1.2", "TLS 1.3"]


class EncryptionAtRest(
    _Value, frozen=True, kw_only=True, tag_field="kind", tag="encryption-at-rest"
):
    """How volumes and the Secrets of the API are encrypted where they are stored."""

    algorithm: Literal["AES-256"]


class MutualTls(_Value, frozen=True, kw_only=True, tag_field="kind", tag="mutual-tls"):
    """That services know each other by certificates of both sides."""


class AccessControl(_Value, frozen=True, kw_only=True, tag_field="kind", tag="access-control"):
    """By what the API decides who may do what."""

    mode: Literal["RBAC"]


class SecretRotation(_Value, frozen=True, kw_only=True, tag_field="kind", tag="secret-rotation"):
    """How old a Secret's content and a certificate may be."""

    at_most: timedelta


class ConfigurationBackup(
    _Value, frozen=True, kw_only=True, tag_field="kind", tag="configuration-backup"
):
    """That what the platform is set up by is in Git, signed, and how far back."""

    retention: timedelta
    encryption: str


class RestoreTest(_Value, frozen=True, kw_only=True, tag_field="kind", tag="restore-test"):
    """How often a restore is rehearsed."""

    every: timedelta


class ReviewCycle(_Value, frozen=True, kw_only=True, tag_field="kind", tag="review-cycle"):
    """How often the document is read again."""

    every: timedelta


class Unmeasured(_Value, frozen=True, kw_only=True, tag_field="kind", tag="unmeasured"):
    """What the document promises and no check of the harness can see."""

    why: str
    needs: str
    """What would make it visible."""


Configuration = (
    ControlPlane
    | WorkersPerZone
    | ZoneSpread
    | Namespace
    | Services
    | ContainerResources
    | ContainerEnvironment
    | ContainerPorts
    | HealthProbe
    | DependencyHealth
    | SecurityContext
    | ImageRegistry
    | ImageEvidence
    | ImmutableImages
    | DaprAnnotations
    | ServiceCalls
    | PubSub
    | BrokerTopology
    | NetworkPolicyAllows
    | EngineVersion
    | WorkloadKind
    | Replicated
    | Component
    | TelemetryRetention
    | Scraping
    | Rollout
    | Canary
    | SyncWave
    | SyncPolicy
    | Synced
    | NamespacePattern
    | ServiceObject
    | RepositoryLayout
    | VerticalAutoscaler
    | TransportEncryption
    | EncryptionAtRest
    | MutualTls
    | AccessControl
    | SecretRotation
    | ConfigurationBackup
    | RestoreTest
    | ReviewCycle
    | Unmeasured
)

CONFIGURATION: tuple[type[Configuration], ...] = get_args(Configuration)
"""The kinds of objectives that a conformance check looks at."""
