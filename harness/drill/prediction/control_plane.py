"""Predicts how long the Kubernetes API does not answer. Pure."""

from __future__ import annotations

from collections.abc import Collection

from harness.drill.prediction.recovery import (
    Recovery,
    UnpredictableError,
    never,
    part,
    part_of,
    untouched,
)
from harness.model.cluster_settings import ControlPlaneSettings

ELECTION_FACTOR = 2
"""A follower waits for one election timeout to two, by chance (etcd raft, raft.go:
randomizedElectionTimeout), so that not all call elections at once."""


def predict_api(
    control_plane: ControlPlaneSettings | None,
    machines: Collection[str] | None,
    *,
    leader: bool | None,
) -> Recovery:
    """Until a read that etcd must agree to is answered, whichever API server it reaches.

    `machines`: those that are gone. `leader`: whether etcd's leader is among them. None of either:
    it is not known.
    """
    if machines is None:
        raise UnpredictableError("which machines of the control plane are hit is not known")
    if not machines:
        return untouched("no machine of the control plane is hit")
    if control_plane is None:
        raise UnpredictableError("how the control plane is run is not known")
    if 2 * (control_plane.members - len(machines)) <= control_plane.members:
        return never(
            f"{len(machines)} of {control_plane.members} members of etcd are away, and it needs "
            "the majority"
        )
    if control_plane.balancer is None:
        raise UnpredictableError("how its load balancer finds a member away is not known")
    balanced = part_of(control_plane.balancer, "the load balancer stops calling the member")
    balanced = part(0, balanced.high_s or 0, balanced.because[0].partition(": ")[2])
    if leader is False:
        return balanced.saying("the other members go on, and etcd keeps its leader")
    timeout_s = control_plane.election_timeout_s
    if timeout_s is None:
        raise UnpredictableError("etcd's election timeout is not known")
    elected = part(
        timeout_s if leader else 0,
        ELECTION_FACTOR * timeout_s,
        f"etcd elects another leader (election timeout {timeout_s:g} s, up to twice by chance)",
    )
    # Both begin at the loss; a call that waits for one may then be sent into the other.
    return elected.then(balanced)
