"""Predicts how long a shard of a Redis cluster takes no writes. Pure.

Redis cluster specification, "Failure detection" and "Replica election and promotion".
"""

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
from harness.model.cluster_settings import Member, PodSettings, RedisSettings, WorkloadSettings

ELECTION_LEAST_S = 0.5
"""A replica waits 500 ms, and up to 500 ms more by chance, before it asks for votes."""

AGREED_AND_ELECTED_S = 2.0
"""A replica is promoted "1 or 2 seconds" after the failure was found: gossip, the wait, votes."""

RETRY_FACTOR, RETRY_LEAST_S = 4, 4.0
"""An election that failed is tried again after four node timeouts, and 4 s at the least."""

FOUND_FACTOR = 1.5
"""A node is asked every half node timeout at the least, and has one to answer."""

AWAY = frozenset({How.NODE_POWER, How.NODE_NETWORK, How.POD_NETWORK})


def predict_shards(of: WorkloadSettings, how: How, lost: Sequence[Member]) -> Recovery:
    """Until the slowest shard takes writes again."""
    if not lost:
        return untouched("none of its nodes is hit")
    redis, pods = of.redis, of.pods
    if redis is None:
        raise UnpredictableError(of.unknown.get("redis", "its configuration could not be read"))
    if pods is None:
        raise UnpredictableError(of.unknown.get("pods", "how its pods are run could not be read"))
    if any(not member.role for member in of.members):
        raise UnpredictableError("which of its nodes are masters could not be read")
    gone = [member for member in lost if member.role == "master"]
    if not gone:
        return untouched("only replicas are hit, and writes wait for none")
    recovery = _recovery(of, how, lost, gone, redis, pods)
    others = sum(1 for member in of.members if member.role == "master") - len(gone)
    if others and redis.require_full_coverage:
        return recovery.saying(
            "meanwhile no shard is served (cluster-require-full-coverage), those of "
            f"{others} other masters neither"
        )
    return recovery


def _recovery(  # noqa: PLR0913 - what a shard's recovery depends on
    of: WorkloadSettings,
    how: How,
    lost: Sequence[Member],
    gone: Sequence[Member],
    redis: RedisSettings,
    pods: PodSettings,
) -> Recovery:
    voteless = _why_nobody_takes_over(of, lost, gone)
    if how in AWAY:
        return never(voteless) if voteless else _failover(redis)
    if how is How.EVICT and pods.volume == "node":
        if voteless:
            return never(f"{voteless}, and its volume is on the node that stays closed")
        ends = part(0, pods.grace_s, f"it stops within its grace period of {pods.grace_s:g} s")
        switched = ends.then(_failover(redis))
        if len(lost) == 1:
            return switched
        return untouched(
            f"{len(lost)} of its pods are on the node, and cannot come back elsewhere: a "
            "disruption budget may keep the master there"
        ).at_worst(switched)
    back = _comes_back(how, pods).saying("loading its data comes on top, and is not in the sum")
    if voteless:
        return back.saying(f"{voteless} until it is back")
    return back.at_worst(_failover(redis)).saying(
        "its replica takes over only where it is away for longer than cluster-node-timeout"
    )


def _why_nobody_takes_over(
    of: WorkloadSettings, lost: Sequence[Member], gone: Sequence[Member]
) -> str:
    """Empty where a replica can be promoted in the place of each."""
    masters = sum(1 for member in of.members if member.role == "master")
    if 2 * (masters - len(gone)) <= masters:
        return f"{len(gone)} of {masters} masters are away, and a promotion needs the majority"
    taken = {member.pod for member in lost}
    replicas = [member for member in of.members if member.role == "replica"]
    for master in gone:
        copies = [one for one in replicas if one.follows in {master.pod, ""}]
        if all(one.pod in taken for one in copies):
            return f"no replica of {master.pod} is left"
    return ""


def _failover(redis: RedisSettings) -> Recovery:
    timeout_s = redis.node_timeout_s
    found = part(
        timeout_s,
        FOUND_FACTOR * timeout_s,
        f"its peers find it away: cluster-node-timeout {timeout_s:g} s ({redis.source}) from a "
        "ping that they send every half of it",
    )
    elected = found.then(
        part(ELECTION_LEAST_S, AGREED_AND_ELECTED_S, "they agree, and a replica is elected")
    )
    retry_s = max(RETRY_FACTOR * timeout_s, RETRY_LEAST_S)
    # Bimodal, and both modes are within what the settings allow.
    usual = f"usually {elected.low_s:g} to {elected.high_s:g} s in all"
    return elected.then(part(0, retry_s, f"an election that fails is tried again; {usual}"))


def _comes_back(how: How, pods: PodSettings) -> Recovery:
    if how in {How.PROCESS, How.CONTAINER}:
        return kubernetes.restarts(pods)
    grace_s = 0 if how is How.DELETE_AT_ONCE else pods.grace_s
    return part(0, grace_s, f"it stops within its grace period of {grace_s:g} s").then(
        part(0, kubernetes.START_S, "a new pod of the same name starts")
    )
