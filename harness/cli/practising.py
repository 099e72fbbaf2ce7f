"""Rehearses a suite on a practice platform of its own: `demo` and `run -e demo`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import click

from harness.calibrations import cited
from harness.cli.concrete import ledger_of
from harness.cli.exit import FAILED, exit_code
from harness.cli.left_behind import clear_away
from harness.cli.planning import plan_for
from harness.cli.rehearsal import Rehearsal, rehearse
from harness.cli.showing import show
from harness.drill.interruption import interruptible
from harness.drivers.clock import HostClock
from harness.faults.places import Places, default_state_directory
from harness.judge.calibration import named_by
from harness.model.plan import Plan
from harness.model.run import Setting
from harness.model.subject import Subject
from harness.practice.damage.damage import Damage
from harness.practice.platform import Practice
from harness.report.progress import Narrator
from harness.settings import PRACTICE, Environment, Sealing

NOTES = (
    (
        "The practice platform runs on the loopback address of one machine: its times are not "
        "your production's."
    ),
    (
        "Its past was made in seconds: the servers' clocks were set back by libfaketime, so that "
        "a month of daily backups could be taken by the real tools."
    ),
)


@contextlib.contextmanager
def practice_platform(scale: float) -> Iterator[tuple[Practice, Places, Narrator]]:
    """A platform of one's own for the length of a block, healed also where it is interrupted."""
    places = Places(default_state_directory())
    with interruptible(), Narrator(HostClock()) as narrator:
        clear_away(places, narrator)
        with (
            places.borrowed("practice") as place,
            Practice.running(place, scale, HostClock(), narrator.step) as practice,
        ):
            yield practice, places, narrator


def practise(  # noqa: PLR0913 - the options of two commands
    suite: str,
    targets: Path,
    suites: Path,
    *,
    scale: float,
    seed: int,
    only: Sequence[str] = (),
    json: bool = False,
    damage: Damage | None = None,
    runs: Path = Path("runs"),
    paper: bool = False,
    sealing: Sealing | None = None,
) -> int:
    """Rehearses on a practice platform of its own, damaged first where `damage` says so.

    A damage is shown by the least of the suite that shows it, with every verification level; the
    exit code is that of a failed run where it was planted and not found.
    """

    def plan(subjects: Sequence[Subject], scenarios: Sequence[str]) -> Plan:
        return plan_for(
            suite,
            PRACTICE,
            Path("harness.toml"),
            targets,
            suites,
            seed=seed,
            only=scenarios,
            practice_subjects=subjects,
        )

    if damage is not None:  # a suite that cannot show it is refused before anything is started
        damage.narrowed(plan((), only))
    with practice_platform(scale) as (practice, places, narrator):
        rehearsal = Rehearsal(
            platform=practice,
            places=places,
            scratch=places,
            narrator=narrator,
            runs=runs,
            seed=seed,
            practice=True,
            paper=paper,
            told=Environment(seal=sealing),
            notes=(*NOTES, cited(runs)),
            settings=(Setting(name="scale", value=f"{scale:g}", origin="--scale"),),
        )
        if damage is None:
            run, judgement = rehearse(plan(practice.subjects, only), rehearsal)
        else:
            with damage.planted(practice) as planted:
                narrator.step(f"planted: {planted.what}")
                run, judgement = rehearse(
                    damage.narrowed(
                        plan(planted.subjects or practice.subjects, only), levels=False
                    ),
                    replace(
                        rehearsal,
                        notes=(*rehearsal.notes, f"Planted: {planted.what}."),
                        ledger=lambda subject: planted.watch_over(ledger_of(subject)),
                    ),
                )
    show(run, json=json)
    if damage is None:
        return exit_code(judgement.verdict)
    finding = named_by(planted.sign, judgement)
    if finding is None:
        click.echo(f"MISSED: {planted.what}; expected {planted.sign}", err=True)
        return FAILED
    click.echo(f"planted: {planted.what}\nfound by {finding.id}: {finding.headline}", err=True)
    return exit_code(judgement.verdict)
