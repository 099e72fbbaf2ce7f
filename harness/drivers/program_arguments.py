"""Reads the flags that programs of a cluster were started with, from the pods that they run in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

from harness.drivers.kubernetes import Cluster
from harness.drivers.kubernetes_objects import Object
from harness.errors import SurroundingsError


def controller_manager(cluster: Cluster) -> Mapping[str, str] | None:
    """The flags of the controller manager; None where it does not run as a pod, as kubeadm has it.

    Raises as `Cluster` does.
    """
    found = cluster.list_objects(
        "v1", "Pod", "kube-system", selector="component=kube-controller-manager"
    )
    return flags(found[0]["spec"]) if found else None


def flags(pod_spec: Object) -> dict[str, str]:
    """`--name=value` and `--name value` of all its containers: name -> value; `true` where none is
    given. Pure.
    """
    found: dict[str, str] = {}
    for container in pod_spec["containers"]:
        words = [*(container.get("command") or ()), *(container.get("args") or ())]
        for word, following in pairwise([*words, "--"]):
            if word.startswith("--"):
                name, equals, value = word.removeprefix("--").partition("=")
                given = value if equals else following
                found[name] = "true" if given.startswith("--") and not equals else given
    return found


def go_duration_s(text: str) -> float:
    """`40s`, `1m30s`, `12.409s` (Go, time.ParseDuration) in seconds; else SurroundingsError."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
    parts = re.findall(r"(\d+\.?\d*|\.\d+)(ms|us|µs|ns|h|m|s)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise SurroundingsError(f"got {text!r}, expected a duration such as 40s or 1m30s")
    return sum(float(number) * units[unit] for number, unit in parts)
