"""When the checkout service is ready, and which messages its subscriber misses."""

from __future__ import annotations

import importlib
import itertools
from typing import Any

import pytest

health = importlib.import_module("checkout.health")
log = importlib.import_module("checkout.log")
sequence = importlib.import_module("checkout.sequence")

Value = Any
"""Of a class that is imported at run time."""


def answering() -> Value:
    """Both dependencies answered at second 100; answers are good for 3 s."""
    subject = health.Health(3.0, ("postgresql", "redis"))
    subject.answered("postgresql", 100.0)
    subject.answered("redis", 100.0)
    return subject


def test_nothing_is_ready_before_everything_answered() -> None:
    subject = health.Health(3.0, ("postgresql", "redis"))
    assert not subject.ready(0.0)
    subject.answered("redis", 0.0)
    assert subject.away(0.0) == {"postgresql": "has not answered yet"}


def test_one_failure_is_no_outage() -> None:
    """Until the last good answer is stale."""
    subject = answering()
    subject.failed("redis", "no answer within 500 ms")
    assert subject.ready(103.0)
    assert subject.away(103.1)["redis"] == "no answer within 500 ms"
    assert not subject.ready(103.1)


def test_an_answer_makes_ready_again() -> None:
    subject = answering()
    subject.failed("redis", "gone")
    subject.answered("postgresql", 110.0)
    assert subject.away(110.0) == {"redis": "gone"}
    subject.answered("redis", 110.0)
    assert subject.ready(110.0)


def test_a_watcher_that_hangs_is_noticed() -> None:
    """No failure was reported, but no answer either."""
    assert answering().away(104.0) == {
        "postgresql": "silent for more than 3 s",
        "redis": "silent for more than 3 s",
    }


def test_who_stops_is_not_ready() -> None:
    subject = answering()
    subject.stopping = True
    assert not subject.ready(100.0)
    report = subject.report(100.0)
    assert (report["ready"], report["stopping"], report["away"]) == (False, True, {})


def seen(*numbers: int) -> Value:
    subject = sequence.Sequences()
    for number in numbers:
        subject.see("a", number)
    return subject


def test_counting_starts_with_the_first_message_seen() -> None:
    assert (seen(500, 501).missing, seen().missing) == (0, 0)


def test_skipped_numbers_are_missing() -> None:
    subject = seen(1, 2, 5, 6, 9)
    assert (subject.messages, subject.gaps, subject.missing) == (5, 2, 4)


@pytest.mark.parametrize("numbers", list(itertools.permutations((2, 3, 4))))
def test_messages_may_overtake_each_other(numbers: tuple[int, ...]) -> None:
    """Whatever the order, all have come."""
    assert seen(1, *numbers, 5).missing == 0


def test_what_comes_again_is_no_loss() -> None:
    subject = seen(1, 2, 2, 3)
    assert (subject.repeated, subject.missing) == (1, 0)


def test_publishers_have_numbers_of_their_own() -> None:
    subject = seen(1, 2)
    subject.see("b", 40)
    subject.see("b", 42)
    assert (subject.publishers, subject.missing) == (2, 1)


def test_a_long_silence_takes_no_memory_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be remembered stays missing."""
    monkeypatch.setattr(sequence, "MOST_REMEMBERED", 10)
    subject = seen(1, 102)
    assert subject.missing == 100
    subject.see("a", 2)
    assert subject.missing == 99


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "4bf9"),
        ("00-short-00f067aa0ba902b7-01", None),
        ("", None),
        (None, None),
    ],
)
def test_the_trace_id_of_a_request(header: str | None, expected: str | None) -> None:
    found = log.trace_id(header)
    assert (found and found[:4]) == expected
