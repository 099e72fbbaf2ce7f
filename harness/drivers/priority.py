"""Puts this process before others on the machine's processors: one that measures must not wait."""

from __future__ import annotations

import contextlib
import os

_NICE = -10
_REAL_TIME = 1
"""The lowest of the real-time priorities: before all that is ordinary, behind the kernel's own."""


def run_before_others() -> None:
    """Real-time scheduling, round robin; where that is not allowed, a lower nice value; else none.

    A nice value alone does little: under autogrouping it counts only among the processes of one
    session (sched(7), "The autogroup feature"). The kernel keeps a twentieth of each second for
    ordinary processes, whatever this one does (sched(7), sched_rt_runtime_us). Threads that
    begin later have what this one has.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(_REAL_TIME))
    except OSError:  # only root may, and not in every control group
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, _NICE)
