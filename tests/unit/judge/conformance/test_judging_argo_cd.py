"""Waves, sync policies, and whether the cluster is what Git says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from conformances import judged, thing

from harness.model.configuration import Synced, SyncPolicy, SyncWave
from harness.model.target import Objective
from harness.model.verdict import Verdict

WAVE = SyncWave(wave=1, services=("auth",), takes=timedelta(minutes=5))
MANUAL = SyncPolicy(namespaces="*-prod", automated=False, prune=False, self_heal=False)
AUTOMATED = SyncPolicy(namespaces="*-prod", automated=True, prune=True, self_heal=True)
ALL = [WAVE, MANUAL, Synced()]


def application(
    wave: str | None = "1",
    policy: dict[str, Any] | None = None,
    took_s: int | None = None,
    state: str = "Synced",
) -> dict[str, Any]:
    annotations = {} if wave is None else {"argocd.argoproj.io/sync-wave": wave}
    spec: dict[str, Any] = {"destination": {"namespace": "shop-prod"}}
    if policy is not None:
        spec["syncPolicy"] = {"automated": policy}
    status: dict[str, Any] = {"sync": {"status": state}}
    if took_s is not None:
        minutes, seconds = divmod(took_s, 60)
        status["operationState"] = {
            "startedAt": "2026-03-01T10:00:00Z",
            "finishedAt": f"2026-03-01T10:{minutes:02}:{seconds:02}Z",
        }
    made = thing("auth", spec, namespace="argocd", annotations=annotations)
    return made | {"status": status}


@pytest.mark.parametrize("objective", ALL, ids=lambda one: type(one).__name__)
def test_without_argo_cd_nothing_is_said(objective: Objective) -> None:
    found = judged(objective, absent=["Application"])
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "Application: the cluster has no such kind (argoproj.io/v1alpha1)" in found.headline
    assert judged(objective, hidden=["Application"]).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("objective", [MANUAL, Synced()], ids=lambda one: type(one).__name__)
def test_without_an_application_nothing_is_said(objective: Objective) -> None:
    assert judged(objective).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (application(), Verdict.PASS),
        (application(took_s=300), Verdict.PASS),
        (application(took_s=301), Verdict.FAIL),
        (application("2"), Verdict.FAIL),
        (application(None), Verdict.FAIL),
    ],
)
def test_a_service_is_in_its_wave_and_in_time(given: dict[str, Any], verdict: Verdict) -> None:
    assert judged(WAVE, {"Application": [given]}).verdict is verdict


def test_a_service_without_an_application_is_in_no_wave() -> None:
    found = judged(WAVE)
    assert found.verdict is Verdict.FAIL
    assert "auth: has no Application" in found.headline


@pytest.mark.parametrize(
    ("policy", "objective", "verdict"),
    [
        (None, MANUAL, Verdict.PASS),
        ({}, MANUAL, Verdict.FAIL),
        ({"enabled": False}, MANUAL, Verdict.PASS),
        ({"prune": True, "selfHeal": True}, AUTOMATED, Verdict.PASS),
        ({"prune": True}, AUTOMATED, Verdict.FAIL),
        (None, AUTOMATED, Verdict.FAIL),
    ],
)
def test_how_an_environment_is_synced(
    policy: dict[str, Any] | None, objective: SyncPolicy, verdict: Verdict
) -> None:
    given = application(policy=policy)
    assert judged(objective, {"Application": [given]}).verdict is verdict


@pytest.mark.parametrize(
    ("state", "verdict"), [("Synced", Verdict.PASS), ("OutOfSync", Verdict.FAIL)]
)
def test_the_cluster_is_what_git_says(state: str, verdict: Verdict) -> None:
    found = judged(Synced(), {"Application": [application(state=state)]})
    assert found.verdict is verdict
