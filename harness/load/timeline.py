"""Records what scales a service, once a second, until SIGTERM: a process of its own, that no load
and no judge can make late, and what starts it.

    python -m harness.load.timeline CONFIG.json
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import BinaryIO

import msgspec

from harness.drivers import process
from harness.drivers.clock import HostClock
from harness.drivers.growing_file import GrowingFile
from harness.drivers.kubernetes import Cluster
from harness.drivers.kubernetes_connection import Connection
from harness.errors import HarnessError, InputError, Interrupted, RecordError, SurroundingsError
from harness.load.looking import Looks, OneLook, Service
from harness.model.autoscaling import AutoscalerSettings, Sighting, Timings
from harness.model.cluster import ClusterAccess
from harness.model.codec import from_json, to_indented_json
from harness.model.history import TimelineRecorded
from harness.model.instant import NANOSECONDS_PER_SECOND, seconds
from harness.model.workload import HttpWorkload
from harness.ports import Clock
from harness.probes.open_loop import Sink

_CLOCK = HostClock()


class TimelineConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file that `python -m harness.load.timeline FILE` reads."""

    kubeconfig: Path
    context: str
    uid: str
    """Of the namespace kube-system: another one is another cluster."""

    service: Service
    output: Path
    """Made or appended to: one Sighting a line, in the order of their instants."""

    interval_ns: int = NANOSECONDS_PER_SECOND
    """Between the beginnings of two looks."""

    usages_every_ns: int = 3 * NANOSECONDS_PER_SECOND
    """Between two reads of the metrics API, which changes once a scrape."""

    scrape_ns: int = 15 * NANOSECONDS_PER_SECOND
    """How often metrics-server measures; after three without a newer measurement, usages are
    stale."""

    def __post_init__(self) -> None:
        if self.interval_ns < 1_000_000 or self.scrape_ns <= 0:
            raise ValueError(
                f"got interval_ns={self.interval_ns}, scrape_ns={self.scrape_ns}, expected an "
                "interval of 1 ms or more, and scrapes"
            )


def timeline_config(  # noqa: PLR0913 - what it is made of
    trial: str,
    access: ClusterAccess,
    workload: HttpWorkload,
    controller: str,
    autoscaler: AutoscalerSettings | None,
    timings: Timings,
    directory: Path,
) -> TimelineConfig:
    """What looks at a service during one trial, into `<directory>/<trial>.timeline.jsonl`.

    `controller`: as harness.drivers.autoscaling.controller_of says.
    """
    return TimelineConfig(
        kubeconfig=access.kubeconfig.absolute(),
        context=access.identity.context,
        uid=access.identity.uid,
        service=Service(
            namespace=workload.namespace,
            pods=workload.pods,
            service=workload.service,
            controller=controller,
            autoscaler=None if autoscaler is None else autoscaler.name,
        ),
        output=directory.absolute() / f"{trial}.timeline.jsonl",
        scrape_ns=round(timings.scrape_s * NANOSECONDS_PER_SECOND),
    )


# --- the process -----------------------------------------------------------------------------


def record(
    look: Callable[[], Sighting],
    write: Callable[[Sighting], None],
    *,
    interval_ns: int,
    stopping: Callable[[float], bool],
    clock: Clock = _CLOCK,
) -> None:
    """Looks on an absolute schedule until `stopping(seconds)`, which waits so long at most.

    One look at a time: a look that takes longer than an interval leaves out those that were due
    meanwhile, and the gap says so.
    """
    start_ns = clock.monotonic_ns()
    number = 0
    while not stopping(max(0.0, seconds(start_ns + number * interval_ns - clock.monotonic_ns()))):
        write(look())
        late = (clock.monotonic_ns() - start_ns) // interval_ns
        number = max(number, late) + 1


class _Told:
    """What SIGTERM and SIGINT do: they cut a look short, and never a line that is written."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self._interruptible = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._take)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        self.event.set()
        if self._interruptible:
            self._interruptible = False
            raise Interrupted(signal.Signals(number))

    @contextlib.contextmanager
    def may_interrupt(self) -> Iterator[None]:
        """Within it, a signal raises Interrupted: a silent API is not waited for."""
        self._interruptible = True
        try:
            if self.event.is_set():
                raise Interrupted(signal.SIGTERM)
            yield
        finally:
            self._interruptible = False


def main(arguments: Sequence[str]) -> int:
    """Records until it is told to stop; the exit code."""
    if len(arguments) != 1:
        print("usage: python -m harness.load.timeline CONFIG.json", file=sys.stderr)  # noqa: T201
        return 2
    told = _Told()
    with contextlib.suppress(OSError):  # only root may
        # A load keeps every processor busy; who waits for one sees nothing.
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    try:
        with contextlib.suppress(Interrupted):
            _record(read_config(Path(arguments[0])), told)
    except HarnessError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


def read_config(file: Path) -> TimelineConfig:
    """Reads a configuration; InputError with the path within the file."""
    try:
        return from_json(file.read_bytes(), TimelineConfig)
    except (OSError, msgspec.DecodeError) as error:
        raise InputError(f"{file}: {error}", hint="python -m harness.load.timeline") from error


def _record(config: TimelineConfig, told: _Told) -> None:
    transport = OneLook(
        Connection.by_kubeconfig(config.kubeconfig, config.context),
        _CLOCK,
        lasts_ns=config.interval_ns,
    )
    looks = Looks(
        # No pause before a read is repeated: the next look is one.
        Cluster(transport, config.context, pause=lambda _seconds: None),
        config.uid,
        config.service,
        _CLOCK,
        usages_every_ns=config.usages_every_ns,
        scrape_ns=config.scrape_ns,
    )

    def look() -> Sighting:
        transport.begin()
        with told.may_interrupt():
            return looks.look()

    with _opened(config.output) as output:
        sink = Sink(output)

        def write(sighting: Sighting) -> None:
            sink.write(sighting)
            if sink.failure is not None:
                raise sink.failure

        record(look, write, interval_ns=config.interval_ns, stopping=told.event.wait)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("ab")
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}") from error


# --- who starts it ---------------------------------------------------------------------------


class TimelineProcess:
    """ports.RunningTimeline: the process, and what it has seen so far."""

    def __init__(self, trial: str, config: TimelineConfig, directory: Path) -> None:
        """Starts it; it works in `directory`, a place of the harness."""
        self._trial = trial
        self._config = config
        self._log = directory / "timeline.log"
        file = directory / "timeline.json"
        file.write_bytes(to_indented_json(config))
        config.output.touch()  # one that is ended before its first look has a file, too
        self._file = GrowingFile(config.output)
        self._decoder = msgspec.json.Decoder(Sighting)
        self._looks = 0
        self._newest: Sighting | None = None
        self._recorded: TimelineRecorded | None = None
        self._child = process.start(
            [sys.executable, "-m", "harness.load.timeline", file],
            directory=directory,
            log=self._log,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    def now(self) -> Sighting | None:
        """The newest look; None: there is none yet. SurroundingsError where the process died."""
        error = self._died()
        if error is not None and self._recorded is None:
            raise SurroundingsError(error)
        self._take_in()
        return self._newest

    def stop(self) -> TimelineRecorded:
        """Ends it; its file is then whole. May be called twice."""
        if self._recorded is None:
            error = self._died()
            process.stop(self._child)
            if error is None and self._child.returncode != 0:
                error = self._last_words()
            self._take_in()
            self._recorded = TimelineRecorded(
                trial=self._trial,
                file=self._config.output.name,
                looks=self._looks,
                error=error,
            )
        return self._recorded

    def _died(self) -> str | None:
        return None if self._child.poll() is None else self._last_words()

    def _last_words(self) -> str:
        said = self._log.read_text(encoding="utf-8", errors="replace").strip()
        return (
            f"the timeline ended with exit code {self._child.returncode}: "
            f"{said.splitlines()[-1] if said else 'it said nothing'}"
        )

    def _take_in(self) -> None:
        lines = list(self._file.fresh())
        self._looks += len(lines)
        if lines:
            self._newest = self._decoder.decode(lines[-1])


@contextlib.contextmanager
def recording(trial: str, config: TimelineConfig, directory: Path) -> Iterator[TimelineProcess]:
    """Records a timeline as long as the block lasts; `stop` says then what was recorded."""
    timeline = TimelineProcess(trial, config, directory)
    try:
        yield timeline
    finally:
        timeline.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
