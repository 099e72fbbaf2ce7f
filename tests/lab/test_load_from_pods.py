"""A load injected from pods of the cluster: alike from one and three, lost ones named, compared.

A machine that others use, too, may make the generator late, which its gate tells: such a run says
nothing and is done again.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import Command

from harness.drivers.clock import wait_until
from harness.lab.lab import Lab

PROFILE = """\
# Decides a load for a test: one rate.
profile: even
title: Even
stages:
  - {{rate: 0.2, hold: PT3S}}
  - {{rate: 1.0, hold: PT{seconds}S}}
"""
SUITE = """\
suite: {name}
kind: load-test
title: From pods
workload: checkout
scenarios:
  - {{kind: drive, id: even, title: Even, profile: even, peak: 15, replicas: 2, workers: {workers},
     from_pods: true}}
"""
SHOP = ("-n", "core-business-prod")
DRILL = ("-n", "harness-drill")
ATTEMPTS = 4

Judged = dict[str, Any]
Drive = Callable[..., Judged]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Suites of one and of three workers, and their runs."""
    made = tmp_path_factory.mktemp("from-pods")
    for workers in (1, 3):
        name = f"from-{workers}"
        (made / f"{name}.yaml").write_text(SUITE.format(name=name, workers=workers))
    return made


@pytest.fixture(scope="module")
def drive(folder: Path, harness: Command, lab: Lab) -> Drive:
    """Injects the load and returns the judgement, with the run's directory as `run`."""
    assert lab.kubectl.ready()

    def perform(workers: int, *words: str, seconds: int = 30) -> Judged:
        profiles = folder / f"profiles-{seconds}"
        profiles.mkdir(exist_ok=True)
        (profiles / "even.yaml").write_text(PROFILE.format(seconds=seconds))
        options = ("--suites", str(folder), "--profiles", str(profiles))
        runs = folder / "runs"
        done = harness(
            "run", f"from-{workers}", "-e", "lab", "--json", *options, "--runs", str(runs), *words,
            within_s=500, exits=(0, 1, 3),
        )  # fmt: skip
        assert done.stdout, done.stderr
        return {**json.loads(done.stdout), "run": str((runs / "latest").resolve())}

    return perform


@pytest.fixture(scope="module")
def believed(drive: Drive) -> Drive:
    """The same, until the generator was in time."""

    def perform(workers: int, *words: str) -> Judged:
        for _ in range(ATTEMPTS):
            found = drive(workers, *words)
            if not injection(found)["gates"]:
                return found
        raise AssertionError(f"{ATTEMPTS} runs: {injection(found)['gates']}")

    return perform


@pytest.fixture(scope="module")
def before(believed: Drive) -> Judged:
    """The version as it is, from one pod."""
    return believed(1)


@pytest.fixture
def slow(lab: Lab) -> Iterator[None]:
    """A version that takes 100 ms more, which every documented target allows."""
    _set_version(lab, "v2-slow", "100")
    yield
    _set_version(lab, "v1", "0")


def test_the_schedule_was_injected_and_the_jobs_are_gone(before: Judged, lab: Lab) -> None:
    """Every request has its sample."""
    found = injection(before)
    assert found["sent"] == found["scheduled"] > 400
    assert lab.kubectl.get("jobs", *DRILL)["items"] == []


def test_three_pods_measure_what_one_did(before: Judged, believed: Drive) -> None:
    """The same version is no regression; its schedule is the same one, shared."""
    found = believed(3, "--baseline", before["run"])
    assert injection(found)["scheduled"] == pytest.approx(injection(before)["scheduled"], rel=0.2)
    compared = verdicts(found, "regression/")
    assert {"regression/p50-of-even", "regression/p95-of-even"} <= set(compared)
    assert "FAIL" not in compared.values(), compared


@pytest.mark.usefixtures("slow")
def test_a_slow_version_is_a_regression(before: Judged, believed: Drive) -> None:
    """Although it keeps the documented 500 ms."""
    found = believed(3, "--baseline", before["run"])
    assert verdicts(found, "regression/")["regression/p50-of-even"] == "FAIL"
    (p50,) = (one for one in found["load"]["compared"] if one["what"] == "p50 of even")
    assert p50["change"]["low"] > 1


def test_a_worker_that_is_lost_is_named(drive: Drive, lab: Lab) -> None:
    """What it did not send is missing, and nothing passes."""
    victim = threading.Thread(target=_lose_a_worker, args=(lab,))
    victim.start()
    found = drive(3, seconds=20)
    victim.join()
    gates = " ".join(injection(found)["gates"])
    assert "worker" in gates, gates
    assert set(verdicts(found, "under-load/").values()) == {"INCONCLUSIVE"}
    assert lab.kubectl.get("jobs", *DRILL)["items"] == []


def injection(judged: Judged) -> Judged:
    """The one load of a run."""
    (found,) = judged["load"]["injections"]
    return dict(found)


def verdicts(judged: Judged, check: str) -> dict[str, str]:
    """Of the findings of one check."""
    return {one["id"]: one["verdict"] for one in judged["findings"] if one["id"].startswith(check)}


def _lose_a_worker(lab: Lab) -> None:
    """One that runs, a little after all of them do."""

    def running() -> list[str]:
        pods = lab.kubectl.get("pods", *DRILL, "-l", "app=load-worker")["items"]
        named = [one["metadata"]["name"] for one in pods if one["status"]["phase"] == "Running"]
        return named if len(named) == 3 else []

    def injecting() -> bool:
        (master,) = lab.kubectl.get("pods", *DRILL, "-l", "app=load-master")["items"]
        pod = f"/api/v1/namespaces/harness-drill/pods/http:{master['metadata']['name']}:8090"
        said = lab.kubectl.run("get", "--raw", f"{pod}/proxy/load.json")
        return said.returncode == 0 and any(
            one["sent"] > 20 for one in json.loads(said.stdout)["reports"].values()
        )

    names = wait_until(running, within_s=200, what="three workers")
    wait_until(injecting, within_s=60, what="the load to begin")
    lab.kubectl.call("delete", "pod", *DRILL, names[0], "--grace-period=0", "--force")


def _set_version(lab: Lab, version: str, delay_ms: str) -> None:
    environment = [{"name": "CHECKOUT_DELAY_MS", "value": delay_ms}]
    template = {
        "metadata": {"labels": {"version": version}},
        "spec": {"containers": [{"name": "checkout", "env": environment}]},
    }
    patch = json.dumps({"spec": {"template": template}})
    lab.kubectl.call("patch", "deployment", "checkout", *SHOP, "-p", patch)
    lab.kubectl.call(
        "rollout", "status", "deployment/checkout", *SHOP, "--timeout=120s", within_s=130
    )
