"""Settings need other settings: where what one needs is documented otherwise, it has no effect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.feasibility.finding import Finding, Harm, Word, once
from harness.feasibility.ground import Ground
from harness.feasibility.pods import amounts
from harness.model.configuration import (
    BrokerTopology,
    ContainerResources,
    Rollout,
    ServiceObject,
    Synced,
    SyncPolicy,
    VerticalAutoscaler,
)
from harness.model.quantity import show_duration
from harness.model.target import (
    AutoscalerRange,
    AutoscalerUtilization,
    BackupFrequency,
    Kind,
    QualityOfService,
    Quota,
    RecoveryPoint,
    Replicas,
    Retention,
    TrafficSwitch,
)

RULE = "settings-need-settings"
LAW = "A setting whose prerequisite is documented otherwise has no effect."
NEEDS = (
    "sync policies, classes of pods with resources or quotas, a message broker, two autoscalers, a "
    "rollout with a switch, or disruption budgets"
)

_ARGO = 'Argo CD documentation, "Automated Sync Policy"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Prerequisite:
    """A setting, what it needs, and whether that is documented."""

    about: str
    setting: str
    needs: str
    documented: str
    """What the document says of what is needed."""

    met: bool
    targets: tuple[str, ...]
    harm: Harm
    why: str
    resolve: str
    unmet: Word = Word.CONTRADICTION
    assumes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


def require(prerequisite: Prerequisite) -> Finding:
    """Whether a setting can have its effect."""
    met = prerequisite.met
    return Finding(
        rule=RULE,
        about=prerequisite.about,
        word=Word.HOLDS if met else prerequisite.unmet,
        says=f"{prerequisite.setting} needs {prerequisite.needs}; "
        f"documented: {prerequisite.documented}",
        sum=f"needed: {prerequisite.needs}; documented: {prerequisite.documented}",
        targets=prerequisite.targets,
        harm=prerequisite.harm,
        why=prerequisite.why,
        resolve="" if met else prerequisite.resolve,
        assumes=() if met else prerequisite.assumes,
        sources=prerequisite.sources,
    )


def look(ground: Ground) -> Iterator[Finding]:
    """Each documented setting whose prerequisite the document speaks of."""
    for prerequisite in (
        *_self_heal(ground),
        *_synced(ground),
        *_replicas_in_git(ground),
        *_guaranteed(ground),
        *_best_effort(ground),
        *_kept_messages(ground),
        *_two_autoscalers(ground),
        *_switch(ground),
        *_disruption_budgets(ground),
    ):
        yield require(prerequisite)


def _self_heal(ground: Ground) -> Iterator[Prerequisite]:
    for one in ground.said(SyncPolicy):
        wanted = [
            name
            for name, given in (
                ("self-heal", one.objective.self_heal),
                ("prune", one.objective.prune),
            )
            if given
        ]
        if not wanted:
            continue
        yield Prerequisite(
            about=f"{one.id}, automated",
            setting=f"{' and '.join(wanted)} of {one.objective.namespaces}",
            needs="automated sync",
            documented=f"automated {str(one.objective.automated).lower()}",
            met=one.objective.automated,
            targets=(one.id,),
            harm=Harm.OUTAGE,
            why="selfHeal and prune are parts of syncPolicy.automated: where that is off they are "
            "not read, and what was changed by hand stays changed until somebody syncs.",
            resolve="Automated sync, with the approval where the change enters Git; or no promise "
            "of self-healing there.",
            sources=(_ARGO,),
        )


def _synced(ground: Ground) -> Iterator[Prerequisite]:
    for synced in ground.said(Synced):
        for one in ground.said(SyncPolicy):
            automated, prune = one.objective.automated, one.objective.prune
            yield Prerequisite(
                about=f"{synced.id}, {one.id}",
                setting=f"that {one.objective.namespaces} is always what Git says",
                needs="automated sync with prune",
                documented=f"automated {str(automated).lower()}, prune {str(prune).lower()}",
                met=automated and prune,
                targets=once(synced.id, one.id),
                harm=Harm.OUTAGE,
                unmet=Word.TIGHT if automated else Word.CONTRADICTION,
                why="Without automated sync each change of Git or of the cluster is a difference "
                "until somebody approves it; without prune what Git no longer has stays.",
                resolve="Promise it where sync is automated, and elsewhere a time within which a "
                "difference is approved or taken back.",
                sources=(_ARGO,),
            )


def _replicas_in_git(ground: Ground) -> Iterator[Prerequisite]:
    policies = [
        one
        for one in ground.said(SyncPolicy)
        if one.objective.automated and one.objective.self_heal
    ]
    replicas = ground.said(Replicas)
    for range_ in ground.said(AutoscalerRange):
        if not policies or not replicas:
            return
        yield Prerequisite(
            about=f"{range_.id}, self-heal",
            setting="an autoscaler of what Argo CD heals",
            needs="no replicas in Git, or ignoreDifferences of them",
            documented="replicas for each environment, and self-heal",
            met=False,
            targets=once(range_.id, *(one.id for one in replicas), *(one.id for one in policies)),
            harm=Harm.CAPACITY,
            unmet=Word.TIGHT,
            why="Where Git says how many replicas there are, self-healing sets them back each time "
            "that the autoscaler changes them.",
            resolve="Leave replicas out of the manifests of what is autoscaled, and say so.",
            assumes=("the documented replicas are in the manifests",),
            sources=('Argo CD documentation, "Best Practices", leaving room for imperativeness',),
        )


def _guaranteed(ground: Ground) -> Iterator[Prerequisite]:
    resources = ground.said(ContainerResources)
    if not resources:
        return
    equal = [
        one.id
        for one in resources
        if amounts(one.objective.requests) == amounts(one.objective.limits)
    ]
    for one in ground.said(QualityOfService):
        if one.objective.qos != "Guaranteed":
            continue
        yield Prerequisite(
            about=f"{one.id}, resources",
            setting=f"class Guaranteed of {one.objective.services}",
            needs="requests equal to limits, of each container",
            documented="; ".join(
                f"{said.objective.requests.cpu} and {said.objective.requests.memory} of "
                f"{said.objective.limits.cpu} and {said.objective.limits.memory} "
                f"({said.objective.namespaces})"
                for said in resources
            ),
            met=len(equal) == len(resources),
            unmet=Word.TIGHT if equal else Word.CONTRADICTION,
            targets=once(one.id, *(said.id for said in resources)),
            harm=Harm.OUTAGE,
            why="The class is no setting: Kubernetes gives it to pods whose requests of CPU and "
            "memory equal their limits. All others are Burstable, and are evicted sooner where a "
            "node has no memory left.",
            resolve="Document requests that equal the limits for the critical services, by name; "
            "the quotas must have room for them.",
            assumes=("the documented resources are those of these services, too",),
            sources=('Kubernetes documentation, "Pod Quality of Service Classes"',),
        )


def _best_effort(ground: Ground) -> Iterator[Prerequisite]:
    quotas = [one for one in ground.said(Quota) if one.objective.namespace is not None]
    if not quotas:
        return
    for one in ground.said(QualityOfService):
        if one.objective.qos != "BestEffort":
            continue
        yield Prerequisite(
            about=f"{one.id}, quotas",
            setting=f"class BestEffort of {one.objective.services}",
            needs="a namespace without a quota of CPU or memory",
            documented="such quotas of "
            + ", ".join(str(quota.objective.namespace) for quota in quotas),
            met=False,
            targets=once(one.id, *(quota.id for quota in quotas)),
            harm=Harm.CAPACITY,
            why="A BestEffort pod asks for nothing. Where a quota counts CPU or memory the API "
            "refuses each pod that does not say how much; a LimitRange that says it for the pod "
            "makes it Burstable.",
            resolve="A namespace of their own, or a quota with the scope NotBestEffort.",
            assumes=("they run in these namespaces, and the quotas have no scope",),
            sources=('Kubernetes documentation, "Resource Quotas"',),
        )


def _kept_messages(ground: Ground) -> Iterator[Prerequisite]:
    """What publishes and subscribes keeps no message: the kind of target says so."""
    kept: list[tuple[str, str]] = []
    for one in ground.said(BrokerTopology):
        if one.covers(Kind.BROKER):
            if one.objective.persistence:
                kept.append((one.id, f"persistence {' + '.join(one.objective.persistence)}"))
            if one.objective.partitions:
                kept.append((one.id, f"{one.objective.partitions} partitions"))
    kept += [
        (target.id, "backups")
        for target in ground.targets
        if Kind.BROKER in target.covers
        and isinstance(target.objective, BackupFrequency | Retention)
    ]
    kept += [
        (point.id, f"a recovery point of {show_duration(point.objective.at_most)}")
        for point in ground.said(RecoveryPoint)
        if point.covers(Kind.BROKER)
    ]
    if not kept:
        return
    yield Prerequisite(
        about=f"{kept[0][0]}, publish and subscribe",
        setting=" and ".join(name for _, name in kept),
        needs="a broker that keeps messages",
        documented="publish and subscribe",
        met=False,
        targets=once(*(target for target, _ in kept)),
        harm=Harm.DATA,
        why="Redis Pub/Sub gives a message to who listens at that moment and forgets it: nothing "
        "of it is in an append-only file, a snapshot or a backup, and it has no partitions.",
        resolve="Name what is really used: Redis Streams, as the component pubsub.redis of Dapr "
        "does, keep messages, and need a recovery point; else take the promises back.",
        assumes=("the broker is Pub/Sub, as documented, and not Streams",),
        sources=(
            'Redis documentation, "Redis Pub/Sub", delivery semantics: at most once',
            'Dapr documentation, "Redis Streams" (pubsub.redis)',
        ),
    )


def _two_autoscalers(ground: Ground) -> Iterator[Prerequisite]:
    utilizations = ground.said(AutoscalerUtilization)
    for vertical in ground.said(VerticalAutoscaler):
        if not utilizations:
            return
        mode = vertical.objective.mode
        resources = " and ".join(str(one.objective.resource) for one in utilizations)
        yield Prerequisite(
            about=f"{vertical.id}, horizontal",
            setting=f"a vertical autoscaler of CPU and memory in mode {mode}",
            needs="no horizontal autoscaler by the same resources",
            documented=f"one by utilization of {resources}",
            met=mode == "Off",
            unmet=Word.TIGHT if mode == "Initial" else Word.CONTRADICTION,
            targets=once(vertical.id, *(one.id for one in utilizations)),
            harm=Harm.CAPACITY,
            why="Utilization is a share of the request. Under load one autoscaler adds pods while "
            "the other makes requests larger, by which the utilization falls and the first one "
            "takes pods away; and it evicts pods to do so.",
            resolve="The vertical one in mode Off, as advice; or the horizontal one by a metric "
            "of its own, such as requests per second.",
            sources=("Kubernetes autoscaler, vertical-pod-autoscaler: known-limitations.md",),
        )


def _switch(ground: Ground) -> Iterator[Prerequisite]:
    """A rolling update has no moment at which all traffic changes over."""
    for switch in ground.said(TrafficSwitch):
        for rollout in ground.said(Rollout):
            yield Prerequisite(
                about=f"{switch.id}, {rollout.id}",
                setting=f"a switch of all traffic within {show_duration(switch.objective.at_most)}",
                needs="two sets of pods, and one selector or route that is changed",
                documented=f"a rolling update, {rollout.objective.max_surge} % surge, "
                f"{rollout.objective.max_unavailable} % unavailable",
                met=False,
                targets=once(switch.id, rollout.id),
                harm=Harm.ROLLOUT,
                why="A Service selects the pods of both versions. Each new one is sent requests as "
                "soon as it is ready by itself, and each old one until it is told to end: both "
                "versions answer until the last old one is gone.",
                resolve="Two Deployments and a Service whose selector is changed, or what does "
                "that (Argo Rollouts, blueGreen); else promise that both versions may answer at "
                "once, and for how long.",
                sources=('Kubernetes documentation, "Deployments", Rolling Update Deployment',),
            )


def _disruption_budgets(ground: Ground) -> Iterator[Prerequisite]:
    for one in ground.said(ServiceObject):
        if one.objective.object != "PodDisruptionBudget":
            continue
        for range_ in ground.said(AutoscalerRange):
            yield Prerequisite(
                about=f"{one.id}, {range_.id}",
                setting="a disruption budget that keeps a service up while nodes are drained",
                needs="two replicas or more",
                documented=f"an autoscaler's minimum of {range_.objective.minimum}",
                met=range_.objective.minimum > 1,
                unmet=Word.TIGHT,
                targets=once(one.id, range_.id),
                harm=Harm.OUTAGE,
                why="With one replica a budget either allows its eviction, and the service is "
                "away, or does not, and no node can be drained.",
                resolve="A minimum of two replicas.",
                sources=('Kubernetes documentation, "Specifying a Disruption Budget"',),
            )
