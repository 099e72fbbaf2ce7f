"""Quotas limit as documented, services fit inside, and a filling shows that they do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from load_tests import CLAIM, plan, run, trial
from msgspec.structs import replace

from harness.judge.load.quotas import CHECK, filled, headroom, judge
from harness.model.autoscaling import ContainerResources, Resource
from harness.model.history import QuotasFilled
from harness.model.load_test import Fill
from harness.model.quota import CapacitySettings, Claim, Filled, QuotaLimit
from harness.model.target import (
    AutoscalerRange,
    Kind,
    Objective,
    QualityOfService,
    Quota,
    Source,
    Target,
)
from harness.model.verdict import Finding, Verdict

SHOP = "core-business-prod"
GIB = 2.0**30
DOCUMENTED = Quota(namespace=SHOP, cores=50, memory="100Gi")
GLOBAL = Quota(cores=100, memory="200Gi")
FILL = trial(Fill(id="full-size", title="Filled"), profile=None)
POD = ContainerResources(
    name="service",
    requests={Resource.CPU: 0.5, Resource.MEMORY: GIB / 2},
    limits={Resource.CPU: 2.0, Resource.MEMORY: 2 * GIB},
)


def compute(cores: float = 50, memory: float = 100 * GIB, namespace: str = SHOP) -> QuotaLimit:
    """As the platform has it: requests and limits are held to the same figure."""
    return QuotaLimit(
        namespace=namespace,
        name="compute",
        hard={
            "requests.cpu": cores,
            "limits.cpu": cores,
            "requests.memory": memory,
            "limits.memory": memory,
        },
    )


def asking(name: str = "checkout", replicas: int = 10, **other: Any) -> Claim:  # noqa: ANN401
    made = replace(
        CLAIM, controller=f"Deployment/{name}", replicas=replicas, containers=(POD,), surge=0
    )
    return replace(made, **other)


def target(objective: Objective, name: str = "it") -> Target:
    return Target(
        id=name,
        covers=(Kind.KUBERNETES,),
        objective=objective,
        source=Source(section="Resource Management", quote="x"),
    )


def judged(
    *objectives: Objective,
    claims: Sequence[Claim] = (),
    quotas: Sequence[QuotaLimit] = (),
    facts: Sequence[QuotasFilled] = (),
    trials: Any = (FILL,),  # noqa: ANN401
    **other: Any,  # noqa: ANN401
) -> dict[str, Finding]:
    """The findings by what follows the target's id: `limit`, `fits`, `full-size`, `class`.

    Targets are called `it`, then `it-2` and so on.
    """
    planned = plan(
        *(
            target(one, "it" if number == 1 else f"it-{number}")
            for number, one in enumerate(objectives, 1)
        ),
        trials=trials,
        settings=CapacitySettings(claims=tuple(claims), quotas=tuple(quotas), **other),
    )
    found = list(judge(run(planned, *facts)))
    assert len({one.id for one in found}) == len(found)
    assert {one.check for one in found} <= {CHECK}
    return {one.id.removeprefix(f"{CHECK}/it/").removeprefix(f"{CHECK}/"): one for one in found}


# --- the limit -------------------------------------------------------------------------------


def test_nothing_promised_is_nothing_judged() -> None:
    """A namespace whose quota nobody promised is still asked whether its services fit."""
    assert judged(trials=()) == {}
    assert list(judged(quotas=[compute()], claims=[asking(replicas=1)], trials=())) == [
        f"{SHOP}/fits"
    ]


def test_the_documented_quota_passes() -> None:
    """To the figure."""
    found = judged(DOCUMENTED, quotas=[compute()])["limit"]
    assert found.verdict is Verdict.PASS
    assert found.headline == (
        "core-business-prod: its quota allows 50 cores and 100 GiB, expected at most 50 cores and "
        "100Gi"
    )


def test_a_tighter_quota_keeps_the_limit() -> None:
    """Whether the services fit inside is another question."""
    assert judged(DOCUMENTED, quotas=[compute(5, 25 * GIB)])["limit"].verdict is Verdict.PASS


def test_a_larger_quota_fails() -> None:
    """Said once, of the one resource that is too large."""
    found = judged(DOCUMENTED, quotas=[compute(51)])["limit"]
    assert found.verdict is Verdict.FAIL
    assert "51 cores are allowed, expected" in found.headline


def test_a_missing_quota_fails() -> None:
    """Nothing limits what is asked for there: the promise "up to" is not kept."""
    found = judged(DOCUMENTED, quotas=[compute(namespace="elsewhere")])["limit"]
    assert found.verdict is Verdict.FAIL
    assert "nothing limits cpu; nothing limits memory" in found.headline
    assert found.advice == f"kubectl describe resourcequota --namespace {SHOP}"


def test_a_quota_of_one_resource_only_fails() -> None:
    """The other one is without limit."""
    only = QuotaLimit(namespace=SHOP, name="compute", hard={"requests.cpu": 50})
    found = judged(DOCUMENTED, quotas=[only])["limit"]
    assert found.verdict is Verdict.FAIL
    assert "nothing limits memory" in found.headline


def test_a_quota_of_requests_only_passes_and_says_so() -> None:
    """The figure may be meant so; that pods may use more is worth a line."""
    only = QuotaLimit(namespace=SHOP, name="c", hard={"cpu": 50, "memory": 100 * GIB})
    found = judged(DOCUMENTED, quotas=[only])["limit"]
    assert found.verdict is Verdict.PASS
    assert "only requests of cpu are held to it: what pods may use is more" in found.detail


@pytest.mark.parametrize(
    "unread", ["ResourceQuota of core-business-prod", "Namespace", "quota core-business-prod/x"]
)
def test_quotas_that_were_not_read_are_inconclusive(unread: str) -> None:
    """Hidden is not absent, and a quota of some pods is not one of all."""
    found = judged(DOCUMENTED, quotas=[compute()], unknown={unread: "forbidden"})["limit"]
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "forbidden" in found.headline


def test_what_was_not_read_elsewhere_does_not_matter() -> None:
    """Another namespace's quota, a node."""
    unknown = {"ResourceQuota of elsewhere": "forbidden", "Node": "forbidden"}
    assert judged(DOCUMENTED, quotas=[compute()], unknown=unknown)["limit"].verdict is Verdict.PASS


# --- all together ----------------------------------------------------------------------------


def test_quotas_that_add_up_to_the_documented_figure_pass() -> None:
    """50 + 30 + 20 are 100: with no slack, and not beyond."""
    found = judged(
        GLOBAL,
        quotas=[
            compute(),
            compute(30, 60 * GIB, "platform-prod"),
            compute(20, 40 * GIB, "infrastructure"),
        ],
    )["limit"]
    assert found.verdict is Verdict.PASS
    assert "100 cores and 200 GiB together" in found.headline
    assert any("core-business-prod 50 cores + platform-prod 30 cores" in x for x in found.detail)


def test_quotas_that_add_up_to_more_fail() -> None:
    """Each may be as documented for itself."""
    found = judged(GLOBAL, quotas=[compute(), compute(51, 100 * GIB, "elsewhere")])["limit"]
    assert found.verdict is Verdict.FAIL
    assert "101 cores may be asked for together" in found.headline


def test_a_documented_namespace_without_a_quota_fails_the_whole() -> None:
    """The sum of the others says nothing then."""
    platform = Quota(namespace="platform-prod", cores=30, memory="60Gi")
    found = judged(GLOBAL, platform, quotas=[compute()])["limit"]
    assert found.verdict is Verdict.FAIL
    assert "nothing limits platform-prod" in found.headline
    assert judged(GLOBAL)["limit"].verdict is Verdict.FAIL


def test_a_sum_of_what_could_be_read_is_inconclusive() -> None:
    """Unless it is too much already."""
    unknown = {"ResourceQuota of elsewhere": "forbidden"}
    assert judged(GLOBAL, quotas=[compute()], unknown=unknown)["limit"].verdict is (
        Verdict.INCONCLUSIVE
    )
    more = judged(GLOBAL, quotas=[compute(101)], unknown=unknown)["limit"]
    assert more.verdict is Verdict.FAIL


# --- what fits inside ------------------------------------------------------------------------


def test_without_claims_or_without_a_quota_nothing_fits_or_not() -> None:
    """Nothing to add up is no headroom."""
    assert judged(DOCUMENTED, quotas=[compute()])["fits"].verdict is Verdict.INCONCLUSIVE
    found = judged(DOCUMENTED, claims=[asking()])["fits"]
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "it has no quota" in found.headline


def test_services_that_fit_pass() -> None:
    """With the sum written out, and how full it would be."""
    found = judged(DOCUMENTED, quotas=[compute()], claims=[asking(surge=3)])["fits"]
    assert found.verdict is Verdict.PASS
    assert any("Deployment/checkout 10 x 2 = 20 cores, 26 cores with" in x for x in found.detail)
    (measure,) = found.measures
    assert (measure.name, measure.value, measure.predicted) == (
        "claimed share of limits.cpu",
        0.52,
        True,
    )


def test_services_that_do_not_fit_together_fail() -> None:
    """Each alone would: one load drives them all."""
    claims = [asking(), asking("order"), asking("payment")]
    found = judged(DOCUMENTED, quotas=[compute()], claims=claims)["fits"]
    assert found.verdict is Verdict.FAIL
    assert "limits.cpu 60 cores, of 50 cores" in found.headline


def test_an_autoscaler_that_cannot_reach_its_maximum_fails() -> None:
    """Even with all others at their minima."""
    found = judged(DOCUMENTED, quotas=[compute(19)], claims=[asking()])["fits"]
    assert found.verdict is Verdict.FAIL
    assert "Deployment/checkout: 9 of 10 replicas (limits.cpu)" in found.headline


def test_a_rollout_that_does_not_fit_is_inconclusive() -> None:
    """It may go on by taking old pods away first; the settings do not say."""
    found = judged(DOCUMENTED, quotas=[compute(20)], claims=[asking(surge=1)])["fits"]
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "22 cores, of 20 cores" in found.headline


@pytest.mark.parametrize(
    ("claims", "unknown"),
    [
        ([asking()], {"StatefulSet of core-business-prod": "forbidden"}),
        ([asking(containers=(ContainerResources(name="bare"),))], {}),
    ],
)
def test_what_is_not_known_of_claims_is_inconclusive(
    claims: list[Claim], unknown: dict[str, str]
) -> None:
    """Of a container that says nothing, too; and more than fits stays more."""
    found = judged(DOCUMENTED, quotas=[compute()], claims=claims, unknown=unknown)["fits"]
    assert found.verdict is Verdict.INCONCLUSIVE
    too_much = [*claims, asking("order", 30, scaled_by="")]
    found = judged(DOCUMENTED, quotas=[compute()], claims=too_much, unknown=unknown)["fits"]
    assert found.verdict is Verdict.FAIL


# --- the proof -------------------------------------------------------------------------------

REFUSED = "pods x is forbidden: exceeded quota: compute, requested: limits.cpu=2"


def part(
    service: str,
    created: int = 10,
    asked: int = 10,
    *,
    used: float = 20,
    **other: Any,  # noqa: ANN401
) -> Filled:
    made = Filled(
        namespace=SHOP,
        controller=f"Deployment/{service}",
        asked=asked,
        created=created,
        running=created,
        refused="" if created == asked else REFUSED,
        used={"limits.cpu": used, "limits.memory": used * GIB},
        hard={"limits.cpu": 50.0, "limits.memory": 100 * GIB},
    )
    return replace(made, **other)


REST = part("rest", 5, 51, used=50, rest=True)


def filling(*parts: Filled, error: str | None = None) -> QuotasFilled:
    return QuotasFilled(
        trial="full-size",
        nodes=10,
        node_cores=10,
        node_memory=20 * GIB,
        filled=parts,
        error=error,
    )


def proof(*parts: Filled, error: str | None = None) -> Finding:
    return judged(DOCUMENTED, facts=[filling(*parts, error=error)])["full-size"]


def test_nothing_filled_is_inconclusive() -> None:
    """Planned and not done, or broken off with an error, which is said."""
    assert judged(DOCUMENTED)["full-size"].verdict is Verdict.INCONCLUSIVE
    found = proof(error="etcd ended with 1")
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "etcd ended with 1" in found.headline


def test_no_filling_planned_is_not_asked_for() -> None:
    """A suite without one is about other things."""
    assert set(judged(DOCUMENTED, trials=())) == {"limit", "fits"}


def test_services_at_full_size_and_then_a_refusal_pass() -> None:
    """Both are needed: that they fit, and that the limit is one."""
    found = proof(part("checkout"), part("order", used=40), REST)
    assert found.verdict is Verdict.PASS
    assert "all 20 pods of its services run" in found.headline
    assert "limits.cpu 50 cores of 50 cores" in found.headline
    assert found.evidence


def test_a_quota_that_refused_nothing_is_inconclusive() -> None:
    """Its limit was not reached, or it is none."""
    assert proof(part("checkout")).verdict is Verdict.INCONCLUSIVE


def test_a_namespace_that_stopped_before_its_size_fails() -> None:
    """By its quota; where, and with what used."""
    parts = [part("checkout"), part("order", used=40), part("payment", 5, used=50)]
    found = proof(*parts, part("catalog", 0, used=50))
    assert found.verdict is Verdict.FAIL
    assert found.headline == (
        "core-business-prod, as documented: 25 of 40 pods fit; the quota refused "
        "Deployment/payment at 5 of 10, with limits.cpu 50 cores of 50 cores"
    )
    assert len(found.detail) == 4
    assert REFUSED in found.detail[2]
    (measure,) = found.measures
    assert measure.value == 0.625


def test_arithmetic_is_beside_the_proof() -> None:
    """Of the documented services: by their requests they would all fit, by their limits not."""
    maximum = AutoscalerRange(minimum=1, maximum=10)
    hard = {"requests.cpu": 50.0, "limits.cpu": 50.0, "limits.memory": 100 * GIB}
    parts = [part("checkout", 5, used=10, hard=hard)]
    found = judged(DOCUMENTED, maximum, facts=[filling(*parts)])["full-size"]
    by_limits, _, by_requests = found.detail[1:]
    assert "= 100 cores, of 50 cores: does not fit" in by_limits
    assert "= 25 cores, of 50 cores: fits" in by_requests


def test_a_namespace_without_services_still_proves_its_quota() -> None:
    """Only the rest was there to be taken."""
    found = proof(REST)
    assert found.verdict is Verdict.PASS
    assert "it has no services; the quota refused" in found.headline
    assert found.measures[0].value is None


def test_a_namespace_that_stopped_for_another_reason_is_inconclusive() -> None:
    """That is the filling's fault, not the quota's."""
    other = part("order", 0, refused="violates PodSecurity")
    found = proof(part("checkout"), other, REST)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "violates PodSecurity" in found.headline
    assert proof(part("checkout", 3, refused="")).verdict is Verdict.INCONCLUSIVE


def test_pods_that_do_not_run_are_inconclusive() -> None:
    """The fake nodes are cut as this project cuts them."""
    found = proof(part("checkout", running=7), REST)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "3 of 10 pods of Deployment/checkout do not run" in found.headline


def test_a_quota_that_lets_in_more_than_it_allows_fails() -> None:
    """Whatever came of the services."""
    assert proof(part("checkout", used=51)).verdict is Verdict.FAIL


def test_a_filling_to_another_figure_is_inconclusive() -> None:
    """It proves nothing of the documented one."""
    smaller = part("checkout", hard={"limits.cpu": 5.0, "limits.memory": 100 * GIB}, used=5)
    found = proof(smaller)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "limits.cpu 5 cores, expected 50 cores and 100Gi" in found.headline


def test_what_is_deployed_is_judged_by_its_own_quota() -> None:
    """Beside the documented services, and without their figure."""
    own = replace(part("checkout"), deployed=True, hard={"limits.cpu": 21.0})
    rest = replace(REST, deployed=True, used={"limits.cpu": 21.0}, hard={"limits.cpu": 21.0})
    found = judged(DOCUMENTED, quotas=[compute(21)], facts=[filling(own, rest)])
    assert found["as-deployed"].verdict is Verdict.PASS
    assert found["full-size"].verdict is Verdict.INCONCLUSIVE
    short = replace(own, created=3, running=3, refused=REFUSED)
    found = judged(DOCUMENTED, quotas=[compute(21)], facts=[filling(short)])
    assert found["as-deployed"].verdict is Verdict.FAIL


def test_the_last_filling_counts() -> None:
    """An earlier one that came less far is not mixed in."""
    first, second = filling(part("checkout", 3)), filling(part("checkout"), REST)
    found = judged(DOCUMENTED, facts=[first, second])["full-size"]
    assert found.verdict is Verdict.PASS
    assert len(found.detail) == 2


# --- classes ---------------------------------------------------------------------------------

CRITICAL = QualityOfService(qos="Guaranteed", services="Critical services")


def classes(*qos: str, **other: Any) -> Finding:  # noqa: ANN401
    claims = [asking(f"s{number}", qos=one) for number, one in enumerate(qos)]
    return judged(CRITICAL, claims=claims, trials=(), **other)["class"]


def test_no_pod_is_no_class() -> None:
    """Nor is one whose class is not known."""
    assert classes().verdict is Verdict.INCONCLUSIVE
    assert classes("").verdict is Verdict.INCONCLUSIVE


def test_a_class_that_no_pod_has_fails() -> None:
    """Whichever services are critical, it is kept for none."""
    found = classes("Burstable", "BestEffort")
    assert found.verdict is Verdict.FAIL
    assert "none of 2 controllers" in found.headline
    assert found.detail == (
        "BestEffort: core-business-prod/Deployment/s1",
        "Burstable: core-business-prod/Deployment/s0",
    )


def test_a_class_that_all_pods_have_passes() -> None:
    """Whichever are meant; unless some are not known."""
    assert classes("Guaranteed", "Guaranteed").verdict is Verdict.PASS
    unread = classes("Guaranteed", unknown={"StatefulSet of x": "forbidden"})
    assert unread.verdict is Verdict.INCONCLUSIVE


def test_a_class_that_some_pods_have_is_inconclusive() -> None:
    """The document does not say which are critical."""
    found = classes("Guaranteed", "Burstable")
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "1 of 2 controllers have such pods" in found.headline


def test_only_documented_namespaces_count() -> None:
    """Where some are: what else runs on the cluster is nobody's service."""
    elsewhere = asking(namespace="elsewhere", qos="Guaranteed")
    found = judged(CRITICAL, DOCUMENTED, claims=[asking(qos="Burstable"), elsewhere])["class"]
    assert found.verdict is Verdict.FAIL


def test_jobs_are_no_services() -> None:
    """The document has a class of their own for them."""
    job = asking(qos="Guaranteed", controller="Job/nightly")
    found = judged(CRITICAL, claims=[asking(qos="Burstable"), job], trials=())["class"]
    assert found.verdict is Verdict.FAIL


# --- what pictures and tables show -----------------------------------------------------------


def test_headroom_is_of_every_quota_and_then_of_all() -> None:
    """In the order in which they are read."""
    planned = plan(
        target(GLOBAL),
        settings=CapacitySettings(
            claims=(asking(),),
            quotas=(compute(),),
            allocatable={"n": {"cpu": 8.0, "memory": 16 * GIB}},
        ),
    )
    found = headroom(run(planned))
    assert [(one.namespace, one.quota, one.resource) for one in found] == [
        (SHOP, "compute", "limits.cpu"),
        (SHOP, "compute", "limits.memory"),
        (SHOP, "compute", "requests.cpu"),
        (SHOP, "compute", "requests.memory"),
        ("all namespaces", "documented", "cpu"),
        ("all namespaces", "nodes", "requests.cpu"),
        ("all namespaces", "documented", "memory"),
        ("all namespaces", "nodes", "requests.memory"),
    ]


def test_every_filling_of_a_namespace_is_one_line() -> None:
    """The documented one first; none where nothing was filled."""
    parts = [replace(part("checkout"), deployed=True), part("order", 5, used=50)]
    lines = filled(run(plan(target(DOCUMENTED), trials=(FILL,)), filling(*parts)))
    assert lines == (
        (
            "core-business-prod, as documented: 5 of 10 pods run (Deployment/order 5 of 10); "
            "the quota refused more, with limits.cpu 50 cores of 50 cores"
        ),
        (
            "core-business-prod, as deployed: 10 of 10 pods run; the quota refused nothing, with "
            "limits.cpu 20 cores of 50 cores"
        ),
    )
    assert filled(run(plan())) == ()
