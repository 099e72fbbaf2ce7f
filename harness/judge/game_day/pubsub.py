"""Turns what subscribers heard into answers, and counts what they did not hear. Pure.

Pub/Sub delivers at most once (Redis documentation, "Redis Pub/Sub", Delivery semantics): a message
that nobody heard is no lost write, and no RPO is about it. What a subscriber can be asked for is
that it hears again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.model.history import Observation, Outcome
from harness.model.instant import NANOSECONDS_PER_SECOND, Bracket
from harness.model.subscription import (
    Published,
    Received,
    Subscribed,
    SubscriptionEvent,
    Unsubscribed,
)

_NOT_HEARD = "not heard"

TIMEOUT_NS = NANOSECONDS_PER_SECOND
"""A message that is heard later than a second after it was published counts as delivered, but not
as a right answer: the same patience as that of the other ways in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What one subscriber heard of one trial's messages."""

    subscriber: str
    taken: int
    """Messages that the broker took."""

    heard: int
    """Those of them that the subscriber heard."""

    gaps: tuple[tuple[int, int], ...]
    """First and last number of each run of messages that were taken and not heard."""

    cut_off_ns: int | None
    """When it first found its connection gone after the fault; None: it kept it."""

    subscribed_ns: int | None
    """When it was subscribed again for the last time; None: never, or never cut off."""


def probe_class(subject: str, subscriber: str) -> str:
    """The name of the class of answers that one subscriber's hearing is."""
    return f"{subject}: heard by {subscriber}"


def as_observations(
    events: Sequence[SubscriptionEvent], subscriber: str
) -> tuple[Observation, ...]:
    """Each message as a probe: right where the subscriber heard it in time.

    One message that is missing between two that were heard is left out: at-most-once allows it, the
    subscription was there, and the gap is counted in `deliveries`. Two in a row are wrong answers.
    """
    heard = _heard(events, subscriber)
    answers = [_observation(one, heard.get(one.seq)) for one in _published(events)]
    return tuple(one for index, one in enumerate(answers) if not _is_lone_gap(answers, index))


def _is_lone_gap(answers: Sequence[Observation], index: int) -> bool:
    if answers[index].detail != _NOT_HEARD or not 0 < index < len(answers) - 1:
        return False
    return all(answers[beside].outcome is Outcome.OK for beside in (index - 1, index + 1))


def deliveries(
    events: Sequence[SubscriptionEvent], subscribers: Sequence[str], fault: Bracket | None
) -> Iterator[Delivery]:
    """What each subscriber heard, in their order."""
    taken = [one.seq for one in _published(events) if one.outcome is Outcome.OK]
    for subscriber in subscribers:
        heard = _heard(events, subscriber)
        cut_off, again = _subscribed_again(events, subscriber, fault)
        yield Delivery(
            subscriber=subscriber,
            taken=len(taken),
            heard=sum(seq in heard for seq in taken),
            gaps=tuple(_gaps(taken, heard)),
            cut_off_ns=cut_off,
            subscribed_ns=again,
        )


def _published(events: Sequence[SubscriptionEvent]) -> list[Published]:
    return sorted(
        (one for one in events if isinstance(one, Published)), key=lambda one: one.scheduled_ns
    )


def _heard(events: Sequence[SubscriptionEvent], subscriber: str) -> dict[int, int]:
    """Message -> when it was first heard."""
    found: dict[int, int] = {}
    for one in events:
        if isinstance(one, Received) and one.subscriber == subscriber:
            found[one.seq] = min(one.at_ns, found.get(one.seq, one.at_ns))
    return found


def _observation(message: Published, heard_ns: int | None) -> Observation:
    """A message heard before its publisher had its own answer was heard at once."""
    in_time = heard_ns is not None and heard_ns - message.started_ns <= TIMEOUT_NS
    if in_time and heard_ns is not None:
        outcome, ended_ns, detail = Outcome.OK, heard_ns, ""
    elif message.outcome is Outcome.OK:
        outcome, ended_ns = Outcome.FAIL, message.started_ns + TIMEOUT_NS
        detail = _NOT_HEARD if heard_ns is None else "heard late"
    else:
        outcome, ended_ns, detail = message.outcome, message.ended_ns, message.detail
    return Observation(
        scheduled_ns=message.scheduled_ns,
        started_ns=message.started_ns,
        ended_ns=max(ended_ns, message.started_ns),
        outcome=outcome,
        detail=detail,
    )


def _gaps(taken: Sequence[int], heard: dict[int, int]) -> Iterator[tuple[int, int]]:
    first: int | None = None
    last = 0
    for seq in sorted(taken):
        if seq not in heard:
            first = seq if first is None else first
            last = seq
        elif first is not None:
            yield first, last
            first = None
    if first is not None:
        yield first, last


def _subscribed_again(
    events: Sequence[SubscriptionEvent], subscriber: str, fault: Bracket | None
) -> tuple[int | None, int | None]:
    if fault is None:
        return None, None
    own = [
        one
        for one in events
        if isinstance(one, (Subscribed, Unsubscribed))
        and one.subscriber == subscriber
        and one.at_ns >= fault.earliest_ns
    ]
    lost = [one.at_ns for one in own if isinstance(one, Unsubscribed)]
    if not lost:
        return None, None
    again = [one.at_ns for one in own if isinstance(one, Subscribed) and one.at_ns >= max(lost)]
    return min(lost), min(again, default=None)
