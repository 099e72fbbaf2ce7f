"""Decides whether backups were taken as often as documented: the newest one, and each gap. Pure.

Ages and gaps are between the ends of backups, by the subject's own clock, and the harness's wall
clock when the catalogue was read. A backup that its own tool calls broken does not count. Gaps are
looked for as far back as the retention reaches: what is older may have been thinned out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from harness.judge.advice import list_backups
from harness.judge.answer import Answer, finding, utc_text, worst
from harness.judge.facts import Known, failed_checks, known, sequences
from harness.judge.promise import Promise, promised
from harness.model.history import Backup, CatalogueRead, History
from harness.model.plan import Plan
from harness.model.quantity import show_duration
from harness.model.subject import Region
from harness.model.target import BackupFrequency, Retention
from harness.model.verdict import Finding, Measure, Verdict

CHECK = "backup-frequency"

# A backup that ends in the future by more than this tells of two clocks, not of a fresh backup.
_CLOCKS_AGREE_WITHIN = timedelta(minutes=1)
_NAMED = 5
_SLOTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Two successive good backups too far apart."""

    after: datetime
    """End of the earlier one, or the start of the window where that is later."""

    until: datetime
    """End of the later one."""

    missed: tuple[datetime, ...]
    """When a backup was due, at most 50."""

    @property
    def length(self) -> timedelta:
        """How long no backup ended."""
        return self.until - self.after


def judge(plan: Plan, history: History) -> Iterator[Finding]:
    """One finding for each subject that a schedule is documented for, from the primary region."""
    for promise in promised(plan, BackupFrequency):
        window = max(
            (
                other.objective.at_least
                for other in promised(plan, Retention)
                if other.subject.id == promise.subject.id
            ),
            default=None,
        )
        read = [
            one
            for one in known(history, CatalogueRead)
            if one.fact.subject == promise.subject.id and one.fact.region is Region.PRIMARY
        ]
        answers = [_answer(promise, one, window) for one in read]
        yield finding(
            worst(answers or [_unread(promise, history)]),
            identity=promise.finding_id(CHECK, promise.subject.id),
            target=promise.target.id,
            subject=promise.subject.id,
        )


def gaps(
    backups: list[Backup], objective: BackupFrequency, window_start: datetime | None
) -> list[Gap]:
    """Where more than `every + grace` passed between the ends of two successive backups.

    `backups` are good ones by their end, oldest first; None: as far back as they go.
    """
    found = []
    for earlier, later in itertools.pairwise(backups):
        after = earlier.stopped if window_start is None else max(earlier.stopped, window_start)
        if later.stopped - after <= objective.every + objective.grace:
            continue
        due = [
            after + objective.every * count
            for count in range(1, _SLOTS + 1)
            if after + objective.every * count + objective.grace < later.stopped
        ]
        found.append(Gap(after=after, until=later.stopped, missed=tuple(due)))
    return found


def _unread(promise: Promise[BackupFrequency], history: History) -> Answer:
    failed = failed_checks(history, promise.subject.id)
    return Answer(
        verdict=Verdict.INCONCLUSIVE,
        headline=f"{promise.subject.id}: the backups were not looked at, "
        f"expected one every {show_duration(promise.objective.every)}",
        detail=tuple(f"{one.fact.step}: {one.fact.error}" for one in failed),
        advice=list_backups(promise.subject),
        evidence=sequences(failed),
    )


def _answer(
    promise: Promise[BackupFrequency], read: Known[CatalogueRead], window: timedelta | None
) -> Answer:
    subject, objective, fact = promise.subject, promise.objective, read.fact
    expected = f"expected one every {show_duration(objective.every)}"
    advice = list_backups(subject)
    if fact.error is not None:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{subject.id}: the backups could not be listed: {fact.error}; {expected}",
            advice=advice,
            evidence=(read.sequence,),
        )
    good = sorted(
        (backup for backup in fact.backups if backup.error is None),
        key=lambda backup: (backup.stopped, backup.label),
    )
    broken = tuple(
        f"{backup.label}: does not count: {backup.error}"
        for backup in fact.backups
        if backup.error is not None
    )
    if not good:
        held = f"only {len(broken)} broken" if broken else "no backup at all"
        return Answer(
            verdict=Verdict.FAIL,
            headline=f"{subject.id}: {held} in the primary region, {expected}",
            detail=broken,
            advice=advice,
            evidence=(read.sequence,),
        )
    latest = good[-1]
    age = fact.now - latest.stopped
    missed = gaps(good, objective, None if window is None else fact.now - window)
    detail = [
        f"latest good backup: {latest.label} ({latest.kind}), ended {utc_text(latest.stopped)}",
        f"{len(good)} good backups since {utc_text(good[0].stopped)}",
    ]
    for gap in missed:
        due = _dates(gap.missed, objective)
        length, until = show_duration(gap.length), utc_text(gap.until)
        detail.append(f"no backup for {length} until {until}: missed {due}")
    verdict, headline, since = _compare(promise, age, missed, latest)
    return Answer(
        verdict=verdict,
        headline=headline,
        detail=(*detail, *broken),
        measures=(
            Measure(name="age of the latest backup", unit="s", value=age.total_seconds()),
            Measure(
                name="longest gap between backups",
                unit="s",
                value=max(
                    (
                        (later.stopped - earlier.stopped).total_seconds()
                        for earlier, later in itertools.pairwise(good)
                    ),
                    default=None,
                ),
            ),
        ),
        since=since,
        advice=None if verdict is Verdict.PASS else advice,
        evidence=(read.sequence,),
    )


def _compare(
    promise: Promise[BackupFrequency], age: timedelta, missed: list[Gap], latest: Backup
) -> tuple[Verdict, str, datetime | None]:
    """The verdict, its headline, and since when it is so."""
    subject, objective = promise.subject.id, promise.objective
    limit = show_duration(objective.every + objective.grace)
    headline = (
        f"{subject}: latest good backup is {show_duration(age)} old, expected at most {limit}"
    )
    if not age <= objective.every + objective.grace:
        return Verdict.FAIL, headline, latest.stopped
    if missed:
        days = _dates(tuple(day for gap in missed for day in gap.missed), objective)
        every, grace = show_duration(objective.every), show_duration(objective.grace)
        headline = (
            f"{subject}: backups missed: {days}; expected one every {every}, at most {grace} late"
        )
        return Verdict.FAIL, headline, missed[0].after
    if age < -_CLOCKS_AGREE_WITHIN:
        headline = (
            f"{subject}: latest backup ended {show_duration(-age)} in the future, expected in the "
            "past: the clocks of the subject and of this host disagree"
        )
        return Verdict.INCONCLUSIVE, headline, None
    return Verdict.PASS, f"{headline}; none missed", None


def _dates(due: tuple[datetime, ...], objective: BackupFrequency) -> str:
    """The days of missed backups, or the minutes where they are due more often than daily."""
    form = "%Y-%m-%d" if objective.every >= timedelta(days=1) else "%Y-%m-%d %H:%M"
    shown = [utc_text(moment, form) for moment in due[:_NAMED]]
    rest = len(due) - len(shown)
    return (", ".join(shown) or "none") + (f" and {rest} more" if rest else "")
