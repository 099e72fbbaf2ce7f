"""The prober as a process of its own: until SIGTERM, or until its stop file is there."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from harness.errors import HarnessError, RecordError
from harness.ports import PostgresEndpoint
from harness.probes import open_loop
from harness.probes.config import ProbeConfig, read_config
from harness.probes.postgres import PostgresProbe
from harness.probes.redis import RedisProbe


def probe_of(config: ProbeConfig) -> open_loop.Probe:
    """The probe that fits the endpoint."""
    if isinstance(config.endpoint, PostgresEndpoint):
        return PostgresProbe(config.endpoint, config.sentinels)
    return RedisProbe(config.endpoint, config.sentinels, config.access)


def main(arguments: Sequence[str]) -> int:
    """`--config FILE`: probes until told to stop; the exit code."""
    if len(arguments) != 2 or arguments[0] != "--config":
        print("usage: python -m harness.probes --config FILE.json", file=sys.stderr)  # noqa: T201
        return 2
    told = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        told.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        config = read_config(Path(arguments[1]))

        def stopping(within_s: float) -> bool:
            return told.wait(within_s) or (
                config.stop_file is not None and config.stop_file.exists()
            )

        with contextlib.suppress(OSError):  # only root may
            # A restore keeps every processor busy; a prober that waits for one sees nothing.
            os.setpriority(os.PRIO_PROCESS, 0, -10)
        try:
            output = config.output.open("ab")
        except OSError as error:
            raise RecordError(f"{config.output}: {error.strerror}") from error
        with output:
            open_loop.run(
                probe_of(config),
                output,
                interval_ns=config.interval_ns,
                timeout_ns=config.timeout_ns,
                stopping=stopping,
            )
    except HarnessError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0
