"""A timestamp is of one seal, by one authority: no other passes for it."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rfc3161_client import TimestampRequestBuilder
from sealed_runs import BEGAN, KeyPair, SetClock, make_run
from timestamp_service import TimestampService

from harness.errors import InputError
from harness.seal.sealing import seal
from harness.seal.statement import TIMESTAMP
from harness.seal.timestamps import ask, check, claims, read_root
from harness.seal.verifying import About, verify_run
from harness.store import RunDirectory


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> TimestampService:
    return TimestampService(tmp_path_factory.mktemp("tsa") / "one")


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> TimestampService:
    return TimestampService(tmp_path_factory.mktemp("tsa") / "two", "Another service")


def answer(service: TimestampService, content: bytes) -> bytes:
    request = TimestampRequestBuilder().data(content).cert_request(cert_request=True).build()
    return service.answer(request.as_bytes())


def test_a_timestamp_says_when(service: TimestampService) -> None:
    said = answer(service, b"seal")
    when = check(said, b"seal", [read_root(service.root)])
    assert abs(when - datetime.now(UTC)) < timedelta(minutes=1)
    assert claims(said) == when


def test_a_timestamp_of_something_else(service: TimestampService) -> None:
    with pytest.raises(ValueError, match="."):
        check(answer(service, b"another seal"), b"seal", [read_root(service.root)])


def test_a_timestamp_of_another_authority(
    service: TimestampService, another: TimestampService
) -> None:
    with pytest.raises(ValueError, match="."):
        check(answer(service, b"seal"), b"seal", [read_root(another.root)])


@pytest.mark.parametrize("content", [b"", b"no answer", b"0\x03\x02\x01\x00"])
def test_what_is_no_timestamp(service: TimestampService, content: bytes) -> None:
    with pytest.raises(ValueError, match="no timestamp response"):
        check(content, b"seal", [read_root(service.root)])
    assert claims(content) is None


def test_roots_and_addresses_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_root(tmp_path / "nope")
    (tmp_path / "root").write_text("nothing")
    with pytest.raises(InputError, match="no certificate"):
        read_root(tmp_path / "root")
    with pytest.raises(InputError, match="no address of HTTP"):
        ask("file:///etc/passwd", b"seal")


@pytest.fixture
def key(tmp_path: Path) -> KeyPair:
    return KeyPair(tmp_path)


@pytest.fixture
def stamped(tmp_path: Path, key: KeyPair, service: TimestampService) -> list[RunDirectory]:
    """Two runs, each with a timestamp."""
    (tmp_path / "runs").mkdir()
    found = [make_run(tmp_path / "runs", number) for number in range(2)]
    for run in found:
        seal(run, key.signer, SetClock(BEGAN), timestamp=lambda content: answer(service, content))
    return found


def test_a_sealed_run_with_its_timestamp(
    stamped: list[RunDirectory], key: KeyPair, service: TimestampService
) -> None:
    found = verify_run(stamped[0].path, [key.public], [read_root(service.root)])
    assert found.holds
    assert found.timestamp is not None
    assert found.notes == ()


def test_without_a_root_a_timestamp_is_a_note(stamped: list[RunDirectory], key: KeyPair) -> None:
    found = verify_run(stamped[0].path, [key.public])
    assert found.holds
    assert found.timestamp is None
    assert found.notes[0].startswith("timestamp not verified, as no --timestamp-root was given")


def test_a_replayed_timestamp(
    stamped: list[RunDirectory], key: KeyPair, service: TimestampService
) -> None:
    shutil.copy(stamped[0].path / TIMESTAMP, stamped[1].path / TIMESTAMP)
    (fault,) = verify_run(stamped[1].path, [key.public], [read_root(service.root)]).faults
    assert fault.about is About.TIMESTAMP
    assert fault.says.startswith("is not a timestamp of this seal")
