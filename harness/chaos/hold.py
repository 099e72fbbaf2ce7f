"""Keeps what is broken broken, until the supervisor has seen enough."""

from __future__ import annotations

from harness.chaos import context
from harness.chaos.activity import action
from harness.drivers.clock import wait_until
from harness.errors import DeadlineExceededError

_EVERY_S = 0.1


@action
def hold() -> str:
    """Waits for the release file, at most until the configuration's deadline; which of them came.

    After a failed action it does not wait: there is nothing to be watched. Nor where the supervisor
    is gone: nobody watches, and the rollbacks are next.
    """
    config = context.current()
    try:
        wait_until(
            lambda: config.release.exists() or not context.is_supervised(),
            within_s=config.deadline.total_seconds(),
            what="the release by the supervisor",
            every_s=_EVERY_S,
        )
    except DeadlineExceededError:
        return "the deadline"
    return "the supervisor" if context.is_supervised() else "the supervisor is gone"
