"""PASS, FAIL or INCONCLUSIVE, their one precedence, and the finding that carries one."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from datetime import datetime

import msgspec


class Verdict(enum.StrEnum):
    """What a judge says of one target; there is no fourth word."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


_PRECEDENCE = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)


def merge(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of them: FAIL > INCONCLUSIVE > PASS; of none, INCONCLUSIVE, never PASS.

    The one precedence of the harness, used by findings, reports and exit codes alike
    (three-valued merging after Jepsen's checker/merge-valid).
    """
    present = set(verdicts)
    return next((verdict for verdict in _PRECEDENCE if verdict in present), Verdict.INCONCLUSIVE)


class Measure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One number of a finding, with its unit, its bounds and how it came about."""

    name: str
    """What was measured, in the field's words: `RTA`, `RPA`, `age of the latest backup`."""

    unit: str
    """`s`, `bytes`, `records`, `objects`, `1` for a ratio."""

    value: float | None
    """The value that is judged (the worse bound where there are two); None: not measured."""

    low: float | None = None
    high: float | None = None

    predicted: bool = False
    """True where it was extrapolated, computed or read from configuration, not measured."""


class Finding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One judged question: what was asked, the answer, how bad, since when and what to do."""

    id: str
    """Stable across runs: `recovery-time/latest-backup/orders`."""

    check: str
    """The judge's name, the first part of the id: `recovery-time`, `encryption`, ..."""

    target: str | None
    """The id of the documented target it answers, or None for a check of the drill itself."""

    subject: str | None
    scenario: str | None
    verdict: Verdict

    headline: str
    """One line for the person at 3 a.m.: the subject, what was got and what was expected."""

    detail: tuple[str, ...] = ()
    """The lines below it: each trial's value, the names of the damaged objects."""

    measures: tuple[Measure, ...] = ()

    strength: str | None = None
    """For a PASS over trials: how much it claims, e.g. `3/3 trials; 95 % confidence ...`."""

    since: datetime | None = None
    """Since when it is so, where that is known (the last good backup, the first lost write)."""

    advice: str | None = None
    """What to do next, with the command to type, where the verdict is not PASS."""

    evidence: tuple[int, ...] = ()
    """Sequence numbers of the history events it rests on."""
