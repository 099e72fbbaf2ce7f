"""Takes a pod's network away, or its way to one dependency, by black-hole routes within it.

The node's end of the pod's link stays reachable, so that the kubelet's probes, which come from
there, still reach the pod, and only its network is away (harness.faults.routes.everywhere). Where a
network plugin gives the pod no such address (Calico: 169.254.1.1 and nothing else), the probes are
cut off, too, and the kubelet restarts the container when its liveness probe fails.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.chaos import node_clock
from harness.chaos.actions.pods import HELPER_WITHIN_S
from harness.chaos.activity import action
from harness.chaos.injector import Fault, Injector, Witnessed, current
from harness.chaos.targets import Targets, whole_number
from harness.drivers.kubernetes import Cluster
from harness.errors import RefusedError, SurroundingsError
from harness.faults import routes
from harness.model.blow import Blow
from harness.model.cluster import Pod
from harness.model.fault import RemoveRoutes
from harness.model.instant import Bracket
from harness.model.workload import PostgresqlWorkload, Workload


@action
def partition_pod(
    workload: str, target: str = "any", count: int | str = 1, gives_up: str = ""
) -> list[str]:
    """Takes the network of pods away, also to pods of the same node; their processes go on.

    Witness: the routes in their network.
    """
    injector = current()
    targets = Targets(injector.config, injector.cluster)
    pods = targets.pods(targets.workload(workload), target, whole_number("count", count))
    faults = [_fault(injector, pod, _everywhere(injector, pod), "partition") for pod in pods]
    return list(injector.inject(_blow("partition", pods, gives_up), faults))


@action
def black_hole_dependency(workload: str, dependency: str) -> list[str]:
    """Takes the way to one dependency away from all pods that a workload has now.

    To the addresses of the dependency's Services and of its pods, as they are now: pods that begin
    later, of either, are not cut off. Witness: the routes in each pod's network.
    """
    injector = current()
    targets = Targets(injector.config, injector.cluster)
    pods = targets.all_pods(targets.workload(workload))
    destinations = _addresses(injector.cluster, targets.workload(dependency))
    faults = [_fault(injector, pod, destinations, f"black hole to {dependency}") for pod in pods]
    return list(injector.inject(_blow(f"black hole to {dependency}", pods, ""), faults))


def _everywhere(injector: Injector, pod: Pod) -> tuple[str, ...]:
    said = injector.cluster.run_helper_pod(
        pod.node,
        injector.config.cluster.helper_image,
        routes.show(pod.uid),
        HELPER_WITHIN_S,
        run=injector.config.run,
    )
    return routes.everywhere(said)


def _fault(injector: Injector, pod: Pod, destinations: Sequence[str], what: str) -> Fault:
    name = f"{pod.namespace}/{pod.name}"
    return Fault(
        subject=f"pod:{name}",
        action=f"{what} of pod {name}",
        inverses=(
            RemoveRoutes(
                namespace=pod.namespace,
                pod=pod.name,
                pod_uid=pod.uid,
                node=pod.node,
                destinations=tuple(destinations),
            ),
        ),
        strike=lambda: _strike(injector, pod, destinations),
    )


def _strike(injector: Injector, pod: Pod, destinations: Sequence[str]) -> Witnessed:
    before_ns = injector.clock.monotonic_ns()
    said = injector.cluster.run_helper_pod(
        pod.node,
        injector.config.cluster.helper_image,
        node_clock.timed(routes.add(pod.uid, destinations)),
        HELPER_WITHIN_S,
        run=injector.config.run,
    )
    missing = [one for one in destinations if not _is_black_hole(one, said)]
    if missing:
        raise SurroundingsError(
            f"pod {pod.namespace}/{pod.name}: no black hole for {', '.join(missing)} among its "
            f"routes, expected one: {' / '.join(said.split(chr(10)))}"
        )
    seen_ns = injector.clock.monotonic_ns()
    witness = f"{len(destinations)} black-hole routes in pod {pod.namespace}/{pod.name}"
    outer = Bracket(earliest_ns=before_ns, latest_ns=seen_ns)
    return node_clock.bracket(said, outer), witness


def _is_black_hole(destination: str, said: str) -> bool:
    # `ip route show` leaves /32 out, and iproute2 ends the line by a space.
    shown = destination.removesuffix("/32")
    return any(line.split()[:2] == ["blackhole", shown] for line in said.splitlines())


def _addresses(cluster: Cluster, dependency: Workload) -> tuple[str, ...]:
    """/32 of each Service and pod of a workload."""
    services = [dependency.service]
    if isinstance(dependency, PostgresqlWorkload) and dependency.read_service:
        services.append(dependency.read_service)
    found: list[str] = []
    for name in services:
        service = cluster.get_object("v1", "Service", dependency.namespace, name)
        if service is None:
            raise RefusedError(f"service {dependency.namespace}/{name}: not there, expected it")
        spec = service.get("spec", {})
        found += spec.get("clusterIPs") or [spec.get("clusterIP") or "None"]
    found += [one.address for one in cluster.pods(dependency.namespace, dependency.pods)]
    addresses = sorted({one for one in found if one and one != "None" and ":" not in one})
    if not addresses:
        raise RefusedError(f"workload {dependency.id}: has no IPv4 address, expected one or more")
    return tuple(f"{one}/32" for one in addresses)


def _blow(what: str, pods: Sequence[Pod], gives_up: str) -> Blow:
    names = [f"{pod.namespace}/{pod.name}" for pod in pods]
    return Blow(
        action=f"{what} of {', '.join(names)}",
        pods=frozenset(names),
        gives_up=frozenset(filter(None, [gives_up])),
    )
