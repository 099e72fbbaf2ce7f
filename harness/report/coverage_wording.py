"""Puts coverage into words, alike in the table, in the picture and in the page. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from harness.model.coverage import (
    Basis,
    Coverage,
    Drill,
    NotCounted,
    RunAnswer,
    State,
    TargetCoverage,
)
from harness.model.quantity import show_duration
from harness.report.wording import listed, plural, when

COUNTED = {
    State.PROVED: "proved by a test",
    State.CONFIGURED: "by configuration only",
    State.OVERDUE: "overdue",
    State.FAILED: "failed",
    State.INCONCLUSIVE: "inconclusive",
    State.NEVER: "never proved or tried",
    State.NO_CHECK: "without a check",
}
"""What is said behind how many targets are in a state."""

UNREACHABLE = "no suite here could answer"


def headline(coverage: Coverage) -> str:
    """The one sentence of it all."""
    checked = [row for row in coverage.targets if row.state is not State.NO_CHECK]
    if not coverage.runs:
        where = listed(coverage.environments)
        return f"Nothing is proved: no run of {where} is stored here."
    proved = [row for row in checked if row.state in {State.PROVED, State.CONFIGURED}]
    counted = ", ".join(f"{count} {COUNTED[state]}" for state, count in counts(coverage) if count)
    verb = "is" if len(proved) == 1 else "are"
    return f"{len(proved)} of {plural(len(checked), 'target')} {verb} proved today: {counted}."


def counts(coverage: Coverage) -> Iterator[tuple[State, int]]:
    """Each state with how many targets are in it, in the order of the states."""
    for state in State:
        yield state, sum(row.state is state for row in coverage.targets)


def under_headline(coverage: Coverage) -> str:
    """How much was read, and what was not counted."""
    clusters = {run.cluster for run in coverage.runs} - {None}
    parts = [
        f"{', '.join(coverage.environments)} at {when(coverage.now)}",
        plural(len(coverage.runs), "run"),
    ]
    if len(clusters) > 1:
        parts.append(f"of {len(clusters)} clusters")
    parts.extend(
        f"{sum(one.why is why for one in coverage.not_counted)} {why.value}"
        for why in NotCounted
        if any(one.why is why for one in coverage.not_counted)
    )
    return ", ".join(parts)


def stand(row: TargetCoverage, now: datetime) -> str:
    """Where a target stands, with the time that matters."""
    match row.state:
        case State.OVERDUE if row.due is not None:
            return f"overdue by {age(row.due, now)}"
        case State.FAILED | State.INCONCLUSIVE if row.overdue and row.due is not None:
            return f"{row.state.value}, overdue by {age(row.due, now)}"
        case _:
            return row.state.value


def age(since: datetime, now: datetime) -> str:
    """`3 d 4 h`, `16 h`, `5 min`: two parts at the most, the second only of days."""
    elapsed = max(now - since, timedelta())
    if elapsed >= timedelta(days=10):
        return f"{elapsed.days} d"
    if elapsed >= timedelta(days=1):
        return show_duration(timedelta(hours=elapsed // timedelta(hours=1)))
    if elapsed >= timedelta(hours=1):
        return show_duration(timedelta(hours=elapsed // timedelta(hours=1)))
    return show_duration(timedelta(minutes=elapsed // timedelta(minutes=1)))


def strength(answer: RunAnswer) -> str:
    """How strongly: `OBSERVED, 10 trials`, `1 trial`, `one look`, `settings read`."""
    if answer.basis is Basis.CONFIGURATION:
        return "settings read"
    if not answer.trials:
        return "one look"
    trials = plural(answer.trials, "trial")
    return trials if answer.level is None else f"{answer.level}, {trials}"


def how(answer: RunAnswer) -> str:
    """How strongly, and by which scenarios: `OBSERVED, 10 trials of pod-delete`."""
    if answer.basis is Basis.CONFIGURATION or not answer.scenarios:
        return strength(answer)
    return f"{strength(answer)} of {listed(answer.scenarios, 2)}"


def not_proved(row: TargetCoverage) -> str:
    """What the newest run says instead of PASS, since when, and when it was last proved."""
    last = row.last
    if last is None:
        return "no run said anything of it"
    parts = [f"run {last.run} says so"]
    if row.not_passed_since is not None:
        parts.insert(0, f"not passed since {when(row.not_passed_since)}")
    if row.proved is None:
        parts.append("never proved")
    else:
        parts.append(f"last proved {when(row.proved.at)} by {row.proved.run}")
    if last.unjudged:
        parts.append(f"nothing was found of {listed(last.unjudged)}")
    return "; ".join(parts)


def by_section(coverage: Coverage) -> Iterator[tuple[str, list[TargetCoverage]]]:
    """The rows of each section of the document, in the order of the first of each; last, what is
    not in the document.
    """
    sections: dict[str, list[TargetCoverage]] = {}
    for row in coverage.targets:
        sections.setdefault(row.section, []).append(row)
    outside = sections.pop("", None)
    yield from sections.items()
    if outside:
        yield "Not in the document", outside


def debt(coverage: Coverage) -> str:
    """What is owed, in a sentence."""
    owed = coverage.debt
    if not owed.owed:
        return "Nothing is owed: every target that has a check was proved within its period."
    paid = len(owed.owed) - len(owed.unpayable)
    said = f"{plural(len(owed.owed), 'target')} without a proof of their period"
    if not paid:
        return f"{said}; {UNREACHABLE}."
    hours = show_duration(owed.takes)
    rest = f"; {len(owed.unpayable)}: {UNREACHABLE}" if owed.unpayable else ""
    return f"{said}; at least {hours} of drills could prove {paid}{rest}."


def debt_in_short(coverage: Coverage) -> str:
    """`Owed: 16 targets; 1 h 53 min of drills could prove 9`: for a picture."""
    owed = coverage.debt
    paid = len(owed.owed) - len(owed.unpayable)
    if not paid:
        return f"Owed: {plural(len(owed.owed), 'target')}" if owed.owed else "Nothing is owed"
    hours = show_duration(owed.takes)
    return f"Owed: {plural(len(owed.owed), 'target')}; {hours} of drills could prove {paid}"


def next_drill(coverage: Coverage) -> str | None:
    """The drill that pays most in an hour, with the ratio; None: none pays anything."""
    drill = coverage.debt.next
    if drill is None:
        return None
    return (
        f"pays {len(drill.pays)} of {len(coverage.debt.owed)} in {show_duration(drill.takes)}, "
        f"{ratio(drill)}"
    )


def ratio(drill: Drill) -> str:
    """`42 targets an hour`."""
    rate = f"{drill.per_hour:,.0f}" if drill.per_hour >= 100 else f"{drill.per_hour:.3g}"
    return f"{rate} targets an hour"
