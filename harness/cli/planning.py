"""Loads what a plan is made of, makes it, and shows it to a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.drill.plan import make_plan
from harness.errors import InputError
from harness.model.conformance import Conformance
from harness.model.game_day import GameDay
from harness.model.load_test import LoadTest
from harness.model.plan import Plan
from harness.model.quantity import show_duration
from harness.model.subject import (
    ObjectStore,
    PgBackRest,
    PgBackRestRepository,
    RedisCluster,
    RedisRepository,
    Subject,
)
from harness.model.suite import Suite
from harness.settings import PRACTICE, load_environment
from harness.suites import load_suite
from harness.targets import load_drilled_targets


def plan_for(  # noqa: PLR0913 - what a plan is made of
    suite: str,
    environment: str,
    settings: Path,
    targets: Path,
    suites: Path,
    *,
    seed: int,
    only: Sequence[str] = (),
    practice_subjects: Sequence[Subject] = (),
) -> Plan:
    """The plan of a suite in an environment; files are read, no system is touched.

    `practice_subjects` are those of a running practice platform.
    """
    practice = environment == PRACTICE
    chosen = load_suite(suite, suites)
    if not isinstance(chosen, Suite):
        raise needs_cluster(chosen, environment)
    return make_plan(
        suite=chosen,
        targets=load_drilled_targets(targets),
        environment=environment,
        subjects=(
            practice_subjects or tuple(_practice_in_outline())
            if practice
            else load_environment(environment, settings).subjects
        ),
        inflicts=practice,
        seed=seed,
        only=only,
    )


def needs_cluster(suite: GameDay | LoadTest | Conformance, environment: str) -> InputError:
    """The error of a suite that is about a cluster, in an environment that has none."""
    what = {GameDay: "game day", LoadTest: "load test", Conformance: "conformance check"}
    return InputError(
        f"suite {suite.suite}: is a {what[type(suite)]}, and {environment} has no cluster for it",
        hint=f"harness run {suite.suite} -e lab",
    )


def show_plan(plan: Plan) -> str:
    """The plan in words, one trial a line."""
    return "".join(f"{line}\n" for line in _lines(plan))


def _lines(plan: Plan) -> Iterator[str]:
    yield f"{plan.suite} in {plan.environment}: {len(plan.trials)} trials"
    width = max(len(trial.id) for trial in plan.trials)
    for trial in plan.trials:
        yield (
            f"  {trial.id:<{width}}  {trial.title}; from the {trial.region} region; "
            f"loss {trial.loss}; given up after {show_duration(trial.deadline)}"
        )
    yield "verified by: " + ", ".join(plan.verification.levels)
    yield "blast radius:"
    yield from (f"  {line}" for line in plan.blast_radius)
    if plan.expectations:
        yield "predicted from the documented numbers alone:"
        yield from (f"  {line}" for line in plan.expectations)


def _practice_in_outline() -> Iterator[Subject]:
    """The practice platform's subjects while it is not running: `harness plan` needs no servers."""
    store = ObjectStore(bucket="practice")
    yield PgBackRest(
        id="orders",
        stanza="orders",
        primary=PgBackRestRepository(config=Path("pgbackrest.conf"), store=store),
        replica=PgBackRestRepository(config=Path("pgbackrest-replica.conf"), store=store),
    )
    yield RedisCluster(
        id="carts", primary=RedisRepository(store=store), replica=RedisRepository(store=store)
    )
