"""Decides whether services' containers are set up as documented: resources, ports, variables,
probes, rights. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.judge.conformance.evidence import ConformanceEvidence, JudgeFunction
from harness.judge.conformance.services import CONTROLLERS, Object, Service, each, over, services
from harness.model.configuration import (
    ContainerEnvironment,
    ContainerPorts,
    ContainerResources,
    HealthProbe,
    SecurityContext,
    Size,
)
from harness.model.quantity import amount_of
from harness.model.target import Target
from harness.model.verdict import Finding

_ADVICE = "kubectl get deployments --all-namespaces -o yaml"


def judge_resources(
    run: ConformanceEvidence, target: Target, objective: ContainerResources
) -> Iterator[Finding]:
    """What the main container of each service asks for and may use."""

    def problems(one: Service) -> Iterator[str]:
        given = one.container.get("resources") or {}
        yield from _sizes("requests", given.get("requests") or {}, objective.requests)
        yield from _sizes("limits", given.get("limits") or {}, objective.limits)

    yield over(
        run,
        target,
        each(services(run, objective.namespaces), problems),
        kinds=CONTROLLERS,
        what=f"resources of services in {objective.namespaces}",
        advice=_ADVICE,
    )


def judge_ports(
    run: ConformanceEvidence, target: Target, objective: ContainerPorts
) -> Iterator[Finding]:
    """By their names; more ports than documented are none of this promise."""

    def problems(one: Service) -> Iterator[str]:
        given = {port.get("name"): port["containerPort"] for port in one.container.get("ports", ())}
        for name, port in objective.ports.items():
            if given.get(name) != port:
                yield f"port {name}: got {given.get(name)}, expected {port}"

    yield over(
        run,
        target,
        each(services(run), problems),
        kinds=CONTROLLERS,
        what="ports of services",
        advice=_ADVICE,
    )


def judge_environment(
    run: ConformanceEvidence, target: Target, objective: ContainerEnvironment
) -> Iterator[Finding]:
    """Of the container itself, and of the ConfigMaps that it takes whole, as far as they are read:
    one whose content was left out says nothing, and a variable may be in it.
    """

    def problems(one: Service) -> Iterator[str]:
        given = {each_["name"]: each_.get("value") for each_ in one.container.get("env", ())}
        for name, value in objective.variables.items():
            if name in given and given[name] not in (value, None):
                yield f"{name}: got {given[name]!r}, expected {value!r}"
            elif name not in given and not one.container.get("envFrom"):
                yield f"{name}: is not set, expected {value!r}"

    found = services(run, objective.namespaces)
    hidden = [
        str(one)
        for one in found
        if one.container.get("envFrom")
        and not set(objective.variables)
        <= {each_["name"] for each_ in one.container.get("env", ()) if "value" in each_}
    ]
    result = over(
        run,
        target,
        [one for one in each(found, problems) if one[1] or one[0] not in hidden],
        kinds=CONTROLLERS,
        what=f"variables of services in {objective.namespaces}"
        + (f" (of {', '.join(hidden)} they come from a ConfigMap)" if hidden else ""),
        advice=_ADVICE,
    )
    yield result


def judge_security(
    run: ConformanceEvidence, target: Target, objective: SecurityContext
) -> Iterator[Finding]:
    """Of every container, init containers too; what one does not say, its pod says for it
    (Kubernetes API, SecurityContext: values of a container come before those of its pod).
    """

    def problems(one: Service) -> Iterator[str]:
        pod = one.pod.get("securityContext") or {}
        if pod.get("fsGroup") != objective.fs_group:
            yield f"fsGroup: got {pod.get('fsGroup')}, expected {objective.fs_group}"
        for name, container in one.containers():
            own = container.get("securityContext") or {}
            yield from (f"container {name}: {line}" for line in _rights(pod | own, objective))

    yield over(
        run,
        target,
        each(services(run), problems),
        kinds=CONTROLLERS,
        what="security context of services",
        advice=_ADVICE,
    )


def judge_probe(
    run: ConformanceEvidence, target: Target, objective: HealthProbe
) -> Iterator[Finding]:
    """How the kubelet asks the main container of each service; what it says then is looked at by
    harness.judge.conformance.health.
    """

    def problems(one: Service) -> Iterator[str]:
        probe = one.container.get(f"{objective.probe}Probe")
        if probe is None:
            yield f"has no {objective.probe} probe"
            return
        asked = probe.get("httpGet") or {}
        # 0 and 10 where nothing is said (Kubernetes API, Probe).
        for name, got, expected in (
            ("path", asked.get("path"), objective.path),
            ("port", _number(one.container, asked.get("port")), objective.port),
            (
                "initialDelaySeconds",
                probe.get("initialDelaySeconds", 0),
                objective.initial_delay.total_seconds(),
            ),
            ("periodSeconds", probe.get("periodSeconds", 10), objective.period.total_seconds()),
        ):
            if got != expected:
                shown = f"{expected:g}" if isinstance(expected, float) else expected
                yield f"{objective.probe} probe, {name}: got {got}, expected {shown}"

    yield over(
        run,
        target,
        each(services(run), problems),
        kinds=CONTROLLERS,
        what=f"{objective.probe} probe of services",
        advice=_ADVICE,
        part="settings",
    )


def _number(container: Object, port: str | int | None) -> str | int | None:
    """A port by its number, also where a probe says its name."""
    named = {each_.get("name"): each_["containerPort"] for each_ in container.get("ports", ())}
    return named.get(port, port)


def _rights(given: Object, wanted: SecurityContext) -> Iterator[str]:
    expected = {
        "runAsNonRoot": wanted.run_as_non_root,
        "runAsUser": wanted.run_as_user,
        "readOnlyRootFilesystem": wanted.read_only_root_filesystem,
        "allowPrivilegeEscalation": wanted.allow_privilege_escalation,
    }
    for name, value in expected.items():
        if given.get(name) != value:
            yield f"{name}: got {given.get(name)}, expected {value}"
    dropped = (given.get("capabilities") or {}).get("drop") or []
    if not set(wanted.drop) <= set(dropped):
        yield f"capabilities dropped: got {', '.join(dropped) or 'none'}, expected all of " + (
            ", ".join(wanted.drop)
        )
    profile = (given.get("seccompProfile") or {}).get("type")
    if profile != wanted.seccomp:
        yield f"seccompProfile: got {profile}, expected {wanted.seccomp}"


def _sizes(what: str, given: Object, wanted: Size) -> Iterator[str]:
    for resource, expected in (("cpu", wanted.cpu), ("memory", wanted.memory)):
        got = given.get(resource)
        if got is None or amount_of(got) != amount_of(expected):
            yield f"{what} {resource}: got {got}, expected {expected}"


JUDGES: dict[type, JudgeFunction] = {
    ContainerResources: judge_resources,
    ContainerPorts: judge_ports,
    ContainerEnvironment: judge_environment,
    HealthProbe: judge_probe,
    SecurityContext: judge_security,
}
