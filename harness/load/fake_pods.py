"""Makes the manifests that a filling consists of: controllers of pods that ask, and quotas. Pure.

A quota counts pods, whatever made them: each controller is a Deployment here, also where it is a
StatefulSet on the cluster under test, so that no volume is waited for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from harness.model.autoscaling import ContainerResources, Resource
from harness.model.quota import Claim, QuotaLimit

LABEL = "app"
"""Of the pods of one controller."""

_LONGEST = 50
"""A ReplicaSet's name is its Deployment's and eleven characters more."""


def name_of(controller: str) -> str:
    """`Deployment/checkout` -> `deployment-checkout`: two kinds may have one name.

    It is a label's value, too, and those have at most 63 characters: a long one ends in its digest.
    """
    name = controller.lower().replace("/", "-")
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def deployment(claim: Claim) -> dict[str, Any]:
    """As many pods as the claim may have, each asking for what the claim's pods ask for.

    They meet the Pod Security Standard "restricted", as namespaces of the platform demand.
    """
    name = name_of(claim.controller)
    containers = [
        (one.sidecar, _container(f"container-{number}", one))
        for number, one in enumerate(claim.containers, 1)
    ]
    labels = {LABEL: name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": claim.namespace, "labels": labels},
        "spec": {
            "replicas": claim.replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "automountServiceAccountToken": False,
                    "terminationGracePeriodSeconds": 0,
                    "securityContext": {
                        "runAsNonRoot": True,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "containers": [one for sidecar, one in containers if not sidecar],
                    "initContainers": [
                        {**one, "restartPolicy": "Always"} for sidecar, one in containers if sidecar
                    ],
                },
            },
        },
    }


def resource_quota(quota: QuotaLimit) -> dict[str, Any]:
    """The quota of the cluster under test, for the one that is filled."""
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": quota.name, "namespace": quota.namespace},
        "spec": {"hard": {name: _quantity(hard) for name, hard in quota.hard.items()}},
    }


def _container(name: str, container: ContainerResources) -> dict[str, Any]:
    """Under another name: what a claim counts beside containers (pod overhead) has none."""
    return {
        "name": name,
        "image": "fake",
        "resources": {
            "requests": _quantities(container.requests),
            "limits": _quantities(container.limits),
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _quantities(amounts: Mapping[Resource, float]) -> dict[str, str]:
    return {str(resource): _quantity(amount) for resource, amount in amounts.items()}


def _quantity(amount: float) -> str:
    """In thousandths where it is no whole number, as the API keeps it."""
    return f"{round(amount)}" if amount == round(amount) else f"{round(amount * 1000)}m"
