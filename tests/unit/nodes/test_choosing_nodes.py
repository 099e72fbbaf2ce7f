"""A provider by its name, and none that guesses."""

from __future__ import annotations

from pathlib import Path

import pytest
from kubernetes_api import StandInApi

from harness.errors import InputError, RefusedError
from harness.nodes import PROVIDERS, choose


@pytest.mark.parametrize("name", PROVIDERS)
def test_each_by_its_name_and_nothing_is_reached(name: str, tmp_path: Path) -> None:
    api = StandInApi()
    assert choose(name, api.cluster(), state=tmp_path).name == name
    assert not api.requests


def test_another_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="got 'vmware', expected one of lab, docker, ec2, none"):
        choose("vmware", StandInApi().cluster(), state=tmp_path)


def test_none_refuses_all(tmp_path: Path) -> None:
    nodes = choose("none", StandInApi().cluster(), state=tmp_path)
    assert nodes.control_plane() == ()
    for refused in (
        lambda: nodes.kill(["worker-1"]),
        lambda: nodes.start("worker-1"),
        lambda: nodes.partition(["worker-1"]),
        lambda: nodes.heal("worker-1"),
        lambda: nodes.is_off("worker-1"),
        nodes.etcd_leader,
        lambda: nodes.stop_service("outside", "s3"),
        lambda: nodes.start_service("outside", "s3"),
    ):
        with pytest.raises(RefusedError, match="expected one that can"):
            refused()


def test_no_lab_is_up(tmp_path: Path) -> None:
    nodes = choose("lab", StandInApi().cluster(), state=tmp_path)
    with pytest.raises(InputError, match="no lab is up"):
        nodes.is_off("worker-1")
