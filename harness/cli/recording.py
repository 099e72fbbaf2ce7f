"""Records a run from its first fact to its report, whatever is performed in between."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from harness.cli.after_a_run import after_a_run
from harness.cli.concrete import postgres_programs
from harness.cli.judging import judge_run, render_run
from harness.cli.paper import write_paper_at_its_end
from harness.drill.recorder import Recorder
from harness.drivers.clock import HostClock
from harness.drivers.versions import git_state, tool_versions
from harness.follow_up import read_follow_up
from harness.masking import Masker
from harness.model.judgement import Judgement
from harness.model.plan import RunPlan
from harness.model.run import RUN_FORMAT, RunRecord, Setting
from harness.settings import Environment
from harness.store import RunDirectory


def recorded(  # noqa: PLR0913 - what a run's record says
    plan: RunPlan,
    perform: Callable[[RunDirectory, Recorder], None],
    *,
    runs: Path,
    seed: int,
    practice: bool,
    paper: bool = True,
    told: Environment | None = None,
    notes: tuple[str, ...] = (),
    settings: tuple[Setting, ...] = (),
    participants: tuple[str, ...] = (),
) -> tuple[RunDirectory, Judgement]:
    """Has the plan performed, judges what happened, renders the reports, and does what `told` asks
    for with the run; None: nothing.

    `paper`: whether there shall be a report.pdf too, which takes seconds.

    The run directory holds the plan and run.json before anything is touched. An interruption or
    a failed clean-up goes through after the run is judged: what was measured is not lost.
    """
    follow_up = read_follow_up()  # what is wrong with it is said before anything is touched
    clock = HostClock()
    started = clock.now().utc
    masker = Masker(secrets.token_bytes(32), None if told is None else told.masking)
    run = RunDirectory.create(runs, plan.suite, plan.environment, started, masker)
    head, dirty = git_state(Path.cwd())
    record = RunRecord(
        format=RUN_FORMAT,
        run=run.path.name,
        suite=plan.suite,
        environment=plan.environment,
        started=started,
        user=getpass.getuser(),
        on_behalf_of=_on_behalf_of(),
        host=socket.gethostname(),
        argv=masker.argv(sys.argv),
        git_head=head,
        git_dirty=dirty,
        versions=tool_versions(postgres_programs()),
        settings=tuple(
            msgspec.structs.replace(one, value=masker.secrets(one.value)) for one in settings
        ),
        practice=practice,
        notes=notes,
        participants=participants,
        seed=seed,
    )
    run.write(run.run_record, record)
    run.write(run.plan, plan)
    try:
        with Recorder(run.history, clock, run.plan.read_bytes(), masker.fact) as recorder:
            perform(run, recorder)
    finally:
        ended = msgspec.structs.replace(record, ended=clock.now().utc, masked=masker.counts)
        run.write(run.run_record, ended)
        judgement = judge_run(run)
        report = render_run(run, follow_up)
        if paper:
            write_paper_at_its_end(run, report)
        if told is not None:
            after_a_run(run, judgement, told, clock)
    return run, judgement


def _on_behalf_of() -> str | None:
    """Whom sudo or a CI job names as the person behind the user; None where nothing does."""
    for variable in ("SUDO_USER", "GITLAB_USER_LOGIN", "GITHUB_ACTOR"):
        if person := os.environ.get(variable):
            return f"{person} ({variable})"
    return None
