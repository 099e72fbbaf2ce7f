"""Decides whether Argo CD brings each environment to what Git says as documented: in which waves,
by which policy, and whether it is there. Pure.

Fields are those of Argo CD's documentation: Application specification, Automated Sync Policy, Sync
Phases and Waves.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from fnmatch import fnmatchcase

from harness.judge.conformance.evidence import ConformanceEvidence, JudgeFunction
from harness.judge.conformance.services import Object, name_of, over, place_of, runs
from harness.model.configuration import Synced, SyncPolicy, SyncWave
from harness.model.quantity import show_duration
from harness.model.target import Target
from harness.model.verdict import Finding

_KIND = "Application"
_KINDS = (_KIND,)
_WAVE = "argocd.argoproj.io/sync-wave"
_ADVICE = "kubectl get applications.argoproj.io --all-namespaces -o yaml"


def judge_wave(run: ConformanceEvidence, target: Target, objective: SyncWave) -> Iterator[Finding]:
    """Of each service of the wave that it has an Application in it, whose last sync was in time."""
    subjects = []
    for service in objective.services:
        found = [one for one in run.of_kind(_KIND) if runs(name_of(one), service)]
        problems = [line for one in found for line in _in_wave(one, objective)]
        subjects.append((service, problems if found else ("has no Application",)))
    yield over(
        run,
        target,
        [] if run.unread(_KIND) else subjects,
        kinds=_KINDS,
        what=f"sync wave {objective.wave}",
        advice=_ADVICE,
    )


def _in_wave(one: Object, wanted: SyncWave) -> Iterator[str]:
    # Zero where nothing is said (Sync Phases and Waves).
    wave = (one["metadata"].get("annotations") or {}).get(_WAVE, "0")
    if wave != str(wanted.wave):
        yield f"{name_of(one)}: wave {wave}, expected {wanted.wave}"
    last = (one.get("status") or {}).get("operationState") or {}
    if "startedAt" in last and "finishedAt" in last:
        took = datetime.fromisoformat(last["finishedAt"]) - datetime.fromisoformat(
            last["startedAt"]
        )
        if took > wanted.takes:
            yield (
                f"{name_of(one)}: its last sync took {show_duration(took)}, expected at most "
                f"{show_duration(wanted.takes)}"
            )


def judge_policy(
    run: ConformanceEvidence, target: Target, objective: SyncPolicy
) -> Iterator[Finding]:
    """Of each Application that deploys into such a namespace."""
    subjects = [
        (place_of(one), tuple(_policy(one, objective)))
        for one in run.of_kind(_KIND)
        if fnmatchcase(
            str((one["spec"].get("destination") or {}).get("namespace", "")), objective.namespaces
        )
    ]
    yield over(
        run,
        target,
        subjects,
        kinds=_KINDS,
        what=f"sync policy of {objective.namespaces}",
        advice=_ADVICE,
    )


def _policy(one: Object, wanted: SyncPolicy) -> Iterator[str]:
    automated = (one["spec"].get("syncPolicy") or {}).get("automated")
    # There and empty is switched on; `enabled: false` switches off what is there.
    given = automated or {}
    got = {
        "automated": automated is not None and given.get("enabled", True),
        "prune": bool(given.get("prune", False)),
        "selfHeal": bool(given.get("selfHeal", False)),
    }
    expected = {
        "automated": wanted.automated,
        "prune": wanted.prune,
        "selfHeal": wanted.self_heal,
    }
    for name, value in expected.items():
        if got[name] != value:
            yield f"{name}: got {_word(got[name])}, expected {_word(value)}"


def judge_synced(run: ConformanceEvidence, target: Target, _objective: Synced) -> Iterator[Finding]:
    """Of every Application that Argo CD itself sees no difference."""
    subjects = []
    for one in run.of_kind(_KIND):
        state = ((one.get("status") or {}).get("sync") or {}).get("status", "Unknown")
        fits = state == "Synced"
        subjects.append((place_of(one), () if fits else (f"is {state}, expected Synced",)))
    yield over(
        run,
        target,
        subjects,
        kinds=_KINDS,
        what="the cluster beside Git",
        advice="argocd app diff APPLICATION",
    )


def _word(value: object) -> str:
    return "true" if value else "false"


JUDGES: dict[type, JudgeFunction] = {
    SyncWave: judge_wave,
    SyncPolicy: judge_policy,
    Synced: judge_synced,
}
