"""The supervisor of an experiment's process: what it records is read along, its end is kept."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from harness.chaos.context import ExperimentConfig
from harness.chaos.supervisor import ExperimentProcess
from harness.drivers.clock import wait_until
from harness.masking import Masker
from harness.model.cluster import ClusterAccess, Identity
from harness.model.codec import to_json
from harness.model.game_day import Caps
from harness.model.history import TrialStarted


def _started(tmp_path: Path) -> tuple[ExperimentProcess, ExperimentConfig]:
    """Of an experiment that is not there: the process ends by itself, and says so."""
    place = tmp_path / "place"
    place.mkdir()
    config = ExperimentConfig(
        run="r",
        trial="t-1",
        environment="test",
        experiment=tmp_path / "absent.yaml",
        digest="",
        configuration={},
        cluster=ClusterAccess(
            kubeconfig=tmp_path / "kubeconfig",
            identity=Identity(context="c", server="s", uid="u", version="v"),
            provider="none",
            helper_image="busybox",
        ),
        workloads=(),
        caps=Caps(),
        seed=1,
        state=tmp_path / "state",
        facts=place / "facts.jsonl",
        journal=place / "journal.json",
        release=place / "release",
        deadline=timedelta(minutes=1),
    )
    return ExperimentProcess(config, place, tmp_path / "artefacts", Masker(bytes(32))), config


def test_facts_are_read_as_they_come_and_once(tmp_path: Path) -> None:
    """A line that is not whole yet is left for the next time."""
    experiment, config = _started(tmp_path)
    assert experiment.facts() == ()
    line = to_json(TrialStarted(trial="t-1")) + b"\n"
    config.facts.write_bytes(line + line[:7])
    assert experiment.facts() == (TrialStarted(trial="t-1"),)
    assert experiment.facts() == ()
    config.facts.write_bytes(line + line)
    assert experiment.facts() == (TrialStarted(trial="t-1"),)
    experiment.ended()


def test_an_experiment_that_ends_by_itself_tells_why(tmp_path: Path) -> None:
    """Its exit code and its last word; the advice below it is none."""
    experiment, _ = _started(tmp_path)
    wait_until(lambda: experiment.exit_code() is not None, within_s=60, what="the end")
    ended = experiment.ended()
    assert ended.exit_code == 2
    assert ended.error is not None
    assert "absent.yaml" in ended.error
    assert ended.journal is None
    log = tmp_path / "artefacts" / "t-1" / "experiment.log"
    assert "absent.yaml" in log.read_text(encoding="utf-8")


def test_release_is_a_file_that_hold_sees(tmp_path: Path) -> None:
    """Also of an experiment that has ended; it may be told twice."""
    experiment, config = _started(tmp_path)
    experiment.release()
    experiment.release()
    assert config.release.exists()
    experiment.interrupt()
    experiment.ended()
    assert experiment.exit_code() is not None
