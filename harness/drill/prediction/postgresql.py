"""Predicts how long PostgreSQL under Patroni takes no writes, or gives no reads. Pure.

Patroni 4.1: docs/dynamic_configuration.rst and ha.py; docs/predictions.md has the formulas.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.drill.prediction import kubernetes
from harness.drill.prediction.recovery import (
    Recovery,
    UnpredictableError,
    never,
    part,
    together,
    untouched,
)
from harness.drill.prediction.stateless import predict_stateless
from harness.drill.strike import How
from harness.model.cluster_settings import (
    ClusterSettings,
    Member,
    PatroniSettings,
    PodSettings,
    WorkloadSettings,
)

ASKS_S = 2.0
"""A member that would be leader asks all others how far they are, and waits so long for one that is
away (ha.py, fetch_node_status: timeout=2, retries=0)."""

AWAY = frozenset({How.NODE_POWER, How.NODE_NETWORK, How.POD_NETWORK})


def predict_writes(
    settings: ClusterSettings, of: WorkloadSettings, how: How, lost: Sequence[Member]
) -> Recovery:
    """Until the primary, the same or another one, takes writes."""
    if not lost:
        return untouched("none of its members is hit")
    patroni = of.patroni
    if patroni is None:
        raise UnpredictableError(of.unknown.get("patroni", "who fails it over is not known"))
    pods = _pods(of)
    if any(not member.role for member in of.members):
        raise UnpredictableError("which of its members is the primary could not be read")
    if not any(member.role == "primary" for member in lost):
        return _without_a_replica(patroni, how)
    if len(lost) == len(of.members):
        return _without_any(pods, patroni, how)
    return _without_the_primary(settings, pods, patroni, how)


def predict_reads(
    settings: ClusterSettings, of: WorkloadSettings, how: How, lost: Sequence[Member]
) -> Recovery:
    """Until every read through the replicas' Service is answered."""
    replicas = tuple(member for member in of.members if member.role == "replica")
    if any(not member.role for member in of.members):
        raise UnpredictableError("which of its members are replicas could not be read")
    gone = tuple(member for member in lost if member.role == "replica")
    reading = []
    if gone:
        reading.append(predict_stateless(settings, _only(of, replicas), how, gone))
    if any(member.role == "primary" for member in lost):
        reading.append(_one_replica_less(settings, of, how, lost, len(replicas) - len(gone)))
    return together(reading) if reading else untouched("no replica is hit")


def _one_replica_less(
    settings: ClusterSettings,
    of: WorkloadSettings,
    how: How,
    lost: Sequence[Member],
    left: int,
) -> Recovery:
    """A replica becomes the primary: as long as the replicas' Service leads to it, a read is
    answered by the wrong server; and it may have been the only one.
    """
    if left == 1 and (how in AWAY or how is How.EVICT):
        return never("the only replica becomes the primary, and no other is left to read from")
    promoted = predict_writes(settings, of, how, lost)
    loop_wait_s = of.patroni.loop_wait_s if of.patroni is not None else 0
    leaves = part(0, loop_wait_s, "the replica that became the primary changes its label").then(
        kubernetes.endpoints()
    )
    if left == 1:
        leaves = leaves.then(kubernetes.restarts(_pods(of))).then(
            kubernetes.is_found_ready(_pods(of))
        )
    return untouched("reads go on until a replica becomes the primary").at_worst(
        promoted.then(leaves)
    )


def promotion(patroni: PatroniSettings) -> Recovery:
    """From the loss of a primary that cannot give its lock back to another one's address.

    The lock was renewed at most loop_wait before, and runs out ttl after; a replica looks every
    loop_wait, and asks the others before it takes it.
    """
    return (
        part(
            max(patroni.ttl_s - patroni.loop_wait_s, 0),
            patroni.ttl_s,
            f"the leader's lock runs out: ttl {patroni.ttl_s:g} s from its last renewal, every "
            f"loop_wait {patroni.loop_wait_s:g} s ({patroni.source})",
        )
        .then(part(0, patroni.loop_wait_s, "a replica's next loop finds it out (loop_wait)"))
        .then(part(0, ASKS_S, "it asks all members, one of which does not answer"))
        .then(kubernetes.endpoints())
    )


def released(patroni: PatroniSettings) -> Recovery:
    """From a lock that is given back to another primary's address."""
    return (
        part(0, patroni.loop_wait_s, "a replica takes the lock that was given back (loop_wait)")
        .then(part(0, ASKS_S, "it asks all members"))
        .then(kubernetes.endpoints())
    )


def _without_the_primary(
    settings: ClusterSettings, pods: PodSettings, patroni: PatroniSettings, how: How
) -> Recovery:
    match how:
        case How.NODE_POWER | How.NODE_NETWORK | How.POD_NETWORK:
            return _reached(settings, patroni, how)
        case How.PROCESS:
            return _restarted_in_place(patroni)
        case How.CONTAINER:
            again = kubernetes.restarts(pods).then(_restarted_in_place(patroni))
            return again.at_worst(promotion(patroni))
        case How.DELETE_AT_ONCE:
            # A StatefulSet gives the new pod the old one's name, and with it the lock.
            new_pod = part(0, kubernetes.START_S, "a new pod of the same name starts")
            return new_pod.then(_restarted_in_place(patroni)).at_worst(promotion(patroni))
        case _:
            return (
                part(
                    0,
                    pods.grace_s,
                    f"it stops within its grace period of {pods.grace_s:g} s: a checkpoint first",
                )
                .then(released(patroni))
                .saying("it gives its lock back: this is a switch, not a failure")
            )


def _reached(settings: ClusterSettings, patroni: PatroniSettings, how: How) -> Recovery:
    """A Service that finds its primary by labels keeps the old one's address: a pod that is away
    cannot take its label off.
    """
    promoted = promotion(patroni)
    if patroni.service_selects is False:
        return promoted
    leaves = (
        kubernetes.stays_in_its_services()
        if how is How.POD_NETWORK
        else kubernetes.not_ready(settings).then(kubernetes.endpoints())
    )
    if patroni.service_selects:
        return together([promoted, leaves]).saying(
            "its Service finds the primary by labels, which a pod that is away keeps"
        )
    return promoted.at_worst(leaves).saying("how its Service finds the primary is not known")


def _restarted_in_place(patroni: PatroniSettings) -> Recovery:
    """Patroni finds PostgreSQL dead and starts it, and gives the lock back where that takes too
    long (primary_start_timeout); at once where that is 0.
    """
    notices = part(0, patroni.loop_wait_s, "Patroni's next loop finds PostgreSQL dead (loop_wait)")
    if patroni.primary_start_timeout_s == 0:
        return notices.then(released(patroni))
    replays = part(
        0,
        patroni.primary_start_timeout_s,
        "it replays its WAL since the last checkpoint, or gives its lock back "
        f"(primary_start_timeout {patroni.primary_start_timeout_s:g} s)",
    )
    return notices.then(replays).then(released(patroni))


def _without_any(pods: PodSettings, patroni: PatroniSettings, how: How) -> Recovery:
    match how:
        case How.NODE_POWER | How.NODE_NETWORK | How.POD_NETWORK:
            return never("no member is left")
        case How.PROCESS:
            return _restarted_in_place(patroni)
        case How.EVICT if pods.volume == "node":
            return never("its volumes are on nodes that stay closed")
        case How.CONTAINER:
            return kubernetes.restarts(pods).then(_restarted_in_place(patroni))
        case _:
            return (
                part(0, pods.grace_s, "they stop within their grace period")
                .then(part(0, kubernetes.START_S, "new pods of the same names start"))
                .then(_restarted_in_place(patroni))
            )


def _without_a_replica(patroni: PatroniSettings, how: How) -> Recovery:
    if not patroni.synchronous_mode:
        return untouched("a replica is hit, and commits wait for none (synchronous_mode is off)")
    if how not in AWAY:
        return part(
            0,
            patroni.loop_wait_s,
            "commits wait for the synchronous replica until Patroni names another, if it was that "
            "one (synchronous_mode, loop_wait)",
        )
    return part(
        0,
        patroni.wal_sender_timeout_s,
        "commits wait for the synchronous replica until its connection is given up, if it was "
        f"that one (wal_sender_timeout {patroni.wal_sender_timeout_s:g} s)",
    ).then(part(0, patroni.loop_wait_s, "Patroni names another (loop_wait)"))


def _pods(of: WorkloadSettings) -> PodSettings:
    if of.pods is None:
        raise UnpredictableError(of.unknown.get("pods", "how its pods are run could not be read"))
    return of.pods


def _only(of: WorkloadSettings, members: tuple[Member, ...]) -> WorkloadSettings:
    return WorkloadSettings(workload=of.workload, pods=of.pods, members=members, unknown=of.unknown)
