"""Plants damage on a practice platform, one after the other, and has each run judged for it."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from harness import calibrations
from harness.cli.concrete import ledger_of, postgres_programs
from harness.cli.practising import NOTES
from harness.cli.rehearsal import Rehearsal, rehearse
from harness.drivers.clock import HostClock
from harness.drivers.process import InterruptedChildError
from harness.drivers.versions import git_state, tool_versions
from harness.errors import HarnessError, HealError, InputError, RecordError
from harness.faults.places import Places
from harness.judge.calibration import found_anyway, measured_outage, named_by, problems
from harness.model.calibration import CALIBRATION_FORMAT, Calibration, CleanRun, Examined
from harness.model.codec import to_indented_json
from harness.model.instant import seconds
from harness.model.plan import Plan
from harness.model.run import Setting
from harness.model.subject import Subject
from harness.model.verdict import Verdict
from harness.ports import Narrator
from harness.practice.damage.catalogue import DAMAGES, SILENCES
from harness.practice.damage.damage import Damage
from harness.practice.damage.silence import SUSTAINED, Silence
from harness.practice.platform import Practice

Planning = Callable[[Sequence[Subject], Sequence[str]], Plan]
"""(subjects, scenarios) -> the plan that is made of them."""


def chosen(names: Sequence[str]) -> tuple[Damage | Silence, ...]:
    """What is planted: all there is, or what is named; InputError for an unknown name."""
    every: tuple[Damage | Silence, ...] = (*SILENCES, *DAMAGES)
    known = {one.name for one in every}
    unknown = sorted(set(names) - known)
    if unknown:
        raise InputError(
            f"damage: got {', '.join(unknown)}, expected of {', '.join(sorted(known))}",
            hint="harness calibrate --list",
        )
    return tuple(one for one in every if not names or one.name in names)


@dataclass(frozen=True, kw_only=True)
class Calibrating:
    """One calibration under way, on one platform that outlives it."""

    practice: Practice
    places: Places
    narrator: Narrator
    plan: Planning
    directory: Path
    """Of this calibration, below the runs'."""

    seed: int
    scale: float

    def perform(self, planted: Sequence[Damage | Silence]) -> Calibration:
        """A clean run, each damage by itself, a clean run again; written to the directory.

        Silences damage nothing, and come before: the first clean run has to wait for a ledger that
        is as old as the RPO. What cannot be planted or looked for is an error in the result, and
        the next one is tried.
        """
        clock = HostClock()
        started = clock.now().utc
        # A silence needs no run; the clean runs are controls all the same.
        scenarios = sorted({one.scenario for one in planted if isinstance(one, Damage)}) or (
            Damage.scenario,
        )
        examined = [self._examine(one) for one in planted if isinstance(one, Silence)]
        before = self._clean("clean-before", scenarios)
        examined += [self._examine(one) for one in planted if isinstance(one, Damage)]
        clean = (before, self._clean("clean-after", scenarios))
        head, dirty = git_state(Path.cwd())
        calibration = Calibration(
            format=CALIBRATION_FORMAT,
            started=started,
            ended=clock.now().utc,
            host=socket.gethostname(),
            argv=tuple(sys.argv),
            git_head=head,
            git_dirty=dirty,
            versions=tool_versions(postgres_programs()),
            scale=self.scale,
            seed=self.seed,
            complete=len(planted) == len(chosen(())),
            clean=clean,
            examined=tuple(examined),
            problems=problems(clean, examined),
        )
        calibrations.keep(self.directory, calibration)
        return calibration

    # -- one of each ------------------------------------------------------------------------------

    def _clean(self, name: str, scenarios: Sequence[str]) -> CleanRun:
        """All that the damages are looked for by, where there is none: every subject and level."""
        self.narrator.step(f"{name}: nothing is planted, nothing must be found")
        clock = HostClock()
        started_ns = clock.monotonic_ns()
        run, judgement = rehearse(
            self.plan(self.practice.subjects, scenarios), self._rehearsal(name, ())
        )
        return CleanRun(
            run=str(run.path.relative_to(self.directory)),
            verdict=judgement.verdict,
            findings=len(judgement.findings),
            restores=len(judgement.restores),
            found=found_anyway(judgement),
            seconds=seconds(clock.monotonic_ns() - started_ns),
        )

    def _examine(self, one: Damage | Silence) -> Examined:
        self.narrator.step(f"{one.name}: {one.title}")
        clock = HostClock()
        started_ns = clock.monotonic_ns()
        nothing = Examined(
            name=one.name,
            title=one.title,
            planted=None,
            expected="it could be planted",
            found_by=None,
            seconds=0.0,
        )
        try:
            examined = (
                self._look_for(one, nothing)
                if isinstance(one, Damage)
                else self._measure(one, nothing)
            )
        except (RecordError, HealError, InterruptedChildError):
            raise
        except HarnessError as error:
            examined = msgspec.structs.replace(nothing, error=str(error))
        self.narrator.step(
            f"{one.name}: found by {examined.found_by}"
            if examined.found
            else f"{one.name}: NOT FOUND: {examined.error or examined.expected}"
        )
        return msgspec.structs.replace(examined, seconds=seconds(clock.monotonic_ns() - started_ns))

    def _look_for(self, damage: Damage, nothing: Examined) -> Examined:
        with damage.planted(self.practice) as planted:
            self.narrator.step(f"planted: {planted.what}")
            subjects = planted.subjects or self.practice.subjects
            run, judgement = rehearse(
                damage.narrowed(self.plan(subjects, (damage.scenario,))),
                replace(
                    self._rehearsal(damage.name, (f"Planted: {planted.what}.",)),
                    ledger=lambda subject: planted.watch_over(ledger_of(subject)),
                ),
            )
        finding = named_by(planted.sign, judgement)
        return msgspec.structs.replace(
            nothing,
            planted=planted.what,
            expected=str(planted.sign),
            found_by=None if finding is None else finding.id,
            verdict=judgement.verdict if finding is None else finding.verdict,
            headline=None if finding is None else finding.headline,
            run=str(run.path.relative_to(self.directory)),
        )

    def _measure(self, silence: Silence, nothing: Examined) -> Examined:
        """Judged by what the prober saw alone: there is no restore in it."""
        folder = self.directory / silence.name
        folder.mkdir()
        (subject,) = (one for one in self.practice.subjects if one.id == silence.subject)
        with self.places.borrowed("probe") as place:
            seen = silence.observe(
                self.practice, ledger_of(subject), folder / "observations.jsonl", place.directory
            )
        (folder / "observed.json").write_bytes(to_indented_json(seen))
        right, text = measured_outage(seen, SUSTAINED)
        return msgspec.structs.replace(
            nothing,
            planted=f"silent for {seconds(seen.ended.earliest_ns - seen.began.latest_ns):.3f} s",
            expected="a measured outage that contains the true one",
            found_by="measured outage" if right else None,
            verdict=Verdict.FAIL if not right else None,
            headline=text,
            run=silence.name,
        )

    def _rehearsal(self, name: str, notes: tuple[str, ...]) -> Rehearsal:
        return Rehearsal(
            platform=self.practice,
            places=self.places,
            scratch=self.places,
            narrator=self.narrator,
            runs=self.directory / name,
            seed=self.seed,
            practice=True,
            paper=False,
            notes=(*NOTES, *notes),
            settings=(Setting(name="scale", value=f"{self.scale:g}", origin="--scale"),),
        )
