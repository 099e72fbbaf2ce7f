"""Starts the open-loop prober as a child process, reads along in its file, and ends it."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import msgspec

from harness.drivers import process
from harness.errors import SurroundingsError
from harness.model.codec import to_indented_json
from harness.model.history import Observation, Outcome
from harness.model.instant import nanoseconds
from harness.ports import PostgresEndpoint
from harness.probes.config import ProbeConfig


class ProberProcess:
    """ports.Prober: one running prober and what it has written so far."""

    def __init__(self, config: ProbeConfig, directory: Path) -> None:
        """Starts it; it works in `directory`, a place of the harness."""
        self.probe_class = (
            "postgresql-write" if isinstance(config.endpoint, PostgresEndpoint) else "redis-write"
        )
        self.interval_ns = config.interval_ns
        self.timeout_ns = config.timeout_ns
        self._output = config.output
        self._offset = 0
        self._right_since_ns: int | None = None
        self._right_until_ns: int | None = None
        self._log = directory / "prober.log"
        file = directory / "prober.json"
        file.write_bytes(to_indented_json(config))
        self._child = process.start(
            [sys.executable, "-m", "harness.probes", "--config", file],
            directory=directory,
            log=self._log,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    def begun(self) -> bool:
        """Whether the first observation is on file; SurroundingsError where the prober died."""
        self._assert_alive()
        self._read_on()
        return self._offset > 0

    def sustained(self, at_least: timedelta) -> bool:
        """Whether all answers since some moment were right, for that long."""
        self._assert_alive()
        self._read_on()
        if self._right_since_ns is None or self._right_until_ns is None:
            return False
        return self._right_until_ns - self._right_since_ns >= nanoseconds(at_least)

    def stop(self) -> None:
        """Ends it, so that its file is complete."""
        process.stop(self._child)

    def _assert_alive(self) -> None:
        if self._child.poll() is not None:
            said = self._log.read_text(encoding="utf-8", errors="replace").strip()
            raise SurroundingsError(
                f"the prober ended with exit code {self._child.returncode}: "
                f"{said.splitlines()[-1] if said else 'it said nothing'}"
            )

    def _read_on(self) -> None:
        """Takes in the whole lines that were appended since the last call."""
        if not self._output.exists():
            return
        with self._output.open("rb") as file:
            file.seek(self._offset)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            observation = msgspec.json.decode(line, type=Observation)
            if observation.outcome is not Outcome.OK:
                self._right_since_ns = self._right_until_ns = None
                continue
            if self._right_since_ns is None:
                self._right_since_ns = observation.started_ns
            self._right_until_ns = max(self._right_until_ns or 0, observation.ended_ns)
