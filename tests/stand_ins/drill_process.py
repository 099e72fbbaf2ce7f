"""A drill in a process of its own, which holds the drill's lock and answers `harness abort`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

DRILL = """
import signal, sys
from pathlib import Path
from harness.faults import drill_lock
state, how, run = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
with drill_lock.going_on(state, run, "staging", cluster_uid="uid"):
    def stop(number, frame):
        drill_lock.acknowledge(state, run, ["power cut of worker-2"])
        sys.exit(143)
    if how == "answers":
        signal.signal(signal.SIGTERM, stop)
    else:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("goes on", flush=True)
    sys.stdin.read()
"""


class DrillProcess:
    """It `answers` SIGTERM, or `hangs`; its environment is `staging`."""

    def __init__(self, state: Path, how: str, run: str = "run-1") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRILL, str(state), how, run],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"goes on\n"

    def __enter__(self) -> subprocess.Popen[bytes]:
        return self.process

    def __exit__(self, *_exception: object) -> None:
        self.process.kill()
        self.process.wait(10)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
