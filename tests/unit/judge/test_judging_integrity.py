"""Restored data must be the data that was written: every level that the plan asks for."""

from __future__ import annotations

from collections.abc import Sequence

from constructors import (
    INTACT,
    SQL_INVARIANT,
    around,
    failed_step,
    history,
    plan,
    restored,
    trial,
    verified,
)

from harness.judge.integrity import judge
from harness.model.history import Event, Outcome
from harness.model.suite import Invariant, Level
from harness.model.verdict import Finding, Verdict

ONE = trial()
LEVELS = (Level.OBJECTS, Level.AMCHECK)


def judged(
    *facts: Event, levels: Sequence[Level] = LEVELS, invariants: Sequence[Invariant] = ()
) -> Finding:
    """The one finding of one trial with those facts."""
    asked = plan(INTACT, trials=[ONE], levels=levels, invariants=invariants)
    (found,) = judge(asked, history(*around(ONE, facts)))
    return found


def test_nothing_restored_is_inconclusive() -> None:
    """What was not restored cannot be verified: the restore's own finding says why."""
    for facts in ([], [restored(ONE, error="checksum mismatch")]):
        found = judged(*facts)
        assert found.verdict is Verdict.INCONCLUSIVE
        assert "nothing was restored" in found.headline


def test_no_level_asked_is_inconclusive() -> None:
    """A suite that verifies nothing shows nothing."""
    assert judged(restored(ONE), levels=[]).verdict is Verdict.INCONCLUSIVE


def test_every_level_verified_passes() -> None:
    """All levels that were asked for left a result."""
    found = judged(restored(ONE), *(verified(ONE, level) for level in LEVELS))
    assert found.verdict is Verdict.PASS
    assert found.id == "integrity/latest-backup/orders"
    assert found.headline == (
        "orders, latest-backup: 2 levels verified, expected no damage by objects, amcheck"
    )


def test_a_level_without_a_result_is_inconclusive_and_says_why() -> None:
    """The step that failed is named."""
    step = failed_step(ONE, "verifying orders: amcheck", "server closed the connection", "orders")
    found = judged(restored(ONE), verified(ONE, Level.OBJECTS), step)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "amcheck was not verified: server closed the connection" in found.headline


def test_damage_fails_and_is_named() -> None:
    """The names of what is damaged are in the headline."""
    found = judged(
        restored(ONE),
        verified(ONE, Level.OBJECTS),
        verified(ONE, Level.AMCHECK, Outcome.FAIL, "public.ledger_pkey"),
    )
    assert found.verdict is Verdict.FAIL
    assert "amcheck found damage: public.ledger_pkey" in found.headline


def test_named_damage_fails_whatever_the_outcome_says() -> None:
    """A tool that exits 0 and lists damage has found damage."""
    facts = [verified(ONE, Level.OBJECTS), verified(ONE, Level.AMCHECK, Outcome.OK, "block 24")]
    assert judged(restored(ONE), *facts).verdict is Verdict.FAIL


def test_damage_of_a_level_nobody_asked_for_fails() -> None:
    """Damage that was found counts."""
    facts = [verified(ONE, level) for level in LEVELS]
    extra = verified(ONE, Level.LOGICAL_READ, Outcome.FAIL, "public.orders")
    assert judged(restored(ONE), *facts, extra).verdict is Verdict.FAIL


def test_an_indeterminate_level_is_inconclusive() -> None:
    """A timeout is neither damage nor its absence."""
    facts = [verified(ONE, Level.OBJECTS), verified(ONE, Level.AMCHECK, Outcome.INDETERMINATE)]
    found = judged(restored(ONE), *facts)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "amcheck could not be verified" in found.headline


def test_a_level_that_examined_nothing_is_inconclusive() -> None:
    """No table checked is no table intact."""
    facts = [verified(ONE, Level.OBJECTS), verified(ONE, Level.AMCHECK, examined=0)]
    found = judged(restored(ONE), *facts)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "amcheck examined nothing" in found.headline


def test_invariants_are_asked_for_only_where_there_is_one() -> None:
    """A suite without an SQL invariant asks none of PostgreSQL."""
    levels = (Level.OBJECTS, Level.INVARIANTS)
    facts: list[Event] = [restored(ONE), verified(ONE, Level.OBJECTS)]
    assert judged(*facts, levels=levels).verdict is Verdict.PASS
    stated = judged(*facts, levels=levels, invariants=[SQL_INVARIANT])
    assert stated.verdict is Verdict.INCONCLUSIVE
