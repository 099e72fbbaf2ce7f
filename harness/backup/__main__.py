"""Entry of the Redis backup job: `python -m harness.backup --config FILE.json`.

A snapshot prints its label. Shipping runs until SIGTERM or SIGINT, ships once more and exits 0.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from harness.backup.job import read_configuration, ship_until, snapshot_once
from harness.errors import HarnessError


def main() -> int:
    """The job's exit code: 0, or that of the error."""
    parser = argparse.ArgumentParser(prog="python -m harness.backup", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    try:
        job = read_configuration(parser.parse_args().config)
        if job.task == "snapshot":
            sys.stdout.write(f"{snapshot_once(job).label}\n")
            return 0
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        ship_until(job, stop, _narrate)
    except HarnessError as error:
        _narrate(f"error: {error}" + (f"\n  {error.hint}" if error.hint else ""))
        return error.exit_code
    return 0


def _narrate(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
