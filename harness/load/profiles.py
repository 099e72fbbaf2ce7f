"""Reads load profiles from loadtests/profiles/*.yaml."""

from __future__ import annotations

from pathlib import Path

from harness.decoding import read_yaml
from harness.errors import InputError
from harness.model.load_profile import Profile


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
