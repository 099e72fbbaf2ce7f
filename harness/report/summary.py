"""What every renderer shows alike: the one sentence, the targets' rows, what is not shown. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.model.judgement import Judgement, RestoreSummary
from harness.model.plan import Plan
from harness.model.run import RunRecord
from harness.model.suite import Loss
from harness.model.target import RecoveryPoint, RecoveryTime, Target, Volume
from harness.model.verdict import Finding, Verdict, merge
from harness.report.wording import duration, listed, lost_writes, plural, recovery_time, subject_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that a renderer may look at: the verdict, and what it was reached with."""

    judgement: Judgement
    run: RunRecord
    plan: Plan

    def of(self, verdict: Verdict) -> tuple[Finding, ...]:
        """The findings with that verdict, in their order."""
        return tuple(found for found in self.judgement.findings if found.verdict is verdict)

    def rto_s(self, subject: str) -> float | None:
        """The strictest RTO that covers a subject, in seconds; None: no target says one."""
        return min(
            (
                target.objective.at_most.total_seconds()
                for target in self._covering(subject)
                if isinstance(target.objective, RecoveryTime)
            ),
            default=None,
        )

    def rpo_s(self, subject: str) -> float | None:
        """The strictest RPO that covers a subject, in seconds; None: no target says one."""
        return min(
            (
                target.objective.at_most.total_seconds()
                for target in self._covering(subject)
                if isinstance(target.objective, RecoveryPoint)
            ),
            default=None,
        )

    def _covering(self, subject_id: str) -> Iterable[Target]:
        kinds = {subject.kind for subject in self.plan.subjects if subject.id == subject_id}
        return (target for target in self.plan.targets if kinds & set(target.covers))


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRow:
    """One documented target and what was found of it, for each subject that it covers."""

    target: Target
    verdicts: tuple[tuple[str, Verdict | None], ...]
    """(subject, the worst verdict of its findings); None: nothing judged it."""

    @property
    def unjudged(self) -> tuple[str, ...]:
        """The covered subjects that no finding is about."""
        return tuple(subject for subject, verdict in self.verdicts if verdict is None)

    @property
    def verdict(self) -> Verdict:
        """The worst of them; INCONCLUSIVE where a covered subject was not judged."""
        return merge(verdict or Verdict.INCONCLUSIVE for _, verdict in self.verdicts)

    def named(self, verdict: Verdict) -> str:
        """`recovery time of orders and sessions`: the subjects with that verdict."""
        subjects = [
            subject
            for subject, found in self.verdicts
            if (found or Verdict.INCONCLUSIVE) is verdict and subject
        ]
        name = subject_of(self.target.objective)
        return f"{name} of {listed(subjects)}" if subjects else name


def target_rows(report: Report) -> tuple[TargetRow, ...]:
    """Every documented target that can be met or missed, in the order of the documents.

    A volume is no promise to keep but the size that restore times are extrapolated to.
    """
    return tuple(
        TargetRow(target=target, verdicts=_verdicts(report, target))
        for target in report.plan.targets
        if not isinstance(target.objective, Volume)
    )


def _verdicts(report: Report, target: Target) -> tuple[tuple[str, Verdict | None], ...]:
    found: dict[str, Verdict | None] = {
        subject.id: None for subject in report.plan.subjects if subject.kind in target.covers
    }
    for finding in report.judgement.findings:
        if finding.target == target.id:
            name = finding.subject or ""
            earlier = found.get(name)
            found[name] = merge([finding.verdict, *([earlier] if earlier else [])])
    if "" in found:  # a finding about all subjects at once judges each that has none of its own
        whole = found[""]
        if len(found) > 1:
            del found[""]
        found = {subject: verdict or whole for subject, verdict in found.items()}
    return tuple(found.items())


def headline(report: Report) -> str:
    """The one sentence of the whole report: how many targets failed, and which."""
    if not report.judgement.findings:
        return "Nothing was judged, so no target is shown to be met."
    rows = target_rows(report)
    failed = [row for row in rows if row.verdict is Verdict.FAIL]
    rest = [row for row in rows if row.verdict is Verdict.INCONCLUSIVE]
    silent = [row for row in rest if Verdict.INCONCLUSIVE not in dict(row.verdicts).values()]
    unsure = [row for row in rest if row not in silent]
    total = plural(len(rows), "target")
    sentences = []
    if failed:
        names = listed(row.named(Verdict.FAIL) for row in failed)
        sentences.append(f"{len(failed)} of {total} failed: {names}.")
        sentences.extend([f"{len(unsure)} could not be judged."] if unsure else [])
    elif unsure:
        names = listed(row.named(Verdict.INCONCLUSIVE) for row in unsure)
        sentences.append(f"{len(unsure)} of {total} could not be judged: {names}. None failed.")
    elif rows and not silent:
        sentences.append("The one target was met." if len(rows) == 1 else f"All {total} were met.")
    elif rows:
        sentences.append(f"{len(rows) - len(silent)} of {total} were met, none failed.")
    else:
        sentences.append("The plan names no target.")
    sentences.extend([f"{len(silent)} had nothing to be judged by."] if silent else [])
    sentences.extend(_drill_sentences(report))
    return " ".join(sentences)


def _drill_sentences(report: Report) -> list[str]:
    """What is wrong with the drill itself: findings that answer no documented target."""
    known = {target.id for target in report.plan.targets}
    own = [found for found in report.judgement.findings if found.target not in known]
    sentences = []
    for verdict, did in ((Verdict.FAIL, "failed"), (Verdict.INCONCLUSIVE, "said nothing")):
        checks = [found.check for found in own if found.verdict is verdict]
        if checks:
            names = listed(dict.fromkeys(checks))
            sentences.append(f"{plural(len(checks), 'check')} of the drill itself {did}: {names}.")
    if not sentences and report.judgement.verdict is not merge(
        found.verdict for found in report.judgement.findings
    ):
        sentences.append(f"The run as a whole is {report.judgement.verdict}.")
    return sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One of the few numbers at the top of the report."""

    name: str
    value: str
    beside: str
    """What it is to be compared with."""


def figures(report: Report) -> tuple[Figure, ...]:
    """The worst of what was measured, never a mean; an invalid trial's numbers do not soften it."""
    restores = report.judgement.restores
    valid = [restore for restore in restores if not restore.invalid]
    timed = [restore for restore in restores if restore.rta_low_s is not None]
    lossy = [restore for restore in restores if restore.rpa_s is not None]
    verified = [restore for restore in restores if restore.verified_s is not None]
    shown = [
        Figure(
            name="Restores",
            value=f"{len(restores)}",
            beside="nothing was restored"
            if not restores
            else "all of them valid"
            if len(valid) == len(restores)
            else f"{len(valid)} of them valid",
        )
    ]
    if timed:
        worst = max(timed, key=_rta_order)
        shown.append(
            Figure(
                name="Longest recovery (RTA)",
                value=_worse_bound(worst),
                beside=_against("RTO", report.rto_s(worst.subject), worst),
            )
        )
    if lossy:
        worst = max(lossy, key=lambda restore: (restore.rpa_s or 0.0, restore.lost_records or 0))
        lost = lost_writes(worst)
        shown.append(
            Figure(
                name="Most data lost (RPA)",
                value=duration(worst.rpa_s) if worst.rpa_s else "0 s",
                beside=", ".join(
                    filter(None, [lost, _against("RPO", report.rpo_s(worst.subject), worst)])
                ),
            )
        )
    if verified:
        worst = max(verified, key=lambda restore: restore.verified_s or 0.0)
        shown.append(
            Figure(
                name="Longest time to verified",
                value=duration(worst.verified_s or 0.0),
                beside=worst.subject,
            )
        )
    return tuple(shown)


def _rta_order(restore: RestoreSummary) -> tuple[bool, float]:
    """Not recovered at all is worse than any recovery."""
    if restore.rta_high_s is None:
        return True, restore.rta_low_s or 0.0
    return False, restore.rta_high_s


def _worse_bound(restore: RestoreSummary) -> str:
    if restore.rta_high_s is None:
        return recovery_time(restore)
    return duration(restore.rta_high_s)


def _against(name: str, promised_s: float | None, restore: RestoreSummary) -> str:
    if promised_s is None:
        return restore.subject
    return f"{restore.subject}, {name} {duration(promised_s)}"


def limits(report: Report) -> tuple[str, ...]:
    """What the report does not show, one sentence each; never empty."""
    run, judgement = report.run, report.judgement
    said: list[str] = []
    if run.ended is None:
        said.append(
            "The run was cut off before its end: what was not reached is missing, not good."
        )
    said.extend(
        f"Trial {restore.trial} of {restore.subject} says nothing: {'; '.join(restore.invalid)}."
        for restore in judgement.restores
        if restore.invalid
    )
    inconclusive = len(report.of(Verdict.INCONCLUSIVE))
    if inconclusive:
        said.append(
            f"{plural(inconclusive, 'finding')} could not be judged. Inconclusive is no pass: "
            "the target may be met or missed."
        )
    if run.practice:
        said.append(
            "This ran on the practice platform: real servers, tools and backups on one machine. "
            "It shows that the procedure works. It says nothing of production's data size, "
            "network, hardware or configuration."
        )
    said.extend(run.notes)
    assumed = sum(trial.loss is Loss.ASSUMED for trial in report.plan.trials)
    if assumed:
        said.append(
            f"In {assumed} of {plural(len(report.plan.trials), 'trial')} the loss was assumed: "
            "nothing was broken, and the clock was started as if it had been."
        )
    if judgement.restores:
        said.append(
            "Recovery time (RTA) runs from the fault to the first of a sustained run of right "
            "answers. The time that people need to notice, to decide and to point applications "
            "at the restored server is not in it."
        )
        said.append(
            "A pass says that no trial missed the target. How often recovery will be in time is "
            "bounded only as far as the claim beside each pass goes."
        )
    if judgement.predictions:
        said.append(
            "Predicted times are extrapolated from smaller restores. They were not measured and "
            "are kept apart from what was."
        )
    if run.git_dirty:
        said.append(
            "Files of the working directory differed from the recorded commit, so the commit "
            "alone does not identify the targets and the suite that were used."
        )
    if run.git_head is None:
        said.append("No commit is recorded: the targets and the suite were not under git.")
    if not said:
        said.append("Nothing beyond what the findings below judge.")
    return tuple(said)
