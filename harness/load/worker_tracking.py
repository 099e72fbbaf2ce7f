"""What a master knows of its workers: who is there, how far each is, and who was lost. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import msgspec

from harness.load.config import InjectorReport
from harness.load.sample_blocks import Block

LOST_AFTER_S = 10.0
"""Of silence. Locust calls a worker missing after three of its heartbeats (runners.py,
HEARTBEAT_LIVENESS), and takes it back when it speaks again: a busy machine is no loss."""


class WorkerSays(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a worker adds to each of its reports to Locust's master."""

    worker: int
    report: InjectorReport | None = None
    """None: it has not begun."""

    failure: str | None = None
    block: Block | None = None
    """Samples that the master has not yet said that it has; None: they are not sent."""


@dataclass
class _Worker:
    client: str
    heard_s: float
    said: WorkerSays


@dataclass
class WorkerTracking:
    """The workers of one load."""

    expected: int
    _workers: dict[int, _Worker] = field(default_factory=dict)

    def hear(self, client: str, said: WorkerSays, now_s: float) -> str | None:
        """Takes in a report; what is wrong with it: two workers that are the same one."""
        known = self._workers.get(said.worker)
        if known is not None and known.client != client:
            return f"worker {said.worker} is there twice: {known.client} and {client}"
        if said.worker >= self.expected:
            return f"worker {said.worker} is one too many, expected {self.expected}"
        self._workers[said.worker] = _Worker(client, now_s, said)
        return None

    @property
    def complete(self) -> bool:
        """Whether all were heard of."""
        return len(self._workers) == self.expected

    @property
    def missing(self) -> tuple[int, ...]:
        """Workers that were never heard of."""
        return tuple(one for one in range(self.expected) if one not in self._workers)

    def reports(self) -> dict[int, InjectorReport]:
        """The last ones."""
        return {
            number: one.said.report
            for number, one in sorted(self._workers.items())
            if one.said.report is not None
        }

    def lost(self, now_s: float) -> tuple[str, ...]:
        """Workers that did not come to their end and will not, and how."""
        return tuple(
            told
            for number, one in sorted(self._workers.items())
            if (told := _lost(number, one, now_s)) is not None
        )

    def over(self, now_s: float, gathered: Collection[int]) -> bool:
        """Whether each has ended, its samples among the gathered ones, or is silent for good."""
        return self.complete and all(
            (_ended(one.said) and number in gathered) or now_s - one.heard_s >= LOST_AFTER_S
            for number, one in self._workers.items()
        )


def _ended(said: WorkerSays) -> bool:
    return said.failure is not None or (said.report is not None and said.report.done)


def _lost(number: int, worker: _Worker, now_s: float) -> str | None:
    said = worker.said
    if said.failure is not None:
        return f"worker {number}: {said.failure}"
    if said.report is not None and said.report.error is not None:
        return f"worker {number}: {said.report.error}"
    if _ended(said):
        return None
    silent_s = now_s - worker.heard_s
    if silent_s >= LOST_AFTER_S:
        return f"worker {number}: not heard of for {silent_s:.0f} s"
    return None
