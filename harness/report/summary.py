"""What every renderer shows alike: the one sentence, the targets' rows, what is not shown. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.model.action import Action
from harness.model.compliance import ObjectiveSupport
from harness.model.conformance import ConformancePlan
from harness.model.judgement import (
    Judgement,
    RecoveredBy,
    RecoverySummary,
    RestoreSummary,
)
from harness.model.note import Note
from harness.model.plan import Plan, RunPlan, answerable, subjects
from harness.model.run import RunRecord
from harness.model.suite import Loss
from harness.model.target import RecoveryPoint, RecoveryTime, Target
from harness.model.verdict import Finding, Verdict, merge
from harness.report.load_summary import Figure, load_figures, load_limits
from harness.report.promises import conformance_figures, conformance_limits, promises
from harness.report.wording import (
    duration,
    listed,
    lost_writes,
    plural,
    recovery_time,
    subject_of,
    way_time,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that a renderer may look at: the verdict, and what it was reached with."""

    judgement: Judgement
    run: RunRecord
    plan: RunPlan
    actions: tuple[Action, ...] | None = None
    """As they stand after the run; None: nobody asked for them."""

    notes: tuple[Note, ...] = ()
    """What people noted while it ran, in their order."""

    not_carried_over: str | None = None
    """Why the actions of the runs before are missing among them."""

    controls: tuple[ObjectiveSupport, ...] = ()
    """What the run says of the objectives of control frameworks."""

    verdict_sha256: str | None = None
    """Of verdict.json, which all of this was rendered from."""

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
        kind = subjects(self.plan).get(subject_id)
        return (target for target in self.plan.targets if kind in target.covers)


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

    A volume is no promise to keep but the size that restore times are extrapolated to. A promise of
    how a platform is set up is about no subject of the plan.
    """
    if isinstance(report.plan, ConformancePlan):
        return tuple(
            TargetRow(target=row.target, verdicts=(("", row.verdict if row.findings else None),))
            for row in promises(report.plan, report.judgement.findings)
        )
    return tuple(
        TargetRow(target=target, verdicts=_verdicts(report, target))
        for target in answerable(report.plan)
    )


def _verdicts(report: Report, target: Target) -> tuple[tuple[str, Verdict | None], ...]:
    found: dict[str, Verdict | None] = {
        subject: None for subject, kind in subjects(report.plan).items() if kind in target.covers
    }
    for finding in report.judgement.findings:
        if finding.target == target.id:
            name = finding.subject or ""
            earlier = found.get(name)
            found[name] = merge([finding.verdict, *([earlier] if earlier else [])])
    if "" in found:  # a finding about all subjects at once judges each of them
        whole = found[""] or Verdict.INCONCLUSIVE
        if len(found) > 1:
            del found[""]
        found = {
            subject: merge([whole, *([verdict] if verdict else [])])
            for subject, verdict in found.items()
        }
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
    """What is wrong with the drill itself: findings that answer no documented target.

    A load test asks more of its service than is documented, such as whether it is a regression.
    """
    known = {target.id for target in report.plan.targets}
    own = [found for found in report.judgement.findings if found.target not in known]
    of = "of the drill itself" if report.judgement.load is None else "beside the targets"
    sentences = []
    for verdict, did in ((Verdict.FAIL, "failed"), (Verdict.INCONCLUSIVE, "said nothing")):
        checks = [
            found.id.partition("/")[2] if found.check == "drill" else found.check
            for found in own
            if found.verdict is verdict
        ]
        if checks:
            names = listed(dict.fromkeys(checks))
            sentences.append(f"{plural(len(checks), 'check')} {of} {did}: {names}.")
    if not sentences and report.judgement.verdict is not merge(
        found.verdict for found in report.judgement.findings
    ):
        sentences.append(f"The run as a whole is {report.judgement.verdict}.")
    return sentences


def figures(report: Report) -> tuple[Figure, ...]:
    """The worst of what was measured, never a mean; an invalid trial's numbers do not soften it."""
    if report.judgement.load is not None:
        return load_figures(report.judgement.load)
    if isinstance(report.plan, ConformancePlan):
        return tuple(conformance_figures(report.plan, report.judgement.findings))
    if not isinstance(report.plan, Plan):
        return game_day_figures(report)
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


def game_day_figures(report: Report) -> tuple[Figure, ...]:
    """The worst of a game day's trials."""
    trials = report.judgement.recoveries
    valid = [one for one in trials if not one.invalid]
    shown = [
        Figure(
            name="Trials",
            value=f"{len(trials)}",
            beside="nothing was tried"
            if not trials
            else "all of them valid"
            if len(valid) == len(trials)
            else f"{len(valid)} of them valid",
        )
    ]
    timed = [one for one in valid if one.rta_low_s is not None]
    if timed:
        worst = max(timed, key=lambda one: (one.rta_high_s is None, outage_s(one)))
        rto = next((way.rto_s for way in worst.ways if way.probe_class == worst.worst), None)
        beside = f"{worst.worst}, {worst.trial}"
        shown.append(
            Figure(
                name="Longest recovery (RTA)",
                value=way_time(worst.rta_low_s, worst.rta_high_s),
                beside=beside if rto is None else f"{beside}; RTO {duration(rto)}",
            )
        )
    losses = [loss for one in trials for loss in one.losses if loss.rpa_s is not None]
    if losses:
        most = max(losses, key=lambda loss: (loss.lost_records or 0, loss.rpa_s or 0.0))
        lost = plural(most.lost_records or 0, "write")
        rpo = "" if most.rpo_s is None else f", RPO {duration(most.rpo_s)}"
        shown.append(
            Figure(
                name="Most data lost (RPA)",
                value=duration(most.rpa_s or 0.0) if most.lost_records else "nothing",
                beside=f"{most.ledger}: {lost}{rpo}",
            )
        )
    if valid:
        alone = sum(one.by in {RecoveredBy.ITSELF, RecoveredBy.NO_OUTAGE} for one in valid)
        shown.append(
            Figure(
                name="Recovered by themselves",
                value=f"{alone} of {len(valid)}",
                beside="without our rollback",
            )
        )
    return tuple(shown)


def outage_s(one: RecoverySummary) -> float:
    """The time that orders trials: the upper bound, or how long it is known not to be back."""
    return (one.rta_low_s if one.rta_high_s is None else one.rta_high_s) or 0.0


def _of_game_days(report: Report) -> Iterable[str]:
    trials = report.judgement.recoveries
    for one in trials:
        if one.invalid:
            yield f"Trial {one.trial} says nothing: {'; '.join(one.invalid)}."
    yield (
        "Recovery time (RTA) runs from the fault to the first of a sustained run of right answers "
        "to clients outside. What came back only after our rollback is not counted as recovered."
    )
    yield (
        "Ways in that no trial asks for, and faults that were not tried, are not judged. A way in "
        "without a wrong answer had no outage longer than the time between two looks."
    )
    if any(one.hearings for one in trials):
        yield (
            "Messages that subscribers did not hear are no lost writes: Pub/Sub promises no "
            "delivery, and no RPO is about it."
        )
    if any(way.predicted_low_s is not None for one in trials for way in one.ways):
        yield (
            "Predicted times are sums of the cluster's settings. They were not measured and are "
            "kept apart from what was."
        )
    yield (
        "A pass says that no trial missed the target. How often recovery will be in time is "
        "bounded only as far as the claim beside each pass goes."
    )


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


def _of_restores(report: Report) -> Iterable[str]:
    plan = report.plan
    trials = plan.trials if isinstance(plan, Plan) else ()
    assumed = sum(trial.loss is Loss.ASSUMED for trial in trials)
    if assumed:
        yield (
            f"In {assumed} of {plural(len(trials), 'trial')} the loss was assumed: "
            "nothing was broken, and the clock was started as if it had been."
        )
    if report.judgement.restores:
        yield (
            "Recovery time (RTA) runs from the fault to the first of a sustained run of right "
            "answers. The time that people need to notice, to decide and to point applications "
            "at the restored server is not in it."
        )
        yield (
            "A pass says that no trial missed the target. How often recovery will be in time is "
            "bounded only as far as the claim beside each pass goes."
        )


def _of_looks(report: Report) -> Iterable[str]:
    if isinstance(report.plan, ConformancePlan):
        yield from conformance_limits(report.plan)


def _of_actions(report: Report) -> Iterable[str]:
    if report.not_carried_over is not None:
        yield (
            "Actions of earlier runs are missing, as they could not be read: "
            f"{report.not_carried_over}."
        )


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
    said.extend(_of_actions(report))
    said.extend(run.notes)
    said.extend(_of_looks(report))
    said.extend(_of_restores(report))
    if judgement.recoveries:
        said.extend(_of_game_days(report))
    if judgement.load is not None:
        said.extend(load_limits(judgement.load))
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
