"""Turns the first SIGINT or SIGTERM into an exception; healing is not interrupted by more."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from harness.drivers import process
from harness.errors import Interrupted


@contextmanager
def interruptible(told: Callable[[], None] | None = None) -> Iterator[None]:
    """Within it, the first SIGINT or SIGTERM ends running tools and raises Interrupted.

    `told` is called at once, before anything is put back: whoever sent the signal may wait for it.
    A second one only says that healing is under way: putting things back must not be cut short.
    """
    seen: list[signal.Signals] = []

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if seen:
            sys.stderr.write("healing: everything is being put back, please wait\n")
            return
        seen.append(signal.Signals(number))
        if told is not None:
            told()
        process.interrupt_children()
        raise Interrupted(seen[0])

    before = {number: signal.signal(number, on_signal) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_SIGNALS = (signal.SIGINT, signal.SIGTERM)
