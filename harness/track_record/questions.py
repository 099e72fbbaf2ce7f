"""What is asked of the track record: of every target at once, or all of one."""

from __future__ import annotations

from collections.abc import Callable

from harness.track_record.compose import Rows
from harness.track_record.database import Database
from harness.track_record.trend import WINDOW


def of_every_target(database: Database) -> Rows:
    """What an overview is composed from."""
    return Rows(
        runs=database.runs(),
        refused=database.refused(),
        answers=database.answers(last=WINDOW),
        showings=database.measured(last=WINDOW),
        scenarios=database.scenarios(last=WINDOW),
    )


def of_one(target: str) -> Callable[[Database], Rows]:
    """What a detail is composed from; `target` may be a scenario, a check or a finding, too."""

    def ask(database: Database) -> Rows:
        answers = database.answers(target)
        showings = database.about(target)
        return Rows(
            runs=database.runs(),
            refused=database.refused(),
            answers=answers,
            showings=showings,
            scenarios=database.scenarios(last=WINDOW),
            names=frozenset() if answers or showings else database.names(),
        )

    return ask
