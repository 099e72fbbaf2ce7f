"""What a fault cost, ledger by ledger: lost, lost late, of another trial, and damaged rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import game_days as make
import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from harness.ledger.journal import Journal
from harness.ledger.rows import ROW
from harness.model.history import LedgerReadBack
from harness.model.target import Kind, RecoveryPoint, Target
from harness.model.verdict import Verdict

RPA = "recovery-point/pod-delete/orders"
ROWS = "ledger/pod-delete/orders"
TRIAL = make.trial()
RPO_10_S = replace(
    make.RPO_TARGET,
    covers=(Kind.POSTGRESQL,),
    objective=RecoveryPoint(at_most=timedelta(seconds=10)),
)


def with_ledger(
    written: Journal,
    *,
    early: NDArray[Any] | None,
    final: NDArray[Any] | None,
    rpo: Target = make.RPO_TARGET,
) -> make.Day:
    plan = make.plan(TRIAL, targets=(replace(make.RTO_TARGET, covers=(Kind.POSTGRESQL,)), rpo))
    made = make.Day(plan).begin(TRIAL).add(0.1, make.broken(TRIAL))
    made.ledger_of(TRIAL, written, early=early, final=final)
    made.add(31, make.rolled_back(TRIAL)).probe(TRIAL, make.answers((0, 2)))
    return made.end(TRIAL)


def test_no_ledger_is_inconclusive() -> None:
    """Nothing was written that could have been lost."""
    made = make.day()
    made.ledgers.clear()
    found = made.finding(RPA)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.advice == "harness ledger write --config FILE.json"


def test_no_read_back_is_inconclusive() -> None:
    """What nobody read back is not taken to be there."""
    found = make.day().drop(LedgerReadBack).finding(RPA)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "the ledger was not read back" in found.headline


def test_no_final_read_back_is_inconclusive() -> None:
    """A read at the recovery says nothing of what the old primary's return cost."""
    written = make.journal()
    made = with_ledger(written, early=make.kept(written, 20), final=None)
    found = made.finding(RPA)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "not read back after what was broken had come back" in found.headline


def test_a_read_back_whose_rows_are_gone_is_inconclusive() -> None:
    """The fact names a file that holds other rows than it says."""
    made = make.day()
    made.read_backs = {name: rows[:-1] for name, rows in made.read_backs.items()}
    assert made.finding(RPA).verdict is Verdict.INCONCLUSIVE


def test_nothing_lost() -> None:
    """Zero records, as far as the ledger could see; what was written on since is no loss."""
    found = make.day().finding(RPA)
    assert found.verdict is Verdict.PASS
    assert "0 of 1121 acknowledged writes lost, seen to 0.12 s" in found.headline


def test_writers_that_go_on_lose_nothing() -> None:
    """Writes acknowledged after a read began are not missed in it."""
    written = make.journal()
    made = with_ledger(written, early=make.kept(written, 20), final=make.kept(written, 55))
    judged = made.judged().recoveries[0].losses[0]
    assert judged.lost_records == 0
    assert judged.acknowledged_records == 1121


def test_a_loss_within_the_target() -> None:
    """Half a second of acknowledged writes, met by its upper bound."""
    written = make.journal()
    lost = (-0.55, 0.0)
    made = with_ledger(
        written,
        early=make.kept(written, 20, without=lost),
        final=make.kept(written, 55, without=lost),
    )
    found = made.finding(RPA)
    assert found.verdict is Verdict.PASS
    assert "5 of 1121 acknowledged writes lost, of the last 0.53 s" in found.headline
    assert made.finding(ROWS).verdict is Verdict.PASS


def test_a_loss_beyond_the_target() -> None:
    """Twenty seconds are more than ten."""
    written = make.journal()
    lost = (-20.05, 0.0)
    made = with_ledger(
        written,
        early=make.kept(written, 20, without=lost),
        final=make.kept(written, 55, without=lost),
        rpo=RPO_10_S,
    )
    assert made.finding(RPA).verdict is Verdict.FAIL
    assert made.judged().scenarios[0].loss is not None


def test_a_late_acknowledgement_is_lost() -> None:
    """A primary that is not fenced acknowledges after the fault what its successor never had."""
    written = make.journal(down_s=0)
    lost = (0.0, 15.05)
    made = with_ledger(
        written,
        early=make.kept(written, 20, without=lost),
        final=make.kept(written, 55, without=lost),
        rpo=RPO_10_S,
    )
    found = made.finding(RPA)
    assert found.verdict is Verdict.FAIL
    assert "150 of 1151 acknowledged writes lost, acknowledged over 14.9 s" in found.headline
    assert made.judged().recoveries[0].losses[0].rpa_s == pytest.approx(14.902)


def test_what_the_second_read_lacks_is_lost_late() -> None:
    """There at the recovery, gone when the old primary is back."""
    written = make.journal()
    made = with_ledger(
        written,
        early=make.kept(written, 20),
        final=make.kept(written, 55, without=(-0.55, 0.0)),
    )
    found = made.finding(RPA)
    assert "5 of 1121 acknowledged writes lost" in found.headline
    assert any("5 LOST_LATE" in line for line in found.detail)


def test_what_an_earlier_trial_lost_is_not_lost_again() -> None:
    """The second trial finds the first one's loss still missing, and answers for its own only."""
    trials = [make.trial(number) for number in (1, 2)]
    written = make.journal(2)
    made = make.day(*trials)
    gone = (written.invoked_ns >= make.at(-0.55)) & (written.invoked_ns < make.at(0))
    numbers = written.seq[gone]
    made.read_backs = {
        name: rows[~np.isin(rows["seq"], numbers)] for name, rows in made.read_backs.items()
    }
    made.facts = [
        (
            second,
            off,
            replace(fact, rows=len(made.read_backs[fact.file]))
            if isinstance(fact, LedgerReadBack)
            else fact,
        )
        for second, off, fact in made.facts
    ]
    first, second_trial = made.judged().recoveries
    assert first.losses[0].lost_records == 5
    assert second_trial.losses[0].lost_records == 0


def test_a_hole_is_damage() -> None:
    """Lost although a later write of before the fault is there: no fault explains that."""
    written = make.journal()
    lost = (-5.05, -4.5)
    made = with_ledger(
        written,
        early=make.kept(written, 20, without=lost),
        final=make.kept(written, 55, without=lost),
    )
    found = made.finding(ROWS)
    assert found.verdict is Verdict.FAIL
    assert "HOLE" in found.headline


def _altered(found: NDArray[Any]) -> NDArray[Any]:
    changed = found.copy()
    changed["payload"][3] += 1
    return changed


def _doubled(found: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([found, found[3:4]])


def _foreign(found: NDArray[Any]) -> NDArray[Any]:
    row = np.zeros(1, ROW)
    row["client"], row["seq"] = 9, 9
    return np.concatenate([found, row])


@pytest.mark.parametrize(
    ("plant", "word"),
    [(_altered, "CORRUPT"), (_doubled, "DUPLICATE"), (_foreign, "UNEXPECTED")],
)
def test_a_planted_row_is_found(plant: Callable[[NDArray[Any]], NDArray[Any]], word: str) -> None:
    """One row is enough, also where it is only in the final read."""
    written = make.journal()
    made = with_ledger(written, early=make.kept(written, 20), final=plant(make.kept(written, 55)))
    found = made.finding(ROWS)
    assert found.verdict is Verdict.FAIL
    assert f"1 {word}" in found.headline


def test_durability_classes_are_ledgers_of_their_own() -> None:
    """`orders-synchronous` and `orders-asynchronous` are judged each by itself, as `orders`."""
    written = make.journal()
    made = make.day()
    made.ledgers.clear()
    made.drop(LedgerReadBack)
    lost = (-20.05, 0.0)
    for name, without in (("orders-synchronous", None), ("orders-asynchronous", lost)):
        made.ledger_of(
            TRIAL,
            written,
            early=make.kept(written, 20, without=without),
            final=make.kept(written, 55, without=without),
            subject=name,
        )
    found = {one.id: one for one in made.judged().findings if one.check == "recovery-point"}
    assert set(found) == {
        "recovery-point/pod-delete/orders-asynchronous",
        "recovery-point/pod-delete/orders-synchronous",
    }
    assert {one.subject for one in found.values()} == {"orders"}
    losses = {loss.ledger: loss for loss in made.judged().recoveries[0].losses}
    assert losses["orders-synchronous"].lost_records == 0
    assert losses["orders-asynchronous"].lost_records == 200
