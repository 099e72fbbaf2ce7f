"""A snapshot holds what a drill must leave as it was, and nothing that changes by itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harness.faults.comparison import compare
from harness.model.cluster import Snapshot
from harness.model.snapshot import KINDS, flattened

Object = dict[str, Any]
DEPLOYMENT = ("apps/v1", "Deployment")
NODE = ("v1", "Node")
POD = ("v1", "Pod")


def of(name: str, namespace: str = "shop", **parts: object) -> Object:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {"metadata": {**metadata, **parts.pop("metadata", {})}, **parts}  # type: ignore[dict-item]


def snapshot(objects: dict[tuple[str, str], list[Object]]) -> Snapshot:
    return Snapshot(taken=datetime(2026, 1, 1, tzinfo=UTC), facts=flattened(objects))


def owned(name: str, kind: str, owner: str, **metadata: object) -> Object:
    owners = [{"kind": kind, "name": owner, "controller": True}]
    return of(name, metadata={"ownerReferences": owners, **metadata}, status={"phase": "Running"})


def test_nothing_has_no_facts() -> None:
    """The vacuous case: the comparison of nothing proves nothing."""
    empty = snapshot({})
    assert empty.facts == {}
    assert compare(empty, empty) == ()


def test_each_part_of_a_spec_is_a_fact() -> None:
    """And labels and finalizers; no status, no annotations."""
    one = of(
        "a",
        metadata={
            "labels": {"app": "a"},
            "finalizers": ["f"],
            "annotations": {"deployment.kubernetes.io/revision": "3"},
        },
        spec={"replicas": 2, "template": {"x": 1}},
        status={"readyReplicas": 1},
    )
    assert flattened({DEPLOYMENT: [one]}) == {
        "Deployment/shop/a labels": '{"app":"a"}',
        "Deployment/shop/a finalizers": '["f"]',
        "Deployment/shop/a spec.replicas": "2",
        "Deployment/shop/a spec.template": '{"x":1}',
    }


def test_what_an_autoscaler_scales_may_be_scaled() -> None:
    """Its replicas and its pods are no facts; those of others are."""
    scaler = of("a", spec={"scaleTargetRef": {"kind": "Deployment", "name": "a"}})
    facts = flattened(
        {
            ("autoscaling/v2", "HorizontalPodAutoscaler"): [scaler],
            DEPLOYMENT: [of("a", spec={"replicas": 2}), of("b", spec={"replicas": 2})],
            POD: [
                owned("a-1-x", "ReplicaSet", "a-1", labels={"pod-template-hash": "1"}),
                owned("b-1-x", "ReplicaSet", "b-1", labels={"pod-template-hash": "1"}),
            ],
        }
    )
    assert "Deployment/shop/a spec.replicas" not in facts
    assert "Deployment/shop/a pods" not in facts
    assert facts["Deployment/shop/b spec.replicas"] == "2"
    assert facts["Deployment/shop/b pods"] == "1"


def test_pods_count_and_have_no_names() -> None:
    """Without those that ended, are ending, or are of a Job."""
    ended = owned("db-2", "StatefulSet", "db")
    ended["status"]["phase"] = "Failed"
    facts = flattened(
        {
            POD: [
                owned("db-0", "StatefulSet", "db"),
                owned("db-1", "StatefulSet", "db"),
                ended,
                owned("db-3", "StatefulSet", "db", deletionTimestamp="2026-01-01T00:00:00Z"),
                owned("j-x", "Job", "j"),
                of("bare", status={"phase": "Pending"}),
            ]
        }
    )
    assert facts == {"StatefulSet/shop/db pods": "2", "Pod/shop/bare pods": "1"}


def test_jobs_that_go_by_themselves_are_no_facts() -> None:
    """Those of a CronJob, and those with a time to live."""
    made = of("c-1", metadata={"ownerReferences": [{"kind": "CronJob"}]}, spec={"a": 1})
    short = of("s", spec={"ttlSecondsAfterFinished": 5})
    kept = of("k", spec={"a": 1})
    facts = flattened({("batch/v1", "Job"): [made, short, kept]})
    assert {one.split(" ")[0] for one in facts} == {"Job/shop/k"}


def test_the_harness_own_namespace_is_left_out() -> None:
    """It stays, with its lease."""
    objects = {
        ("v1", "Namespace"): [of("harness-drill", ""), of("shop", "")],
        DEPLOYMENT: [of("w", "harness-drill", spec={"a": 1})],
        POD: [of("p", "harness-drill")],
    }
    facts = flattened(objects, leave_out=("harness-drill",))
    assert {one.split(" ")[0] for one in facts} == {"Namespace/shop"}


def test_taints_are_compared_without_their_time() -> None:
    """`not-ready` must be gone again, whenever it was added."""
    taint = {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute", "timeAdded": "t1"}
    before = snapshot({NODE: [of("w", "", spec={})]})
    during = snapshot({NODE: [of("w", "", spec={"taints": [taint]})]})
    later = snapshot({NODE: [of("w", "", spec={"taints": [{**taint, "timeAdded": "t2"}]})]})
    assert compare(before, during) == (
        'Node/w spec.taints: absent -> ["node.kubernetes.io/not-ready=:NoExecute"]',
    )
    assert compare(during, later) == ()


def test_a_difference_is_named_where_it_is() -> None:
    """Not the whole template; a cordon, an image, what came and what went."""
    image = {"spec": {"containers": [{"name": "a", "image": "v1"}]}}
    other = {"spec": {"containers": [{"name": "a", "image": "v2"}]}}
    before = snapshot(
        {NODE: [of("w", "", spec={})], DEPLOYMENT: [of("a", spec={"template": image})]}
    )
    after = snapshot(
        {
            NODE: [of("w", "", spec={"unschedulable": True})],
            DEPLOYMENT: [of("a", spec={"template": other})],
        }
    )
    assert compare(before, after) == (
        'Deployment/shop/a spec.template.spec.containers[0].image: "v1" -> "v2"',
        "Node/w spec.unschedulable: absent -> true",
    )
    assert compare(after, before)[1] == "Node/w spec.unschedulable: true -> absent"


def test_null_and_absent_and_one_and_true_differ() -> None:
    """JSON tells them apart."""

    def having(value: object) -> Snapshot:
        return snapshot({DEPLOYMENT: [of("a", spec={"x": value})]})

    assert compare(having(None), having(1))
    assert compare(having(1), having(True))
    assert compare(snapshot({DEPLOYMENT: [of("a", spec={})]}), having(None))


@given(st.permutations(range(4)))
def test_the_order_of_the_answers_does_not_matter(order: list[int]) -> None:
    """The API promises none."""
    objects = [of(f"d{number}", spec={"replicas": number}) for number in range(4)]
    assert flattened({DEPLOYMENT: [objects[number] for number in order]}) == flattened(
        {DEPLOYMENT: objects}
    )


def test_every_kind_that_is_read_gives_facts() -> None:
    """None is read for nothing."""
    target = {"scaleTargetRef": {"kind": "Deployment", "name": "x"}}
    for key in KINDS:
        assert flattened({key: [of("a", spec=target, status={"phase": "Running"})]}), key
