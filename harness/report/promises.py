"""Puts all promises of a document in one table: verdict, what was seen, who says it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.model.conformance import ConformancePlan
from harness.model.plan import answerable
from harness.model.target import Target
from harness.model.verdict import Finding, Verdict, merge
from harness.report.load_summary import Figure
from harness.report.wording import plural

_SEEN = 3
"""Findings of one promise that its row tells in full; the rest is counted."""

ADDED = "Not in the document"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseRow:
    """One promise."""

    target: Target
    findings: tuple[Finding, ...]
    """Worst first."""

    @property
    def verdict(self) -> Verdict:
        """The worst of its findings; INCONCLUSIVE of none."""
        return merge(found.verdict for found in self.findings)

    @property
    def seen(self) -> tuple[str, ...]:
        """What was seen, the worst first; how many more there are at its end."""
        said = list(dict.fromkeys(found.headline for found in self.findings))
        more = [f"and {len(said) - _SEEN} more"] if len(said) > _SEEN + 1 else []
        return tuple(said[:_SEEN] + more) if more else tuple(said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The promises of one section of the document, in its order."""

    name: str
    rows: tuple[PromiseRow, ...]

    @property
    def count(self) -> str:
        """`2 FAIL, 1 INCONCLUSIVE, 5 PASS`."""
        verdicts = [row.verdict for row in self.rows]
        return ", ".join(
            f"{verdicts.count(each)} {each}"
            for each in (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)
            if each in verdicts
        )


def promises(plan: ConformancePlan, findings: tuple[Finding, ...]) -> tuple[PromiseRow, ...]:
    """Every promise that a look can answer or that something was found about, in the order of the
    targets.
    """
    asked = {one.id for one in answerable(plan)} | {found.target for found in findings}
    return tuple(
        PromiseRow(
            target=target,
            findings=tuple(found for found in findings if found.target == target.id),
        )
        for target in plan.targets
        if target.id in asked
    )


def sections(plan: ConformancePlan, findings: tuple[Finding, ...]) -> tuple[Section, ...]:
    """The same by section of the document, in the order in which targets first name them."""
    by_name: dict[str, list[PromiseRow]] = {}
    for row in promises(plan, findings):
        source = row.target.source
        by_name.setdefault(ADDED if source is None else source.section, []).append(row)
    return tuple(Section(name=name, rows=tuple(rows)) for name, rows in by_name.items())


def conformance_figures(plan: ConformancePlan, findings: tuple[Finding, ...]) -> Iterator[Figure]:
    """How many promises are kept, are not, and could not be told."""
    verdicts = [row.verdict for row in promises(plan, findings)]
    for verdict, name, beside in (
        (Verdict.PASS, "As documented", "seen in the cluster when it was looked at"),
        (Verdict.FAIL, "Not as documented", "each told below, with what to do"),
        (Verdict.INCONCLUSIVE, "Could not be told", "each with what is missing"),
    ):
        yield Figure(
            name=name,
            value=f"{verdicts.count(verdict)} of {len(verdicts)}",
            beside=beside,
        )


def conformance_limits(plan: ConformancePlan) -> Iterator[str]:
    """What a look cannot show."""
    yield (
        "This is how the platform was set up when it was looked at, not how it behaves when "
        "something fails or is loaded: that is measured by drills, restores and load tests."
    )
    rest = len(plan.targets) - len(answerable(plan))
    if rest:
        yield (
            f"{plural(rest, 'target')} of the document can be met or missed by a drill, a restore "
            "or a load test alone, or in part: `harness coverage` says when each was last proved."
        )
    if not plan.critical:
        yield (
            "The suite names no critical service: what is promised of critical services alone is "
            "not judged."
        )
