"""Coverage: of every documented target when it was last proved, by what, and what is owed."""

from __future__ import annotations

import enum
from datetime import datetime, timedelta

import msgspec

from harness.model.verdict import Verdict

COVERAGE_FORMAT = 1
"""Version of what `harness coverage --json` prints."""


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Basis(enum.StrEnum):
    """What an answer rests on."""

    TEST = "test"
    """Something was measured, or tried."""

    CONFIGURATION = "configuration"
    """Only what is set was read: it says what should happen, not what does."""


class State(enum.StrEnum):
    """How a target stands today."""

    PROVED = "proved"
    """The newest run met it, and a test of its period did."""

    CONFIGURED = "by configuration"
    """The newest run met it, but no test of its period did: settings were read."""

    OVERDUE = "overdue"
    """The newest run met it, longer ago than its period."""

    FAILED = "failed"
    """The newest run missed it."""

    INCONCLUSIVE = "inconclusive"
    """The newest run could not tell."""

    NEVER = "never"
    """No run said anything of it."""

    NO_CHECK = "no check"
    """Nothing that the harness does could tell; `reason` says why, and what would."""


class RunAnswer(_Value, frozen=True, kw_only=True):
    """What one run says of one target: all its findings, merged."""

    run: str
    suite: str
    environment: str
    at: datetime
    """When the run ended."""

    verdict: Verdict
    basis: Basis
    scenarios: tuple[str, ...]
    """That its findings are about; none: it was looked at once, apart from any scenario."""

    trials: int
    """Trials of these scenarios; 0 where there is none."""

    level: str | None = None
    """The least that a scenario claims: OBSERVED, GATE or CERTIFY (docs/glossary.md)."""

    claim: str | None = None
    """The weakest claim in its own words."""

    unjudged: tuple[str, ...] = ()
    """Covered subjects that the run had and said nothing of; with one, it is INCONCLUSIVE."""

    practice: bool = False


class TargetCoverage(_Value, frozen=True, kw_only=True):
    """One row of the table."""

    target: str
    section: str
    """Of the document; empty: it is not in the document."""

    state: State
    answers: tuple[RunAnswer, ...]
    """Oldest first."""

    proved: RunAnswer | None
    """The newest PASS."""

    tested: RunAnswer | None
    """The newest PASS that rests on a test."""

    period: timedelta | None
    """How old a proof may be; None where there is no check."""

    due: datetime | None
    """When the newest proof is too old; None: there is none."""

    overdue: bool
    """There was a proof, and it is too old."""

    owed: bool
    """No proof of its period: a drill must be held."""

    not_passed_since: datetime | None = None
    """End of the first run after the newest PASS; None: the newest run passed, or there is none."""

    suites: tuple[str, ...] = ()
    """Names of suites that could answer."""

    of_another_promise: tuple[str, ...] = ()
    """Runs that judged it when it promised something else: they prove nothing of it now."""

    reason: str | None = None
    """Why there is no check."""

    @property
    def last(self) -> RunAnswer | None:
        """What the newest run says."""
        return self.answers[-1] if self.answers else None


class RunCounted(_Value, frozen=True, kw_only=True):
    """One run that was counted."""

    run: str
    suite: str
    kind: str
    """`restores`, `game-day`, `load-test` or `conformance`."""

    environment: str
    cluster: str | None
    """UID of its namespace kube-system; None: a run without a cluster."""

    ended: datetime
    verdict: Verdict


class NotCounted(enum.StrEnum):
    """Why a run directory proves nothing."""

    UNREADABLE = "cannot be read"
    UNFINISHED = "did not end"
    LATER = "ended after now"
    ANOTHER_CLUSTER = "another cluster"


class RunNotCounted(_Value, frozen=True, kw_only=True):
    """One run directory that proves nothing, and why."""

    run: str
    why: NotCounted
    detail: str
    environment: str | None = None
    """None: not known; it may be one of those that are asked about."""


class Drill(_Value, frozen=True, kw_only=True):
    """One suite that could be run in one environment."""

    suite: str
    environment: str
    takes: timedelta
    basis: str
    """Where that is from, in words."""

    answers: tuple[str, ...]
    """Targets that it could answer."""

    pays: tuple[str, ...] = ()
    """Of those, the ones that are owed."""

    @property
    def command(self) -> str:
        """What to type."""
        return f"harness run {self.suite} -e {self.environment}"

    @property
    def per_hour(self) -> float:
        """Owed targets that it could prove in an hour."""
        return len(self.pays) / max(self.takes.total_seconds() / 3600, 1e-9)


class Debt(_Value, frozen=True, kw_only=True):
    """What is owed: targets without a proof of their period, and drills that could prove them."""

    owed: tuple[str, ...]
    takes: timedelta
    """Of `drills` together: no other choice of suites that answers as much takes less."""

    drills: tuple[Drill, ...]
    """The one that pays most in an hour first; each with what those before it leave."""

    next: Drill | None
    """Of all drills the one that pays most in an hour (greedy set cover)."""

    unpayable: tuple[str, ...] = ()
    """Owed targets that no suite here could answer."""


class Coverage(_Value, frozen=True, kw_only=True):
    """All that the table, the picture and the JSON show."""

    format: int
    environments: tuple[str, ...]
    now: datetime
    verdict: Verdict
    """FAIL: a target failed, or its proof is too old. INCONCLUSIVE: one has no proof, or a run
    could not be read. PASS: the newest run of each met it, within its period.
    """

    targets: tuple[TargetCoverage, ...]
    """In the order of the files of targets."""

    runs: tuple[RunCounted, ...]
    """Oldest first."""

    not_counted: tuple[RunNotCounted, ...]
    elsewhere: dict[str, int]
    """Other environments -> how many of their runs lie there, and count for themselves only."""

    debt: Debt
