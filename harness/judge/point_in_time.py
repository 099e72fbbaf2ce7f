"""Decides whether a restore to a point holds all that was committed before it and nothing later.

Pure, by the server's own clock: the commit of a client's operation lies between the time that the
server gave it and the time that it gave the client's next one. Operations whose interval contains
the point prove nothing either way; there is at most one a client.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from harness.judge.advice import SHOW_REPORT
from harness.judge.answer import finding
from harness.judge.ledger_integrity import counted, named
from harness.judge.ledger_trial import LedgerTrial
from harness.judge.promise import identities
from harness.judge.statistics import strength
from harness.judge.trials import Attempts, TrialAnswer, over_trials
from harness.ledger.classify import OpClass, PointReached
from harness.model.plan import Plan
from harness.model.target import Retention
from harness.model.verdict import Finding, Measure, Verdict

CHECK = "point-in-time"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def judge(plan: Plan, asked: Attempts, examined: Sequence[LedgerTrial]) -> Iterator[Finding]:
    """One finding for a scenario that restores to a point, of one subject."""
    answers = [judge_trial(one) for one in examined]
    passed = sum(answer.verdict is Verdict.PASS for answer in answers)
    answer = over_trials(
        asked.about,
        answers,
        expected="all that was committed before the point, and nothing later",
        advice=SHOW_REPORT,
        strength=strength(passed, len(answers)),
        measures=tuple(_measures(examined)),
    )
    for identity, target in identities(
        plan, asked.subject, Retention, CHECK, asked.scenario, asked.subject.id
    ):
        yield finding(
            answer,
            identity=identity,
            target=target,
            subject=asked.subject.id,
            scenario=asked.scenario,
        )


def judge_trial(examined: LedgerTrial) -> TrialAnswer:
    """One restore to one point."""
    verdict, text = _compare(examined)
    return TrialAnswer(
        trial=examined.trial,
        verdict=verdict,
        text=text,
        detail=(
            *_describe(examined),
            *(reason for reason in examined.invalid if reason != text),
        ),
        since=examined.point,
        evidence=examined.evidence,
    )


def _compare(examined: LedgerTrial) -> tuple[Verdict, str]:
    found = examined.classification
    if found is None or found.point is None:
        return Verdict.INCONCLUSIVE, next(iter(examined.invalid), "nothing was classified")
    missing, beyond = found.count(OpClass.LOST), found.count(OpClass.BEYOND)
    # Both count on a server clock that goes forward; where it did not, an operation's interval
    # says nothing.
    if (missing or beyond) and not found.point.clock_steps:
        wrong = []
        if missing:
            wrong.append(f"{missing} of {found.point.before} writes before the point are missing")
        if beyond:
            wrong.append(f"{beyond} writes of after the point are there")
        return Verdict.FAIL, "; ".join(wrong)
    doubt = next(iter((*examined.invalid, *_doubts(found.point))), None)
    if doubt is not None:
        return Verdict.INCONCLUSIVE, doubt
    text = (
        f"{found.point.before} writes of before the point are there, {found.point.after} of after"
    )
    return Verdict.PASS, f"{text} it are not"


def _doubts(point: PointReached) -> Iterator[str]:
    if point.clock_steps:
        yield f"the server's clock ran backwards {point.clock_steps} times: no point is exact"
    if not point.before:
        yield "no write was acknowledged before the point: nothing shows that it was reached"
    if not point.after:
        yield "no write was acknowledged after the point: nothing shows that it was not passed"


def _describe(examined: LedgerTrial) -> Iterator[str]:
    found = examined.classification
    if found is None or found.point is None or examined.journal is None:
        return
    if examined.point is not None:
        yield f"point: {examined.point.astimezone(UTC).isoformat()}"
    point = found.point
    included, excluded = _moment(point.last_included_us), _moment(point.first_excluded_us)
    yield f"last write included {included}, first excluded {excluded}"
    yield f"{point.ambiguous} writes too near the point to tell"
    yield counted(found)
    for one in (OpClass.LOST, OpClass.BEYOND):
        if found.count(one):
            yield f"{one.name}: {named(examined.journal, found.classes == one)}"


def _measures(examined: Sequence[LedgerTrial]) -> Iterator[Measure]:
    classified = [one.classification for one in examined if one.classification is not None]
    for name, one in (("writes missing", OpClass.LOST), ("writes beyond", OpClass.BEYOND)):
        worst = max((found.count(one) for found in classified), default=None)
        yield Measure(name=name, unit="records", value=None if worst is None else float(worst))


def _moment(microseconds: int | None) -> str:
    if microseconds is None:
        return "none"
    return (_EPOCH + timedelta(microseconds=microseconds)).isoformat()
