"""Pods that look from others' places: nobody takes them for their own, and they go again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from constructors import NOW
from kubernetes_api import StandInApi

from harness.conformance.probe_pods import (
    GATE,
    LOOK_LABEL,
    Source,
    hazards,
    manifest,
    remove_left_over,
    run,
    size_in,
)

CHECKOUT = Source("shop", "checkout")
STRANGER = Source("shop", "")


def thing(namespace: str = "shop", **spec: Any) -> dict[str, Any]:  # noqa: ANN401 - as the API has it
    """An object of the API with this spec."""
    return {"metadata": {"namespace": namespace, "name": "one"}, "spec": spec}


def probe(source: Source = CHECKOUT) -> dict[str, Any]:
    """The pod of a source."""
    return manifest(source, "true", image="busybox", run="run 1", name="harness-look-1")


def test_it_is_never_ready_and_has_no_label_too_many() -> None:
    """A Service sends nothing to it, and no controller knows it."""
    made = probe()
    assert made["spec"]["readinessGates"] == [{"conditionType": GATE}]
    assert made["metadata"]["labels"] == {
        "app": "checkout",
        "harness.dev/drill": "run-1",
        "harness.dev/look": "connections",
    }
    assert "ownerReferences" not in made["metadata"]


def test_it_has_no_label_app_where_it_is_nobodys() -> None:
    """A pod without the policy's label."""
    assert "app" not in probe(STRANGER)["metadata"]["labels"]


def test_it_meets_the_restricted_standard_and_ends_by_itself() -> None:
    """Every field that Pod Security Standards ask for in `restricted`."""
    spec = probe()["spec"]
    (container,) = spec["containers"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert spec["activeDeadlineSeconds"] > 0
    assert spec["automountServiceAccountToken"] is False


def test_a_quota_and_a_limit_range_take_it() -> None:
    """All four are given, limits are requests, and no minimum is undercut."""
    resources = probe()["spec"]["containers"][0]["resources"]
    assert resources["requests"] == resources["limits"]
    assert set(resources["limits"]) == {"cpu", "memory"}
    limits = [{"type": "Container", "min": {"cpu": "250m", "memory": "1Mi"}}]
    there = (thing(limits=limits), thing("other", limits=[{"min": {"cpu": "9"}}]))
    found = size_in("shop", {"LimitRange": there})
    assert found == {"cpu": "250m", "memory": "32Mi"}
    assert size_in("shop", {}) == resources["limits"]


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("Service", {"publishNotReadyAddresses": True, "selector": {"app": "checkout"}}),
        ("ReplicaSet", {"selector": {"matchLabels": {"app": "checkout"}}}),
        ("DaemonSet", {"selector": {"matchLabels": {"app": "checkout"}}}),
        ("ReplicationController", {"selector": {"app": "checkout"}}),
        (
            "ReplicaSet",
            {
                "selector": {
                    "matchExpressions": [
                        {"key": "app", "operator": "In", "values": ["checkout", "cart"]},
                        {"key": "old", "operator": "DoesNotExist"},
                        {"key": "app", "operator": "Exists"},
                        {"key": "app", "operator": "NotIn", "values": ["search"]},
                    ]
                }
            },
        ),
    ],
)
def test_who_would_take_it_for_its_own_is_named(kind: str, spec: dict[str, Any]) -> None:
    """Of the pod with the label, in that namespace, and of no other."""
    (found,) = hazards(CHECKOUT, {kind: (thing(**spec),)})
    assert f"{kind} one" in found
    assert hazards(STRANGER, {kind: (thing(**spec),)}) == ()
    assert hazards(CHECKOUT, {kind: (thing("elsewhere", **spec),)}) == ()


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("Service", {"selector": {"app": "checkout"}}),
        ("Service", {"publishNotReadyAddresses": True}),
        ("Service", {"publishNotReadyAddresses": True, "selector": {"app": "other"}}),
        (
            "ReplicaSet",
            {"selector": {"matchLabels": {"app": "checkout", "pod-template-hash": "5f6"}}},
        ),
        (
            "ReplicaSet",
            {
                "selector": {
                    "matchExpressions": [{"key": "pod-template-hash", "operator": "Exists"}]
                }
            },
        ),
        ("DaemonSet", {"selector": {}}),
    ],
)
def test_who_selects_by_more_or_sends_to_ready_pods_only_is_no_hazard(
    kind: str, spec: dict[str, Any]
) -> None:
    """A Deployment's ReplicaSet has a hash in its selector."""
    assert hazards(CHECKOUT, {kind: (thing(**spec),)}) == ()


def test_scripts_run_and_their_pods_are_gone() -> None:
    """One pod for each source; what each printed."""
    api = StandInApi()
    api.helper = lambda made: ("Succeeded", f"from {made['metadata']['namespace']}")
    said = run(
        api.cluster(),
        {CHECKOUT: "true", Source("harness-drill", ""): "true"},
        image="busybox",
        run="run-1",
        objects={},
    )
    assert {one.output for one in said.values()} == {"from shop", "from harness-drill"}
    assert [one.error for one in said.values()] == [None, None]
    assert pods(api) == []
    assert api.get("namespaces", "harness-drill")


def test_no_pod_is_made_that_a_controller_would_adopt() -> None:
    """A bare ReplicaSet would delete one of its own for it."""
    api = StandInApi()
    api.put("replicasets", thing(selector={"matchLabels": {"app": "checkout"}}))
    said = run(api.cluster(), {CHECKOUT: "true"}, image="i", run="r", objects={})
    assert said[CHECKOUT].error == "no pod is made: ReplicaSet one would adopt it"
    assert not [one for one in api.changes if "pods" in one]


def test_a_pod_that_is_not_admitted_is_an_answer() -> None:
    """The other pods are run all the same."""
    api = StandInApi()
    api.forbidden = {"post pods"}
    said = run(api.cluster(), {STRANGER: "true"}, image="i", run="r", objects={})
    assert "not allowed" in str(said[STRANGER].error)


def test_nothing_to_run_makes_nothing() -> None:
    """Not even a namespace."""
    api = StandInApi()
    assert run(api.cluster(), {}, image="i", run="r", objects={}) == {}
    assert api.changes == []


def test_what_killed_checks_left_goes_and_nothing_else() -> None:
    """Older than one may be, in any namespace; a check that goes on keeps its own."""
    api = StandInApi()
    ages = {"old": timedelta(minutes=5), "young": timedelta(seconds=5)}
    for name, age in ages.items():
        left = probe()
        left["metadata"] |= {"name": name, "creationTimestamp": (NOW - age).isoformat()}
        api.put("pods", left)
    strange = probe()
    del strange["metadata"]["labels"][LOOK_LABEL]
    api.put("pods", strange)
    assert remove_left_over(api.cluster(), NOW) == ("pod shop/old",)
    assert pods(api) == ["harness-look-1", "young"]


def test_the_drills_own_clean_up_finds_them_everywhere() -> None:
    """By the run's label, as `harness recover` does."""
    api = StandInApi()
    api.put("pods", probe())
    assert api.cluster().remove_helper_pods("run 1") == ("pod shop/harness-look-1",)
    assert pods(api) == []


def pods(api: StandInApi) -> list[str]:
    """The names of all that there are."""
    return sorted(name for plural, _, name in api.objects if plural == "pods")
