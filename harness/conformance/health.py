"""Asks pods what the kubelet's probes ask them, and keeps the answer with its body.

The kubelet looks at the status alone; what an answer says of dependencies is in its body.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from harness.conformance.ground import ActiveLook, Ground
from harness.drivers import bounded_http
from harness.drivers.clock import HostClock
from harness.drivers.kubernetes_objects import Object
from harness.errors import SurroundingsError
from harness.model.configuration import HealthProbe
from harness.model.conformance import HealthAsked, Objects
from harness.model.target import Target
from harness.model.workload import HttpWorkload, Workload

_WITHIN_NS = 5_000_000_000
_KEPT = 2000
_THREADS = 8
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


@dataclass(frozen=True, order=True)
class Question:
    """One GET of one pod."""

    namespace: str
    app: str
    pod: str
    address: str
    port: int
    path: str
    tls: bool = False


def questions(
    objects: Objects, workloads: Sequence[Workload], targets: Iterable[Target]
) -> tuple[Question, ...]:
    """What is asked: of one ready pod of each controller in the workloads' namespaces its own
    probes, and of those of HTTP workloads the documented ones as well. Pure.
    """
    documented = {
        (one.objective.port, one.objective.path)
        for one in targets
        if isinstance(one.objective, HealthProbe)
    }
    namespaces = {one.namespace for one in workloads}
    http = [one for one in workloads if isinstance(one, HttpWorkload)]
    found: set[Question] = set()
    for pod in _one_for_each_controller(objects.get("Pod", ()), namespaces):
        found |= set(_own(pod))
        if any(_is_of(pod, workload) for workload in http):
            own = {(one.port, one.path) for one in found if one.pod == pod["metadata"]["name"]}
            found |= {_question(pod, port, path) for port, path in documented - own}
    return tuple(sorted(found))


def _one_for_each_controller(pods: Sequence[Object], namespaces: set[str]) -> Iterator[Object]:
    """The first by name that is ready; where none is, the first that has an address."""
    chosen: dict[tuple[str, str], Object] = {}
    for pod in sorted(pods, key=lambda one: one["metadata"]["name"]):
        metadata, status = pod["metadata"], pod.get("status") or {}
        owner = next((one["name"] for one in metadata.get("ownerReferences") or ()), "")
        if metadata.get("namespace") not in namespaces or not owner or not status.get("podIP"):
            continue
        key = (metadata["namespace"], owner)
        if key not in chosen or (_ready(pod) and not _ready(chosen[key])):
            chosen[key] = pod
    yield from chosen.values()


def _ready(pod: Object) -> bool:
    return any(
        one.get("type") == "Ready" and one.get("status") == "True"
        for one in (pod.get("status") or {}).get("conditions") or ()
    )


def _is_of(pod: Object, workload: HttpWorkload) -> bool:
    """By its label selector, of equalities only."""
    labels = pod["metadata"].get("labels") or {}
    pairs = (pair.partition("=") for pair in workload.pods.split(",") if pair)
    return pod["metadata"].get("namespace") == workload.namespace and all(
        labels.get(key.strip()) == value.lstrip("=").strip() for key, _, value in pairs
    )


def _own(pod: Object) -> Iterator[Question]:
    for container in pod["spec"].get("containers") or ():
        names = {
            one["name"]: int(one["containerPort"])
            for one in container.get("ports") or ()
            if "name" in one
        }
        for kind in _PROBES:
            asked = (container.get(kind) or {}).get("httpGet")
            if asked is None:
                continue
            port = asked["port"]
            number = port if isinstance(port, int) else names.get(port)
            if number is not None:
                tls = asked.get("scheme", "HTTP") == "HTTPS"
                yield _question(pod, number, asked.get("path") or "/", tls=tls)


def _question(pod: Object, port: int, path: str, *, tls: bool = False) -> Question:
    metadata = pod["metadata"]
    return Question(
        namespace=metadata["namespace"],
        app=(metadata.get("labels") or {}).get("app", ""),
        pod=metadata["name"],
        address=pod["status"]["podIP"],
        port=port,
        path=path,
        tls=tls,
    )


def ask(question: Question) -> HealthAsked:
    """Asks once, as the kubelet does: of TLS nothing is verified (Kubernetes documentation,
    Configure Liveness, Readiness and Startup Probes, HTTP probes).
    """
    status: int | None = None
    body = detail = ""
    request = bounded_http.Request(
        address=(question.address, question.port),
        method="GET",
        path=question.path,
        host=question.address,
    )
    try:
        answer = bounded_http.ask(
            request,
            deadline_ns=HostClock().monotonic_ns() + _WITHIN_NS,
            tls=_unverified() if question.tls else None,
        )
        status, body = answer.status, answer.body.decode("utf-8", "replace")[:_KEPT]
    except SurroundingsError as error:
        detail = str(error)
    return HealthAsked(
        namespace=question.namespace,
        app=question.app,
        pod=question.pod,
        port=question.port,
        path=question.path,
        status=status,
        body=body,
        detail=detail,
    )


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def look(ground: Ground) -> None:
    """Asks some pods at once."""
    asked = questions(ground.objects, ground.plan.workloads, ground.plan.targets)

    def record(question: Question) -> None:
        if ground.should_stop() is None:
            ground.record(ask(question))

    with ThreadPoolExecutor(max_workers=_THREADS) as threads:
        list(threads.map(record, asked))


LOOK = ActiveLook(
    name="health",
    look=look,
    touches=("of one pod of each service, what the kubelet's probes ask it (HTTP GET)",),
    rights=(),
)
