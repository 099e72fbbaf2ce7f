"""Reads the API's objects into values. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from harness.model.cluster import Container, DisruptionBudget, Node, Pod

Object = dict[str, Any]
"""An object of the Kubernetes API as its JSON has it."""

_ZONE = "topology.kubernetes.io/zone"
_CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


def node(content: Object) -> Node:
    """A Node."""
    metadata, spec, status = content["metadata"], content.get("spec", {}), content.get("status", {})
    labels = metadata.get("labels") or {}
    return Node(
        name=metadata["name"],
        uid=metadata["uid"],
        boot_id=(status.get("nodeInfo") or {}).get("bootID", ""),
        ready=_condition(status, "Ready"),
        unschedulable=bool(spec.get("unschedulable")),
        zone=labels.get(_ZONE, ""),
        control_plane=_CONTROL_PLANE in labels,
        provider_id=spec.get("providerID", ""),
        taints=tuple(sorted(taint(one) for one in spec.get("taints") or ())),
        labels=labels,
    )


def taint(content: Object) -> str:
    """`key=value:Effect`, or `key:Effect` where it has no value."""
    value = content.get("value")
    return f"{content['key']}{f'={value}' if value else ''}:{content['effect']}"


def pod(content: Object) -> Pod:
    """A Pod."""
    metadata, spec, status = content["metadata"], content.get("spec", {}), content.get("status", {})
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        node=spec.get("nodeName") or "",
        address=status.get("podIP") or "",
        phase=status.get("phase") or "",
        ready=_condition(status, "Ready"),
        terminating="deletionTimestamp" in metadata,
        owner=owner(content),
        labels=metadata.get("labels") or {},
        containers=tuple(_container(one) for one in status.get("containerStatuses") or ()),
    )


def owner(content: Object) -> str:
    """`Kind/name` of the controller of an object; empty where it has none."""
    for one in content["metadata"].get("ownerReferences") or ():
        if one.get("controller"):
            return f"{one['kind']}/{one['name']}"
    return ""


def _container(content: Object) -> Container:
    runs = "running" in (content.get("state") or {})
    return Container(
        name=content["name"],
        container_id=str(content.get("containerID") or "").rpartition("://")[2] if runs else "",
        ready=bool(content.get("ready")),
        restarts=int(content.get("restartCount", 0)),
    )


def budget(content: Object) -> DisruptionBudget | None:
    """A PodDisruptionBudget; None where it selects nothing (policy/v1: no selector).

    One that selects by expressions counts for every pod of its namespace that has its labels: that
    may refuse too much, and never too little.
    """
    selector = content.get("spec", {}).get("selector")
    if selector is None:
        return None
    return DisruptionBudget(
        namespace=content["metadata"]["namespace"],
        name=content["metadata"]["name"],
        match_labels=selector.get("matchLabels") or {},
        disruptions_allowed=int((content.get("status") or {}).get("disruptionsAllowed", 0)),
    )


def time(text: str | None) -> datetime | None:
    """A Time or MicroTime of the API (RFC 3339, UTC)."""
    return None if not text else datetime.fromisoformat(text)


def _condition(status: Object, kind: str) -> bool:
    return any(
        one.get("type") == kind and one.get("status") == "True"
        for one in status.get("conditions") or ()
    )
