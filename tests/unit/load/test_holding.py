"""A service is held at a number of replicas, what it was is written down first, and it is put back,
killed at whichever step.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from kubernetes_api import UID, KilledError, StandInApi, pod

from harness.drivers.clock import HostClock
from harness.drivers.kubernetes import Cluster
from harness.faults import self_heal
from harness.faults.healing import Healing, required
from harness.faults.mirror import mirrored
from harness.load.holding import Holding
from harness.model.cluster import ClusterAccess, Identity
from harness.model.workload import HttpWorkload

SHOP = HttpWorkload(
    id="checkout", namespace="shop", pods="app=checkout", service="checkout", deployment="checkout"
)
SPEC = {"minReplicas": 1, "maxReplicas": 10, "behavior": {"scaleDown": {}}}


class Shop:
    """A Deployment with or without an autoscaler, and a controller that obeys at once."""

    def __init__(self, state: Path, *, scaled: bool = True, obeys: bool = True) -> None:
        self.api = StandInApi()
        self.scaled = scaled
        self.api.put("deployments", {"metadata": named(), "spec": {"replicas": 2}})
        if scaled:
            self.api.put("horizontalpodautoscalers", {"metadata": named(), "spec": dict(SPEC)})
        if obeys:
            self.api.lives = self._control
        access = ClusterAccess(
            kubeconfig=state / "config",
            identity=Identity(context="c", server=self.api.server, uid=UID, version="v1"),
            provider="none",
            helper_image="image",
        )
        self.intents = mirrored(state, self.api.cluster(), access)
        self.state = state

    def _control(self) -> None:
        if self.scaled:
            wanted = self.api.get("horizontalpodautoscalers", "checkout", "shop")["spec"]
            wanted = wanted["minReplicas"]
        else:
            wanted = self.api.get("deployments", "checkout", "shop")["spec"]["replicas"]
        for number in range(1, 11):
            key = ("pods", "shop", f"checkout-{number}")
            if number > wanted:
                self.api.objects.pop(key, None)
            elif key not in self.api.objects:
                self.api.put("pods", ready(f"checkout-{number}"))

    def holding(self, within_s: float = 5) -> Holding:
        declare = self_heal.declaring(
            self.intents,
            run="run",
            trial="t",
            environment="e",
            cluster_uid=UID,
            lasts=timedelta(hours=1),
        )
        return Holding(
            self.api.cluster(),
            SHOP,
            "checkout" if self.scaled else None,
            declare,
            HostClock(),
            ready_within_s=within_s,
        )

    def spec(self) -> Any:  # noqa: ANN401 - JSON
        kind = "horizontalpodautoscalers" if self.scaled else "deployments"
        return self.api.get(kind, "checkout", "shop")["spec"]


def named() -> dict[str, Any]:
    return {"namespace": "shop", "name": "checkout"}


def ready(name: str) -> dict[str, Any]:
    return pod(
        "shop",
        name,
        metadata={"labels": {"app": "checkout"}},
        status={"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    )


def test_an_autoscaler_is_held_and_written_down_once(tmp_path: Path) -> None:
    """One after the other, as a search does; one intent, of what it was first."""
    shop = Shop(tmp_path)
    holding = shop.holding()
    for replicas in (1, 4):
        held = holding.hold("t", replicas)
        assert held.error is None
        assert held.ready_ns is not None
        assert held.began_ns <= held.ready_ns
        assert shop.spec() == {**SPEC, "minReplicas": replicas, "maxReplicas": replicas}
    (intent,) = shop.intents.open()
    assert intent.action == "hold of HorizontalPodAutoscaler shop/checkout"


def test_a_deployment_without_an_autoscaler_is_held(tmp_path: Path) -> None:
    """By its own number."""
    shop = Shop(tmp_path, scaled=False)
    assert shop.holding().hold("t", 5).error is None
    assert shop.spec() == {"replicas": 5}


def test_replicas_that_do_not_come_are_an_error_of_the_fact(tmp_path: Path) -> None:
    """With what there was instead."""
    held = Shop(tmp_path, obeys=False).holding(within_s=0.2).hold("t", 3)
    assert held.ready_ns is None
    assert "0 ready of 0 pods" in str(held.error)


def test_what_is_not_there_is_not_held(tmp_path: Path) -> None:
    """Nothing was declared, and nothing changed."""
    shop = Shop(tmp_path)
    del shop.api.objects["horizontalpodautoscalers", "shop", "checkout"]
    shop.api.lives = lambda: None
    held = shop.holding().hold("t", 3)
    assert "HorizontalPodAutoscaler shop/checkout: is not there" in str(held.error)
    assert shop.intents.open() == ()


@pytest.mark.parametrize("scaled", [True, False])
def test_killed_after_each_change_it_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, scaled: bool
) -> None:
    """An intent is there before anything is changed, and healing gives back what was."""
    for step in range(1, 20):
        shop = Shop(tmp_path / str(step), scaled=scaled)
        monkeypatch.setattr(Cluster, "connect", lambda _k, _c, api=shop.api: api.cluster())
        before = dict(shop.spec())
        shop.api.dies_after = step
        try:
            shop.holding().hold("t", 7)
            ended = True
        except KilledError:
            ended = False
        shop.api.dies_after = None
        healing = Healing(shop.state, lambda _n, _c: None, every_s=0)  # type: ignore[arg-type,return-value]
        required(healing.undo(shop.intents.open()))
        assert shop.spec() == before
        assert shop.intents.open() == ()
        if ended:
            assert step > 1
            return
    pytest.fail("it never ended")
