"""What Kubernetes itself takes: to notice a node, to move traffic, to start and to restart. Pure.

Sources are of Kubernetes 1.34 unless another is named; docs/predictions.md has the formulas.
"""

from __future__ import annotations

from harness.drill.prediction.recovery import Recovery, never, part
from harness.model.cluster_settings import ClusterSettings, PodSettings

LEASE_RENEWAL_S = 10.0
"""A kubelet renews its Lease at a quarter of nodeLeaseDurationSeconds, 40 (pkg/kubelet/kubelet.go,
nodeLeaseRenewIntervalFraction)."""

NODE_MONITOR_PERIOD_S = 5.0
"""kube-controller-manager, --node-monitor-period: how often it looks at Leases."""

ENDPOINTS_S = 2.0
"""From a pod's condition to the rules of every node: the controllers write at once, kube-proxy at
most once a second (iptables.minSyncPeriod, 1 s), and rewriting the rules takes its time."""

START_S = 5.0
"""99 % of stateless pods start within it, without pulling images and init containers
(kubernetes/community, sig-scalability/slos/pod_startup_latency.md)."""

RELIST_S = 1.0
"""How often the kubelet looks which containers died (pkg/kubelet/kubelet.go,
genericPlegRelistPeriod)."""

FIRST_BACK_OFF_S, LONGEST_BACK_OFF_S = 10.0, 300.0
"""Between restarts of a container: doubled with each, none before the first, forgotten after 10 min
of health (Kubernetes documentation, "Pod Lifecycle", restartPolicy)."""

DETACH_S = 360.0
"""How long a volume stays attached to a node that is away (attach_detach_controller.go,
ReconcilerMaxWaitForUnmountDuration)."""


def not_ready(settings: ClusterSettings) -> Recovery:
    """From the loss of a node to its being NotReady.

    The grace period runs from the controller's last sight of a renewed Lease. The last renewal was
    up to 10 s before the loss; it was seen up to 5 s later, and its age is looked at every 5 s.
    """
    grace = settings.node_grace
    known = "" if settings.node_grace_known else "; the cluster's own is not to be read"
    return part(
        max(grace.low_s - LEASE_RENEWAL_S, 0),
        grace.high_s + 2 * NODE_MONITOR_PERIOD_S,
        f"the node is found away: grace of {_range(grace.low_s, grace.high_s)} ({grace.source}"
        f"{known}) from its last heartbeat, sent every {LEASE_RENEWAL_S:g} s and looked at every "
        f"{NODE_MONITOR_PERIOD_S:g} s",
    )


def endpoints() -> Recovery:
    """From a pod's condition to no call that goes there any more, or the first that does."""
    return part(0, ENDPOINTS_S, "Services follow (endpoints, kube-proxy)")


def starts(pods: PodSettings) -> Recovery:
    """From a pod's making to its being ready."""
    return part(
        pods.readiness_delay_s,
        START_S + pods.readiness_delay_s + pods.readiness_period_s,
        f"a new pod starts (99 % within {START_S:g} s without pulling images) and is found ready "
        f"(first asked after {pods.readiness_delay_s:g} s, then every "
        f"{pods.readiness_period_s:g} s)",
    )


def restarts(pods: PodSettings) -> Recovery:
    """From a container's death to its next process, ready or not."""
    wait_s = (
        min(LONGEST_BACK_OFF_S, FIRST_BACK_OFF_S * 2 ** (pods.restarts - 1)) if pods.restarts else 0
    )
    again = part(0, RELIST_S + START_S, "the kubelet restarts the container")
    if not wait_s:
        return again
    return again.then(
        part(
            0,
            wait_s,
            f"back-off of a container that was restarted {pods.restarts} times, if the last was "
            "less than 10 min ago",
        )
    )


def is_found_ready(pods: PodSettings) -> Recovery:
    """From a container's process to a ready pod."""
    return part(
        pods.readiness_delay_s,
        pods.readiness_delay_s + pods.readiness_period_s,
        "its readiness probe finds it",
    )


def stays_in_its_services() -> Recovery:
    """Of a pod whose network is cut off: the kubelet's probes come from the node's end of its link,
    which the cut leaves (harness.chaos.actions.network), so that it stays ready.
    """
    return never("a pod that is cut off stays ready for the kubelet, and in its Services")


def _range(low_s: float, high_s: float) -> str:
    return f"{low_s:g} s" if low_s == high_s else f"{low_s:g} to {high_s:g} s"
