"""Takes the ledgers of killed game days out of their databases, before their places go."""

from __future__ import annotations

from harness.cli.clients import LEDGERS
from harness.drivers import process
from harness.faults.places import Places
from harness.ledger.game_day import drop_left_over


def drop_ledgers_left(places: Places) -> tuple[list[str], list[str]]:
    """Of every game day whose harness is gone; what was dropped, and what could not be.

    Their writers are ended first: they would write on.
    """
    done: list[str] = []
    failed: list[str] = []
    for place in places.abandoned():
        ledgers = place.directory / LEDGERS
        if not ledgers.is_dir():
            continue
        process.kill_below(place.directory)
        left = drop_left_over(ledgers)
        failed += left
        if not left:
            done.append(f"ledgers of {place.name} in their databases")
    return done, failed
