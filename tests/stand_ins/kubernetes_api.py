"""A Kubernetes API in memory, behind the transport of harness.drivers.kubernetes: no socket.

It keeps objects, and does of the API what the harness relies on: preconditions, JSON patches with
`test`, budgets, label selectors, pages. Nothing in it controls anything: tests do.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

from harness.drivers.kubernetes import Cluster
from harness.drivers.kubernetes_connection import Answer, ConnectionBrokenError
from harness.faults.pointer import MISSING, at, pointer_of, steps_of

Object = dict[str, Any]
Json = Any

UID = "uid-of-kube-system"

KINDS = {
    "/api/v1": {
        "Namespace": ("namespaces", False),
        "Node": ("nodes", False),
        "Pod": ("pods", True),
        "Service": ("services", True),
        "ConfigMap": ("configmaps", True),
        "Secret": ("secrets", True),
        "PersistentVolumeClaim": ("persistentvolumeclaims", True),
        "ResourceQuota": ("resourcequotas", True),
        "LimitRange": ("limitranges", True),
        "Event": ("events", True),
    },
    "/apis/apps/v1": {
        "Deployment": ("deployments", True),
        "StatefulSet": ("statefulsets", True),
        "DaemonSet": ("daemonsets", True),
        "ReplicaSet": ("replicasets", True),
    },
    "/apis/autoscaling/v2": {"HorizontalPodAutoscaler": ("horizontalpodautoscalers", True)},
    "/apis/autoscaling.k8s.io/v1": {"VerticalPodAutoscaler": ("verticalpodautoscalers", True)},
    "/apis/batch/v1": {"CronJob": ("cronjobs", True), "Job": ("jobs", True)},
    "/apis/discovery.k8s.io/v1": {"EndpointSlice": ("endpointslices", True)},
    "/apis/metrics.k8s.io/v1beta1": {"PodMetrics": ("pods", True)},
    "/apis/node.k8s.io/v1": {"RuntimeClass": ("runtimeclasses", False)},
    "/apis/networking.k8s.io/v1": {"NetworkPolicy": ("networkpolicies", True)},
    "/apis/policy/v1": {"PodDisruptionBudget": ("poddisruptionbudgets", True)},
    "/apis/coordination.k8s.io/v1": {"Lease": ("leases", True)},
    "/apis/argoproj.io/v1alpha1": {
        "Application": ("applications", True),
        "ApplicationSet": ("applicationsets", True),
    },
}

KEPT_AS = {("/apis/metrics.k8s.io/v1beta1", "pods"): "podmetrics"}
"""Under which plural a test puts objects, where two kinds of one plural are not the same."""


class KilledError(BaseException):
    """The harness was killed just after a change: nothing of it runs any more."""


class StandInApi:
    """The transport; one for each cluster."""

    server = "https://stand-in:6443"

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Object] = {}
        """(plural, namespace, name) -> object."""

        self.changes: list[str] = []
        """Of every change that was made: its method and path, in order."""

        self.requests: list[str] = []
        self.dies_after: int | None = None
        """Raises KilledError when so many changes have been made."""

        self.breaks: int = 0
        """So many of the next requests get no answer, and change nothing."""

        self.answers: list[Answer] = []
        """Given to the next requests, whatever they are."""

        self.forbidden: set[str] = set()
        """Verb and plural: `patch nodes`."""

        self.away: set[str] = set()
        """Groups that nobody serves, as of a metrics-server that is down: 503."""

        self.absent: set[str] = set()
        """Groups that the API does not have: 404."""

        self.helper: Callable[[Object], tuple[str, str]] = lambda _pod: ("Succeeded", "")
        """Phase and log of a helper pod."""

        self.lives: Callable[[], None] = lambda: None
        """Called before every request: what goes on by itself meanwhile."""

        self.page = 500
        self._logs: dict[str, str] = {}
        self._version = 0
        self.put("namespaces", {"metadata": {"name": "kube-system", "uid": UID}})

    def cluster(self) -> Cluster:
        """A cluster of this API; reads are repeated without waiting."""
        return Cluster(self, "stand-in", pause=lambda _seconds: None)

    def put(self, plural: str, content: Object) -> Object:
        """Makes or replaces an object, as a controller does."""
        kept = copy.deepcopy(content)
        self._version += 1
        kept["metadata"]["resourceVersion"] = str(self._version)
        kept["metadata"].setdefault("uid", f"uid-{self._version}")
        key = (plural, kept["metadata"].get("namespace", ""), kept["metadata"]["name"])
        self.objects[key] = kept
        return kept

    def get(self, plural: str, name: str, namespace: str = "") -> Object:
        """One that must be there."""
        return self.objects[plural, namespace, name]

    def __call__(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
    ) -> Answer:
        """Transport."""
        self.requests.append(f"{method} {path}")
        self.lives()
        if self.breaks:
            self.breaks -= 1
            raise ConnectionBrokenError(f"{method} {path}: connection reset")
        if self.answers:
            return self.answers.pop(0)
        if any(f"{path}/".startswith(f"{one}/") for one in self.away):
            return _failed(503, "the server is currently unable to handle the request")
        if any(f"{path}/".startswith(f"{one}/") for one in self.absent):
            return _failed(404, "the server could not find the requested resource")
        answer = self._answer(
            method, path, dict(query or {}), json.loads(json.dumps(body)), content_type
        )
        if method != "GET" and answer.status < 300 and "reviews" not in path:
            self.changed(f"{method} {path}")
        return answer

    def changed(self, what: str) -> None:
        """Notes a change, of the API or of a machine; the harness may be killed just after it."""
        self.changes.append(what)
        if self.dies_after is not None and len(self.changes) >= self.dies_after:
            raise KilledError

    def _answer(
        self, method: str, path: str, query: dict[str, str], body: Json, content_type: str
    ) -> Answer:
        if path == "/version":
            return _ok({"gitVersion": "v1.34.0"})
        if path in KINDS:
            return _ok(
                {
                    "resources": [
                        {"kind": kind, "name": plural, "namespaced": namespaced}
                        for kind, (plural, namespaced) in KINDS[path].items()
                    ]
                    + [{"kind": "Eviction", "name": "pods/eviction", "namespaced": True}]
                }
            )
        if path.endswith("/selfsubjectaccessreviews"):
            asked = body["spec"]["resourceAttributes"]
            right = f"{asked['verb']} {asked['resource']}"
            return _ok({"status": {"allowed": right not in self.forbidden}}, 201)
        prefix = next((one for one in KINDS if path.startswith(one + "/")), None)
        if prefix is None:
            return _failed(404, "the server could not find the requested resource")
        return self._of(method, prefix, path[len(prefix) + 1 :], query, body, content_type)

    def _of(  # noqa: PLR0911 - one for each thing that can be asked
        self,
        method: str,
        prefix: str,
        inside: str,
        query: dict[str, str],
        body: Json,
        content_type: str,
    ) -> Answer:
        namespace, words = "", inside.split("/")
        if words[0] == "namespaces" and len(words) > 2:
            namespace, words = words[1], words[2:]
        plural, name, sub = [*words, "", ""][:3]
        plural = KEPT_AS.get((prefix, plural), plural)
        if f"{method.lower()} {plural}" in self.forbidden:
            return _failed(403, f'User "drill" cannot {method.lower()} resource "{plural}"')
        if method == "POST" and not sub:
            return self._create(plural, namespace, body)
        if not name:
            return self._list(plural, namespace, query)
        found = self.objects.get((plural, namespace, name))
        if found is None:
            return _failed(404, f'{plural} "{name}" not found')
        if sub == "log":
            return Answer(200, self._logs.get(name, "").encode())
        if sub == "eviction":
            return self._evict(found, body)
        if method == "DELETE":
            return self._delete((plural, namespace, name), found, body)
        if method == "PATCH":
            return self._patch(plural, found, body, content_type)
        return _ok(found)

    def _create(self, plural: str, namespace: str, body: Object) -> Answer:
        if (plural, namespace, body["metadata"]["name"]) in self.objects:
            return _failed(409, f'{plural} "{body["metadata"]["name"]}" already exists')
        made = self.put(plural, body)
        if plural == "pods":
            phase, said = self.helper(made)
            made["status"] = {"phase": phase}
            self._logs[made["metadata"]["name"]] = said
        return _ok(made, 201)

    def _list(self, plural: str, namespace: str, query: dict[str, str]) -> Answer:
        wanted = dict(
            pair.split("=", 1) for pair in query.get("labelSelector", "").split(",") if "=" in pair
        )
        found = [
            one
            for (kind, where, _), one in sorted(self.objects.items())
            if kind == plural
            and namespace in ("", where)
            and wanted.items() <= (one["metadata"].get("labels") or {}).items()
        ]
        first = int(query.get("continue", "0"))
        last = first + min(self.page, int(query["limit"]))
        following = str(last) if last < len(found) else ""
        return _ok({"items": found[first:last], "metadata": {"continue": following}})

    def _evict(self, pod: Object, body: Object) -> Answer:
        if body["deleteOptions"]["preconditions"]["uid"] != pod["metadata"]["uid"]:
            return _failed(409, "the UID in the precondition does not match")
        for one in self.objects.values():
            allowed = (one.get("status") or {}).get("disruptionsAllowed")
            if allowed == 0 and one["metadata"].get("namespace") == pod["metadata"]["namespace"]:
                return _failed(
                    429,
                    "Cannot evict pod as it would violate the pod's disruption budget.",
                    causes=[{"reason": "DisruptionBudget"}],
                )
        pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        return _ok({"status": "Success"}, 201)

    def _delete(self, key: tuple[str, str, str], found: Object, body: Json) -> Answer:
        uid = ((body or {}).get("preconditions") or {}).get("uid")
        if uid is not None and uid != found["metadata"]["uid"]:
            return _failed(409, "the UID in the precondition does not match")
        del self.objects[key]
        return _ok({"status": "Success"})

    def _patch(self, plural: str, found: Object, body: Json, content_type: str) -> Answer:
        changed = copy.deepcopy(found)
        if content_type == "application/merge-patch+json":
            _merge(changed, body)
        else:
            for operation in body:
                if not _applied(changed, operation):
                    return _failed(422, f"the operation {operation} failed")
        return _ok(self.put(plural, changed))


def node(name: str, *, boot_id: str = "boot-1", ready: bool = True, **spec: object) -> Object:
    """A node as the kubelet reports it."""
    return {
        "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": "zone-1"}},
        "spec": spec,
        "status": {
            "nodeInfo": {"bootID": boot_id},
            "conditions": [{"type": "Ready", "status": "True" if ready else "Unknown"}],
        },
    }


def lease(name: str, second: int) -> Object:
    """A node's, renewed in that second."""
    return {
        "metadata": {"name": name, "namespace": "kube-node-lease"},
        "spec": {"renewTime": f"2026-01-01T00:{second // 60:02d}:{second % 60:02d}.000000Z"},
    }


def pod(namespace: str, name: str, **parts: Json) -> Object:
    """A pod that runs."""
    metadata = {"namespace": namespace, "name": name, **parts.pop("metadata", {})}
    status = {"phase": "Running", **parts.pop("status", {})}
    return {"metadata": metadata, "spec": parts, "status": status}


def _ok(content: Object, status: int = 200) -> Answer:
    return Answer(status, json.dumps(content).encode())


def _failed(status: int, message: str, **details: object) -> Answer:
    return Answer(status, json.dumps({"message": message, "details": details}).encode())


def _merge(document: Object, change: Object) -> None:
    """RFC 7396."""
    for key, value in change.items():
        if value is None:
            document.pop(key, None)
        elif isinstance(value, dict):
            _merge(document.setdefault(key, {}), value)
        else:
            document[key] = value


def _applied(document: Object, operation: Object) -> bool:
    """RFC 6902, as far as it is needed: in objects, and elements of lists that are there."""
    steps = steps_of(operation["path"])
    here, last = at(document, pointer_of(steps[:-1])), steps[-1]
    now = at(document, operation["path"])
    if here is MISSING or (operation["op"] != "add" and now is MISSING):
        return False
    key: Any = int(last) if isinstance(here, list) else last
    match operation["op"]:
        case "test":
            return bool(now == operation["value"])
        case "remove":
            del here[key]
        case "add" | "replace":
            here[key] = operation["value"]
        case _:
            return False
    return True
