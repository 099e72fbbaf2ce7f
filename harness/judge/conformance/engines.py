"""Decides whether data stores are of the documented version, and built as documented, by their own
word. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from harness.judge.answer import Answer, finding, worst
from harness.judge.conformance.covered import covered, nobody, unseen
from harness.judge.conformance.evidence import ConformanceEvidence, JudgeFunction
from harness.judge.facts import Known
from harness.model.configuration import BrokerTopology, EngineVersion, Replicated
from harness.model.conformance import EngineAsked
from harness.model.target import Target
from harness.model.verdict import Finding, Verdict

_LOOK = "engines"

Judged = Callable[[EngineAsked], Answer]


def judge_version(
    run: ConformanceEvidence, target: Target, objective: EngineVersion
) -> Iterator[Finding]:
    """Of each covered data store its major version."""
    yield from _for_each(run, target, "engine-version", lambda fact: version(fact, objective))


def judge_replicated(
    run: ConformanceEvidence, target: Target, objective: Replicated
) -> Iterator[Finding]:
    """Of each covered data store whether an instance may go."""
    yield from _for_each(run, target, "replicated", lambda fact: replicated(fact, objective))


def judge_topology(
    run: ConformanceEvidence, target: Target, objective: BrokerTopology
) -> Iterator[Finding]:
    """Of each broker all that is documented of how it is built; the worst of it counts."""
    yield from _for_each(
        run, target, "broker-topology", lambda fact: worst(list(topology(fact, objective)))
    )


def version(fact: EngineAsked, objective: EngineVersion) -> Answer:
    """`15.14 (Debian ...)` has major version 15: the part before the first point, of PostgreSQL
    since 10 (PostgreSQL documentation, Versioning Policy) as of Redis.
    """
    expected = f"expected {objective.major}"
    major = (fact.version or "").partition(".")[0]
    if not major.isdecimal():
        return _unknown(f"{fact.subject}: its version is not known: {fact.detail or fact.version}")
    verdict = Verdict.PASS if int(major) == objective.major else Verdict.FAIL
    return Answer(verdict=verdict, headline=f"{fact.subject}: version {fact.version}, {expected}")


def replicated(fact: EngineAsked, objective: Replicated) -> Answer:
    """By what its servers say now: replicas that stream, or a cluster that is whole."""
    if objective.mode == "primary-replica":
        return _has_replicas(fact)
    return _is_cluster(fact)


def _has_replicas(fact: EngineAsked) -> Answer:
    primaries, replicas = _number(fact.facts, "primaries"), _number(fact.facts, "replicas")
    if primaries is None or replicas is None:
        return _unknown(f"{fact.subject}: its replicas are not known: {_why(fact)}")
    detail = (_shown(fact.facts),)
    words = f"{fact.subject}: {primaries} primaries, {replicas} replicas that stream"
    if primaries == 0:
        return _unknown(f"{words}: the primary did not answer", detail)
    return _judged(primaries == 1 and replicas >= 1, f"{words}, expected 1 and at least 1", detail)


def _is_cluster(fact: EngineAsked) -> Answer:
    enabled, size = fact.facts.get("cluster_enabled"), _number(fact.facts, "cluster_size")
    if enabled is None:
        return _unknown(f"{fact.subject}: nobody knows whether it is a cluster: {_why(fact)}")
    detail = (_shown(fact.facts),)
    if enabled != "1":
        return _judged(False, f"{fact.subject}: it is no cluster, expected one", detail)
    if size is None:
        return _unknown(f"{fact.subject}: the size of its cluster is not known", detail)
    state = fact.facts.get("cluster_state", "not told")
    words = f"{fact.subject}: a cluster of {size} masters in state {state}"
    return _judged(size > 1 and state == "ok", f"{words}, expected several and ok", detail)


def topology(fact: EngineAsked, objective: BrokerTopology) -> Iterator[Answer]:
    """What is documented of it, part by part.

    Redis Pub/Sub has no partitions: what it could be spread over are the masters of its cluster.
    Each message goes to every node of a cluster (Redis documentation, Redis Pub/Sub and Redis
    Cluster specification, Publish/Subscribe), so that its replication is the number of nodes.
    """
    said, about = fact.facts, fact.subject
    detail = (_shown(said),)
    if objective.partitions is not None:
        size = _number(said, "cluster_size")
        yield (
            _unknown(f"{about}: its partitions are not known: {_why(fact)}")
            if size is None
            else _judged(
                size == objective.partitions,
                f"{about}: {size} partitions, expected {objective.partitions}",
                detail,
            )
        )
    if objective.replication is not None:
        nodes = _number(said, "cluster_known_nodes")
        yield (
            _unknown(f"{about}: its nodes are not known: {_why(fact)}")
            if nodes is None
            else _judged(
                nodes >= objective.replication,
                f"{about}: a message is on {nodes} nodes, expected {objective.replication}",
                detail,
            )
        )
    for kind in objective.persistence:
        value = said.get({"AOF": "aof_enabled", "RDB": "save"}[kind])
        yield (
            _unknown(f"{about}: whether {kind} is on is not known: {_why(fact)}")
            if value is None
            else _judged(
                value not in ("", "0"),
                f"{about}: {kind} is {'off' if value in ('', '0') else 'on'}, expected on",
                detail,
            )
        )
    if objective.partitions is None and objective.replication is None and not objective.persistence:
        yield _unknown(f"{about}: the target says nothing of how it is built")


def _for_each(
    run: ConformanceEvidence, target: Target, check: str, answer_of: Judged
) -> Iterator[Finding]:
    """One finding for each subject that is covered; one for all where there is none."""
    subjects = covered(run, target)
    if not subjects:
        yield finding(
            nobody(target), identity=f"{check}/{target.id}", target=target.id, subject=None
        )
    for subject in subjects:
        said = _last(run, subject)
        answer = unseen(run, _LOOK, subject) if said is None else answer_of(said.fact)
        yield finding(
            replace(answer, evidence=() if said is None else (said.sequence,)),
            identity=f"{check}/{target.id}/{subject}",
            target=target.id,
            subject=subject,
        )


def _last(run: ConformanceEvidence, subject: str) -> Known[EngineAsked] | None:
    found = [one for one in run.facts(EngineAsked) if one.fact.subject == subject]
    return found[-1] if found else None


def _number(facts: Mapping[str, str], name: str) -> int | None:
    value = facts.get(name, "")
    return int(value) if value.isdecimal() else None


def _judged(good: bool, headline: str, detail: tuple[str, ...]) -> Answer:  # noqa: FBT001 - the answer itself
    verdict = Verdict.PASS if good else Verdict.FAIL
    return Answer(verdict=verdict, headline=headline, detail=detail)


def _unknown(headline: str, detail: tuple[str, ...] = ()) -> Answer:
    return Answer(verdict=Verdict.INCONCLUSIVE, headline=headline, detail=detail)


def _why(fact: EngineAsked) -> str:
    return fact.detail or "it did not tell"


def _shown(facts: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value or 'empty'}" for name, value in sorted(facts.items()))


JUDGES: dict[type, JudgeFunction] = {
    EngineVersion: judge_version,
    Replicated: judge_replicated,
    BrokerTopology: judge_topology,
}
