"""Connections that services need, against the policies of their pods."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from promised import looked, namespace, policy, promise, words

from harness.feasibility.finding import Harm, Word
from harness.feasibility.flows import Need, Policy, allow, look
from harness.model.configuration import (
    ContainerPorts,
    DaprAnnotations,
    Flow,
    Scraping,
    ServiceCalls,
)

ANY = Flow(namespaces=(), ports=())
SHOP = namespace("shop-prod", "checkout")
DATA = namespace("infrastructure", "redis", "postgresql", "dapr", "monitoring")
PORTS = promise("ports", ContainerPorts(ports={"http": 8000, "grpc": 9000}))
CALLS = promise("calls", ServiceCalls(timeout=timedelta(seconds=1), retries=1))
SIDECAR = promise("sidecar", DaprAnnotations(annotations={"dapr.io/enabled": "true"}))
SCRAPED = promise("scraped", Scraping(interval=timedelta(seconds=15)))
ALL = (SHOP, DATA, PORTS, CALLS, SIDECAR, SCRAPED)

NAMES, CALLED = "shop-prod, checkout, names by DNS", "shop-prod, checkout, calls to other services"
DAPR = "shop-prod, checkout, the sidecar's connections to Dapr's control plane"
SCRAPES = "shop-prod, checkout, scrapes by Prometheus"

FLOWS = st.lists(
    st.builds(
        Flow,
        namespaces=st.lists(st.sampled_from("abc"), max_size=2, unique=True).map(tuple),
        ports=st.lists(st.integers(1, 3), max_size=2, unique=True).map(tuple),
    ),
    max_size=4,
)


def flow(namespaces: str, *ports: int) -> Flow:
    return Flow(namespaces=tuple(namespaces.split()), ports=ports)


def test_without_any_target_no_policy_is_compared() -> None:
    """Without a policy nothing is refused, and nothing can be compared."""
    assert words(look) == {}
    assert words(look, *ALL) == {}


def test_a_policy_that_allows_all_allows_what_is_needed() -> None:
    """Empty means any."""
    got = words(look, policy(ANY, ANY), *ALL)
    assert {NAMES, CALLED, DAPR, SCRAPES} <= set(got)
    assert set(got.values()) == {Word.HOLDS}


def test_a_policy_that_names_all_that_is_needed_holds() -> None:
    """Two policies of the same pods add up."""
    first = policy(
        flow("shop-prod infrastructure", 8000, 9000), flow("infrastructure", 5432, 6379, 443)
    )
    more = policy(flow("shop-prod", 8000), flow("kube-system shop-prod", 53, 9000), identity="b")
    assert set(words(look, first, more, *ALL).values()) == {Word.HOLDS}


def test_a_policy_of_data_stores_alone_refuses_all_else() -> None:
    """Names, calls, the sidecar's control plane and scrapes: each is found by itself."""
    tight = policy(flow("shop-prod", 8000, 9000), flow("infrastructure", 6379, 5432))
    found = looked(look, tight, *ALL)
    refused = {name for name, one in found.items() if one.word is Word.CONTRADICTION}
    assert refused == {NAMES, CALLED, DAPR, SCRAPES}
    assert found[NAMES].sum == (
        "needed: egress to kube-system on 53; allowed: to infrastructure on 6379 or 5432"
    )
    assert found[CALLED].targets == ("policy", "calls", "ports")
    assert found[SCRAPES].harm is Harm.SIGHT


def test_a_data_store_that_may_not_be_reached_is_found() -> None:
    """Its namespace without its port is not enough."""
    got = words(look, policy(ANY, flow("infrastructure", 5432)), DATA)
    assert got["shop-prod, checkout, connections to redis"] is Word.CONTRADICTION
    assert got["shop-prod, checkout, connections to postgresql"] is Word.HOLDS


def test_only_names_are_needed_by_what_says_nothing_else() -> None:
    """Without calls, sidecars and scrapes in the document nothing else is asked for."""
    assert words(look, policy(ANY, flow("infrastructure", 5432))) == {NAMES: Word.CONTRADICTION}


def test_a_sidecar_that_is_off_needs_no_control_plane() -> None:
    """`dapr.io/enabled: "false"` injects nothing."""
    off = promise("sidecar", DaprAnnotations(annotations={"dapr.io/enabled": "false"}))
    assert DAPR not in words(look, policy(ANY, ANY), DATA, off)


def test_services_call_those_of_their_own_environment() -> None:
    """What may reach only development is of no use to production."""
    dev = namespace("shop-dev", "checkout")
    to_dev = policy(ANY, flow("shop-dev kube-system", 9000, 53))
    got = words(look, to_dev, SHOP, dev, PORTS, CALLS)
    assert got[CALLED] is Word.CONTRADICTION


@given(FLOWS, FLOWS, st.lists(st.sampled_from("abc"), min_size=1), st.integers(1, 3))
def test_one_more_policy_never_refuses_more(
    flows: list[Flow], more: list[Flow], places: list[str], port: int
) -> None:
    """Policies add up."""
    need = Need(
        name="n",
        outward=True,
        namespaces=tuple(places),
        ports=(port,),
        targets=(),
        harm=Harm.OUTAGE,
        why="w",
    )

    def word(*egress: Flow) -> Word:
        joined = Policy(namespace="n", app="a", ingress=(), egress=egress, targets=("p",))
        return allow(joined, need).word

    if word(*flows) is Word.HOLDS:
        assert word(*flows, *more) is Word.HOLDS
    expected = any(one.allows(place, port) for one in flows for place in places)
    assert (word(*flows) is Word.HOLDS) == expected
