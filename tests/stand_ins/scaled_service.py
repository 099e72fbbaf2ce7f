"""Objects of a scaled service as a Kubernetes 1.34 gave them: kept is what is read of them.

Recorded from the API of a cluster with `kubectl get -o json`; names are the documented platform's.
"""

from __future__ import annotations

from typing import Any

from kubernetes_api import Object, StandInApi, node

from harness.load.looking import Service

Json = Any

NAMESPACE = "core-business-prod"
HASH = "694fb6c9cb"
POD = f"checkout-{HASH}-ffnws"
SERVICE = Service(
    namespace=NAMESPACE,
    pods="app=checkout",
    service="checkout",
    controller="Deployment/checkout",
    autoscaler="checkout",
)

RESOURCES: Object = {
    "limits": {"cpu": "200m", "memory": "512Mi"},
    "requests": {"cpu": "50m", "memory": "128Mi"},
}
BEHAVIOR: Object = {
    "scaleDown": {
        "policies": [{"periodSeconds": 300, "type": "Percent", "value": 100}],
        "selectPolicy": "Max",
        "stabilizationWindowSeconds": 300,
    },
    "scaleUp": {
        "policies": [
            {"periodSeconds": 60, "type": "Percent", "value": 100},
            {"periodSeconds": 60, "type": "Pods", "value": 4},
        ],
        "selectPolicy": "Max",
        "stabilizationWindowSeconds": 0,
    },
}
CONDITIONS = [
    {
        "lastTransitionTime": "2026-11-25T23:55:39Z",
        "message": "recommended size matches current size",
        "reason": "ReadyForNewScale",
        "status": "True",
        "type": "AbleToScale",
    },
    {
        "lastTransitionTime": "2026-11-25T23:56:39Z",
        "message": "the desired count is within the acceptable range",
        "reason": "DesiredWithinRange",
        "status": "False",
        "type": "ScalingLimited",
    },
]


def named(name: str, **parts: Json) -> Object:
    """An object of the namespace."""
    metadata = {"name": name, "namespace": NAMESPACE, **parts.pop("metadata", {})}
    return {"metadata": metadata, **parts}


def of_resource(name: str, percent: int) -> Object:
    """A metric of an autoscaler's spec."""
    target = {"averageUtilization": percent, "type": "Utilization"}
    return {"resource": {"name": name, "target": target}, "type": "Resource"}


def autoscaler(desired: int = 1, **spec: Json) -> Object:
    """The checkout's."""
    return named(
        "checkout",
        spec={
            "behavior": BEHAVIOR,
            "maxReplicas": 10,
            "metrics": [of_resource("cpu", 70), of_resource("memory", 80)],
            "minReplicas": 1,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"},
            **spec,
        },
        status={
            "conditions": CONDITIONS,
            "currentMetrics": [
                {
                    "resource": {
                        "current": {"averageUtilization": 6, "averageValue": "3m"},
                        "name": "cpu",
                    },
                    "type": "Resource",
                },
                {
                    "resource": {
                        "current": {"averageUtilization": 34, "averageValue": "44668Ki"},
                        "name": "memory",
                    },
                    "type": "Resource",
                },
            ],
            "currentReplicas": 1,
            "desiredReplicas": desired,
            "lastScaleTime": "2026-11-26T00:36:29Z",
        },
    )


def deployment(replicas: int = 1, name: str = "checkout", **spec: Json) -> Object:
    """The checkout's."""
    return named(
        name,
        spec={
            "replicas": replicas,
            "strategy": {
                "rollingUpdate": {"maxSurge": "100%", "maxUnavailable": "0%"},
                "type": "RollingUpdate",
            },
            "template": {
                "metadata": {"labels": {"app": name, "version": "v1"}},
                "spec": {
                    "containers": [
                        {
                            "image": "registry/checkout:1.2",
                            "name": "checkout",
                            "resources": RESOURCES,
                        }
                    ]
                },
            },
            **spec,
        },
    )


def running_pod(name: str = POD, **status: Json) -> Object:
    """A pod of the checkout that is ready; or another, by its status."""
    return named(
        name,
        metadata={
            "creationTimestamp": "2026-11-26T01:56:00Z",
            "labels": {"app": "checkout", "pod-template-hash": HASH, "version": "v1"},
            "ownerReferences": [
                {"controller": True, "kind": "ReplicaSet", "name": f"checkout-{HASH}"}
            ],
        },
        spec={
            "containers": [{"name": "checkout", "resources": RESOURCES}],
            "nodeName": "worker-3",
        },
        status={
            "conditions": [
                {
                    "lastProbeTime": None,
                    "lastTransitionTime": "2026-11-26T01:56:06Z",
                    "status": "True",
                    "type": "Ready",
                },
                {
                    "lastProbeTime": None,
                    "lastTransitionTime": "2026-11-26T01:56:00Z",
                    "status": "True",
                    "type": "PodScheduled",
                },
            ],
            "containerStatuses": [
                {
                    "name": "checkout",
                    "ready": True,
                    "state": {"running": {"startedAt": "2026-11-26T01:56:00Z"}},
                }
            ],
            "phase": "Running",
            "qosClass": "Burstable",
            "startTime": "2026-11-26T01:56:00Z",
            **status,
        },
    )


def unscheduled_pod(name: str) -> Object:
    """One that fits on no node."""
    made = running_pod(
        name,
        conditions=[
            {
                "lastTransitionTime": "2026-11-26T01:58:00Z",
                "message": "0/3 nodes are available: 3 Insufficient cpu.",
                "reason": "Unschedulable",
                "status": "False",
                "type": "PodScheduled",
            }
        ],
        containerStatuses=[],
        phase="Pending",
        startTime=None,
    )
    del made["spec"]["nodeName"]
    return made


def pod_metrics(
    name: str = POD, timestamp: str = "2026-11-26T01:56:34Z", cpu: str = "2244053n"
) -> Object:
    """What metrics-server says of a pod."""
    return named(
        name,
        metadata={"labels": {"app": "checkout"}},
        timestamp=timestamp,
        window="12.409s",
        containers=[{"name": "checkout", "usage": {"cpu": cpu, "memory": "44668Ki"}}],
    )


def endpoint(pod: str = POD, **conditions: bool | None) -> Object:
    """One backend of an EndpointSlice."""
    return {
        "addresses": [f"address-of-{pod}"],
        "conditions": {"ready": True, "serving": True, "terminating": False, **conditions},
        "nodeName": "worker-3",
        "targetRef": {"kind": "Pod", "name": pod, "uid": f"uid-of-{pod}"},
    }


def endpoint_slice(*endpoints: Object, name: str = "checkout-tl49t") -> Object:
    """Of the Service checkout."""
    return named(
        name,
        metadata={"labels": {"app": "checkout", "kubernetes.io/service-name": "checkout"}},
        addressType="IPv4",
        endpoints=list(endpoints),
    )


def quota(**hard: str) -> Object:
    """Its namespace's, with what is used of it."""
    limits = hard or {
        "limits.cpu": "5",
        "limits.memory": "25Gi",
        "requests.cpu": "5",
        "requests.memory": "25Gi",
    }
    return named(
        "compute",
        spec={"hard": limits},
        status={
            "hard": limits,
            "used": {
                "limits.cpu": "600m",
                "limits.memory": "1536Mi",
                "requests.cpu": "150m",
                "requests.memory": "384Mi",
            },
        },
    )


def limit_range() -> Object:
    """The defaults of its namespace's containers."""
    item = {
        "default": {"cpu": "50m", "memory": "256Mi"},
        "defaultRequest": {"cpu": "20m", "memory": "128Mi"},
        "type": "Container",
    }
    return named("standard-container", spec={"limits": [item]})


def event(about: str, reason: str, message: str = "", count: int = 1, name: str = "") -> Object:
    """`about`: `ReplicaSet/checkout-694fb6c9cb`."""
    kind, _, of = about.partition("/")
    return named(
        name or f"{of}.{reason}".lower(),
        metadata={"uid": f"uid-of-{name or about}-{reason}"},
        count=count,
        eventTime=None,
        firstTimestamp="2026-11-26T01:53:58Z",
        involvedObject={"kind": kind, "name": of, "namespace": NAMESPACE},
        lastTimestamp="2026-11-26T01:56:20Z",
        message=message,
        reason=reason,
        type="Warning",
    )


EXCEEDED = event(
    f"ReplicaSet/checkout-{HASH}",
    "FailedCreate",
    f'Error creating: pods "checkout-{HASH}-k2x9p" is forbidden: exceeded quota: compute, '
    "requested: limits.cpu=200m, used: limits.cpu=5, limited: limits.cpu=5",
)
"""Not recorded: worded as the API has it (plugin/pkg/admission/resourcequota/controller.go)."""


def put_service(api: StandInApi) -> None:
    """All of it, as it is at rest."""
    api.put("nodes", node("worker-3"))
    api.put("namespaces", {"metadata": {"name": NAMESPACE}})
    api.put("horizontalpodautoscalers", autoscaler())
    api.put("deployments", deployment())
    api.put("pods", running_pod())
    api.put("podmetrics", pod_metrics())
    api.put("endpointslices", endpoint_slice(endpoint()))
    api.put("resourcequotas", quota())
    api.put("limitranges", limit_range())
