"""Drains a node: cordoned, and its pods evicted as PodDisruptionBudgets allow (kubectl drain)."""

from __future__ import annotations

from harness.chaos.activity import action
from harness.chaos.injector import Injector, current
from harness.chaos.targets import Targets, whole_number
from harness.drivers.clock import wait_until
from harness.drivers.kubernetes import Evicted
from harness.drivers.kubernetes_objects import Object
from harness.drivers.kubernetes_objects import pod as read_pod
from harness.errors import DeadlineExceededError, RefusedError, SurroundingsError
from harness.model.blow import Blow
from harness.model.cluster import Pod
from harness.model.fault import Uncordon
from harness.model.instant import Bracket

_STAYS = ("DaemonSet/", "Node/")
"""Owners of pods that a drain leaves: a DaemonSet's would come back at once, a node's own (mirror
pods) are no objects of the API (Kubernetes documentation, "Safely Drain a Node")."""

_EVERY_S = 1.0


@action
def drain_node(
    target: str = "any", workload: str = "", within_s: int | str = 180
) -> dict[str, list[str]]:
    """Cordons one node and evicts its pods by the Eviction API; it stays cordoned until the
    rollback.

    `target` and `workload` as for `kill_node`. Where a budget has no room (429) it is asked again
    until `within_s` is over; pods that stay then are recorded as a step that failed, and what was
    evicted is watched all the same. DaemonSets' pods stay. Witness: the first pod gone or
    terminating. What was evicted, and whose emptyDir went with it, is in the journal.
    """
    injector = current()
    (node,) = Targets(injector.config, injector.cluster).nodes(workload, target, 1)
    limit_s = whole_number("within_s", within_s)
    what = f"drain of {node.name}"
    injector.guard(Blow(action=what, nodes=frozenset({node.name}), voluntary=True))
    leaving = _leaving(injector, node.name)
    _refuse(what, [read_pod(one) for one in leaving])
    injector.declare(what, Uncordon(node=node.name))
    drain = _Drain(injector, node.name)
    try:
        injector.cluster.set_unschedulable(node.name, True)
        wait_until(drain.finished, within_s=limit_s, what=what, every_s=_EVERY_S)
    except DeadlineExceededError as error:
        unfinished = f"{error}: {drain.left}"
        if not drain.recorded:
            raise DeadlineExceededError(unfinished) from error
        injector.note_failure(f"node:{node.name}", "drain", unfinished)
    finally:
        if not drain.recorded:
            injector.record(f"node:{node.name}", None)
    return {
        "evicted": sorted(drain.accepted.values()),
        "lost their emptyDir": sorted(_name(read_pod(one)) for one in leaving if _has_dir(one)),
    }


class _Drain:
    """Asks for evictions, round by round, until nothing is left; records the first that is seen."""

    def __init__(self, injector: Injector, node: str) -> None:
        self._injector = injector
        self._node = node
        self._before_ns = 0
        self.accepted: dict[str, str] = {}
        """Uid -> name of those whose eviction the API took."""

        self.recorded = False
        self.left = "no eviction was asked for"

    def finished(self) -> bool:
        """One round; whether all have left."""
        try:
            pods = [read_pod(one) for one in _leaving(self._injector, self._node)]
            said = [self._ask(pod) for pod in pods if not pod.terminating]
            self._look()
        except SurroundingsError as error:  # the API's moment of silence is no end of a drain
            self.left = str(error)
            return False
        self.left = "; ".join(
            [
                *(f"{_name(pod)} is terminating" for pod in pods if pod.terminating),
                *filter(None, said),
            ]
        )
        return not pods and self.recorded

    def _ask(self, pod: Pod) -> str:
        """What keeps the pod; empty where it goes."""
        before_ns = self._injector.clock.monotonic_ns()
        try:
            answer = self._injector.cluster.evict(pod.namespace, pod.name, pod.uid)
        except SurroundingsError as error:
            return f"{_name(pod)}: {error}"
        if answer.outcome is Evicted.REFUSED:
            return f"{_name(pod)}: {answer.message}"
        if answer.outcome is Evicted.DONE:
            self._before_ns = self._before_ns or before_ns
            self.accepted[pod.uid] = _name(pod)
        return ""

    def _look(self) -> None:
        """Records the fault when the first of the evicted is seen on its way out."""
        if self.recorded:
            return
        for uid, name in self.accepted.items():
            pod = self._injector.cluster.pod(*name.split("/"))
            if pod is None or pod.uid != uid or pod.terminating:
                bracket = Bracket(
                    earliest_ns=self._before_ns, latest_ns=self._injector.clock.monotonic_ns()
                )
                witness = f"pod {name} is leaving {self._node}, which is cordoned"
                self._injector.record(f"node:{self._node}", (bracket, witness))
                self.recorded = True
                return


def _refuse(what: str, leaving: list[Pod]) -> None:
    if not leaving:
        raise RefusedError(f"{what}: no pod would leave it, expected one or more")
    bare = [_name(one) for one in leaving if not one.owner]
    if bare:
        raise RefusedError(
            f"{what}: {', '.join(bare)} belongs to nothing that would make it again, expected only "
            "pods of a Deployment, a StatefulSet, a Job or the like"
        )


def _leaving(injector: Injector, node: str) -> list[Object]:
    """The pods that a drain of the node moves, as the API has them now."""
    return [
        one
        for one in injector.cluster.list_objects("v1", "Pod")
        if one.get("spec", {}).get("nodeName") == node
        and one.get("status", {}).get("phase") not in ("Succeeded", "Failed")
        and not read_pod(one).owner.startswith(_STAYS)
    ]


def _has_dir(pod: Object) -> bool:
    return any("emptyDir" in volume for volume in pod["spec"].get("volumes") or ())


def _name(pod: Pod) -> str:
    return f"{pod.namespace}/{pod.name}"
