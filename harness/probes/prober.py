"""Starts probing processes, reads along in what they write, and ends them."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import msgspec

from harness.drivers import process
from harness.drivers.clock import HostClock
from harness.errors import SurroundingsError
from harness.model.codec import to_indented_json
from harness.ports import WayNow
from harness.probes.config import ProbeConfig, ProberConfig
from harness.probes.following import Followed, FollowedSubscriptions
from harness.probes.subscriptions import SubscriptionsConfig


class ProbingProcess:
    """A module of the harness as a process of its own, told what to do by a file."""

    def __init__(self, name: str, module: str, config: msgspec.Struct, directory: Path) -> None:
        """Starts it; it works in `directory`, a place of the harness."""
        self._name = name
        self._log = directory / f"{self._name}.log"
        file = directory / f"{self._name}.json"
        file.write_bytes(to_indented_json(config))
        self._child = process.start(
            [sys.executable, "-m", module, "--config", file],
            directory=directory,
            log=self._log,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    def require_alive(self) -> None:
        """Raises SurroundingsError where it died, with its last words."""
        if self._child.poll() is not None:
            said = self._log.read_text(encoding="utf-8", errors="replace").strip()
            raise SurroundingsError(
                f"the {self._name} ended with exit code {self._child.returncode}: "
                f"{said.splitlines()[-1] if said else 'it said nothing'}"
            )

    def stop(self) -> None:
        """Ends it, so that its files are complete. May be called twice."""
        process.stop(self._child)


class ProberProcess:
    """One running prober, and what each of its ways in has answered so far."""

    def __init__(self, config: ProberConfig, directory: Path) -> None:
        """Starts it; it works in `directory`, a place of the harness."""
        self.ways = tuple(Followed(probe, HostClock()) for probe in config.probes)
        self._process = ProbingProcess("prober", "harness.probes", config, directory)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def begun(self) -> bool:
        """Whether every way in has a first observation; SurroundingsError where it died."""
        self._process.require_alive()
        return all(way.begun() for way in self.ways)

    def now(self) -> tuple[WayNow, ...]:
        """What each way in answers; SurroundingsError where the prober died."""
        self._process.require_alive()
        return tuple(way.now() for way in self.ways)

    def stop(self) -> None:
        """Ends it, so that its files are complete. May be called twice."""
        self._process.stop()


class SoleProber(ProberProcess):
    """ports.Prober: a prober of one way in."""

    def __init__(self, config: ProbeConfig, directory: Path) -> None:
        super().__init__(ProberConfig(probes=(config,)), directory)
        self.probe_class = config.probe_class
        self.interval_ns = config.interval_ns
        self.timeout_ns = config.timeout_ns

    def sustained(self, at_least: timedelta) -> bool:
        """Whether all answers since some moment were right, for that long."""
        self._process.require_alive()
        return self.ways[0].sustained(at_least)


class SubscriptionsProcess:
    """One publisher with its subscribers, and what each has heard so far."""

    def __init__(self, config: SubscriptionsConfig, directory: Path) -> None:
        """Starts it; it works in `directory`, a place of the harness."""
        self.followed = FollowedSubscriptions(config, HostClock())
        self._process = ProbingProcess("subscriptions", "harness.probes.pubsub", config, directory)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def begun(self) -> bool:
        """Whether a first event is on file; SurroundingsError where it died."""
        self._process.require_alive()
        return self.followed.begun()

    def now(self) -> tuple[WayNow, ...]:
        """What each subscriber hears; SurroundingsError where the process died."""
        self._process.require_alive()
        return self.followed.now()

    def stop(self) -> None:
        """Ends it, so that its file is complete. May be called twice."""
        self._process.stop()
