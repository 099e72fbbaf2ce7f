"""Starts the processes that inject a load, follows them, and says what became of all of them.

Locust conducts: one process that has its own injector, or a master and its workers on loopback.
Nothing here imports it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from harness.drivers import process
from harness.drivers.clock import HostClock, wait_until
from harness.drivers.growing_file import GrowingFile
from harness.drivers.loopback import ADDRESS, free_ports
from harness.errors import DeadlineExceededError
from harness.load.config import HttpRequest, InjectorConfig, InjectorReport, LocustConfig, Role
from harness.load.injected import Injected, progress_of, scheduled, sent_any
from harness.load.zero import instant_of
from harness.model.codec import to_indented_json
from harness.model.load_profile import Profile
from harness.ports import LoadProgress

_CLOCK = HostClock()

_BEGINS_WITHIN_S = 90.0
"""From the start of the processes to the schedule's zero: a busy machine may be slow to import."""

_ENDS_WITHIN_S = 30.0
"""After the last arrival: a request's time-out, and the file."""

_LOOKS_EVERY_S = 0.2


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
    locustfile: Path | None = None,
    web_port: int | None = None,
) -> Injected:
    """Injects the load to its end, or until `should_stop` says why not further.

    `directory` is a place of the harness, and empty: whatever works in it at the end is killed.
    Files of samples are `<samples>/<name>-<worker>.samples`. A worker that dies is lost: the others
    go on, and what it wrote is kept. A load of no request at all has an error.

    `locustfile`: a user's own, whose users wait for answers; `peak` is then how many there are at a
    rate of 1.0. `web_port`: of Locust's own web page, on loopback, while the load lasts.
    """
    started_ns = _CLOCK.monotonic_ns()
    (master_port,) = free_ports(1)
    configs = [
        LocustConfig(
            role=Role.WORKER if workers > 1 else Role.ALONE,
            injector=InjectorConfig(
                request=request,
                profile=profile,
                peak=peak,
                seed=seed,
                samples=samples.absolute() / f"{name}-{worker}.samples",
                worker=worker,
                workers=workers,
            ),
            locustfile=None if locustfile is None else locustfile.absolute(),
            master_host=ADDRESS,
            master_port=master_port,
            web_port=web_port,
        )
        for worker in range(workers)
    ]
    lasts_s = profile.lasts.total_seconds()
    with contextlib.ExitStack() as stack:
        stack.callback(process.kill_below, directory)
        master = None
        if workers > 1:
            config = msgspec.structs.replace(configs[0], role=Role.MASTER)
            master = _Child("master", config, directory)
            stack.callback(master.stop)
        started = [_Worker(config, directory) for config in configs]
        for one in started:
            stack.callback(one.stop)
        ending = _Ending(name, started, master, should_stop)

        def ended() -> bool:
            over = ending.look()
            progress(progress_of(_reports(started), lasts_s))
            return over

        try:
            wait_until(
                ended,
                within_s=_BEGINS_WITHIN_S + lasts_s + request.timeout_s + _ENDS_WITHIN_S,
                what=f"the end of load {name}",
                every_s=_LOOKS_EVERY_S,
            )
        except DeadlineExceededError as error:
            ending.failure = str(error)
        # All at once: each of those that are ended one by one would go on in the meantime.
        for child in (*started, *([master] if master is not None else ())):
            child.tell_to_stop()
    progress(progress_of(_reports(started), lasts_s))
    files = [one.config.injector.samples for one in started]
    written = [one for one in files if one.exists()]
    closed_loop = locustfile is not None
    return Injected(
        began=instant_of(_began_ns(started) or started_ns),
        scheduled=scheduled(profile, peak, seed, written, closed_loop=closed_loop),
        samples=tuple(one.name for one in written),
        lost_workers=tuple(_lost(started)),
        generator_cpu_s=sum(one.cpu_s for one in _reports(started)),
        closed_loop=closed_loop,
        error=ending.why(written),
    )


class _Ending:
    """Whether a load is over, and why before its time."""

    def __init__(
        self,
        name: str,
        workers: Sequence[_Worker],
        master: _Child | None,
        should_stop: Callable[[], str | None],
    ) -> None:
        self.failure: str | None = None
        self._name = name
        self._workers = workers
        self._master = master
        self._should_stop = should_stop
        self._stopped: str | None = None

    def look(self) -> bool:
        """Takes in what all reported; whether there is nothing more to wait for."""
        # Before their reports: who is gone has written all that it will.
        gone = [one.ended for one in self._workers]
        master_gone = self._master is not None and self._master.ended
        for one in self._workers:
            one.look()
        finished = [
            is_gone or one.finished for is_gone, one in zip(gone, self._workers, strict=True)
        ]
        if all(finished):
            return True
        if master_gone and self._master is not None:
            self.failure = f"nobody conducted: {self._master.last_words()}"
        elif any(gone) and not any(one.report for one in self._workers):
            # The master would wait for it in vain.
            self.failure = f"the load did not begin: {next(_lost(self._workers))}"
        self._stopped = self._stopped or self._should_stop()
        return self.failure is not None or self._stopped is not None

    def why(self, files: Sequence[Path]) -> str | None:
        """Why it did not come to its end; None: it did."""
        lost = list(_lost(self._workers))
        if self.failure is not None or self._stopped is not None:
            return self.failure or self._stopped
        if len(lost) == len(self._workers):
            return f"no worker came to its end: {lost[0]}"
        if not any(map(sent_any, files)):
            return f"no request of load {self._name} came to its end"
        return None


class _Child:
    """One Locust process."""

    def __init__(self, name: str, config: LocustConfig, directory: Path) -> None:
        self.config = config
        self.name = name
        self._reports = directory / f"{name}.reports"
        self._log = directory / f"{name}.log"
        file = directory / f"{name}.json"
        file.write_bytes(to_indented_json(config))
        with self._reports.open("wb") as reports, self._log.open("wb") as log:
            self._child = process.start(
                [sys.executable, "-u", "-m", "harness.load.locust_child", file],
                directory=directory,
                stdout=reports,
                stderr=log,
            )

    @property
    def ended(self) -> bool:
        """Whether its process is gone."""
        return self._child.poll() is not None

    def tell_to_stop(self) -> None:
        """SIGTERM, without waiting for what comes of it."""
        if not self.ended:
            with contextlib.suppress(ProcessLookupError):
                self._child.terminate()

    def stop(self) -> None:
        """Ends it, where it has not ended."""
        process.stop(self._child)

    def last_words(self) -> str:
        """How it ended."""
        said = self._log.read_text(encoding="utf-8", errors="replace").strip()
        last = said.rpartition("\n")[2] or "it said nothing"
        return f"{self.name}: exit code {self._child.returncode}: {last}"


class _Worker(_Child):
    """One that has an injector below it, or users of its own."""

    def __init__(self, config: LocustConfig, directory: Path) -> None:
        self.report: InjectorReport | None = None
        super().__init__(f"worker-{config.injector.worker}", config, directory)
        self._lines = GrowingFile(self._reports)
        self._decoder = msgspec.json.Decoder(InjectorReport)

    @property
    def finished(self) -> bool:
        """Whether all of its samples are on disk."""
        return self.report is not None and self.report.done

    def look(self) -> None:
        """Takes in what it reported since the last look."""
        for line in self._lines.fresh():
            self.report = self._decoder.decode(line)

    def stop(self) -> None:
        """As any child; takes in its last report."""
        super().stop()
        self.look()

    def lost(self) -> str | None:
        """How it ended too early; None: it came to its end."""
        if self.finished and self.report is not None and self.report.error is None:
            return None
        number = self.config.injector.worker
        if self.report is not None and self.report.error is not None:
            return f"worker {number}: {self.report.error}"
        return f"worker {number}: {self.last_words().partition(': ')[2]}"


def _lost(workers: Sequence[_Worker]) -> Iterator[str]:
    return (told for one in workers if (told := one.lost()) is not None)


def _reports(workers: Sequence[_Worker]) -> list[InjectorReport]:
    return [one.report for one in workers if one.report is not None]


def _began_ns(workers: Sequence[_Worker]) -> int | None:
    """The zero, which is the same for all of them."""
    return next((one.began_ns for one in _reports(workers)), None)
