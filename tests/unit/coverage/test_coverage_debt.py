"""What is owed: the cheapest drills that pay it, chosen exactly, and the best one next."""

from __future__ import annotations

from datetime import timedelta
from itertools import combinations

import coverage_runs
import pytest
from coverage_runs import (
    BACKUPS,
    DAY,
    DAY_OF_GAMES,
    HERE,
    LOAD,
    LOOKS,
    MASTERS,
    QUOTA,
    REHEARSED,
    RESTORES,
    RTO,
    TARGETS,
    coverage,
    game_day_run,
    load_run,
    restore_run,
)
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.coverage.answering import EndedRun
from harness.coverage.debt import by_ratio, cheapest_cover, debt_of
from harness.coverage.suites import Ground, could_answer, drills, longest
from harness.model.configuration import Unmeasured
from harness.model.coverage import Drill
from harness.model.game_day import Way
from harness.model.load_profile import Profile, Stage
from harness.model.load_test import Drive, Search
from harness.model.target import Kind, Latency, Replicas, Target
from harness.model.verdict import Verdict

HOUR = timedelta(hours=1)


def drill(name: str, takes: float, *answers: str) -> Drill:
    return Drill(suite=name, environment="test", takes=takes * HOUR, basis="told", answers=answers)


def test_nothing_owed_is_no_debt() -> None:
    """And there is nothing to run next."""
    of = debt_of((), [drill("a", 1, "x")])
    assert of.takes == timedelta(0)
    assert of.drills == ()
    assert of.next is None


def test_what_no_suite_could_answer_is_named() -> None:
    """It costs no time, for none would help."""
    of = debt_of(("x", "y"), [drill("a", 1, "x")])
    assert of.unpayable == ("y",)
    assert of.takes == HOUR


def test_each_suite_is_counted_once() -> None:
    """Three targets of one suite cost one run of it."""
    assert debt_of(("x", "y", "z"), [drill("a", 1, "x", "y", "z")]).takes == HOUR


def test_the_least_time_is_found_where_the_best_ratio_leads_astray() -> None:
    """Greedily: c (2 in 0.9 h), then a and b, 2.9 h in all; the cheapest: a and b."""
    choice = [drill("a", 1, "v", "x"), drill("b", 1, "w", "y"), drill("c", 0.9, "x", "y")]
    of = debt_of(("v", "w", "x", "y"), choice)
    assert {one.suite for one in of.drills} == {"a", "b"}
    assert of.takes == 2 * HOUR
    assert of.next is not None
    assert of.next.suite == "c"


def test_the_best_ratio_is_next() -> None:
    """Most targets in an hour; of what is owed only."""
    of = debt_of(("x", "y"), [drill("a", 1, "x", "y"), drill("b", 0.25, "x", "z", "u", "v")])
    assert of.next is not None
    assert of.next.suite == "b"
    assert of.next.pays == ("x",)
    assert of.next.per_hour == pytest.approx(4)


def test_a_cover_of_what_nothing_answers_is_an_error() -> None:
    """Whoever asks leaves out what cannot be paid."""
    with pytest.raises(ValueError, match="'y'"):
        cheapest_cover({"y"}, [drill("a", 1, "x")])


_NAMES = st.sampled_from("uvwxyz")
_DRILLS = st.lists(
    st.tuples(st.integers(1, 9), st.lists(_NAMES, min_size=1, max_size=4)), max_size=6
).map(lambda found: [drill(f"s{n}", takes, *names) for n, (takes, names) in enumerate(found)])


@given(_DRILLS, st.sets(_NAMES))
def test_the_cover_covers_and_nothing_cheaper_does(choice: list[Drill], owed: set[str]) -> None:
    """Against every subset of the drills."""
    of = debt_of(sorted(owed), choice)
    paid = {target for one in of.drills for target in one.pays}
    assert paid == owed - set(of.unpayable)
    assert set(of.unpayable) == owed - {target for one in choice for target in one.answers}
    for count in range(len(choice) + 1):
        for some in combinations(choice, count):
            if paid <= {target for one in some for target in one.answers}:
                assert of.takes <= sum((one.takes for one in some), timedelta())


@given(_DRILLS, st.sets(_NAMES), st.sets(_NAMES))
def test_less_owed_never_costs_more(choice: list[Drill], owed: set[str], less: set[str]) -> None:
    """A greedy cover would not have this."""
    few = sorted(owed & less)
    assert debt_of(few, choice).takes <= debt_of(sorted(owed), choice).takes


@given(_DRILLS, st.sets(_NAMES))
def test_greedy_order_pays_all_and_each_only_once(choice: list[Drill], owed: set[str]) -> None:
    """What one pays is no longer owed to the next."""
    order = by_ratio(owed, choice)
    paid = [target for one in order for target in dict.fromkeys(one.pays)]
    assert len(paid) == len(set(paid))
    assert set(paid) == owed & {target for one in choice for target in one.answers}


_MORE = st.builds(
    lambda make, verdict, hours: make(verdict, ago=timedelta(hours=hours)),
    st.sampled_from([restore_run, game_day_run, load_run, coverage_runs.conformance_run]),
    st.sampled_from(list(Verdict)),
    st.integers(min_value=0, max_value=24 * 120),
)


@given(st.lists(_MORE, max_size=4), _MORE)
def test_a_run_never_makes_the_debt_larger(runs: list[EndedRun], more: EndedRun) -> None:
    """Where every suite was run before, so that its time is known."""
    known = [
        make(Verdict.INCONCLUSIVE, ago=119 * DAY)
        for make in (restore_run, game_day_run, coverage_runs.conformance_run)
    ]
    before, after = coverage(*known, *runs), coverage(*known, *runs, more)
    assert after.debt.takes <= before.debt.takes
    assert set(after.debt.owed) <= set(before.debt.owed)


def test_which_suite_could_answer_what() -> None:
    """By the kind of suite, and by what its scenarios touch."""
    expected = {
        "weekly-restore": {RTO.id, BACKUPS.id, REHEARSED.id},
        "game-day": {RTO.id},
        "pre-release-load": {QUOTA.id},
        "conformance": {MASTERS.id},
    }
    for suite in coverage_runs.SUITES:
        answered = {one.id for one in TARGETS if could_answer(suite, one, None)}
        assert answered == expected[suite.suite]


def test_no_suite_answers_what_has_no_check() -> None:
    """However it is planned."""
    target = replace(RTO, objective=Unmeasured(why="w", needs="n"))
    assert not any(could_answer(suite, target, None) for suite in coverage_runs.SUITES)


def test_scenarios_touch_only_what_they_touch() -> None:
    """Suites without backups checked, of Redis alone, or that fill and send nothing."""
    redis = replace(RESTORES.scenarios[0], covers=(Kind.REDIS,))
    assert not could_answer(replace(RESTORES, scenarios=(redis,)), RTO, None)
    unchecked = replace(RESTORES, check_backups=False)
    assert not could_answer(unchecked, BACKUPS, None)
    assert could_answer(unchecked, RTO, None)
    api = replace(DAY_OF_GAMES.experiments[0], ways=(Way.API,))
    assert not could_answer(replace(DAY_OF_GAMES, experiments=(api,)), RTO, None)
    fast = Target(
        id="response-time",
        covers=(Kind.SERVICE,),
        objective=Latency(at_most=timedelta(seconds=1)),
        source=None,
        note="n",
    )
    assert not could_answer(LOAD, fast, None)
    driven = replace(LOAD, scenarios=(Drive(id="d", title="t", profile="steady"),))
    assert could_answer(driven, fast, None)


def test_an_earlier_plan_tells_what_is_there() -> None:
    """No Redis to restore, and another environment's namespaces."""
    of_redis = replace(RTO, covers=(Kind.REDIS,))
    assert could_answer(RESTORES, of_redis, None)
    assert not could_answer(RESTORES, of_redis, restore_run().plan)
    elsewhere = replace(QUOTA, objective=Replicas(namespaces="*-elsewhere", count=3))
    assert could_answer(LOAD, elsewhere, None)
    assert not could_answer(LOAD, elsewhere, load_run().plan)


def test_an_environment_allows_only_what_it_has() -> None:
    """Restores need subjects, all else a cluster."""
    for ground, expected in (
        (HERE, ["conformance", "game-day", "pre-release-load", "weekly-restore"]),
        (Ground(name="demo", restores=True, cluster=False), ["weekly-restore"]),
        (
            Ground(name="lab", restores=False, cluster=True),
            ["conformance", "game-day", "pre-release-load"],
        ),
        (Ground(name="none", restores=False, cluster=False), []),
    ):
        found = drills(coverage_runs.SUITES, [ground], TARGETS, [], {})
        assert [one.suite for one in found] == expected
        assert all(one.environment == ground.name for one in found)


def test_how_long_it_took() -> None:
    """The shortest of the runs of all of it; one that was interrupted is none."""
    runs = [
        restore_run(took=20 * timedelta(minutes=1), ago=3 * DAY),
        restore_run(took=15 * timedelta(minutes=1), ago=2 * DAY),
        restore_run(took=timedelta(minutes=1), interrupted=True),
    ]
    (found,) = drills([RESTORES], [HERE], TARGETS, runs, {})
    assert found.takes == timedelta(minutes=15)
    assert found.basis == f"as run {runs[1].run.run}"


def test_a_part_of_a_suite_does_not_tell_how_long_it_takes() -> None:
    """Nor does a run of another environment."""
    more = replace(DAY_OF_GAMES.experiments[0], id="node-drain")
    suite = replace(DAY_OF_GAMES, experiments=(*DAY_OF_GAMES.experiments, more))
    (found,) = drills([suite], [HERE], TARGETS, [game_day_run()], {})
    assert found.basis.startswith("at the longest")
    (found,) = drills([DAY_OF_GAMES], [HERE], TARGETS, [game_day_run(environment="x")], {})
    assert found.basis.startswith("at the longest")


def test_how_long_it_may_take_by_its_own_limits() -> None:
    """The sums, by hand."""
    minute = timedelta(minutes=1)
    # One scenario, PostgreSQL and Redis one after the other, each given up at 2 x 5 min.
    assert longest(RESTORES, TARGETS, {}) == 20 * minute
    together = replace(RESTORES, scenarios=(replace(RESTORES.scenarios[0], together=True),))
    assert longest(together, TARGETS, {}) == 10 * minute
    # Without an RTO: an hour each.
    assert longest(together, (), {}) == 60 * minute
    # Two trials: watched for 10 min, begun within 10 s, and 5 min around each.
    assert longest(DAY_OF_GAMES, TARGETS, {}) == 2 * (15 * minute + timedelta(seconds=10))
    assert longest(LOAD, TARGETS, {}) == 10 * minute
    profile = Profile(profile="p", title="t", stages=(Stage(hold=4 * minute, rate=1.0),))
    of_all = replace(
        LOAD,
        scenarios=(
            Drive(id="d", title="t", profile="p", settle=minute),
            Search(id="s", title="t", replicas=(1, 2)),
        ),
    )
    # 10 + 1 + 4 min; 12 rates x 2 numbers of replicas x (20 + 3 + 10) s.
    assert longest(of_all, TARGETS, {"p": profile}) == 15 * minute + timedelta(seconds=792)


def test_a_conformance_check_is_assumed_to_take_ten_minutes() -> None:
    """And says that it is assumed."""
    (found,) = drills([LOOKS], [HERE], TARGETS, [], {})
    assert found.takes == timedelta(minutes=10)
    assert "assumed" in found.basis
