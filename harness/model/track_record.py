"""The track record: what each target and scenario showed over all runs, and where it goes."""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec

from harness.model.verdict import Verdict

TRACK_RECORD_FORMAT = 1
"""Version of what `harness history --json` prints."""


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Worse(enum.StrEnum):
    """In which direction a value gets worse."""

    HIGHER = "higher"
    LOWER = "lower"


class Limit(_Value, frozen=True, kw_only=True):
    """What a value is held against."""

    worse: Worse
    at: float | None = None
    """In the unit of the value; None: no number is promised, only the direction is known."""


class RunShown(_Value, frozen=True, kw_only=True):
    """One run of the record."""

    run: str
    suite: str
    environment: str
    at: datetime
    """When it ended, by its own clock, UTC."""

    verdict: Verdict
    sealed: bool
    """It has a seal; whether that is right, `harness verify` says."""

    sequence: int | None = None
    """Of its seal: how many were sealed before it."""

    version: str = ""
    """Digest of what was tried and with what: two runs with the same one differ by chance only."""


class Answer(_Value, frozen=True, kw_only=True):
    """What one run said of one target: all its findings, merged (harness.coverage.answering)."""

    run: str
    target: str
    verdict: Verdict
    trials: int
    claim: str | None = None
    promise: str = ""
    """Digest of the objective that it was judged by."""


class Showing(_Value, frozen=True, kw_only=True):
    """What one finding of one run showed: its verdict, and its number where it has one."""

    run: str
    finding: str
    """The finding's id: the same question has the same id in every run."""

    check: str
    target: str | None
    scenario: str | None
    subject: str | None
    verdict: Verdict
    trials: int
    """Of its scenario; 0 where there is none."""

    measure: str | None = None
    """What was measured: `RTA`; None: the finding has no number of its own."""

    unit: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    limit: Limit | None = None
    """As it was promised then; None: it is not known which way is worse."""

    @property
    def censored(self) -> bool:
        """It was longer than `low`, and nobody knows by how much: not recovered by the deadline."""
        return self.value is None and self.low is not None


class Point(_Value, frozen=True, kw_only=True):
    """One value of a trend."""

    run: str
    at: datetime
    verdict: Verdict
    value: float | None
    """None: censored (`low` is known) or not measured."""

    low: float | None
    high: float | None
    trials: int
    sealed: bool
    limit: float | None = None


class ChangePoint(_Value, frozen=True, kw_only=True):
    """From this run on the values are others than before."""

    run: str
    at: datetime
    before: float | None
    """Median of the stretch before; None: more than half of it was not recovered by its deadline.
    """

    after: float | None
    p: float
    """Of a permutation test: how often values in random order show as much."""


class Slope(_Value, frozen=True, kw_only=True):
    """How much the values rise in a week, with a 95 % confidence interval."""

    per_week: float
    low: float
    high: float
    since: datetime
    """The first run that it rests on."""

    runs: int
    now: float
    """Value of the line at the last run."""

    middle: datetime
    """Median of the times, through which all lines of the interval go."""

    level: float
    """Value of the line there."""


class Course(enum.StrEnum):
    """Where a value goes."""

    TOO_FEW = "too few runs to say"
    CENSORED = "not recovered by the deadline: no slope"
    NO_LIMIT = "no limit is promised"
    MISSES = "misses it now"
    WILL_MISS = "will miss it"
    NOT_ON_COURSE = "not on course to miss"


class Forecast(_Value, frozen=True, kw_only=True):
    """When the limit is missed if it goes on as since the last change point."""

    course: Course
    runs: int
    """That it rests on."""

    weeks: float | None = None
    """From now."""

    low: float | None = None
    high: float | None = None
    """None with `weeks`: beyond what can be said."""

    horizon_weeks: float | None = None
    """How far it looks: no further ahead than its runs reach back."""


class Regression(_Value, frozen=True, kw_only=True):
    """The newest run against the last sealed one before it."""

    against: str
    worse: bool
    sure: bool
    """Worse by more than runs differ from each other; else it is told, and decides nothing."""

    because: str
    """In words; of no regression, why it is none."""


class Trend(_Value, frozen=True, kw_only=True):
    """One number of one environment over its runs: all that its picture shows."""

    environment: str
    suite: str
    finding: str
    target: str | None
    scenario: str | None
    subject: str | None
    measure: str
    unit: str
    limit: Limit | None
    """As the newest run has it."""

    points: tuple[Point, ...]
    """Oldest first."""

    analysed: int
    """How many of the newest points the change points and the slope rest on."""

    changes: tuple[ChangePoint, ...] = ()
    slope: Slope | None = None
    forecast: Forecast
    regression: Regression | None = None
    """None: there is no sealed run before the newest one."""

    censored: int = 0
    not_measured: int = 0


class Flaky(_Value, frozen=True, kw_only=True):
    """A scenario whose verdict goes to and fro while nothing else changes."""

    environment: str
    suite: str
    scenario: str
    flips: int
    of: int
    """Pairs of successive conclusive runs of the same version and promise."""

    runs: tuple[str, ...]
    """Those that flipped, oldest first."""


class TargetRecord(_Value, frozen=True, kw_only=True):
    """One target in one environment: a row of the overview."""

    environment: str
    target: str
    verdicts: tuple[Verdict, ...]
    """Oldest first, at most those of the last 20 runs."""

    runs: int
    newest: str
    at: datetime
    trials: int
    passed: str | None
    """The last run that passed."""

    trend: Trend | None
    """Of its numbers the one that is worst off; None: it has none with a direction."""

    regressed: str | None = None


class Record(_Value, frozen=True, kw_only=True):
    """All that the overview shows."""

    format: int
    now: datetime
    verdict: Verdict
    """FAIL: a newest run failed, or is surely worse than the last sealed one, or a limit will be
    missed.
    INCONCLUSIVE: there is no run, or a newest run could not tell. Else PASS.
    """

    runs: int
    first: datetime | None
    last: datetime | None
    targets: tuple[TargetRecord, ...]
    flaky: tuple[Flaky, ...]
    notes: tuple[str, ...] = ()
    """Runs that do not count and why, and what was wrong with the database."""


class Row(_Value, frozen=True, kw_only=True):
    """One finding of one run, as `harness history TARGET` lists it."""

    run: RunShown
    showing: Showing


class Detail(_Value, frozen=True, kw_only=True):
    """All that `harness history TARGET` shows."""

    format: int
    now: datetime
    asked: str
    verdict: Verdict
    answers: tuple[tuple[RunShown, Answer], ...]
    rows: tuple[Row, ...]
    trends: tuple[Trend, ...]
    flaky: tuple[Flaky, ...]
    notes: tuple[str, ...] = ()
