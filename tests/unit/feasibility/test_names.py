"""Lists of the same things: services, namespaces, environments, ports."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from promised import looked, namespace, promise, synced, wave, words

from harness.feasibility.finding import Word
from harness.feasibility.names import Listing, agree, look, plain
from harness.model.configuration import (
    ContainerPorts,
    DaprAnnotations,
    HealthProbe,
    NamespacePattern,
    RepositoryLayout,
    Services,
)
from harness.model.target import Kind, Target

NAMES = st.frozensets(st.sampled_from("abcdef"))


def layout(*paths: str) -> Target:
    return promise("layout", RepositoryLayout(paths=paths), Kind.KUBERNETES)


def pattern(text: str) -> Target:
    return promise("pattern", NamespacePattern(pattern=text), Kind.KUBERNETES)


def counted(count: int) -> Target:
    return promise("count", Services(count=count), Kind.KUBERNETES)


def probe(port: int) -> Target:
    second = timedelta(seconds=1)
    return promise(
        "probe",
        HealthProbe(probe="liveness", path="/", port=port, initial_delay=second, period=second),
    )


def test_without_any_target_no_list_is_compared() -> None:
    """Nor one list alone."""
    assert words(look) == {}
    assert words(look, namespace("shop-prod", "checkout")) == {}
    assert words(look, wave(0, 5, "checkout")) == {}
    assert words(look, counted(24)) == {}
    assert words(look, pattern("{service}-dev"), synced("*-dev", automated=True)) == {}


def test_two_lists_of_the_same_services_hold() -> None:
    """However they write them, and in how many namespaces they are."""
    got = words(
        look,
        namespace("shop-dev", "checkout", "order"),
        namespace("shop-prod", "checkout", "order"),
        wave(0, 5, "Order Service"),
        wave(1, 5, "checkout-service"),
    )
    assert got == {"namespaces, sync waves": Word.HOLDS}


def test_what_one_list_alone_names_is_named() -> None:
    """Both ways."""
    (found,) = looked(
        look, namespace("shop", "checkout", "payment"), wave(0, 5, "checkout", "gateway")
    ).values()
    assert found.word is Word.CONTRADICTION
    assert found.says == "namespaces alone name payment; sync waves alone name gateway"
    assert found.sum == "2 in namespaces, 2 in sync waves, 1 in both"


@pytest.mark.parametrize(
    ("count", "word"), [(2, Word.HOLDS), (3, Word.CONTRADICTION), (1, Word.CONTRADICTION)]
)
def test_services_are_as_many_as_are_counted(count: int, word: Word) -> None:
    """Each name once, in whichever lists it is."""
    shop = (namespace("shop-dev", "a", "b"), namespace("shop-prod", "a", "b"))
    assert words(look, counted(count), *shop) == {"count, named": word}


def test_a_namespace_is_called_after_a_service_of_its_own() -> None:
    """`{service}-dev` is no namespace of several services by another name."""
    several = namespace("core-dev", "checkout", "order")
    (found,) = looked(look, pattern("{service}-dev"), several).values()
    assert found.word is Word.CONTRADICTION
    assert "checkout-dev" in found.says
    assert "core-dev" in found.says
    own = namespace("checkout-dev", "checkout")
    assert words(look, pattern("{service}-dev"), own) == {"pattern, namespaces": Word.HOLDS}


def test_a_pattern_that_no_namespace_has_the_ending_of_is_not_compared() -> None:
    """Nor one without a place for a service."""
    assert words(look, pattern("{service}-dev"), namespace("shop-prod", "checkout")) == {}
    assert words(look, pattern("shop-*"), namespace("shop-prod", "checkout")) == {}


def test_an_environment_without_any_place_in_git_is_not_synced_from_it() -> None:
    """`production` is `prod`; a place that some have and one lacks is tight."""
    paths = ("clusters/dev", "clusters/production", "apps/x/overlays/dev", "root-app-dev.yaml")
    found = looked(
        look,
        layout(*paths, "apps/x/overlays/production"),
        *(synced(f"*-{name}", automated=True) for name in ("dev", "staging", "prod")),
    )
    assert found["sync-staging, repository"].word is Word.CONTRADICTION
    assert found["sync-staging, repository"].says.startswith("staging has 0 of the 3 places")
    assert found["sync-prod, repository"].word is Word.TIGHT
    assert "root-app-{environment}.yaml" in found["sync-prod, repository"].says
    assert found["sync-dev, repository"].word is Word.HOLDS


def test_a_layout_without_environments_says_nothing_of_them() -> None:
    """Nor does an environment alone: nothing says what others would have."""
    both = (synced("*-dev", automated=True), synced("*-prod", automated=True))
    assert words(look, layout("docs", "apps/product/base"), *both) == {}
    assert words(look, layout("clusters/dev"), both[0]) == {}


@pytest.mark.parametrize(("port", "word"), [(8000, Word.HOLDS), (8080, Word.CONTRADICTION)])
def test_what_is_asked_must_be_open(port: int, word: Word) -> None:
    """By a probe and by a sidecar."""
    opened = promise("ports", ContainerPorts(ports={"http": 8000}))
    sidecar = promise("sidecar", DaprAnnotations(annotations={"dapr.io/app-port": str(port)}))
    got = words(look, opened, probe(port), sidecar)
    assert got == {"probe, ports": word, "sidecar, ports": word}
    assert words(look, probe(port), sidecar) == {}


@given(NAMES, NAMES)
def test_agreement_is_the_same_both_ways(one: frozenset[str], other: frozenset[str]) -> None:
    """Symmetric, and only equal lists agree."""
    left = Listing(name="l", members=one, targets=("l",))
    right = Listing(name="r", members=other, targets=("r",))
    assert agree(left, right).word is agree(right, left).word
    assert (agree(left, right).word is Word.HOLDS) == (one == other)


@given(st.text("abc-", min_size=1, max_size=6))
def test_a_plain_name_stays_as_it_is(name: str) -> None:
    """Taking `service` away twice takes no more away."""
    assert plain(plain(f"{name}x Service")) == plain(f"{name}x Service") == f"{name}x"
