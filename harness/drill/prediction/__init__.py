"""Predicts from a cluster's settings how long each way in will be closed, and which RTO it misses.

Pure. Printed by the plan and beside what was measured, and never mixed with it. A setting that is
not known makes a range wider, and the lines say so, or leaves the way in without a prediction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from harness.drill.prediction import kubernetes
from harness.drill.prediction.control_plane import predict_api
from harness.drill.prediction.hits import Hit, hits
from harness.drill.prediction.postgresql import AWAY, predict_reads, predict_writes
from harness.drill.prediction.recovery import (
    NEVER,
    Recovery,
    UnpredictableError,
    either,
    part,
    together,
    untouched,
)
from harness.drill.prediction.redis import predict_shards
from harness.drill.prediction.stateless import predict_stateless
from harness.drill.strike import How, Strike
from harness.model.cluster_settings import ClusterSettings
from harness.model.game_day import Expected, Way, ways_of
from harness.model.quantity import show_duration
from harness.model.target import Kind, RecoveryTime, Target
from harness.model.workload import KUBERNETES, HttpWorkload, Workload

CLIENT_TIMEOUT_S = 1.0
"""After it, the prober gives a kept connection up that is silent, and opens another."""

RESOLVER_S = 5.0
"""How long a resolver waits for one server's answer (resolv.conf(5), timeout)."""

WORDS = {
    Way.POSTGRESQL_NEW: "write on a new connection",
    Way.POSTGRESQL_KEPT: "write on a kept connection",
    Way.POSTGRESQL_READ: "read on a new connection",
    Way.REDIS_SHARD: "write to each shard",
    Way.HTTP: "request",
    Way.PUBSUB: "heard by every subscriber",
    Way.API: "read",
}
"""What a way in does; one line for all shards, and for all subscribers."""


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """Of one trial."""

    expected: tuple[Expected, ...]
    unpredicted: tuple[str, ...]
    """Ways in that nothing is predicted for, and why."""


def predict(
    strikes: Sequence[Strike],
    ways: Sequence[Way],
    workloads: Sequence[Workload],
    targets: Sequence[Target],
    settings: ClusterSettings | None,
) -> Prediction:
    """What the settings predict for each way in of the workloads, and of the API.

    Of several strikes the longest counts. Without settings nothing is predicted.
    """
    expected: list[Expected] = []
    unpredicted: list[str] = []
    for subject, kind, way in _asked(ways, workloads):
        probe_class = f"{subject}: {WORDS[way]}"
        try:
            recovery = _recovery(strikes, subject, way, workloads, settings)
        except UnpredictableError as error:
            unpredicted.append(f"{probe_class}: {error}")
            continue
        expected.append(
            Expected(
                probe_class=probe_class,
                low_s=recovery.low_s,
                high_s=recovery.high_s,
                because=recovery.because,
                misses=missed(recovery, kind, targets),
                subject=subject,
                way=way,
            )
        )
    return Prediction(expected=tuple(expected), unpredicted=tuple(unpredicted))


def missed(recovery: Recovery, kind: Kind, targets: Sequence[Target]) -> str | None:
    """The strictest RTO that a recovery misses, or may miss; None where it keeps it."""
    of_kind = [
        (one.objective.at_most.total_seconds(), one.id)
        for one in targets
        if isinstance(one.objective, RecoveryTime) and kind in one.covers
    ]
    if not of_kind:
        return None
    at_most_s, target = min(of_kind)
    promised = f"{target} ({show_duration(at_most_s)})"
    if recovery.high_s is None:
        why = next((line for line in recovery.because if line.startswith(NEVER)), NEVER)
        return f"will miss {promised}: {why}"
    if recovery.low_s > at_most_s:
        return f"will miss {promised}: {show_duration(recovery.low_s)} at the least"
    if recovery.high_s > at_most_s:
        return f"may miss {promised}: up to {show_duration(recovery.high_s)}"
    return None


def _asked(ways: Sequence[Way], workloads: Sequence[Workload]) -> Iterator[tuple[str, Kind, Way]]:
    for workload in workloads:
        for way in ways_of(workload):
            if way in ways:
                yield workload.id, workload.target_kind, way
    if Way.API in ways:
        yield KUBERNETES, Kind.KUBERNETES, Way.API


def _recovery(
    strikes: Sequence[Strike],
    subject: str,
    way: Way,
    workloads: Sequence[Workload],
    settings: ClusterSettings | None,
) -> Recovery:
    if settings is None:
        raise UnpredictableError("the cluster's settings were not read")
    if not strikes:
        raise UnpredictableError("what the experiment does is not known")
    return together([_struck(strike, subject, way, workloads, settings) for strike in strikes])


def _struck(
    strike: Strike,
    subject: str,
    way: Way,
    workloads: Sequence[Workload],
    settings: ClusterSettings,
) -> Recovery:
    if strike.how is How.SERVICE:
        raise UnpredictableError(f"who needs {strike.target or 'the service'} is not known")
    return either(
        [
            _hit(strike.how, hit, subject, way, workloads, settings)
            for hit in hits(strike, workloads, settings)
        ]
    )


def _hit(  # noqa: PLR0913 - what a recovery depends on
    how: How,
    hit: Hit,
    subject: str,
    way: Way,
    workloads: Sequence[Workload],
    settings: ClusterSettings,
) -> Recovery:
    if way is Way.API:
        return predict_api(settings.control_plane, hit.machines, leader=hit.leader)
    if how is How.CONTROL_PLANE:
        return _without_the_api(hit, subject, way, settings)
    own = _own(how, hit, subject, way, settings)
    needed = next((one.depends_on for one in workloads if one.id == subject), ())
    if not needed:
        return own
    whole = together([own, *_needed(how, hit, needed, workloads, settings)])
    return _looking_names_up(whole, how, hit, settings)


def _own(  # noqa: PLR0911 - one for each way in
    how: How, hit: Hit, subject: str, way: Way, settings: ClusterSettings
) -> Recovery:
    """Of the workload alone."""
    of, lost = settings.of(subject), hit.members.get(subject, ())
    if subject in hit.members and not of.members:
        raise UnpredictableError(of.unknown.get("members", "where its pods are was not read"))
    if how in {How.BLACK_HOLE, How.ROLLOUT} and not lost:
        return untouched("it is not what is changed")
    match way:
        case Way.POSTGRESQL_NEW:
            return _promoted(predict_writes(settings, of, how, lost), how, hit, subject, settings)
        case Way.POSTGRESQL_KEPT:
            writes = predict_writes(settings, of, how, lost)
            return _kept(_promoted(writes, how, hit, subject, settings), how)
        case Way.POSTGRESQL_READ:
            return _promoted(predict_reads(settings, of, how, lost), how, hit, subject, settings)
        case Way.REDIS_SHARD:
            return predict_shards(of, how, lost)
        case _:
            served = predict_stateless(settings, of, how, lost)
            if way is Way.HTTP or not lost:
                return served
            # Who knows the broker's nodes asks another one, and waits for no Service.
            at_once = untouched("a client that asks another node by itself is back at once")
            return at_once.at_worst(served)


def _kept(writes: Recovery, how: How) -> Recovery:
    """Of a connection that is kept: a server that is away says nothing, also not that it is."""
    if how not in AWAY or writes.high_s == 0:
        return writes
    return writes.then(part(0, CLIENT_TIMEOUT_S, "the client gives up a connection that is silent"))


def _promoted(
    recovery: Recovery, how: How, hit: Hit, subject: str, settings: ClusterSettings
) -> Recovery:
    """A standby whose primary is gone asks its archive for WAL, and heeds a promotion only when
    that command has ended: whose archive has a name waits for its lookup.
    """
    primary = any(member.role == "primary" for member in hit.members.get(subject, ()))
    if not primary or recovery.high_s == 0 or not _takes_dns(how, hit, settings):
        return recovery
    found = kubernetes.not_ready(settings).then(kubernetes.endpoints())
    return recovery.at_worst(
        found.then(part(0, RESOLVER_S, "a lookup that was on its way is given up (resolv.conf)"))
        .then(kubernetes.endpoints())
        .saying(
            "a server of the cluster's DNS is on the node: a standby that fetches WAL by a name "
            "(restore_command) is not promoted before its lookup ends"
        )
    )


def _takes_dns(how: How, hit: Hit, settings: ClusterSettings) -> bool:
    """Whether a server of the cluster's DNS is on a node that is away, and still in its Service
    (the label k8s-app=kube-dns, as kubeadm has it).
    """
    pods = settings.state.pods if settings.state is not None else ()
    return how in {How.NODE_POWER, How.NODE_NETWORK} and any(
        pod.labels.get("k8s-app") == "kube-dns" and pod.node in hit.nodes for pod in pods
    )


def _looking_names_up(
    recovery: Recovery, how: How, hit: Hit, settings: ClusterSettings
) -> Recovery:
    """Who calls others looks their names up: in vain where the DNS that is asked is away."""
    if not _takes_dns(how, hit, settings):
        return recovery
    return recovery.at_worst(kubernetes.not_ready(settings).then(kubernetes.endpoints())).saying(
        "a server of the cluster's DNS is on the node: lookups fail as long as it is asked"
    )


def _needed(
    how: How,
    hit: Hit,
    needed: Sequence[str],
    workloads: Sequence[Workload],
    settings: ClusterSettings,
) -> Iterator[Recovery]:
    """Of what a workload depends on, where it is hit."""
    for one in workloads:
        if one.id not in needed or not hit.members.get(one.id):
            continue
        way = ways_of(one)[0]
        nested = isinstance(one, HttpWorkload)
        recovery = (
            _hit(how, hit, one.id, way, [w for w in workloads if w.id != one.id], settings)
            if nested
            else _own(how, hit, one.id, way, settings)
        )
        if recovery.high_s != 0:
            yield recovery.saying(
                f"it depends on {one.id}; its own time-outs come on top, and are not in the sum"
            )


def _without_the_api(hit: Hit, subject: str, way: Way, settings: ClusterSettings) -> Recovery:
    """What depends on the API while a member of the control plane is away."""
    patroni = settings.of(subject).patroni
    writes = way in {Way.POSTGRESQL_NEW, Way.POSTGRESQL_KEPT}
    if not writes:
        return untouched("it is served without the API")
    if patroni is None:
        raise UnpredictableError("what its failover does without the API is not known")
    if patroni.failsafe_mode:
        return untouched(
            "the primary goes on without the API, while it sees all members (failsafe)"
        )
    api = predict_api(settings.control_plane, hit.machines, leader=hit.leader)
    return (
        Recovery(low_s=0, high_s=0, because=())
        .at_worst(
            api.then(
                part(0, 2 * patroni.loop_wait_s, "a primary that gave its lock up takes it again")
            )
        )
        .saying("without failsafe_mode a primary that cannot renew its lock steps down")
    )
