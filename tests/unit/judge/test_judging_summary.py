"""What a report shows of one restore is what the judges found of it."""

from __future__ import annotations

from collections.abc import Sequence

import complete_run
import pytest
from constructors import (
    RPO,
    RTO,
    SESSIONS,
    around,
    history,
    ledger,
    lost,
    phase,
    plan,
    probed,
    probes,
    read_back,
    recovery,
    restored,
    rows,
    trial,
    verified,
)

from harness.judge.ledger_trial import LedgerEvidence
from harness.judge.summary import bottleneck, summarise
from harness.model.history import Event, Outcome, Phase
from harness.model.judgement import RestoreSummary
from harness.model.suite import Level
from harness.model.verdict import Verdict

ONE = trial()


def summary(
    facts: Sequence[Event], *, read: Sequence[int] | None = None, levels: Sequence[Level] = ()
) -> RestoreSummary:
    """The summary of one trial; `read` are the row indices that were read back."""
    _, seen = recovery(ONE)
    journal = ledger()
    back = rows(journal)[list(read)] if read is not None else rows(journal)
    return summarise(
        LedgerEvidence(
            plan=plan(RTO, RPO, trials=[ONE], levels=levels),
            history=history(*around(ONE, facts), observations=seen),
            ledgers={"orders": journal},
            read_backs={read_back(ONE, len(back)).file: back},
        ),
        ONE,
        "orders",
    )


def test_of_nothing_nothing_is_shown() -> None:
    """A trial that left no fact has no numbers, and says that it says nothing."""
    found = summary([])
    assert found.verdict is Verdict.INCONCLUSIVE
    assert (found.rta_low_s, found.rpa_s, found.verified_s, found.bottleneck) == (None,) * 4
    assert found.phases == ()
    assert found.invalid == ("no fault of orders on record",)


def test_phases_without_a_fault_have_no_instant() -> None:
    """Where nobody knows when the clock started, no bar is drawn; the longest phase is known."""
    found = summary([phase(ONE, Phase.FETCH, 1, 8)])
    assert found.phases == ()
    assert found.bottleneck is Phase.FETCH


def test_parts_that_ran_at_once_count_once() -> None:
    """Three shards' fetches of five seconds at once are five seconds, and no bottleneck."""
    at_once = [phase(ONE, Phase.FETCH, 1, 6) for _ in range(3)]
    assert bottleneck([*at_once, phase(ONE, Phase.REPLAY, 6, 12)]) is Phase.REPLAY
    one_by_one = [phase(ONE, Phase.FETCH, start, start + 3) for start in (1, 4, 7)]
    assert bottleneck([*one_by_one, phase(ONE, Phase.REPLAY, 10, 16)]) is Phase.FETCH
    assert bottleneck([]) is None


def test_time_to_verified_needs_every_level() -> None:
    """A restore whose last level left no result is not verified."""
    facts, _ = recovery(ONE, levels=[Level.OBJECTS])
    assert summary(facts, levels=[Level.OBJECTS]).verified_s == 20.0
    assert summary(facts, levels=[Level.OBJECTS, Level.AMCHECK]).verified_s is None


def test_the_ledgers_level_says_what_its_rows_are() -> None:
    """That rows were read back is not yet that they are the rows that were written."""
    facts, _ = recovery(ONE, levels=[Level.LEDGER])
    whole = summary([*facts, read_back(ONE, 600)], levels=[Level.LEDGER])
    assert [level.outcome for level in whole.levels] == [Outcome.OK]
    hole = [number for number in range(600) if number != 300]
    damaged = summary([*facts, read_back(ONE, 599)], read=hole, levels=[Level.LEDGER])
    assert [level.outcome for level in damaged.levels] == [Outcome.FAIL]
    assert "HOLE" in damaged.levels[0].detail
    assert damaged.verdict is Verdict.FAIL


def test_a_loss_is_placed_on_the_timeline() -> None:
    """The first and the last lost write are in seconds after the fault."""
    facts, _ = recovery(ONE, levels=[Level.LEDGER])
    found = summary([*facts, read_back(ONE, 590)], read=range(590), levels=[Level.LEDGER])
    assert (found.lost_records, found.acknowledged_records) == (10, 600)
    assert found.loss_from_s == pytest.approx(-1.0)
    assert found.loss_to_s == pytest.approx(-0.098)
    assert found.rpa_s == pytest.approx(1.01)


def test_damage_of_one_level_fails_the_restore() -> None:
    """The worst of a restore's own verdicts is its verdict."""
    facts, _ = recovery(ONE, levels=[Level.LEDGER])
    damage = verified(ONE, Level.AMCHECK, Outcome.FAIL, "block 24")
    found = summary([*facts, read_back(ONE, 600), damage], levels=[Level.LEDGER, Level.AMCHECK])
    assert found.verdict is Verdict.FAIL
    assert [level.outcome for level in found.levels] == [Outcome.OK, Outcome.FAIL]


def test_a_miss_that_was_seen_is_a_valid_trial() -> None:
    """Not back when it was given up says something, whatever the prober missed besides."""
    facts: list[Event] = [lost(ONE), restored(ONE, error="checksum mismatch"), probed(ONE)]
    seen = {probed(ONE).file: probes(up_from_s=None, until_s=601)}
    found = summarise(
        LedgerEvidence(
            plan=plan(RTO, trials=[ONE]),
            history=history(*around(ONE, facts), observations=seen),
            ledgers={},
            read_backs={},
        ),
        ONE,
        "orders",
    )
    assert found.verdict is Verdict.FAIL
    assert found.rta_high_s is None
    assert found.rta_low_s is not None
    assert found.rta_low_s > 300
    assert found.invalid == ()


def test_two_subjects_of_one_trial_are_two_summaries() -> None:
    """A whole loss is shown for each subject, in the order of the trial."""
    shown = [one.subject for one in complete_run.judgement().restores if "whole" in one.scenario]
    assert shown == ["orders", SESSIONS.id]
