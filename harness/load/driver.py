"""Starts the processes that inject a load, follows them, and says what became of all of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec

from harness.drivers import process
from harness.drivers.clock import HostClock, wait_until
from harness.drivers.growing_file import GrowingFile
from harness.errors import DeadlineExceededError
from harness.load.config import HttpRequest, InjectorConfig, InjectorReport
from harness.load.schedule import instants
from harness.model.codec import to_indented_json
from harness.model.instant import NANOSECONDS_PER_SECOND, Instant, seconds
from harness.model.load_profile import Profile
from harness.ports import LoadProgress

_CLOCK = HostClock()

_BEGINS_AFTER_NS = 2 * NANOSECONDS_PER_SECOND
"""From the start of the workers to the schedule's zero: a Python process imports for a second."""

_ENDS_WITHIN_S = 30.0
"""After the last arrival: a request's time-out, and the file."""

_LOOKS_EVERY_S = 0.2


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
    error: str | None = None


def inject(  # noqa: PLR0913 - what is sent, how, from where
    request: HttpRequest,
    profile: Profile,
    *,
    peak: float,
    seed: int,
    workers: int,
    directory: Path,
    samples: Path,
    name: str,
    should_stop: Callable[[], str | None],
    progress: Callable[[LoadProgress], None],
) -> Injected:
    """Injects the load to its end, or until `should_stop` says why not further.

    `directory` is a place of the harness; files of samples are `<samples>/<name>-<worker>.samples`.
    A worker that dies is lost: the others go on, and what it wrote is kept.
    """
    zero_ns = _CLOCK.monotonic_ns() + _BEGINS_AFTER_NS
    started = [
        _Worker(
            InjectorConfig(
                request=request,
                profile=profile,
                peak=peak,
                seed=seed,
                samples=samples.absolute() / f"{name}-{worker}.samples",
                worker=worker,
                workers=workers,
                begin_ns=zero_ns,
            ),
            directory,
        )
        for worker in range(workers)
    ]
    scheduled = len(instants(profile, peak, seed))
    lasts_s = profile.lasts.total_seconds()
    stopped: str | None = None

    def ended() -> bool:
        nonlocal stopped
        for one in started:
            one.look()
        progress(_progress(started, lasts_s))
        stopped = stopped or should_stop()
        return stopped is not None or all(one.ended for one in started)

    failure = None
    try:
        wait_until(
            ended,
            within_s=seconds(_BEGINS_AFTER_NS) + lasts_s + request.timeout_s + _ENDS_WITHIN_S,
            what=f"the end of load {name}",
            every_s=_LOOKS_EVERY_S,
        )
    except DeadlineExceededError as error:
        failure = str(error)
    finally:
        for one in started:
            one.stop()
    lost = tuple(_lost(started))
    if failure is None and stopped is None and len(lost) == len(started):
        failure = f"no worker came to its end: {lost[0]}"
    return Injected(
        began=_instant(zero_ns),
        scheduled=scheduled,
        samples=tuple(one.config.samples.name for one in started if one.config.samples.exists()),
        lost_workers=lost,
        generator_cpu_s=sum(one.report.cpu_s for one in started if one.report is not None),
        error=failure or stopped,
    )


class _Worker:
    """One injector."""

    def __init__(self, config: InjectorConfig, directory: Path) -> None:
        self.config = config
        self.report: InjectorReport | None = None
        name = f"worker-{config.worker}"
        self._reports = directory / f"{name}.reports"
        self._log = directory / f"{name}.log"
        file = directory / f"{name}.json"
        file.write_bytes(to_indented_json(config))
        self._lines = GrowingFile(self._reports)
        self._decoder = msgspec.json.Decoder(InjectorReport)
        with self._reports.open("wb") as reports, self._log.open("wb") as log:
            self._child = process.start(
                [sys.executable, "-m", "harness.load.injector", file],
                directory=directory,
                stdout=reports,
                stderr=log,
            )

    @property
    def ended(self) -> bool:
        """Whether its process is gone."""
        return self._child.poll() is not None

    def look(self) -> None:
        """Takes in what it reported since the last look."""
        for line in self._lines.fresh():
            self.report = self._decoder.decode(line)

    def stop(self) -> None:
        """Ends it, where it has not ended; takes in its last report."""
        process.stop(self._child)
        self.look()

    def lost(self) -> str | None:
        """How it ended too early; None: it came to its end."""
        if self.report is not None and self.report.done and self.report.error is None:
            return None
        if self.report is not None and self.report.error is not None:
            return f"worker {self.config.worker}: {self.report.error}"
        said = self._log.read_text(encoding="utf-8", errors="replace").strip()
        last = said.rpartition("\n")[2] or "it said nothing"
        return f"worker {self.config.worker}: exit code {self._child.returncode}: {last}"


def _lost(workers: Sequence[_Worker]) -> Iterator[str]:
    return (told for one in workers if (told := one.lost()) is not None)


def _progress(workers: Sequence[_Worker], lasts_s: float) -> LoadProgress:
    reports = [one.report for one in workers if one.report is not None]
    return LoadProgress(
        elapsed_s=max((one.elapsed_s for one in reports), default=0.0),
        lasts_s=lasts_s,
        sent=sum(one.sent for one in reports),
        ended=sum(one.ended for one in reports),
        wrong=sum(one.wrong for one in reports),
        longest_lag_s=max((one.longest_lag_s for one in reports), default=0.0),
    )


def _instant(monotonic_ns: int) -> Instant:
    """That moment on both clocks, by the distance that they have now."""
    now = _CLOCK.now()
    since = timedelta(microseconds=(now.monotonic_ns - monotonic_ns) / 1000)
    return Instant(monotonic_ns=monotonic_ns, utc=now.utc - since)
