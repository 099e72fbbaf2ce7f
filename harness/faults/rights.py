"""Decides which rights an account needs for exactly what is planned, and writes them as RBAC. Pure.

An action that is not known here needs rights that nobody knows: the plan is refused.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import yaml

from harness.drill.experiment_document import Activity
from harness.errors import InputError
from harness.model.workload import HttpWorkload, PostgresqlWorkload, Workload

DRILL_NAMESPACE = "harness-drill"
"""harness.drivers.kubernetes.NAMESPACE: what the harness itself makes in a cluster is there."""

NAME = "harness-drill"
"""Of every Role, ClusterRole and binding of a drill's account."""

_CORE, _APPS, _POLICY = "", "apps", "policy"
_COORDINATION = "coordination.k8s.io"
_ALL = ""
"""As a namespace: all of them, or a kind that has none."""


class Right(msgspec.Struct, frozen=True, order=True):
    """One verb on one resource."""

    namespace: str
    """Empty: all of them, or a resource that has none."""

    group: str
    """Of the API; empty: the core's."""

    resource: str
    subresource: str
    verb: str

    def __str__(self) -> str:
        group = f".{self.group}" if self.group else ""
        sub = f"/{self.subresource}" if self.subresource else ""
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.resource}{group}{sub}{where}"


_WRITTEN = re.compile(
    r"(?P<verbs>[a-z*,]+) (?P<resource>[a-z*]+)(\.(?P<group>[a-z0-9.-]+))?(/(?P<sub>[a-z]+))?"
    r"( in (?P<namespace>[a-z0-9-]+))?"
)


def parse_rights(text: str) -> tuple[Right, ...]:
    """`get,patch deployments.apps in shop`: as a Right is shown, with one verb or several.

    Raises InputError where it is written otherwise.
    """
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise InputError(
            f"right: got {text!r}, expected `VERB[,VERB] RESOURCE[.GROUP][/SUBRESOURCE] "
            "[in NAMESPACE]`, such as `create podchaos.chaos-mesh.org in shop`"
        )
    return tuple(
        Right(
            namespace=found["namespace"] or _ALL,
            group=found["group"] or _CORE,
            resource=found["resource"],
            subresource=found["sub"] or "",
            verb=verb,
        )
        for verb in found["verbs"].split(",")
    )


def rights_of(
    experiments: Mapping[str, Sequence[Activity]],
    workloads: Sequence[Workload],
    declared: Mapping[str, Sequence[str]] | None = None,
) -> tuple[Right, ...]:
    """All that the account of a drill must be allowed to, sorted, none of it twice.

    `declared` holds what an experiment itself says that its foreign actions need. Raises InputError
    that names an action or probe whose rights are not known.
    """
    found = set(_reads(workloads))
    if experiments:
        found |= set(_drill())
    for name, activities in experiments.items():
        told = tuple(right for one in (declared or {}).get(name, ()) for right in parse_rights(one))
        found |= set(told)
        for activity in activities:
            found |= set(_of(name, activity, workloads, told))
    return _without_double(found)


def rights_of_load_test(
    workload: HttpWorkload,
    *,
    held: bool,
    from_pods: bool = False,
    away: Sequence[Right] = (),
) -> tuple[Right, ...]:
    """All that the account of a load test must be allowed to, sorted, none of it twice.

    `held`: whether the service is held at a number of replicas; `from_pods`: whether a load is
    injected from pods; `away`: what the experiments need that go on meanwhile.
    """
    namespace = workload.namespace
    found = {*away, *_reads([workload]), *_drill()}
    found |= set(_rights("get list", "events", "pods", namespace=namespace))
    found |= set(
        _rights("get list", "horizontalpodautoscalers", group="autoscaling", namespace=namespace)
    )
    found |= set(_rights("list", "endpointslices", group="discovery.k8s.io", namespace=namespace))
    found |= set(_rights("list", "pods", group="metrics.k8s.io", namespace=namespace))
    # What all services may grow to is a matter of all namespaces.
    found |= set(_rights("list", "resourcequotas", "limitranges"))
    if from_pods:
        found |= set(_rights("create delete", "jobs", group="batch", namespace=DRILL_NAMESPACE))
        found |= set(_rights("list", "pods", namespace=DRILL_NAMESPACE))
        # What a master has gathered is asked of it by way of the API.
        found |= set(_rights("get", "pods/log", "pods/proxy", namespace=DRILL_NAMESPACE))
    if held:
        found |= set(
            _rights("patch", "horizontalpodautoscalers", group="autoscaling", namespace=namespace)
        )
        found |= set(_rights("patch", "deployments", group=_APPS, namespace=namespace))
        # Argo CD would undo the hold: its self-heal is paused meanwhile.
        found |= set(_rights("list patch", "applications", group="argoproj.io"))
    return _without_double(found)


def render_rbac(rights: Sequence[Right], account: str, name: str = NAME) -> str:
    """YAML: the namespace of drills, a ClusterRole, a Role for each namespace, and their bindings.

    `account`: `namespace/name` of a ServiceAccount, else the name of a user. `name`: of every role
    and binding. Equal rights give equal text, in whatever order they come.
    """
    subject = _subject(account)
    by_namespace: defaultdict[str, set[Right]] = defaultdict(set)
    for right in rights:
        by_namespace[right.namespace].add(right)
    documents = [_namespace()] if DRILL_NAMESPACE in by_namespace else []
    for namespace, its in sorted(by_namespace.items()):
        documents += _role(namespace, its, subject, name)
    return yaml.safe_dump_all(documents, sort_keys=False) if documents else ""


# --- what is needed --------------------------------------------------------------------------


def _rights(
    verbs: str, *resources: str, group: str = _CORE, namespace: str = _ALL
) -> Iterator[Right]:
    for name in resources:
        resource, _, sub = name.partition("/")
        for verb in verbs.split():
            yield Right(
                namespace=namespace, group=group, resource=resource, subresource=sub, verb=verb
            )


def _reads(workloads: Sequence[Workload]) -> Iterator[Right]:
    """Guards, snapshots (harness.model.snapshot.KINDS), milestones and predictions."""
    yield from _rights("get list", "nodes", "namespaces")
    yield from _rights("list", "persistentvolumeclaims", "pods", "services")
    yield from _rights("list", "deployments", "statefulsets", "daemonsets", group=_APPS)
    yield from _rights("list", "horizontalpodautoscalers", group="autoscaling")
    yield from _rights("list", "cronjobs", "jobs", group="batch")
    yield from _rights("list", "networkpolicies", group="networking.k8s.io")
    yield from _rights("list", "poddisruptionbudgets", group=_POLICY)
    yield from _rights("get", "persistentvolumes")
    for workload in workloads:
        yield from _rights(
            "get", "pods", "services", "persistentvolumeclaims", namespace=workload.namespace
        )
        yield from _rights(
            "get",
            *("deployments", "replicasets", "statefulsets"),
            group=_APPS,
            namespace=workload.namespace,
        )
        if isinstance(workload, PostgresqlWorkload):
            # Where Patroni keeps its configuration: by settings of its own in one or the other.
            yield from _rights("get", "configmaps", "endpoints", namespace=workload.namespace)


def _drill() -> Iterator[Right]:
    """The lease of drills, and the intents that the watchdog in the cluster reads."""
    yield from _rights("create get patch", "leases", group=_COORDINATION, namespace=DRILL_NAMESPACE)
    yield from _rights("create delete list", "configmaps", namespace=DRILL_NAMESPACE)


def _helper_pods() -> Iterator[Right]:
    yield from _rights("create delete get list", "pods", namespace=DRILL_NAMESPACE)
    yield from _rights("get", "pods/log", namespace=DRILL_NAMESPACE)


def _nothing(_arguments: Mapping[str, str], _workloads: Sequence[Workload]) -> Iterator[Right]:
    """What waits, puts back what another action's rights are enough for, or is no API's matter."""
    return iter(())


def _in_containers(
    _arguments: Mapping[str, str], _workloads: Sequence[Workload]
) -> Iterator[Right]:
    return _helper_pods()


def _machines(_arguments: Mapping[str, str], _workloads: Sequence[Workload]) -> Iterator[Right]:
    """Seen off and back by the node and its Lease; switched by the provider's own account."""
    return _rights("get", "leases", group=_COORDINATION, namespace="kube-node-lease")


def _delete_pods(arguments: Mapping[str, str], workloads: Sequence[Workload]) -> Iterator[Right]:
    return _rights("delete", "pods", namespace=_workload(arguments, workloads).namespace)


def _drain_node(_arguments: Mapping[str, str], _workloads: Sequence[Workload]) -> Iterator[Right]:
    """Whose pods are on the node shows only then: everywhere."""
    yield from _rights("patch", "nodes")
    yield from _rights("get", "pods")
    yield from _rights("create", "pods/eviction")


def _black_hole(arguments: Mapping[str, str], workloads: Sequence[Workload]) -> Iterator[Right]:
    dependency = _workload(arguments, workloads, "dependency")
    yield from _helper_pods()
    yield from _rights("get", "services", namespace=dependency.namespace)


def _change_rollout(arguments: Mapping[str, str], workloads: Sequence[Workload]) -> Iterator[Right]:
    workload = _workload(arguments, workloads)
    if not isinstance(workload, HttpWorkload) or not workload.deployment:
        raise InputError(
            f"workload {workload.id}: names no deployment, expected one for change_rollout"
        )
    yield from _rights("get patch", "deployments", group=_APPS, namespace=workload.namespace)
    # Argo CD would undo the change: its self-heal is paused meanwhile.
    yield from _rights("list patch", "applications", group="argoproj.io")


def _rehearse(arguments: Mapping[str, str], _workloads: Sequence[Workload]) -> Iterator[Right]:
    """A Job as a CronJob makes it, whose pod says what came of it."""
    namespace = arguments.get("namespace", "")
    yield from _rights("get", "cronjobs", group="batch", namespace=namespace)
    yield from _rights("create delete get", "jobs", group="batch", namespace=namespace)
    yield from _rights("list", "pods", namespace=namespace)
    yield from _rights("get", "pods/log", namespace=namespace)


_ACTIONS: dict[str, Callable[[Mapping[str, str], Sequence[Workload]], Iterator[Right]]] = {
    "delete_pods": _delete_pods,
    "kill_container": _in_containers,
    "kill_process": _in_containers,
    "partition_pod": _in_containers,
    "black_hole_dependency": _black_hole,
    "drain_node": _drain_node,
    "kill_node": _machines,
    "partition_node": _machines,
    "kill_zone": _machines,
    "kill_control_plane_member": _machines,
    "change_rollout": _change_rollout,
    "stop_service": _nothing,
    "rehearse": _rehearse,
    "hold": _nothing,
    "undo_all": _nothing,
    # The kind that it looks at is the other tool's: its experiment says the right for it.
    "fault_of_others_begins": _nothing,
    "fault_of_others_seen": _nothing,
}
_PROBES = frozenset(
    {
        "nodes_ready",
        "postgresql_replicates",
        "redis_cluster_ok",
        "broker_ok",
        "pods_ready",
        "workloads_well",
        "api_answers",
        "etcd_has_quorum",
    }
)
"""All of them read what `_reads` allows, or ask a database by its own account."""


def _of(
    name: str, activity: Activity, workloads: Sequence[Workload], told: Sequence[Right]
) -> Iterator[Right]:
    if activity.is_ours and activity.action and activity.function in _ACTIONS:
        yield from _ACTIONS[activity.function](activity.arguments, workloads)
    elif activity.is_ours and not activity.action and activity.function in _PROBES:
        return
    elif activity.is_ours:
        kind = "action" if activity.action else "probe"
        known = _ACTIONS if activity.action else _PROBES
        raise InputError(
            f"experiment {name}: {activity.name}: the rights of {kind} {activity.function} are not "
            f"known, expected one of {', '.join(sorted(known))}"
        )
    elif activity.action and not told:
        raise InputError(
            f"experiment {name}: {activity.name}: the rights of {activity.module or 'the'} "
            f"{activity.function} are not known, expected them in the experiment's `extensions`",
            hint="extensions: [{name: harness, rights: [create podchaos.chaos-mesh.org in shop]}]",
        )


def _workload(
    arguments: Mapping[str, str], workloads: Sequence[Workload], argument: str = "workload"
) -> Workload:
    wanted = arguments.get(argument, "")
    for workload in workloads:
        if workload.id == wanted:
            return workload
    known = ", ".join(one.id for one in workloads) or "none"
    raise InputError(f"{argument}: got {wanted!r}, expected one of the environment's: {known}")


def _without_double(found: Iterable[Right]) -> tuple[Right, ...]:
    """Sorted, without what is allowed everywhere already."""
    rights = set(found)
    everywhere = {_anywhere(one) for one in rights if one.namespace == _ALL}
    return tuple(
        sorted(one for one in rights if one.namespace == _ALL or _anywhere(one) not in everywhere)
    )


def _anywhere(right: Right) -> Right:
    return msgspec.structs.replace(right, namespace=_ALL)


# --- how it is written -----------------------------------------------------------------------


def _namespace() -> dict[str, Any]:
    """Privileged pods may run in it: what must be done on a node is done by one (Kubernetes
    documentation, Pod Security Standards).
    """
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": DRILL_NAMESPACE,
            "labels": {
                "app.kubernetes.io/managed-by": "harness",
                **{
                    f"pod-security.kubernetes.io/{mode}": "privileged"
                    for mode in ("audit", "enforce", "warn")
                },
            },
        },
    }


def _role(
    namespace: str, rights: Iterable[Right], subject: dict[str, str], name: str
) -> list[dict[str, Any]]:
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    kind = "Role" if namespace else "ClusterRole"
    return [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": kind,
            "metadata": metadata,
            "rules": _rules(rights),
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": f"{kind}Binding",
            "metadata": dict(metadata),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
            "subjects": [dict(subject)],
        },
    ]


def _rules(rights: Iterable[Right]) -> list[dict[str, Any]]:
    """Resources of one group with the same verbs are one rule."""
    verbs: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for one in rights:
        name = f"{one.resource}/{one.subresource}" if one.subresource else one.resource
        verbs[one.group, name].add(one.verb)
    resources: defaultdict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for (group, name), its in sorted(verbs.items()):
        resources[group, tuple(sorted(its))].append(name)
    return [
        {"apiGroups": [group], "resources": names, "verbs": list(its)}
        for (group, its), names in sorted(resources.items())
    ]


def _subject(account: str) -> dict[str, str]:
    namespace, slash, name = account.partition("/")
    if slash:
        return {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": account}
