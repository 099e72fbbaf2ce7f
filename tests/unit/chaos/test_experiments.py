"""Chaos Toolkit accepts every file of experiments/, and each puts back what it breaks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from drills import EXPERIMENTS

FILES = sorted(EXPERIMENTS.glob("*.yaml"))
EXPECTED = {
    *("pod-delete", "container-kill", "node-power-cut", "node-drain", "node-partition"),
    *("zone-power-cut", "control-plane-member", "etcd-leader", "broker-node", "s3-region-away"),
    *(f"postgresql-{how}" for how in ("process-kill", "pod-delete", "node", "network")),
    *(f"redis-{how}" for how in ("process-kill", "pod-delete", "node", "network", "two-masters")),
    *("dependency-black-hole", "new-version", "broken-rollout", "s3-region-away-restore"),
}


def read(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return document


def test_each_scenario_of_the_document_has_its_experiment() -> None:
    assert {file.stem for file in FILES} == EXPECTED


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of its own imports
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_chaos_toolkit_accepts_it(file: Path, tmp_path: Path) -> None:
    from chaostoolkit.cli import cli  # type: ignore[import-untyped]

    words = ["--log-file", str(tmp_path / "log"), "--settings", str(tmp_path / "none")]
    done = CliRunner().invoke(cli, [*words, "validate", str(file)])
    assert done.exit_code == 0, (tmp_path / "log").read_text(encoding="utf-8")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_says_what_to_expect_and_which_target_it_is_about(file: Path) -> None:
    document = read(file)
    assert "Expected: " in document["description"]
    assert "Target: " in document["description"]
    assert document["tags"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_holds_after_the_fault_and_puts_all_back(file: Path) -> None:
    document = read(file)
    *faults, hold = document["method"]
    assert faults
    assert hold["provider"]["func"] == "hold"
    (undo,) = document["rollbacks"]
    assert undo["provider"]["func"] == "undo_all"
    assert all(one["tolerance"] is True for one in document["steady-state-hypothesis"]["probes"])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_name_in_it_is_declared_and_each_declared_is_used(file: Path) -> None:
    document = read(file)
    declared = set(document["configuration"])
    used = set(re.findall(r"\$\{(\w+)\}", file.read_text(encoding="utf-8")))
    assert used == declared
