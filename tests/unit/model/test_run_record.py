"""run.json: strict, versioned, and the same after being written and read."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from harness.model.codec import from_json, to_json
from harness.model.run import RUN_FORMAT, RunRecord, Setting

STARTED = datetime(2026, 11, 24, 1, 2, 3, tzinfo=UTC)


def record(ended: datetime | None = None, kind: int = RUN_FORMAT) -> RunRecord:
    return RunRecord(
        format=kind,
        run="20261124T010203Z-weekly-restore-demo",
        suite="weekly-restore",
        environment="demo",
        started=STARTED,
        ended=ended,
        user="ops",
        host="drill-1",
        argv=("harness", "demo"),
        versions={"python": "3.11.2"},
        settings=(Setting(name="scale", value="1", origin="default"),),
        practice=True,
        seed=7,
    )


def test_it_survives_being_written() -> None:
    """Equal after encoding and decoding, running or ended."""
    for ended in (None, STARTED + timedelta(minutes=2)):
        assert from_json(to_json(record(ended)), RunRecord) == record(ended)


def test_an_unknown_format_is_refused() -> None:
    """A record of a later harness is not guessed at."""
    content = to_json(record()).replace(b'"format":1', b'"format":2')
    with pytest.raises(msgspec.ValidationError, match="got format 2, expected 1"):
        from_json(content, RunRecord)


def test_an_end_before_the_start_is_refused() -> None:
    """A run cannot end before it started."""
    with pytest.raises(ValueError, match="before it started"):
        record(STARTED - timedelta(seconds=1))


def test_an_unknown_key_is_refused() -> None:
    """What this harness does not know is no evidence for it."""
    content = to_json(record()).replace(b'"seed":7', b'"seed":7,"sead":8')
    with pytest.raises(msgspec.ValidationError, match="sead"):
        from_json(content, RunRecord)
