"""Locust's part in an open loop: one user for each worker, who has an injector send the load.

No user waits for an answer, and nothing is counted request by request: Locust says when it begins
and when it ends, and shows what the injectors report.
"""

from __future__ import annotations

from typing import ClassVar

import gevent  # type: ignore[import-untyped]
import locust
from locust.exception import StopUser

from harness.load.locust_conducting import Conductor
from harness.load.share import Share

_LOOKS_EVERY_S = 0.1


class OpenLoopUser(locust.User):
    """Has its worker's share injected. A second one in a process finds it begun, and waits too:
    Locust moves users between workers when one of them is silent for a moment.
    """

    share: ClassVar[Share | None] = None

    @locust.task
    def inject(self) -> None:
        """To the end of the share; a stop of Locust's ends it by way of the event `test_stop`."""
        if self.share is None:
            return
        self.share.begin()
        while not self.share.ended:
            gevent.sleep(_LOOKS_EVERY_S)
        raise StopUser


class OpenLoopShape(locust.LoadTestShape):
    """A user for each worker, until all injectors have ended."""

    conductor: ClassVar[Conductor | None] = None

    def tick(self) -> tuple[int, float] | None:
        """How many users, and how many more a second."""
        conductor = self.conductor
        if conductor is None:
            return None
        conductor.begin()
        if conductor.over():
            return None
        return conductor.workers, float(conductor.workers)
