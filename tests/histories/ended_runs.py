"""Runs that ended with the findings they are given, for what looks at runs from outside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from harness.compliance.support import JudgedRun
from harness.model.judgement import Judgement
from harness.model.run import RUN_FORMAT, RunRecord
from harness.model.verdict import Finding, Verdict, merge

ENDED = datetime(2026, 11, 22, 4, 30, tzinfo=UTC)


def finding(
    verdict: Verdict, check: str = "restore", scenario: str | None = None, target: str | None = None
) -> Finding:
    return Finding(
        id=f"{check}/{scenario}/{target}",
        check=check,
        target=target,
        subject=None,
        scenario=scenario,
        verdict=verdict,
        headline="as it is",
    )


def run(
    *findings: Finding,
    suite: str = "weekly-restore",
    ended: datetime = ENDED,
    practice: bool = False,
    participants: tuple[str, ...] = (),
    sealed: bool | None = None,
) -> JudgedRun:
    return JudgedRun(
        run=RunRecord(
            format=RUN_FORMAT,
            run=f"{ended:%Y%m%dT%H%M%SZ}-{suite}-staging",
            suite=suite,
            environment="staging",
            started=ended - timedelta(minutes=30),
            ended=ended,
            user="ada",
            host="bastion",
            argv=("harness",),
            versions={},
            settings=(),
            practice=practice,
            participants=participants,
            seed=1,
        ),
        judgement=Judgement(
            format=1,
            suite=suite,
            environment="staging",
            verdict=merge(one.verdict for one in findings),
            findings=findings,
            restores=(),
            predictions=(),
        ),
        sealed=sealed,
    )
