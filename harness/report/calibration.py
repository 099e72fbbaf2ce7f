"""Renders a calibration as a table: in the terminal, and as Markdown to be kept. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model.calibration import Calibration, Examined
from harness.model.quantity import show_duration
from harness.report.wording import plural, printable

_HEAD = ("damage", "found by", "verdict", "seconds")


def headline(calibration: Calibration) -> str:
    """One line: whether the harness can be believed, and how far it was tried."""
    found = sum(one.found for one in calibration.examined)
    clean = sum(not run.found for run in calibration.clean)
    return (
        f"{'CALIBRATED' if not calibration.problems else 'NOT CALIBRATED'}  "
        f"{found} of {plural(len(calibration.examined), 'planted damage')} found and named, "
        f"{clean} of {plural(len(calibration.clean), 'clean run')} found nothing"
        f"{'' if calibration.complete else ' (not all damages were tried)'}"
    )


def render_table(calibration: Calibration) -> str:
    """Plain text: the headline, one line for each run, what was missed."""
    rows = [_HEAD, *_rows(calibration)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [headline(calibration), ""]
    lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    if calibration.problems:
        lines += ["", *calibration.problems]
    return "".join(f"{printable(line)}\n" for line in lines)


def render_markdown(calibration: Calibration) -> str:
    """The same with all that was planted and said, for the archive."""
    took = calibration.ended - calibration.started
    lines = [
        f"# Calibration of {calibration.started:%Y-%m-%d %H:%M} UTC",
        "",
        f"**{headline(calibration)}**",
        "",
        (
            f"On {calibration.host}, commit {calibration.git_head or 'unknown'}"
            f"{' with changed files' if calibration.git_dirty else ''}, practice platform at scale "
            f"{calibration.scale:g}, {show_duration(took)}."
        ),
        "",
    ]
    if calibration.problems:
        lines += ["## What is wrong", "", *(f"- {each}" for each in calibration.problems), ""]
    lines += ["| " + " | ".join(_HEAD) + " |", "|" + "---|" * len(_HEAD)]
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in _rows(calibration)]
    for one in calibration.examined:
        lines += ["", f"## {one.name}: {one.title}", "", *_told(one)]
    return "".join(f"{printable(line)}\n" for line in lines)


def _rows(calibration: Calibration) -> Sequence[tuple[str, ...]]:
    clean = [
        (
            f"none ({run.run.split('/')[0]})",
            f"{len(run.found)} findings" if run.found else "nothing, as it must be",
            run.verdict.value,
            f"{run.seconds:.0f}",
        )
        for run in calibration.clean
    ]
    examined = [
        (
            one.name,
            one.found_by or ("not planted" if one.planted is None else "MISSED"),
            one.verdict.value if one.verdict is not None else "-",
            f"{one.seconds:.0f}",
        )
        for one in calibration.examined
    ]
    return [*clean[:1], *examined, *clean[1:]]


def _told(one: Examined) -> list[str]:
    said = [
        ("Planted", one.planted),
        ("Expected", one.expected),
        ("Found by", one.found_by),
        ("It says", one.headline),
        ("Error", one.error),
        ("Run", one.run),
    ]
    return [f"- {name}: {text}" for name, text in said if text is not None]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
