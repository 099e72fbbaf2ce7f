"""Decides whether the service is ready, from when each dependency answered last."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class _Dependency:
    answered_at: float | None = None
    reason: str = "has not answered yet"


@dataclass(slots=True)
class Health:
    """What is known of the dependencies; times are of one monotonic clock, in seconds."""

    stale: float
    """An answer that is older says nothing any more."""
    dependencies: tuple[str, ...]
    stopping: bool = False
    _known: dict[str, _Dependency] = field(init=False)

    def __post_init__(self) -> None:
        self._known = {name: _Dependency() for name in self.dependencies}

    def answered(self, dependency: str, now: float) -> None:
        """The dependency did what it was asked."""
        known = self._known[dependency]
        known.answered_at, known.reason = now, ""

    def failed(self, dependency: str, reason: str) -> None:
        """It did not; the service stays ready until the last good answer is stale."""
        self._known[dependency].reason = reason

    def away(self, now: float) -> dict[str, str]:
        """The dependencies whose last answer is stale, and why."""
        return {
            name: known.reason or f"silent for more than {self.stale:g} s"
            for name, known in self._known.items()
            if known.answered_at is None or now - known.answered_at > self.stale
        }

    def ready(self, now: float) -> bool:
        """Whether requests should be sent here."""
        return not self.stopping and not self.away(now)

    def report(self, now: float) -> dict[str, Any]:
        """What /health/ready says."""
        away = self.away(now)
        return {
            "ready": self.ready(now),
            "stopping": self.stopping,
            "away": away,
            "answered_s_ago": {
                name: None if known.answered_at is None else round(now - known.answered_at, 3)
                for name, known in self._known.items()
            },
        }
