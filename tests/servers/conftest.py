"""Starts the two practice regions once for all server tests; each test gets a bucket of its own.

Everything lives below one short directory that the servers' users may enter, and is removed at the
end. A server that is missing is an error, not a skip.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.faults.places import Place, Places
from harness.practice.object_store import Regions


@pytest.fixture(scope="session", autouse=True)
def state() -> Iterator[Path]:
    """The state directory of all server tests, which is also HARNESS_STATE_DIR for them.

    Not pytest's own temporary directory: that is closed to the user postgres, and its path is too
    long for Unix sockets.
    """
    directory = Path(tempfile.mkdtemp(prefix="ht-", dir="/var/tmp"))
    directory.chmod(0o755)
    before = os.environ.get("HARNESS_STATE_DIR")
    os.environ["HARNESS_STATE_DIR"] = str(directory)
    try:
        yield directory
    finally:
        if before is None:
            del os.environ["HARNESS_STATE_DIR"]
        else:
            os.environ["HARNESS_STATE_DIR"] = before
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def places(state: Path) -> Places:
    """The places of all server tests."""
    return Places(state)


@pytest.fixture
def place(places: Places) -> Iterator[Place]:
    """A directory for one test; what works in it is killed afterwards, and it is removed."""
    with places.borrowed("test") as borrowed:
        yield borrowed


@pytest.fixture(scope="session")
def regions(places: Places) -> Iterator[Regions]:
    """Two regions and their replication; a test that breaks them puts them back."""
    with places.borrowed("s3") as borrowed:
        started = Regions.start(borrowed.directory)
        try:
            yield started
        finally:
            started.kill()


@pytest.fixture
def bucket(regions: Regions) -> str:
    """The name of a new bucket that is in both regions: versioned, encrypted, not locked."""
    name = f"b-{secrets.token_hex(4)}"
    regions.create_bucket(name)
    return name
