"""One rehearsal from plan to report: what `run`, `demo` and `calibrate` have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.cli.concrete import ledger_of, restore_tool
from harness.cli.recording import recorded
from harness.drill.conduct import Surroundings, conduct
from harness.drill.recorder import Recorder
from harness.drivers.clock import HostClock
from harness.drivers.loopback import free_ports
from harness.faults.places import Places
from harness.model.judgement import Judgement
from harness.model.plan import Plan
from harness.model.run import Setting
from harness.model.subject import Subject
from harness.ports import Ledger, Narrator, Platform
from harness.settings import Environment
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
    paper: bool = True
    """Whether there shall be a report.pdf; practice runs are looked at once, on a screen."""

    told: Environment | None = None
    """Says who is told of the run, what is masked in it, how it is kept; None: nothing does."""

    notes: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    ledger: Callable[[Subject], Ledger] = ledger_of
    """Each subject's; a calibration wraps it, to disturb the prober."""


def rehearse(plan: Plan, rehearsal: Rehearsal) -> tuple[RunDirectory, Judgement]:
    """Conducts a plan of restores, judges what happened, renders the reports; see `recorded`."""
    clock = HostClock()

    def perform(run: RunDirectory, record: Recorder) -> None:
        conduct(
            plan,
            Surroundings(
                tools={subject.id: restore_tool(subject, clock) for subject in plan.subjects},
                ledgers={subject.id: rehearsal.ledger(subject) for subject in plan.subjects},
                platform=rehearsal.platform,
                places=rehearsal.places,
                scratch=rehearsal.scratch,
                clock=clock,
                record=record,
                narrator=rehearsal.narrator,
                run=run,
                free_ports=free_ports,
            ),
        )

    return recorded(
        plan,
        perform,
        runs=rehearsal.runs,
        seed=rehearsal.seed,
        practice=rehearsal.practice,
        paper=rehearsal.paper,
        told=rehearsal.told,
        notes=rehearsal.notes,
        settings=rehearsal.settings,
    )
