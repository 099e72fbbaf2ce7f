"""Gives servers a clock in the past, so that a month of daily backups is made within seconds.

Documented retention is 30 days, and the practice platform is minutes old. Its servers are started
under libfaketime, whose clock begins 31 days ago and is moved on a day after each backup; the
backups are the tools' own, and are dated by the server's clock. Object stores, and whatever signs
requests to them, keep the true clock.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

from harness.drivers import shared_memory
from harness.errors import InputError
from harness.faults.places import Place

DAYS = 31
"""One more than the documented retention: the oldest point that is promised lies after the end of
the oldest backup only where that backup is older than the promise."""

_WRITTEN_BEFORE = timedelta(hours=1)
"""How long before a day's backup its writes are made. A backup is dated to the second: a write of
that second is neither surely in it nor surely not, and shows nothing of a restore."""

# Debian keeps it in a directory of the architecture, others beside all libraries.
_PLACES = tuple(
    f"{root}/{below}faketime/libfaketime.so.1"
    for root in ("usr/lib", "usr/lib64", "usr/local/lib")
    for below in ("*/", "")
)


class PastClock:
    """The clock of the servers that are started with its `environment`; it is never set back.

    libfaketime shares its state between processes in POSIX shared memory, which outlives a SIGKILL.
    So it is made here, under a name that tells the place it goes with: `forget` removes it, or
    faults.recover does.
    """

    def __init__(self, place: Place, name: str, *, rate: int = 1, user: str | None = None) -> None:
        """`rate` is how much faster than time it runs; `name` tells it from others of the place.

        A rate above 1 shortens the waits of the programs that run under it as well. `user` is the
        operating-system user whose programs live by it, where that is not this process's.
        Raises InputError where libfaketime is not installed.
        """
        self._library = _library()
        self._place = place.name
        self._name = name
        self._file = place.directory / f"{name}.clock"
        self._rate = rate
        self.set_back(timedelta(days=DAYS) + _WRITTEN_BEFORE)
        # ft_shared_s of libfaketime 0.9.10: two counters at zero, then the start times of its
        # clocks, of which (0 s, -1 ns) is "not yet known".
        state = struct.pack("<QQ", 0, 0) + struct.pack("<qq", 0, -1) * 8
        self._shared = shared_memory.make_posix(place.name, name, state, user)

    @property
    def environment(self) -> Mapping[str, str]:
        """What makes a program live by this clock.

        Only its wall clock: intervals are measured by CLOCK_MONOTONIC, which stays true.
        """
        return {
            # The C library comes before jemalloc, which redis-server is linked with: jemalloc asks
            # for the time before libfaketime is set up, which then calls malloc: a deadlock.
            "LD_PRELOAD": f"{self._library} libc.so.6",
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_SHARED": f"{self._shared} {self._shared}",
        }

    def set_back(self, behind: timedelta) -> None:
        """Sets the clock to so much before the true time; in effect at its next reading."""
        temporary = self._file.with_suffix(".new")
        rate = f" x{self._rate}" if self._rate != 1 else ""
        temporary.write_text(f"-{behind.total_seconds():.6f}{rate}\n", encoding="ascii")
        temporary.chmod(0o644)
        temporary.rename(self._file)

    def days(self) -> Iterator[int]:
        """31, 30, ... 1: sets the clock to an hour more than so many days ago, for a day's writes;
        each turn calls `backup_time` before its backup.
        """
        for day in range(DAYS, 0, -1):
            self.set_back(timedelta(days=day) + _WRITTEN_BEFORE)
            yield day

    def backup_time(self, day: int) -> None:
        """Sets the clock to so many days ago, when that day's backup is due."""
        self.set_back(timedelta(days=day))

    def forget(self) -> None:
        """Removes the shared state; call it when no program lives by this clock any more."""
        shared_memory.remove_posix(self._place, self._name)


def _library() -> Path:
    for pattern in _PLACES:
        for found in sorted(Path("/").glob(pattern)):
            return found
    raise InputError(
        "libfaketime: not found, needed for the practice platform's past",
        hint="make setup  # or: apt-get install faketime",
    )
