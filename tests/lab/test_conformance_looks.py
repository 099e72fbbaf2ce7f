"""The pods that a conformance check looks from: nobody sends them anything, and they go again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import ROOT, Command

from harness.conformance.probe_pods import LOOK_LABEL, Source, manifest
from harness.drivers.clock import wait_until
from harness.lab.lab import Lab

SHOP = "core-business-prod"
LOOKS = ("--only", "connections")


@pytest.fixture
def probe(lab: Lab) -> Iterator[dict[str, Any]]:
    """A pod under the checkout's label, that lives until it is looked at."""
    made = manifest(
        Source(SHOP, "checkout"),
        "sleep 50",
        image="harness.local/busybox:lab",
        run="test-looks",
        name="harness-look-test",
    )
    lab.kubectl.call("create", "-f", "-", stdin=json.dumps(made).encode())
    try:
        yield wait_until(
            lambda: found if (found := running(lab)) else None,
            within_s=40,
            what="the pod runs",
            every_s=0.5,
        )
    finally:
        lab.kubectl.call("delete", "-n", SHOP, "pod", "harness-look-test", "--now")


def running(lab: Lab) -> dict[str, Any] | None:
    """The pod, once its container runs and it has an address."""
    found = lab.kubectl.get("pod", "harness-look-test", "-n", SHOP)
    status = found["status"]
    return found if status["phase"] == "Running" and status.get("podIP") else None


def allowed(lab: Lab) -> int:
    """How many of the checkout's pods may go, as its budget says."""
    found = lab.kubectl.get("poddisruptionbudget", "checkout", "-n", SHOP)
    return int(found["status"]["disruptionsAllowed"])


def left(lab: Lab) -> list[str]:
    """Pods of looks, in all namespaces."""
    found = lab.kubectl.get("pods", "--all-namespaces", "-l", f"{LOOK_LABEL}=connections")
    return [one["metadata"]["name"] for one in found["items"]]


def test_a_pod_under_a_services_label_serves_nobody(lab: Lab, probe: dict[str, Any]) -> None:
    """It was admitted; it is not ready, in no Service, of no controller, and no budget minds it."""
    assert "ownerReferences" not in probe["metadata"]
    conditions = {one["type"]: one["status"] for one in probe["status"]["conditions"]}
    assert conditions["ContainersReady"] == "True"
    assert conditions["Ready"] == "False"
    slices = lab.kubectl.get("endpointslices", "-n", SHOP, "-l", "kubernetes.io/service-name")
    endpoints = [end for one in slices["items"] for end in one.get("endpoints") or ()]
    assert endpoints
    for one in endpoints:
        if one["targetRef"]["name"] == "harness-look-test":
            assert not one["conditions"]["ready"]
            assert not one["conditions"]["serving"]
    assert allowed(lab) == 1


def test_a_killed_check_leaves_pods_that_recover_removes(
    state: Path, harness: Command, lab: Lab
) -> None:
    """SIGKILL while they look; the next command finds them by the run's label."""
    check = subprocess.Popen(
        [sys.executable, "-m", "harness", "run", "conformance", "-e", "lab", *LOOKS],
        cwd=ROOT,
        env={**os.environ, "HARNESS_STATE_DIR": str(state)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: left(lab), within_s=60, what="pods of the look", every_s=0.2)
    finally:
        os.killpg(check.pid, 9)
        check.wait(10)
    said = harness("recover").stdout
    assert f"pod {SHOP}/harness-look-" in said
    wait_until(lambda: not left(lab), within_s=20, what="the pods are gone", every_s=0.5)


def test_the_lab_enforces_no_policy_and_is_told_so(harness: Command, lab: Lab) -> None:
    """What must be refused came about: FAIL is the true verdict; names are resolved."""
    done = harness("run", "conformance", "-e", "lab", *LOOKS, "--json", exits=(1,))
    findings = {one["id"]: one for one in json.loads(done.stdout)["findings"]}
    enforced = {
        name.rpartition("/")[2]: one["verdict"]
        for name, one in findings.items()
        if "/enforced-" in name
    }
    assert enforced == {
        "enforced-egress": "FAIL",
        "enforced-ingress": "FAIL",
        "enforced-dns": "PASS",
    }
    assert left(lab) == []
