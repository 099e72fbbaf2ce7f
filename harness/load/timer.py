"""A timer of the kernel that an event loop can wait for: monotonic, and exact to microseconds.

libuv's own timers are of whole milliseconds (uv_timer_start), which at 2,000 requests per second is
twice the distance of two requests; and to poll the clock instead takes a whole processor.
"""

from __future__ import annotations

import ctypes
import os
import time

from harness.model.instant import NANOSECONDS_PER_SECOND

_RELATIVE = 0


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Setting(ctypes.Structure):
    """struct itimerspec (timerfd_create(2))."""

    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class Timer:
    """Its `descriptor` is readable when the time that was set is over; a new one makes it wait."""

    def __init__(self) -> None:
        """Not set yet. Raises OSError where the kernel has none left."""
        library = ctypes.CDLL(None, use_errno=True)
        # Python's own timerfd_create came with 3.13.
        self.descriptor: int = library.timerfd_create(
            time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC
        )
        if self.descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._setting = _Setting()
        self._value = self._setting.value
        self._pointer = ctypes.byref(self._setting)
        self._settime = library.timerfd_settime

    def set(self, within_ns: int) -> None:
        """Lets it be readable in so many nanoseconds of CLOCK_MONOTONIC; at once for 0 and less."""
        # Zero would disarm it.
        self._value.seconds, self._value.nanoseconds = divmod(
            max(within_ns, 1), NANOSECONDS_PER_SECOND
        )
        if self._settime(self.descriptor, _RELATIVE, self._pointer, None):
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def close(self) -> None:
        """Gives it back."""
        os.close(self.descriptor)
