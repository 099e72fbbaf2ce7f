"""What probes ask is answered, and readiness names the service's dependencies."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec
import pytest
from conformances import evidence, plan, promise

from harness.judge.conformance.health import judge_dependencies, judge_probe
from harness.model.configuration import DependencyHealth, HealthProbe
from harness.model.conformance import HealthAsked
from harness.model.target import Kind
from harness.model.verdict import Finding, Verdict
from harness.model.workload import HttpWorkload, PostgresqlWorkload, RedisWorkload, Workload

READY = HealthProbe(
    probe="readiness",
    path="/health/ready",
    port=8000,
    initial_delay=timedelta(seconds=5),
    period=timedelta(seconds=5),
)
TARGET = promise(READY, "ready")
DEPENDENCIES = msgspec.structs.replace(
    promise(DependencyHealth(), "dependencies"), covers=(Kind.SERVICE,)
)
SHOP = HttpWorkload(
    id="checkout",
    namespace="shop",
    pods="app=checkout",
    service="checkout",
    depends_on=("orders", "carts"),
)
WORKLOADS = (
    PostgresqlWorkload(id="orders", namespace="n", pods="app=postgresql", service="primary"),
    RedisWorkload(id="carts", namespace="n", pods="app=redis", service="redis-all"),
    SHOP,
)
ASKED = HealthAsked(
    namespace="shop",
    app="checkout",
    pod="checkout-1",
    port=8000,
    path="/health/ready",
    status=200,
    body='{"postgresql": "ok", "redis": "ok"}',
)


def answered(status: int | None, body: str = "", path: str = "/health/ready") -> HealthAsked:
    """The same question, another answer."""
    return msgspec.structs.replace(
        ASKED, status=status, body=body, path=path, detail="" if status else "no answer in time"
    )


def judged(*facts: HealthAsked) -> Finding:
    """The one finding of a probe."""
    run = evidence(plan(TARGET, looks=("health",)), facts=facts)
    (found,) = judge_probe(run, TARGET, READY)
    return found


def named(facts: Sequence[HealthAsked], workloads: Sequence[Workload] = WORKLOADS) -> list[Finding]:
    """The findings about dependencies."""
    planned = msgspec.structs.replace(
        plan(TARGET, DEPENDENCIES, looks=("health",)), workloads=tuple(workloads)
    )
    run = evidence(planned, facts=facts)
    return list(judge_dependencies(run, DEPENDENCIES, DependencyHealth()))


def test_nobody_asked_is_inconclusive() -> None:
    """No pod declares the documented question."""
    assert judged().verdict is Verdict.INCONCLUSIVE


def test_another_question_says_nothing() -> None:
    """Patroni's is another path."""
    assert judged(answered(200, path="/readiness")).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(200, Verdict.PASS), (302, Verdict.PASS), (404, Verdict.FAIL), (503, Verdict.FAIL)],
)
def test_the_status_is_the_kubelets(status: int, verdict: Verdict) -> None:
    """200 to 399 is well."""
    assert judged(answered(status)).verdict is verdict


def test_no_answer_is_inconclusive() -> None:
    """A kubelet is elsewhere: that nobody answered here says nothing of it."""
    found = judged(answered(None))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "no answer in time" in found.headline


def test_one_bad_answer_among_many_is_named() -> None:
    """The worst counts."""
    bad = msgspec.structs.replace(answered(500), pod="checkout-2")
    found = judged(ASKED, bad, ASKED)
    assert found.verdict is Verdict.FAIL
    assert "checkout-2" in found.headline


def test_an_answer_that_names_all_passes() -> None:
    """By kind, by Service, or by id."""
    (found,) = named([ASKED])
    assert found.verdict is Verdict.PASS
    (found,) = named([answered(503, "primary: away, carts: fine")])
    assert found.verdict is Verdict.PASS


@pytest.mark.parametrize("body", ["", "OK", '{"postgresql": "ok"}', "redistribution, orders"])
def test_an_answer_that_leaves_one_out_fails(body: str) -> None:
    """It says nothing of Redis."""
    (found,) = named([answered(200, body)])
    assert found.verdict is Verdict.FAIL
    assert "carts" in found.headline


def test_liveness_is_no_readiness() -> None:
    """What another question says does not count where readiness was asked."""
    live = answered(200, "postgresql redis", path="/health/live")
    (found,) = named([live, answered(200, "OK")])
    assert found.verdict is Verdict.FAIL


def test_nobody_says_what_it_depends_on() -> None:
    """Then there is nothing to look for."""
    (found,) = named([ASKED], [msgspec.structs.replace(SHOP, depends_on=())])
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "depends_on" in (found.advice or "")


def test_no_answer_and_no_service_are_inconclusive() -> None:
    """Each with its reason."""
    (silent,) = named([answered(None)])
    (unasked,) = named([])
    (nobody,) = named([], WORKLOADS[:2])
    assert {silent.verdict, unasked.verdict, nobody.verdict} == {Verdict.INCONCLUSIVE}
    assert "no answer in time" in silent.headline
