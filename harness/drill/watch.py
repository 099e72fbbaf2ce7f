"""Times the phases of a restore, records each one, and tells the narrator how far it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from harness.model.history import Phase, PhaseEnded
from harness.ports import Clock, Narrator, PhaseProgress, Record


class _Told:
    """Passes progress on to the narrator and keeps what the record needs."""

    def __init__(self, narrated: PhaseProgress) -> None:
        self._narrated = narrated
        self.amount_bytes: int | None = None
        self.detail = ""

    def advance(self, done_bytes: int, total_bytes: int | None = None) -> None:
        """Keeps the newest amount."""
        self.amount_bytes = done_bytes
        self._narrated.advance(done_bytes, total_bytes)

    def note(self, text: str) -> None:
        """Keeps the newest note."""
        self.detail = text
        self._narrated.note(text)


class RecordingWatch:
    """ports.Watch of one restore."""

    def __init__(
        self, *, trial: str, subject: str, clock: Clock, record: Record, narrator: Narrator
    ) -> None:
        self._trial = trial
        self._subject = subject
        self._clock = clock
        self._record = record
        self._narrator = narrator

    @contextmanager
    def phase(self, phase: Phase) -> Iterator[PhaseProgress]:
        """Times the block on the monotonic clock; records it also where it raises."""
        with self._narrator.phase(f"{self._subject}: {phase}") as narrated:
            told = _Told(narrated)
            started_ns = self._clock.monotonic_ns()
            try:
                yield told
            finally:
                self._record(
                    PhaseEnded(
                        trial=self._trial,
                        subject=self._subject,
                        phase=phase,
                        started_ns=started_ns,
                        ended_ns=self._clock.monotonic_ns(),
                        amount_bytes=told.amount_bytes,
                        detail=told.detail,
                    )
                )

    def phase_between(self, phase: Phase, started_ns: int, ended_ns: int, detail: str = "") -> None:
        """Records a phase that was timed by other means."""
        self._record(
            PhaseEnded(
                trial=self._trial,
                subject=self._subject,
                phase=phase,
                started_ns=started_ns,
                ended_ns=ended_ns,
                detail=detail,
            )
        )
