"""On recorded loads: a version that is a fifth slower is called so, an identical one is not."""

from __future__ import annotations

from pathlib import Path

import load_tests
import numpy as np
import pytest

from harness.capacity.percentiles import Samples
from harness.judge.load.evidence import LoadRun
from harness.judge.load.regression import comparisons
from harness.model.load_judgement import Comparison
from harness.model.sample import DTYPE
from harness.model.verdict import Verdict

RECORDED = Path(__file__).parents[2] / "capacity" / "recorded" / "steady_load.npz"
LASTS_S = 15.0
REPETITIONS = 20


def recorded() -> dict[str, Samples]:
    """Name of a load -> its samples; how it was made is told beside it."""
    loads = {}
    with np.load(RECORDED) as file:
        for name in file.files:
            intended, lag, took, answer = file[name].astype(np.int64)
            made = np.zeros(len(intended), dtype=DTYPE)
            made["intended"] = intended * 1000
            made["sent"] = (intended + lag) * 1000
            made["ended"] = (intended + took) * 1000
            made["answer"] = answer
            made["status"] = 200
            loads[name] = made
    return loads


LOADS = recorded()


def version(load: str, before: LoadRun | None = None) -> LoadRun:
    samples = LOADS[load]
    fact = load_tests.injected(scheduled=len(samples), lasts_s=LASTS_S)
    return load_tests.run(
        load_tests.plan(version=load, trials=[load_tests.trial(replicas=2)]),
        *load_tests.around("drive", fact),
        samples={"drive.samples": samples},
        before=before,
    )


def compared(now: str, before: str) -> dict[str, Comparison]:
    """All four numbers: a generator that is not believed would leave nothing to be alarmed at."""
    found = {one.what: one for one in comparisons(version(now, version(before)))}
    assert sorted(found) == ["error rate of drive", *(f"p{one} of drive" for one in (50, 95, 99))]
    return found


def test_an_identical_version_is_no_regression_20_times_over() -> None:
    """At most one repetition with a false alarm, in any of its numbers."""
    alarms = [
        number
        for number in range(REPETITIONS)
        if any(
            one.verdict is Verdict.FAIL
            for one in compared(f"same-{number + 1}", f"same-{number}").values()
        )
    ]
    assert len(alarms) <= 1, alarms


@pytest.mark.parametrize("slow", ["slow-0", "slow-1", "slow-2"])
@pytest.mark.parametrize("before", ["same-0", "same-10", "same-20"])
def test_a_version_that_is_a_fifth_slower_is_a_regression(slow: str, before: str) -> None:
    """By its median and its 95th percentile."""
    found = compared(slow, before)
    for name in ("p50 of drive", "p95 of drive"):
        assert found[name].verdict is Verdict.FAIL
        assert 0.1 < found[name].change.low < 0.25
    assert found["error rate of drive"].verdict is Verdict.PASS
