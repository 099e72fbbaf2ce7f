"""Narrates a run on standard error while it happens: trials, phases, bytes, rate, time left.

On a terminal the running phases are bars that redraw themselves, and what is done stays above them
as a line. Elsewhere (a CI log, cron's mail) there is one line where a phase starts and one where it
ends, and between them one every five seconds at most. Lines carry no times of day: the history
does, and equal runs read alike. Nothing is ever written to standard output, and nothing is judged
from what is narrated; a stream that cannot be written to silences the narrator and not the drill.
"""

from __future__ import annotations

import contextlib
import io
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import IO, Self, TextIO, cast

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from harness.model.instant import NANOSECONDS_PER_SECOND
from harness.model.quantity import show_bytes
from harness.model.verdict import Finding, Verdict
from harness.ports import Clock
from harness.report.wording import duration, plural, printable

_PLAIN_EVERY_NS = 5 * NANOSECONDS_PER_SECOND
_RATE_AFTER_NS = NANOSECONDS_PER_SECOND // 2
"""A rate over less than half a second says more about buffers than about the disk or network."""

_STYLES = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.INCONCLUSIVE: "yellow"}


class Progressing:
    """One running phase: what it reports is shown. Implements ports.PhaseProgress; thread-safe."""

    def __init__(self, narrator: Narrator, title: str) -> None:
        """Made by `Narrator.phase` and `Narrator.verification` only."""
        self._narrator = narrator
        self._title = title
        self._started_ns = narrator._clock.monotonic_ns()  # noqa: SLF001 - one module, one class in two
        self._said_ns = self._started_ns
        self.done_bytes: int | None = None
        self.total_bytes: int | None = None
        self.task: TaskID | None = None

    def advance(self, done_bytes: int, total_bytes: int | None = None) -> None:
        """`done_bytes` of `total_bytes` so far; from any thread, as often as one likes."""
        self.done_bytes = done_bytes
        self.total_bytes = total_bytes if total_bytes is not None else self.total_bytes
        self._narrator._advanced(self)  # noqa: SLF001 - as above

    def note(self, text: str) -> None:
        """One line for the person watching."""
        self._narrator._say(f"{self._title}: {text}", indent=2)  # noqa: SLF001 - as above

    @property
    def title(self) -> str:
        """`orders: fetch`."""
        return self._title

    def elapsed_ns(self, now_ns: int) -> int:
        """Nanoseconds since the phase began."""
        return now_ns - self._started_ns

    def due(self, now_ns: int) -> bool:
        """Whether five seconds have passed since the last plain line; if so, counts from now."""
        if now_ns - self._said_ns < _PLAIN_EVERY_NS:
            return False
        self._said_ns = now_ns
        return True

    def state(self, now_ns: int) -> str:
        """`120 MiB of 512 MiB, 60 MiB/s, 6.5 s left`: as much of it as is known."""
        if self.done_bytes is None:
            return duration(self.elapsed_ns(now_ns) / NANOSECONDS_PER_SECOND)
        done, total, elapsed_ns = self.done_bytes, self.total_bytes, self.elapsed_ns(now_ns)
        parts = [show_bytes(done) + (f" of {show_bytes(total)}" if total else "")]
        if elapsed_ns >= _RATE_AFTER_NS and done > 0:
            parts.append(_rate(done, elapsed_ns))
            if total and total > done:
                left_ns = elapsed_ns * (total - done) / done
                parts.append(f"{duration(left_ns / NANOSECONDS_PER_SECOND)} left")
        return ", ".join(parts)

    def outcome(self, now_ns: int) -> str:
        """`512 MiB in 8.5 s, 60.2 MiB/s`, or only how long it took."""
        elapsed_ns = self.elapsed_ns(now_ns)
        took = duration(elapsed_ns / NANOSECONDS_PER_SECOND)
        if not self.done_bytes:
            return took
        amount = f"{show_bytes(self.done_bytes)} in {took}"
        return f"{amount}, {_rate(self.done_bytes, elapsed_ns)}" if elapsed_ns > 0 else amount


class Narrator:
    """Says what is being done. One for each command; safe to call from several threads.

    A context manager: leaving it takes the bars off the terminal and gives the cursor back, also
    after an interruption.
    """

    def __init__(
        self,
        clock: Clock,
        stream: TextIO | None = None,
        *,
        quiet: bool = False,
        live: bool | None = None,
        width: int | None = None,
    ) -> None:
        """Narrates to standard error.

        Args:
            clock: for rates and the time left; nothing recorded depends on it.
            stream: another place than standard error; never standard output.
            quiet: warnings and findings only.
            live: bars that redraw themselves; None: where `stream` is a terminal.
            width: columns; None: the terminal's.
        """
        stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._quiet = quiet
        self._live = stream.isatty() if live is None else live
        self._lock = threading.RLock()
        self._stream = _Forgiving(stream)
        self._console = Console(
            file=cast("IO[str]", self._stream),  # rich writes, flushes and asks isatty of it
            width=width,
            force_terminal=True if self._live else None,
            highlight=False,
            emoji=False,
            soft_wrap=True,
        )
        self._bars: Progress | None = None
        self._running = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def is_live(self) -> bool:
        """Whether it redraws, on a terminal."""
        return self._live and not self._quiet

    @property
    def console(self) -> Console:
        """Where it prints: a picture on the same console stays below its lines."""
        return self._console

    def close(self) -> None:
        """Takes the bars off the terminal; may be called more than once."""
        with self._lock:
            if self._bars is not None:
                self._bars.stop()
                self._bars = None

    def step(self, text: str) -> None:
        """One step of the whole run begins: `checking the backups of orders`."""
        self._say(text)

    def trial_started(self, trial: str, index: int, count: int) -> None:
        """Trial `index` (from 1) of `count` begins."""
        self._say(f"trial {index} of {count}: {trial}", style="bold")

    @contextlib.contextmanager
    def phase(self, name: str, subject: str = "") -> Iterator[Progressing]:
        """One phase of a restore runs for the length of the block; phases may run side by side."""
        title = f"{subject}: {name}" if subject else name
        progress = Progressing(self, printable(title))
        self._begin(progress)
        try:
            yield progress
        except BaseException:
            self._end(progress, stopped=True)
            raise
        self._end(progress, stopped=False)

    def verification(
        self, level: str, subject: str = ""
    ) -> contextlib.AbstractContextManager[Progressing]:
        """One verification level runs for the length of the block."""
        return self.phase(f"verify {level}", subject)

    def warning(self, text: str) -> None:
        """Something a person should know now; also said when quiet."""
        self._say(f"warning: {text}", style="yellow", always=True)

    def findings(self, findings: Iterable[Finding]) -> None:
        """One line for each that is no PASS, and how many passed; also said when quiet."""
        passed = 0
        for found in findings:
            if found.verdict is Verdict.PASS:
                passed += 1
                continue
            style = _STYLES[found.verdict]
            self._say(f"{found.verdict.value}  {found.headline}", style=style, always=True)
        if passed:
            self._say(f"PASS  {plural(passed, 'finding')}", style=_STYLES[Verdict.PASS])

    def _begin(self, progress: Progressing) -> None:
        if self._quiet:
            return
        if not self._live:
            self._say(f"{progress.title} ...", indent=2)
            return
        with self._lock:
            self._running += 1
            if self._bars is None:
                self._bars = _bars(self._console)
                self._bars.start()
            progress.task = self._bars.add_task(escape(progress.title), total=None, state="")

    def _advanced(self, progress: Progressing) -> None:
        if self._quiet:
            return
        now_ns = self._clock.monotonic_ns()
        with self._lock:
            if not self._live:
                if progress.due(now_ns):
                    self._say(f"{progress.title}: {progress.state(now_ns)}", indent=2)
            elif self._bars is not None and progress.task is not None:
                self._bars.update(
                    progress.task,
                    completed=progress.done_bytes,
                    total=progress.total_bytes,
                    state=escape(progress.state(now_ns)),
                )

    def _end(self, progress: Progressing, *, stopped: bool) -> None:
        if self._quiet:
            return
        result = progress.outcome(self._clock.monotonic_ns())
        if stopped:
            result = f"stopped after {result}"
        with self._lock:
            if self._live and progress.task is not None and self._bars is not None:
                self._bars.remove_task(progress.task)
                self._running -= 1
            self._say(f"{progress.title}: {result}", indent=2, style="yellow" if stopped else None)
            if self._live and self._running == 0:
                self.close()

    def _say(
        self, text: str, *, indent: int = 0, style: str | None = None, always: bool = False
    ) -> None:
        if self._quiet and not always:
            return
        line = " " * indent + printable(text)
        with self._lock:
            if self._live:
                self._console.print(line, style=style, markup=False)
            else:
                self._stream.write(f"{line}\n")
                self._stream.flush()


class _Forgiving(io.TextIOBase):
    """A stream that takes any character and falls silent when it cannot be written to.

    Standard error may be a pipe whose reader is gone, a closed descriptor, or a terminal that was
    hung up. Left to itself rich would then end the whole process (Console.on_broken_pipe).
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._encoding = stream.encoding or "utf-8"
        self._gone = False

    def isatty(self) -> bool:
        return self._stream.isatty()

    def write(self, text: str) -> int:
        shown = text.encode(self._encoding, "backslashreplace").decode(self._encoding)
        self._unless_gone(lambda: self._stream.write(shown))
        return len(text)

    def flush(self) -> None:
        self._unless_gone(self._stream.flush)

    def _unless_gone(self, call: Callable[[], object]) -> None:
        if self._gone:
            return
        try:
            call()
        except (OSError, ValueError):  # ValueError: the stream was closed
            self._gone = True


def _bars(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=28),
        TimeElapsedColumn(),
        TextColumn("{task.fields[state]}", style="dim"),
        console=console,
        transient=True,
        # Standard output is the result, and other people's: it is not captured for the bars.
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _rate(done_bytes: int, elapsed_ns: int) -> str:
    return f"{show_bytes(done_bytes * NANOSECONDS_PER_SECOND / elapsed_ns)}/s"
