"""Where images come from, whether their names move, and what nobody says of them."""

from __future__ import annotations

import pytest
from conformances import judged, service

from harness.judge.conformance.images import moves, registry_of
from harness.model.configuration import ImageEvidence, ImageRegistry, ImmutableImages
from harness.model.target import Objective
from harness.model.verdict import Verdict

DIGEST = "@sha256:" + "0" * 64
ALL: list[Objective] = [
    ImageRegistry(),
    ImmutableImages(),
    ImageEvidence(evidence="scan", by=("Trivy",)),
]


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("redis", "docker.io"),
        ("library/redis:7", "docker.io"),
        ("registry.example.com/shop/checkout:1", "registry.example.com"),
        ("localhost/checkout", "localhost"),
        ("registry:5000/checkout", "registry:5000"),
    ],
)
def test_the_registry_of_a_name(image: str, registry: str) -> None:
    assert registry_of(image) == registry


@pytest.mark.parametrize(
    ("image", "may"),
    [
        ("redis", True),
        ("redis:latest", True),
        ("registry:5000/redis", True),
        ("redis:7.2", False),
        (f"redis{DIGEST}", False),
        (f"redis:latest{DIGEST}", False),
    ],
)
def test_names_that_may_mean_another_image_tomorrow(image: str, may: bool) -> None:  # noqa: FBT001
    assert moves(image) is may


@pytest.mark.parametrize(
    ("objective", "image", "verdict"),
    [
        (ImageRegistry(), "registry.example.com/checkout:1", Verdict.PASS),
        (ImageRegistry(), "ghcr.io/shop/checkout:1", Verdict.FAIL),
        (ImageRegistry(registry="a.example.com"), "b.example.com/checkout:1", Verdict.FAIL),
        (ImageRegistry(registry="a.example.com"), "a.example.com/checkout:1", Verdict.PASS),
        (ImmutableImages(), "a.example.com/checkout:1", Verdict.PASS),
        (ImmutableImages(), "a.example.com/checkout", Verdict.FAIL),
    ],
)
def test_an_image(objective: Objective, image: str, verdict: Verdict) -> None:
    found = judged(objective, {"Deployment": [service(container={"image": image})]})
    assert found.verdict is verdict


@pytest.mark.parametrize("objective", ALL, ids=lambda one: type(one).__name__)
def test_no_service_is_inconclusive(objective: Objective) -> None:
    assert judged(objective).verdict is Verdict.INCONCLUSIVE


def test_who_signed_an_image_no_object_says() -> None:
    """Never a PASS: it is in the registry, and which image is meant is said."""
    found = judged(ALL[2], {"Deployment": [service(container={"image": "a.example.com/x:1"})]})
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.detail == ("a.example.com/x:1",)
    assert found.advice == "trivy image IMAGE"
