"""Argo CD is paused where it would undo a fault, each pause is an intent, and nothing else is."""

from __future__ import annotations

import copy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kubernetes_api import UID, KilledError, StandInApi

from harness.drivers.kubernetes import Cluster
from harness.errors import RefusedError
from harness.faults import self_heal
from harness.faults.healing import Healing, required
from harness.faults.intents import Intents
from harness.faults.mirror import mirrored
from harness.model.cluster import ClusterAccess, Identity

Object = dict[str, Any]
AUTOMATED = {"prune": True, "selfHeal": True}


def application(name: str, **metadata: object) -> Object:
    return {
        "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd", **metadata},
        "spec": {"project": "p", "syncPolicy": {"automated": dict(AUTOMATED)}},
    }


def deployment(**metadata: object) -> Object:
    return {"kind": "Deployment", "metadata": {"name": "shop", "namespace": "x", **metadata}}


def tracked(name: str) -> Object:
    return {"annotations": {"argocd.argoproj.io/tracking-id": f"{name}:apps/Deployment:x/shop"}}


class World:
    """A cluster with Argo CD, and the intents of a drill on it."""

    def __init__(self, state: Path) -> None:
        self.api = StandInApi()
        self.state = state
        access = ClusterAccess(
            kubeconfig=state / "config",
            identity=Identity(context="c", server=self.api.server, uid=UID, version="v1"),
            provider="none",
            helper_image="image",
        )
        self.intents = mirrored(state, self.api.cluster(), access)

    def pause(self, changed: Object) -> tuple[str, ...]:
        declare = self_heal.declaring(
            self.intents,
            run="run",
            trial="t",
            environment="e",
            cluster_uid=UID,
            lasts=timedelta(hours=1),
        )
        return tuple(one.action for one in self_heal.pause(self.api.cluster(), changed, declare))

    def policy(self, name: str) -> object:
        return self.api.get("applications", name, "argocd")["spec"]["syncPolicy"]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    built = World(tmp_path)
    monkeypatch.setattr(Cluster, "connect", lambda _kubeconfig, _context: built.api.cluster())
    return built


def test_what_nobody_manages_needs_no_pause(world: World) -> None:
    """The vacuous case; also where there is no Argo CD at all."""
    assert world.pause(deployment()) == ()
    world.api.put("applications", application("other"))
    assert world.pause(deployment()) == ()


@pytest.mark.parametrize(
    "metadata",
    [
        tracked("shop"),
        tracked("argocd_shop"),
        {"labels": {"argocd.argoproj.io/instance": "shop"}},
        {"labels": {"app.kubernetes.io/instance": "shop"}},
    ],
)
def test_the_application_over_an_object_is_paused_and_given_back(
    world: World, metadata: Object
) -> None:
    """By each way in which it may be named."""
    before = world.api.put("applications", application("shop"))["spec"]
    kept = copy.deepcopy(before)
    assert world.pause(deployment(**metadata)) == (
        "self-heal of Argo CD's Application argocd/shop paused",
    )
    assert world.policy("shop") == {}
    healing = Healing(world.state, lambda _n, _c: None, every_s=0)  # type: ignore[arg-type,return-value]
    required(healing.undo(world.intents.open()))
    assert world.api.get("applications", "shop", "argocd")["spec"] == kept


def test_a_label_of_a_helm_chart_is_no_application(world: World) -> None:
    """It names one that does not list the object."""
    argo = application("shop")
    argo["status"] = {"resources": [{"kind": "Deployment", "namespace": "x", "name": "other"}]}
    world.api.put("applications", argo)
    assert world.pause(deployment(labels={"app.kubernetes.io/instance": "shop"})) == ()
    argo["status"]["resources"].append({"kind": "Deployment", "namespace": "x", "name": "shop"})
    world.api.put("applications", argo)
    assert len(world.pause(deployment(labels={"app.kubernetes.io/instance": "shop"}))) == 1


@pytest.mark.parametrize("automated", [None, {"enabled": False, "selfHeal": True}])
def test_one_that_does_not_heal_itself_is_left_alone(world: World, automated: object) -> None:
    """It does nothing by itself."""
    argo = application("shop")
    argo["spec"]["syncPolicy"]["automated"] = automated
    world.api.put("applications", argo)
    assert world.pause(deployment(**tracked("shop"))) == ()


def test_an_application_over_an_application_is_paused_first(world: World) -> None:
    """It would put the other's policy back."""
    world.api.put("applications", application("root"))
    labels = {"argocd.argoproj.io/instance": "root"}
    world.api.put("applications", application("shop", labels=labels))
    actions = world.pause(deployment(**tracked("shop")))
    assert ["root" in one for one in actions] == [True, False]
    assert world.policy("root") == world.policy("shop") == {}


def test_applications_that_manage_each_other_are_refused(world: World) -> None:
    """A circle has no outermost."""
    for one, other in (("a", "b"), ("b", "a")):
        labels = {"argocd.argoproj.io/instance": other}
        world.api.put("applications", application(one, labels=labels))
    with pytest.raises(RefusedError, match="manage each other"):
        world.pause(deployment(**tracked("a")))


@pytest.mark.parametrize(
    ("spec", "paused"),
    [
        ({}, False),
        ({"syncPolicy": {"applicationsSync": "create-update"}}, False),
        ({"ignoreApplicationDifferences": [{"jsonPointers": ["/spec/source"]}]}, False),
        ({"syncPolicy": {"applicationsSync": "create-only"}}, True),
        ({"ignoreApplicationDifferences": [{"jsonPointers": ["/spec/syncPolicy"]}]}, True),
        ({"ignoreApplicationDifferences": [{"jqPathExpressions": [".spec.syncPolicy"]}]}, True),
    ],
)
def test_an_application_set_may_put_it_back(world: World, spec: Object, paused: bool) -> None:  # noqa: FBT001
    """Then nothing is broken, and nothing was touched."""
    owner = [{"kind": "ApplicationSet", "name": "all"}]
    world.api.put("applications", application("shop", ownerReferences=owner))
    content = {"metadata": {"name": "all", "namespace": "argocd"}, "spec": spec}
    world.api.put("applicationsets", content)
    if paused:
        assert len(world.pause(deployment(**tracked("shop")))) == 1
        return
    with pytest.raises(RefusedError, match="ApplicationSet all would put that back"):
        world.pause(deployment(**tracked("shop")))
    assert world.intents.open() == ()
    assert world.policy("shop") == {"automated": AUTOMATED}


def test_killed_after_every_step_it_heals_itself_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two pauses; the next `recover` gives both back."""
    for step in range(1, 20):
        world = World(tmp_path / str(step))
        api = world.api
        monkeypatch.setattr(Cluster, "connect", lambda _k, _c, api=api: api.cluster())
        api.put("applications", application("root"))
        labels = {"argocd.argoproj.io/instance": "root"}
        api.put("applications", application("shop", labels=labels))
        api.dies_after = step
        try:
            world.pause(deployment(**tracked("shop")))
            ended = True
        except KilledError:
            ended = False
        api.dies_after = None
        healing = Healing(world.state, lambda _n, _c: None, every_s=0)  # type: ignore[arg-type,return-value]
        required(healing.undo(Intents(world.state).open()))
        assert world.policy("root") == world.policy("shop") == {"automated": AUTOMATED}
        assert world.intents.open() == ()
        if ended:
            assert step > 4
            return
    pytest.fail("it never ended")
