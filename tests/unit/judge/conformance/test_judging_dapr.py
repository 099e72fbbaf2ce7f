"""Sidecars, calls between services, and publish and subscribe."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from conformances import evidence, judged, plan, promise, service, thing

from harness.judge.conformance.dapr import judge_pub_sub
from harness.model.configuration import DaprAnnotations, PubSub, ServiceCalls
from harness.model.conformance import EngineAsked
from harness.model.verdict import Verdict
from harness.model.workload import BrokerWorkload

ANNOTATIONS = DaprAnnotations(
    annotations={"dapr.io/enabled": "true", "dapr.io/app-id": "service-name"}
)
CALLS = ServiceCalls(timeout=timedelta(seconds=30), retries=3)
PUB_SUB = PubSub(broker="redis")
BROKER = BrokerWorkload(id="events", namespace="data", pods="app=events", service="events")


def called(timeout: str, retries: int) -> dict[str, Any]:
    spec = {
        "policies": {
            "timeouts": {"general": timeout},
            "retries": {"few": {"policy": "constant", "maxRetries": retries}},
        },
        "targets": {"apps": {"order": {"timeout": "general", "retry": "few"}}},
    }
    return {"Resiliency": [thing("calls", spec)]}


def test_a_platform_without_dapr_is_inconclusive() -> None:
    found = judged(ANNOTATIONS, {"Deployment": [service()]})
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "the cluster runs without Dapr" in found.headline
    assert judged(ANNOTATIONS).verdict is Verdict.INCONCLUSIVE


def test_annotations_of_each_service_with_its_own_name() -> None:
    good = service(annotations={"dapr.io/enabled": "true", "dapr.io/app-id": "checkout"})
    assert judged(ANNOTATIONS, {"Deployment": [good]}).verdict is Verdict.PASS
    found = judged(ANNOTATIONS, {"Deployment": [good, service("order")]})
    assert found.verdict is Verdict.FAIL
    assert "dapr.io/app-id: got None, expected order" in " ".join(found.detail)


@pytest.mark.parametrize(
    ("timeout", "retries", "verdict"),
    [
        ("30s", 3, Verdict.PASS),
        ("0.5m", 3, Verdict.PASS),
        ("60s", 3, Verdict.FAIL),
        ("30s", -1, Verdict.FAIL),
    ],
)
def test_how_services_call_each_other(timeout: str, retries: int, verdict: Verdict) -> None:
    assert judged(CALLS, called(timeout, retries)).verdict is verdict


def test_a_target_without_policies_has_neither() -> None:
    bare = thing("calls", {"targets": {"apps": {"order": {}}}})
    found = judged(CALLS, {"Resiliency": [bare]})
    assert found.verdict is Verdict.FAIL
    assert "timeout: got None, expected 30s" in found.headline


def test_without_the_kinds_of_dapr_nothing_is_said() -> None:
    assert judged(CALLS).verdict is Verdict.INCONCLUSIVE
    assert judged(CALLS, absent=["Resiliency"]).verdict is Verdict.INCONCLUSIVE
    assert judged(PUB_SUB, absent=["Component"]).verdict is Verdict.INCONCLUSIVE
    assert judged(PUB_SUB, {"Component": [thing("a", {"type": "state.redis"})]}).verdict is (
        Verdict.INCONCLUSIVE
    )


def test_over_what_services_publish() -> None:
    redis = thing("events", {"type": "pubsub.redis"})
    kafka = thing("other", {"type": "pubsub.kafka"})
    assert judged(PUB_SUB, {"Component": [redis]}).verdict is Verdict.PASS
    found = judged(PUB_SUB, {"Component": [redis, kafka]})
    assert found.verdict is Verdict.FAIL
    assert "got pubsub.kafka, expected pubsub.redis" in found.headline


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        ((), Verdict.INCONCLUSIVE),
        ((EngineAsked(subject="events", version=None, facts={}),), Verdict.INCONCLUSIVE),
        ((EngineAsked(subject="events", version="7.0.15", facts={}),), Verdict.PASS),
    ],
)
def test_the_broker_answers(facts: tuple[EngineAsked, ...], verdict: Verdict) -> None:
    target = promise(PUB_SUB, "it")
    given = msgspec.structs.replace(plan(target, looks=("engines",)), workloads=(BROKER,))
    found = {one.id: one for one in judge_pub_sub(evidence(given, facts=facts), target, PUB_SUB)}
    assert found["pub-sub/it/events"].verdict is verdict
