"""Fills every namespace with its services at full size, on fake nodes, until its quota refuses.

No machine has the documented 100 cores, and a quota is only proven by what it refuses. Two rounds,
each on what the API, its admission, its controllers and its scheduler really do: the documented
quotas with the documented services, then the quotas and the controllers of the cluster under test.
In a namespace one controller comes after another, so that it is the same one every time that finds
no room; what all leave is taken by small pods, so that the limit itself is reached.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.capacity import full_size
from harness.capacity.headroom import demand, is_of_pods
from harness.drivers.clock import HostClock, wait_until
from harness.drivers.process import InterruptedChildError
from harness.errors import DeadlineExceededError, HarnessError
from harness.lab import programs
from harness.lab.cache import cache_directory
from harness.lab.fake_cluster import Programs, as_list, fake_cluster, node
from harness.lab.kubectl import Kubectl
from harness.lab.sources import source
from harness.load.fake_pods import LABEL, deployment, name_of, resource_quota
from harness.model.instant import NANOSECONDS_PER_SECOND
from harness.model.quantity import amount_of
from harness.model.quota import CapacitySettings, Claim, Filled, QuotaLimit
from harness.model.target import Target

_SETTLES_WITHIN_S = 120.0
_EMPTIES_WITHIN_S = 120.0
_COUNTED_WITHIN_S = 30.0
_LOOKS_EVERY_S = 0.2
_QUIET_S = 10.0
"""A controller that was refused and made no pod for so long has stopped, whatever room there is."""

_REFUSED = "ReplicaFailure"
"""The condition of a ReplicaSet that could not create a pod, with the API's words (apps/v1)."""


@dataclass(frozen=True, kw_only=True)
class Filling:
    """What a filling came to: the fields of a fact QuotasFilled, but for its trial."""

    nodes: int
    node_cores: float
    node_memory: float
    """Bytes."""

    filled: tuple[Filled, ...] = ()
    error: str | None = None


def fill(
    settings: CapacitySettings,
    targets: Sequence[Target],
    place: Path,
    progress: Callable[[str], None],
) -> Filling:
    """Builds what is not built yet, fills all namespaces with a quota, and takes all of it down.

    `place` is an empty directory of the harness (harness.faults.places). An error ends the filling
    and is in the answer, with what was filled until then; an interruption is let through.
    """
    size = full_size.node_size(targets)
    if size is None:
        return Filling(
            nodes=0,
            node_cores=0,
            node_memory=0,
            error="no target says how much all namespaces may ask for (kind: quota, without "
            "namespace): how large the nodes must be is not known",
        )
    done = Filling(nodes=full_size.NODES, node_cores=size.cores, node_memory=size.memory)
    nodes = [
        node(
            f"fake-{number + 1}",
            f"zone-{number % full_size.ZONES + 1}",
            size.cores,
            size.memory,
            full_size.PODS_PER_NODE,
        )
        for number in range(full_size.NODES)
    ]
    filled: list[Filled] = []
    try:
        built = Programs(
            cluster=programs.build(cache_directory(), progress),
            kwok=programs.build(cache_directory(), progress, module=programs.KWOK),
        )
        with fake_cluster(place, built, nodes, progress) as cluster:
            ground = _Ground(cluster, progress)
            for each in _rounds(settings, targets):
                ground.fill(each, filled.append)
    except InterruptedChildError:
        raise
    except HarnessError as error:
        return replace(done, filled=tuple(filled), error=str(error))
    return replace(done, filled=tuple(filled))


@dataclass(frozen=True, kw_only=True)
class _Round:
    """What is filled together, and with which quotas; none: those of the platform's manifests."""

    claims: tuple[Claim, ...]
    namespaces: tuple[str, ...]
    quotas: tuple[QuotaLimit, ...]
    deployed: bool


def _rounds(settings: CapacitySettings, targets: Sequence[Target]) -> Iterable[_Round]:
    namespaces = full_size.namespaces(targets)
    if namespaces:
        yield _Round(
            claims=full_size.documented(targets),
            namespaces=namespaces,
            quotas=(),
            deployed=False,
        )
    if settings.quotas:
        with_quota = tuple(sorted({one.namespace for one in settings.quotas}))
        yield _Round(
            claims=tuple(
                claim for name in with_quota for claim in full_size.deployed(settings, name)
            ),
            namespaces=with_quota,
            quotas=settings.quotas,
            deployed=True,
        )


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """One look at what a controller came to."""

    pods: int
    running: int
    unplaced: int
    """The scheduler found no room for them."""

    refused: str


class _Ground:
    """The control plane, as a filling uses it."""

    def __init__(self, cluster: Kubectl, tell: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._tell = tell
        self._clock = HostClock()

    def fill(self, each: _Round, record: Callable[[Filled], None]) -> None:
        """One round, from empty namespaces."""
        self._make_namespaces(each)
        for namespace in each.namespaces:
            quotas = self._quotas(namespace)
            if not quotas:
                self._tell(f"{namespace}: has no quota, nothing would refuse")
                continue
            refused = False
            for claim in (one for one in each.claims if one.namespace == namespace):
                filled = self._fill_with(claim, deployed=each.deployed)
                refused = refused or bool(filled.refused)
                record(filled)
            rest = full_size.rest(CapacitySettings(claims=(), quotas=quotas), namespace)
            if rest is not None and not refused:
                record(self._fill_with(rest, deployed=each.deployed, rest=True))

    def _make_namespaces(self, each: _Round) -> None:
        call = self._cluster.call
        if each.deployed:
            self._empty()
            objects = [
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
                for name in each.namespaces
            ]
            call("apply", "-f", "-", stdin=as_list(objects))
            call("apply", "-f", "-", stdin=as_list([resource_quota(one) for one in each.quotas]))
        else:
            call("apply", "-k", source("platform", "namespaces"))
        wait_until(
            lambda: all(self._is_ready(namespace) for namespace in each.namespaces),
            within_s=_COUNTED_WITHIN_S,
            what="service accounts and quotas of the namespaces",
            every_s=_LOOKS_EVERY_S,
        )

    def _empty(self) -> None:
        """Takes away the first round: its controllers, their pods, its quotas and its LimitRanges,
        whose defaults are in the claims of a cluster already.
        """
        self._tell("emptying the namespaces")
        kinds = "deployments,resourcequotas,limitranges"
        self._cluster.call("delete", kinds, "--all", "--all-namespaces", within_s=_EMPTIES_WITHIN_S)
        wait_until(
            lambda: not self._cluster.get("pods", "--all-namespaces")["items"],
            within_s=_EMPTIES_WITHIN_S,
            what="namespaces without pods",
            every_s=_LOOKS_EVERY_S,
        )

    def _is_ready(self, namespace: str) -> bool:
        """Pods need the service account; a quota refuses all until it was counted once."""
        found = self._cluster.get("serviceaccounts,resourcequotas", "-n", namespace)["items"]
        accounts = [one for one in found if one["kind"] == "ServiceAccount"]
        quotas = [one for one in found if one["kind"] == "ResourceQuota"]
        return bool(accounts) and all(
            one.get("status", {}).get("hard") == one["spec"]["hard"] for one in quotas
        )

    def _quotas(self, namespace: str) -> tuple[QuotaLimit, ...]:
        return tuple(
            QuotaLimit(
                namespace=namespace,
                name=one["metadata"]["name"],
                hard=_amounts(one["spec"]["hard"]),
            )
            for one in self._cluster.get("resourcequotas", "-n", namespace)["items"]
        )

    def _fill_with(self, claim: Claim, *, deployed: bool, rest: bool = False) -> Filled:
        """Creates a controller, and returns when it has all its pods, or can get no more."""
        self._cluster.call("create", "-f", "-", stdin=as_list([deployment(claim)]))
        seen = _Seen(pods=0, running=0, unplaced=0, refused="")
        grew_ns = self._clock.monotonic_ns()

        def settled() -> bool:
            nonlocal seen, grew_ns
            before, seen = seen, self._seen(claim)
            now_ns = self._clock.monotonic_ns()
            if seen.pods > before.pods:
                grew_ns = now_ns
            if seen.running + seen.unplaced < seen.pods:
                return False
            if not seen.refused:
                return seen.pods == claim.replicas
            quiet = now_ns - grew_ns > _QUIET_S * NANOSECONDS_PER_SECOND
            return quiet or not self._has_room(claim)

        try:
            wait_until(
                settled,
                within_s=_SETTLES_WITHIN_S,
                what=f"{claim.namespace}: {claim.controller} settled",
                every_s=_LOOKS_EVERY_S,
            )
        except DeadlineExceededError as error:
            self._tell(str(error))  # what is there by then is on record, and judged
        used, hard = self._use(claim.namespace)
        filled = Filled(
            namespace=claim.namespace,
            controller=claim.controller,
            asked=claim.replicas,
            created=seen.pods,
            running=seen.running,
            refused=seen.refused,
            used=used,
            hard=hard,
            deployed=deployed,
            rest=rest,
        )
        self._tell(
            f"{claim.namespace}: {claim.controller}: {seen.running} of {claim.replicas} pods run"
            + (f"; {seen.refused}" if seen.refused else "")
        )
        return filled

    def _seen(self, claim: Claim) -> _Seen:
        labelled = f"{LABEL}={name_of(claim.controller)}"
        found = self._cluster.get("pods,replicasets", "-n", claim.namespace, "-l", labelled)
        pods = [one for one in found["items"] if one["kind"] == "Pod"]
        sets = [one for one in found["items"] if one["kind"] == "ReplicaSet"]
        return _Seen(
            pods=len(pods),
            running=sum(one["status"].get("phase") == "Running" for one in pods),
            unplaced=sum(bool(_condition(one, "PodScheduled", "False")) for one in pods),
            refused=next(
                (
                    str(said["message"])
                    for one in sets
                    if (said := _condition(one, _REFUSED, "True"))
                ),
                "",
            ),
        )

    def _has_room(self, claim: Claim) -> bool:
        used, hard = self._use(claim.namespace)
        return all(
            used.get(name, 0.0) + demand(claim, name) <= limit
            for name, limit in hard.items()
            if is_of_pods(name)
        )

    def _use(self, namespace: str) -> tuple[dict[str, float], dict[str, float]]:
        """Used, and the most: of several quotas, for each resource, the one with the least left."""
        used: dict[str, float] = {}
        hard: dict[str, float] = {}
        for quota in self._cluster.get("resourcequotas", "-n", namespace)["items"]:
            uses = _amounts(quota["status"].get("used", {}))
            for name, limit in _amounts(quota["status"].get("hard", {})).items():
                left = hard[name] - used[name] if name in hard else math.inf
                if limit - uses.get(name, 0.0) < left:
                    hard[name], used[name] = limit, uses.get(name, 0.0)
        return used, hard


def _condition(of: Mapping[str, Any], kind: str, status: str) -> Mapping[str, Any]:
    """The condition of a type, where it has that status; else an empty one."""
    for one in of["status"].get("conditions", ()):
        if (one["type"], one["status"]) == (kind, status):
            return dict(one)
    return {}


def _amounts(quantities: Mapping[str, str]) -> dict[str, float]:
    return {name: amount_of(quantity) for name, quantity in quantities.items()}
