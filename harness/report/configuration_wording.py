"""Puts objectives about how a platform is set up into words: one plain line for each kind. Pure."""

from __future__ import annotations

from typing import assert_never

from harness.model.configuration import (
    AccessControl,
    BrokerTopology,
    Canary,
    Component,
    Configuration,
    ConfigurationBackup,
    ContainerEnvironment,
    ContainerPorts,
    ContainerResources,
    ControlPlane,
    DaprAnnotations,
    DependencyHealth,
    EncryptionAtRest,
    EngineVersion,
    Flow,
    HealthProbe,
    ImageEvidence,
    ImageRegistry,
    ImmutableImages,
    MutualTls,
    Namespace,
    NamespacePattern,
    NetworkPolicyAllows,
    PubSub,
    Replicated,
    RepositoryLayout,
    RestoreTest,
    ReviewCycle,
    Rollout,
    Scraping,
    SecretRotation,
    SecurityContext,
    ServiceCalls,
    ServiceObject,
    Services,
    Size,
    Synced,
    SyncPolicy,
    SyncWave,
    TelemetryRetention,
    TransportEncryption,
    Unmeasured,
    VerticalAutoscaler,
    WorkersPerZone,
    WorkloadKind,
    ZoneSpread,
)
from harness.model.quantity import show_duration


def configuration(  # noqa: C901, PLR0911, PLR0912, PLR0915 - one line for each kind
    promise: Configuration,
) -> str:
    """What a target about the set-up promises, in a few words."""
    match promise:
        case ControlPlane():
            return f"{promise.masters} masters, all ready"
        case WorkersPerZone():
            return f"at least {promise.at_least} ready workers in each zone"
        case ZoneSpread():
            return f"the pods of each data store are in at least {promise.zones} zones"
        case Namespace():
            return f"namespace {promise.name} has {_all(promise.services)}"
        case Services():
            return f"{promise.count} services in all"
        case ContainerResources():
            asked, most = _size(promise.requests), _size(promise.limits)
            return f"containers in {_where(promise.namespaces)} ask for {asked}, may use {most}"
        case ContainerEnvironment():
            variables = _pairs(promise.variables, "=")
            return f"containers in {_where(promise.namespaces)} have {variables}"
        case ContainerPorts():
            return f"containers have the ports {_pairs(promise.ports, ' ')}"
        case HealthProbe():
            after, every = show_duration(promise.initial_delay), show_duration(promise.period)
            asked = f"{promise.path} on port {promise.port}"
            return (
                f"{promise.probe} probe: {asked} answers; first after {after}, then every {every}"
            )
        case DependencyHealth():
            return "a readiness answer says how the service's dependencies are"
        case SecurityContext():
            return f"containers run {_rights(promise)}"
        case ImageRegistry(registry=None):
            return "images come from a private registry"
        case ImageRegistry():
            return f"images come from {promise.registry}"
        case ImageEvidence():
            return f"{_EVIDENCE[promise.evidence]} {_any(promise.by)}"
        case ImmutableImages():
            return "the name of each image means one image for ever"
        case DaprAnnotations():
            told = tuple(f"{name}: {value}" for name, value in promise.annotations.items())
            return f"pods are annotated for Dapr: {_few(told)}"
        case ServiceCalls():
            waits = show_duration(promise.timeout)
            return f"calls between services wait at most {waits}, with {promise.retries} retries"
        case PubSub():
            return f"Dapr publishes and subscribes over {promise.broker}, which answers"
        case BrokerTopology():
            return f"the broker has {_broker(promise)}"
        case NetworkPolicyAllows():
            pods = f"{promise.namespace}/{promise.app}"
            return f"{pods}: {_ingress(promise.ingress)}; {_egress(promise.egress)}"
        case EngineVersion():
            return f"major version {promise.major}"
        case WorkloadKind():
            return f"run by a {promise.workload}"
        case Replicated():
            return _REPLICATED[promise.mode]
        case Component():
            return f"{promise.name} runs"
        case TelemetryRetention():
            return f"{promise.store} reaches back {show_duration(promise.at_least)}"
        case Scraping():
            return f"Prometheus {_scraping(promise)}"
        case Rollout():
            surge, away = promise.max_surge, promise.max_unavailable
            return f"a Deployment is replaced with {surge} % surge and {away} % unavailable"
        case Canary():
            phases = [f"{one.weight} % for {show_duration(one.lasts)}" for one in promise.phases]
            return f"a new version has {_in_turn(phases)}"
        case SyncWave():
            within = show_duration(promise.takes)
            return f"wave {promise.wave} of Argo CD brings {_all(promise.services)} in {within}"
        case SyncPolicy():
            return f"Argo CD in {_where(promise.namespaces)}: {_policy(promise)}"
        case Synced():
            return "the cluster is what Git says"
        case NamespacePattern():
            return f"namespaces are called {promise.pattern}"
        case ServiceObject():
            return f"every service has a {promise.object}"
        case RepositoryLayout():
            return f"the Git repository has {_few(promise.paths)}"
        case VerticalAutoscaler():
            low, high = _size(promise.minimum), _size(promise.maximum)
            return f"a VerticalPodAutoscaler in mode {promise.mode}, from {low} to {high}"
        case TransportEncryption():
            return f"no connection with less than {promise.lowest}"
        case EncryptionAtRest():
            return f"volumes and Secrets are stored encrypted with {promise.algorithm}"
        case MutualTls():
            return "services know each other by certificates of both sides"
        case AccessControl():
            return f"the API decides by {promise.mode} who may do what"
        case SecretRotation():
            return f"no Secret or certificate is older than {show_duration(promise.at_most)}"
        case ConfigurationBackup():
            back = show_duration(promise.retention)
            return f"the set-up is in Git with {promise.encryption}, and reaches back {back}"
        case RestoreTest():
            return f"a restore is rehearsed every {show_duration(promise.every)}"
        case ReviewCycle():
            return f"the document is read again every {show_duration(promise.every)}"
        case Unmeasured():
            return f"no check sees it: {promise.why.rstrip('.')}"
        case _:
            assert_never(promise)


def configuration_subject(promise: Configuration) -> str:  # noqa: PLR0911 - one line for each kind
    """The name of such a target for a headline: `Prometheus`, `liveness probe`, `sync wave 0`."""
    kind = str(promise.__struct_config__.tag).replace("-", " ")
    match promise:
        case Component():
            return promise.name
        case Namespace():
            return f"namespace {promise.name}"
        case HealthProbe():
            return f"{promise.probe} probe"
        case ImageEvidence():
            return f"image {promise.evidence}"
        case SyncWave():
            return f"{kind} {promise.wave}"
        case ServiceObject():
            return f"a {promise.object} for each service"
        case TelemetryRetention():
            return f"retention of {promise.store}"
        case MutualTls():
            return "mutual TLS"
        case Unmeasured():
            return "a promise without a check"
        case _:
            return kind


_EVIDENCE = {
    "signature": "images are signed by",
    "scan": "images are scanned by",
    "base": "images are built on",
}
_REPLICATED = {
    "primary-replica": "a primary with a replica",
    "cluster": "a cluster of several nodes",
}


def _where(namespaces: str) -> str:
    return "every namespace" if namespaces == "*" else namespaces


def _size(size: Size) -> str:
    return f"{size.cpu} CPU and {size.memory}"


def _ingress(flow: Flow) -> str:
    who = f"only {_any(flow.namespaces)} connect" if flow.namespaces else "anybody connects"
    return f"{who} to it{_on(flow)}"


def _egress(flow: Flow) -> str:
    whom = f"only to {_any(flow.namespaces)}" if flow.namespaces else "to anybody"
    return f"it connects {whom}{_on(flow)}"


def _on(flow: Flow) -> str:
    return f", on {_any(tuple(map(str, flow.ports)))}" if flow.ports else ""


def _rights(promise: SecurityContext) -> str:
    not_root = "not as root" if promise.run_as_non_root else "as anybody"
    read_only = "read-only root" if promise.read_only_root_filesystem else "writable root"
    escalation = "may" if promise.allow_privilege_escalation else "may not"
    return (
        f"{not_root} but as {promise.run_as_user}, group {promise.fs_group}, with a {read_only}, "
        f"{escalation} gain privileges, drop {_all(promise.drop)}, seccomp {promise.seccomp}"
    )


def _broker(promise: BrokerTopology) -> str:
    told = []
    if promise.partitions is not None:
        told.append(f"{promise.partitions} partitions")
    if promise.replication is not None:
        told.append(f"{promise.replication} copies")
    return _all((*told, *promise.persistence))


def _scraping(promise: Scraping) -> str:
    told = []
    if promise.interval is not None:
        told.append(f"asks every {show_duration(promise.interval)}")
    if promise.evaluation is not None:
        told.append(f"evaluates its rules every {show_duration(promise.evaluation)}")
    return _all(tuple(told))


def _policy(promise: SyncPolicy) -> str:
    told = {
        "syncs by itself": promise.automated,
        "prunes": promise.prune,
        "heals by itself": promise.self_heal,
    }
    return _all(tuple(what if does else f"never {what}" for what, does in told.items()))


def _pairs(named: dict[str, str] | dict[str, int], between: str) -> str:
    return _all(tuple(f"{name}{between}{value}" for name, value in named.items()))


def _all(names: tuple[str, ...]) -> str:
    return _joined(names, " and ")


def _few(names: tuple[str, ...], most: int = 3) -> str:
    return _all((*names[:most], f"{len(names) - most} more") if len(names) > most + 1 else names)


def _any(names: tuple[str, ...]) -> str:
    return _joined(names, " or ")


def _in_turn(names: list[str]) -> str:
    return _joined(tuple(names), ", then ")


def _joined(names: tuple[str, ...], last: str) -> str:
    return last.join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
