"""Thresholds need samples: a share of one in n is not seen in fewer than n of them.

One wrong answer in n is a share of 1/n. That none among n was wrong shows, at 95 % confidence, a
share below 3/n only (Hanley and Lippman-Hand, Journal of the American Medical Association 249,
1983: the rule of three).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness.feasibility.finding import Finding, Harm, Word, once
from harness.feasibility.ground import Ground
from harness.model.configuration import Canary, CanaryPhase, Scraping
from harness.model.quantity import show_duration
from harness.model.target import Availability, ErrorRate

RULE = "thresholds-need-samples"
LAW = "A share can be told from a smaller one only by enough samples in the time there is."
NEEDS = "canary phases and a share that ends them"

_CONFIDENCE = 0.95


def samples_for(share: float) -> int:
    """How many samples without a single failure show less than `share`, at 95 % confidence.

    `share`: above 0, below 1. ln(0.05) / ln(1 - share), rounded up.
    """
    return math.ceil(round(math.log(1 - _CONFIDENCE) / math.log1p(-share), 9))


def look(ground: Ground) -> Iterator[Finding]:
    """Each threshold in the phase that gives it the fewest samples."""
    for canary in ground.said(Canary):
        if not canary.objective.phases:
            continue
        fewest = min(
            canary.objective.phases, key=lambda one: one.weight * one.lasts.total_seconds()
        )
        for target, share, name in _thresholds(ground):
            yield _by_requests(ground, canary.id, fewest, target, share, name)
            for scraping in ground.said(Scraping):
                if scraping.objective.interval is not None:
                    yield _by_scrapes(
                        canary.id,
                        min(canary.objective.phases, key=lambda one: one.lasts),
                        (target, share, name),
                        scraping.id,
                        scraping.objective.interval.total_seconds(),
                    )


def _thresholds(ground: Ground) -> Iterator[tuple[str, float, str]]:
    for available in ground.said(Availability):
        share = round(1 - available.objective.at_least, 12)
        if 0 < share < 1:
            yield available.id, share, f"availability below {available.objective.at_least:.6g}"
    for errors in ground.said(ErrorRate):
        if 0 < errors.objective.at_most < 1:
            share = errors.objective.at_most
            yield errors.id, share, f"an error rate above {share:.6g}"


def _by_requests(  # noqa: PLR0913 - what one sum is made of
    ground: Ground, canary: str, phase: CanaryPhase, target: str, share: float, name: str
) -> Finding:
    needed = samples_for(share)
    seconds = phase.lasts.total_seconds()
    rate = needed / (seconds * phase.weight / 100)
    lasts = show_duration(seconds)
    text = f"{needed} requests / ({lasts} x {phase.weight} %) = {rate:.3g} per second in all"
    peak = ground.peak_rate
    if peak is None:
        word, told = Word.TIGHT, ""
    else:
        got = peak * seconds * phase.weight / 100
        word = Word.HOLDS if got >= needed else Word.CONTRADICTION
        told = f"; the environment has {peak:.6g} at its peak: {got:.0f} requests"
    return Finding(
        rule=RULE,
        about=f"{canary}, {target}",
        word=word,
        says=f"{name} is told from less in {lasts} at {phase.weight} % only with "
        f"{rate:.3g} requests per second in all{told}",
        sum=text + told,
        targets=once(canary, target),
        harm=Harm.SIGHT,
        times=None if peak is None else rate / peak if peak else None,
        why="With fewer requests a phase ends without having shown anything: no failure among a "
        f"few is no proof, and one failure among fewer than {math.ceil(round(1 / share, 6))} is "
        "beyond the threshold by itself.",
        resolve=""
        if word is Word.HOLDS
        else "Phases that end by the number of requests, not by the clock; or a looser threshold "
        "in the first one.",
        assumes=("requests fail independently of each other",),
        sources=("Hanley and Lippman-Hand, JAMA 249 (1983): the rule of three",),
    )


def _by_scrapes(
    canary: str,
    phase: CanaryPhase,
    threshold: tuple[str, float, str],
    scraping: str,
    interval_s: float,
) -> Finding:
    target, share, name = threshold
    seconds = phase.lasts.total_seconds()
    count = math.floor(seconds / interval_s)
    needed = math.ceil(round(1 / share, 6))
    enough = count >= needed
    return Finding(
        rule=RULE,
        about=f"{canary}, {target}, {scraping}",
        word=Word.HOLDS if enough else Word.TIGHT,
        says=f"{name}, as a share of time: {show_duration(seconds)} have {count} samples, one of "
        f"which is {100 / count if count else 100:.3g} %",
        sum=f"{show_duration(seconds)} / {show_duration(interval_s)} = {count} samples "
        f"{'>=' if enough else '<'} {needed} = 1 / {share:.6g}",
        targets=once(canary, target, scraping),
        harm=Harm.SIGHT,
        times=None if enough or not count else needed / count,
        why="As a share of time it is counted in samples of Prometheus: a single failed one is "
        "beyond the threshold, and none says only that it was better than one in so many.",
        resolve=""
        if enough
        else "Judge by requests, not by samples; or shorten the interval or lengthen the phase.",
        assumes=() if enough else ("it is judged by what Prometheus samples, as a share of time",),
    )
