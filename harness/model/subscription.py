"""Subscriptions: what was published to a broker, and what each subscriber heard, line by line.

One file of observations/ holds the events of one publisher and all its subscribers, one JSON object
each, in the order in which they were written. All times are monotonic nanoseconds of the host that
publishes and subscribes: one clock.
"""

from __future__ import annotations

import msgspec

from harness.model.history import Outcome


class _Event(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="event"
):
    pass


class Published(_Event, frozen=True, kw_only=True, tag="published"):
    """One message was handed to the broker, or was meant to be."""

    seq: int
    """From 1, without a gap: a due time that the publisher itself missed takes no number."""

    scheduled_ns: int
    started_ns: int
    ended_ns: int
    outcome: Outcome
    """OK: the broker took it. FAIL: nothing was sent, or it was refused. INDETERMINATE: sent, and
    not answered; subscribers may have heard it."""

    receivers: int | None = None
    """How many subscribers the node asked says it gave it to. In a cluster that are its own only
    (PUBLISH, manual page), so it is no witness of delivery."""

    detail: str = ""


class Received(_Event, frozen=True, kw_only=True, tag="received"):
    """One subscriber heard one message."""

    subscriber: str
    seq: int
    at_ns: int


class Subscribed(_Event, frozen=True, kw_only=True, tag="subscribed"):
    """A node confirmed a subscription: from now on its messages are heard."""

    subscriber: str
    at_ns: int
    node: str
    """`host:port`."""


class Unsubscribed(_Event, frozen=True, kw_only=True, tag="unsubscribed"):
    """A subscriber found its connection gone, or could not make one; at most one in a row."""

    subscriber: str
    at_ns: int
    reason: str


SubscriptionEvent = Published | Received | Subscribed | Unsubscribed
"""One line of the file of a SubscriptionsRecorded."""
