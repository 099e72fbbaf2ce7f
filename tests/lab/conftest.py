"""Brings one lab with the documented platform up for all lab tests, and down again at the end.

A lab of this machine that is up is refused: tests break things. What is missing is an error.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Command, InPod, command, state_directory
from orders import SHOP, Shop

from harness.lab.lab import Lab, find

_PROGRAM = """\
apiVersion: v1
kind: Pod
metadata: {name: client, labels: {app: client}}
spec:
  terminationGracePeriodSeconds: 0
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: client
    image: harness.local/checkout:lab
    imagePullPolicy: IfNotPresent
    command: [python, -c, "import signal; signal.pause()"]
    resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {cpu: 500m, memory: 256Mi}}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL]}
"""


@pytest.fixture(scope="session")
def state() -> Iterator[Path]:
    """The state directory of the lab under test; its lab is down when the tests have ended.

    While a test is written: HARNESS_TESTS_STATE names one whose lab is up, and stays so.
    """
    kept = os.environ.get("HARNESS_TESTS_STATE")
    if kept is not None:
        yield Path(kept)
        return
    directory = state_directory()
    yield directory
    command(directory)("lab", "down")
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def harness(state: Path) -> Command:
    """The command line, on the lab under test."""
    return command(state)


@pytest.fixture(scope="session")
def lab(state: Path, harness: Command) -> Lab:
    """Three masters, three workers in three zones, and the documented platform on them."""
    harness("lab", "up", "--overlay", "production", within_s=2400)
    return find(state)


@pytest.fixture
def namespace(lab: Lab) -> Iterator[str]:
    """A namespace of the test's own."""
    name = f"test-{secrets.token_hex(3)}"
    lab.kubectl.call("create", "namespace", name)
    yield name
    lab.kubectl.call("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def client(lab: Lab) -> InPod:
    """Runs a Python program in a pod beside the checkout, and returns what it prints."""
    where = ("-n", "core-business-prod")
    lab.kubectl.call("apply", *where, "-f", "-", stdin=_PROGRAM.encode())
    lab.kubectl.call("wait", *where, "--for=condition=Ready", "pod/client", "--timeout=60s")

    def run(program: str, *arguments: str, within_s: float = 60) -> str:
        words = ("exec", *where, "client", "--", "python", "-c", program, *arguments)
        return lab.kubectl.call(*words, within_s=within_s)

    return run


@pytest.fixture(scope="session")
def shop(lab: Lab, harness: Command) -> Shop:
    """Runs a program beside the cluster, on the checkout's Service, and returns what it prints.

    Not in a pod, which could go with the node that is killed; by address, not by name: DNS may
    go with it, too, and is not what these tests are about.
    """
    service = lab.kubectl.get("service", "checkout", *SHOP)
    url = f"http://{service['spec']['clusterIP']}:8000"

    def run(program: str, *arguments: str, within_s: float = 60) -> str:
        words = (sys.executable, "-c", program, url, *arguments)
        return harness("lab", "exec", "--", *words, within_s=within_s).stdout.strip()

    return run
