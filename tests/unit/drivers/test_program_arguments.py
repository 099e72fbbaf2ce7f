"""The flags of a controller manager that runs as a pod, and the durations that they give."""

from __future__ import annotations

import pytest
from kubernetes_api import StandInApi, pod

from harness.drivers.program_arguments import controller_manager, go_duration_s
from harness.errors import RefusedError, SurroundingsError


def test_a_controller_manager_that_is_no_pod_is_not_visible() -> None:
    assert controller_manager(StandInApi().cluster()) is None


def test_a_controller_manager_that_is_a_pod() -> None:
    api = StandInApi()
    labels = {"component": "kube-controller-manager"}
    container = {"name": "c", "command": ["kube-controller-manager", "--leader-elect=true"]}
    made = pod("kube-system", "manager-1", metadata={"labels": labels}, containers=[container])
    api.put("pods", made)
    assert controller_manager(api.cluster()) == {"leader-elect": "true"}


def test_what_may_not_be_read_is_refused() -> None:
    api = StandInApi()
    api.forbidden.add("get pods")
    with pytest.raises(RefusedError, match="pods"):
        controller_manager(api.cluster())


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("40s", 40), ("1m30s", 90), ("1h", 3600), ("12.409s", 12.409), ("500ms", 0.5)],
)
def test_durations_as_go_writes_them(written: str, seconds: float) -> None:
    assert go_duration_s(written) == seconds


@pytest.mark.parametrize("written", ["", "40", "x40s"])
def test_what_is_no_duration(written: str) -> None:
    with pytest.raises(SurroundingsError, match="expected a duration"):
        go_duration_s(written)
