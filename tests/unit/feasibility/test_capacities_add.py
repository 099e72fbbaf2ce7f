"""What all services may take at once, against the quotas that they are promised."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from promised import looked, namespace, promise, quota, resources, words

from harness.feasibility.capacities import Capacity, Share, add_up
from harness.feasibility.demands import look
from harness.feasibility.finding import Word
from harness.feasibility.ground import Ground
from harness.model.autoscaling import ContainerResources as Running
from harness.model.autoscaling import Resource
from harness.model.configuration import DaprAnnotations, Rollout, Size, VerticalAutoscaler
from harness.model.quota import CapacitySettings, Claim, QuotaLimit
from harness.model.target import AutoscalerRange, Kind, Replicas, Target, Volume

AMOUNTS = st.floats(min_value=0, max_value=1e6, allow_nan=False)
SHOP = namespace("shop-prod", "checkout", "order")


def autoscaled(maximum: int) -> Target:
    return promise("range", AutoscalerRange(minimum=1, maximum=maximum))


def capacity(whole: float, *parts: float, left_out: tuple[str, ...] = ()) -> Capacity:
    return Capacity(
        about="c",
        subject="s",
        resource=Resource.CPU,
        whole=whole,
        whole_called="in all",
        target="whole",
        shares=tuple(Share(name="p", count=1, each=part) for part in parts),
        why="w",
        resolve="r",
        left_out=left_out,
    )


def test_without_any_target_no_capacity_is_compared() -> None:
    """Nor a quota alone, or services without their sizes."""
    assert words(look) == {}
    assert words(look, quota(50)) == {}
    assert words(look, quota(50, of="shop-prod"), SHOP, autoscaled(10)) == {}


def test_maxima_beyond_a_quota_contradict_it() -> None:
    """2 services x 10 pods x 2 cores are 40, of 30; their requests of 10 cores fit."""
    found = looked(
        look, quota(30, "50Gi", of="shop-prod"), SHOP, resources("*-prod"), autoscaled(10)
    )
    limits = found["quota-shop-prod, range, limits, cpu"]
    assert limits.word is Word.CONTRADICTION
    assert limits.sum == ("2 services x 10 pods x 2 cores = 40 cores > 30 cores quota of shop-prod")
    assert "the quota counts limits" in limits.assumes
    assert found["quota-shop-prod, range, limits, memory"].word is Word.HOLDS
    assert found["quota-shop-prod, range, requests, cpu"].word is Word.HOLDS


def test_maxima_within_a_quota_hold() -> None:
    """Just as much is within."""
    got = words(look, quota(40, of="shop-prod"), SHOP, resources("*-prod"), autoscaled(10))
    assert set(got.values()) == {Word.HOLDS}


def test_a_sidecar_is_part_of_its_pod() -> None:
    """Its limit is its request where it says none; a request of its own is taken as it is."""
    limited = DaprAnnotations(annotations={"dapr.io/sidecar-cpu-limit": "300m"})
    asked = DaprAnnotations(
        annotations={"dapr.io/sidecar-cpu-limit": "300m", "dapr.io/sidecar-cpu-request": "100m"}
    )
    shop = (quota(14, of="shop-prod"), SHOP, resources("*-prod"), autoscaled(10))
    name = "quota-shop-prod, range, requests, cpu"
    assert words(look, *shop)[name] is Word.HOLDS
    assert words(look, *shop, promise("dapr", limited))[name] is Word.CONTRADICTION
    assert words(look, *shop, promise("dapr", asked))[name] is Word.HOLDS


def test_data_stores_are_no_autoscaled_services() -> None:
    """The sizes of services say nothing of what else is in a namespace."""
    stores = namespace("shop-prod", "redis", "postgresql", "dapr", "monitoring")
    got = words(look, quota(1, of="shop-prod"), stores, resources(), autoscaled(10))
    assert got == {}


def test_what_is_said_of_all_counts_only_where_nothing_narrower_is_said() -> None:
    """`*` beside `*-dev` may not be meant for production."""
    tight = quota(1, of="shop-prod")
    assert words(look, tight, SHOP, resources(), autoscaled(10))
    dev = resources("*-dev", identity="dev")
    assert not words(look, tight, SHOP, resources(), dev, autoscaled(10))


def test_quotas_that_use_up_all_leave_nothing_for_another_namespace() -> None:
    """The same sum is enough where there is no other one, and too much is a contradiction."""
    shop, core = quota(60, "60Gi", of="shop-prod"), quota(40, "40Gi", of="core")
    got = words(look, quota(100), shop, core, SHOP, namespace("other", "checkout"))
    assert got == {
        "quota-global, namespaces, cpu": Word.TIGHT,
        "quota-global, namespaces, memory": Word.TIGHT,
    }
    assert set(words(look, quota(100), shop, core, SHOP).values()) == {Word.HOLDS}
    assert set(words(look, quota(99, "99Gi"), shop, core, SHOP).values()) == {Word.CONTRADICTION}


def test_all_rollouts_at_once_are_tight() -> None:
    """They may come one after another; nobody says so."""
    shop = (
        SHOP,
        resources("*-prod"),
        promise("replicas", Replicas(namespaces="*-prod", count=3)),
        promise("rollout", Rollout(max_surge=100, max_unavailable=0)),
    )
    name = "quota-shop-prod, rollout, cpu"
    assert words(look, quota(23, of="shop-prod"), *shop)[name] is Word.TIGHT
    assert words(look, quota(24, of="shop-prod"), *shop)[name] is Word.HOLDS


def test_a_vertical_autoscaler_multiplies_what_a_horizontal_one_does() -> None:
    """2 services x 10 pods x 2 cores, whatever is documented as their request."""
    shop = (SHOP, resources("*-prod"), autoscaled(10))
    least, most = Size(cpu="100m", memory="128Mi"), Size(cpu="2000m", memory="4Gi")
    vertical = promise("vpa", VerticalAutoscaler(mode="Auto", minimum=least, maximum=most))
    off = promise("vpa", VerticalAutoscaler(mode="Off", minimum=least, maximum=most))
    name = "quota-shop-prod, vpa, memory"
    tight = quota(40, "79Gi", of="shop-prod")
    assert words(look, tight, *shop, vertical)[name] is Word.CONTRADICTION
    assert name not in words(look, tight, *shop, off)
    assert words(look, quota(40, "80Gi", of="shop-prod"), *shop, vertical)[name] is Word.HOLDS


def test_a_volume_of_redis_must_fit_into_memory() -> None:
    """On its disk may be more than data: it is tight, not a contradiction."""
    volume = promise("volume", Volume(size="50Gi"), Kind.REDIS)
    place = namespace("data", "redis")
    name = "quota-data, volume, memory"
    assert words(look, quota(9, "40Gi", of="data"), place, volume) == {name: Word.TIGHT}
    assert words(look, quota(9, "50Gi", of="data"), place, volume) == {name: Word.HOLDS}
    disk = promise("volume", Volume(size="50Gi"), Kind.POSTGRESQL)
    assert words(look, quota(9, "40Gi", of="data"), place, disk) == {}


def claim(replicas: int, *, surge: int = 0) -> Claim:
    container = Running(name="checkout", limits={Resource.CPU: 1.0})
    return Claim(
        namespace="shop-prod",
        controller="Deployment/checkout",
        replicas=replicas,
        scaled_by="checkout",
        minimum=1,
        surge=surge,
        containers=(container,),
    )


def as_deployed(*claims: Claim) -> Word:
    limit = QuotaLimit(namespace="shop-prod", name="compute", hard={"limits.cpu": 10.0})
    settings = CapacitySettings(claims=claims, quotas=(limit,))
    targets = (autoscaled(12), quota(10, of="shop-prod"))
    (found,) = look(Ground(targets=targets, capacity=settings))
    assert found.targets == ("quota-shop-prod", "range")
    return found.word


def test_the_quotas_of_a_cluster_are_compared_as_they_are() -> None:
    """What it is set to, beside what is documented; a rollout alone is tight."""
    assert as_deployed(claim(10)) is Word.HOLDS
    assert as_deployed(claim(10, surge=1)) is Word.TIGHT
    assert as_deployed(claim(12)) is Word.CONTRADICTION


@given(st.lists(AMOUNTS, min_size=1, max_size=8), AMOUNTS)
def test_one_more_part_never_makes_a_whole_looser(parts: list[float], whole: float) -> None:
    """Monotonic in the parts; the sum is the same in any order."""
    contradicts = [
        add_up(capacity(whole, *parts[: number + 1])).word is Word.CONTRADICTION
        for number in range(len(parts))
    ]
    assert contradicts == sorted(contradicts)
    assert add_up(capacity(whole, *parts[::-1])).word is add_up(capacity(whole, *parts)).word


@given(st.lists(AMOUNTS, min_size=1, max_size=8))
def test_a_whole_that_is_used_up_is_tight_only_where_something_is_left_out(
    parts: list[float],
) -> None:
    """Equality is the edge of all three words."""
    total = sum(round(part, 6) for part in parts)
    even = capacity(total, *(round(part, 6) for part in parts))
    assert add_up(even).word is Word.HOLDS
    left = capacity(total, *(round(part, 6) for part in parts), left_out=("other",))
    assert add_up(left).word is Word.TIGHT
