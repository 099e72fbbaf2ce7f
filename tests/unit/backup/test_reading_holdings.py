"""What is read of a Redis backup while the job that ships it goes on writing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import pytest

from harness.backup.layout import (
    Base,
    Chain,
    Increment,
    Part,
    Stored,
    chain_key,
    encode,
)
from harness.backup.reading import read_holdings
from harness.drivers import s3
from harness.model.subject import ObjectStore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
STORE = ObjectStore(bucket="backups", prefix="carts")
CLIENT = cast("S3Client", None)


def part(number: int) -> Part:
    return Part(key=f"aof/n/parts/{number}", offset=number, size_bytes=1, sha256="", until=NOW)


def chain(parts: int) -> bytes:
    return encode(
        Chain(
            id="20261124T030000.000000Z-a",
            node_id="n",
            cluster=False,
            slots=(),
            config_epoch=0,
            base=Base(
                name="base.rdb",
                seq=1,
                file=Stored(key="aof/n/bases/base.rdb", size_bytes=1, sha256=""),
                first_point=NOW,
            ),
            increments=(
                Increment(name="incr.aof", seq=1, parts=tuple(part(n) for n in range(parts))),
            ),
            until=NOW,
            timestamps=True,
            follows=None,
            closed=False,
            tools={},
        )
    )


class Bucket:
    """Objects by key; a shipment goes on before each document is read."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.parts = 0

    def ship(self) -> None:
        self.objects[part(self.parts).key] = b"x"
        self.parts += 1
        self.objects[chain_key("n", "20261124T030000.000000Z-a")] = chain(self.parts)

    def list_objects(
        self, _client: object, _store: object, _prefix: str = ""
    ) -> Iterator[s3.Object]:
        for key, content in sorted(self.objects.items()):
            yield s3.Object(key=key, size_bytes=len(content), etag="", modified=NOW)

    def read(self, _client: object, _store: object, key: str) -> bytes:
        self.ship()
        return self.objects[key]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Bucket:
    found = Bucket()
    monkeypatch.setattr(s3, "list_objects", found.list_objects)
    monkeypatch.setattr(s3, "read", found.read)
    return found


def test_an_empty_store_holds_nothing(bucket: Bucket) -> None:
    """Nothing is there, and nothing is damaged."""
    found = read_holdings(CLIENT, STORE)
    assert (found.sizes, found.snapshots, found.damaged, found.chains) == ({}, (), {}, {})
    assert bucket.parts == 0


@pytest.mark.parametrize("newest_only", [False, True])
def test_what_is_shipped_meanwhile_is_not_taken_for_missing(
    bucket: Bucket, *, newest_only: bool
) -> None:
    """Every part that the chain names when it is read is in the sizes."""
    bucket.ship()
    found = read_holdings(CLIENT, STORE, newest_only=newest_only)
    (read,) = found.chains["n"]
    named = [each.key for increment in read.increments for each in increment.parts]
    assert len(named) == 2, "nothing was shipped while the chain was read"
    assert set(named) <= set(found.sizes)
