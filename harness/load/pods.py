"""Injects a load from pods of the cluster: starts them, follows them, brings here what they saw."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import yaml

from harness.drivers.clock import HostClock, wait_until
from harness.drivers.kubernetes import DRILL_LABEL, NAMESPACE, Cluster, label_value
from harness.drivers.kubernetes_objects import Object
from harness.errors import DeadlineExceededError, HarnessError, InputError, SurroundingsError
from harness.load.config import HttpRequest, InjectorConfig, LocustConfig, Role
from harness.load.gathered import Gathered, ask, fetch
from harness.load.injected import Injected, progress_of, scheduled, sent_any
from harness.load.pod_manifests import (
    CONFIG,
    LOCUSTFILE,
    MASTER,
    WORKER,
    PodManifests,
    jobs_in,
)
from harness.load.zero import instant_of, monotonic_here
from harness.model.cluster import Pod
from harness.model.codec import to_indented_json
from harness.model.load_test import LoadPods
from harness.ports import Load, LoadProgress

_CLOCK = HostClock()

_BEGINS_WITHIN_S = 240.0
"""From the start of the Jobs to the schedule's zero: an image may have to be pulled."""

_ENDS_WITHIN_S = 90.0
"""After the last arrival: the last answers, and what workers still send to their master."""

_KEEPS_RESULTS_S = 300.0
_STOPS_WITHIN_S = 40.0
"""Once the workers are told to: a master believes in one for 10 s that says no more."""

_LOOKS_EVERY_S = 2.0
"""Each look costs the cluster a little; on a small one that is lag of the injectors."""

_RESULTS_PORT = 8090
_CONFIG = Path("/config")
_AUTHORITIES = "ca.pem"


def inject_from_pods(  # noqa: PLR0913 - what is sent, how, from where
    request: HttpRequest,
    load: Load,
    *,
    cluster: Cluster,
    pods: LoadPods,
    run: str,
    samples: Path,
    name: str,
    should_stop: Callable[[], str | None],
    progress: Callable[[LoadProgress], None],
) -> Injected:
    """Injects the load to its end, or until `should_stop` says why not further.

    Files of samples are `<samples>/<name>-<worker>.samples`. A worker that says no more is lost:
    the others go on, and what it sent before is kept. The Jobs are gone afterwards; they end by
    themselves where this is killed. Raises InputError where the manifests are not those of a load,
    and SurroundingsError where the API does not take them.
    """
    lasts_s = load.profile.lasts.total_seconds()
    within_s = _BEGINS_WITHIN_S + lasts_s + request.timeout_s + _ENDS_WITHIN_S
    manifests = PodManifests(
        jobs=jobs_in(_read(pods.manifests), str(pods.manifests)),
        pods=pods,
        name=secrets.token_hex(4),
        namespace=NAMESPACE,
        labels={DRILL_LABEL: label_value(run)},
        lasts_s=int(within_s + _KEEPS_RESULTS_S),
    )
    files = _files(request, load)
    config = _config(request, load, name)
    started_ns = _CLOCK.monotonic_ns()
    gathered: Gathered | None = None
    failure: str | None = None
    cluster.ensure_namespace()
    with contextlib.ExitStack() as stack:
        master = cluster.create_object(manifests.master())
        stack.callback(_remove, cluster, manifests.named(MASTER))
        cluster.create_object(manifests.config(MASTER, files | _told(config), master))
        following = _Following(cluster, manifests.named(MASTER), lasts_s, should_stop, progress)
        try:
            pod = wait_until(
                following.address,
                within_s=_BEGINS_WITHIN_S,
                what=f"the pod of job {NAMESPACE}/{manifests.named(MASTER)}",
                every_s=_LOOKS_EVERY_S,
                hint=f"kubectl -n {NAMESPACE} describe pods -l job-name={manifests.named(MASTER)}",
            )
            config = msgspec.structs.replace(config, master_host=pod.address)
            cluster.create_object(manifests.config(WORKER, files | _told(config), master))
            cluster.create_object(manifests.workers(load.workers, master))
            wait_until(
                following.ended,
                within_s=within_s,
                what=f"the end of load {name}",
                every_s=_LOOKS_EVERY_S,
            )
            if following.stopped is not None:
                _remove(cluster, manifests.named(WORKER))
                with contextlib.suppress(DeadlineExceededError):
                    wait_until(
                        following.over,
                        within_s=_STOPS_WITHIN_S,
                        what="what was measured before",
                        every_s=_LOOKS_EVERY_S,
                    )
            if following.over():
                gathered = fetch(cluster, NAMESPACE, following.pod, _RESULTS_PORT, samples)
        except (DeadlineExceededError, SurroundingsError, _NobodyConductsError) as error:
            failure = "; ".join((str(error), *_why_waiting(cluster, manifests.named(WORKER))))
    return _injected(gathered, load, samples, started_ns, following.stopped or failure)


class _NobodyConductsError(HarnessError):
    """There is nothing more to wait for: the master is gone, or is not wanted any more."""


class _Following:
    """What the master says, as long as it is there."""

    def __init__(
        self,
        cluster: Cluster,
        job: str,
        lasts_s: float,
        should_stop: Callable[[], str | None],
        progress: Callable[[LoadProgress], None],
    ) -> None:
        self.pod = ""
        self.stopped: str | None = None
        self._cluster = cluster
        self._job = job
        self._lasts_s = lasts_s
        self._should_stop = should_stop
        self._progress = progress
        self._said: Gathered | None = None

    def address(self) -> Pod | None:
        """The pod when it has an address and runs; raises where it will not."""
        self.stopped = self._should_stop()
        if self.stopped is not None:
            raise _NobodyConductsError(self.stopped)
        pod = self._look()
        if pod is None or pod.phase != "Running" or not pod.address:
            return None
        self.pod = pod.name
        return pod

    def over(self) -> bool:
        """Whether all that there will be is with the master."""
        with contextlib.suppress(SurroundingsError):  # asked again
            self._said = ask(self._cluster, NAMESPACE, self.pod, _RESULTS_PORT)
        if self._said is None:
            return False
        self._progress(progress_of(list(self._said.reports.values()), self._lasts_s))
        return self._said.over

    def ended(self) -> bool:
        """Whether there is nothing more to wait for."""
        self.stopped = self._should_stop()
        if self.stopped is not None or self.over():
            return True
        with contextlib.suppress(SurroundingsError):  # the API may be what is away
            self._look()
        return False

    def _look(self) -> Pod | None:
        """The master's pod; raises where it has ended, or is gone."""
        found = self._cluster.pods(NAMESPACE, f"job-name={self._job}")
        if not found:
            if self.pod:
                raise _NobodyConductsError(f"nobody conducts: pod {self.pod} is gone")
            return None
        (pod,) = found
        if pod.phase in {"Failed", "Succeeded"}:
            said = ""
            with contextlib.suppress(SurroundingsError):
                said = self._cluster.log(NAMESPACE, pod.name).strip().rpartition("\n")[2]
            raise _NobodyConductsError(
                f"nobody conducts: pod {pod.name}: {pod.phase}: {said or 'it said nothing'}"
            )
        return pod


def _why_waiting(cluster: Cluster, job: str) -> Iterator[str]:
    """What the scheduler says of each worker's pod that has no node."""
    with contextlib.suppress(SurroundingsError):  # it explains a failure, and must not be one
        for pod in cluster.pods(NAMESPACE, f"job-name={job}"):
            if pod.node:
                continue
            found = cluster.get_object("v1", "Pod", NAMESPACE, pod.name) or {}
            for condition in found.get("status", {}).get("conditions", ()):
                if condition["type"] == "PodScheduled" and condition["status"] == "False":
                    yield f"pod {pod.name}: {condition.get('message', condition.get('reason'))}"


def _injected(
    gathered: Gathered | None, load: Load, samples: Path, started_ns: int, failure: str | None
) -> Injected:
    written = [samples / name for name in gathered.files] if gathered is not None else []
    closed_loop = load.locustfile is not None
    error = failure or (gathered.error if gathered is not None else None)
    if error is None and not any(map(sent_any, written)):
        error = "no request of the load came to its end"
    zero = gathered.zero if gathered is not None else None
    return Injected(
        began=instant_of(started_ns if zero is None else monotonic_here(zero)),
        scheduled=scheduled(load.profile, load.peak, load.seed, written, closed_loop=closed_loop),
        samples=tuple(one.name for one in written),
        lost_workers=gathered.lost if gathered is not None else (),
        generator_cpu_s=sum(one.cpu_s for one in gathered.reports.values()) if gathered else 0.0,
        closed_loop=closed_loop,
        error=error,
    )


def _config(request: HttpRequest, load: Load, name: str) -> LocustConfig:
    if request.ca_file is not None:
        request = msgspec.structs.replace(request, ca_file=_CONFIG / _AUTHORITIES)
    return LocustConfig(
        role=Role.MASTER,
        injector=InjectorConfig(
            request=request,
            profile=load.profile,
            peak=load.peak,
            seed=load.seed,
            samples=Path("/load") / f"{name}.samples",
            workers=load.workers,
        ),
        locustfile=None if load.locustfile is None else _CONFIG / LOCUSTFILE,
        listens_on="*",
        awaits_workers_s=_BEGINS_WITHIN_S,
        sends_samples=True,
        results_port=_RESULTS_PORT,
        keeps_results_s=_KEEPS_RESULTS_S,
    )


def _files(request: HttpRequest, load: Load) -> dict[str, str]:
    """What master and workers have beside their config."""
    files = {}
    if load.locustfile is not None:
        files[LOCUSTFILE] = load.locustfile.content
    if request.ca_file is not None:
        files[_AUTHORITIES] = _text(request.ca_file)
    return files


def _told(config: LocustConfig) -> dict[str, str]:
    return {CONFIG: to_indented_json(config).decode()}


def _read(manifests: Path) -> Sequence[Object]:
    if not manifests.is_dir():
        raise InputError(
            f"{manifests}: is no folder, expected that of the Jobs of a load",
            hint='[environments.NAME.kubernetes.load_pods] manifests = "deploy/load"',
        )
    found: list[Object] = []
    for path in sorted(manifests.glob("*.yaml")):
        try:
            found += yaml.safe_load_all(_text(path))
        except yaml.YAMLError as error:
            raise InputError(f"{path}: not YAML: {error}") from error
    return [one for one in found if one]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def _remove(cluster: Cluster, job: str) -> None:
    with contextlib.suppress(HarnessError):  # it ends and goes by itself
        cluster.delete_object("batch/v1", "Job", NAMESPACE, job)
