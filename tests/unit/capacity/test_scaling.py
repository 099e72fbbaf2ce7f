"""How an autoscaler followed a load: bounds of its onset, of its way there and back, its flaps."""

from __future__ import annotations

from collections.abc import Sequence

from load_tests import AUTOSCALER, BEGAN_NS, looks, pod, pods, seen
from msgspec.structs import replace

from harness.capacity.decisions import recompute
from harness.capacity.scaling import Load, Scaling, Stale, above_target, flaps, measure, stale
from harness.capacity.simulation import Phases, Service, Simulation
from harness.model.autoscaling import ScalingRules, Sighting, Timings
from harness.model.load_judgement import Decision

TIMINGS = Timings()
LOAD = Load(began_s=0.0, ended_s=300.0, settled_s=(240.0, 300.0))
NEVER = ScalingRules(window_s=0, policies=())


def measured(sightings: Sequence[Sighting], load: Load = LOAD) -> Scaling:
    found = recompute(sightings, AUTOSCALER, TIMINGS, zero_ns=BEGAN_NS)
    return measure(
        sightings,
        AUTOSCALER,
        TIMINGS,
        load,
        decisions=found.decisions,
        wanted=found.wanted,
        zero_ns=BEGAN_NS,
    )


def moved(at_s: float, before: int, observed: int) -> Decision:
    return Decision(
        low_s=at_s,
        high_s=at_s + 1,
        before=before,
        observed=observed,
        recomputed=(observed,),
        explained=True,
        because=(),
    )


def simulated(cores: float, until_s: float = 700.0) -> list[Sighting]:
    run = Simulation(
        AUTOSCALER,
        TIMINGS,
        Service(request=0.1, limit=0.4, ready_s=10.0),
        [(-60.0, 0.005), (0.0, cores), (300.0, 0.005)],
        Phases(kubelet_s=2.0, scrape_s=5.0, sync_s=9.0),
    )
    return seen(run.states(until_s, every_s=1.0), read_every=1)


def test_the_way_there_and_back_is_told_with_bounds() -> None:
    """All of the range, by a load that needs all of it."""
    sightings = simulated(0.7)
    found = measured(sightings)
    assert found.onset_s is not None
    assert found.to_maximum_s is not None
    assert found.back_s is not None
    assert 0 <= found.onset_s[0] < found.onset_s[1] <= 60
    assert found.onset_s[1] < found.to_maximum_s[0] < 120
    assert 290 <= found.back_s[0] < found.back_s[1] <= found.back_s[0] + 1.2
    assert (found.highest_wanted, found.highest_ready, found.overshoot) == (10, 10, 0)
    assert found.flaps == 0


def test_what_was_never_reached_is_none() -> None:
    """Half of the load: never the maximum; the looks end before it is back."""
    found = measured(simulated(0.3, until_s=400))
    assert found.onset_s is not None
    assert (found.to_maximum_s, found.back_s) == (None, None)
    assert found.highest_wanted == found.highest_ready == 5
    calm = measured(looks(0, 400))
    assert (calm.onset_s, calm.back_s, calm.flaps) == (None, None, 0)
    nothing = measured([])
    assert (nothing.highest_wanted, nothing.highest_ready, nothing.overshoot) == (None,) * 3


def test_overshoot_is_what_was_wanted_beyond_what_settled() -> None:
    """Eight were wanted when pods started; five carry the load."""
    sightings = [*looks(0, 30, 5, cpu=1.0), *looks(30, 300, 8, cpu=0.44, scaled_s=30.0)]
    assert measured(sightings).overshoot == 2
    unsettled = Load(began_s=0.0, ended_s=300.0)
    assert measured(sightings, unsettled).overshoot is None


def test_a_pod_that_ends_is_not_ready() -> None:
    ending = (*pods(1), pod(1, terminating=True))
    assert measured(looks(0, 10, 2, of=ending)).highest_ready == 1


def test_the_crossing_lies_in_the_windows_of_two_measurements() -> None:
    """The last that was not above leaves its window open; the first above was so by its end."""
    sightings = [*looks(5, 16, cpu=0.5, every_s=5), *looks(30, 31, cpu=0.9)]
    above = above_target(sightings, AUTOSCALER, TIMINGS, LOAD, zero_ns=BEGAN_NS)
    assert above == (0.0, 25.0)
    later = [*looks(5, 30, cpu=0.5, every_s=5), *looks(40, 41, cpu=0.9)]
    above = above_target(later, AUTOSCALER, TIMINGS, LOAD, zero_ns=BEGAN_NS)
    assert above == (10.0, 35.0)
    before = looks(-20, 0, cpu=0.9)
    assert above_target(before, AUTOSCALER, TIMINGS, LOAD, zero_ns=BEGAN_NS) is None
    after = looks(330, 340, cpu=0.9)
    assert above_target(after, AUTOSCALER, TIMINGS, LOAD, zero_ns=BEGAN_NS) is None


def test_only_changes_of_direction_within_the_longer_window_are_flaps() -> None:
    """Five minutes: there and back and there again are two; the same way twice is none."""
    there = [moved(0, 1, 4), moved(60, 4, 2), moved(120, 2, 4)]
    assert flaps(there, AUTOSCALER) == 2
    assert flaps([moved(0, 1, 4), moved(60, 4, 6), moved(361, 6, 2)], AUTOSCALER) == 0
    kept = moved(30, 4, 4)
    assert flaps([there[0], kept, there[1]], AUTOSCALER) == 1
    without = replace(AUTOSCALER, up=NEVER, down=NEVER)
    assert flaps(there, without) == 0


def test_old_measurements_are_found_once_for_each_stretch() -> None:
    """A minute is what one failed scrape leaves; each read after it adds a second."""
    fresh = looks(0, 10, age_s=60.0)
    frozen = [one for at in range(10, 40) for one in looks(at, at + 1, age_s=60.0 + at - 9)]
    sightings = [*fresh, *frozen, *looks(40, 50), *looks(50, 51, age_s=70.0)]
    first, second = stale(sightings, TIMINGS, zero_ns=BEGAN_NS)
    assert first == Stale(low_s=10.0, high_s=39.0, oldest_s=90.0)
    assert (second.low_s, second.oldest_s) == (50.0, 70.0)
    assert not list(stale(fresh, TIMINGS, zero_ns=BEGAN_NS))
    assert not list(stale(looks(0, 10, cpu=None), TIMINGS, zero_ns=BEGAN_NS))
