"""A stored conformance check is judged from its directory alone, to the same bytes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import conformances
import pytest
from conformance_judgements import TARGETS, record
from constructors import NOW
from kubernetes_api import StandInApi, node
from msgspec.structs import replace

from harness.cli.judging import judge_run, render_run
from harness.conformance.objects import read_objects
from harness.drill.recorder import Recorder
from harness.drivers.clock import HostClock
from harness.errors import InputError
from harness.follow_up import read_follow_up
from harness.model.conformance import ConformancePlan
from harness.model.history import CleanedUp, RunEnded, TrialEnded, TrialStarted
from harness.model.verdict import Verdict
from harness.store import RunDirectory


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """The objects of a stand-in, looked at and written down."""
    api = StandInApi()
    api.put("nodes", node("w1"))
    api.forbidden = {"get secrets"}
    directory = RunDirectory.create(tmp_path, "conformance", "lab", NOW)
    directory.write(directory.plan, conformances.plan(*TARGETS))
    directory.write(
        directory.run_record,
        replace(record(directory.path.name), ended=NOW + timedelta(seconds=42)),
    )
    with Recorder(directory.history, HostClock()) as recorder:
        recorder(TrialStarted(trial="objects"))
        read_objects(api.cluster(), directory.observations, recorder)
        recorder(CleanedUp(trial="objects", healed=(), leaks=()))
        recorder(TrialEnded(trial="objects"))
        recorder(RunEnded())
    return directory


def test_the_plan_comes_back_as_what_it_was(run: RunDirectory) -> None:
    plan = run.read_plan()
    assert isinstance(plan, ConformancePlan)
    assert plan == conformances.plan(*TARGETS)


def test_the_objects_come_back_as_they_were_read(run: RunDirectory) -> None:
    """What was hidden, or is not of the cluster, is missing; what was empty is not."""
    objects = run.read_objects(run.read_history())
    assert [one["metadata"]["name"] for one in objects["Node"]] == ["w1"]
    assert objects["Service"] == ()
    assert "Secret" not in objects
    assert "Component" not in objects


def test_it_is_judged_again_to_the_same_bytes(run: RunDirectory) -> None:
    follow_up = read_follow_up(Path(__file__).parents[3])
    first = judge_run(run)
    render_run(run, follow_up)
    files = (
        *(run.verdict, run.report, run.junit, run.metrics),
        *(run.summary, run.actions, run.controls),
    )
    before = [file.read_bytes() for file in files]
    assert judge_run(run) == first
    render_run(run, follow_up)
    assert [file.read_bytes() for file in files] == before
    assert {one.target for one in first.findings} >= {one.id for one in TARGETS}
    assert first.verdict is not Verdict.PASS


def test_evidence_that_is_gone_is_said_so(run: RunDirectory) -> None:
    """Rather than judged as a cluster without nodes."""
    (run.observations / "objects-Node.json").unlink()
    with pytest.raises(InputError, match=r"objects-Node\.json"):
        judge_run(run)
