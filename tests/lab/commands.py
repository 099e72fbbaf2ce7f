"""What the lab tests do as a user does it: commands on a lab, programs in a pod."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]

Command = Callable[..., subprocess.CompletedProcess[str]]
InPod = Callable[..., str]


def command(state: Path) -> Command:
    """Runs `harness WORDS` on the lab of a state directory, as a user types it."""

    def run(
        *words: str, within_s: float = 300, fails: bool = False, exits: tuple[int, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "harness", *words],
            cwd=ROOT,
            env={**os.environ, "HARNESS_STATE_DIR": str(state)},
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )
        as_expected = done.returncode in exits if exits else (done.returncode != 0) == fails
        assert as_expected, f"{words}: {done.returncode}\n{done.stderr}"
        return done

    return run


def state_directory() -> Path:
    """A new one, which servers' users may enter."""
    directory = Path(tempfile.mkdtemp(prefix="hl", dir="/var/tmp"))
    directory.chmod(0o755)
    return directory
