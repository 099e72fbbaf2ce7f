"""A killed game day's place stays until its ledgers are out of the databases it names."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from harness.cli import left_behind
from harness.cli.clients import LEDGERS
from harness.faults.places import Place, Places
from harness.model.codec import to_json


def abandoned(state: Path, *, ledgers: bool) -> Place:
    """A place whose owner is gone."""
    place = Places(state).declare("game-day")
    if ledgers:
        (place.directory / LEDGERS).mkdir()
    gone = msgspec.structs.replace(place, owner_started=0.0)
    (state / "places" / f"{place.name}.json").write_bytes(to_json(gone))
    return gone


def dropping(monkeypatch: pytest.MonkeyPatch, *failures: str) -> list[Path]:
    """Databases in which a ledger cannot be dropped, or can; where it was tried."""
    tried: list[Path] = []

    def drop(ledgers: Path) -> list[str]:
        tried.append(ledgers)
        return list(failures)

    monkeypatch.setattr(left_behind, "drop_left_over", drop)
    return tried


def test_nothing_was_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The vacuous case: no database is asked."""
    tried = dropping(monkeypatch)
    assert left_behind.cleared(Places(tmp_path)) == ([], [])
    assert tried == []


def test_ledgers_go_before_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is told."""
    place = abandoned(tmp_path, ledgers=True)
    dropping(monkeypatch)
    assert left_behind.cleared(Places(tmp_path)) == (
        [f"ledgers of {place.name} in their databases", f"directory {place.directory}"],
        [],
    )


def test_a_place_whose_ledger_could_not_be_dropped_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It alone knows where the ledger is; places without one go all the same."""
    plain = abandoned(tmp_path, ledgers=False)
    kept = abandoned(tmp_path, ledgers=True)
    dropping(monkeypatch, "orders: no answer")
    places = Places(tmp_path)
    assert left_behind.cleared(places) == ([f"directory {plain.directory}"], ["orders: no answer"])
    assert places.abandoned() == (kept,)
    tried = dropping(monkeypatch)
    left_behind.cleared(places)
    assert tried == [kept.directory / LEDGERS]
    assert places.abandoned() == ()
