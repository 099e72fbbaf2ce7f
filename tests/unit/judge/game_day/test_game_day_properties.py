"""What must hold of every game day, whatever its answers: by Hypothesis."""

from __future__ import annotations

import random
from datetime import timedelta

import game_days as make
from constructors import SECOND
from hypothesis import given, settings
from hypothesis import strategies as some
from msgspec.structs import replace

from harness.judge.game_day.compose import judge_game_day
from harness.judge.game_day.recovery import ClassRecovery, measure_class
from harness.judge.game_day.ways import Probed
from harness.model.codec import to_json
from harness.model.game_day import Way
from harness.model.history import History, Observation, Outcome
from harness.model.instant import Bracket
from harness.model.verdict import Verdict

FAULT = Bracket(earliest_ns=make.at(0), latest_ns=make.at(0.01))
RTO = timedelta(seconds=8)
_RANK = {Verdict.PASS: 0, Verdict.INCONCLUSIVE: 1, Verdict.FAIL: 2}

tenths = some.integers(0, 190)
wrong = some.sets(tenths, max_size=60)
blind = some.none() | some.tuples(some.integers(0, 150), some.integers(1, 40))
rollback = some.none() | some.integers(1, 200)


def seen(down: set[int], unseen: tuple[int, int] | None) -> tuple[Observation, ...]:
    """Twenty seconds of answers; `down`: the tenths of a second that were wrong."""
    from_s, until_s = (0, 0) if unseen is None else (unseen[0], unseen[0] + unseen[1])
    looked = make.answers(until_s=20, blind=(from_s / 10, until_s / 10))
    return tuple(
        replace(one, outcome=Outcome.FAIL)
        if (one.scheduled_ns - make.at(0)) // (SECOND // 10) in down
        else one
        for one in looked
    )


def measured(
    observations: tuple[Observation, ...], rolled_back: int | None = None
) -> ClassRecovery:
    return measure_class(
        Probed(
            subject="orders",
            probe_class=make.NEW,
            way=Way.POSTGRESQL_NEW,
            observations=observations,
            interval_ns=SECOND // 10,
            timeout_ns=SECOND,
            sequence=0,
        ),
        FAULT,
        judged=True,
        rolled_back_ns=None if rolled_back is None else make.at(rolled_back / 10),
        sustained=timedelta(seconds=2),
    )


@given(down=wrong, more=wrong, unseen=blind, back=rollback)
def test_more_wrong_answers_never_improve_a_verdict(
    down: set[int], more: set[int], unseen: tuple[int, int] | None, back: int | None
) -> None:
    """Neither its verdict nor its bounds."""
    less = measured(seen(down, unseen), back)
    worse = measured(seen(down | more, unseen), back)
    assert _RANK[worse.compare(RTO)[0]] >= _RANK[less.compare(RTO)[0]]
    assert worse.missed_ns >= less.missed_ns


@given(start=some.integers(0, 50), length=some.integers(0, 60), later=some.integers(0, 60))
def test_a_later_recovery_never_shortens_the_rta(start: int, length: int, later: int) -> None:
    """One outage that lasts longer has bounds that are not lower."""
    first = measured(seen(set(range(start, start + length)), None)).bounds
    second = measured(seen(set(range(start, start + length + later)), None)).bounds
    assert first is not None
    assert second is not None
    assert second.low_ns >= first.low_ns
    assert second.high_ns is not None
    assert first.high_ns is not None
    assert second.high_ns >= first.high_ns


@given(down=wrong, back=some.integers(1, 200))
def test_an_earlier_rollback_never_makes_a_recovery(down: set[int], back: int) -> None:
    """What did not pass with a rollback at some time does not pass with an earlier one."""
    late = measured(seen(down, None), back).compare(RTO)[0]
    never = measured(seen(down, None), None).compare(RTO)[0]
    if late is Verdict.PASS and max(down, default=0) < back:
        assert never is Verdict.PASS


@settings(deadline=None, max_examples=30)
@given(some.randoms(use_true_random=False))
def test_the_order_of_entries_does_not_matter(shuffled: random.Random) -> None:
    """Facts have numbers, observations a schedule: the order of the lines decides nothing."""
    made = make.day(make.trial(1), make.trial(2, scenario="node-kill"))
    expected = to_json(made.judged())
    history = made.history()
    entries = list(history.entries)
    shuffled.shuffle(entries)
    observations = {}
    for name, of_file in history.observations.items():
        mixed = list(of_file)
        shuffled.shuffle(mixed)
        observations[name] = tuple(mixed)
    again = History(entries=tuple(entries), observations=observations)
    found = judge_game_day(made.plan, again, made.ledgers, made.read_backs, made.subscriptions)
    assert to_json(found) == expected
