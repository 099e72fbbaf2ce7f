"""What a drill must leave as it was, taken from the API's objects. Pure.

Specs, cordons, taints, labels and finalizers. Left out is what changes by itself:

- status, annotations (controllers count in them: `deployment.kubernetes.io/revision`), ConfigMaps
  (controllers and Patroni write to them), Secrets (nobody should read them for this);
- `spec.replicas`, and the number of pods, of what a HorizontalPodAutoscaler scales;
- pods by name: only how many each owner has, without those that have ended or are ending;
- Jobs that a CronJob makes, or that go by themselves when they have ended.

The taints `not-ready` and `unreachable` are kept in: they must be gone again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Object = dict[str, Any]
Objects = Mapping[tuple[str, str], Sequence[Object]]
"""Of each kind of KINDS."""

_APPS = ("Deployment", "StatefulSet", "DaemonSet")
_POD = ("v1", "Pod")
_AUTOSCALER = ("autoscaling/v2", "HorizontalPodAutoscaler")

KINDS: tuple[tuple[str, str], ...] = (
    ("v1", "Namespace"),
    ("v1", "Node"),
    ("v1", "PersistentVolumeClaim"),
    _POD,
    ("v1", "Service"),
    *(("apps/v1", kind) for kind in _APPS),
    _AUTOSCALER,
    ("batch/v1", "CronJob"),
    ("batch/v1", "Job"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("policy/v1", "PodDisruptionBudget"),
)
"""What is read for a snapshot: API version and kind."""


def flattened(objects: Objects, leave_out: Sequence[str] = ()) -> dict[str, str]:
    """Facts `Kind/namespace/name field` -> JSON; of no namespace in `leave_out`."""
    scaled = {
        (one["metadata"]["namespace"], target["kind"], target["name"])
        for one in objects.get(_AUTOSCALER, ())
        for target in (one["spec"]["scaleTargetRef"],)
    }
    facts: dict[str, str] = {}
    for key in KINDS:
        for one in objects.get(key, ()):
            namespace = _namespace(one)
            if namespace in leave_out or (key == ("v1", "Namespace") and _name(one) in leave_out):
                continue
            if key == _POD or (key[1] == "Job" and _goes_by_itself(one)):
                continue
            itself = f"{key[1]}/{namespace}/{_name(one)}" if namespace else f"{key[1]}/{_name(one)}"
            scales = (namespace, key[1], _name(one)) in scaled
            for field, value in _fields(key[1], one, scaled=scales):
                facts[f"{itself} {field}"] = _json(value)
    present = [one for one in objects.get(_POD, ()) if _namespace(one) not in leave_out]
    for (namespace, owner), count in _pods(present, scaled).items():
        facts[f"{owner[0]}/{namespace}/{owner[1]} pods"] = str(count)
    return facts


def _fields(kind: str, content: Object, *, scaled: bool) -> Iterator[tuple[str, object]]:
    metadata = content["metadata"]
    yield "labels", metadata.get("labels") or {}
    yield "finalizers", sorted(metadata.get("finalizers") or ())
    for key, value in (content.get("spec") or {}).items():
        if key == "replicas" and scaled:
            continue
        if kind == "Node" and key == "taints":
            yield "spec.taints", sorted(_taint(one) for one in value)
        else:
            yield f"spec.{key}", value


def _taint(content: Object) -> str:
    """Without the time at which it was added."""
    return f"{content['key']}={content.get('value', '')}:{content['effect']}"


def _pods(
    pods: Sequence[Object], scaled: set[tuple[str, str, str]]
) -> Counter[tuple[str, tuple[str, str]]]:
    counts: Counter[tuple[str, tuple[str, str]]] = Counter()
    for one in pods:
        ended = (one.get("status") or {}).get("phase") in ("Succeeded", "Failed")
        if ended or "deletionTimestamp" in one["metadata"]:
            continue
        kind, name = _owner(one)
        namespace = _namespace(one)
        if kind == "Job" or (namespace, kind, name) in scaled:
            continue
        counts[namespace, (kind, name)] += 1
    return counts


def _owner(pod: Object) -> tuple[str, str]:
    """A bare pod is its own; a Deployment's are not told by the ReplicaSet of one version."""
    metadata = pod["metadata"]
    for one in metadata.get("ownerReferences") or ():
        if not one.get("controller"):
            continue
        version = (metadata.get("labels") or {}).get("pod-template-hash")
        if one["kind"] == "ReplicaSet" and version:
            return "Deployment", one["name"].removesuffix(f"-{version}")
        return one["kind"], one["name"]
    return "Pod", metadata["name"]


def _goes_by_itself(job: Object) -> bool:
    owned = bool(job["metadata"].get("ownerReferences"))
    return owned or "ttlSecondsAfterFinished" in (job.get("spec") or {})


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _name(content: Object) -> str:
    return str(content["metadata"]["name"])


def _namespace(content: Object) -> str:
    return str(content["metadata"].get("namespace") or "")
