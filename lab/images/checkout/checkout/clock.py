"""Reads the one clock that intervals are measured with."""

import time

# Not the event loop's: that one is in whole milliseconds, and as of its last turn.
now = time.monotonic  # noqa: TID251 - this module is here for that
