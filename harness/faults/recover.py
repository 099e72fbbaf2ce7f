"""Puts back what a killed harness left: places, what runs in them, and shared memory."""

from __future__ import annotations

from collections.abc import Callable

from harness.drivers import detached, shared_memory
from harness.drivers.seaweedfs_sockets import remove_dead_sockets
from harness.faults.places import Place, Places


def recover(
    places: Places, *, ready: Callable[[Place], bool] = lambda _place: True
) -> tuple[str, ...]:
    """Removes every place whose owner is gone; a line for each thing that was removed.

    A place that is not ready to go stays. Raises HealError where something cannot be removed; its
    declaration then stays.
    """
    done = tuple(
        line for place in places.abandoned() if ready(place) for line in clear(places, place)
    )
    if done:
        remove_dead_sockets()
    return done


def clear(places: Places, place: Place) -> tuple[str, ...]:
    """Removes one place and what its servers left outside it; a line for each thing there was."""
    killed_detached = detached.kill_configured_below(place.directory)
    segments = shared_memory.segments_below(place.directory)
    killed = places.remove(place)
    return (
        *(f"process {pid}, detached from {place.name}" for pid in killed_detached),
        *killed,
        *shared_memory.remove_segments(segments),
        *shared_memory.remove_posix(place.name),
        f"directory {place.directory}",
    )
