"""What a killed harness left is removed; what belongs to one that runs is left alone."""

from __future__ import annotations

import secrets
from pathlib import Path

import msgspec

from harness.drivers import process, shared_memory
from harness.faults.places import Place, Places
from harness.faults.recover import recover
from harness.model.codec import to_json


def abandon(places: Places, place: Place, tmp_path: Path) -> None:
    """Makes a place look like that of a process that is gone."""
    gone = msgspec.structs.replace(place, owner_started=0.0)
    (tmp_path / "places" / f"{place.name}.json").write_bytes(to_json(gone))
    assert places.abandoned() == (gone,)


def test_nothing_was_left(tmp_path: Path) -> None:
    """The vacuous case."""
    assert recover(Places(tmp_path)) == ()


def test_a_place_in_use_is_left_alone(tmp_path: Path) -> None:
    """Its owner, this process, lives."""
    places = Places(tmp_path)
    place = places.declare("test")
    assert recover(places) == ()
    assert place.directory.exists()


def test_an_abandoned_place_goes_with_all_of_it(tmp_path: Path) -> None:
    """Its processes, its directory and what it had in shared memory, each named."""
    places = Places(tmp_path)
    place = places.declare(f"test-{secrets.token_hex(4)}")
    child = process.start(["sleep", "600"], directory=place.directory)
    shared_memory.make_posix(place.name, "clock", b"")
    abandon(places, place, tmp_path)
    assert recover(places) == (
        f"process {child.pid} in {place.name}",
        f"shared memory harness-{place.name}-clock",
        f"directory {place.directory}",
    )
    assert not place.directory.exists()
    assert recover(places) == ()
