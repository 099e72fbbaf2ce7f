"""Asks the cluster and its databases what probers must be told: addresses, identities, slots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from harness.drivers.bounded_postgres import BoundedPostgres
from harness.drivers.clock import HostClock, wait_until
from harness.drivers.redis_slots import Routes
from harness.drivers.roles import access_of
from harness.errors import DeadlineExceededError, InputError, SurroundingsError
from harness.model.cluster import ClusterAccess
from harness.model.workload import (
    BrokerWorkload,
    HttpWorkload,
    PostgresqlWorkload,
    RedisWorkload,
    Workload,
)
from harness.ports import PostgresEndpoint, RedisEndpoint
from harness.probes.config import KubernetesRead
from harness.probes.of_workloads import (
    Resolved,
    ResolvedAddress,
    ResolvedPostgresql,
    ResolvedRedis,
)

_CLOCK = HostClock()

_ANSWER_NS = 2_000_000_000
_PAUSE_S = 0.2

_IDENTIFIER = "SELECT system_identifier::text, pg_is_in_recovery() FROM pg_control_system()"


class Objects(Protocol):
    """What is asked of the Kubernetes API: drivers/kubernetes.Cluster."""

    def get_object(
        self, api_version: str, kind: str, namespace: str, name: str
    ) -> Mapping[str, object] | None:
        """The object, or None where there is none of that name."""
        ...


def resolve(
    workloads: Sequence[Workload],
    objects: Objects,
    access: ClusterAccess,
    *,
    within_s: float = 30.0,
) -> Resolved:
    """All facts of the workloads, and of the API itself.

    Raises InputError where a Service does not exist or has no address, SurroundingsError where a
    database does not answer within `within_s` seconds.
    """
    postgresql: dict[str, ResolvedPostgresql] = {}
    redis: dict[str, ResolvedRedis] = {}
    services: dict[str, ResolvedAddress] = {}
    for workload in workloads:
        match workload:
            case PostgresqlWorkload():
                postgresql[workload.id] = _postgresql(workload, objects, within_s)
            case RedisWorkload():
                redis[workload.id] = _redis(workload, objects, within_s)
            case BrokerWorkload() | HttpWorkload():
                services[workload.id] = ResolvedAddress(
                    address=(service_address(objects, workload, workload.service), workload.port),
                    host=f"{workload.service}.{workload.namespace}.svc",
                )
    return Resolved(
        postgresql=postgresql,
        redis=redis,
        services=services,
        api=KubernetesRead(
            kubeconfig=access.kubeconfig,
            context=access.identity.context,
            uid=access.identity.uid,
        ),
    )


def _postgresql(
    workload: PostgresqlWorkload, objects: Objects, within_s: float
) -> ResolvedPostgresql:
    def endpoint(service: str, identifier: str) -> PostgresEndpoint:
        return PostgresEndpoint(
            host=service_address(objects, workload, service),
            port=workload.port,
            database=workload.database,
            user=workload.user,
            system_identifier=identifier,
            password_file=workload.password_file,
        )

    unknown = endpoint(workload.service, "")
    identifier = _answered(lambda: _identifier(unknown), within_s, workload)
    read = workload.read_service
    return ResolvedPostgresql(
        primary=endpoint(workload.service, identifier),
        replicas=None if read is None else endpoint(read, identifier),
    )


def _identifier(endpoint: PostgresEndpoint) -> str:
    deadline_ns = _CLOCK.monotonic_ns() + _ANSWER_NS
    session = BoundedPostgres.connect(endpoint, deadline_ns=deadline_ns)
    try:
        ((identifier, replica),) = session.execute(_IDENTIFIER, deadline_ns=deadline_ns).rows
    finally:
        session.close()
    if replica == "t" or identifier is None:
        raise SurroundingsError(
            f"postgresql {endpoint.host}:{endpoint.port}: got a server in recovery, "
            "expected the primary"
        )
    return identifier


def _redis(workload: RedisWorkload, objects: Objects, within_s: float) -> ResolvedRedis:
    endpoint = RedisEndpoint(
        nodes=(),
        cluster=True,
        seeds=((service_address(objects, workload, workload.service), workload.port),),
    )
    access = access_of(workload)

    def shards() -> tuple[tuple[int, int], ...]:
        deadline_ns = _CLOCK.monotonic_ns() + _ANSWER_NS
        return Routes(endpoint, access).slots(deadline_ns=deadline_ns).shards

    return ResolvedRedis(
        endpoint=endpoint, access=access, shards=_answered(shards, within_s, workload)
    )


def service_address(objects: Objects, workload: Workload, service: str) -> str:
    """The cluster address of a Service: it stays as long as the Service."""
    found = objects.get_object("v1", "Service", workload.namespace, service)
    where = f"workload {workload.id}: service {workload.namespace}/{service}"
    hint = f"kubectl -n {workload.namespace} get services"
    if found is None:
        raise InputError(f"{where}: got none of that name", hint=hint)
    spec = found.get("spec")
    address = spec.get("clusterIP") if isinstance(spec, Mapping) else None
    if not isinstance(address, str) or address in ("", "None"):
        raise InputError(f"{where}: got clusterIP {address}, expected an address", hint=hint)
    return address


Answer = TypeVar("Answer")


def _answered(ask: Callable[[], Answer], within_s: float, workload: Workload) -> Answer:
    """The answer of a database that may be away for a moment."""
    last: list[SurroundingsError] = []

    def attempt() -> Answer | None:
        try:
            return ask()
        except SurroundingsError as error:
            last[:] = [error]
            return None

    try:
        return wait_until(
            attempt, within_s=within_s, what=f"{workload.id} answers", every_s=_PAUSE_S
        )
    except DeadlineExceededError as error:
        raise SurroundingsError(f"workload {workload.id}: {last[0] if last else error}") from error
