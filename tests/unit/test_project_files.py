"""The project's own targets and suites can be read, and quote the document's words."""

from datetime import timedelta
from pathlib import Path

from harness.drill.plan import promised_retention
from harness.model.game_day import GameDay
from harness.model.suite import Suite
from harness.model.target import Kind, RecoveryPoint, RecoveryTime
from harness.suites import load_suite
from harness.targets import load_targets

ROOT = Path(__file__).parents[2]


def test_the_documented_targets() -> None:
    """RTO < 5 min, RPO < 1 min, 30 days: as the document says them."""
    targets = {target.id: target for target in load_targets(ROOT / "targets")}
    assert targets["rto"].objective == RecoveryTime(at_most=timedelta(minutes=5))
    assert targets["rpo"].objective == RecoveryPoint(at_most=timedelta(minutes=1))
    for kind in (Kind.POSTGRESQL, Kind.REDIS):
        assert promised_retention(tuple(targets.values()), kind) == timedelta(days=30)


def test_the_weekly_suite_has_every_scenario_of_its_purpose() -> None:
    """Latest, random second, oldest promised, replica region, whole loss."""
    suite = load_suite("weekly-restore", ROOT / "suites")
    assert isinstance(suite, Suite)
    assert [scenario.id for scenario in suite.scenarios] == [
        "oldest-promised",
        "random-second",
        "latest-backup",
        "replica-region",
        "whole-loss",
    ]


def test_the_game_day_has_an_experiment_for_each_file() -> None:
    """Nothing of experiments/ is left out of it, and nothing in it is without a file."""
    suite = load_suite("game-day", ROOT / "suites")
    assert isinstance(suite, GameDay)
    files = {file.stem for file in (ROOT / "experiments").glob("*.yaml")}
    assert {one.experiment for one in suite.experiments} == files
