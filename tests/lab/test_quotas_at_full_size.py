"""The documented quotas, filled at full size on fake nodes of a control plane of its own.

It needs the programs that the lab is built of, and no lab; one that is up is not touched.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from commands import ROOT, command, state_directory

from harness.drivers.clock import wait_until
from harness.drivers.process import working_below
from harness.faults.places import Places
from harness.load.filling import Filling, fill
from harness.model.autoscaling import ContainerResources, Resource
from harness.model.quota import CapacitySettings, Claim, Filled, QuotaLimit
from harness.targets import load_targets

BUILDS_WITHIN_S = 2400
TARGETS = load_targets(ROOT / "targets")
GIB = 2.0**30

pytestmark = pytest.mark.timeout(BUILDS_WITHIN_S + 300)

SMALL = ContainerResources(
    name="checkout",
    requests={Resource.CPU: 0.05, Resource.MEMORY: GIB / 8},
    limits={Resource.CPU: 0.2, Resource.MEMORY: GIB / 2},
)
PROXY = ContainerResources(
    name="proxy",
    requests={Resource.CPU: 0.05, Resource.MEMORY: GIB / 8},
    limits={Resource.CPU: 0.05, Resource.MEMORY: GIB / 8},
    sidecar=True,
)
SETTINGS = CapacitySettings(
    claims=(
        Claim(
            namespace="shop",
            controller="Deployment/checkout",
            replicas=10,
            containers=(SMALL, PROXY),
        ),
        Claim(namespace="shop", controller="StatefulSet/checkout", replicas=2, containers=(SMALL,)),
        Claim(namespace="tight", controller="Deployment/a", replicas=10, containers=(SMALL,)),
    ),
    quotas=(
        QuotaLimit(namespace="shop", name="cpu", hard={"limits.cpu": 5.0, "requests.cpu": 5.0}),
        QuotaLimit(namespace="shop", name="pods", hard={"pods": 100.0}),
        QuotaLimit(namespace="tight", name="pods", hard={"pods": 4.0}),
    ),
)
"""Two controllers of one name, a sidecar, two quotas in one namespace; and one that counts pods."""

_FILLS = """
import sys
from pathlib import Path
from harness.faults.places import Places
from harness.load.filling import fill
from harness.model.quota import CapacitySettings
from harness.targets import load_targets

place = Places(Path(sys.argv[1])).declare("fake-cluster")
print(place.directory, flush=True)
fill(CapacitySettings(claims=(), quotas=()), load_targets(Path("targets")), place.directory, print)
"""


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    directory = state_directory()
    yield directory
    command(directory)("recover")
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def filling(state: Path) -> Filling:
    """One filling, whose parts the tests look at; nothing of it works any more."""
    with Places(state).borrowed("fake-cluster") as place:
        found = fill(SETTINGS, TARGETS, place.directory, lambda _: None)
        assert list(working_below(place.directory)) == []
    return found


def parts(filling: Filling, namespace: str, *, deployed: bool) -> list[Filled]:
    return [
        one for one in filling.filled if one.namespace == namespace and one.deployed == deployed
    ]


def test_the_nodes_are_the_documented_whole(filling: Filling) -> None:
    """100 cores and 200Gi, and nothing went wrong."""
    assert filling.error is None
    assert filling.nodes * filling.node_cores == 100
    assert filling.nodes * filling.node_memory == 200 * GIB


@pytest.mark.parametrize(
    ("namespace", "asked", "fit", "cores"),
    [
        ("core-business-prod", 50, 25, 50),
        ("platform-prod", 40, 15, 30),
        ("infrastructure", 12, 10, 20),
    ],
)
def test_a_documented_quota_refuses_at_its_figure(
    filling: Filling, namespace: str, asked: int, fit: int, cores: int
) -> None:
    """Pods of two cores of limits each: a namespace holds half as many as it has cores, all run,
    and the services that come after find no room.
    """
    services = parts(filling, namespace, deployed=False)
    assert sum(one.asked for one in services) == asked
    assert sum(one.created for one in services) == sum(one.running for one in services) == fit
    last = services[-1]
    assert last.created < last.asked
    assert "exceeded quota: compute, requested: limits.cpu=2" in last.refused
    assert last.used["limits.cpu"] == last.hard["limits.cpu"] == cores
    assert last.used["requests.cpu"] == cores / 4
    assert [bool(one.refused) for one in services] == [one.created < one.asked for one in services]


def test_what_is_deployed_fits_and_then_its_quota_refuses(filling: Filling) -> None:
    """Quotas and controllers of the cluster under test; the rest is taken to the limit."""
    deployment, stateful, rest = parts(filling, "shop", deployed=True)
    assert (deployment.created, deployment.running) == (10, 10)
    assert deployment.used["limits.cpu"] == pytest.approx(2.5)  # with the sidecars
    assert deployment.used["requests.cpu"] == pytest.approx(1.0)
    assert (stateful.controller, stateful.running) == ("StatefulSet/checkout", 2)
    assert rest.rest
    assert "exceeded quota: cpu" in rest.refused
    assert rest.used["limits.cpu"] <= 5.0 < rest.used["limits.cpu"] + 0.1 + 1e-9


def test_a_quota_of_pods_counts_pods(filling: Filling) -> None:
    """Whatever they ask for."""
    (only,) = parts(filling, "tight", deployed=True)
    assert (only.asked, only.created, only.running) == (10, 4, 4)
    assert only.used == {"pods": 4.0}


def test_a_filling_that_is_killed_is_cleared_by_the_next_command(state: Path) -> None:
    """Its servers go on working in its place; `recover` finds them there, and the place is gone."""
    child = subprocess.Popen(
        [sys.executable, "-c", _FILLS, str(state)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        place = Path(child.stdout.readline().strip())
        wait_until(
            lambda: len(_programs(place)) >= 5,
            within_s=BUILDS_WITHIN_S,
            what="a control plane that runs",
            every_s=0.1,
        )
    finally:
        child.kill()
        child.wait(10)
        child.stdout.close()  # type: ignore[union-attr]
    assert len(_programs(place)) >= 5
    command(state)("recover")
    assert _programs(place) == []
    assert not place.exists()


def _programs(place: Path) -> list[str]:
    """The servers that work below it."""
    found = []
    for one in working_below(place):
        with contextlib.suppress(psutil.Error):
            found.append(one.cwd())
    return [where for where in found if where != str(place)]
