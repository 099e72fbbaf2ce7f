"""One worker's share of a load: what a Locust process has an injector do, and follows."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from harness.drivers import process
from harness.drivers.clock import wait_until
from harness.errors import DeadlineExceededError
from harness.load.config import InjectorConfig, InjectorReport
from harness.model.codec import to_indented_json

_ENDS_WITHIN_S = 4.0
"""After it was told to: it waits a second for answers that are under way."""


class Share(Protocol):
    """What one worker injects."""

    config: InjectorConfig
    report: InjectorReport | None
    """The last one."""

    failure: str | None
    """How it ended too early."""

    @property
    def ended(self) -> bool:
        """Whether all of its samples are on disk, or there will be no more."""
        ...

    def begin(self) -> None:
        """Begins at `config.begin_ns`; once, however often it is called."""
        ...

    def stop(self) -> None:
        """Ends it, and returns when it has ended."""
        ...


class InjectorShare:
    """An injector below this process, which reads its reports as they come.

    The injector writes into a pipe of this process, so that it ends by itself when this process is
    gone. Where Locust has patched this process, waiting for it lets others go on.
    """

    def __init__(
        self,
        config: InjectorConfig,
        directory: Path,
        tell: Callable[[InjectorReport], None],
        spawn: Callable[[Callable[[], None]], object],
    ) -> None:
        """`tell` gets every report; `spawn` runs a function beside the others."""
        self.config = config
        self.report: InjectorReport | None = None
        self.failure: str | None = None
        self._directory = directory
        self._tell = tell
        self._spawn = spawn
        self._child: process.Child | None = None
        self._ended = False
        self._log = directory / f"injector-{config.worker}.log"

    @property
    def ended(self) -> bool:
        """Whether the process is gone, and its last report was told."""
        return self._ended

    def begin(self) -> None:
        """Starts the process; InputError or OSError where that is not possible."""
        if self._child is not None:
            return
        file = self._directory / f"injector-{self.config.worker}.json"
        file.write_bytes(to_indented_json(self.config))
        with self._log.open("wb") as log:
            self._child = process.start(
                [sys.executable, "-m", "harness.load.injector", file],
                directory=self._directory,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self._spawn(self._follow)

    def stop(self) -> None:
        """SIGTERM, and then what it still has to say."""
        if self._child is None or self._ended:
            return
        if self._child.poll() is None:
            self._child.terminate()
        try:
            wait_until(lambda: self._ended, within_s=_ENDS_WITHIN_S, what="the injector's end")
        except DeadlineExceededError as error:
            self.failure = str(error)
            process.stop(self._child)

    def _follow(self) -> None:
        child = self._child
        if child is None or child.stdout is None:
            return
        decoder = msgspec.json.Decoder(InjectorReport)
        try:
            for line in child.stdout:
                if line.endswith(b"\n"):
                    self.report = decoder.decode(line)
                    self._tell(self.report)
            code = child.wait()
            if self.report is None or not self.report.done:
                said = self._log.read_text(encoding="utf-8", errors="replace").strip()
                last = said.rpartition("\n")[2] or "it said nothing"
                self.failure = f"the injector ended with exit code {code}: {last}"
        finally:
            process.stop(child)
            child.stdout.close()
            self._ended = True
