"""Notices: what a person or a program is told of a run that ended, and in which cases."""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec

from harness.model.verdict import Verdict


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Occasion(enum.StrEnum):
    """When something is told."""

    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    RECOVERED = "recovered"
    """It passes, and the run before did not."""

    NOT_KEPT = "not-kept"
    """The evidence was not sealed, or not archived, although it was to be."""

    PASS = "pass"  # noqa: S105 - an occasion, not a password


class Problem(_Value, frozen=True, kw_only=True):
    """One finding that is not PASS."""

    id: str
    headline: str
    since: datetime | None
    advice: str | None


class Notice(_Value, frozen=True, kw_only=True):
    """One screen: what failed, since when, how bad, what to do. It holds no secret."""

    format: int
    run: str
    suite: str
    environment: str
    occasion: Occasion
    verdict: Verdict
    ended: datetime | None
    headline: str
    failed: tuple[Problem, ...]
    inconclusive: tuple[Problem, ...]
    last_success: datetime | None
    """End of the last run before with verdict PASS; None: there is none on record."""

    not_kept: str | None
    """Why the evidence is not where it should be."""

    evidence: str
    """Where the run directory is, by the host that has it."""

    next: str
    """The command to type."""

    runbook: str
