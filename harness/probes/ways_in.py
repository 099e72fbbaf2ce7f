"""Probes all ways in of one trial at once, and says which files hold what was observed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.model.history import ProbesRecorded, SubscriptionsRecorded
from harness.ports import WayNow
from harness.probes.config import ProbeConfig, ProberConfig
from harness.probes.prober import ProberProcess, SubscriptionsProcess
from harness.probes.subscriptions import SubscriptionsConfig


class ProbedWaysIn:
    """ports.WaysIn: one prober for all that is asked, one more process for each broker."""

    def __init__(
        self,
        trial: str,
        probes: Sequence[ProbeConfig],
        subscriptions: Sequence[SubscriptionsConfig],
        directory: Path,
    ) -> None:
        """Starts them; they work in `directory`, a place of the harness."""
        self._trial = trial
        self._probes = tuple(probes)
        self._subscriptions = tuple(subscriptions)
        self._prober: ProberProcess | None = None
        self._brokers: list[SubscriptionsProcess] = []
        try:
            if self._probes:
                self._prober = ProberProcess(
                    ProberConfig(probes=self._probes), _made(directory / "prober")
                )
            for config in self._subscriptions:
                self._brokers.append(
                    SubscriptionsProcess(config, _made(directory / f"broker-{config.subject}"))
                )
        except BaseException:
            self._end()
            raise

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of what probes."""
        probers = (self._prober,) if self._prober is not None else ()
        return tuple(one.pid for one in (*probers, *self._brokers))

    def begun(self) -> bool:
        """Whether all have written something; SurroundingsError where one of them died."""
        probers = (self._prober,) if self._prober is not None else ()
        return all(one.begun() for one in (*probers, *self._brokers))

    def now(self) -> tuple[WayNow, ...]:
        """What each way in answers; SurroundingsError where one of the processes died."""
        of_prober = self._prober.now() if self._prober is not None else ()
        return (*of_prober, *(way for broker in self._brokers for way in broker.now()))

    def stop(self) -> tuple[ProbesRecorded | SubscriptionsRecorded, ...]:
        """Ends the probing; its files are then complete. May be called twice."""
        self._end()
        return (
            *(
                ProbesRecorded(
                    trial=self._trial,
                    subject=probe.subject,
                    probe_class=probe.probe_class,
                    file=probe.output.name,
                    interval_ns=probe.interval_ns,
                    timeout_ns=probe.timeout_ns,
                    way=probe.way,
                )
                for probe in self._probes
            ),
            *(
                SubscriptionsRecorded(
                    trial=self._trial,
                    subject=one.subject,
                    file=one.output.name,
                    interval_ns=one.interval_ns,
                    subscribers=one.subscribers,
                )
                for one in self._subscriptions
            ),
        )

    def _end(self) -> None:
        if self._prober is not None:
            self._prober.stop()
        for broker in self._brokers:
            broker.stop()


def _made(directory: Path) -> Path:
    directory.mkdir(exist_ok=True)
    return directory
