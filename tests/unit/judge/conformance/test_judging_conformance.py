"""Every promise gets a verdict; what nobody could see is INCONCLUSIVE, with what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import conformances
import pytest
from conformances import evidence, plan, promise, read
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.conformance.compose import judge_conformance
from harness.judge.conformance.evidence import ConformanceEvidence
from harness.judge.conformance.registry import JUDGES
from harness.model.codec import to_json
from harness.model.configuration import AccessControl, ControlPlane, Unmeasured
from harness.model.conformance import KINDS
from harness.model.history import Blame, StepFailed
from harness.model.judgement import Judgement
from harness.model.target import Objective, Replicas, Target, Volume
from harness.model.verdict import Finding, Verdict

MASTERS = promise(ControlPlane(masters=3), "masters")
BENCHMARK = promise(
    Unmeasured(why="no benchmark of the CIS is run", needs="kube-bench on every node"), "cis"
)


def judge_masters(
    run: ConformanceEvidence, target: Target, objective: ControlPlane
) -> Iterator[Finding]:
    """Nodes, each a master, for a judge under test of its own."""
    unread = run.unread("Node")
    count = len(run.of_kind("Node"))
    verdict = (
        Verdict.INCONCLUSIVE
        if unread
        else Verdict.PASS
        if count == objective.masters
        else Verdict.FAIL
    )
    yield Finding(
        id=f"control-plane/{target.id}",
        check="control-plane",
        target=target.id,
        subject=None,
        scenario=None,
        verdict=verdict,
        headline=unread[0] if unread else f"{count} masters, expected {objective.masters}",
        evidence=run.sequences_of("Node"),
    )


def stumbles(_run: ConformanceEvidence, _target: Target, _objective: object) -> Iterator[Finding]:
    raise KeyError("status")


def silent(_run: ConformanceEvidence, _target: Target, _objective: object) -> Iterator[Finding]:
    return iter(())


def nodes(count: int) -> dict[str, list[dict[str, Any]]]:
    return {"Node": [{"metadata": {"name": f"m{number}"}} for number in range(count)]}


def of(judgement: Judgement, target: str) -> list[Finding]:
    return [one for one in judgement.findings if one.target == target]


def judged(run: ConformanceEvidence) -> Judgement:
    return judge_conformance(run, {ControlPlane: [judge_masters]})


@pytest.mark.parametrize(("count", "verdict"), [(3, Verdict.PASS), (2, Verdict.FAIL)])
def test_a_promise_gets_the_verdict_of_its_judge(count: int, verdict: Verdict) -> None:
    found = judged(evidence(plan(MASTERS), nodes(count)))
    (one,) = of(found, "masters")
    assert one.verdict is verdict
    assert one.evidence == (1,)
    assert found.verdict is verdict


def test_hidden_objects_are_inconclusive_and_named() -> None:
    hidden = {"Node": read("Node", forbidden=True, error="not allowed: nodes")}
    found = judged(evidence(plan(MASTERS), nodes(3), hidden=hidden))
    (one,) = of(found, "masters")
    assert one.verdict is Verdict.INCONCLUSIVE
    assert "Node: the account may not list them" in one.headline
    (objects,) = [one for one in found.findings if one.id == "drill/objects"]
    assert objects.verdict is Verdict.INCONCLUSIVE
    assert "1 of 24 kinds" in objects.headline


def test_a_kind_that_the_cluster_lacks_hides_nothing_of_the_others() -> None:
    """A cluster without Argo CD was looked at as a whole; its absence is told all the same."""
    hidden = {"Application": read("Application", served=False)}
    found = judged(evidence(plan(MASTERS), nodes(3), hidden=hidden))
    (objects,) = [one for one in found.findings if one.id == "drill/objects"]
    assert objects.verdict is Verdict.PASS
    assert "not of this cluster: Application" in objects.detail


def test_what_no_check_sees_says_what_would_be_needed() -> None:
    (one,) = of(judged(evidence(plan(BENCHMARK))), "cis")
    assert one.verdict is Verdict.INCONCLUSIVE
    assert one.id == "unmeasured/cis"
    assert "no benchmark of the CIS is run; needed: kube-bench on every node" in one.headline


def test_a_promise_without_a_judge_is_inconclusive() -> None:
    (one,) = of(judged(evidence(plan(promise(AccessControl(mode="RBAC"))))), "access-control")
    assert one.verdict is Verdict.INCONCLUSIVE
    assert "no check of it is built" in one.headline


@pytest.mark.parametrize(
    ("judge", "said"),
    [(stumbles, "its judge failed: KeyError: 'status'"), (silent, "found nothing to look at")],
)
def test_a_judge_that_fails_or_says_nothing_takes_no_other_with_it(judge: Any, said: str) -> None:  # noqa: ANN401 - either
    other = promise(AccessControl(mode="RBAC"), "rbac")
    found = judge_conformance(
        evidence(plan(other, MASTERS), nodes(3)),
        {AccessControl: [judge], ControlPlane: [judge_masters]},
    )
    (one,) = of(found, "rbac")
    assert one.verdict is Verdict.INCONCLUSIVE
    assert said in one.headline
    assert of(found, "masters")[0].verdict is Verdict.PASS


def test_two_may_judge_one_promise() -> None:
    """As the age of Secrets and of certificates: what one says, the other does not hide."""
    run = evidence(plan(MASTERS), nodes(3))
    found = judge_conformance(run, {ControlPlane: [silent, judge_masters, stumbles]})
    assert [one.id for one in of(found, "masters")] == [
        f"control-plane/masters/judge/{__name__.rpartition('.')[2]}",
        "control-plane/masters",
    ]
    assert found.verdict is Verdict.INCONCLUSIVE


def test_only_what_a_look_answers_is_judged() -> None:
    """A volume is no promise; replicas are a matter of load tests, and read off where a judge can:
    never both left out and passed.
    """
    replicas = promise(Replicas(namespaces="*-prod", count=3), "replicas")
    run = evidence(plan(promise(Volume(size="1Gi"), "volume"), replicas, MASTERS), nodes(3))
    assert {one.target for one in judged(run).findings} == {"masters", None}
    found = judge_conformance(run, {ControlPlane: [judge_masters], Replicas: [silent]})
    assert of(found, "replicas")[0].verdict is Verdict.INCONCLUSIVE


def test_a_look_that_failed_is_told_of_the_whole_check() -> None:
    failed = StepFailed(
        trial="objects", subject=None, step="objects", error="reset", blame=Blame.SURROUNDINGS
    )
    found = judged(evidence(plan(MASTERS), nodes(3), facts=[failed]))
    (looks,) = [one for one in found.findings if one.id == "drill/looks"]
    assert looks.verdict is Verdict.INCONCLUSIVE
    assert "objects: reset" in looks.headline


def test_a_check_that_was_cut_off_passes_nothing_as_a_whole() -> None:
    run = ConformanceEvidence(
        plan=plan(MASTERS),
        history=conformances.history((), ()),
        objects={},
    )
    found = judged(run)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert of(found, "masters")[0].verdict is Verdict.INCONCLUSIVE
    assert "Node: was not read" in of(found, "masters")[0].headline


def test_why_a_look_says_nothing() -> None:
    """Not asked for, failed, or made."""
    failed = StepFailed(trial="tls", subject=None, step="tls", error="reset")
    run = evidence(plan(MASTERS, looks=("objects", "tls", "health")), facts=[failed])
    assert run.not_looked("engines") == "the suite does not look at engines"
    assert run.not_looked("tls") == "the look at tls failed: reset"
    assert run.not_looked("health") is None


def test_objects_of_one_namespace() -> None:
    pods = [{"metadata": {"name": name, "namespace": name}} for name in ("a", "b")]
    run = evidence(plan(MASTERS), {"Pod": pods})
    assert run.of_kind("Pod", "a") == (pods[0],)
    assert run.of_kind("Pod") == tuple(pods)
    assert run.unread("Pod", "Node") == ()
    assert run.sequences_of("Pod") == (3,)


def test_every_judge_is_of_a_kind_of_promise() -> None:
    """One registered under another type would never be asked."""
    assert set(JUDGES) <= set(get_args(Objective))


@given(st.permutations([MASTERS, BENCHMARK, promise(AccessControl(mode="RBAC"))]))
def test_the_order_of_the_targets_changes_no_verdict(targets: list[Target]) -> None:
    """And equal evidence gives equal bytes."""
    run = evidence(plan(*targets), nodes(3))
    by_id = {one.id: one for one in judged(run).findings}
    assert by_id == {
        one.id: one for one in judged(evidence(plan(*reversed(targets)), nodes(3))).findings
    }
    assert to_json(judged(run)) == to_json(judged(run))


@given(st.sets(st.sampled_from([kind for _, kind in KINDS])))
def test_hiding_more_never_makes_a_verdict_better(kinds: set[str]) -> None:
    order = [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL]
    hidden = {kind: read(kind, forbidden=True, error="not allowed") for kind in kinds}
    seen = judged(evidence(plan(MASTERS), nodes(3)))
    less = judged(evidence(plan(MASTERS), nodes(3), hidden=hidden))
    assert order.index(less.verdict) >= order.index(seen.verdict)
