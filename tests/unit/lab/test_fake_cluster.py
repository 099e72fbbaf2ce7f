"""A Kubernetes without machines: what its nodes are, and that a process that ends is told."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import psutil
import pytest

from harness.drivers.process import working_below
from harness.errors import SurroundingsError
from harness.lab import fake_cluster
from harness.lab.fake_cluster import Programs, as_list, node
from harness.lab.sources import source


def programs(directory: Path, script: str) -> Programs:
    """In the place of all programs: one that does what `script` says."""
    for name in ("kubernetes", "kwok", "etcd"):
        program = directory / name
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return Programs(cluster=directory, kwok=directory)


def test_a_node_gives_all_that_it_has() -> None:
    """Capacity and allocatable: no system takes its part. In quantities of the API."""
    made = node("fake-1", "zone-1", 10, 20 * 2**30, 110)
    assert made["status"]["allocatable"] == made["status"]["capacity"]
    assert made["status"]["capacity"] == {"cpu": "10000m", "memory": "21474836480", "pods": "110"}
    assert made["metadata"]["labels"]["topology.kubernetes.io/zone"] == "zone-1"
    assert json.loads(as_list([made]))["items"] == [made]


def test_the_stages_of_kwok_are_there() -> None:
    """Nodes become Ready, pods run, and what is deleted goes."""
    text = source("fake-nodes", "stages.yaml").read_text(encoding="utf-8")
    assert text.count("kind: Stage") == 3


def test_a_process_that_ends_is_told_with_what_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not waited for until the deadline; nothing is left running."""
    place = tmp_path / "place"
    place.mkdir()
    binaries = tmp_path / "binaries"
    binaries.mkdir()
    fakes = programs(binaries, "echo no such flag; exit 3")
    monkeypatch.setenv("PATH", f"{binaries}:/usr/bin:/bin")
    told: list[str] = []
    with (
        pytest.raises(SurroundingsError, match="etcd ended with 3\nno such flag"),
        fake_cluster.fake_cluster(place, fakes, [], told.append),
    ):
        pytest.fail("the block must not be entered")
    assert told == ["starting a control plane of its own"]
    assert list(working_below(place)) == []


def test_a_program_that_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    place = tmp_path / "place"
    place.mkdir()
    with (
        pytest.raises(SurroundingsError, match="etcd: no such program") as raised,
        fake_cluster.fake_cluster(place, Programs(cluster=tmp_path, kwok=tmp_path), [], print),
    ):
        pytest.fail("the block must not be entered")
    assert raised.value.hint == "make setup-lab"


def test_keys_are_their_owners_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads one could do anything in the cluster while it is there."""
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with (
        pytest.raises(SurroundingsError),
        fake_cluster.fake_cluster(tmp_path, Programs(cluster=tmp_path, kwok=tmp_path), [], print),
    ):
        pytest.fail("the block must not be entered")
    pki = tmp_path / "pki"
    secret = [*pki.glob("*.key"), *pki.glob("*.kubeconfig")]
    assert len(secret) == 8
    assert {stat.S_IMODE(path.stat().st_mode) for path in secret} == {0o600}
    assert psutil.Process().children() == []
