"""Decides whether the harness noticed what was planted, and nothing where nothing was. Pure.

Nothing planted proves nothing, nor does a damage that only made some other thing fail: each has to
be named by its own finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from harness.judge.availability import recovery
from harness.model.calibration import CleanRun, Examined, Sign, SilenceObserved
from harness.model.instant import nanoseconds, seconds
from harness.model.judgement import Judgement
from harness.model.verdict import Finding, Verdict

_NAMED = 5

_BACK_WITHIN = timedelta(minutes=1)
"""After the end of a known outage; later is no recovery from it."""


def named_by(sign: Sign, judgement: Judgement) -> Finding | None:
    """The first finding that shows the sign; None: the damage was missed."""
    return next((one for one in judgement.findings if _shows(one, sign)), None)


def _shows(finding: Finding, sign: Sign) -> bool:
    said = "\n".join((finding.headline, *finding.detail))
    return (
        finding.check == sign.check
        and finding.verdict is sign.verdict
        and all(words in said for words in sign.says)
    )


def found_anyway(judgement: Judgement) -> tuple[str, ...]:
    """What a run found on a platform without damage, and what it did not even look at."""
    said = tuple(
        f"{one.id}: {one.verdict}: {one.headline}"
        for one in judgement.findings
        if one.verdict is not Verdict.PASS
    )
    if not judgement.findings:
        said += ("it judged nothing",)
    if not judgement.restores:
        said += ("it restored nothing",)
    if not said and judgement.verdict is not Verdict.PASS:
        said += (f"its verdict is {judgement.verdict}",)
    return said


def measured_outage(seen: SilenceObserved, sustained: timedelta) -> tuple[bool, str]:
    """Whether the measured recovery time contains the true one, and is no wider than a prober of
    that interval and timeout must leave it; with both, in words.

    The last wrong answer may have begun a timeout before the end, the first right one an interval
    and another timeout after it.
    """
    truth_low_ns = seen.ended.earliest_ns - seen.began.latest_ns
    truth_high_ns = seen.ended.latest_ns - seen.began.earliest_ns
    found = recovery(
        seen.observations,
        seen.began,
        sustained_ns=nanoseconds(sustained),
        deadline_ns=truth_high_ns + nanoseconds(_BACK_WITHIN),
        interval_ns=seen.interval_ns,
        timeout_ns=seen.timeout_ns,
    )
    true = f"{seconds(truth_low_ns):.3f} s"
    if found.unobserved_where_it_matters:
        return False, f"unobserved: the prober did not look, the truth is {true}"
    if found.bounds is None or found.bounds.high_ns is None:
        return False, f"no recovery was seen, the truth is {true}"
    low_ns, high_ns = found.bounds.low_ns, found.bounds.high_ns
    text = f"measured {seconds(low_ns):.3f} to {seconds(high_ns):.3f} s, the truth is {true}"
    if found.uninterrupted or len(found.outages) != 1:
        return False, f"{text}; {len(found.outages)} outages seen, expected 1"
    if not (low_ns <= truth_high_ns and truth_low_ns <= high_ns):
        return False, f"{text}, which is not in it"
    if high_ns - low_ns > seen.interval_ns + 2 * seen.timeout_ns:
        return False, f"{text}: too wide to mean anything"
    return True, text


def problems(clean: Sequence[CleanRun], examined: Sequence[Examined]) -> tuple[str, ...]:
    """Why a calibration is no proof, one line each; none where it is."""
    return tuple(_problems(clean, examined))


def _unclean(run: CleanRun) -> Iterator[str]:
    for said in run.found[:_NAMED]:
        yield f"the clean run {run.run} found what nobody planted: {said}"
    if len(run.found) > _NAMED:
        yield f"the clean run {run.run} found {len(run.found) - _NAMED} more"
    if not run.found and (run.verdict is not Verdict.PASS or not run.findings):
        yield f"the clean run {run.run} is {run.verdict} with {run.findings} findings"


def _problems(clean: Sequence[CleanRun], examined: Sequence[Examined]) -> Iterator[str]:
    if not examined:
        yield "nothing was planted: nothing is proved"
    if len(clean) < 2:
        yield f"{len(clean)} clean runs, expected one before the damage and one after it"
    for run in clean:
        yield from _unclean(run)
    for one in examined:
        if one.error is not None:
            yield f"{one.name}: {one.error}"
        elif one.planted is None:
            yield f"{one.name}: was not planted"
        elif one.found_by is None:
            yield f"{one.name}: MISSED: {one.planted}; expected {one.expected}"
