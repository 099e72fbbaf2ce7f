"""What a person sees while a game day goes on."""

from __future__ import annotations

import io

from rich.console import Console

from harness.drivers.clock import HostClock
from harness.ports import Scene, WayNow
from harness.report.progress import Narrator
from harness.report.scene import GameDayScreen, picture

SECOND = 1_000_000_000

UP = WayNow(
    probe_class="orders: read", right_since_ns=1, right_until_ns=9 * SECOND, wrong_since_ns=None
)
DOWN = WayNow(
    probe_class="orders: write",
    right_since_ns=None,
    right_until_ns=None,
    wrong_since_ns=7 * SECOND,
    detail="refused \x1b[31m",
)


def _scene(
    *ways: WayNow, since_s: float | None, broken: tuple[str, ...] = (), doing: str = "watching"
) -> Scene:
    return Scene(
        trial="t-1",
        title="A worker loses its power",
        doing=doing,
        since_fault_ns=None if since_s is None else int(since_s * SECOND),
        target_ns=300 * SECOND,
        broken=broken,
        ways=ways,
        now_ns=10 * SECOND,
    )


def _said(*scenes: Scene) -> list[str]:
    """The lines on a stream that is no terminal."""
    stream = io.StringIO()
    with Narrator(HostClock(), stream) as narrator:
        screen = GameDayScreen(narrator)
        for scene in scenes:
            screen.show(scene)
        screen.close()
    return stream.getvalue().splitlines()


def _drawn(scene: Scene) -> str:
    console = Console(file=io.StringIO(), width=90)
    console.print(picture(scene))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_the_same_scene_again_says_nothing() -> None:
    assert _said(_scene(UP, since_s=None), _scene(UP, since_s=None)) == ["  watching"]


def test_before_the_fault_ways_in_are_no_news() -> None:
    assert _said(_scene(DOWN, since_s=None), _scene(UP, since_s=None)) == ["  watching"]


def test_what_turns_is_said_once_with_the_time() -> None:
    """What is down when the fault is known, and what comes up again."""
    back = WayNow(
        probe_class="orders: write", right_since_ns=1, right_until_ns=2, wrong_since_ns=None
    )
    assert _said(
        _scene(UP, UP, since_s=None),
        _scene(UP, DOWN, since_s=2.5, broken=("node:worker-2",)),
        _scene(UP, DOWN, since_s=3, broken=("node:worker-2",)),
        _scene(UP, back, since_s=21, broken=("node:worker-2",)),
    ) == [
        "  watching",
        "  +2.5 s  broken: node:worker-2",
        "  +2.5 s  orders: write: down",
        "  +21.0 s  orders: write: up",
    ]


def test_the_picture_has_each_way_in_and_the_clock_against_the_rto() -> None:
    """Control characters of a server's answer do not reach the terminal."""
    drawn = _drawn(_scene(UP, DOWN, since_s=30, broken=("node:worker-2",)))
    assert "broken now: node:worker-2" in drawn
    assert "30 s since the fault" in drawn
    assert "RTO 5 min" in drawn
    assert "down 3.0 s" in drawn
    assert "\x1b[31m" not in drawn


def test_the_picture_of_nothing_broken_has_no_clock() -> None:
    drawn = _drawn(_scene(UP, since_s=None))
    assert "since the fault" not in drawn
    assert "up" in drawn
