"""Runs a shell script in short-lived pods, in namespaces and under a label `app` of others.

Such a pod carries the label that a NetworkPolicy selects by, and so does each pod of the service.
It must never be taken for one of them:

- A readiness gate that nobody sets keeps it from being ready (Kubernetes documentation, Pod
  readiness), so that no Service sends it traffic. One that publishes addresses that are not ready
  would: then no pod is made (`hazards`).
- It has no label but `app` and the drill's own, so that no Service and no controller that selects
  by more takes it. A controller that selects by `app` alone would adopt it: then no pod is made.
- A PodDisruptionBudget neither counts it as healthy nor expects it: it has no controller
  (pkg/controller/disruption, getExpectedScale). An owner, such as a Job, that has no scale would
  make the budget refuse every eviction.
- A HorizontalPodAutoscaler counts it while it lives, as a pod without a load; it lives for seconds,
  and metrics are taken every 15 s (metrics-server, --metric-resolution).
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from harness.drivers.clock import wait_until
from harness.drivers.kubernetes import DRILL_LABEL, NAMESPACE, Cluster, label_value
from harness.drivers.kubernetes_objects import Object
from harness.errors import HarnessError, SurroundingsError
from harness.model.conformance import Objects
from harness.model.quantity import amount_of

LOOK_LABEL = "harness.dev/look"
"""On every pod of this module, beside the drill's: what it is for."""

GATE = "harness.dev/never-serves"
"""Condition that nobody ever sets."""

_ENDS_WITHIN_S = 60
"""From its creation: it may have to wait for its image. What it asks is answered in seconds."""

_USER = 65532
"""`nonroot` of distroless images: any user but root does."""

_SIZE = {"cpu": "100m", "memory": "32Mi"}
"""Requests are limits: whatever ratio a LimitRange allows, they keep it."""


@dataclass(frozen=True, order=True)
class Source:
    """From where something is tried."""

    namespace: str
    app: str
    """Label `app` of the pod; empty: it has none."""

    @property
    def labels(self) -> dict[str, str]:
        """What NetworkPolicies, Services and controllers may select it by."""
        return {"app": self.app} if self.app else {}


@dataclass(frozen=True)
class Said:
    """What came of one pod."""

    output: str
    error: str | None
    """Why it could not be run, or not to its end."""


def manifest(  # noqa: PLR0913 - what a pod consists of
    source: Source,
    script: str,
    *,
    image: str,
    run: str,
    name: str,
    size: Mapping[str, str] = _SIZE,
) -> Object:
    """A bare pod that runs a script once, under the standard `restricted` (Kubernetes
    documentation, Pod Security Standards), and is never ready. Pure.
    """
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": source.namespace,
            "labels": {
                **source.labels,
                DRILL_LABEL: label_value(run),
                LOOK_LABEL: "connections",
            },
        },
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            # A harness that is killed leaves a pod that ends nevertheless.
            "activeDeadlineSeconds": _ENDS_WITHIN_S,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "readinessGates": [{"conditionType": GATE}],
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": _USER,
                "runAsGroup": _USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "look",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["sh", "-c", script],
                    "resources": {"requests": dict(size), "limits": dict(size)},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }


def hazards(source: Source, objects: Objects) -> tuple[str, ...]:
    """Who would take a pod with these labels for one of their own; none: nobody would. Pure.

    Of `objects`: Service, ReplicaSet, ReplicationController, DaemonSet.
    """
    return tuple(_hazards(source, objects)) if source.app else ()


def _hazards(source: Source, objects: Objects) -> Iterator[str]:
    for service in _inside(objects, "Service", source.namespace):
        spec = service["spec"]
        selector = spec.get("selector") or {}
        if spec.get("publishNotReadyAddresses") and selector and _has(source, selector):
            yield (
                f"Service {service['metadata']['name']} sends traffic to pods that are not ready"
            )
    for kind in ("ReplicaSet", "DaemonSet"):
        for one in _inside(objects, kind, source.namespace):
            if _selects(one["spec"].get("selector") or {}, source):
                yield f"{kind} {one['metadata']['name']} would adopt it"
    for one in _inside(objects, "ReplicationController", source.namespace):
        selector = one["spec"].get("selector") or {}
        if selector and _has(source, selector):
            yield f"ReplicationController {one['metadata']['name']} would adopt it"


def size_in(namespace: str, objects: Objects) -> dict[str, str]:
    """What a pod asks for where a LimitRange may demand more of each container. Pure."""
    size = dict(_SIZE)
    for one in _inside(objects, "LimitRange", namespace):
        for limit in one["spec"].get("limits") or ():
            for resource, least in (limit.get("min") or {}).items():
                if resource in size and amount_of(str(least)) > amount_of(size[resource]):
                    size[resource] = str(least)
    return size


def _inside(objects: Objects, kind: str, namespace: str) -> Iterator[Object]:
    return (one for one in objects.get(kind, ()) if one["metadata"].get("namespace") == namespace)


def _has(source: Source, selector: Mapping[str, str]) -> bool:
    return selector.items() <= source.labels.items()


def _selects(selector: Object, source: Source) -> bool:
    """Whether a LabelSelector chooses a pod of the source (Kubernetes API, LabelSelector); an empty
    one is not allowed in a controller.
    """
    expressions = selector.get("matchExpressions") or ()
    wanted = selector.get("matchLabels") or {}
    return (
        bool(wanted or expressions)
        and _has(source, wanted)
        and all(_meets(source.labels.get(one["key"]), one) for one in expressions)
    )


def _meets(value: str | None, expression: Object) -> bool:
    match expression["operator"]:
        case "In":
            return value in (expression.get("values") or ())
        case "NotIn":
            return value not in (expression.get("values") or ())
        case "Exists":
            return value is not None
        case _:
            return value is None


# --- running ---------------------------------------------------------------------------------


def run(
    cluster: Cluster, scripts: Mapping[Source, str], *, image: str, run: str, objects: Objects
) -> dict[Source, Said]:
    """Runs each script in a pod at its source, all at once; the pods are gone when this returns.

    A pod that is not admitted, not scheduled or not to be made is an error in what was said of it.
    """
    if any(one.namespace == NAMESPACE for one in scripts):
        cluster.ensure_namespace()

    def said(source: Source) -> Said:
        try:
            return _run_one(cluster, source, scripts[source], image, run, objects)
        except HarnessError as error:
            return Said("", str(error))

    if not scripts:
        return {}
    with ThreadPoolExecutor(max_workers=len(scripts)) as threads:
        return dict(zip(scripts, threads.map(said, scripts), strict=True))


def _run_one(  # noqa: PLR0913 - as `run`
    cluster: Cluster, source: Source, script: str, image: str, run: str, objects: Objects
) -> Said:
    taken = hazards(source, _with_controllers(cluster, source, objects))
    if taken:
        return Said("", f"no pod is made: {taken[0]}")
    name = f"harness-look-{secrets.token_hex(4)}"
    made = cluster.create_object(
        manifest(
            source,
            script,
            image=image,
            run=run,
            name=name,
            size=size_in(source.namespace, objects),
        )
    )
    try:
        wait_until(
            lambda: _ended(cluster, source.namespace, name),
            within_s=_ENDS_WITHIN_S,
            what=f"pod {source.namespace}/{name}",
            every_s=0.3,
            hint=f"kubectl -n {source.namespace} describe pod {name}",
        )
        return Said(cluster.log(source.namespace, name), None)
    finally:
        cluster.delete_pod(source.namespace, name, made["metadata"]["uid"], grace_s=0)


def _with_controllers(cluster: Cluster, source: Source, objects: Objects) -> Objects:
    """With those of the namespace that may adopt pods and that no other look reads."""
    if not source.app:
        return objects
    return {
        **objects,
        "ReplicaSet": cluster.list_objects("apps/v1", "ReplicaSet", source.namespace),
        "ReplicationController": cluster.list_objects(
            "v1", "ReplicationController", source.namespace
        ),
    }


def _ended(cluster: Cluster, namespace: str, name: str) -> bool:
    pod = cluster.pod(namespace, name)
    if pod is None:
        raise SurroundingsError(f"pod {namespace}/{name} was deleted by somebody else")
    return pod.phase in ("Succeeded", "Failed")


def remove_left_over(cluster: Cluster, now: datetime) -> tuple[str, ...]:
    """Deletes the pods of killed harnesses in all namespaces: those that are older than one may be;
    their names. Younger ones may be those of a check that goes on.
    """
    done = []
    for one in cluster.list_objects("v1", "Pod", selector=f"{LOOK_LABEL}=connections"):
        metadata = one["metadata"]
        made = datetime.fromisoformat(metadata["creationTimestamp"])
        if now - made < timedelta(seconds=_ENDS_WITHIN_S):
            continue
        with contextlib.suppress(HarnessError):  # the next check tries again
            cluster.delete_pod(metadata["namespace"], metadata["name"], metadata["uid"], grace_s=0)
            done.append(f"pod {metadata['namespace']}/{metadata['name']}")
    return tuple(done)
