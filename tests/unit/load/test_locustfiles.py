"""Users' own locustfiles: read when the plan is made, and the same when it is performed."""

from pathlib import Path

import pytest

from harness.errors import InputError
from harness.load.profiles import load_locustfiles, unchanged


def test_none_is_asked_for(tmp_path: Path) -> None:
    assert load_locustfiles([], tmp_path / "profiles") == {}


def test_one_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"theirs\.py: cannot be read"):
        load_locustfiles(["theirs.py"], tmp_path / "profiles")


def test_it_is_beside_the_profiles_and_stays_as_it_was(tmp_path: Path) -> None:
    """Else the plan says something else than what is done."""
    file = tmp_path / "theirs.py"
    file.write_text("# one")
    found = load_locustfiles(["theirs.py"], tmp_path / "profiles")["theirs.py"]
    assert (found.path, found.content) == (str(file), "# one")
    assert unchanged(found) == file
    file.write_text("# another")
    with pytest.raises(InputError, match="was changed since the plan was made"):
        unchanged(found)
    file.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        unchanged(found)
