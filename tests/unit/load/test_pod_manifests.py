"""The Jobs of a load from pods, made of deploy/load: each ends, goes, and takes the rest along."""

from pathlib import Path

import pytest
import yaml

from harness.drivers.kubernetes_objects import Object
from harness.errors import InputError
from harness.load.pod_manifests import MASTER, WORKER, PodManifests, jobs_in
from harness.model.load_test import LoadPods

DEPLOY = Path(__file__).parents[3] / "deploy" / "load"


def objects() -> list[Object]:
    return [
        one
        for path in sorted(DEPLOY.glob("*.yaml"))
        for one in yaml.safe_load_all(path.read_text())
        if one
    ]


def manifests() -> PodManifests:
    return PodManifests(
        jobs=jobs_in(objects(), "deploy/load"),
        pods=LoadPods(image="registry.test/harness:1", cpu="500m", memory="256Mi"),
        name="a1b2",
        namespace="harness-drill",
        labels={"harness.dev/drill": "run-1"},
        lasts_s=900,
    )


CREATED: Object = {"metadata": {"name": "load-master-a1b2", "uid": "u-1"}}


def test_jobs_that_are_missing_are_named() -> None:
    """Nothing at all, and a folder without the workers' Job."""
    with pytest.raises(InputError, match="got no Job load-master"):
        jobs_in([], "deploy/load")
    with pytest.raises(InputError, match="got no Job load-worker"):
        jobs_in([jobs_in(objects(), "deploy/load")[MASTER]], "here")


@pytest.mark.parametrize("role", [MASTER, WORKER])
def test_a_job_ends_and_goes_by_itself(role: str) -> None:
    """With a deadline, gone after its end, found by who clears up, told by its own ConfigMap."""
    made = manifests()
    job = made.master() if role == MASTER else made.workers(4, CREATED)
    assert job["metadata"]["name"] == f"{role}-a1b2"
    assert job["metadata"]["namespace"] == "harness-drill"
    assert job["spec"]["activeDeadlineSeconds"] == 900
    assert job["spec"]["ttlSecondsAfterFinished"] == 600
    template = job["spec"]["template"]
    assert template["metadata"]["labels"] == {"app": role, "harness.dev/drill": "run-1"}
    (container,) = template["spec"]["containers"]
    assert container["image"] == "registry.test/harness:1"
    maps = [one["configMap"]["name"] for one in template["spec"]["volumes"] if "configMap" in one]
    assert maps == [f"{role}-a1b2"]


def test_workers_are_as_many_and_as_large_as_is_said() -> None:
    """Each has an index; all of them go with the master's Job."""
    job = manifests().workers(4, CREATED)
    spec = job["spec"]
    assert (spec["completions"], spec["parallelism"], spec["completionMode"]) == (4, 4, "Indexed")
    size = {"cpu": "500m", "memory": "256Mi"}
    (container,) = spec["template"]["spec"]["containers"]
    assert container["resources"] == {"requests": size, "limits": size}
    assert [one["uid"] for one in job["metadata"]["ownerReferences"]] == ["u-1"]


def test_one_load_does_not_change_the_next() -> None:
    """What was read is not written to."""
    made = manifests()
    made.workers(4, CREATED)
    assert made.workers(2, CREATED)["spec"]["completions"] == 2
    assert made.jobs == jobs_in(objects(), "deploy/load")


def test_what_a_role_is_told_goes_with_the_job() -> None:
    """A ConfigMap of its files."""
    told = manifests().config(WORKER, {"load.json": "{}"}, CREATED)
    assert told["metadata"]["name"] == "load-worker-a1b2"
    assert told["metadata"]["ownerReferences"][0]["name"] == "load-master-a1b2"
    assert told["data"] == {"load.json": "{}"}
