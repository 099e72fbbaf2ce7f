"""One answer to a question about one subject, and the merging of several into a finding. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from harness.model.verdict import Finding, Measure, Verdict, merge


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one fact (or its absence) says; the fields are those of a Finding."""

    verdict: Verdict
    headline: str
    detail: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = ()
    strength: str | None = None
    since: datetime | None = None
    advice: str | None = None
    evidence: tuple[int, ...] = ()


def worst(answers: Sequence[Answer]) -> Answer:
    """The first of the worst answers, with the details and the evidence of them all.

    ValueError for no answer: whoever asks must say what the absence of facts means.
    """
    if not answers:
        raise ValueError("no answer to merge, expected one or more")
    verdict = merge(answer.verdict for answer in answers)
    chosen = next(answer for answer in answers if answer.verdict is verdict)
    others = [answer for answer in answers if answer is not chosen]
    detail = [*chosen.detail]
    for other in others:
        detail += [line for line in (other.headline, *other.detail) if line not in detail]
    return Answer(
        verdict=verdict,
        headline=chosen.headline,
        detail=tuple(detail),
        measures=chosen.measures,
        strength=chosen.strength,
        since=chosen.since,
        advice=chosen.advice,
        evidence=tuple(sorted({line for answer in answers for line in answer.evidence})),
    )


def finding(
    answer: Answer,
    *,
    identity: str,
    target: str | None,
    subject: str | None,
    scenario: str | None = None,
) -> Finding:
    """The finding of that id; its check is the id's first part."""
    return Finding(
        id=identity,
        check=identity.split("/", maxsplit=1)[0],
        target=target,
        subject=subject,
        scenario=scenario,
        verdict=answer.verdict,
        headline=answer.headline,
        detail=answer.detail,
        measures=answer.measures,
        strength=answer.strength,
        since=answer.since,
        advice=answer.advice,
        evidence=answer.evidence,
    )


def utc_text(moment: datetime, form: str = "%Y-%m-%d %H:%M UTC") -> str:
    """A moment of the wall clock for a person; in UTC wherever the report is read."""
    return moment.astimezone(UTC).strftime(form)
