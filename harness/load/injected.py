"""What became of one load: from what its workers reported, and from the samples they left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.load.config import InjectorReport
from harness.load.schedule import instants
from harness.model.instant import Instant
from harness.model.load_profile import Profile
from harness.model.sample import DTYPE, Answer
from harness.ports import LoadProgress


@dataclass(frozen=True, kw_only=True)
class Injected:
    """What became of one load."""

    began: Instant
    """The schedule's zero."""

    scheduled: int
    samples: tuple[str, ...]
    """Names of the files, one of each worker that wrote one."""

    lost_workers: tuple[str, ...]
    generator_cpu_s: float
    closed_loop: bool = False
    """A user's own locustfile: it waited for answers."""

    error: str | None = None


def scheduled(
    profile: Profile, peak: float, seed: int, files: Iterable[Path], *, closed_loop: bool
) -> int:
    """Arrivals of the schedule; users that wait have none, and what they asked stands for it."""
    if closed_loop:
        return sum(count(file) for file in files)
    return len(instants(profile, peak, seed))


def count(samples: Path) -> int:
    """Whole samples of a file."""
    return samples.stat().st_size // DTYPE.itemsize


def sent_any(samples: Path) -> bool:
    """Whether a request of the file was sent at all."""
    found = np.fromfile(samples, dtype=DTYPE, count=count(samples))
    return bool(np.any(found["answer"] != Answer.UNSENT))


def progress_of(reports: Sequence[InjectorReport], lasts_s: float) -> LoadProgress:
    """How far all workers together are."""
    return LoadProgress(
        elapsed_s=max((one.elapsed_s for one in reports), default=0.0),
        lasts_s=lasts_s,
        sent=sum(one.sent for one in reports),
        ended=sum(one.ended for one in reports),
        wrong=sum(one.wrong for one in reports),
        longest_lag_s=max((one.longest_lag_s for one in reports), default=0.0),
    )
