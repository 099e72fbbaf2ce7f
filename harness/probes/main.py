"""The prober as a process of its own: until SIGTERM, or until its stop file is there.

One process probes several ways in, each in an open loop of its own with a file of its own.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from harness.drivers.priority import run_before_others
from harness.errors import HarnessError, RecordError
from harness.probes import open_loop
from harness.probes.config import (
    Asked,
    HttpRequest,
    KubernetesRead,
    PostgresRead,
    PostgresWrite,
    ProbeConfig,
    RedisShardWrite,
    RedisWrite,
    read_config,
)
from harness.probes.http import HttpProbe
from harness.probes.kubernetes import KubernetesProbe
from harness.probes.postgres import PostgresReadProbe, PostgresWriteProbe
from harness.probes.redis import RedisProbe, RedisShardProbe


def probe_of(asked: Asked) -> open_loop.Probe:
    """What asks it."""
    match asked:
        case PostgresWrite():
            return PostgresWriteProbe(asked)
        case PostgresRead():
            return PostgresReadProbe(asked)
        case RedisWrite():
            return RedisProbe(asked)
        case RedisShardWrite():
            return RedisShardProbe(asked)
        case HttpRequest():
            return HttpProbe(asked)
        case KubernetesRead():
            return KubernetesProbe(asked)


class _Loop(threading.Thread):
    """The open loop of one way in."""

    def __init__(self, config: ProbeConfig, number: int, of: int, told: threading.Event) -> None:
        super().__init__(name=f"loop-{number}")
        self._config = config
        self._probe = probe_of(config.ask)
        # Not all at once: ways in that are due together would wait for each other's processor.
        self._first_after_ns = config.interval_ns * number // of
        self._told = told
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Until told to stop; a failure of one loop stops all."""
        try:
            with _opened(self._config.output) as output:
                open_loop.run(
                    self._probe,
                    output,
                    interval_ns=self._config.interval_ns,
                    timeout_ns=self._config.timeout_ns,
                    first_after_ns=self._first_after_ns,
                    stopping=self._told.wait,
                )
        except BaseException as error:  # noqa: BLE001 - raised by the process's main thread
            self.failure = error
        finally:
            self._told.set()


def _opened(path: Path) -> open_loop.Output:
    try:
        return path.open("ab")
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}") from error


def until_told(work: Callable[[threading.Event], None]) -> int:
    """Does some work whose event SIGTERM or SIGINT sets, at a high priority; the exit code."""
    told = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        told.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    # A restore keeps every processor busy; a prober that waits for one sees nothing.
    run_before_others()
    try:
        work(told)
    except HarnessError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


_LOOKS_EVERY_S = 0.1


def main(arguments: Sequence[str]) -> int:
    """`--config FILE`: probes until told to stop; the exit code."""
    if len(arguments) != 2 or arguments[0] != "--config":
        print("usage: python -m harness.probes --config FILE.json", file=sys.stderr)  # noqa: T201
        return 2

    def probe(told: threading.Event) -> None:
        config = read_config(Path(arguments[1]))
        loops = [
            _Loop(one, number, len(config.probes), told) for number, one in enumerate(config.probes)
        ]
        for loop in loops:
            loop.start()
        while not told.wait(_LOOKS_EVERY_S):
            if config.stop_file is not None and config.stop_file.exists():
                told.set()
        for loop in loops:
            loop.join()
        failures = [loop.failure for loop in loops if loop.failure is not None]
        if failures:
            raise failures[0]

    return until_told(probe)
