"""The ledger's judges: RPA against the RPO, exactness of a point, and integrity of every row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from constructors import (
    FAULT_NS,
    INTACT,
    NOW,
    ORDERS,
    RETENTION,
    RPO,
    SECOND,
    SESSIONS,
    around,
    backup,
    catalogue,
    history,
    ledger,
    lost,
    plan,
    read_back,
    restored,
    rows,
    trial,
)
from msgspec.structs import replace as altered
from numpy.typing import NDArray

from harness.judge.ledger_trial import LedgerEvidence
from harness.judge.recovery_point import TrialLoss, judge, measure
from harness.ledger.classify import WALL_CLOCK_UNCERTAINTY_NS
from harness.ledger.journal import Damage, DamageKind, Journal, Type
from harness.model.history import Blame, CatalogueRead, Event, FaultInjected
from harness.model.plan import Trial
from harness.model.suite import PointChoice
from harness.model.verdict import Finding, Verdict

ONE, TWO = trial(1), trial(2)
LEDGER = ledger()
"""A minute of writes, ten a second, the last one 2 ms before the fault is over."""

Rows = NDArray[Any]


def judged(
    read: Rows | None,
    journal: Journal | None = LEDGER,
    *,
    trials: Sequence[Trial] = (ONE,),
    facts: Sequence[Event] = (),
    fault: FaultInjected | None = None,
    end: Event | None = None,
    subject: str = "orders",
) -> dict[str, Finding]:
    """The findings by check, of trials that all read the same rows back."""
    events: list[Event] = [*facts]
    for one in trials:
        of_trial: list[Event] = [fault or lost(one, subject), end or restored(one, subject)]
        if read is not None:
            of_trial.append(read_back(one, len(read), subject))
        events += around(one, of_trial)
    found = judge(
        plan(RPO, RETENTION, INTACT, trials=trials, subjects=(ORDERS, SESSIONS)),
        history(*events),
        {} if journal is None else {subject: journal},
        {} if read is None else {read_back(one, 0, subject).file: read for one in trials},
    )
    return {one.check: one for one in found}


def replaced(journal: Journal, **columns: Any) -> Journal:  # noqa: ANN401 - of any type
    """The journal with other columns."""
    changed: Journal = replace(journal, **columns)
    return changed


def rpa(read: Rows | None, journal: Journal | None = LEDGER, **more: Any) -> Finding:  # noqa: ANN401 - passed on
    """The finding about the loss."""
    return judged(read, journal, **more)["recovery-point"]


def damaged(kind: DamageKind, wall_s: float) -> Journal:
    """The ledger with one kind of damage, the last intact record so long after the fault."""
    damage = Damage(
        kind=kind,
        file="client-1.journal",
        client=1,
        count=1,
        offset_bytes=640,
        last_intact_wall_ns=int((NOW.timestamp() + wall_s) * SECOND),
    )
    return replaced(LEDGER, damage=(damage,))


def outcomes(journal: Journal, which: slice, outcome: int) -> Journal:
    """The ledger with other outcomes of some operations."""
    changed = journal.outcome.copy()
    changed[which] = outcome
    return replaced(journal, outcome=changed)


# -- nothing to judge by --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (judged(rows(LEDGER), None), "no ledger is kept of orders"),
        (judged(rows(LEDGER), ledger(0)), "the ledger holds no operation"),
        (judged(None), "was not read back"),
        (judged(rows(LEDGER), trials=()), None),
        (judged(rows(LEDGER), fault=lost(ONE, witnessed=False)), "nobody witnessed the fault"),
        (
            judged(None, end=restored(ONE, error="no backup found", blame=Blame.BACKUP)),
            "no backup found",
        ),
    ],
)
def test_without_evidence_it_is_inconclusive(found: dict[str, Finding], says: str | None) -> None:
    """Without a ledger, a read-back or a witness nothing is claimed, and the reason is told."""
    if says is None:
        assert found == {}
        return
    for check in ("recovery-point", "ledger"):
        assert found[check].verdict is Verdict.INCONCLUSIVE
        assert says in found[check].headline
        assert found[check].advice is not None
        assert found[check].strength is None
    assert found["recovery-point"].measures[0].value is None


def test_rows_that_do_not_match_the_fact_are_inconclusive() -> None:
    """A read-back file with another number of rows than was recorded is not evidence."""
    run = history(*around(ONE, [lost(ONE), restored(ONE), read_back(ONE, 7)]))
    found = list(
        judge(
            plan(RPO, trials=(ONE,)),
            run,
            {"orders": LEDGER},
            {read_back(ONE, 7).file: rows(LEDGER)},
        )
    )
    assert {one.verdict for one in found} == {Verdict.INCONCLUSIVE}


# -- the loss -------------------------------------------------------------------------------------


def test_nothing_lost_passes() -> None:
    """With every acknowledged write there, the RPA is the ledger's resolution and not zero."""
    found = rpa(rows(LEDGER))
    assert found.verdict is Verdict.PASS
    assert found.id == "recovery-point/latest-backup/orders"
    assert "0 of 600 acknowledged writes lost" in found.headline
    assert found.measures[0].low == 0
    assert found.measures[0].value == pytest.approx(0.1)
    assert found.measures[1].value == 0
    assert found.strength is not None
    assert "a single example" in found.strength


def test_a_loss_within_the_target_passes() -> None:
    """Twenty seconds lost are within a minute; the value judged is the upper bound."""
    found = rpa(rows(LEDGER, without_last=200))
    assert found.verdict is Verdict.PASS
    assert found.measures[0].value == pytest.approx(20, abs=0.2)
    assert found.measures[1].value == 200


def test_a_loss_beyond_the_target_fails() -> None:
    """Two minutes lost miss a minute, with the first lost write's time as since."""
    long = ledger(2400)
    found = rpa(rows(long, without_last=1200), long)
    assert found.verdict is Verdict.FAIL
    assert found.since is not None
    assert NOW - found.since == pytest.approx(timedelta(minutes=2), abs=timedelta(seconds=1))
    assert found.strength is None


def test_a_target_between_the_bounds_is_inconclusive() -> None:
    """Where the fault's own bracket decides, nothing is decided."""
    long = ledger(2400)
    fault = lost(ONE)
    assert fault.bracket is not None
    wide = altered(
        fault,
        bracket=altered(fault.bracket, latest_ns=FAULT_NS + 30 * SECOND),
        wall=NOW + timedelta(seconds=30),
    )
    assert rpa(rows(long, without_last=400), long, fault=wide).verdict is Verdict.INCONCLUSIVE


def test_all_lost_is_never_a_pass() -> None:
    """Where nothing older survived, the loss may be larger than the ledger is old."""
    few = rows(LEDGER)[:0]
    young = ledger(200)
    assert rpa(few, young).verdict is Verdict.INCONCLUSIVE
    assert "older may be lost" in rpa(few, young).headline
    assert rpa(few, ledger(2400)).verdict is Verdict.FAIL


def test_a_ledger_too_rare_to_see_is_inconclusive() -> None:
    """A write every ten seconds cannot show a loss to a tenth of a minute."""
    rare = ledger(100, every_s=10)
    found = rpa(rows(rare), rare)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "tenth" in found.headline


def test_a_ledger_that_stopped_before_the_fault_is_inconclusive() -> None:
    """Writes that were refused in the last seconds leave nothing to lose, and prove nothing."""
    stopped = outcomes(LEDGER, slice(-100, None), Type.FAIL)
    assert rpa(rows(LEDGER, without_last=100), stopped).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("kind", list(DamageKind))
def test_a_damaged_journal_never_passes_unless_it_is_after_the_fault(kind: DamageKind) -> None:
    """A gap may hide a loss: INCONCLUSIVE, but for a file that was still being written."""
    harmless = kind is DamageKind.OTHER_BOOT
    live = kind in (DamageKind.UNCLEAN_END, DamageKind.TORN_TAIL)
    before = rpa(rows(LEDGER), damaged(kind, -5)).verdict
    after = rpa(rows(LEDGER), damaged(kind, 5)).verdict
    assert before is (Verdict.PASS if harmless else Verdict.INCONCLUSIVE)
    assert after is (Verdict.PASS if harmless or live else Verdict.INCONCLUSIVE)


def test_a_loss_that_was_seen_fails_whatever_else_is_missing() -> None:
    """A damaged journal does not excuse writes that it shows as acknowledged and lost."""
    long = ledger(2400)
    broken = replaced(long, damage=damaged(DamageKind.BAD_CHECKSUM, -5).damage)
    assert rpa(rows(long, without_last=1200), broken).verdict is Verdict.FAIL


def test_unanswered_writes_that_would_change_the_answer_are_inconclusive() -> None:
    """Absent writes without an answer, older than the target, leave it open."""
    long = ledger(2400)
    unknown = outcomes(long, slice(1500, 2350), Type.INDETERMINATE)
    unknown = replaced(unknown, log=np.where(np.arange(2400) < 2350, 1, 0).astype(np.uint16))
    kept = rows(long)[np.r_[0:1500, 2350:2400]]
    found = rpa(kept, unknown)
    assert found.verdict is Verdict.INCONCLUSIVE


def test_writes_after_an_assumed_fault_are_not_lost() -> None:
    """Where the loss is only assumed the source lives on, and what it then acknowledges is no part
    of the restore; where it was inflicted, such an acknowledgement is a lost write.
    """
    later = replaced(
        LEDGER,
        invoked_ns=LEDGER.invoked_ns + SECOND // 2,
        completed_ns=LEDGER.completed_ns + SECOND // 2,
    )
    kept = rows(later, without_last=4)
    assumed = rpa(kept, later, fault=altered(lost(ONE), assumed=True, witness="assumed"))
    assert assumed.measures[1].value == 0
    inflicted = rpa(kept, later)
    assert inflicted.measures[1].value == 4


def test_times_by_another_hosts_clock_are_widened() -> None:
    """A writer with another monotonic clock is judged by wall clock, and that is said."""
    elsewhere = replaced(
        LEDGER,
        invoked_ns=LEDGER.invoked_ns + 10**6 * SECOND,
        completed_ns=LEDGER.completed_ns + 10**6 * SECOND,
    )
    found = rpa(rows(LEDGER, without_last=100), elsewhere)
    assert found.verdict is Verdict.PASS
    high, low = found.measures[0].high, found.measures[0].low
    assert high is not None
    assert low is not None
    assert high - low >= 2 * WALL_CLOCK_UNCERTAINTY_NS / SECOND - 0.1
    assert any("wall clock" in line for line in found.detail)


def test_trials_of_a_scenario_make_one_finding() -> None:
    """The worst trial is the verdict, every trial is in the detail, and strength counts them."""
    trials = [trial(number) for number in range(1, 7)]
    found = rpa(rows(LEDGER), trials=trials)
    assert found.verdict is Verdict.PASS
    assert found.strength is not None
    assert found.strength.startswith("OBSERVED: 6/6")
    assert sum("acknowledged writes lost" in line for line in found.detail) == 6
    half = judge(
        plan(RPO, trials=(ONE, TWO)),
        history(
            *around(ONE, [lost(ONE), restored(ONE), read_back(ONE, 600)]),
            *around(TWO, [lost(TWO), restored(TWO)]),
        ),
        {"orders": LEDGER},
        {read_back(ONE, 0).file: rows(LEDGER)},
    )
    assert {one.verdict for one in half} == {Verdict.INCONCLUSIVE}


def test_the_loss_for_a_summary() -> None:
    """The summary of a restore has the same numbers, relative to the fault."""
    run = LedgerEvidence(
        plan=plan(RPO, trials=(ONE,)),
        history=history(*around(ONE, [lost(ONE), restored(ONE), read_back(ONE, 500)])),
        ledgers={"orders": LEDGER},
        read_backs={read_back(ONE, 0).file: rows(LEDGER, without_last=100)},
    )
    cost = measure(run, ONE, "orders")
    assert (cost.lost_records, cost.acknowledged_records) == (100, 600)
    assert cost.from_s == pytest.approx(-10, abs=0.2)
    assert cost.to_s == pytest.approx(-0.1, abs=0.1)
    assert measure(run, TWO, "orders") == TrialLoss()


# -- integrity ------------------------------------------------------------------------------------


def planted(kind: str) -> tuple[Rows, Journal]:
    """One damaged row of each kind."""
    read = rows(LEDGER)
    match kind:
        case "CORRUPT":
            read["payload"][300] ^= 1
        case "DUPLICATE":
            read = np.concatenate([read, read[300:301]])
        case "PHANTOM":
            return read, outcomes(LEDGER, slice(300, 301), Type.FAIL)
        case "HOLE":
            read = np.delete(read, 300)
        case "UNEXPECTED":
            read = np.concatenate([read, read[300:301]])
            read["seq"][-1] = 301_000
        case _:
            raise ValueError(kind)
    return read, LEDGER


@pytest.mark.parametrize("kind", ["CORRUPT", "DUPLICATE", "PHANTOM", "HOLE", "UNEXPECTED"])
def test_each_planted_damage_fails_and_is_named(kind: str) -> None:
    """One damaged row of 600 is enough, and the finding names the operation."""
    found = judged(*planted(kind))["ledger"]
    assert found.verdict is Verdict.FAIL
    assert found.id == "ledger/latest-backup/orders"
    assert f"1 {kind}" in found.headline
    assert any("number 301" in line for line in found.detail)
    assert found.measures[0].value == 1


def test_a_whole_ledger_passes() -> None:
    """Six hundred rows as they were written are a pass, and a lost tail is no damage."""
    for without_last in (0, 100):
        found = judged(rows(LEDGER, without_last=without_last))["ledger"]
        assert found.verdict is Verdict.PASS
        assert found.measures[0].value == 0


def test_an_empty_restore_proves_no_integrity() -> None:
    """Where not one row came back, none was found intact."""
    assert judged(rows(LEDGER)[:0])["ledger"].verdict is Verdict.INCONCLUSIVE


# -- a point in time ------------------------------------------------------------------------------


def exactness(kept: int, *, at_s: float = -30.05, **more: Any) -> Finding:  # noqa: ANN401 - passed on
    """A restore to so many seconds after the fault that holds the first `kept` writes."""
    one = trial(scenario="random-second", point=PointChoice.RANDOM_SECOND)
    end = altered(restored(one), target_time=NOW + timedelta(seconds=at_s))
    found = judged(rows(LEDGER)[:kept], trials=(one,), end=end, **more)
    assert "recovery-point" not in found
    return found["point-in-time"]


def test_a_point_that_was_met_passes() -> None:
    """All of before the point and nothing of after it, whichever way the one around it went."""
    for kept in (299, 300):
        found = exactness(kept)
        assert found.verdict is Verdict.PASS, found.headline
        assert found.id == "point-in-time/random-second/orders"
        assert any("last write included" in line for line in found.detail)


@pytest.mark.parametrize(("kept", "says"), [(298, "missing"), (301, "after the point")])
def test_a_point_that_was_missed_fails(kept: int, says: str) -> None:
    """One write too few or too many is a FAIL."""
    found = exactness(kept)
    assert found.verdict is Verdict.FAIL
    assert says in found.headline


@pytest.mark.parametrize(("kept", "at_s"), [(0, -90), (600, 30)])
def test_a_point_without_writes_on_both_sides_is_inconclusive(kept: int, at_s: float) -> None:
    """Without a write before and one after the point, exactness cannot be seen."""
    assert exactness(kept, at_s=at_s).verdict is Verdict.INCONCLUSIVE


def test_a_clock_that_ran_backwards_is_inconclusive() -> None:
    """Where the server's clock was set back, its points are not instants."""
    stepped = LEDGER.server_us.copy()
    stepped[100:] -= 20_000_000
    journal = replaced(LEDGER, server_us=stepped)
    one = trial(scenario="random-second", point=PointChoice.RANDOM_SECOND)
    end = altered(restored(one), target_time=NOW - timedelta(seconds=30))
    found = judged(rows(journal)[:500], journal, trials=(one,), end=end)["point-in-time"]
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "backwards" in found.headline


def test_a_restore_without_its_point_on_record_is_inconclusive() -> None:
    """What point was restored to must be on record."""
    one = trial(scenario="random-second", point=PointChoice.RANDOM_SECOND)
    found = judged(rows(LEDGER), trials=(one,))["point-in-time"]
    assert found.verdict is Verdict.INCONCLUSIVE


def sessions(kept: int, read: CatalogueRead) -> Finding:
    """A Redis restore to 30 s before the fault."""
    one = trial(scenario="random-second", subjects=("sessions",), point=PointChoice.RANDOM_SECOND)
    end = altered(
        restored(one, "sessions"),
        backup=read.backups[0].label,
        target_time=NOW - timedelta(seconds=30),
    )
    found = judged(rows(LEDGER)[:kept], trials=(one,), end=end, facts=[read], subject="sessions")
    return found["point-in-time"]


def test_an_aof_is_exact_to_the_second() -> None:
    """A Redis restore by AOF timestamps may be a second off, and no more."""
    read = catalogue([backup(timedelta(minutes=5))], subject="sessions")
    assert sessions(305, read).verdict is Verdict.PASS
    assert sessions(285, read).verdict is Verdict.FAIL
    assert sessions(315, read).verdict is Verdict.FAIL


def test_a_snapshot_is_exact_by_its_own_time() -> None:
    """A snapshot holds what was there while it was taken, not what was there at the second."""
    taken = altered(backup(timedelta(seconds=38)), started=NOW - timedelta(seconds=40))
    read = catalogue([taken], subject="sessions", point_in_time=False)
    assert sessions(210, read).verdict is Verdict.PASS
    assert sessions(300, read).verdict is Verdict.FAIL
