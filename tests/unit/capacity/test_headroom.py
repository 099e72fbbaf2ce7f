"""What services may ask for at once is summed up as quotas count it, and nothing is lost."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.capacity.headroom import (
    ALL,
    DOCUMENTED,
    NODES,
    bound,
    demand,
    headrooms,
    show_amount,
    together,
    unsaid,
    written_out,
)
from harness.model.autoscaling import ContainerResources, Resource
from harness.model.load_judgement import Headroom
from harness.model.quota import CapacitySettings, Claim, QuotaLimit
from harness.model.target import Quota

SHOP = "core-business-prod"
GIB = 2.0**30


def container(cpu: float = 0.5, limit: float = 2.0, *, sidecar: bool = False) -> ContainerResources:
    return ContainerResources(
        name="c",
        requests={Resource.CPU: cpu, Resource.MEMORY: GIB / 2},
        limits={Resource.CPU: limit, Resource.MEMORY: 2 * GIB},
        sidecar=sidecar,
    )


def claim(name: str = "checkout", replicas: int = 10, **other: object) -> Claim:
    return replace(
        Claim(
            namespace=SHOP,
            controller=f"Deployment/{name}",
            replicas=replicas,
            containers=(container(),),
        ),
        **other,
    )


def quota(namespace: str = SHOP, /, **hard: float) -> QuotaLimit:
    """`requests_cpu=5` is `requests.cpu`."""
    return QuotaLimit(
        namespace=namespace,
        name="compute",
        hard={name.replace("_", "."): amount for name, amount in hard.items()},
    )


def settings(*claims: Claim, quotas: tuple[QuotaLimit, ...]) -> CapacitySettings:
    return CapacitySettings(claims=claims, quotas=quotas)


def row(*claims: Claim, **hard: float) -> Headroom:
    """The one row of a quota with one resource."""
    (found,) = headrooms(settings(*claims, quotas=(quota(**hard),)))
    return found


def test_without_a_quota_there_is_no_row() -> None:
    """What nothing limits has no headroom, not an endless one."""
    assert headrooms(settings(claim(), quotas=())) == ()
    assert together(settings(claim(), quotas=()), Quota(cores=1, memory="1Gi")) == ()


def test_resources_that_pods_do_not_use_up_are_no_rows() -> None:
    """A quota may count services and volumes, too: pods have no part in them."""
    found = headrooms(settings(claim(), quotas=(quota(services=5, requests_storage=100),)))
    assert found == ()


def test_ten_services_of_ten_are_more_than_the_quota() -> None:
    """The documented numbers: seven services of 5 cores, and a rollout's surge, fit in 50."""
    services = [claim(f"s{number}", surge=3) for number in range(10)]
    assert row(*services, requests_cpu=50).claimed == 50
    assert row(*services, requests_cpu=50).with_surge == 51.5
    assert not row(*services, requests_cpu=50).fits
    assert row(*services[:7], requests_cpu=50).fits
    assert row(*services[:7], limits_cpu=50).claimed == 140


def test_cpu_is_another_name_for_its_requests() -> None:
    """Kubernetes documentation, Resource Quotas."""
    assert row(claim(), cpu=50).claimed == row(claim(), requests_cpu=50).claimed == 5
    assert row(claim(), memory=50 * GIB).claimed == 5 * GIB


def test_pods_are_counted() -> None:
    """Whatever they ask for."""
    found = row(claim(containers=()), claim("order", 3), pods=13)
    assert (found.claimed, found.fits) == (13, True)


def test_sidecars_ask_too() -> None:
    """They run as long as the pod does."""
    with_sidecar = claim(containers=(container(), container(0.3, 0.3, sidecar=True)))
    assert demand(with_sidecar, "requests.cpu") == 0.8
    assert demand(with_sidecar, "limits.cpu") == 2.3


def test_a_limit_without_a_request_is_the_request() -> None:
    """As the API fills it in; the other way round nothing is filled in, and it is named."""
    limited = ContainerResources(name="c", limits={Resource.CPU: 2.0})
    asking = ContainerResources(name="c", requests={Resource.CPU: 2.0})
    assert demand(claim(containers=(limited,)), "requests.cpu") == 2
    assert demand(claim(containers=(asking,)), "limits.cpu") == 0
    (line,) = unsaid(settings(claim(containers=(asking,)), quotas=(quota(limits_cpu=1),)))
    assert "container c says no limits.cpu" in line
    assert unsaid(settings(claim(containers=(limited,)), quotas=(quota(requests_cpu=1),))) == ()


def test_only_the_largest_surge_counts() -> None:
    """Rollouts are taken to come one after the other."""
    found = row(claim(surge=3), claim("order", surge=1), requests_cpu=11.5)
    assert (found.claimed, found.with_surge, found.fits) == (10, 11.5, True)


def test_thousandths_add_up_exactly() -> None:
    """Ten pods of 0.1 cores are one core, and a quota of one core holds them."""
    tenth = claim(containers=(container(0.1),), replicas=3)
    assert row(tenth, requests_cpu=0.3).fits


def test_the_parts_are_the_largest_first() -> None:
    """Equal ones by name."""
    found = row(claim("b", 1), claim("a", 1), claim("c", 2), requests_cpu=5)
    assert found.parts == (("Deployment/c", 1), ("Deployment/a", 0.5), ("Deployment/b", 0.5))


def test_an_autoscaler_that_cannot_reach_its_maximum_alone_is_named_once() -> None:
    """The others stay at their minima; one that fits beside them is not named."""
    large = claim("large", 10, scaled_by="large", minimum=1, containers=(container(1),))
    small = claim("small", 10, scaled_by="small", minimum=2)
    fixed = claim("fixed", 4)
    found = row(large, small, fixed, requests_cpu=9.5)
    # 9.5 - 2 x 0.5 - 4 x 0.5 = 6.5 of the 10 that it may have; small: 9.5 - 1 - 2 = 13 x 0.5.
    assert found.out_of_reach == ("Deployment/large: 6 of 10 replicas",)


def test_a_minimum_that_is_not_said_is_one() -> None:
    """API reference, HorizontalPodAutoscalerSpec."""
    first = claim("first", 10, scaled_by="first")
    second = claim("second", 10, scaled_by="second", minimum=1)
    found = row(first, second, requests_cpu=5)
    assert found.out_of_reach == (
        "Deployment/first: 9 of 10 replicas",
        "Deployment/second: 9 of 10 replicas",
    )


def test_nothing_is_out_of_reach_of_a_quota_that_it_does_not_use() -> None:
    """Where its pods ask for none of the resource."""
    found = row(claim(scaled_by="x", containers=()), requests_cpu=0)
    assert found.out_of_reach == ()


def test_a_namespace_is_bound_by_its_tightest_quota() -> None:
    """No request is above its limit, so a limit's quota bounds requests as well."""
    both = settings(quotas=(quota(requests_cpu=50, limits_cpu=40), quota(cpu=45)))
    assert bound(both, SHOP, Resource.CPU) == 40
    assert bound(both, SHOP, Resource.MEMORY) is None
    assert bound(both, "elsewhere", Resource.CPU) is None


def test_quotas_add_up_against_the_document_and_the_nodes() -> None:
    """50 + 30 are within 80 and beyond the three nodes' 6."""
    found = together(
        CapacitySettings(
            claims=(),
            quotas=(quota(requests_cpu=50), quota("platform-prod", requests_cpu=30)),
            allocatable={f"n{number}": {"cpu": 2.0} for number in range(3)},
        ),
        Quota(cores=80, memory="1Gi"),
    )
    by_name = {(one.quota, one.resource): one for one in found}
    assert all(one.namespace == ALL for one in found)
    assert by_name[DOCUMENTED, "cpu"].claimed == 80
    assert by_name[DOCUMENTED, "cpu"].fits
    assert (by_name[NODES, "requests.cpu"].hard, by_name[NODES, "requests.cpu"].fits) == (6, False)
    assert by_name[NODES, "requests.cpu"].parts == ((SHOP, 50), ("platform-prod", 30))


def test_a_namespace_without_a_quota_counts_with_all_that_it_may_ask_for() -> None:
    """But for those of Kubernetes itself."""
    found = together(
        settings(
            claim(namespace="elsewhere", replicas=2),
            claim(namespace="kube-system"),
            quotas=(quota(limits_cpu=50, limits_memory=GIB),),
        ),
        Quota(cores=53, memory="100Gi"),
    )
    cpu, memory = found
    assert dict(cpu.parts) == {SHOP: 50, "elsewhere (no quota)": 4}
    assert not cpu.fits
    assert memory.claimed == 5 * GIB


def test_the_sum_is_written_out() -> None:
    """So that who reads it can do it again."""
    shop = settings(
        claim(surge=3), claim("order", 3), quotas=(quota(requests_cpu=5, requests_memory=GIB),)
    )
    cpu, memory = headrooms(shop)
    assert written_out(cpu, shop) == (
        "core-business-prod, compute, requests.cpu: Deployment/checkout 10 x 0.5 + "
        "Deployment/order 3 x 0.5 = 6.5 cores, 8 cores with one rollout, of 5 cores: does not fit"
    )
    assert "Deployment/checkout 10 x 512 MiB" in written_out(memory, shop)
    assert show_amount("pods", 3) == "3 pods"


def test_a_sum_of_nothing_is_written_out() -> None:
    """Namespaces may be empty."""
    empty = settings(quotas=(quota(pods=5),))
    assert written_out(headrooms(empty)[0], empty) == (
        "core-business-prod, compute, pods: nothing = 0 pods, of 5 pods: fits"
    )


# Millicores, as the API has them.
AMOUNTS = st.integers(min_value=0, max_value=4000)
CLAIMS = st.lists(
    st.builds(
        lambda replicas, surge, cpu, more, least: claim(
            "x",
            replicas,
            surge=surge,
            scaled_by="x",
            minimum=min(least, replicas),
            containers=(container(cpu / 1000), container(more / 1000, sidecar=True)),
        ),
        st.integers(0, 20),
        st.integers(0, 5),
        AMOUNTS,
        AMOUNTS,
        st.integers(1, 3),
    ),
    max_size=6,
).map(lambda found: [replace(one, controller=f"D/{n}") for n, one in enumerate(found)])
HARD = st.integers(0, 200_000).map(lambda amount: amount / 1000)


@given(CLAIMS, HARD)
def test_it_equals_the_sum_in_fractions(claims: list[Claim], hard: float) -> None:
    """Pod by pod, container by container, in exact arithmetic."""

    def exact(one: Claim) -> Fraction:
        return sum(
            (Fraction(round(each.requests[Resource.CPU] * 1000), 1000) for each in one.containers),
            Fraction(0),
        )

    found = row(*claims, requests_cpu=hard)
    claimed = sum((exact(one) for one in claims for _ in range(one.replicas)), Fraction(0))
    surge = max((exact(one) * one.surge for one in claims), default=Fraction(0))
    limit = Fraction(round(hard * 1000), 1000)
    assert math.isclose(found.claimed, claimed, abs_tol=1e-6)
    assert math.isclose(found.with_surge, claimed + surge, abs_tol=1e-6)
    assert found.fits == (claimed + surge <= limit)
    least = sum((exact(one) * (one.minimum or 0) for one in claims), Fraction(0))
    beyond = {
        one.controller
        for one in claims
        if exact(one) > 0
        and least + exact(one) * (one.replicas - (one.minimum or 0)) > limit
        and one.replicas > 0
    }
    assert {one.split(":")[0] for one in found.out_of_reach} == beyond


@given(CLAIMS, HARD, st.integers(1, 5), st.integers(0, 5))
def test_more_replicas_or_larger_requests_never_leave_more_room(
    claims: list[Claim], hard: float, more: int, index: int
) -> None:
    """Monotone in both; and a larger quota never fits less."""
    before = row(*claims, requests_cpu=hard)
    if before.fits:
        assert row(*claims, requests_cpu=hard + more).fits
    if not claims:
        return
    index %= len(claims)
    one = claims[index]
    larger = replace(
        one,
        containers=tuple(
            replace(each, requests={**each.requests, Resource.CPU: each.requests[Resource.CPU] + 1})
            for each in one.containers
        ),
    )
    for grown in (replace(one, replicas=one.replicas + more), larger):
        after = row(*claims[:index], grown, *claims[index + 1 :], requests_cpu=hard)
        assert after.claimed >= before.claimed
        assert after.with_surge >= before.with_surge
        assert before.fits or not after.fits


@given(CLAIMS, HARD, st.randoms())
def test_the_order_of_claims_does_not_matter(
    claims: list[Claim], hard: float, chance: object
) -> None:
    """A cluster lists them in any."""
    shuffled = list(claims)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = row(*claims, requests_cpu=hard), row(*shuffled, requests_cpu=hard)
    assert replace(one, out_of_reach=()) == replace(other, out_of_reach=())
    assert set(one.out_of_reach) == set(other.out_of_reach)
