"""Says in words, with numbers, what a game day will take and how it is put back. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from harness.drill.prediction.hits import Hit, hits
from harness.drill.prediction.recovery import UnpredictableError
from harness.drill.strike import OF_NODES, How, Strike
from harness.model.cluster import Pod, State
from harness.model.cluster_settings import ClusterSettings
from harness.model.game_day import Caps
from harness.model.workload import Workload

_DOES = {
    How.NODE_POWER: "power cut",
    How.NODE_NETWORK: "partition",
    How.EVICT: "drain",
    How.POD_NETWORK: "network taken away",
    How.PROCESS: "process killed",
    How.CONTAINER: "container killed",
    How.DELETE: "deleted",
    How.DELETE_AT_ONCE: "deleted without a grace period",
}
_PUT_BACK = {
    How.NODE_POWER: "switched on again after",
    How.NODE_NETWORK: "connected again after",
    How.EVICT: "uncordoned after",
    How.POD_NETWORK: "connected again after",
    How.PROCESS: "started again by the platform",
    How.CONTAINER: "started again by the platform",
    How.DELETE: "made again by the platform",
    How.DELETE_AT_ONCE: "made again by the platform",
    How.BLACK_HOLE: "given back after",
    How.ROLLOUT: "rolled back after",
    How.CONTROL_PLANE: "switched on again after",
    How.SERVICE: "started again after",
}
_FINISHED = frozenset({"Succeeded", "Failed"})


def line_of(strike: Strike, workloads: Sequence[Workload], settings: ClusterSettings | None) -> str:
    """One strike: what is taken, how much that is now, and how it is put back."""
    taken = f"{_what(strike, settings)}{_how_much(strike, workloads, settings)}"
    quorum = f"; takes the quorum of {strike.gives_up} away, on purpose" if strike.gives_up else ""
    return f"{taken}; {_PUT_BACK[strike.how]}{quorum}"


def bounds_of(caps: Caps) -> Iterator[str]:
    """What holds whatever the experiments choose."""
    budget = "kept" if caps.keep_disruption_budget else "NOT kept"
    quorum = "kept" if caps.keep_quorum else "NOT kept"
    yield (
        f"at most {caps.nodes:.0%} of the workers, {caps.nodes_of_zone:.0%} of a zone's, and "
        f"{caps.pods_of_namespace:.0%} of a namespace's pods at once; disruption budgets {budget}, "
        f"quorums {quorum}"
    )
    yield (
        "writes ledger rows and keys of its own to the databases, and takes them out again; "
        "helper pods, a lease and a record of what is broken in the namespace harness-drill"
    )


def _what(strike: Strike, settings: ClusterSettings | None) -> str:
    beside = {
        How.CONTROL_PLANE: "power cut of one machine of the control plane "
        f"({'leader of etcd' if strike.leader else 'drawn'})",
        How.SERVICE: f"{strike.target or 'a service'} beside the cluster stopped",
        How.BLACK_HOLE: f"{strike.workload}: the way to {strike.target or '?'} taken away",
        How.ROLLOUT: f"{strike.workload}: another version rolled out",
    }
    if strike.how in beside:
        return beside[strike.how]
    if strike.whole_zone:
        return f"power cut of {f'zone {strike.zone}' if strike.zone else 'one zone, drawn'}"
    does = _DOES[strike.how]
    if strike.how in OF_NODES and not strike.workload:
        named = ", ".join(strike.nodes)
        return f"{does} of {named or f'{_number(strike)} of the workers, drawn'}"
    if strike.how in OF_NODES:
        return f"{does} of the node of {_chosen(strike)}{_where_now(strike, settings)}"
    return f"{_chosen(strike)}: {does}{_where_now(strike, settings)}"


def _chosen(strike: Strike) -> str:
    if strike.pods:
        return f"{', '.join(strike.pods)} of {strike.workload}"
    if strike.role == "primary":
        return f"the primary of {strike.workload}"
    several = "" if strike.count == 1 else "s"
    return f"{_number(strike)} {strike.role or 'pod'}{several} of {strike.workload}, drawn"


def _number(strike: Strike) -> str:
    return str(strike.count) if strike.count else "all"


def _where_now(strike: Strike, settings: ClusterSettings | None) -> str:
    """Where there is no choice: which pod or node that is now."""
    if settings is None:
        return ""
    found = [
        one
        for one in settings.of(strike.workload).members
        if strike.role in {"", one.role} and (not strike.pods or one.pod in strike.pods)
    ]
    if len(found) != 1:
        return ""
    return f" ({found[0].node if strike.how in OF_NODES else found[0].pod} now)"


def _how_much(
    strike: Strike, workloads: Sequence[Workload], settings: ClusterSettings | None
) -> str:
    if settings is None or settings.state is None or strike.how in {How.CONTROL_PLANE, How.SERVICE}:
        return ""
    try:
        choices = hits(strike, workloads, settings)
    except UnpredictableError as error:
        return f" ({error})"
    if strike.how in OF_NODES:
        return f": {_nodes(choices, settings.state)}"
    taken = {sum(map(len, hit.members.values())) for hit in choices}
    members = len(settings.of(strike.workload).members)
    return f": {_range(taken)} of its {members} pods"


def _nodes(choices: Sequence[Hit], state: State) -> str:
    pods, namespaces = set(), set()
    for hit in choices:
        on = [pod for pod in state.pods if pod.node in hit.nodes and _runs(pod)]
        pods.add(len(on))
        namespaces.add(len({pod.namespace for pod in on}))
    nodes = {len(hit.nodes) for hit in choices}
    machines = {len(hit.machines) for hit in choices if hit.machines}
    control_plane = f" and {_range(machines)} of the control plane" if machines else ""
    return (
        f"{_range(nodes)} {_plural('node', nodes)}{control_plane}, "
        f"{_range(pods)} {_plural('pod', pods)} of {_range(namespaces)} "
        f"{_plural('namespace', namespaces)}"
    )


def _runs(pod: Pod) -> bool:
    return pod.phase not in _FINISHED


def _range(numbers: Iterable[int]) -> str:
    low, high = min(numbers, default=0), max(numbers, default=0)
    return f"{low}" if low == high else f"{low} to {high}"


def _plural(word: str, numbers: Iterable[int]) -> str:
    return word if max(numbers, default=0) == 1 else f"{word}s"
