"""Deletes pods, and kills processes in their containers."""

from __future__ import annotations

from harness.chaos import container_shell, node_clock
from harness.chaos.activity import action
from harness.chaos.injector import Fault, Injector, Witnessed, current
from harness.chaos.targets import Targets, whole_number
from harness.drivers.clock import wait_until
from harness.errors import RefusedError
from harness.model.blow import Blow
from harness.model.cluster import Container, Pod
from harness.model.fault import Nothing
from harness.model.instant import Bracket
from harness.model.workload import Workload

HELPER_WITHIN_S = 45.0
_SEEN_WITHIN_S = 30.0


@action
def delete_pods(
    workload: str,
    target: str = "any",
    count: int | str = 1,
    grace_s: int | str = 30,
    gives_up: str = "",
) -> list[str]:
    """Deletes pods, each by its uid, as `kubectl delete pod` does.

    `grace_s`: seconds until the kubelet kills what has not ended (Kubernetes' default is 30).
    Witness: the pod is gone, or it is terminating and its main container has ended: another one may
    take all of the grace period.
    """
    injector = current()
    targets = Targets(injector.config, injector.cluster)
    chosen = targets.workload(workload)
    pods = targets.pods(chosen, target, whole_number("count", count))
    grace = whole_number("grace_s", grace_s)
    faults = [_deletion(injector, pod, _container(chosen, pod, ""), grace) for pod in pods]
    blow = _blow(f"deletion of {_names(pods)}", pods, gives_up)
    return list(injector.inject(blow, faults))


@action
def kill_container(
    workload: str,
    target: str = "any",
    count: int | str = 1,
    container: str = "",
    gives_up: str = "",
) -> list[str]:
    """Kills (SIGKILL) the first process of a container; the kubelet starts it again.

    `container`: its name; else the workload's, else the pod's first. Witness: the process is gone
    for the node's kernel, and the API has another container in its place, or none.
    """
    return _kill("first process", workload, target, count, container, "", gives_up)


@action
def kill_process(  # noqa: PLR0913 - Chaos Toolkit passes each argument by its name
    workload: str,
    process: str,
    target: str = "any",
    count: int | str = 1,
    container: str = "",
    gives_up: str = "",
) -> list[str]:
    """Kills (SIGKILL) the process of that name in a container: PostgreSQL's postmaster, for one.

    `process`: as in /proc/PID/comm; of several, the one whose parent is called otherwise. Witness:
    it is gone for the node's kernel.
    """
    if not process:
        raise RefusedError("process: got no name, expected one as in /proc/PID/comm")
    return _kill(f"process {process}", workload, target, count, container, process, gives_up)


def _kill(  # noqa: PLR0913 - as above
    what: str,
    workload: str,
    target: str,
    count: int | str,
    container: str,
    process: str,
    gives_up: str,
) -> list[str]:
    injector = current()
    targets = Targets(injector.config, injector.cluster)
    chosen = targets.workload(workload)
    pods = targets.pods(chosen, target, whole_number("count", count))
    faults = [
        _killing(injector, pod, _container(chosen, pod, container), what, process) for pod in pods
    ]
    blow = _blow(f"kill of {what} of {_names(pods)}", pods, gives_up)
    return list(injector.inject(blow, faults))


def _deletion(injector: Injector, pod: Pod, main: Container, grace_s: int) -> Fault:
    return Fault(
        subject=f"pod:{_name(pod)}",
        action=f"deletion of pod {_name(pod)}",
        inverses=(Nothing(),),
        strike=lambda: _delete(injector, pod, grace_s),
        seen=lambda: _gone(injector, pod, main),
        within_s=grace_s + _SEEN_WITHIN_S,
    )


def _killing(injector: Injector, pod: Pod, container: Container, what: str, process: str) -> Fault:
    return Fault(
        subject=f"pod:{_name(pod)}",
        action=f"kill of {what} of pod {_name(pod)}",
        inverses=(Nothing(),),
        strike=lambda: _strike(injector, pod, container, process),
    )


def _strike(injector: Injector, pod: Pod, container: Container, process: str) -> Witnessed:
    before_ns = injector.clock.monotonic_ns()
    access = injector.config.cluster
    said = injector.cluster.run_helper_pod(
        pod.node,
        access.helper_image,
        container_shell.kill(container.container_id, process),
        HELPER_WITHIN_S,
        run=injector.config.run,
    )
    seen_ns = injector.clock.monotonic_ns()
    bracket = node_clock.bracket(said, Bracket(earliest_ns=before_ns, latest_ns=seen_ns))
    witness = f"{container_shell.killed(said)} is gone"
    if not process:
        wait_until(
            lambda: _restarted(injector, pod, container),
            within_s=_SEEN_WITHIN_S,
            what=f"another container {container.name} in pod {_name(pod)}",
        )
        witness += f", and container {container.name} was ended for the API"
    return bracket, witness


def _delete(injector: Injector, pod: Pod, grace_s: int) -> None:
    if not injector.cluster.delete_pod(pod.namespace, pod.name, pod.uid, grace_s):
        raise RefusedError(f"pod {_name(pod)}: went away by itself, expected it there")


def _gone(injector: Injector, pod: Pod, main: Container) -> str | None:
    found = injector.cluster.pod(pod.namespace, pod.name)
    if found is None or found.uid != pod.uid:
        return f"pod {_name(pod)} with uid {pod.uid} is gone"
    left = {one.container_id for one in found.containers}
    if found.terminating and main.container_id not in left:
        return f"pod {_name(pod)} is terminating, and its container {main.name} has ended"
    return None


def _restarted(injector: Injector, pod: Pod, container: Container) -> bool:
    found = injector.cluster.pod(pod.namespace, pod.name)
    if found is None or found.uid != pod.uid:
        return True
    return all(
        one.container_id != container.container_id or one.restarts > container.restarts
        for one in found.containers
        if one.name == container.name
    )


def _container(workload: Workload, pod: Pod, name: str) -> Container:
    wanted = name or workload.container
    for one in pod.containers:
        if wanted in (None, one.name) and one.container_id:
            return one
    raise RefusedError(
        f"pod {_name(pod)}: container {wanted or 'of any name'} does not run, expected one that "
        "does"
    )


def _blow(what: str, pods: tuple[Pod, ...], gives_up: str) -> Blow:
    return Blow(
        action=what,
        pods=frozenset(map(_name, pods)),
        gives_up=frozenset(filter(None, [gives_up])),
    )


def _name(pod: Pod) -> str:
    return f"{pod.namespace}/{pod.name}"


def _names(pods: tuple[Pod, ...]) -> str:
    return ", ".join(f"pod {_name(pod)}" for pod in pods)
