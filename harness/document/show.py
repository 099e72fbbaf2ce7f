"""Writes drift as a compiler writes its messages: `FILE:LINE: message`."""

from __future__ import annotations

from collections.abc import Iterator

from harness.document.drift import About, Drift, Finding

_TITLES = {
    About.CHANGED: "What the document says otherwise than its target quotes",
    About.GONE: "What the document no longer says",
    About.MOVED: "What the document says in another place",
    About.AMBIGUOUS: "What could be one line or another",
    About.DISAGREES: "What a target quotes and does not hold",
    About.NUMBER_WITHOUT_TARGET: "Numbers without a target",
    About.SETTING_WITHOUT_TARGET: "Settings without a target",
    About.NO_PROMISE_GONE: "What was said to promise nothing, and is gone",
    About.REVIEW: "Review",
    About.NOTE: "Notes (no drift)",
}


def written(found: Drift, file: str) -> Iterator[str]:
    """Lines for a person: the findings in groups, then the counts."""
    for about in About:
        group = [one for one in found.findings if one.about is about]
        if group:
            yield f"{_TITLES[about]}: {len(group)}"
            yield from (_line(one, file) for one in group)
            yield ""
    counts = [
        f"{sum(one.about is about for one in found.findings)} {about}"
        for about in About
        if about is not About.NOTE and any(one.about is about for one in found.findings)
    ]
    yield (
        f"{file}: {found.statements} statements, {found.without_target} without a target; "
        f"{found.tied} of {found.targets} targets tied by {found.found} of {found.quoted} "
        "quoted lines"
    )
    yield f"drift: {', '.join(counts)}" if counts else "no drift"


def _line(one: Finding, file: str) -> str:
    at = file if one.line is None else f"{file}:{one.line}"
    return f"{at}: {f'{one.target}: ' if one.target else ''}{one.says}"


def next_command(found: Drift) -> str:
    """What to type next."""
    if any(one.about is About.MOVED for one in found.findings):
        return "next: correct targets/, or name the places: --mapping FILE (docs/document.md)"
    if found.drifted:
        return "next: correct the document or targets/, then `harness targets pages`"
    return "next: harness targets check --feasibility"
