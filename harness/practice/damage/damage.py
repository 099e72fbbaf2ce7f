"""What a damage is: how it is planted, proved and undone, and which finding must name it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta

import msgspec

from harness.drivers import process
from harness.errors import InputError, SurroundingsError
from harness.model.calibration import Sign
from harness.model.plan import Plan
from harness.model.subject import Subject
from harness.model.suite import Level
from harness.ports import Ledger
from harness.practice.platform import Practice


class NotPlantedError(SurroundingsError):
    """A damage was read back, and is not there: it must count neither as found nor as missed."""


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A damage that was read back."""

    what: str
    """What exactly was done, for a person and for the record."""

    sign: Sign
    subjects: tuple[Subject, ...] | None = None
    """The drill's subjects, where the damage is in what the drill is told; None: as they were."""

    watch_over: Callable[[Ledger], Ledger] = field(default=lambda ledger: ledger)
    """Wraps each subject's ledger, where the damage is to the drill's own sight."""


@dataclass(frozen=True, kw_only=True)
class Damage:
    """One damage, and the least of a suite that shows it."""

    name: str
    title: str
    """What a person reads."""

    subject: str
    planting: Callable[[Practice], AbstractContextManager[Planted]]
    levels: tuple[Level, ...] = (Level.LEDGER,)
    """The verification levels that show it, and at least one: a drill without any proves nothing.
    """

    scenario: str = "latest-backup"
    deadline: timedelta = timedelta(minutes=1)
    """When a restore that does not come back is given up: nobody watches a practice longer."""

    @contextlib.contextmanager
    def planted(self, practice: Practice) -> Iterator[Planted]:
        """Plants it, proves that it is there, and undoes it at the end of the block.

        Raises NotPlantedError where it is not there after all, also where that shows at the end
        only.
        """
        with contextlib.ExitStack() as undo:
            planted = undo.enter_context(self.planting(practice))
            # Comes before the undoing: an interruption has forbidden children, which that may need.
            undo.callback(process.allow_children)
            yield planted

    def narrowed(self, plan: Plan, *, levels: bool = True) -> Plan:
        """The least part of a plan that shows it: one trial of one subject, quickly given up.

        `levels`: only the verification levels that show it. Raises InputError where the plan does
        not restore the subject in the scenario.
        """
        trial = next(
            (
                trial
                for trial in plan.trials
                if trial.scenario == self.scenario and self.subject in trial.subjects
            ),
            None,
        )
        if trial is None:
            raise InputError(
                f"damage {self.name}: got suite {plan.suite} without a trial of {self.subject} in "
                f"scenario {self.scenario}, expected one",
                hint="harness plan weekly-restore -e demo",
            )
        subjects = tuple(one for one in plan.subjects if one.id in trial.subjects)
        verification = plan.verification
        if levels:
            verification = msgspec.structs.replace(verification, levels=self.levels)
        return msgspec.structs.replace(
            plan,
            subjects=subjects,
            # A target of subjects that are left out would be reported as not measured.
            targets=tuple(
                target
                for target in plan.targets
                if any(subject.kind in target.covers for subject in subjects)
            ),
            trials=(msgspec.structs.replace(trial, deadline=min(trial.deadline, self.deadline)),),
            verification=verification,
        )
