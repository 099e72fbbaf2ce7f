"""Clears away what killed harnesses left on this machine: ledgers in databases, then places."""

from __future__ import annotations

from harness.cli.clients import LEDGERS
from harness.drivers import process
from harness.faults.places import Place, Places
from harness.faults.recover import recover
from harness.ledger.game_day import drop_left_over
from harness.report.progress import Narrator


def clear_away(places: Places, narrator: Narrator) -> None:
    """Before a command begins: what could not be cleared is a warning, and is tried again by the
    next command.
    """
    done, failed = cleared(places)
    for line in failed:
        narrator.warning(f"left by a killed harness: {line}")
    for line in done:
        narrator.step(f"left behind by a killed harness: {line}")


def cleared(places: Places) -> tuple[list[str], list[str]]:
    """What was removed, and what could not be.

    The ledgers of a game day go before its place, which says in which databases they are: where
    one cannot be dropped, the place stays. HealError where a place cannot be removed.
    """
    done: list[str] = []
    failed: list[str] = []

    def ready(place: Place) -> bool:
        ledgers = place.directory / LEDGERS
        if not ledgers.is_dir():
            return True
        process.kill_below(place.directory)  # its writers would write on
        left = drop_left_over(ledgers)
        failed.extend(left)
        if not left:
            done.append(f"ledgers of {place.name} in their databases")
        return not left

    removed = recover(places, ready=ready)
    return [*done, *removed], failed
