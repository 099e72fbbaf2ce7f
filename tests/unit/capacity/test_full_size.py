"""A full-size filling: nodes of the documented size, the documented services, and the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.capacity import full_size
from harness.capacity.headroom import demand
from harness.model.autoscaling import Resource
from harness.model.quota import CapacitySettings, Claim, QuotaLimit
from harness.model.target import Target
from harness.targets import load_targets

TARGETS = load_targets(Path(__file__).parents[3] / "targets")
GIB = 2.0**30


def without(kind: str) -> tuple[Target, ...]:
    return tuple(one for one in TARGETS if type(one.objective).__name__ != kind)


def limits(**hard: float) -> CapacitySettings:
    return CapacitySettings(
        claims=(),
        quotas=(
            QuotaLimit(
                namespace="shop",
                name="compute",
                hard={name.replace("_", "."): amount for name, amount in hard.items()},
            ),
        ),
    )


def test_the_nodes_are_as_large_as_the_document_says_together() -> None:
    """100 cores and 200Gi; without such a figure nobody knows how large they are."""
    size = full_size.node_size(TARGETS)
    assert size is not None
    assert size.cores * full_size.NODES == 100
    assert size.memory * full_size.NODES == 200 * GIB
    assert full_size.node_size(without("Quota")) is None


def test_every_documented_service_is_at_its_maximum() -> None:
    """10 pods of production's resources each; three of what no autoscaler scales."""
    claims = full_size.documented(TARGETS)
    replicas = {(one.namespace, one.controller): one.replicas for one in claims}
    assert len(claims) == 13
    assert replicas["core-business-prod", "Deployment/checkout"] == 10
    assert replicas["platform-prod", "Deployment/analytics"] == 10
    assert replicas["infrastructure", "Deployment/postgresql"] == 3
    assert {demand(one, "requests.cpu") for one in claims} == {0.5}
    assert {demand(one, "limits.memory") for one in claims} == {2 * GIB}


def test_without_a_documented_maximum_nothing_is_documented() -> None:
    """No number is made up for it."""
    assert full_size.documented(without("AutoscalerRange")) == ()
    assert full_size.namespaces(without("Quota")) == ()


@pytest.mark.parametrize(
    "hard",
    [
        {"requests_cpu": 50.0, "limits_cpu": 50.0, "requests_memory": 100 * GIB},
        {"limits_cpu": 2.0},
        {"cpu": 0.01},
        {"requests_memory": 3 * GIB},
        {"requests_cpu": 1.0, "limits_cpu": 400.0},
    ],
)
def test_what_takes_the_rest_asks_for_more_than_there_is(hard: dict[str, float]) -> None:
    """Of an empty namespace, too; else the limit would not be seen to refuse."""
    settings = limits(**hard)
    rest = full_size.rest(settings, "shop")
    assert rest is not None
    assert any(
        rest.replicas * demand(rest, name) > amount
        for name, amount in settings.quotas[0].hard.items()
    )
    assert all(demand(rest, name) > 0 for name in settings.quotas[0].hard)
    (pod,) = rest.containers
    assert pod.requests == pod.limits


def test_the_rest_is_taken_in_pods_of_whole_quantities() -> None:
    """Thousandths of cores and MiB: the API rounds nothing then."""
    rest = full_size.rest(limits(limits_cpu=1.234, limits_memory=GIB), "shop")
    assert rest is not None
    (pod,) = rest.containers
    assert pod.limits == {Resource.CPU: 0.025, Resource.MEMORY: 20 * 2.0**20}


def test_where_nothing_is_limited_nothing_is_taken() -> None:
    """A quota of pods or of volumes only; another namespace's."""
    assert full_size.rest(limits(pods=5), "shop") is None
    assert full_size.rest(limits(cpu=5), "elsewhere") is None


def test_what_is_deployed_is_filled_with_what_has_pods() -> None:
    """Of its namespace."""
    one = Claim(namespace="shop", controller="Deployment/a", replicas=1)
    none = Claim(namespace="shop", controller="Deployment/b", replicas=0)
    other = Claim(namespace="elsewhere", controller="Deployment/c", replicas=1)
    settings = CapacitySettings(claims=(one, none, other), quotas=())
    assert full_size.deployed(settings, "shop") == [one]
