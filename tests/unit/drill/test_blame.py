"""An error speaks against the backup, the time allowed or the drill's surroundings."""

from __future__ import annotations

import pytest

from harness.drill.blame import blame
from harness.errors import DeadlineExceededError, HarnessError, RestoreError, StoreError
from harness.model.history import Blame


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (HarnessError("orders: no target promises a retention"), Blame.SURROUNDINGS),
        (StoreError("s3: connection reset"), Blame.SURROUNDINGS),
        (DeadlineExceededError("redis-server: still running"), Blame.DEADLINE),
        (RestoreError("pgbackrest: [029]: checksum mismatch"), Blame.BACKUP),
        (RestoreError("tar: base/1: Cannot write: No space left on device"), Blame.SURROUNDINGS),
        (RestoreError("pgbackrest: no such program"), Blame.SURROUNDINGS),
    ],
)
def test_what_an_error_speaks_against(error: HarnessError, expected: Blame) -> None:
    """Only a restore that failed for its own reasons speaks against the backup."""
    assert blame(error) is expected
