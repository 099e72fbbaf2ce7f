"""Decides whether the Git repository of the platform has the documented files. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from harness.judge.answer import Answer
from harness.judge.conformance.evidence import ConformanceEvidence, JudgeFunction
from harness.judge.conformance.services import said
from harness.model.configuration import RepositoryLayout
from harness.model.conformance import CommitsRead
from harness.model.target import Target
from harness.model.verdict import Finding, Verdict

_SERVICE = "{service}"
_APPS = "apps"
_NAMED = 20


def judge(
    run: ConformanceEvidence, target: Target, objective: RepositoryLayout
) -> Iterator[Finding]:
    """Each documented file or directory, that of a service for each directory of apps/."""
    yield said(run, target, _answer(run, objective), kinds=())


def _answer(run: ConformanceEvidence, objective: RepositoryLayout) -> Answer:
    read = run.facts(CommitsRead)
    if not read or not read[-1].fact.commits:
        why = (
            (read[-1].fact.detail if read else None)
            or run.not_looked("configuration")
            or "the suite names no `repository`"
        )
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"layout of the Git repository: {why}",
            advice="git clone URL, and its directory as `repository` in the suite",
        )
    fact = read[-1].fact
    there = _with_directories(fact.files)
    services = sorted(
        {path.split("/")[1] for path in fact.files if path.startswith(f"{_APPS}/")}
        & {path.removeprefix(f"{_APPS}/") for path in there - set(fact.files)}
    )
    wanted = [
        path.replace(_SERVICE, service)
        for path in objective.paths
        for service in (services if _SERVICE in path else ("",))
    ]
    missing = [path for path in wanted if path not in there]
    words = f"{fact.repository}: {len(wanted) - len(missing)} of {len(wanted)} documented paths"
    if not wanted or (not services and any(_SERVICE in path for path in objective.paths)):
        missing = missing or [f"{_APPS}/ has no service"]
    if missing:
        more = len(missing) - _NAMED
        return Answer(
            verdict=Verdict.FAIL,
            headline=f"{words} are there; missing: {missing[0]}",
            detail=(*missing[1:_NAMED], *((f"and {more} more",) if more > 0 else ())),
            advice=f"git -C {fact.repository} ls-tree -r --name-only HEAD",
            evidence=(read[-1].sequence,),
        )
    return Answer(
        verdict=Verdict.PASS, headline=f"{words} are there", evidence=(read[-1].sequence,)
    )


def _with_directories(files: tuple[str, ...]) -> frozenset[str]:
    there = set(files)
    for path in files:
        parts = path.split("/")
        there.update("/".join(parts[:count]) for count in range(1, len(parts)))
    return frozenset(there)


JUDGES: dict[type, JudgeFunction] = {RepositoryLayout: judge}
