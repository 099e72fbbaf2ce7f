"""Predicts how long a Service of equal pods answers wrong: HTTP, and the broker's nodes. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from harness.drill.prediction import kubernetes
from harness.drill.prediction.recovery import (
    Recovery,
    UnpredictableError,
    never,
    part,
    untouched,
)
from harness.drill.strike import How
from harness.model.cluster_settings import ClusterSettings, Member, PodSettings, WorkloadSettings


def predict_stateless(
    settings: ClusterSettings, of: WorkloadSettings, how: How, lost: Sequence[Member]
) -> Recovery:
    """Until every call through the Service is answered right again."""
    if how is How.BLACK_HOLE:
        return never("the dependency stays away until it is put back; another pod would not help")
    if how is How.ROLLOUT:
        stays = never("no controller that rolls a bad version back is known to the harness")
        return stays if of.pods is None else stays.saying(_takes_requests(of.pods))
    if not lost:
        return untouched("none of its pods is hit")
    pods = of.pods
    if pods is None:
        raise UnpredictableError(of.unknown.get("pods", "how its pods are run could not be read"))
    alone = len(lost) >= len(of.members)
    recovery = _without_any(settings, pods, how) if alone else _without_some(settings, how)
    if not alone and pods.autoscaler_minimum is not None and pods.autoscaler_minimum <= len(lost):
        return recovery.saying(
            f"with its {len(of.members)} pods of now; the autoscaler may leave "
            f"{pods.autoscaler_minimum}, and then a new pod is waited for"
        )
    return recovery


def _takes_requests(pods: PodSettings) -> str:
    """From when a new version may be told by its answers: its first pod is made at once, since a
    rolling update begins by a new pod wherever maxSurge allows one (Deployment's default: 25 %).
    """
    first = kubernetes.starts(pods).then(kubernetes.endpoints())
    return (
        f"{first.low_s:g} to {first.high_s:g} s: the new version takes its first requests; no "
        f"condition for a rollback holds before that ({'; '.join(first.because)})"
    )


def _without_some(settings: ClusterSettings, how: How) -> Recovery:
    """Other pods go on: until no call is sent to those that are gone."""
    match how:
        case How.NODE_POWER | How.NODE_NETWORK:
            return kubernetes.not_ready(settings).then(kubernetes.endpoints())
        case How.POD_NETWORK:
            return kubernetes.stays_in_its_services()
        case How.PROCESS | How.CONTAINER:
            return part(
                0, kubernetes.RELIST_S, "the kubelet finds the container dead, the pod not ready"
            ).then(kubernetes.endpoints())
        case _:
            return kubernetes.endpoints().saying(
                "the pod leaves its Service in the moment in which it is told to end"
            )


def _without_any(settings: ClusterSettings, pods: PodSettings, how: How) -> Recovery:
    """No other pod goes on: until a new one does."""
    new_pod = kubernetes.starts(pods).then(kubernetes.endpoints())
    match how:
        case How.NODE_POWER | How.NODE_NETWORK:
            return _elsewhere(settings, pods, new_pod)
        case How.POD_NETWORK:
            return never("its only pod stays cut off: nothing moves it")
        case How.PROCESS | How.CONTAINER:
            return (
                kubernetes.restarts(pods)
                .then(kubernetes.is_found_ready(pods))
                .then(kubernetes.endpoints())
            )
        case How.EVICT if pods.volume == "node":
            return never("its volume is on the node that stays closed")
        case How.DELETE | How.EVICT if not pods.is_replaced_elsewhere:
            ends = part(0, pods.grace_s, "the old pod ends within its grace period")
            return ends.then(new_pod)
        case _:
            return new_pod


def _elsewhere(settings: ClusterSettings, pods: PodSettings, new_pod: Recovery) -> Recovery:
    if pods.volume == "node":
        return never("its volume is on the node that is away")
    if not pods.is_replaced_elsewhere:
        return never(f"{pods.controller}: its pod is not made anew while the node may still run it")
    if pods.unreachable_toleration_s is None:
        return never("its pods tolerate a node that is away forever")
    moved = kubernetes.not_ready(settings).then(
        part(
            pods.unreachable_toleration_s,
            pods.unreachable_toleration_s,
            "its pods tolerate a node that is away (tolerationSeconds of unreachable)",
        )
    )
    if pods.volume == "attached":
        moved = moved.then(part(0, kubernetes.DETACH_S, "its volume is detached from the node"))
    return moved.then(new_pod)
