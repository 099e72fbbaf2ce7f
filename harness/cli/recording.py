"""Records a run from its first fact to its report, whatever is performed in between."""

from __future__ import annotations

import getpass
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from harness.cli.concrete import postgres_programs
from harness.cli.judging import judge_run, render_run
from harness.cli.paper import write_paper_at_its_end
from harness.cli.sealing import seal_at_its_end
from harness.drill.recorder import Recorder
from harness.drivers.clock import HostClock
from harness.drivers.versions import git_state, tool_versions
from harness.model.judgement import Judgement
from harness.model.plan import RunPlan
from harness.model.run import RUN_FORMAT, RunRecord, Setting
from harness.settings import Sealing
from harness.store import RunDirectory


def recorded(  # noqa: PLR0913 - what a run's record says
    plan: RunPlan,
    perform: Callable[[RunDirectory, Recorder], None],
    *,
    runs: Path,
    seed: int,
    practice: bool,
    paper: bool = True,
    sealing: Sealing | None = None,
    notes: tuple[str, ...] = (),
    settings: tuple[Setting, ...] = (),
    participants: tuple[str, ...] = (),
) -> tuple[RunDirectory, Judgement]:
    """Has the plan performed, judges what happened, renders the reports, seals all of it.

    `paper`: whether there shall be a report.pdf too, which takes seconds.

    The run directory holds the plan and run.json before anything is touched. An interruption or
    a failed clean-up goes through after the run is judged: what was measured is not lost.
    """
    clock = HostClock()
    started = clock.now().utc
    run = RunDirectory.create(runs, plan.suite, plan.environment, started)
    head, dirty = git_state(Path.cwd())
    record = RunRecord(
        format=RUN_FORMAT,
        run=run.path.name,
        suite=plan.suite,
        environment=plan.environment,
        started=started,
        user=getpass.getuser(),
        host=socket.gethostname(),
        argv=tuple(sys.argv),
        git_head=head,
        git_dirty=dirty,
        versions=tool_versions(postgres_programs()),
        settings=settings,
        practice=practice,
        notes=notes,
        participants=participants,
        seed=seed,
    )
    run.write(run.run_record, record)
    run.write(run.plan, plan)
    try:
        with Recorder(run.history, clock, run.plan.read_bytes()) as recorder:
            perform(run, recorder)
    finally:
        run.write(run.run_record, msgspec.structs.replace(record, ended=clock.now().utc))
        judgement = judge_run(run)
        render_run(run)
        if paper:
            write_paper_at_its_end(run)
        if sealing is not None:
            seal_at_its_end(run, sealing, clock)
    return run, judgement
