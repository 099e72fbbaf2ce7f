"""Renders what rules found for a terminal: the sum, the lines it rests on, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from harness.feasibility.finding import Examined, Feasibility, Finding, Harm, Quoted, Word
from harness.report.screen import hanging, title

_STYLES = {Word.CONTRADICTION: "bold red", Word.TIGHT: "yellow", Word.HOLDS: "green"}

_LINES = 5
"""Of one target, for one finding: a target may be made of a dozen."""

_LOST = {
    Harm.DATA: "acknowledged work is lost",
    Harm.OUTAGE: "a recovery is late, or a service does not work",
    Harm.CAPACITY: "pods are refused, or a service does not grow as promised",
    Harm.ROLLOUT: "a deployment goes otherwise than promised",
    Harm.SIGHT: "a fault or a missed promise is not seen",
    Harm.DOCUMENT: "readers are misled",
}


def headline(found: Feasibility) -> str:
    """One line: how much was compared, and what stands against it."""
    if not found.compared:
        return "Nothing could be checked: no two targets that any rule compares."
    count = len(found.of(Word.CONTRADICTION))
    noun = "contradiction" if count == 1 else "contradictions"
    without = sum(one.vacuous for one in found.examined)
    return (
        f"{count} {noun} and {len(found.of(Word.TIGHT))} that hold only under a condition, of "
        f"{found.compared} comparisons by {len(found.examined) - without} of "
        f"{len(found.examined)} rules"
    )


def render(found: Feasibility) -> Iterator[RenderableType]:
    """All of it, the worst first; what holds is counted by rule, what was not compared is named."""
    yield Text(headline(found), style="bold")
    for ground in found.grounds:
        yield hanging("  ", ground, "")
    for word, called in (
        (Word.CONTRADICTION, "Contradictions: as documented they cannot all be kept"),
        (Word.TIGHT, "Tight: kept only under a condition that the document does not state"),
    ):
        findings = found.of(word)
        if findings:
            yield title(called)
        for number, one in enumerate(findings, start=1):
            yield from _finding(number, one, found)
    yield title("Rules")
    for rule in found.examined:
        yield hanging(f"  {rule.rule}: ", _compared(rule), "dim" if rule.vacuous else "")


def _finding(number: int, one: Finding, found: Feasibility) -> Iterator[RenderableType]:
    yield hanging(f"{number:>3}. ", one.says, _STYLES[one.word])
    yield hanging("     sum      ", one.sum, "")
    for target in one.targets:
        yield from _lines(target, one, found)
    yield hanging("     why      ", one.why, "")
    beyond = one.times is not None and one.times > 1
    bad = _LOST[one.harm] + (f"; {_times(one.times or 0)} times the limit" if beyond else "")
    yield hanging("     how bad  ", bad, "")
    for assumed in one.assumes:
        yield hanging("     read as  ", assumed, "")
    yield hanging("     do       ", one.resolve, "")
    for source in one.sources:
        yield hanging("     source   ", source, "dim")
    yield hanging("     id       ", one.id, "dim")


def _lines(target: str, one: Finding, found: Feasibility) -> Iterator[RenderableType]:
    """What the document says of a target; of many lines those that tell."""
    quoted = found.lines.get(target) or tuple(
        Quoted(target=target, line=None, text=f"{source.section}: {line}")
        for source in found.sources.get(target, ())
        for line in source.lines
    )
    if not quoted:
        yield hanging("     says     ", f"not in the document  [{target}]", "")
        return
    telling = [said for said in quoted if any(word in said.text for word in one.telling)]
    shown = telling or quoted
    for said in shown[:_LINES]:
        where = "says" if said.line is None else f"line {said.line}"
        yield hanging(f"     {where:<9}", f"{said.text}  [{target}]", "")
    if len(shown) > _LINES:
        yield hanging("              ", f"and {len(shown) - _LINES} more of {target}", "dim")


def _times(number: float) -> str:
    return f"{number:.3g}" if number < 1000 else f"{number:.0f}"


def _compared(rule: Examined) -> str:
    if rule.vacuous:
        return f"nothing could be checked; needs {rule.needs}"
    counts = ", ".join(
        f"{sum(one.word is word for one in rule.findings)} {name}"
        for word, name in (
            (Word.CONTRADICTION, "contradict"),
            (Word.TIGHT, "tight"),
            (Word.HOLDS, "hold"),
        )
    )
    return f"{counts}. {rule.law}"
