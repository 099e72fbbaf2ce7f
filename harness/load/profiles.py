"""Reads load profiles from loadtests/profiles/*.yaml, and locustfiles beside them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.decoding import read_yaml
from harness.errors import InputError
from harness.model.load_profile import Profile
from harness.model.load_test import Locustfile


def load_profiles(directory: Path) -> dict[str, Profile]:
    """All profiles of a folder, by name; InputError where one is wrong, or not its file's name."""
    if not directory.is_dir():
        raise InputError(f"profiles: {directory}: is no folder", hint="--profiles FOLDER")
    found = {}
    for path in sorted(directory.glob("*.yaml")):
        profile: Profile = read_yaml(path, Profile)
        if profile.profile != path.stem:
            raise InputError(f"{path}: $.profile: got {profile.profile!r}, expected {path.stem!r}")
        found[profile.profile] = profile
    return found


def load_locustfiles(names: Iterable[str], profiles: Path) -> dict[str, Locustfile]:
    """Locustfiles by their names, from the folder that the profiles' is in; InputError where one is
    not there.
    """
    paths = {name: profiles.parent / name for name in names}
    return {
        name: Locustfile(path=str(path), content=_content(path)) for name, path in paths.items()
    }


def unchanged(locustfile: Locustfile) -> Path:
    """Where a locustfile is; InputError where it is another one now than when the plan was made."""
    path = Path(locustfile.path)
    if _content(path) != locustfile.content:
        raise InputError(f"{path}: was changed since the plan was made")
    return path


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"locustfile: {path}: cannot be read: {error}", hint=f"ls {path.parent}"
        ) from error
