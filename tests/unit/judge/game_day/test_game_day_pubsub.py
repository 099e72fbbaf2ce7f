"""Subscribers that hear again, what they did not hear, and that neither is an RPO."""

from __future__ import annotations

from datetime import timedelta

import game_days as make
import pytest
from constructors import SECOND
from msgspec.structs import replace

from harness.judge.game_day.pubsub import as_observations, deliveries
from harness.model.game_day import Way
from harness.model.history import Outcome, SubscriptionsRecorded
from harness.model.subscription import Published, Received
from harness.model.target import Kind, RecoveryTime, Target
from harness.model.verdict import Verdict

HEARD = "recovery-time/broker-kill/events"
TRIAL = make.trial(scenario="broker-kill", ways=(Way.PUBSUB,))
RTO = replace(make.RTO_TARGET, covers=(Kind.BROKER,))


def broker_day(deaf: dict[str, tuple[float, float]], target: Target = RTO) -> make.Day:
    made = make.Day(make.plan(TRIAL, workloads=(make.EVENTS,), targets=(target,)))
    made.begin(TRIAL).add(0.1, make.broken(TRIAL)).add(31, make.rolled_back(TRIAL))
    fact = make.subscribed(TRIAL, *deaf)
    made.subscriptions[fact.file] = make.messages(deaf)
    return made.add(56, fact).end(TRIAL)


def test_nothing_recorded_is_inconclusive() -> None:
    """Neither without the fact, nor without its file, nor without a subscriber."""
    missing = broker_day({"one": (0, 2)}).drop(SubscriptionsRecorded)
    assert missing.finding(HEARD).verdict is Verdict.INCONCLUSIVE
    empty = broker_day({"one": (0, 2)})
    empty.subscriptions.clear()
    assert empty.finding(HEARD).verdict is Verdict.INCONCLUSIVE
    assert broker_day({}).finding(HEARD).verdict is Verdict.INCONCLUSIVE


def test_a_subscriber_hears_again() -> None:
    """Judged by when it heard again; the ratio and the gaps are told beside it."""
    made = broker_day({"one": (0, 2), "two": (0, 0)})
    found = made.finding(HEARD)
    assert found.verdict is Verdict.PASS
    assert "heard by one: back after 2 s" in found.headline
    one, two = made.judged().recoveries[0].hearings
    assert (one.taken, one.heard, one.gap_count) == (600, 580, 1)
    assert one.gaps == ((101, 120),)
    assert one.ratio == pytest.approx(580 / 600, abs=1e-6)
    assert one.cut_off_s == pytest.approx(0.05)
    assert one.subscribed_s == pytest.approx(1.98)
    assert (two.ratio, two.gaps, two.cut_off_s) == (1.0, (), None)
    assert not [f for f in made.judged().findings if f.check == "recovery-point"]


def test_one_deaf_subscriber_is_a_miss() -> None:
    """Every subscriber must hear again; that another does is no excuse."""
    strict = replace(RTO, objective=RecoveryTime(at_most=timedelta(seconds=5)))
    found = broker_day({"one": (0, 0), "two": (0, 90)}, strict).finding(HEARD)
    assert found.verdict is Verdict.FAIL
    assert "heard by two: not back by itself" in found.headline


def test_heard_late_is_delivered_but_no_right_answer() -> None:
    """A message of two seconds ago is no proof that the way is open now."""
    sent = Published(
        seq=1, scheduled_ns=0, started_ns=0, ended_ns=10, outcome=Outcome.OK, receivers=1
    )
    late = Received(subscriber="one", seq=1, at_ns=2 * SECOND)
    (seen,) = as_observations((sent, late), "one")
    assert (seen.outcome, seen.detail) == (Outcome.FAIL, "heard late")
    (delivery,) = deliveries((sent, late, late), ("one",), None)
    assert (delivery.taken, delivery.heard, delivery.gaps) == (1, 1, ())


def test_a_message_that_was_refused_is_no_gap() -> None:
    """The broker never took it: nobody could hear it, and the way in was shut."""
    events = tuple(
        Published(
            seq=seq,
            scheduled_ns=seq,
            started_ns=seq,
            ended_ns=seq,
            outcome=Outcome.FAIL if seq == 2 else Outcome.OK,
        )
        for seq in (1, 2, 3)
    )
    (delivery,) = deliveries(events, ("one",), None)
    assert (delivery.taken, delivery.heard) == (2, 0)
    assert delivery.gaps == ((1, 3),)
    assert [one.outcome for one in as_observations(events, "one")] == [Outcome.FAIL] * 3


def test_one_message_that_is_missing_alone_is_no_outage() -> None:
    """At-most-once allows it; it is counted as a gap. Two in a row are wrong answers."""
    sent = [
        Published(
            seq=seq, scheduled_ns=seq, started_ns=seq, ended_ns=seq, outcome=Outcome.OK, receivers=1
        )
        for seq in range(1, 7)
    ]

    def heard(*seqs: int) -> list[Received]:
        return [Received(subscriber="one", seq=seq, at_ns=seq) for seq in seqs]

    alone = as_observations([*sent, *heard(1, 2, 4, 5, 6)], "one")
    assert [seen.outcome for seen in alone] == [Outcome.OK] * 5
    (delivery,) = deliveries([*sent, *heard(1, 2, 4, 5, 6)], ("one",), None)
    assert delivery.gaps == ((3, 3),)
    for missing in ((1, 2, 5, 6), (2, 3, 4, 5, 6), (1, 2, 3, 4, 5)):
        seen = as_observations([*sent, *heard(*missing)], "one")
        assert Outcome.FAIL in [one.outcome for one in seen], missing
