"""Small run directories, judged and ready to be sealed, for the tests of seals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import constructors
from msgspec.structs import replace

from harness.drill.recorder import Recorder
from harness.drivers.clock import HostClock
from harness.model.history import StepFailed
from harness.model.instant import Instant
from harness.model.judgement import Judgement
from harness.model.run import RUN_FORMAT, RunRecord
from harness.model.verdict import Verdict
from harness.seal.sealing import Sealed, seal
from harness.seal.signing import create_key, read_public_key, read_signer
from harness.store import RunDirectory

BEGAN = datetime(2026, 11, 1, 4, 0, tzinfo=UTC)
WEEK = timedelta(days=7)


class SetClock:
    """A clock that stands where it was set."""

    def __init__(self, utc: datetime) -> None:
        self.utc = utc

    def monotonic_ns(self) -> int:
        return 0

    def now(self) -> Instant:
        return replace(HostClock().now(), utc=self.utc)


def make_run(runs: Path, number: int = 0, *, events: int = 5, ended: bool = True) -> RunDirectory:
    """The run of a week: a plan, a few facts, an observation, a log, a verdict and a report."""
    started = BEGAN + number * WEEK
    run = RunDirectory.create(runs, "weekly-restore", "test", started)
    record = RunRecord(
        format=RUN_FORMAT,
        run=run.path.name,
        suite="weekly-restore",
        environment="test",
        started=started,
        ended=started + timedelta(minutes=9) if ended else None,
        user="ada",
        host="bastion",
        argv=("harness", "run", "weekly-restore"),
        versions={},
        settings=(),
        practice=False,
        seed=number,
    )
    run.write(run.run_record, record)
    run.write(run.plan, constructors.plan(trials=[constructors.trial()]))
    with Recorder(run.history, HostClock(), run.plan.read_bytes()) as record_fact:
        for event in range(events):
            record_fact(_fact(event, number))
    (run.observations / "orders.jsonl").write_text(f"[0,0,{number},0]\n")
    (run.artefacts / "log").mkdir()
    (run.artefacts / "log" / "restore.log").write_text(f"restored {number}\n")
    run.write(
        run.verdict,
        Judgement(
            format=1,
            suite="weekly-restore",
            environment="test",
            verdict=Verdict.PASS,
            findings=(),
            restores=(),
            predictions=(),
        ),
    )
    run.report.write_text(f"<!DOCTYPE html><title>{run.path.name}</title>\n")
    return run


class KeyPair:
    """A key pair in files."""

    def __init__(self, folder: Path, name: str = "seal.pem") -> None:
        self.private, self.public_file = create_key(folder / name)
        self.signer = read_signer(self.private)
        self.public = read_public_key(self.public_file)

    def seal(self, run: RunDirectory) -> Sealed:
        """A quarter of an hour after the run began."""
        started = run.read_run_record().started
        return seal(run, self.signer, SetClock(started + timedelta(minutes=15)))


def sealed_weeks(runs: Path, key: KeyPair, weeks: int = 3) -> list[RunDirectory]:
    """Runs of some weeks, each sealed before the next."""
    found = []
    for number in range(weeks):
        run = make_run(runs, number)
        key.seal(run)
        found.append(run)
    return found


def _fact(event: int, number: int) -> StepFailed:
    return StepFailed(trial="t", subject=None, step=f"step {event}", error=f"of run {number}")
