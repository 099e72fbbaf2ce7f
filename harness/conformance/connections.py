"""Tries, from pods, the connections that documented NetworkPolicies allow and those they refuse.

For each one, pods are made under the policy's own label, in the namespaces that may connect, and in
the harness's own, which no documented policy names: the outsider. Whatever must be refused is tried
by the outsider, too: only what answers somebody can show by its silence that a policy is enforced.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.conformance import probe_pods
from harness.conformance.ground import ActiveLook, Ground
from harness.conformance.probe_pods import Said, Source
from harness.drivers.clock import HostClock
from harness.drivers.kubernetes import NAMESPACE
from harness.drivers.kubernetes_objects import Object
from harness.model.configuration import Flow, NetworkPolicyAllows
from harness.model.conformance import ConnectionTried, Objects
from harness.model.target import Target

DNS_PORT = 53
NAME = "kubernetes.default.svc.cluster.local"
"""The API's own Service; under another domain of the cluster the answer is that there is no such
name, which is an answer as well.
"""

OUTSIDER = Source(NAMESPACE, "")

_CONNECT_S = 3
_RESOLVE_S = 6


@dataclass(frozen=True, order=True)
class Destination:
    """What is to be reached."""

    host: str
    """Address of a pod or Service; of a name, the name."""

    port: int
    """DNS_PORT: the host is a name, to be resolved."""

    namespace: str
    app: str = ""


Tries = dict[Source, tuple[Destination, ...]]


# --- what is tried -----------------------------------------------------------------------------


def tries(policies: Iterable[NetworkPolicyAllows], objects: Objects) -> Tries:
    """All that is tried for some policies, each once. Pure.

    Destinations are pods that are ready and listen, by address: a policy is applied to pods, and a
    Service's address stands for one of them (Kubernetes documentation, Network Policies). Of a pod
    on its node's network nothing is tried: policies do not apply to it.
    """
    found: dict[Source, set[Destination]] = {}
    for policy in policies:
        for source, destination in _of(policy, objects):
            found.setdefault(source, set()).add(destination)
    return {source: tuple(sorted(found[source])) for source in sorted(found)}


def _of(policy: NetworkPolicyAllows, objects: Objects) -> Iterator[tuple[Source, Destination]]:
    names = {one["metadata"]["name"] for one in objects.get("Namespace", ())}
    if policy.namespace not in names:
        return
    listening = tuple(_listening(objects))
    inside = Source(policy.namespace, policy.app)
    for source in (inside, OUTSIDER):
        yield source, Destination(NAME, DNS_PORT, "")
    for destination in _allowed_egress(policy.egress, listening):
        yield inside, destination
    for destination in _refused_egress(policy, listening, objects):
        for source in (inside, OUTSIDER):
            yield source, destination
    own = [one for one in listening if (one.namespace, one.app) == (policy.namespace, policy.app)]
    friends = [Source(name, "") for name in policy.ingress.namespaces if name in names]
    for destination in _one_for_each_port(own):
        if policy.ingress.allows_port(destination.port):
            for source in (*friends, OUTSIDER):
                yield source, destination
        else:
            for source in friends:
                yield source, destination


def _allowed_egress(flow: Flow, listening: Sequence[Destination]) -> Iterator[Destination]:
    """Of each namespace and port one pod."""
    there = [one for one in listening if flow.allows(one.namespace, one.port)]
    seen: set[tuple[str, int]] = set()
    for one in there:
        if (one.namespace, one.port) not in seen:
            seen.add((one.namespace, one.port))
            yield one
        if not flow.namespaces and not flow.ports and seen:
            return


def _refused_egress(
    policy: NetworkPolicyAllows, listening: Sequence[Destination], objects: Objects
) -> Iterator[Destination]:
    """The Kubernetes API; another port of an allowed namespace; a pod of another namespace."""
    flow = policy.egress
    refused = [
        one
        for one in listening
        if not flow.allows(one.namespace, one.port) and one.port != DNS_PORT
    ]
    yield from (one for one in _api(objects) if not flow.allows(one.namespace, one.port))
    yield from [one for one in refused if one.namespace in flow.namespaces][:1]
    others = [one for one in refused if one.namespace not in flow.namespaces]
    others.sort(key=lambda one: (one.namespace != policy.namespace, one))
    yield from others[:1]


def _api(objects: Objects) -> Iterator[Destination]:
    for one in objects.get("Service", ()):
        metadata, spec = one["metadata"], one["spec"]
        if (metadata.get("namespace"), metadata["name"]) == ("default", "kubernetes"):
            yield Destination(spec["clusterIP"], int(spec["ports"][0]["port"]), "default")


def _one_for_each_port(destinations: Iterable[Destination]) -> Iterator[Destination]:
    seen: set[int] = set()
    for one in destinations:
        if one.port not in seen:
            seen.add(one.port)
            yield one


def _listening(objects: Objects) -> Iterator[Destination]:
    """Every TCP port of every ready pod that has an address of its own, by namespace and name."""
    services = objects.get("Service", ())
    pods = sorted(
        objects.get("Pod", ()),
        key=lambda one: (one["metadata"].get("namespace", ""), one["metadata"]["name"]),
    )
    for pod in pods:
        status, spec = pod.get("status") or {}, pod["spec"]
        if spec.get("hostNetwork") or not status.get("podIP") or not _ready(status):
            continue
        metadata = pod["metadata"]
        for port in sorted(_ports(pod, services)):
            yield Destination(
                status["podIP"],
                port,
                metadata.get("namespace", ""),
                (metadata.get("labels") or {}).get("app", ""),
            )


def _ready(status: Object) -> bool:
    return any(
        one.get("type") == "Ready" and one.get("status") == "True"
        for one in status.get("conditions") or ()
    )


def _ports(pod: Object, services: Sequence[Object]) -> set[int]:
    """Those that its containers declare, and those that Services send traffic to."""
    found = {
        int(port["containerPort"])
        for container in pod["spec"].get("containers") or ()
        for port in container.get("ports") or ()
        if port.get("protocol", "TCP") == "TCP"
    }
    metadata = pod["metadata"]
    labels = (metadata.get("labels") or {}).items()
    for service in services:
        selector = service["spec"].get("selector") or {}
        same = service["metadata"].get("namespace") == metadata.get("namespace")
        if same and selector and selector.items() <= labels:
            targets = (
                one.get("targetPort", one["port"])
                for one in service["spec"].get("ports") or ()
                if one.get("protocol", "TCP") == "TCP"
            )
            found |= {one for one in targets if isinstance(one, int)}
    return found


# --- how ---------------------------------------------------------------------------------------


def script(destinations: Sequence[Destination]) -> str:
    """Tries all of them at once, each twice where the first was in vain: rules of a new pod that
    allow may come a moment after it (Kubernetes documentation, Network Policies, Pod lifecycle).
    Prints of each `NUMBER|EXIT CODE|WORDS`. For sh with nc and nslookup, as busybox has them. Pure.
    """
    lines = [
        "set -f",  # what nslookup says has asterisks in it
        "tcp() {",
        # Of busybox, as Debian makes it, nc has no -z: it runs a program once it is connected.
        '  case "$(nc -z 2>&1 </dev/null)" in',
        f'    *invalid*option*) nc -w {_CONNECT_S} "$1" "$2" -e true </dev/null ;;',
        f'    *) nc -z -w {_CONNECT_S} "$1" "$2" </dev/null ;;',
        "  esac",
        "}",
        f'name() {{ timeout {_RESOLVE_S} nslookup "$1"; }}',
        "try() {",
        '  number=$1; shift; words=$("$@" 2>&1); code=$?',
        '  if [ "$code" != 0 ]; then words=$("$@" 2>&1); code=$?; fi',
        '  printf "%s|%s|%s\\n" "$number" "$code" "$(echo $words)"',
        "}",
    ]
    for number, one in enumerate(destinations):
        host = shlex.quote(one.host)
        what = f"name {host}" if one.port == DNS_PORT else f"tcp {host} {one.port}"
        lines.append(f"try {number} {what} &")
    return "\n".join([*lines, "wait", ""])


def read_out(
    source: Source, destinations: Sequence[Destination], said: Said
) -> tuple[ConnectionTried, ...]:
    """What a pod saw, in the order of the destinations. Pure."""
    answers: dict[int, tuple[int, str]] = {}
    for line in said.output.splitlines():
        number, _, rest = line.partition("|")
        code, _, words = rest.partition("|")
        if number.isdecimal() and code.isdecimal():
            answers[int(number)] = (int(code), words.strip())
    return tuple(
        _tried(source, one, answers.get(number), said.error)
        for number, one in enumerate(destinations)
    )


def _tried(
    source: Source, destination: Destination, answer: tuple[int, str] | None, error: str | None
) -> ConnectionTried:
    connected: bool | None = None
    refused = False
    detail = error or "the pod said nothing of it"
    if answer is not None:
        code, detail = answer
        if destination.port == DNS_PORT:
            connected = code == 0 or _server_answered(detail)
        else:
            connected = code == 0
            refused = not connected and "refused" in detail.lower()
    is_name = destination.port == DNS_PORT
    return ConnectionTried(
        source_namespace=source.namespace,
        source_app=source.app,
        destination=destination.host if is_name else f"{destination.host}:{destination.port}",
        destination_namespace=destination.namespace,
        destination_app=destination.app,
        port=destination.port,
        connected=connected,
        refused=refused,
        detail=detail,
    )


def _server_answered(words: str) -> bool:
    """That a name does not exist is an answer as well."""
    return "NXDOMAIN" in words or "can't find" in words


# --- the look ----------------------------------------------------------------------------------


def look(ground: Ground) -> None:
    """Tries all, from pods that live for some seconds; records one fact for each try."""
    probe_pods.remove_left_over(ground.cluster, HostClock().now().utc)
    policies = [
        one.objective
        for one in ground.plan.targets
        if isinstance(one.objective, NetworkPolicyAllows)
    ]
    planned = tries(policies, ground.objects)
    if ground.should_stop() is not None:
        return
    said = probe_pods.run(
        ground.cluster,
        {source: script(destinations) for source, destinations in planned.items()},
        image=ground.access.helper_image,
        run=ground.run,
        objects=ground.objects,
    )
    for source, destinations in planned.items():
        for fact in read_out(source, destinations, said[source]):
            ground.record(fact)


def rights_for(targets: Sequence[Target]) -> tuple[str, ...]:
    """To make pods where policies are documented, and where they let others come from. Pure."""
    flows = [one.objective for one in targets if isinstance(one.objective, NetworkPolicyAllows)]
    namespaces = {name for one in flows for name in (one.namespace, *one.ingress.namespaces)}
    return tuple(
        right
        for name in sorted(namespaces - {NAMESPACE})
        for right in (
            f"create,delete,get pods in {name}",
            f"get pods/log in {name}",
            f"list replicasets.apps in {name}",
            f"list replicationcontrollers in {name}",
        )
    )


LOOK = ActiveLook(
    name="connections",
    look=look,
    touches=(
        (
            "for each documented NetworkPolicy, pods for a minute at most: one with its label "
            "that is never ready, one in each namespace that may connect, one in harness-drill"
        ),
        "each of these pods opens connections to other pods, and sends nothing",
    ),
    rights=(f"create,delete,get pods in {NAMESPACE}", f"get pods/log in {NAMESPACE}"),
    rights_for=rights_for,
)
