"""Decides whether something may be broken now. Pure, and fails closed: what is not known refuses.

Each refusal says the subject, what was got, what was expected, and which cap or rule expects it.

A small cluster has no shares: a third of two nodes is none. So a share that is not 0 allows one pod
of a namespace and one node of a zone in any case, and one node of a cluster that has another one; a
rehearsal of one loss would otherwise be possible only where it matters least. What is already away
counts as taken: a share is of all that there should be, and not used up twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction

from harness.model.blow import Blow, QuorumGroup
from harness.model.cluster import DisruptionBudget, Identity, Node, Pod, State
from harness.model.game_day import Caps
from harness.model.quantity import show_duration
from harness.model.window import Window

_FINISHED = frozenset({"Succeeded", "Failed"})
_NEVER_EVICTED = ("DaemonSet/", "Node/")
"""Owners whose pods a drain leaves where they are; `Node/`: the node's own (kubectl drain)."""


def refusals(state: State, caps: Caps, blow: Blow) -> tuple[str, ...]:
    """Why the mutation may not be made now; empty where it may.

    `state` was read just before, `blow` is all that the mutation would take. Each rule is looked
    at, so that all reasons are told at once.
    """
    return tuple(
        reason
        for rule in (
            _what_is_not_known,
            _nodes_that_are_away,
            _share_of_namespaces,
            _share_of_nodes,
            _share_of_zones,
            _disruption_budgets,
            _quorums,
        )
        for reason in rule(state, caps, blow)
    )


def conduct_refusals(  # noqa: PLR0913 - what a drill may begin by
    *,
    environment: str,
    expected: Mapping[str, str],
    found: Identity,
    production: bool,
    named: str | None,
    windows: Sequence[Window],
    now: datetime,
    lasting: timedelta,
    holder: str | None,
) -> tuple[str, ...]:
    """Why no drill may begin in the environment now; empty where one may.

    `expected` is the allow-list: context -> uid of its cluster. `named` is what `--production` was
    given. `lasting` is the longest that the drill may take: it ends within the window that it
    begins in. `holder` holds the lease of another drill; None: nobody does.
    """
    return (
        *_cluster(environment, expected, found),
        *_production(environment, named, windows, production=production),
        *_window(environment, windows, now, lasting),
        *_other_drill(holder),
    )


def _cluster(environment: str, expected: Mapping[str, str], found: Identity) -> Iterator[str]:
    if found.context not in expected:
        known = ", ".join(sorted(expected)) or "none"
        yield (
            f"context {found.context!r} is not on the allow-list of {environment}, "
            f"expected one of: {known}"
        )
    elif not found.uid or expected[found.context] != found.uid:
        yield (
            f"context {found.context!r} leads to cluster {found.uid or 'unknown'} "
            f"({found.server}), expected {expected[found.context] or 'one with a uid'}: "
            "the same name may lead elsewhere today"
        )


def _production(
    environment: str, named: str | None, windows: Sequence[Window], *, production: bool
) -> Iterator[str]:
    if not production:
        return
    if named != environment:
        given = f"--production {named}" if named else "no --production"
        yield f"{environment} is production: got {given}, expected --production {environment}"
    if not windows:
        yield f"{environment} is production and has no maintenance window, expected one or more"


def _window(
    environment: str, windows: Sequence[Window], now: datetime, lasting: timedelta
) -> Iterator[str]:
    if windows and not any(window.holds(now, lasting) for window in windows):
        yield (
            f"{environment}: {now:%A %H:%M:%S %Z} and the {show_duration(lasting)} that the drill "
            "may take are not within one maintenance window, expected "
            + " or ".join(str(window) for window in windows)
        )


def _other_drill(holder: str | None) -> Iterator[str]:
    if holder is not None:
        yield f"a drill is already running: the lease is held by {holder or '?'}, expected nobody"


def _what_is_not_known(state: State, _caps: Caps, blow: Blow) -> Iterator[str]:
    if not (blow.pods or blow.nodes or blow.control_plane):
        yield f"{blow.action}: selects nothing, expected one target or more"
    if not state.nodes:
        yield f"{blow.action}: no node of the cluster could be read, expected its state"
        return
    pods = {_name(pod) for pod in state.pods}
    for pod in sorted(blow.pods - pods):
        yield f"{blow.action}: pod {pod} is not in the cluster's state, expected it there"
    nodes = {node.name for node in state.nodes}
    for node in sorted(blow.nodes - nodes):
        yield f"{blow.action}: node {node} is not in the cluster's state, expected it there"
    if blow.zone is not None:
        yield from _zone_as_it_is(state, blow)


def _zone_as_it_is(state: State, blow: Blow) -> Iterator[str]:
    of_zone = {node.name for node in state.nodes if node.zone == blow.zone}
    if not blow.zone:
        yield f"{blow.action}: the zone has no name, expected topology.kubernetes.io/zone"
    for node in sorted(blow.nodes - of_zone):
        yield f"{blow.action}: node {node} is not in zone {blow.zone}, expected only its nodes"
    for node in sorted(of_zone - blow.nodes - blow.control_plane):
        yield f"{blow.action}: node {node} of zone {blow.zone} is left out, expected all of it"


def _nodes_that_are_away(state: State, _caps: Caps, blow: Blow) -> Iterator[str]:
    for node in state.nodes:
        if node.name not in blow.nodes:
            continue
        if not node.ready:
            yield f"{blow.action}: node {node.name} is not ready already, expected a ready one"
        if blow.voluntary and node.unschedulable:
            yield (
                f"{blow.action}: node {node.name} is cordoned already, expected a schedulable one: "
                "putting it back would end what somebody else began"
            )


def _share_of_namespaces(state: State, caps: Caps, blow: Blow) -> Iterator[str]:
    chosen: defaultdict[str, set[str]] = defaultdict(set)
    for pod in blow.pods:
        chosen[pod.partition("/")[0]].add(pod)
    for namespace, pods in sorted(chosen.items()):
        there = [pod for pod in state.pods if pod.namespace == namespace and _runs(pod)]
        away = {_name(pod) for pod in there if not pod.ready or pod.terminating}
        allowed = _allowed(caps.pods_of_namespace, len(there), at_least=1)
        yield from _beyond(
            blow.action,
            f"pods of namespace {namespace}",
            taken=pods,
            away=away,
            total=len(there),
            allowed=allowed,
            cap="pods_of_namespace",
            share=caps.pods_of_namespace,
        )


def _share_of_nodes(state: State, caps: Caps, blow: Blow) -> Iterator[str]:
    workers = {node.name: node for node in state.nodes if not node.control_plane}
    taken = blow.nodes & workers.keys()
    if not taken:
        return
    yield from _beyond(
        blow.action,
        "workers",
        taken=taken,
        away=_away(workers),
        total=len(workers),
        # The only node is the whole cluster: that takes a share that says so.
        allowed=_allowed(caps.nodes, len(workers), at_least=1 if len(workers) > 1 else 0),
        cap="nodes",
        share=caps.nodes,
    )


def _share_of_zones(state: State, caps: Caps, blow: Blow) -> Iterator[str]:
    zones: defaultdict[str, dict[str, Node]] = defaultdict(dict)
    for node in state.nodes:
        if not node.control_plane:
            zones[node.zone][node.name] = node
    for zone, nodes in sorted(zones.items()):
        taken = blow.nodes & nodes.keys()
        if not zone or not taken:
            continue
        yield from _beyond(
            blow.action,
            f"workers of zone {zone}",
            taken=taken,
            away=_away(nodes),
            total=len(nodes),
            allowed=_allowed(caps.nodes_of_zone, len(nodes), at_least=1),
            cap="nodes_of_zone",
            share=caps.nodes_of_zone,
        )


def _disruption_budgets(state: State, caps: Caps, blow: Blow) -> Iterator[str]:
    if not (caps.keep_disruption_budget and blow.voluntary):
        return
    asked: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    drained: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    budgets = {(budget.namespace, budget.name): budget for budget in state.budgets}
    for pod in state.pods:
        by_hand, by_node = _name(pod) in blow.pods, _is_drained(pod, blow)
        if not (by_hand or by_node):
            continue
        over = [key for key, budget in budgets.items() if _covers(budget, pod)]
        if len(over) > 1:
            # The Eviction API answers 500 then (Kubernetes documentation, "Disruptions").
            yield (
                f"{blow.action}: pod {_name(pod)} has {len(over)} PodDisruptionBudgets "
                f"({', '.join(sorted(name for _, name in over))}), expected one: "
                "the API evicts no such pod"
            )
        for key in over:
            (asked if by_hand else drained)[key].add(_name(pod))
    for key in sorted(asked.keys() | drained.keys()):
        # A drain asks again until there is room: one at a time. What is chosen goes at once.
        needed = max(len(asked[key]), 1)
        if budgets[key].disruptions_allowed < needed:
            yield (
                f"{blow.action}: PodDisruptionBudget {'/'.join(key)} allows "
                f"{budgets[key].disruptions_allowed} disruptions of "
                f"{', '.join(sorted(asked[key] | drained[key]))}, expected {needed} or more "
                "(cap keep_disruption_budget)"
            )


def _quorums(state: State, caps: Caps, blow: Blow) -> Iterator[str]:
    if not caps.keep_quorum:
        return
    pods = {_name(pod): pod for pod in state.pods}
    gone = blow.pods | blow.nodes | blow.control_plane
    gone |= {name for name, pod in pods.items() if pod.node in blow.nodes}
    known = {place for group in blow.quorums for place in group.members.values()}
    members = {node.name for node in state.nodes if node.control_plane}
    for machine in sorted((blow.control_plane | (blow.nodes & members)) - known):
        yield (
            f"{blow.action}: of which quorum {machine} of the control plane is a member is not "
            "known, expected etcd's members (cap keep_quorum)"
        )
    for group in blow.quorums:
        yield from _quorum(group, gone, blow)


def _quorum(group: QuorumGroup, gone: frozenset[str], blow: Blow) -> Iterator[str]:
    up = group.up & group.members.keys()
    if not 0 < group.quorum <= len(group.members):
        yield (
            f"{blow.action}: {group.name} has {len(group.members)} known members and a quorum of "
            f"{group.quorum}, expected as many members as the quorum needs (cap keep_quorum)"
        )
    elif len(up) < group.quorum:
        yield (
            f"{blow.action}: {group.name} has {len(up)} of {len(group.members)} members up, "
            f"expected {group.quorum} or more: its quorum is lost already (cap keep_quorum)"
        )
    else:
        left = {member for member in up if group.members[member] not in gone}
        if len(left) < group.quorum and left != up and group.name not in blow.gives_up:
            yield (
                f"{blow.action}: leaves {group.name} {len(left)} of {len(group.members)} members, "
                f"expected {group.quorum} or more: its quorum would be lost (cap keep_quorum)"
            )


def _allowed(share: float, total: int, *, at_least: int) -> int:
    """How many of `total` a share allows. Exact: 0.34 means 34/100, not the float beside it."""
    if share <= 0:
        return 0
    return max(int(Fraction(str(share)) * total), min(at_least, total))


def _beyond(  # noqa: PLR0913 - the parts of one sentence
    action: str,
    what: str,
    *,
    taken: frozenset[str] | set[str],
    away: set[str],
    total: int,
    allowed: int,
    cap: str,
    share: float,
) -> Iterator[str]:
    if len(taken | away) <= allowed:
        return
    gone = sorted(away - taken)
    already = f" beside {len(gone)} already away ({', '.join(gone)})" if gone else ""
    yield (
        f"{action}: takes {len(taken)} of {total} {what} ({', '.join(sorted(taken))}){already}, "
        f"expected {allowed} at most (cap {cap} = {share:g})"
    )


def _away(nodes: Mapping[str, Node]) -> set[str]:
    return {name for name, node in nodes.items() if not node.ready}


def _covers(budget: DisruptionBudget, pod: Pod) -> bool:
    # An empty selector matches all pods of its namespace (policy/v1).
    return budget.namespace == pod.namespace and all(
        pod.labels.get(label) == value for label, value in budget.match_labels.items()
    )


def _is_drained(pod: Pod, blow: Blow) -> bool:
    return pod.node in blow.nodes and _runs(pod) and not pod.owner.startswith(_NEVER_EVICTED)


def _runs(pod: Pod) -> bool:
    return pod.phase not in _FINISHED


def _name(pod: Pod) -> str:
    return f"{pod.namespace}/{pod.name}"
