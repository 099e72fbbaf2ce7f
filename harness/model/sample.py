"""Samples: what came of each request of a load, on one clock; never bucketed, never averaged.

A file of samples (`*.samples`) is an array of DTYPE, little-endian, appended to as answers come: in
the order of their ends, not of their beginnings. Files of several workers are merged by
concatenation, which loses nothing.
"""

from __future__ import annotations

import enum

import numpy as np


class Answer(enum.IntEnum):
    """What came of one request. All but OK are errors to its user."""

    OK = 0
    """The right status and the right body."""

    WRONG_STATUS = 1
    WRONG_BODY = 2
    """The right status, without what the body must say."""

    TIMEOUT = 3
    REFUSED = 4
    """No connection: refused, unreachable."""

    CUT = 5
    """The connection ended before the answer did."""

    TLS = 6
    """The other side is not who it should be, or speaks no TLS."""

    NAME = 7
    """Its name was not resolved."""

    PROTOCOL = 8
    """What came is no HTTP."""

    UNSENT = 9
    """It was due, and the generator ended before it was sent, or before its answer came: no
    answer of the service, it counts against the coverage of the schedule, never as an error."""


DTYPE = np.dtype(
    [
        ("intended", "<i8"),  # when the schedule wanted it sent
        ("sent", "<i8"),  # when the generator turned to it: sent - intended is its lag
        ("ended", "<i8"),  # when its answer was complete, or was given up
        ("status", "<i2"),  # HTTP; 0: there was none
        ("answer", "u1"),  # an Answer
    ]
)
"""All times: CLOCK_MONOTONIC of the generator's machine, nanoseconds after the load's beginning.

`ended - intended` is the response time of its user, who comes when the schedule says so and knows
nothing of the generator (coordinated omission: G. Tene, "How NOT to Measure Latency", 2013).
"""
