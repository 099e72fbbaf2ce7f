"""Compares a document with the targets, both ways: what each says and the other does not."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import groupby

import msgspec

from harness.document.mapping import NO_MAPPING, DocumentMapping, no_promises
from harness.document.numbers import disagreements
from harness.document.quantities import Measure, Quantity, quantities
from harness.document.review import CYCLES, REVIEWED, Review, review
from harness.document.statement import Document, Form, Statement
from harness.document.ties import State, Tie, Ties, covered, quoted_quantities, tie
from harness.model.target import Target, TargetFile


class About(enum.StrEnum):
    """What a finding is about, in the order in which they are shown."""

    CHANGED = "changed"
    GONE = "gone"
    MOVED = "moved"
    AMBIGUOUS = "ambiguous"
    DISAGREES = "disagrees"
    NUMBER_WITHOUT_TARGET = "number-without-target"
    SETTING_WITHOUT_TARGET = "setting-without-target"
    NO_PROMISE_GONE = "no-promise-gone"
    REVIEW = "review"
    NOTE = "note"
    """No drift: how the document was read, and what was not looked at."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One difference, or one note."""

    about: About
    line: int | None
    """Of the document, from 1; None: it has none."""

    says: str
    """What is there, what was expected, in words."""

    target: str | None = None

    @property
    def is_drift(self) -> bool:
        """Whether the document and the targets differ here."""
        return self.about is not About.NOTE


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """All that was found."""

    findings: tuple[Finding, ...]
    targets: int
    tied: int
    """Targets with at least one quoted line in the document."""

    quoted: int
    """Quoted lines of all targets."""

    found: int
    """Those that stand where they are quoted from, as they are quoted."""

    statements: int
    """Of the document."""

    without_target: int
    """Statements that no target quotes and that are not said to promise nothing."""

    sections_looked_for: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    """Of the document."""

    lines: dict[str, tuple[int, ...]] = {}
    """Target -> the lines that say it."""

    review: Review = Review()

    @property
    def drifted(self) -> bool:
        """Whether anything differs."""
        return any(one.is_drift for one in self.findings)

    @property
    def recognised(self) -> bool:
        """Whether anything at all of the document is what a target names."""
        return self.tied > 0


def drift(
    document: Document,
    files: Iterable[TargetFile],
    *,
    today: date,
    mapping: DocumentMapping = NO_MAPPING,
) -> Drift:
    """All differences of a document and its targets. `today`: what a review is overdue at, UTC."""
    files = tuple(files)
    targets = tuple(one for file in files for one in file.targets)
    known = no_promises((one for file in files for one in file.no_promises), mapping)
    ties = tie(document, targets, mapping)
    nothing, stale = covered(document, known)
    tied = {id(statement) for one in ties.ties for statement in one.statements}
    left = [
        one
        for index, one in enumerate(document.statements)
        if id(one) not in tied and index not in nothing
    ]
    said = review(document, mapping)
    findings = (
        *_ties(ties),
        *_disagreements(targets, ties),
        *_without_target(left),
        *(
            Finding(
                about=About.NO_PROMISE_GONE,
                line=None,
                says=f'"{one.section}" is said to promise nothing'
                + (f" with `{quote}`" if quote else "")
                + ", and the document has no such "
                + ("line there" if quote else "statement"),
            )
            for one, quote in stale
        ),
        *_review(said, today),
        *_notes(document, targets, mapping, left),
    )
    order = list(About)
    by_target: dict[str, list[int]] = {}
    for one in ties.ties:
        by_target.setdefault(one.target, []).extend(one.lines)
    return Drift(
        findings=tuple(sorted(findings, key=lambda one: (order.index(one.about), one.line or 0))),
        targets=len(targets),
        tied=len({one.target for one in ties.ties if one.state is not State.GONE}),
        quoted=len(ties.ties),
        found=sum(one.state is State.FOUND for one in ties.ties),
        statements=len(document.statements),
        without_target=len(left),
        sections_looked_for=tuple(dict.fromkeys(one.source.section for one in ties.ties)),
        sections=tuple(dict.fromkeys(one.section for one in document.headings)),
        lines={name: tuple(dict.fromkeys(at)) for name, at in by_target.items() if at},
        review=said,
    )


def _ties(ties: Ties) -> Iterator[Finding]:
    for one in ties.renamed:
        yield Finding(
            about=About.MOVED,
            line=one.line,
            says=f'"{one.section}" is not a heading; "{one.now}" has {one.tied} of the '
            f"{one.quoted} lines that targets quote of it",
        )
    renamed = {one.section for one in ties.renamed}
    for tied in ties.ties:
        if tied.state is State.FOUND or (
            tied.state is State.MOVED and tied.source.section in renamed
        ):
            continue
        yield from _tie(tied)


def _tie(one: Tie) -> Iterator[Finding]:
    place = f'"{one.source.section}"' + (f" below {one.source.under}" if one.source.under else "")
    at = one.lines[0] if one.lines else None
    others = f" (and {_lines(one.lines[1:])})" if len(one.lines) > 1 else ""
    if one.state is State.GONE:
        says, about = f"no line of {place} says `{one.quote}`", About.GONE
    elif one.state is State.AMBIGUOUS:
        says, about = f"{place} says `{one.quote}` more than once{others}", About.AMBIGUOUS
    elif one.state is State.MOVED:
        where = one.statements[0]
        below = f" below {'.'.join(where.path[:-1])}" if where.path[:-1] else ""
        says = f'`{one.quote}` is in "{where.section}"{below}{others}, not in {place}'
        about = About.MOVED
    else:
        now = one.statements[0]
        says = f"says `{now.whole}`{others}, the target quotes `{one.quote}`"
        if one.state is State.CHANGED:
            says += _difference(quoted_quantities(one.quote), quantities(now.text, now.key))
            about = About.CHANGED
        else:
            says, about = f"{says}: the same number, written otherwise", About.NOTE
    yield Finding(about=about, line=at, says=says, target=one.target)


def _lines(numbers: Sequence[int]) -> str:
    return f"line{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def _difference(before: Sequence[Quantity], now: Sequence[Quantity]) -> str:
    """What is different, where one number stands for one number."""
    if len(before) != 1 or len(now) != 1:
        return ""
    (old,), (new,) = before, now
    if new.measure is Measure.NUMBER and old.measure is not Measure.NUMBER:
        return "; it has no unit any more"
    if new.measure is not old.measure:
        return f"; it is of another kind: {new.measure}, not {old.measure}"
    if old.same_number(new):
        return (
            f"; {new.comparator}, not {old.comparator}" if old.comparator != new.comparator else ""
        )
    return f": {new.value / old.value:.3g} times as much" if old.value else ""


def _disagreements(targets: Sequence[Target], ties: Ties) -> Iterator[Finding]:
    at = {(one.target, one.quote): one.lines for one in ties.ties}
    for one in disagreements(targets):
        lines = at.get((one.target, one.quote), ())
        yield Finding(
            about=About.DISAGREES,
            line=lines[0] if lines else None,
            says=f"the target quotes `{one.quote}`, and its objective has no such "
            f"{one.quantity.measure}; correct it, or say in its note why",
            target=one.target,
        )


def _without_target(left: Sequence[Statement]) -> Iterator[Finding]:
    for one in left:
        if quantities(one.text, one.key):
            about = About.NUMBER_WITHOUT_TARGET
        elif one.form in (Form.SETTING, Form.ITEM, Form.CELL):
            about = About.SETTING_WITHOUT_TARGET
        else:
            continue
        below = one.path if one.form is Form.ITEM else one.path[:-1]
        keys = ".".join(key for key in below if not key.isdecimal())
        yield Finding(
            about=about,
            line=one.line,
            says=f"no target for `{_short(one.whole)}`"
            + (f" below {_short(keys)}" if keys and one.form is not Form.CELL else "")
            + f' in "{one.section}"',
        )


def _short(text: str, most: int = 100) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _days(late: timedelta) -> str:
    return f"{late.days} day{'s' if late.days > 1 else ''}"


def _review(said: Review, today: date) -> Iterator[Finding]:
    if said.reviewed_line is None and said.cycle_line is None:
        yield Finding(
            about=About.NOTE,
            line=None,
            says="no review is documented; looked for "
            f"{', '.join((*CYCLES, *REVIEWED))}, each with its value",
        )
        return
    problem = None
    if said.reviewed_line is None:
        problem = f"a review cycle, `{said.cycle_says}`, and no date of the last review"
    elif said.cycle_line is None:
        # A date alone promises nothing.
        return
    elif said.reviewed is None:
        problem = (
            f"`{said.reviewed_says}` is no date that can be read, expected one such as 2026-02-07 "
            "or February 7, 2026"
        )
    elif said.cycle is None:
        problem = (
            f"`{said.cycle_says}` is no cycle that can be read, expected one such as Quarterly"
        )
    elif said.reviewed > today:
        problem = f"the last review, {said.reviewed}, is after today, {today}"
    elif said.due is not None and said.due < today:
        problem = (
            f"past its review cycle by {_days(today - said.due)}: last reviewed "
            f"{said.reviewed}, {said.cycle_says.casefold()} (line {said.cycle_line}), "
            f"due by {said.due}, today is {today}"
        )
    if problem:
        yield Finding(about=About.REVIEW, line=said.reviewed_line or said.cycle_line, says=problem)


def _notes(
    document: Document,
    targets: Sequence[Target],
    mapping: DocumentMapping,
    left: Sequence[Statement],
) -> Iterator[Finding]:
    for one in document.unread:
        yield Finding(
            about=About.NOTE,
            line=one.line,
            says=f"block of {one.lines} lines: {one.why}; read {one.instead}",
        )
    if document.damaged:
        yield Finding(
            about=About.NOTE,
            line=document.damaged[0],
            says=f"{len(document.damaged)} lines have characters that are lost (U+FFFD); this is "
            "the first",
        )
    silent = [
        one
        for one in left
        if one.form in (Form.PROSE, Form.LINE) and not quantities(one.text, one.key)
    ]
    for section, group in groupby(silent, key=lambda one: one.section):
        lines = list(group)
        yield Finding(
            about=About.NOTE,
            line=lines[0].line,
            says=f'{len(lines)} lines of "{section}" without a number have no target: prose, '
            "or a block that is no YAML",
        )
    for target in targets:
        if target.source is None:
            yield Finding(
                about=About.NOTE,
                line=None,
                says="the project's own target, not in the document: "
                f"{' '.join((target.note or '').split())}",
                target=target.id,
            )
        elif target.id in mapping.not_in_document:
            yield Finding(
                about=About.NOTE,
                line=None,
                says="the mapping says that this document does not promise it",
                target=target.id,
            )
