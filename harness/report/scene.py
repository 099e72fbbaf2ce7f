"""Shows a game day while it goes on: what is broken, each way in, the clocks, what comes next.

On a terminal one picture that redraws itself below the narrator's lines; elsewhere a line whenever
something changes. Nothing is judged from it.
"""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.model.instant import NANOSECONDS_PER_SECOND, seconds
from harness.ports import Scene, WayNow
from harness.report.progress import Narrator
from harness.report.wording import duration, printable

_REDRAWS_PER_S = 4
_BAR_CELLS = 30


class GameDayScreen:
    """ports.LiveView: one for each command."""

    def __init__(self, narrator: Narrator) -> None:
        """Shows on the narrator's console."""
        self._narrator = narrator
        self._live: Live | None = None
        self._said: dict[str, str] = {}

    def show(self, scene: Scene) -> None:
        """Draws the scene, or says what is new in it."""
        if not self._narrator.is_live:
            for line in self._news(scene):
                self._narrator.step(line)
            return
        if self._live is None:
            self._live = Live(
                console=self._narrator.console,
                transient=True,
                auto_refresh=False,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        self._live.update(picture(scene), refresh=True)

    def close(self) -> None:
        """Takes the picture off the terminal; may be called more than once."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _news(self, scene: Scene) -> list[str]:
        """What was not so the last time: what is done, what is broken, which ways in turned."""
        now = {
            "doing": scene.doing,
            "broken": f"broken: {', '.join(scene.broken)}" if scene.broken else "",
            **{
                way.probe_class: f"{way.probe_class}: {'down' if way.wrong_since_ns else 'up'}"
                for way in scene.ways
            },
        }
        ways = {way.probe_class for way in scene.ways}
        news = [
            f"  {_since(scene)}{line}"
            for key, line in now.items()
            # That a way in is up is news only where it was down.
            if line
            and self._said.get(key, line if line.endswith(": up") else "") != line
            and (key not in ways or scene.since_fault_ns is not None)
        ]
        if scene.since_fault_ns is None:  # what is down then is news when the fault is known
            now = {key: line for key, line in now.items() if key not in ways}
        self._said = now
        return [printable(line) for line in news]


def picture(scene: Scene) -> RenderableType:
    """The scene as a table: one row for each way in."""
    head = Text()
    head.append(f"{printable(scene.title)}\n", style="bold")
    head.append(f"{scene.doing}\n")
    if scene.broken:
        head.append(f"broken now: {printable(', '.join(scene.broken))}\n", style="bold red")
    if scene.since_fault_ns is not None:
        head.append_text(_clock(scene))
    table = Table.grid(padding=(0, 2))
    for way in scene.ways:
        state, style = _state(way, scene.now_ns)
        table.add_row(Text(way.probe_class), Text(state, style=style), Text(_detail(way), "dim"))
    return Group(head, table)


def _clock(scene: Scene) -> Text:
    """The time since the fault against the RTO."""
    since_ns = scene.since_fault_ns or 0
    text = Text(f"{duration(seconds(since_ns))} since the fault")
    if scene.target_ns:
        share = min(1.0, since_ns / scene.target_ns)
        cells = round(share * _BAR_CELLS)
        style = "red" if share >= 1 else "yellow" if share > 0.5 else "green"
        text.append("  ")
        text.append("━" * cells, style=style)
        text.append("━" * (_BAR_CELLS - cells), style="dim")
        text.append(f"  RTO {duration(seconds(scene.target_ns))}")
    text.append("\n")
    return text


def _state(way: WayNow, now_ns: int) -> tuple[str, str]:
    if way.wrong_since_ns is not None:
        return f"down {(now_ns - way.wrong_since_ns) / NANOSECONDS_PER_SECOND:.1f} s", "bold red"
    if way.right_since_ns is not None:
        return "up", "green"
    return "no answer yet", "yellow"


def _detail(way: WayNow) -> str:
    return printable(way.detail) if way.wrong_since_ns is not None else ""


def _since(scene: Scene) -> str:
    if scene.since_fault_ns is None:
        return ""
    return f"+{scene.since_fault_ns / NANOSECONDS_PER_SECOND:.1f} s  "
