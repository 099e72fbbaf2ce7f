"""Reads what a cluster and its workloads are set to, for predictions; changes nothing.

What cannot be read is no error: it is None, with the reason beside it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from harness.drivers import kubernetes_objects
from harness.drivers.bounded_redis import BoundedRedis, Reply
from harness.drivers.clock import HostClock
from harness.drivers.kubernetes import Cluster
from harness.drivers.kubernetes_objects import Object
from harness.drivers.program_arguments import controller_manager, go_duration_s
from harness.drivers.roles import WITHIN_NS, access_of, ask_postgres, redis_shards
from harness.errors import HarnessError, SurroundingsError
from harness.model.cluster import Pod, State
from harness.model.cluster_settings import (
    ClusterSettings,
    ControlPlaneSettings,
    Member,
    PatroniSettings,
    PodSettings,
    RedisSettings,
    Span,
    WorkloadSettings,
)
from harness.model.workload import PostgresqlWorkload, RedisWorkload, Workload

Read = TypeVar("Read")

_CLOCK = HostClock()
_FINISHED = frozenset({"Succeeded", "Failed"})
_APPS = frozenset({"ReplicaSet", "StatefulSet", "Deployment", "DaemonSet"})
_ROLES = {"primary": "primary", "master": "primary", "replica": "replica"}
"""What Patroni writes into the label role (docs/kubernetes.rst: role_label)."""

_SCOPE = "cluster-name"
"""The label by which Patroni knows the pods of one cluster, unless it is told another
(docs/kubernetes.rst: kubernetes.scope_label)."""

_UNREACHABLE = "node.kubernetes.io/unreachable"
_DEFAULT_GRACE_S = 30.0
_PATRONI = {
    "ttl": 30,
    "loop_wait": 10,
    "retry_timeout": 10,
    "primary_start_timeout": 300,
    "maximum_lag_on_failover": 1_048_576,
}
"""Patroni's defaults (docs/dynamic_configuration.rst)."""

_WAL_SENDER_TIMEOUT_S = 60.0
"""PostgreSQL's default (documentation, "Sending Servers")."""


def read_settings(
    cluster: Cluster,
    workloads: Sequence[Workload],
    *,
    control_plane: ControlPlaneSettings | None = None,
) -> ClusterSettings:
    """All that can be read of a cluster and its workloads.

    `control_plane` is what the environment knows of it. Raises the errors of
    harness.drivers.kubernetes only where the cluster as a whole cannot be read.
    """
    state = cluster.state()
    version = cluster.identity().version
    arguments = _controller_manager(cluster)
    grace = arguments.get("node-monitor-grace-period")
    return ClusterSettings(
        node_grace=_default_grace(version) if grace is None else _grace(grace),
        node_grace_known=grace is not None,
        workloads=tuple(_workload(cluster, one, state) for one in workloads),
        control_plane=control_plane,
        state=state,
    )


def _controller_manager(cluster: Cluster) -> Mapping[str, str]:
    """Its arguments where it runs as a pod, as kubeadm has it; none where it does not."""
    try:
        return controller_manager(cluster) or {}
    except HarnessError:
        return {}


def _grace(text: str) -> Span:
    seconds = go_duration_s(text)
    return Span(low_s=seconds, high_s=seconds, source="--node-monitor-grace-period")


def _default_grace(version: str) -> Span:
    """40 s, and 50 s since 1.32 (pkg/controller/nodelifecycle/config/v1alpha1/defaults.go); between
    the two where the version cannot be read.
    """
    found = re.match(r"v?(\d+)\.(\d+)", version)
    if found is None:
        return Span(low_s=40, high_s=50, source="the default of a Kubernetes of unknown version")
    since_1_32 = (int(found[1]), int(found[2])) >= (1, 32)
    seconds = 50 if since_1_32 else 40
    return Span(
        low_s=seconds, high_s=seconds, source=f"the default of Kubernetes {found[1]}.{found[2]}"
    )


def _workload(cluster: Cluster, workload: Workload, state: State) -> WorkloadSettings:
    running = tuple(
        sorted(
            (
                pod
                for pod in cluster.pods(workload.namespace, workload.pods)
                if pod.node and pod.phase not in _FINISHED
            ),
            key=lambda pod: pod.name,
        )
    )
    if not running:
        reason = f"no pod of {workload.namespace} has the labels {workload.pods}"
        return WorkloadSettings(
            workload=workload.id, unknown={"pods": reason, "members": reason, "roles": reason}
        )
    unknown: dict[str, str] = {}
    patroni: PatroniSettings | None = None
    redis: RedisSettings | None = None
    roles: dict[str, tuple[str, str]] = {}
    match workload:
        case PostgresqlWorkload():
            patroni = _or_why(unknown, "patroni", lambda: _patroni(cluster, workload, running))
            roles = {pod.name: (_ROLES.get(pod.labels.get("role", ""), ""), "") for pod in running}
        case RedisWorkload():
            redis = _or_why(unknown, "redis", lambda: _redis(workload, running))
            roles = _or_why(unknown, "roles", lambda: _redis_roles(workload, running)) or {}
        case _:
            pass
    if roles and not all(role for role, _ in roles.values()):
        unknown["roles"] = "a pod does not say its role"
    zones = {node.name: node.zone for node in state.nodes}
    return WorkloadSettings(
        workload=workload.id,
        pods=_or_why(unknown, "pods", lambda: _pods(cluster, workload, running)),
        patroni=patroni,
        redis=redis,
        members=tuple(
            Member(
                pod=pod.name,
                node=pod.node,
                role=roles.get(pod.name, ("", ""))[0],
                follows=roles.get(pod.name, ("", ""))[1],
                zone=zones.get(pod.node, ""),
            )
            for pod in running
        ),
        unknown=unknown,
    )


def _or_why(unknown: dict[str, str], what: str, read: Callable[[], Read]) -> Read | None:
    try:
        return read()
    except (HarnessError, KeyError, ValueError, TypeError) as error:
        unknown[what] = str(error) or repr(error)
        return None


# --- how its pods are run ----------------------------------------------------------------------


def _pods(cluster: Cluster, workload: Workload, running: Sequence[Pod]) -> PodSettings:
    first = cluster.get_object("v1", "Pod", workload.namespace, running[0].name)
    if first is None:
        raise SurroundingsError(f"pod {running[0].name} is gone")
    controller, replicas = _controller(cluster, workload.namespace, running[0].owner)
    spec = first["spec"]
    named = [one for one in spec["containers"] if one["name"] == workload.container]
    container = (named or spec["containers"])[0]
    readiness = container.get("readinessProbe") or {}
    return PodSettings(
        controller=controller,
        replicas=len(running) if replicas is None else replicas,
        unreachable_toleration_s=_toleration(spec.get("tolerations") or ()),
        # Kubernetes' defaults of a probe; a container without one is ready when it runs.
        readiness_delay_s=float(readiness.get("initialDelaySeconds", 0)),
        readiness_period_s=float(readiness.get("periodSeconds", 10)) if readiness else 0,
        grace_s=float(spec.get("terminationGracePeriodSeconds", _DEFAULT_GRACE_S)),
        restarts=max(
            (
                one.restarts
                for pod in running
                for one in pod.containers
                if one.name == container["name"]
            ),
            default=0,
        ),
        volume=_volume(cluster, workload.namespace, spec.get("volumes") or ()),
        autoscaler_minimum=_autoscaler_minimum(cluster, workload.namespace, controller),
    )


def _controller(cluster: Cluster, namespace: str, owner: str) -> tuple[str, int | None]:
    """The controller that has a number of replicas, and that number."""
    kind, _, name = owner.partition("/")
    found = cluster.get_object("apps/v1", kind, namespace, name) if kind in _APPS else None
    if found is None:
        return owner or "no controller", None
    above = kubernetes_objects.owner(found)
    if above:
        return _controller(cluster, namespace, above)
    return owner, int((found.get("spec") or {}).get("replicas", 1))


def _toleration(tolerations: Sequence[Object]) -> float | None:
    """How long a pod stays bound to a node that is unreachable; None: forever."""
    held = [
        one.get("tolerationSeconds")
        for one in tolerations
        if one.get("effect") in {None, "", "NoExecute"}
        and (one.get("key") == _UNREACHABLE or not one.get("key"))
    ]
    if not held:
        return 0  # admission adds one to every pod: this one was made without it
    # The shortest of those that match counts (Kubernetes documentation, "Taints and Tolerations").
    finite = [float(one) for one in held if one is not None]
    return min(finite) if finite else None


def _volume(cluster: Cluster, namespace: str, volumes: Sequence[Object]) -> str:
    """The strictest of a pod's volumes."""
    kinds = {
        _claimed(cluster, namespace, one["persistentVolumeClaim"]["claimName"])
        for one in volumes
        if "persistentVolumeClaim" in one
    }
    return next((kind for kind in ("node", "attached") if kind in kinds), "none")


def _claimed(cluster: Cluster, namespace: str, claim: str) -> str:
    found = cluster.get_object("v1", "PersistentVolumeClaim", namespace, claim)
    name = (found or {}).get("spec", {}).get("volumeName")
    volume = cluster.get_object("v1", "PersistentVolume", "", name) if name else None
    if volume is None:
        raise SurroundingsError(f"the volume of claim {namespace}/{claim} is not there")
    spec = volume["spec"]
    required = (spec.get("nodeAffinity") or {}).get("required") or {}
    keys = {
        expression.get("key")
        for term in required.get("nodeSelectorTerms") or ()
        for expression in (*(term.get("matchExpressions") or ()), *(term.get("matchFields") or ()))
    }
    if keys & {"kubernetes.io/hostname", "metadata.name"} or "hostPath" in spec or "local" in spec:
        return "node"
    shared = {"ReadWriteMany", "ReadOnlyMany"} & set(spec.get("accessModes") or ())
    return "none" if shared else "attached"


def _autoscaler_minimum(cluster: Cluster, namespace: str, controller: str) -> int | None:
    for one in cluster.list_objects("autoscaling/v2", "HorizontalPodAutoscaler", namespace):
        scaled = one["spec"]["scaleTargetRef"]
        if f"{scaled['kind']}/{scaled['name']}" == controller:
            return int(one["spec"].get("minReplicas", 1))
    return None


# --- PostgreSQL under Patroni -------------------------------------------------------------------


def _patroni(
    cluster: Cluster, workload: PostgresqlWorkload, running: Sequence[Pod]
) -> PatroniSettings:
    scope = next((pod.labels[_SCOPE] for pod in running if _SCOPE in pod.labels), None)
    if scope is None:
        raise SurroundingsError(
            f"no pod has Patroni's label {_SCOPE}: who fails it over is unknown"
        )
    name = f"{scope}-config"
    for kind in ("Endpoints", "ConfigMap"):
        found = cluster.get_object("v1", kind, workload.namespace, name)
        text = ((found or {}).get("metadata", {}).get("annotations") or {}).get("config")
        if text is not None:
            break
    else:
        raise SurroundingsError(
            f"neither Endpoints nor ConfigMap {workload.namespace}/{name} has Patroni's "
            "annotation config"
        )
    service = cluster.get_object("v1", "Service", workload.namespace, workload.service)
    settings = patroni_settings(
        json.loads(text),
        source=f"{kind} {workload.namespace}/{name}",
        service_selects=None if service is None else bool(service["spec"].get("selector")),
    )
    # What is set in the members' own files is not in the annotation.
    wal_sender_timeout_s = _wal_sender_timeout_s(workload, running)
    if wal_sender_timeout_s is None:
        return settings
    return msgspec.structs.replace(settings, wal_sender_timeout_s=wal_sender_timeout_s)


def _wal_sender_timeout_s(workload: PostgresqlWorkload, running: Sequence[Pod]) -> float | None:
    """As the first member that answers has it; None where none lets us in."""
    asked = "SELECT setting FROM pg_settings WHERE name = 'wal_sender_timeout'"
    for pod in running:
        answer = ask_postgres(workload, pod, asked)
        if answer is not None:
            return int(answer[0] or 0) / 1000 or None
    return None


def patroni_settings(
    config: Object, *, source: str, service_selects: bool | None
) -> PatroniSettings:
    """Of Patroni's dynamic configuration, as it keeps it in its annotation. Pure.

    What it does not say is Patroni's default, as Patroni takes it.
    """

    def number(name: str, former: str = "") -> float:
        return float(config[name] if name in config else config.get(former, _PATRONI[name]))

    parameters = (config.get("postgresql") or {}).get("parameters") or {}
    wal_sender = parameters.get("wal_sender_timeout")
    return PatroniSettings(
        ttl_s=number("ttl"),
        loop_wait_s=number("loop_wait"),
        retry_timeout_s=number("retry_timeout"),
        primary_start_timeout_s=number("primary_start_timeout", "master_start_timeout"),
        maximum_lag_bytes=int(number("maximum_lag_on_failover")),
        synchronous_mode=config.get("synchronous_mode", False) not in {False, "off", "false"},
        failsafe_mode=config.get("failsafe_mode", False) not in {False, "off", "false"},
        wal_sender_timeout_s=(
            _WAL_SENDER_TIMEOUT_S if wal_sender is None else _postgresql_duration_s(wal_sender)
        ),
        source=source,
        service_selects=service_selects,
    )


def _postgresql_duration_s(value: object) -> float:
    """A time parameter in its own unit, milliseconds, unless it says one (PostgreSQL documentation,
    "Parameter Names and Values").
    """
    found = re.fullmatch(r"\s*([\d.]+)\s*(ms|s|min|h|d)?\s*", str(value))
    if found is None:
        raise SurroundingsError(f"wal_sender_timeout: got {value!r}, expected a time")
    units = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
    return float(found[1]) * units[found[2] or "ms"]


# --- Redis --------------------------------------------------------------------------------------


def _redis(workload: RedisWorkload, running: Sequence[Pod]) -> RedisSettings:
    """Of the first node that answers; all of a cluster are set alike."""
    reasons = []
    for pod in running:
        try:
            return _asked(workload, pod)
        except SurroundingsError as error:
            reasons.append(f"{pod.name}: {error}")
    raise SurroundingsError(f"no node told its configuration: {reasons[0]}")


def _asked(workload: RedisWorkload, pod: Pod) -> RedisSettings:
    if not pod.address:
        raise SurroundingsError("it has no address")
    deadline_ns = _CLOCK.monotonic_ns() + WITHIN_NS
    node = BoundedRedis.connect(
        (pod.address, workload.port), access_of(workload), deadline_ns=deadline_ns
    )
    try:
        names = ("cluster-node-timeout", "cluster-require-full-coverage")
        replies = node.exchange(
            [("CONFIG", "GET", name) for name in names], deadline_ns=deadline_ns
        )
    finally:
        node.close()
    return redis_settings(replies, source=f"CONFIG GET of {pod.name}")


def redis_settings(replies: Sequence[Reply], *, source: str) -> RedisSettings:
    """Of the answers to CONFIG GET cluster-node-timeout and cluster-require-full-coverage. Pure.

    CONFIG may be forbidden to the account, or renamed: SurroundingsError says so.
    """
    values: dict[str, str] = {}
    for reply in replies:
        match reply:
            case [bytes(name), bytes(value)]:
                values[name.decode()] = value.decode()
            case _:
                raise SurroundingsError(f"CONFIG GET: got {reply!r}, expected a name and a value")
    return RedisSettings(
        node_timeout_s=int(values["cluster-node-timeout"]) / 1000,
        require_full_coverage=values["cluster-require-full-coverage"] == "yes",
        source=source,
    )


def _redis_roles(workload: RedisWorkload, running: Sequence[Pod]) -> dict[str, tuple[str, str]]:
    """Each pod's role, and whom a replica follows."""
    shards = redis_shards(workload, running, access_of(workload))
    names = {pod.address: pod.name for pod in running}
    roles: dict[str, tuple[str, str]] = {}
    for shard in shards:
        master = names.get(shard.master[0], "")
        roles[master] = ("master", "")
        for address, _port in shard.replicas:
            roles[names.get(address, "")] = ("replica", master)
    if not shards:
        raise SurroundingsError("no node told its cluster's masters and replicas")
    return roles
