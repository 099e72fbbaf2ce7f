"""Plans are pure: the same inputs give the same trials, and nothing to try is refused."""

from datetime import timedelta
from pathlib import Path

import pytest

from harness.drill.plan import make_plan
from harness.errors import InputError
from harness.model.codec import from_json, to_json
from harness.model.plan import Plan
from harness.model.subject import ObjectStore, RedisRepository, RedisServer, Region, Subject
from harness.model.suite import Loss, PointChoice, Scenario, Suite
from harness.model.target import Kind, Target
from harness.targets import load_targets

TARGETS = load_targets(Path(__file__).parents[3] / "targets")
STORE = RedisRepository(store=ObjectStore(bucket="backups"))


def redis(name: str, *, replica: bool = True) -> Subject:
    return RedisServer(id=name, primary=STORE, replica=STORE if replica else None)


def scenario(**changes: object) -> Scenario:
    return Scenario(**{"id": "s", "title": "t", "point": PointChoice.LATEST, **changes})  # type: ignore[arg-type]


def plan(
    *scenarios: Scenario,
    subjects: tuple[Subject, ...] = (redis("carts"),),
    inflicts: bool = True,
    seed: int = 1,
    only: tuple[str, ...] = (),
    targets: tuple[Target, ...] = TARGETS,
) -> Plan:
    return make_plan(
        suite=Suite(suite="x", title="x", scenarios=scenarios),
        targets=targets,
        environment="staging",
        subjects=subjects,
        inflicts=inflicts,
        seed=seed,
        only=only,
    )


def test_a_plan_without_a_trial_is_refused() -> None:
    """No subject is covered: nothing would be tried, and nothing would fail."""
    with pytest.raises(InputError, match="no scenario covers any subject of staging: carts"):
        plan(scenario(covers=(Kind.POSTGRESQL,)))


def test_a_plan_without_a_subject_is_refused() -> None:
    """The vacuous environment."""
    with pytest.raises(InputError, match="it has none"):
        plan(scenario(), subjects=())


def test_each_subject_and_number_is_a_trial() -> None:
    """Two subjects, three trials each."""
    made = plan(scenario(trials=3), subjects=(redis("a"), redis("b")))
    assert [trial.id for trial in made.trials] == [
        "s-a-1", "s-a-2", "s-a-3", "s-b-1", "s-b-2", "s-b-3",
    ]  # fmt: skip


def test_together_is_one_trial_of_all_subjects() -> None:
    """A whole loss restores them at once."""
    (trial,) = plan(scenario(together=True), subjects=(redis("a"), redis("b"))).trials
    assert trial.subjects == ("a", "b")


def test_the_same_seed_gives_the_same_plan() -> None:
    """Bytes, not only meaning; another seed draws other seconds."""
    assert to_json(plan(scenario())) == to_json(plan(scenario()))
    assert plan(scenario()).trials[0].seed != plan(scenario(), seed=2).trials[0].seed


def test_a_plan_can_be_stored_and_read() -> None:
    """plan.json is what the judges read years later."""
    made = plan(scenario())
    assert from_json(to_json(made), Plan) == made


def test_where_nothing_may_be_broken_the_loss_is_assumed_and_said() -> None:
    """The weekly suite may run against production."""
    made = plan(scenario(loss=Loss.INFLICTED), inflicts=False)
    assert made.trials[0].loss is Loss.ASSUMED
    assert any("breaks nothing" in line for line in made.blast_radius)
    assert not any("kills" in line for line in made.blast_radius)


def test_what_will_be_broken_is_in_the_blast_radius() -> None:
    """By name, before it happens."""
    made = plan(scenario(loss=Loss.INFLICTED, primary_region_dead=True))
    assert "kills and takes away, then gives back: carts" in made.blast_radius
    assert any("primary region's object store" in line for line in made.blast_radius)


def test_the_deadline_is_twice_the_target() -> None:
    """And an hour where no target says how long it may take."""
    assert plan(scenario()).trials[0].deadline == timedelta(minutes=10)
    without = tuple(target for target in TARGETS if target.id != "rto")
    assert plan(scenario(), targets=without).trials[0].deadline == timedelta(hours=1)


def test_the_documented_volume_is_given_to_subjects_without_one() -> None:
    """The prediction is made for what the document says."""
    assert plan(scenario()).subjects[0].volume == "50Gi"


def test_a_missing_replica_is_refused_before_anything_is_touched() -> None:
    """A scenario that cannot be tried is not silently left out."""
    with pytest.raises(InputError, match="subject carts has no replica repository"):
        plan(scenario(region=Region.REPLICA), subjects=(redis("carts", replica=False),))


def test_an_unknown_scenario_is_refused() -> None:
    """--only with a typing error must not mean "none"."""
    with pytest.raises(InputError, match="got nope, expected of x: s"):
        plan(scenario(), only=("nope",))


def test_a_daily_backup_alone_cannot_hold_a_minute() -> None:
    """The prediction beside the measurement."""
    assert any("alone may lose 1 d of writes" in line for line in plan(scenario()).expectations)
