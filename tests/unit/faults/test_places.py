"""What the harness starts is written down before, and is found again after any death."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from harness.drivers import process
from harness.drivers.clock import wait_until
from harness.errors import InputError
from harness.faults.places import Places

OWNER = """
import sys, time
from pathlib import Path
from harness.drivers import process
from harness.faults.places import Places
places = Places(Path(sys.argv[1]))
place = places.declare("test")
process.start(["setsid", "sleep", "600"], directory=place.directory)
print("started", flush=True)
time.sleep(600)
"""


def test_nothing_is_declared_at_first(tmp_path: Path) -> None:
    """The vacuous state."""
    places = Places(tmp_path)
    assert places.declared() == ()
    assert places.abandoned() == ()


def test_a_place_is_gone_after_its_block(tmp_path: Path) -> None:
    """Directory and declaration."""
    places = Places(tmp_path)
    with places.borrowed("test") as place:
        (place.directory / "file").write_text("x", encoding="ascii")
        assert places.declared() == (place,)
        assert places.abandoned() == ()
    assert not place.directory.exists()
    assert places.declared() == ()


def test_removing_names_what_it_had_to_kill(tmp_path: Path) -> None:
    """A process that was left there is a leak, and is ended."""
    places = Places(tmp_path)
    place = places.declare("test")
    child = process.start(["sleep", "600"], directory=place.directory)
    assert places.remove(place) == (f"process {child.pid} in {place.name}",)
    assert child.wait(5) == -signal.SIGKILL


def test_a_place_declared_and_never_made_is_removed(tmp_path: Path) -> None:
    """Killed between the declaration and the directory."""
    places = Places(tmp_path)
    place = places.declare("test")
    place.directory.rmdir()
    places.remove(place)
    assert places.declared() == ()


def test_a_place_whose_owner_was_killed_is_found_with_its_processes(tmp_path: Path) -> None:
    """SIGKILL of the harness leaves a declaration, from which the next one cleans up."""
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE)
    assert owner.stdout is not None
    with owner.stdout:
        assert owner.stdout.readline() == b"started\n"
    owner.kill()
    owner.wait(10)
    places = Places(tmp_path)
    (place,) = places.abandoned()
    assert len(list(process.working_below(place.directory))) == 1
    killed = places.remove(place)
    assert len(killed) == 1
    assert list(process.working_below(place.directory)) == []


def test_a_recycled_process_id_is_not_its_owner(tmp_path: Path) -> None:
    """The owner is its id and its start time."""
    places = Places(tmp_path)
    place = places.declare("test")
    declaration = tmp_path / "places" / f"{place.name}.json"
    text = declaration.read_text(encoding="utf-8")
    declaration.write_text(
        text.replace(str(place.owner_started), str(place.owner_started - 1000)), encoding="utf-8"
    )
    assert [found.name for found in places.abandoned()] == [place.name]


def test_a_torn_declaration_is_named(tmp_path: Path) -> None:
    """It cannot come from us (written, then renamed), so a person looks at it."""
    places = Places(tmp_path)
    (tmp_path / "places" / "x.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="x.json"):
        places.declared()


def test_no_process_outside_is_ever_touched(tmp_path: Path) -> None:
    """A directory whose name merely begins alike is another directory."""
    (tmp_path / "a").mkdir()
    (tmp_path / "ab").mkdir()
    child = process.start(["sleep", "600"], directory=tmp_path / "ab")
    try:
        wait_until(
            lambda: psutil.Process(child.pid).cwd() == str(tmp_path / "ab"),
            within_s=5,
            what="child in its directory",
        )
        assert process.kill_below(tmp_path / "a") == ()
        assert child.poll() is None
    finally:
        process.stop(child)
    assert os.getpid() not in process.kill_below(tmp_path)
