"""A judged load test as its report shows it: every kind of row, gap, refusal and caution once.

Everything is made by hand, so that a test of a renderer says only what it is about:

- scale: from 1 to 10 replicas and back, its looks missing for a while, the metrics API for longer;
- node-away: a node away while the load goes on, with wrong answers and an unexplained decision;
- closed: a closed loop; late: a generator that was late; silent: nothing was sent;
- a search, quotas with and without room, fillings, and a comparison with the version before.
"""

from __future__ import annotations

import math
from datetime import timedelta

import load_tests as make
from constructors import NOW
from msgspec.structs import replace

from harness.model.judgement import Judgement
from harness.model.load_judgement import (
    AutoscalerSummary,
    Bounded,
    CapacityPoint,
    CapacitySummary,
    Comparison,
    Decision,
    Headroom,
    Injection,
    Latencies,
    LoadPoint,
    LoadSummary,
    ScalabilityFit,
    ScalePoint,
    Timing,
)
from harness.model.load_profile import Profile, Stage
from harness.model.load_test import Baseline, Drive, Fill, LoadPlan, Search
from harness.model.run import RUN_FORMAT, RunRecord
from harness.model.target import (
    AutoscalerRange,
    AutoscalerUtilization,
    ErrorRate,
    Latency,
    ScalingPeriod,
)
from harness.model.verdict import Finding, Measure, Verdict
from harness.report.summary import Report

_ONE = 12.0
"""Requests per second that one replica takes."""

_GIB = 2.0**30

SCALE = Profile(
    profile="scale",
    title="From a twentieth to the peak, and off",
    stages=(
        Stage(rate=0.05, hold=timedelta(seconds=30)),
        Stage(rate=0.05, to=1.0, hold=timedelta(seconds=60)),
        Stage(rate=1.0, hold=timedelta(minutes=5)),
    ),
)
STEADY = Profile(
    profile="steady", title="One rate", stages=(Stage(rate=0.5, hold=timedelta(minutes=3)),)
)


def plan() -> LoadPlan:
    """Five drives, a search and a filling."""
    drives = (
        Drive(
            id="scale",
            title="From the fewest replicas to the most, and back",
            profile="scale",
            settle=timedelta(minutes=8),
        ),
        Drive(
            id="node-away",
            title="The same load while a node is away",
            profile="steady",
            away="node-power-cut",
            away_after=timedelta(seconds=60),
            workers=2,
        ),
        Drive(id="closed", title="Fifty users", profile="steady", replicas=4),
        Drive(id="late", title="A generator without a processor", profile="steady"),
        Drive(id="silent", title="Nothing", profile="steady"),
    )
    trials = [
        make.trial(one, profile=SCALE if one.profile == "scale" else STEADY) for one in drives
    ]
    trials += [
        make.trial(Search(id="capacity", title="The highest rate that holds")),
        make.trial(Fill(id="quotas", title="Every namespace at its full size")),
    ]
    return make.plan(
        make.promise(Latency(at_most=timedelta(milliseconds=500), percentile=95), id="response"),
        make.promise(ErrorRate(at_most=0.05), id="errors"),
        make.promise(AutoscalerRange(minimum=1, maximum=10), id="range"),
        make.promise(AutoscalerUtilization(resource="cpu", percent=70), id="cpu"),
        make.promise(AutoscalerUtilization(resource="memory", percent=80), id="memory"),
        make.promise(
            ScalingPeriod(direction="up", period=timedelta(seconds=60)), id="scale-up-period"
        ),
        trials=trials,
        version="v1.8.0",
        baseline=Baseline(run="20261117T030000Z-pre-release-load-lab", version="v1.7.2"),
        cost_per_core_hour=0.04,
        expectations=(
            (
                "a change is seen after 40 s at the most: sampled each 10 s, scraped each 15 s, "
                "decided each 15 s (Kubernetes' defaults)"
            ),
            (
                "under all that 10 are made for, pods ready in 10 to 30 s: first more after 20 to "
                "42 s, 10 wanted after 78 to 150 s, all ready after 95 to 172 s, by 3, 7, 9, 10"
            ),
            "back at 1 294 to 318 s after the load, of which the window is 300 s",
        ),
        blast_radius=(
            "core-business-prod/checkout: up to 100 requests/s",
            "node worker-2 loses its power",
        ),
        rights=("get pods core-business-prod",),
    )


# --- what the pictures show ------------------------------------------------------------------


def _noise(second: float, of: float) -> float:
    """The same for the same second, between -1 and 1."""
    return math.sin(second * 12.9898 + of * 78.233) * math.cos(second * 4.1414 + of)


def _rate(profile: Profile, at_s: float) -> float:
    for stage in profile.stages:
        lasts_s = stage.hold.total_seconds()
        if at_s < lasts_s:
            return stage.rate + (stage.end_rate - stage.rate) * at_s / lasts_s
        at_s -= lasts_s
    return 0.0


_WAY_UP = ((-10.0, 1), (66.0, 3), (96.0, 7), (126.0, 9), (156.0, 10), (692.0, 1))
_AWAY = ((-10.0, 5), (101.0, 8))


def _wanted(at_s: float, steps: tuple[tuple[float, int], ...]) -> int:
    return [count for since_s, count in steps if since_s <= max(at_s, steps[0][0])][-1]


def _load(
    profile: Profile, steps: tuple[tuple[float, int], ...], bad: tuple[float, float] | None
) -> tuple[LoadPoint, ...]:
    points = []
    for second in range(int(profile.lasts.total_seconds())):
        asked = 100.0 * _rate(profile, second)
        scheduled = max(0, round(asked + 0.8 * math.sqrt(asked) * _noise(second, 1)))
        busy = min(0.98, asked / (_ONE * _wanted(second - 14, steps)))
        p50_s = 0.03 / (1 - busy) * (1 + 0.2 * _noise(second, 2))
        hit = bad is not None and bad[0] <= second < bad[1]
        wrong = round(scheduled * (0.4 + 0.2 * _noise(second, 3))) if hit else 0
        points.append(
            LoadPoint(
                at_s=float(second),
                scheduled=scheduled,
                right=scheduled - wrong,
                wrong=wrong,
                p50_s=p50_s if scheduled else None,
                p95_s=(5.0 if hit else 2.2 * p50_s * (1 + 0.2 * _noise(second, 4)))
                if scheduled
                else None,
            )
        )
    return tuple(points)


def _scale(
    profile: Profile,
    steps: tuple[tuple[float, int], ...],
    until_s: int,
    unseen: tuple[float, float],
    unmeasured: tuple[float, float],
) -> tuple[ScalePoint, ...]:
    points = []
    for second in range(-10, until_s):
        if unseen[0] <= second < unseen[1]:
            continue
        wanted = _wanted(second, steps)
        # Two more looks until the pods are there, fourteen seconds until they are ready.
        present = _wanted(max(second - 2, -10), steps)
        ready = min(present, _wanted(max(second - 14, -10), steps))
        measured = second % 3 == 0 and not unmeasured[0] <= second < unmeasured[1]
        cpu = min(2.0, 100 * _rate(profile, second) * 0.07 / ready) if second >= 0 else 0.05
        points.append(
            ScalePoint(
                at_s=second + 0.05,
                wanted=wanted,
                present=present,
                ready=ready,
                endpoints=max(1, _wanted(max(second - 16, -10), steps)),
                cpu=cpu * (1 + 0.05 * _noise(second, 5)) if measured else None,
                memory=0.62 + 0.03 * _noise(second // 15, 6) if measured else None,
                quota=present * 0.104 if second % 3 == 0 else None,
                pending=max(0, present - 9) if 158 <= second < 166 else 0,
            )
        )
    return tuple(points)


# --- what the tables show --------------------------------------------------------------------


def injection(trial: str, **other: object) -> Injection:
    """One that kept up, and held."""
    made = Injection(
        trial=trial,
        step="",
        rate=83.1,
        scheduled=32_412,
        sent=32_412,
        answered=32_381,
        errors={"WRONG_STATUS": 29, "TIMEOUT": 2},
        latencies=Latencies(p50=0.041, p90=0.188, p95=0.3312, p99=0.611, p999=1.42, longest=2.38),
        lag_p99_s=0.0008,
        lag_longest_s=0.0041,
        gates=(),
    )
    return replace(made, **other)


INJECTIONS = (
    injection("scale"),
    injection(
        "node-away",
        rate=50.2,
        scheduled=9_036,
        sent=9_036,
        answered=8_512,
        errors={"TIMEOUT": 301, "REFUSED": 211, "WRONG_STATUS": 12},
        latencies=Latencies(p50=0.052, p90=0.412, p95=5.0021, p99=5.004, p999=5.011, longest=12.4),
    ),
    injection(
        "closed",
        rate=48.7,
        scheduled=8_766,
        sent=8_766,
        answered=8_766,
        errors={},
        lag_p99_s=None,
        lag_longest_s=None,
        closed_loop=True,
        replicas=4,
    ),
    injection(
        "late",
        rate=50.0,
        scheduled=9_000,
        sent=8_790,
        answered=8_790,
        errors={},
        lag_p99_s=0.034,
        lag_longest_s=0.41,
        gates=(
            "8790 of 9000 scheduled requests were sent (97.7%), expected 99% or more",
            "the generator was late: p99 of its lag is 34.0 ms, expected less than 5 ms",
        ),
    ),
    injection(
        "silent",
        rate=50.0,
        scheduled=9_000,
        sent=0,
        answered=0,
        errors={},
        latencies=None,
        lag_p99_s=None,
        lag_longest_s=None,
        gates=("no request was sent",),
    ),
)


def _decision(
    low_s: float,
    high_s: float,
    before: int,
    observed: int,
    recomputed: tuple[int, ...],
    *because: str,
) -> Decision:
    return Decision(
        low_s=low_s,
        high_s=high_s,
        before=before,
        observed=observed,
        recomputed=recomputed,
        explained=observed in recomputed,
        because=because,
    )


AUTOSCALER = (
    AutoscalerSummary(
        trial="scale",
        decisions=(
            _decision(64.9, 66.0, 1, 3, (2, 3), "cpu 198 % / 70 % = 2.83: 3 of 1 counted"),
            _decision(95.1, 96.1, 3, 7, (7,), "cpu 152 % / 70 % = 2.17: 7 of 3 counted"),
            _decision(125.0, 126.1, 7, 9, (9,), "cpu 88 % / 70 % = 1.26: 9 of 7 counted"),
            _decision(155.2, 156.2, 9, 10, (10,), "cpu 82 % = 1.17: 11; the maximum is 10"),
            _decision(
                691.0,
                692.1,
                10,
                1,
                (1,),
                "cpu 4 % / 70 % = 0.06: 1",
                "the highest of the last 300 s is 1",
            ),
        ),
        onset_s=(22.9, 24.0),
        to_maximum_s=(134.2, 135.3),
        back_s=(301.0, 302.1),
        highest_wanted=10,
        highest_ready=10,
        overshoot=0,
        flaps=0,
        timings=(
            Timing(
                reading="scale-up-period 60s as stabilisation window",
                verdict=Verdict.FAIL,
                text="it is 0 s",
            ),
            Timing(
                reading="scale-up-period 60s as policy period",
                verdict=Verdict.PASS,
                text="its policies have 60 s; all 4 decisions up are what it gives",
            ),
            Timing(
                reading="scale-up-period 60s as time to the maximum",
                verdict=Verdict.FAIL,
                text="to 10 ready after 134 to 135 s; its rules alone take 60 s",
            ),
        ),
    ),
    AutoscalerSummary(
        trial="node-away",
        decisions=(_decision(100.2, 101.3, 5, 8, (6,), "cpu 81 % / 70 % = 1.16: 6 of 5 counted"),),
        onset_s=None,
        to_maximum_s=None,
        back_s=None,
        highest_wanted=8,
        highest_ready=8,
        overshoot=None,
        flaps=0,
        notes=("a controller whose leader is taken away forgets what it recommended",),
    ),
)


def _probe(rate: float, p95_s: float, **other: object) -> Injection:
    took = Latencies(
        p50=p95_s / 3, p90=p95_s / 1.2, p95=p95_s, p99=2 * p95_s, p999=3 * p95_s, longest=4 * p95_s
    )
    return injection("capacity", rate=rate, latencies=took, **other)


def _point(replicas: int, holds: float, fails: float) -> CapacityPoint:
    held = [
        _probe(holds / 4, 0.06),
        _probe(holds / 2, 0.09),
        _probe(holds, 0.31),
        _probe(2 * holds, 2.4),
        _probe(2 * holds, 2.2),
        _probe(fails, 0.71),
        _probe(fails, 0.64),
    ]
    return CapacityPoint(
        replicas=replicas,
        holds=holds,
        fails=fails,
        limited_by="p95 640 ms > 500 ms",
        probes=tuple(held),
    )


CAPACITY = CapacitySummary(
    trial="capacity",
    points=(
        _point(1, 11.3, 12.4),
        _point(2, 22.1, 24.2),
        _point(4, 41.8, 45.6),
        _point(8, 73.0, 79.8),
        CapacityPoint(
            replicas=10,
            holds=80.0,
            fails=None,
            limited_by="the generator: the generator was late: p99 of its lag is 12.0 ms",
            probes=(
                _probe(40.0, 0.09),
                _probe(80.0, 0.22),
                _probe(160.0, 0.4, gates=("the generator was late",)),
            ),
        ),
    ),
    fit=ScalabilityFit(
        rate_of_one=11.4, contention=0.018, coherency=0.0017, peak_replicas=24.0, residual=0.012
    ),
    cost_per_million=0.31,
)


def headroom(
    namespace: str,
    resource: str,
    hard: float,
    surge: float,
    *parts: tuple[str, float],
    quota: str = "compute",
    out_of_reach: tuple[str, ...] = (),
) -> Headroom:
    """One row, added up."""
    claimed = sum(amount for _, amount in parts)
    return Headroom(
        namespace=namespace,
        quota=quota,
        resource=resource,
        claimed=claimed,
        with_surge=claimed + surge,
        hard=hard,
        fits=claimed + surge <= hard,
        parts=parts,
        out_of_reach=out_of_reach,
    )


HEADROOM = (
    headroom(
        "core-business-prod",
        "limits.cpu",
        50.0,
        6.0,
        ("Deployment/checkout", 20.0),
        ("StatefulSet/orders", 18.0),
        ("Deployment/cart", 8.0),
    ),
    headroom(
        "core-business-prod",
        "limits.memory",
        100 * _GIB,
        3 * _GIB,
        ("StatefulSet/orders", 48 * _GIB),
        ("Deployment/checkout", 10 * _GIB),
    ),
    headroom(
        "platform-prod",
        "limits.cpu",
        30.0,
        6.0,
        ("Deployment/gateway", 40.0),
        ("Deployment/search", 30.0),
        out_of_reach=("Deployment/gateway: 7 of 10 replicas",),
    ),
    headroom("infrastructure", "pods", 40.0, 1.0, ("DaemonSet/agent", 3.0)),
    headroom(
        "all namespaces",
        "cpu",
        100.0,
        0.0,
        ("core-business-prod", 50.0),
        ("platform-prod", 30.0),
        ("infrastructure", 20.0),
        quota="documented",
    ),
)


def _bounded(value: float, by: float) -> Bounded:
    return Bounded(value=value, low=value - by, high=value + by)


COMPARED = (
    Comparison(
        what="p95 of closed",
        before=_bounded(0.271, 0.011),
        now=_bounded(0.3312, 0.012),
        change=Bounded(value=0.222, low=0.141, high=0.306),
        verdict=Verdict.FAIL,
        text="271 ms before, 331 ms now: +22.2% (+14.1% to +30.6%)",
        unit="s",
    ),
    Comparison(
        what="error rate of closed",
        before=_bounded(0.0009, 0.0004),
        now=_bounded(0.001, 0.0004),
        change=Bounded(value=0.0001, low=-0.0004, high=0.0006),
        verdict=Verdict.PASS,
        text="0.09% before, 0.10% now: +0.0% of all requests (-0.0% to +0.1%), no regression; one "
        "of more than 0.1% of all requests would be seen",
        unit="1",
    ),
    Comparison(
        what="capacity of 4 replicas",
        before=Bounded(value=44.0, low=42.0, high=46.0),
        now=Bounded(value=43.7, low=41.8, high=45.6),
        change=Bounded(value=-0.007, low=-0.091, high=0.086),
        verdict=Verdict.PASS,
        text="42.0 requests/s held before, 41.8 now: -0.7% (-9.1% to +8.6%), no regression; one of "
        "more than 10.0% would be seen",
        unit="requests/s",
    ),
)
SUMMARY = LoadSummary(
    injections=INJECTIONS,
    seconds={
        "scale": _load(SCALE, _WAY_UP, None),
        "node-away": _load(STEADY, _AWAY, (60.0, 82.0)),
    },
    scales={
        "scale": _scale(SCALE, _WAY_UP, 720, (400, 432), (430, 520)),
        "node-away": _scale(STEADY, _AWAY, 200, (60, 71), (60, 100)),
    },
    faults={"node-away": (60.2, 120.7)},
    autoscaler=AUTOSCALER,
    capacity=(CAPACITY,),
    headroom=HEADROOM,
    filled=(
        (
            "core-business-prod, as documented: 24 of 24 pods run; the quota refused more, with "
            "limits.cpu 50 cores of 50 cores"
        ),
    ),
    compared=COMPARED,
)


def _finding(
    identity: str, verdict: Verdict, headline: str, *, target: str | None, scenario: str | None
) -> Finding:
    return Finding(
        id=identity,
        check=identity.partition("/")[0],
        target=target,
        subject="checkout",
        scenario=scenario,
        verdict=verdict,
        headline=headline,
        advice=None if verdict is Verdict.PASS else "harness show --html",
    )


FINDINGS = (
    replace(
        _finding(
            "under-load/response/node-away",
            Verdict.FAIL,
            "checkout, node-away: p95 of 9036 response times is 5002 ms, expected at most 500 ms",
            target="response",
            scenario="node-away",
        ),
        measures=(Measure(name="p95 of response times", unit="s", value=5.0021),),
        detail=("5.79% of all took longer than 500 ms",),
        evidence=(41,),
    ),
    _finding(
        "autoscaling/decisions",
        Verdict.FAIL,
        "autoscaler checkout: 1 of 6 decisions are not what its settings give: cpu 81 % / 70 % = "
        "1.16: 6 of 5 counted",
        target=None,
        scenario=None,
    ),
    _finding(
        "regression/p95-of-closed",
        Verdict.FAIL,
        "checkout, p95 of closed: 271 ms before, 331 ms now: +22.2% (+14.1% to +30.6%)",
        target=None,
        scenario=None,
    ),
    _finding(
        "under-load/response/late",
        Verdict.INCONCLUSIVE,
        "checkout, late: the generator is not to be believed: 8790 of 9000 scheduled requests were "
        "sent (97.7%), expected 99% or more",
        target="response",
        scenario="late",
    ),
    *(
        _finding(
            f"under-load/{target}/scale",
            Verdict.PASS,
            f"checkout, scale: {said}",
            target=target,
            scenario="scale",
        )
        for target, said in (
            ("response", "p95 of 32412 response times is 331 ms, expected at most 500 ms"),
            ("errors", "0.10% of 32412 requests had no right answer, expected at most 5.00%"),
        )
    ),
    *(
        _finding(
            f"autoscaling/{target}",
            Verdict.PASS,
            f"autoscaler checkout: {said}",
            target=target,
            scenario=None,
        )
        for target, said in (
            ("range", "1 to 10 replicas, there and back"),
            ("cpu", "cpu at 70 %, as documented"),
            ("memory", "memory at 80 %, as documented"),
            ("scale-up-period", "scaling up: 1 min holds as policy period"),
        )
    ),
)


def record() -> RunRecord:
    """Who ran it."""
    return RunRecord(
        format=RUN_FORMAT,
        run="20261124T030000Z-pre-release-load-lab",
        suite="pre-release-load",
        environment="lab",
        started=NOW,
        ended=NOW + timedelta(minutes=44, seconds=12),
        user="ada",
        host="probe-1",
        argv=("harness", "run", "pre-release-load", "-e", "lab"),
        git_head="2f1d0c9b8a7e6d5c4b3a29180f7e6d5c4b3a2918",
        git_dirty=False,
        versions={"harness": "0.1.0", "kubernetes": "1.34.1"},
        settings=(),
        practice=False,
        participants=(),
        seed=7,
    )


def judgement(load: LoadSummary = SUMMARY, findings: tuple[Finding, ...] = FINDINGS) -> Judgement:
    """FAIL where there are findings; INCONCLUSIVE where there are none."""
    return Judgement(
        format=1,
        suite="pre-release-load",
        environment="lab",
        verdict=Verdict.FAIL if findings else Verdict.INCONCLUSIVE,
        findings=findings,
        restores=(),
        predictions=(),
        load=load,
    )


def report(load: LoadSummary = SUMMARY, findings: tuple[Finding, ...] = FINDINGS) -> Report:
    """All of it."""
    return Report(judgement=judgement(load, findings), run=record(), plan=plan())


def nothing() -> Report:
    """A load test of which nothing came: an empty summary, and why it is empty."""
    made = report(LoadSummary(), ())
    return Report(
        judgement=replace(
            made.judgement, deviations=("tables and pictures could not be made: no samples",)
        ),
        run=made.run,
        plan=made.plan,
    )
