"""A load from pods, against an API that runs its Jobs: what comes back, and what is left there."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml
from kubernetes_api import StandInApi, pod

from harness.drivers.kubernetes_connection import Answer as ApiAnswer
from harness.errors import InputError
from harness.load.config import HttpRequest, InjectorReport
from harness.load.gathered import OUTCOME, Gathered
from harness.load.injected import Injected
from harness.load.pod_manifests import PodManifests, jobs_in
from harness.load.pods import inject_from_pods
from harness.load.schedule import instants
from harness.load.zero import zero_in
from harness.model.codec import to_json
from harness.model.load_profile import Profile, Stage
from harness.model.load_test import LoadPods, Locustfile
from harness.model.sample import DTYPE, Answer
from harness.ports import Load

MANIFESTS = Path(__file__).parents[3] / "deploy" / "load"
SECOND = Profile(profile="s", title="S", stages=(Stage(rate=1.0, hold=timedelta(seconds=1)),))


class Cluster(StandInApi):
    """Each Job of a master gets a pod; its results are given out as the API's proxy does."""

    def __init__(self, gathered: Gathered | None, phase: str = "Running") -> None:
        super().__init__()
        self.gathered = gathered
        self.files: dict[str, bytes] = {}
        self.told: dict[str, str] = {}
        self.lives = lambda: self.run_jobs(phase)

    def __call__(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
    ) -> ApiAnswer:
        _, proxied, file = path.partition("/proxy/")
        if proxied and self.gathered is not None:
            content = to_json(self.gathered) if file == OUTCOME else self.files.get(file)
            return ApiAnswer(404, b"") if content is None else ApiAnswer(200, content)
        return super().__call__(method, path, query=query, body=body, content_type=content_type)

    def run_jobs(self, phase: str, unscheduled: str | None = None) -> None:
        """Masters get to that phase. Workers get no node, for that reason, where one is given;
        the master then waits for them before.
        """
        called = any(name.startswith("load-worker") for _, _, name in self.objects)
        if unscheduled is not None and not called:
            phase = "Running"
        for (plural, namespace, name), content in list(self.objects.items()):
            if plural == "configmaps":
                self.told |= content["data"]
            if plural != "jobs":
                continue
            status: dict[str, object] = {"phase": phase, "podIP": "10.0.0.7"}
            if name.startswith("load-worker"):
                if unscheduled is None:
                    continue
                reason = {"type": "PodScheduled", "status": "False", "message": unscheduled}
                status = {"phase": "Pending", "conditions": [reason]}
            labels = {"labels": {"job-name": name}}
            self.put("pods", pod(namespace, f"{name}-0", metadata=labels, status=status))

    def left(self) -> list[str]:
        return [name for plural, _, name in self.objects if plural == "jobs"]


def report(*, done: bool = True) -> InjectorReport:
    return InjectorReport(
        began_ns=1,
        elapsed_s=1.0,
        scheduled=10,
        sent=10,
        ended=10,
        wrong=0,
        longest_lag_s=0.0,
        cpu_s=0.5,
        done=done,
    )


def gathered(*files: str, lost: tuple[str, ...] = ()) -> Gathered:
    return Gathered(
        over=True, zero=zero_in(0), reports={"0": report()}, lost=lost, files=files, error=None
    )


def samples(answer: Answer) -> bytes:
    found = np.zeros(10, dtype=DTYPE)
    found["answer"] = answer
    return found.tobytes()


def inject(
    cluster: Cluster,
    directory: Path,
    *,
    stop: str | None = None,
    manifests: Path = MANIFESTS,
    locustfile: Locustfile | None = None,
) -> Injected:
    return inject_from_pods(
        HttpRequest(host="checkout.shop.svc", port=8000),
        Load(profile=SECOND, peak=10.0, seed=1, workers=2, from_pods=True, locustfile=locustfile),
        cluster=cluster.cluster(),
        pods=LoadPods(image="registry.test/harness:1", manifests=manifests),
        run="run-1",
        samples=directory,
        name="scale",
        should_stop=lambda: stop,
        progress=lambda _progress: None,
    )


def test_nothing_was_sent(tmp_path: Path) -> None:
    """A load of no samples, and one whose requests were all left unsent, have an error."""
    cluster = Cluster(gathered())
    assert inject(cluster, tmp_path).error == "no request of the load came to its end"
    cluster = Cluster(gathered("scale-0.samples"))
    cluster.files = {"scale-0.samples": samples(Answer.UNSENT)}
    assert inject(cluster, tmp_path).error == "no request of the load came to its end"


def test_what_was_measured_is_brought_here(tmp_path: Path) -> None:
    """Samples, the schedule's length, CPU time; nothing of it stays in the cluster."""
    cluster = Cluster(gathered("scale-0.samples", "scale-1.samples"))
    cluster.files = {f"scale-{number}.samples": samples(Answer.OK) for number in range(2)}
    found = inject(cluster, tmp_path)
    assert (found.error, found.lost_workers, found.closed_loop) == (None, (), False)
    assert found.samples == ("scale-0.samples", "scale-1.samples")
    assert (tmp_path / "scale-1.samples").read_bytes() == samples(Answer.OK)
    assert found.scheduled == len(instants(SECOND, 10.0, 1))
    assert found.generator_cpu_s == 0.5
    assert not [one for one in cluster.left() if one.startswith("load-master")]


def test_a_worker_that_was_lost_is_named(tmp_path: Path) -> None:
    """And what the other one measured is kept."""
    cluster = Cluster(gathered("scale-0.samples", lost=("worker 1: not heard of for 10 s",)))
    cluster.files = {"scale-0.samples": samples(Answer.OK)}
    found = inject(cluster, tmp_path)
    assert found.lost_workers == ("worker 1: not heard of for 10 s",)
    assert (found.error, found.samples) == (None, ("scale-0.samples",))


def test_users_of_their_own(tmp_path: Path) -> None:
    """The pods have the file; what they asked stands for the schedule that they do not have."""
    cluster = Cluster(gathered("scale-0.samples"))
    cluster.files = {"scale-0.samples": samples(Answer.OK)}
    found = inject(cluster, tmp_path, locustfile=Locustfile(path="theirs.py", content="# theirs"))
    assert (found.closed_loop, found.scheduled) == (True, 10)
    assert cluster.told["locustfile.py"] == "# theirs"


def test_a_master_that_failed_conducts_nobody(tmp_path: Path) -> None:
    """Its last words are the reason, and its Job is gone."""
    cluster = Cluster(None, phase="Failed")
    found = inject(cluster, tmp_path)
    assert found.error is not None
    assert found.error.startswith("nobody conducts: pod load-master-")
    assert (found.samples, cluster.left()) == ((), [])


def test_a_worker_without_a_node_says_why(tmp_path: Path) -> None:
    """The scheduler's own words are beside the master's, which only missed it."""
    cluster = Cluster(None, phase="Failed")
    cluster.lives = lambda: cluster.run_jobs("Failed", unscheduled="0/3 nodes: Insufficient cpu")
    error = inject(cluster, tmp_path).error or ""
    assert error.startswith("nobody conducts: pod load-master-")
    assert error.endswith("-0: 0/3 nodes: Insufficient cpu")


def test_requests_of_a_worker() -> None:
    """As its limits, where nothing else is said."""
    asked = {}
    objects = [
        one for path in MANIFESTS.glob("*.yaml") for one in yaml.safe_load_all(path.read_text())
    ]
    for request in (None, "200m"):
        manifests = PodManifests(
            jobs=jobs_in(objects, str(MANIFESTS)),
            pods=LoadPods(image="registry.test/harness:1", cpu="1", cpu_request=request),
            name="1",
            namespace="harness-drill",
            labels={},
            lasts_s=1,
        )
        job = manifests.workers(3, {"metadata": {"name": "load-master-1", "uid": "u"}})
        asked[request] = job["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert asked[None]["requests"] == asked[None]["limits"] == {"cpu": "1", "memory": "512Mi"}
    assert asked["200m"]["requests"] == {"cpu": "200m", "memory": "512Mi"}
    assert asked["200m"]["limits"] == asked[None]["limits"]


def test_who_stops_it_is_said(tmp_path: Path) -> None:
    """Before it has begun."""
    cluster = Cluster(None)
    assert inject(cluster, tmp_path, stop="stopped").error == "stopped"
    assert cluster.left() == []


def test_other_manifests_are_refused(tmp_path: Path) -> None:
    """Before anything is made."""
    cluster = Cluster(None)
    with pytest.raises(InputError, match="got no Job load-master"):
        inject(cluster, tmp_path, manifests=tmp_path)
    assert cluster.changes == []
