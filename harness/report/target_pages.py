"""Renders the documented targets as Markdown pages: one for each file of targets/, and an index.

Pure. A page says of each target what is promised, where the document says so, and what answers it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from harness.coverage.unchecked import no_check
from harness.model.configuration import RepositoryLayout, RestoreTest, Unmeasured
from harness.model.conformance import ConformancePlan
from harness.model.game_day import GameDayPlan
from harness.model.load_test import LoadPlan
from harness.model.plan import Plan, RunPlan, answers
from harness.model.target import Kind, NoPromise, Source, Target, TargetFile
from harness.report.wording import listed, objective, plural

INDEX = "README.md"

REHEARSED: tuple[tuple[type[RunPlan], str], ...] = (
    (Plan, "restores"),
    (GameDayPlan, "game days"),
    (LoadPlan, "load tests"),
    (ConformancePlan, "conformance checks"),
)
"""Kinds of runs, and what they are called."""

_RESTORED = {Kind.POSTGRESQL, Kind.REDIS}
"""What has backups: a suite of restores has no other subjects."""

MADE_BY = "Made by `harness targets pages`"
"""What each page says of itself."""


_WHAT_THEY_ARE = (
    "what it promises, where it says so, and which runs can show it to be met or missed. "
    "`harness coverage` says when each was last proved."
)
_HOW_STRONG = (
    "More than one kind of run may answer a target. What restores, game days and load tests answer "
    "is proved by a test; what conformance checks answer, by a look at how the platform is set up."
)


def pages(files: Mapping[str, TargetFile]) -> dict[str, str]:
    """Name of each page -> its Markdown; `files`: names without `.yaml` -> their contents."""
    return {INDEX: _index(files)} | {f"{name}.md": _page(name, one) for name, one in files.items()}


def answered_by(target: Target) -> tuple[str, ...]:
    """The kinds of runs that can show a target to be met or missed; none: no run can."""
    if no_check(target) is not None:
        return ()
    if isinstance(target.objective, RestoreTest):
        return ("restores",)  # that they are run, and when, is all that is asked
    return tuple(
        name
        for plan, name in REHEARSED
        if answers(plan, target.objective) and (plan is not Plan or _RESTORED & set(target.covers))
    )


def _index(files: Mapping[str, TargetFile]) -> str:
    targets = [target for one in files.values() for target in one.targets]
    documents = dict.fromkeys(one.document for one in files.values())
    unseen = [
        (name, target)
        for name, one in files.items()
        for target in one.targets
        if isinstance(target.objective, Unmeasured)
    ]
    columns = [name for _, name in REHEARSED]
    return _joined(
        [
            _made("targets/*.yaml"),
            "# The documented targets",
            f"{plural(len(targets), 'target')} of {listed(documents)}: {_WHAT_THEY_ARE}",
            _table(
                ("page", "targets", *columns, "no check"),
                (
                    (
                        f"[{name}]({name}.md)",
                        str(len(one.targets)),
                        *(_count(one, column) for column in columns),
                        _blank_zero(sum(not answered_by(target) for target in one.targets)),
                    )
                    for name, one in files.items()
                ),
            ),
            _HOW_STRONG,
            "## What no check sees",
            _table(
                ("target", "the document says", "why it is not seen", "what would be needed"),
                (_unseen(name, target) for name, target in unseen),
            ),
        ]
    )


def _count(one: TargetFile, column: str) -> str:
    return _blank_zero(sum(column in answered_by(target) for target in one.targets))


def _blank_zero(count: int) -> str:
    return str(count) if count else ""


def _unseen(name: str, target: Target) -> tuple[str, ...]:
    told = target.objective
    assert isinstance(told, Unmeasured)  # noqa: S101 - it was chosen by that
    quote = "" if target.source is None else _code(target.source.quote)
    return (f"[{target.id}]({name}.md#{target.id})", quote, told.why, told.needs)


def _page(name: str, one: TargetFile) -> str:
    parts = [
        _made(f"targets/{name}.yaml"),
        f"# Targets: {name.replace('-', ' ')}",
        f"What {one.document} promises in {_sections(one.targets)}. [All targets]({INDEX})",
        _table(
            ("target", "promise", "covers", "answered by"),
            (
                (
                    f"[{target.id}](#{target.id})",
                    _in_short(target),
                    ", ".join(target.covers),
                    ", ".join(answered_by(target)) or "no run",
                )
                for target in one.targets
            ),
        ),
    ]
    for target in one.targets:
        parts += _target(target)
    if one.no_promises:
        parts += ["## What is no promise", *_no_promises(one.no_promises)]
    return _joined(parts)


def _made(source: str) -> str:
    return f"<!-- {MADE_BY} from {source}: change that, not this. -->"


def _sections(targets: Iterable[Target]) -> str:
    names = dict.fromkeys(one.source.section for one in targets if one.source is not None)
    return listed((f'"{name}"' for name in names), most=len(names))


def _in_short(target: Target) -> str:
    """What is promised; of what no check sees, in the document's words."""
    if isinstance(target.objective, Unmeasured) and target.source is not None:
        return _code(target.source.quote)
    return objective(target.objective)


def _target(target: Target) -> Iterator[str]:
    yield f"## {target.id}"
    covers = f"Covers {listed(target.covers, most=9)}."
    seen = not isinstance(target.objective, Unmeasured)
    yield f"**{objective(target.objective)}** {covers}" if seen else covers
    if isinstance(target.objective, RepositoryLayout):
        yield _fenced(target.objective.paths)
    for source in target.sources:
        yield f"{_place(source)}:\n\n{_fenced(source.lines)}"
    if target.source is None:
        yield "Not in the document."
    if target.note is not None:
        yield _sentence(target.note)
    why = no_check(target)
    if why is None:
        yield f"Answered by {listed(answered_by(target), most=9)}."
    else:
        yield f"Answered by no run. {_sentence(why)}"


def _place(source: Source) -> str:
    below = "" if source.under is None else f", below `{source.under}`"
    return f'"{source.section}"{below}'


def _no_promises(said: Iterable[NoPromise]) -> Iterator[str]:
    for one in said:
        what = "what no target names" if not one.quotes else "these lines"
        yield f'"{one.section}", {what}: {_sentence(one.because)}'
        if one.quotes:
            yield _fenced(one.quotes)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{text}`"


def _fenced(lines: Iterable[str]) -> str:
    return "\n".join(("```text", *lines, "```"))


def _sentence(text: str) -> str:
    plain = " ".join(text.split()).rstrip(".")
    return f"{plain[:1].upper()}{plain[1:]}."


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(parts) + "\n"
