"""A load and its cluster on one clock: nothing is lost, nothing is made up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from math import ceil, isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.capacity.frames import (
    LOAD,
    SCALE,
    Samples,
    fullest,
    load_frame,
    load_points,
    on_one_clock,
    scale_frame,
    scale_points,
    used,
)
from harness.model.autoscaling import (
    AutoscalerStatus,
    ContainerResources,
    QuotaUse,
    Resource,
    ScaledPod,
    Sighting,
    Usage,
)
from harness.model.load_judgement import LoadPoint, ScalePoint
from harness.model.sample import DTYPE, Answer

SECOND = 1_000_000_000
MS = 1_000_000
NOW = datetime(2026, 11, 26, 2, tzinfo=UTC)
BEGAN = 100 * SECOND


def samples(*rows: tuple[float, float, Answer]) -> Samples:
    """Of (second in which it was due, response time in s, answer)."""
    found = np.zeros(len(rows), DTYPE)
    for one, (due_s, took_s, answer) in zip(found, rows, strict=True):
        one["intended"] = round(due_s * SECOND)
        one["sent"] = one["intended"] + MS
        one["ended"] = one["intended"] + round(took_s * SECOND)
        one["answer"] = answer
    return found


class TestLoad:
    def test_a_load_of_nothing_is_seconds_of_nothing(self) -> None:
        assert load_points(samples(), 0) == ()
        assert load_points(samples(), 1.5) == tuple(
            LoadPoint(at_s=at_s, scheduled=0, right=0, wrong=0, p50_s=None, p95_s=None)
            for at_s in (0.0, 1.0)
        )
        assert tuple(load_frame(samples(), 1.5).columns) == LOAD

    def test_a_second_is_that_in_which_it_was_due_and_not_that_of_its_answer(self) -> None:
        late = load_points(samples((0.999, 2.5, Answer.OK)), 3)
        assert [one.scheduled for one in late] == [1, 0, 0]
        assert (late[0].right, late[0].p50_s, late[0].p95_s) == (1, 2.5, 2.5)

    def test_all_errors_are_wrong_and_timed(self) -> None:
        wrong = [one for one in Answer if one not in (Answer.OK, Answer.UNSENT)]
        (found,) = load_points(samples(*((0.5, 1.0, one) for one in wrong)), 1)
        assert (found.scheduled, found.right, found.wrong) == (len(wrong), 0, len(wrong))
        assert found.p95_s == 1.0

    def test_what_was_not_sent_is_scheduled_and_nothing_else(self) -> None:
        found = samples((0.1, 0.2, Answer.OK), (0.2, 9.0, Answer.UNSENT), (1.0, 9.0, Answer.UNSENT))
        first, second = load_points(found, 2)
        assert (first.scheduled, first.right, first.wrong, first.p95_s) == (2, 1, 0, 0.2)
        assert (second.scheduled, second.right, second.wrong, second.p95_s) == (1, 0, 0, None)

    def test_seconds_beyond_the_profile_are_kept(self) -> None:
        assert len(load_points(samples((4.2, 0.1, Answer.OK)), 2)) == 5

    def test_percentiles_are_by_nearest_rank(self) -> None:
        """Of 20, 95 % is the 19th and no mixture of two; 50 % is the 10th."""
        rows = [(0.5, number / 100, Answer.OK) for number in range(20, 0, -1)]
        (found,) = load_points(samples(*rows), 1)
        assert (found.p50_s, found.p95_s) == (0.10, 0.19)

    @given(
        st.lists(
            st.tuples(
                st.floats(min_value=0, max_value=5),
                st.floats(min_value=0, max_value=10),
                st.sampled_from(list(Answer)),
            ),
            max_size=60,
        ),
        st.integers(min_value=0),
    )
    def test_it_is_what_counting_by_hand_gives_in_whatever_order(
        self, rows: list[tuple[float, float, Answer]], seed: int
    ) -> None:
        found = samples(*rows)
        points = load_points(np.random.default_rng(seed).permutation(found), 6)
        assert points == load_points(found, 6)
        assert sum(one.scheduled for one in points) == len(rows)
        for second, point in enumerate(points):
            here = found[found["intended"] // SECOND == second]
            sent = here[here["answer"] != Answer.UNSENT]
            assert point.right + point.wrong == len(sent)
            assert point.right == int((here["answer"] == Answer.OK).sum())
            times = sorted((sent["ended"] - sent["intended"]) / SECOND)
            for percent, value in ((50, point.p50_s), (95, point.p95_s)):
                assert value == (times[ceil(percent * len(times) / 100) - 1] if times else None)


def pod(name: str, **parts: object) -> ScaledPod:
    made = ScaledPod(
        name=name,
        uid=name,
        phase="Running",
        ready=True,
        terminating=False,
        node="worker-1",
        created=NOW,
        started=NOW,
        ready_changed=NOW,
        containers=(
            ContainerResources(
                name="c", requests={Resource.CPU: 0.05, Resource.MEMORY: 100.0}, limits={}
            ),
        ),
    )
    return replace(made, **parts)


def usage(name: str, cpu: float, memory: float = 0.0) -> Usage:
    of_container = {Resource.CPU: cpu, Resource.MEMORY: memory}
    return Usage(pod=name, measured=NOW, window_s=15, containers={"c": of_container})


def look(at_s: float, **parts: object) -> Sighting:
    """One that took 20 ms, so many seconds after the load's beginning."""
    middle_ns = BEGAN + round(at_s * SECOND)
    made = Sighting(began_ns=middle_ns - 10 * MS, ended_ns=middle_ns + 10 * MS, wall=NOW)
    return replace(made, **parts)


def status(desired: int) -> AutoscalerStatus:
    return AutoscalerStatus(desired=desired, current=1, last_scaled=None)


def one_point(**parts: object) -> ScalePoint:
    (found,) = scale_points([look(1.0, **parts)], BEGAN)
    return found


class TestScale:
    def test_no_look_is_no_point(self) -> None:
        assert scale_points([], BEGAN) == ()
        assert tuple(scale_frame([], BEGAN).columns) == SCALE

    def test_what_was_not_read_is_nothing_and_not_zero(self) -> None:
        assert one_point() == ScalePoint(
            at_s=1.0,
            wanted=None,
            present=None,
            ready=None,
            endpoints=None,
            cpu=None,
            memory=None,
            quota=None,
            pending=None,
        )

    def test_what_is_zero_is_zero(self) -> None:
        found = one_point(pods=(), endpoints=0, autoscaler=status(0), quotas=())
        assert (found.wanted, found.present, found.ready, found.pending, found.endpoints) == (
            *(0, 0, 0, 0),
            0,
        )
        assert (found.quota, found.cpu) == (None, None)

    def test_looks_before_the_load_have_negative_times(self) -> None:
        found = scale_points([look(-2.5), look(0.0), look(3.25)], BEGAN)
        assert [one.at_s for one in found] == [-2.5, 0.0, 3.25]

    def test_pods_that_serve_nobody_are_not_present(self) -> None:
        found = one_point(
            pods=(
                pod("serves"),
                pod("starts", ready=False),
                pod("waits", phase="Pending", ready=False, node=""),
                pod("ends", terminating=True),
                pod("evicted", phase="Failed", ready=False),
            )
        )
        assert (found.present, found.ready, found.pending) == (3, 1, 1)

    def test_what_the_autoscaler_wants(self) -> None:
        assert one_point(autoscaler=status(4), replicas=3).wanted == 4

    def test_without_an_autoscaler_its_controllers_number_is_wanted(self) -> None:
        assert one_point(replicas=3).wanted == 3

    def test_an_autoscaler_that_could_not_be_read_wants_nobody_knows_what(self) -> None:
        assert one_point(replicas=3, unread={"autoscaler": "not allowed"}).wanted is None


class TestUtilization:
    def test_it_is_sum_over_sum_of_those_that_were_measured(self) -> None:
        """(0.06 + 0.02) / (2 x 0.05): the third pod was not measured yet."""
        pods = (pod("a"), pod("b"), pod("c", ready=False))
        usages = (usage("a", 0.06, 80), usage("b", 0.02, 40), usage("gone", 5.0))
        found = one_point(pods=pods, usages=usages)
        assert found.cpu == pytest.approx(0.8)
        assert found.memory == pytest.approx(0.6)

    def test_it_is_unknown_in_looks_that_did_not_read_usages(self) -> None:
        assert one_point(pods=(pod("a"),)).cpu is None

    def test_a_container_that_asks_for_nothing_has_no_utilization(self) -> None:
        silent = replace(pod("a"), containers=(ContainerResources(name="c"),))
        assert used((silent, pod("b")), (usage("a", 1), usage("b", 1)), Resource.CPU) is None

    def test_nobody_measured_is_no_utilization(self) -> None:
        assert used((pod("a"),), (), Resource.CPU) is None
        assert used((), (usage("a", 1),), Resource.CPU) is None


def quota(hard: dict[str, float], used_up: dict[str, float]) -> QuotaUse:
    return QuotaUse(namespace="n", name="q", used=used_up, hard=hard)


class TestQuota:
    def test_the_fullest_resource_of_all_quotas_counts(self) -> None:
        quotas = (
            quota({"requests.cpu": 5, "limits.cpu": 5}, {"requests.cpu": 1, "limits.cpu": 4}),
            quota({"pods": 20}, {"pods": 18}),
        )
        assert one_point(quotas=quotas).quota == 0.9

    def test_a_limit_of_nothing_is_no_share(self) -> None:
        assert fullest((quota({"services.loadbalancers": 0}, {}),)) is None
        assert fullest((quota({"pods": 4, "secrets": 0}, {"pods": 1}),)) == 0.25

    def test_what_is_not_used_at_all_is_empty(self) -> None:
        assert fullest((quota({"pods": 4}, {}),)) == 0


class TestOneClock:
    def test_each_second_beside_what_was_last_seen_by_its_end(self) -> None:
        load = load_frame(samples((0.5, 0.1, Answer.OK), (2.5, 0.1, Answer.OK)), 3)
        looks = [
            look(-5, autoscaler=status(1), endpoints=1),
            look(1.0, autoscaler=status(2)),
            look(2.2, endpoints=2),
            look(2.9, autoscaler=status(5)),
        ]
        found = on_one_clock(load, scale_frame(looks, BEGAN))
        assert list(found["wanted"]) == [2, 2, 5]
        assert list(found["endpoints"]) == [1, 1, 2]
        assert list(found["scheduled"]) == [1, 0, 1]
        assert list(found.index) == [0, 1, 2]

    def test_before_the_first_look_nothing_was_seen(self) -> None:
        load = load_frame(samples(), 3)
        found = on_one_clock(load, scale_frame([look(1.5, endpoints=1)], BEGAN))
        assert [isnan(one) for one in found["endpoints"]] == [True, False, False]

    def test_without_looks_there_is_the_load(self) -> None:
        found = on_one_clock(load_frame(samples(), 2), scale_frame([], BEGAN))
        assert len(found) == 2
        assert found["wanted"].isna().all()

    @given(st.lists(st.floats(min_value=-5, max_value=10), max_size=20, unique=True))
    def test_nothing_of_the_future_is_seen(self, times: Sequence[float]) -> None:
        """Each look's number of endpoints is its rank: they may only grow, and are never ahead."""
        looks = [look(at_s, endpoints=rank) for rank, at_s in enumerate(sorted(times))]
        found = on_one_clock(load_frame(samples(), 8), scale_frame(looks, BEGAN))["endpoints"]
        seen = [-1 if isnan(one) else int(one) for one in found]
        assert all(before <= after for before, after in pairwise(seen))
        at = [one.at_s for one in scale_points(looks, BEGAN)]
        assert seen == [sum(one <= second + 1 for one in at) - 1 for second in range(8)]
