"""Starts an experiment as a process of its own, reads along what it records, and ends it."""

from __future__ import annotations

import contextlib
import signal
import sys
from pathlib import Path

import msgspec

from harness.chaos.context import ExperimentConfig
from harness.drivers import process
from harness.drivers.growing_file import GrowingFile
from harness.masking import Masker
from harness.model.codec import to_indented_json
from harness.model.history import Event, ExperimentEnded


class ExperimentProcess:
    """ports.RunningExperiment."""

    def __init__(
        self, config: ExperimentConfig, directory: Path, artefacts: Path, masker: Masker
    ) -> None:
        """Starts it, working in `directory`, a place of the harness; its journal and log are kept
        in `artefacts`, masked, when it has ended.
        """
        self._masker = masker
        self._config = config
        self._artefacts = artefacts
        self._log = directory / "experiment.log"
        self._facts = GrowingFile(config.facts)
        file = directory / "experiment.json"
        file.write_bytes(to_indented_json(config))
        self._child = process.start(
            [sys.executable, "-m", "harness", "experiment", "--config", file],
            directory=directory,
            log=self._log,
        )
        self._decoder = msgspec.json.Decoder(Event)

    def facts(self) -> tuple[Event, ...]:
        """What it appended since the last call."""
        return tuple(self._decoder.decode(line) for line in self._facts.fresh())

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._child.poll()

    def release(self) -> None:
        """Lets the action `hold` end."""
        self._config.release.touch()

    def interrupt(self) -> None:
        """SIGTERM: what it does now is cut short, its rollbacks run."""
        if self._child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self._child.send_signal(signal.SIGTERM)

    def ended(self) -> ExperimentEnded:
        """Its journal and its last words; it is killed first where it still runs."""
        process.stop(self._child)
        code = self._child.returncode
        said = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        kept = self._artefacts / self._config.trial
        kept.mkdir(parents=True, exist_ok=True)
        self._keep(self._log, kept / "experiment.log")
        journal = None
        if self._config.journal.exists():
            self._keep(self._config.journal, kept / "journal.json")
            journal = f"artefacts/{self._config.trial}/journal.json"
        return ExperimentEnded(
            trial=self._config.trial,
            exit_code=code,
            journal=journal,
            error=_last_word(said, code) if code else None,
        )

    def _keep(self, file: Path, copy: Path) -> None:
        with file.open("rb") as source, copy.open("wb") as target:
            self._masker.copy(source, target)


def _last_word(said: list[str], code: int) -> str:
    """The last line that is no advice on what to type (harness.cli.main)."""
    told = [line for line in said if not line.lstrip().startswith("try: ")]
    return told[-1] if told else f"exit code {code}, no output"
