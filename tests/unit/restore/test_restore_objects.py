"""Choosing objects to inspect, and what counts as a proof of encryption."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.drivers import s3
from harness.model.subject import ObjectStore, Region
from harness.restore import objects

KEYS = st.lists(
    st.sampled_from(["a/backup.info", "b/backup.manifest", "m.json", "d/1.gz", "d/2", "e/f/3.zst"])
    | st.text("abc/", min_size=1, max_size=6),
    unique=True,
    max_size=40,
)
STORE = ObjectStore(
    bucket="b", endpoint_url="https://localhost:1", ca_file=None, credentials_file=None, profile="x"
)


def test_of_nothing_nothing_is_chosen() -> None:
    """An empty repository has an empty sample."""
    assert objects.sample([], 10) == []


@given(keys=KEYS, at_most=st.integers(0, 50))
def test_a_sample_is_bounded_ordered_and_repeatable(keys: list[str], at_most: int) -> None:
    """Never more than asked for, all where they fit, in their order, the same again."""
    keys.sort()
    chosen = objects.sample(keys, at_most)
    assert len(chosen) == min(at_most, len(keys))
    assert chosen == [key for key in keys if key in set(chosen)]
    assert chosen == objects.sample(keys, at_most)


def test_every_manifest_is_chosen_before_data() -> None:
    """Without its manifest a backup cannot be found; two manifests among a thousand files."""
    keys = sorted([f"data/{number:04}.gz" for number in range(1000)] + ["backup.info", "z.json"])
    chosen = objects.sample(keys, 10)
    assert {"backup.info", "z.json"} < set(chosen)


def test_data_is_chosen_evenly_from_first_to_last() -> None:
    """A run of unencrypted objects at either end, or in the middle, is met."""
    keys = [f"{number:04}" for number in range(1000)]
    assert objects.sample(keys, 3) == ["0000", "0499", "0999"]


@pytest.mark.parametrize(
    ("beginning", "proof"),
    [
        (s3.Beginning(content=b"Salted__", size_bytes=99, encryption=None), objects.CLIENT_SIDE),
        (
            s3.Beginning(content=b"Salted__", size_bytes=99, encryption="AES256"),
            objects.CLIENT_SIDE,
        ),
        (s3.Beginning(content=b"plaintex", size_bytes=99, encryption="AES256"), "SSE AES256"),
        (s3.Beginning(content=b"plaintex", size_bytes=99, encryption="aws:kms"), "SSE aws:kms"),
        (s3.Beginning(content=b"", size_bytes=0, encryption=None), objects.EMPTY),
        (s3.Beginning(content=b"plaintex", size_bytes=99, encryption=None), None),
        (s3.Beginning(content=b"Salted", size_bytes=6, encryption=None), None),
    ],
)
def test_what_proves_encryption(beginning: s3.Beginning, proof: str | None) -> None:
    """The salt header, else the response header; an object with neither is unproved."""
    assert objects._proof(beginning) == proof


def test_age_of_what_a_replica_lacks() -> None:
    """Zero of nothing, the oldest's age of several, unknown where the primary lacks it, too."""
    now = datetime(2026, 1, 1, tzinfo=UTC)

    def aged(seconds: int) -> datetime:
        return now - timedelta(seconds=seconds)

    assert objects._behind_ns([], now) == 0
    assert objects._behind_ns([None], now) is None
    assert objects._behind_ns([aged(3), None, aged(7)], now) == 7_000_000_000
    assert objects._behind_ns([aged(-1)], now) == 0


def test_a_store_without_credentials_is_an_error_in_each_fact() -> None:
    """No fact is raised away, and none looks like an empty repository."""
    encryption = objects.inspect_encryption("s", Region.PRIMARY, STORE)
    assert (encryption.objects, encryption.inspected) == (0, 0)
    assert "no credentials" in (encryption.error or "")
    assert "no credentials" in (objects.compare_replica("s", STORE, STORE).error or "")
    locks = objects.read_retention_locks("s", Region.REPLICA, STORE)
    assert locks.inspected == 0
    assert "no credentials" in (locks.error or "")
