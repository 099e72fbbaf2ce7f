"""One rehearsal from plan to report: what `run`, `demo` and `calibrate` have in common."""

from __future__ import annotations

import getpass
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from harness.cli.concrete import ledger_of, postgres_programs, restore_tool
from harness.cli.judging import judge_run, render_run
from harness.drill.conduct import Surroundings, conduct
from harness.drill.recorder import Recorder
from harness.drivers.clock import HostClock
from harness.drivers.loopback import free_ports
from harness.drivers.versions import git_state, tool_versions
from harness.faults.places import Places
from harness.model.judgement import Judgement
from harness.model.plan import Plan
from harness.model.run import RUN_FORMAT, RunRecord, Setting
from harness.model.subject import Subject
from harness.ports import Ledger, Narrator, Platform
from harness.store import RunDirectory


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """What a rehearsal needs beside its plan."""

    platform: Platform
    places: Places
    scratch: Places
    narrator: Narrator
    runs: Path
    seed: int
    practice: bool
    notes: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    ledger: Callable[[Subject], Ledger] = ledger_of
    """Each subject's; a calibration wraps it, to disturb the prober."""


def rehearse(plan: Plan, rehearsal: Rehearsal) -> tuple[RunDirectory, Judgement]:
    """Conducts the plan, judges what happened, renders the reports.

    The run directory holds the plan and run.json before anything is touched. An interruption or
    a failed clean-up goes through after the run is judged: what was measured is not lost.
    """
    clock = HostClock()
    started = clock.now().utc
    run = RunDirectory.create(rehearsal.runs, plan.suite, plan.environment, started)
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
        settings=rehearsal.settings,
        practice=rehearsal.practice,
        notes=rehearsal.notes,
        seed=rehearsal.seed,
    )
    run.write(run.run_record, record)
    run.write(run.plan, plan)
    try:
        with Recorder(run.history, clock) as recorder:
            conduct(
                plan,
                Surroundings(
                    tools={subject.id: restore_tool(subject, clock) for subject in plan.subjects},
                    ledgers={subject.id: rehearsal.ledger(subject) for subject in plan.subjects},
                    platform=rehearsal.platform,
                    places=rehearsal.places,
                    scratch=rehearsal.scratch,
                    clock=clock,
                    record=recorder,
                    narrator=rehearsal.narrator,
                    run=run,
                    free_ports=free_ports,
                ),
            )
    finally:
        run.write(run.run_record, msgspec.structs.replace(record, ended=clock.now().utc))
        judgement = judge_run(run)
        render_run(run)
    return run, judgement
