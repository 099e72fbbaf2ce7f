"""Plans: the ordered trials of one run, decided before anything is touched."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from harness.model.subject import Region, Subject
from harness.model.suite import Loss, PointChoice, Verification
from harness.model.target import Target


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Trial(_Value, frozen=True, kw_only=True):
    """One execution of a scenario."""

    id: str
    """`<scenario>-<subject or all>-<n>`; names files of the run directory."""

    scenario: str
    title: str
    subjects: tuple[str, ...]
    """Ids; more than one are restored at once."""

    point: PointChoice
    region: Region
    loss: Loss
    primary_region_dead: bool
    deadline: timedelta
    """When a restore that has not recovered is given up and counted as a miss (2 x the RTO)."""

    seed: int
    """Drawn once for the plan; decides the random second."""


class Plan(_Value, frozen=True, kw_only=True):
    """All that `conduct` needs, and all that the judges need beside the history."""

    suite: str
    environment: str
    check_backups: bool
    sustained: timedelta
    verification: Verification
    subjects: tuple[Subject, ...]
    targets: tuple[Target, ...]
    trials: tuple[Trial, ...]
    blast_radius: tuple[str, ...]
    """In words: what will be touched, printed by `harness plan`."""

    expectations: tuple[str, ...] = ()
    """What the settings predict, beside which the measurement is printed."""

    def subject(self, subject_id: str) -> Subject:
        """The subject of that id; KeyError where the plan has none."""
        for subject in self.subjects:
            if subject.id == subject_id:
                return subject
        raise KeyError(subject_id)
