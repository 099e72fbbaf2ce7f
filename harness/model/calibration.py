"""Calibrations: what was planted, which finding named it, and that clean runs found nothing."""

from __future__ import annotations

from datetime import datetime

import msgspec

from harness.model.history import Observation
from harness.model.instant import Bracket
from harness.model.verdict import Verdict

CALIBRATION_FORMAT = 1
"""Version of calibration.json."""


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Sign(_Value, frozen=True, kw_only=True):
    """What a finding must be to name one damage: a FAIL of something else does not."""

    check: str
    """The judge: the first part of the finding's id."""

    verdict: Verdict
    """FAIL, or INCONCLUSIVE where the damage is to the drill's own sight. PASS names nothing."""

    says: tuple[str, ...]
    """Words that its headline or its details must contain, all of them: the damaged object, row
    or file by name wherever it has one, so that no other trouble is taken for it."""

    def __post_init__(self) -> None:
        if self.verdict is Verdict.PASS or not self.check or not all((*self.says, self.says)):
            raise ValueError(f"a sign that anything would show: {self}")

    def __str__(self) -> str:
        return f"{self.check} {self.verdict}, naming {', '.join(self.says)}"


class SilenceObserved(_Value, frozen=True, kw_only=True):
    """An outage of known length, and what a prober saw of it; monotonic nanoseconds."""

    began: Bracket
    ended: Bracket
    observations: tuple[Observation, ...]
    interval_ns: int
    timeout_ns: int


class CleanRun(_Value, frozen=True, kw_only=True):
    """The control: a run of the undamaged platform."""

    run: str
    """Its directory, below the calibration's."""

    verdict: Verdict
    findings: int
    restores: int
    found: tuple[str, ...]
    """Headlines of the findings that are not PASS; none is expected."""

    seconds: float


class Examined(_Value, frozen=True, kw_only=True):
    """One damage and what became of it."""

    name: str
    title: str
    planted: str | None
    """What exactly was done, as it was read back; None: it could not be planted."""

    expected: str
    """What had to be found, in words."""

    found_by: str | None
    """The finding's id, or the measurement; None: missed."""

    verdict: Verdict | None = None
    headline: str | None = None
    """What the finding says."""

    error: str | None = None
    """Why it was not planted, not looked for or not undone."""

    run: str | None = None
    """The run directory, below the calibration's."""

    seconds: float

    @property
    def found(self) -> bool:
        """Planted, and named."""
        return self.planted is not None and self.found_by is not None and self.error is None


class Calibration(_Value, frozen=True, kw_only=True):
    """The content of calibration.json."""

    format: int
    started: datetime
    ended: datetime
    host: str
    argv: tuple[str, ...]
    git_head: str | None
    git_dirty: bool | None
    versions: dict[str, str]
    scale: float
    seed: int
    complete: bool
    """Whether every damage was planted that there is; False where some were chosen."""

    clean: tuple[CleanRun, ...]
    examined: tuple[Examined, ...]
    problems: tuple[str, ...]
    """Why the harness cannot be believed, one line each; none: all was found and nothing else."""
