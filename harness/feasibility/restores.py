"""A restore takes its size divided by its rate: the documented size must fit into the RTO.

Where runs have measured how restores grow with their size, their line gives the time; where none
has, the rate that would be needed is said.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.feasibility.finding import Finding, Harm, Word, once
from harness.feasibility.ground import Ground, MeasuredRestore
from harness.model.quantity import bytes_of, show_bytes, show_duration
from harness.model.target import RecoveryTime, Volume

RULE = "restores-take-their-size"
LAW = "A restore takes as long as its size needs at its rate; that must fit into the RTO."
NEEDS = "a recovery time and the size of what it covers"

_GB = 10**9


def look(ground: Ground) -> Iterator[Finding]:
    """Each documented size against each recovery time that covers it."""
    for volume in ground.said(Volume):
        size = bytes_of(volume.objective.size)
        for rto in ground.said(RecoveryTime):
            for kind in volume.target.covers:
                if rto.covers(kind):
                    yield _compared(
                        f"{kind}, {rto.id}",
                        size,
                        rto.objective.at_most.total_seconds(),
                        ground.restore_of(kind),
                        once(rto.id, volume.id),
                    )


def _compared(
    about: str,
    size: int,
    limit_s: float,
    measured: MeasuredRestore | None,
    targets: tuple[str, ...],
) -> Finding:
    shown, limit = show_bytes(size), show_duration(limit_s)
    if measured is None:
        word, times, source = Word.TIGHT, None, ""
        needed = f"{show_bytes(size / limit_s)} per second"
        says = f"{shown} are back within {limit} only at {needed} from the first byte to the last"
        text = f"{shown} / {limit} = {needed}"
        resolve = "Measure it: harness run restores several sizes, and a later look takes the rate."
    else:
        seconds = measured.fixed_s + measured.per_gb_s * size / _GB
        over = seconds > limit_s
        word = Word.CONTRADICTION if over else Word.HOLDS
        says = f"a restore of {shown} takes {show_duration(seconds)}, as measured; RTO {limit}"
        text = (
            f"{show_duration(measured.fixed_s)} + {size / _GB:.4g} GB x {measured.per_gb_s:.3g} "
            f"s/GB = {show_duration(seconds)} {'>' if over else '<='} {limit}"
        )
        times, source = seconds / limit_s, measured.source
        resolve = (
            "Restore in parallel or from snapshots of the volume; or promise the time that a "
            "restore takes, beside failover."
            if over
            else ""
        )
    return Finding(
        rule=RULE,
        about=about,
        word=word,
        says=f"{about.partition(',')[0]}: {says}",
        sum=text,
        targets=targets,
        harm=Harm.OUTAGE,
        times=times,
        why="Fetching, decrypting, writing and replaying each byte is part of the time; starting "
        "the server and finding its way back to clients come on top.",
        resolve=resolve,
        assumes=("the recovery time is promised for a restore from backup, too",),
        sources=once(source),
    )
