"""One look at all that scales a service: what is away is said to be, and never taken for none."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes_api import UID, StandInApi
from msgspec.structs import replace
from scaled_service import (
    EXCEEDED,
    HASH,
    NAMESPACE,
    POD,
    SERVICE,
    autoscaler,
    event,
    pod_metrics,
    put_service,
    running_pod,
    unscheduled_pod,
)

from harness.drivers.kubernetes import OtherClusterError
from harness.drivers.kubernetes_connection import Answer, ConnectionBrokenError
from harness.load.looking import Looks, OneLook, Service, is_about
from harness.model.autoscaling import Sighting
from harness.model.codec import from_json, to_json
from harness.model.instant import Instant

SECOND = 1_000_000_000
FIELDS = ("replicas", "autoscaler", "pods", "endpoints", "usages", "quotas")
METRICS = "/apis/metrics.k8s.io/v1beta1"


@dataclass
class HandClock:
    """A clock that is turned by hand."""

    now_ns: int = 5 * SECOND
    step_ns: int = 0
    """By which every reading moves it."""

    readings: list[int] = field(default_factory=list)

    def monotonic_ns(self) -> int:
        self.now_ns += self.step_ns
        self.readings.append(self.now_ns)
        return self.now_ns

    def now(self) -> Instant:
        now_ns = self.monotonic_ns()
        utc = datetime(2026, 11, 26, 2, tzinfo=UTC) + timedelta(microseconds=now_ns // 1000)
        return Instant(monotonic_ns=now_ns, utc=utc)


@pytest.fixture
def api() -> StandInApi:
    made = StandInApi()
    put_service(made)
    return made


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def looks_at(
    api: StandInApi, clock: HandClock, service: Service = SERVICE, uid: str = UID
) -> Looks:
    return Looks(
        api.cluster(), uid, service, clock, usages_every_ns=3 * SECOND, scrape_ns=15 * SECOND
    )


def after(clock: HandClock, looks: Looks, seconds: float = 1) -> Sighting:
    clock.now_ns += round(seconds * SECOND)
    return looks.look()


class TestWhatIsSeen:
    def test_all_of_it(self, api: StandInApi, clock: HandClock) -> None:
        seen = looks_at(api, clock).look()
        assert (seen.replicas, seen.endpoints) == (1, 1)
        assert seen.autoscaler is not None
        assert seen.autoscaler.desired == 1
        assert [one.name for one in seen.pods or ()] == [POD]
        assert [one.pod for one in seen.usages or ()] == [POD]
        assert [one.name for one in seen.quotas or ()] == ["compute"]
        assert (seen.events, seen.unread) == ((), {})

    def test_it_is_between_two_readings_of_our_clock(self, api: StandInApi) -> None:
        clock = HandClock(step_ns=SECOND // 100)
        seen = looks_at(api, clock).look()
        assert (seen.began_ns, seen.ended_ns) == (clock.readings[0], clock.readings[-1])
        assert seen.began_ns < seen.ended_ns

    def test_it_survives_its_file(self, api: StandInApi, clock: HandClock) -> None:
        seen = looks_at(api, clock).look()
        assert from_json(to_json(seen), Sighting) == seen

    def test_nothing_is_changed(self, api: StandInApi, clock: HandClock) -> None:
        looks_at(api, clock).look()
        assert api.changes == []

    def test_a_pod_that_fits_nowhere_says_why(self, api: StandInApi, clock: HandClock) -> None:
        api.put("pods", unscheduled_pod("checkout-x"))
        seen = looks_at(api, clock).look()
        assert [one.waits_for for one in seen.pods or ()] == [
            "",
            "Unschedulable: 0/3 nodes are available: 3 Insufficient cpu.",
        ]


class TestWhatIsAway:
    def test_a_service_without_an_autoscaler(self, api: StandInApi, clock: HandClock) -> None:
        seen = looks_at(api, clock, replace(SERVICE, autoscaler=None)).look()
        assert (seen.autoscaler, seen.unread) == (None, {})
        assert not [one for one in api.requests if "horizontalpodautoscalers" in one]

    def test_an_autoscaler_that_is_gone(self, api: StandInApi, clock: HandClock) -> None:
        del api.objects["horizontalpodautoscalers", NAMESPACE, "checkout"]
        seen = looks_at(api, clock).look()
        assert seen.autoscaler is None
        assert list(seen.unread) == ["autoscaler"]
        assert "HorizontalPodAutoscaler checkout is not in" in seen.unread["autoscaler"]

    def test_a_namespace_without_a_quota_has_none_and_is_not_unread(
        self, api: StandInApi, clock: HandClock
    ) -> None:
        del api.objects["resourcequotas", NAMESPACE, "compute"]
        seen = looks_at(api, clock).look()
        assert (seen.quotas, seen.unread) == ((), {})

    @pytest.mark.parametrize(
        ("plural", "what"),
        [
            ("deployments", "replicas"),
            ("horizontalpodautoscalers", "autoscaler"),
            ("pods", "pods"),
            ("endpointslices", "endpoints"),
            ("podmetrics", "usages"),
            ("resourcequotas", "quotas"),
            ("events", "events"),
        ],
    )
    def test_what_the_account_may_not_see_is_unread_and_not_none(
        self, api: StandInApi, clock: HandClock, plural: str, what: str
    ) -> None:
        api.forbidden.add(f"get {plural}")
        seen = looks_at(api, clock).look()
        assert list(seen.unread) == [what]
        assert "not allowed" in seen.unread[what]
        assert getattr(seen, what) in (None, ())
        assert all(getattr(seen, one) is not None for one in FIELDS if one != what)

    @pytest.mark.parametrize(("kind", "says"), [("absent", "has no"), ("away", "unable to")])
    def test_an_api_without_metrics(
        self, api: StandInApi, clock: HandClock, kind: str, says: str
    ) -> None:
        getattr(api, kind).add(METRICS)
        seen = looks_at(api, clock).look()
        assert seen.usages is None
        assert list(seen.unread) == ["usages"]
        assert says in seen.unread["usages"]

    def test_an_object_that_nobody_can_read(self, api: StandInApi, clock: HandClock) -> None:
        broken = pod_metrics(cpu="a lot")
        api.put("podmetrics", broken)
        seen = looks_at(api, clock).look()
        assert seen.unread == {
            "usages": "got 'a lot', expected a quantity such as 500m, 128Mi or 1e3"
        }

    def test_an_api_that_is_away_in_the_middle_comes_back(
        self, api: StandInApi, clock: HandClock
    ) -> None:
        looks = looks_at(api, clock)
        looks.look()
        api.breaks = 10**6
        seen = after(clock, looks, 3)
        assert all(getattr(seen, one) is None for one in FIELDS)
        assert set(seen.unread) == {*FIELDS, "events"}
        assert "connection reset" in seen.unread["pods"]
        api.breaks = 0
        assert after(clock, looks).unread == {}


class TestCluster:
    def test_another_cluster_is_not_looked_at(self, api: StandInApi, clock: HandClock) -> None:
        looks = looks_at(api, clock, uid="another")
        with pytest.raises(OtherClusterError):
            looks.look()
        assert api.requests == ["GET /api/v1/namespaces/kube-system"]

    def test_one_that_may_not_be_known_is_not_looked_at(
        self, api: StandInApi, clock: HandClock
    ) -> None:
        api.forbidden.add("get namespaces")
        seen = looks_at(api, clock).look()
        assert "not allowed" in seen.unread["pods"]
        assert seen.pods is None

    def test_one_that_does_not_answer_yet_is_asked_again(
        self, api: StandInApi, clock: HandClock
    ) -> None:
        looks = looks_at(api, clock)
        api.breaks = 4
        seen = looks.look()
        assert set(seen.unread) == {"cluster", *FIELDS, "events"}
        assert len(api.requests) == 4
        assert after(clock, looks).unread == {}


class TestUsages:
    def test_they_are_read_every_third_second(self, api: StandInApi, clock: HandClock) -> None:
        looks = looks_at(api, clock)
        seen = [looks.look(), *(after(clock, looks) for _ in range(6))]
        assert [one.usages is not None for one in seen] == [True, False, False] * 2 + [True]
        assert all(one.unread == {} for one in seen)

    def test_a_look_that_begins_a_moment_too_early_shifts_nothing(
        self, api: StandInApi, clock: HandClock
    ) -> None:
        looks = looks_at(api, clock)
        looks.look()
        assert after(clock, looks, 2.999).usages is None
        assert after(clock, looks, 1.001).usages is not None
        assert after(clock, looks, 2.0).usages is not None

    def test_after_a_long_look_they_are_not_made_up_for(
        self, api: StandInApi, clock: HandClock
    ) -> None:
        looks = looks_at(api, clock)
        looks.look()
        seen = [after(clock, looks, 60), *(after(clock, looks) for _ in range(3))]
        assert [one.usages is not None for one in seen] == [True, False, False, True]

    def test_metrics_that_do_not_advance_are_stale(self, api: StandInApi, clock: HandClock) -> None:
        """They are kept as they are, for the autoscaler goes by them, too."""
        looks = looks_at(api, clock)
        looks.look()
        assert after(clock, looks, 45).unread == {}
        seen = after(clock, looks, 3)
        assert seen.usages is not None
        assert seen.unread == {
            "fresh usages": "no measurement newer than 01:56:34 for 48 s: metrics are stale"
        }

    def test_a_pod_less_does_not_make_them_fresh(self, api: StandInApi, clock: HandClock) -> None:
        """The newest measurement may become an older one: it was of a pod that is gone."""
        api.put("podmetrics", pod_metrics("checkout-x", timestamp="2026-11-26T01:56:40Z"))
        looks = looks_at(api, clock)
        looks.look()
        del api.objects["podmetrics", NAMESPACE, "checkout-x"]
        assert after(clock, looks, 30).unread == {}
        assert list(after(clock, looks, 30).unread) == ["fresh usages"]

    def test_metrics_that_advance_again_are_not(self, api: StandInApi, clock: HandClock) -> None:
        looks = looks_at(api, clock)
        looks.look()
        assert after(clock, looks, 50).unread
        api.put("podmetrics", pod_metrics(timestamp="2026-11-26T01:57:30Z"))
        assert after(clock, looks, 3).unread == {}
        assert after(clock, looks, 30).unread == {}

    def test_pods_of_which_none_was_measured_are_not_stale(
        self, api: StandInApi, clock: HandClock
    ) -> None:
        del api.objects["podmetrics", NAMESPACE, POD]
        looks = looks_at(api, clock)
        looks.look()
        seen = after(clock, looks, 100)
        assert (seen.usages, seen.unread) == ((), {})


class TestEvents:
    def test_those_from_before_the_first_look_are_not_its(
        self, api: StandInApi, clock: HandClock
    ) -> None:
        api.put("events", EXCEEDED)
        looks = looks_at(api, clock)
        assert looks.look().events == ()
        assert after(clock, looks).events == ()

    def test_a_new_one_is_told_once(self, api: StandInApi, clock: HandClock) -> None:
        looks = looks_at(api, clock)
        looks.look()
        api.put("events", EXCEEDED)
        (told,) = after(clock, looks).events
        assert (told.reason, told.about) == ("FailedCreate", f"ReplicaSet/checkout-{HASH}")
        assert after(clock, looks).events == ()

    def test_one_that_is_counted_up_is_told_again(self, api: StandInApi, clock: HandClock) -> None:
        looks = looks_at(api, clock)
        api.put("events", event("HorizontalPodAutoscaler/checkout", "FailedGetResourceMetric"))
        looks.look()
        api.put(
            "events",
            event("HorizontalPodAutoscaler/checkout", "FailedGetResourceMetric", count=3),
        )
        assert [one.count for one in after(clock, looks).events] == [3]

    def test_those_of_an_outage_are_told_after_it(self, api: StandInApi, clock: HandClock) -> None:
        looks = looks_at(api, clock)
        looks.look()
        api.breaks = 10**6
        api.put("events", EXCEEDED)
        assert after(clock, looks).events == ()
        api.breaks = 0
        assert [one.reason for one in after(clock, looks).events] == ["FailedCreate"]

    def test_those_of_others_are_not_told(self, api: StandInApi, clock: HandClock) -> None:
        looks = looks_at(api, clock)
        looks.look()
        api.put("events", event("Deployment/checkout-subscriber", "ScalingReplicaSet"))
        assert after(clock, looks).events == ()

    def test_a_pod_that_was_seen_is_known_by_its_name(
        self, api: StandInApi, clock: HandClock
    ) -> None:
        """As one of a long name, which is cut before the hash is appended."""
        api.put("pods", running_pod("checkout-of-a-long-name"))
        looks = looks_at(api, clock)
        looks.look()
        del api.objects["pods", NAMESPACE, "checkout-of-a-long-name"]
        api.put("events", event("Pod/checkout-of-a-long-name", "Killing"))
        assert [one.reason for one in after(clock, looks).events] == ["Killing"]


@pytest.mark.parametrize(
    ("about", "its"),
    [
        ("Deployment/checkout", True),
        ("Deployment/checkout-subscriber", False),
        ("HorizontalPodAutoscaler/checkout", True),
        ("HorizontalPodAutoscaler/other", False),
        (f"ReplicaSet/checkout-{HASH}", True),
        ("ReplicaSet/checkout-864b78749", True),
        ("ReplicaSet/checkout-subscriber-5c77d887dc", False),
        ("ReplicaSet/checkout", False),
        (f"Pod/checkout-{HASH}-k2x9p", True),
        ("Pod/checkout-subscriber-5c77d887dc-j2twx", False),
        ("Pod/checkout", False),
        ("Service/checkout", False),
        ("", False),
    ],
)
def test_whose_an_event_is(about: str, its: bool) -> None:  # noqa: FBT001 - expected
    assert is_about(about, SERVICE, set()) is its


@pytest.mark.parametrize(
    ("controller", "about", "its"),
    [
        ("StatefulSet/redis", "Pod/redis-0", True),
        ("StatefulSet/redis", "Pod/redis-exporter-0", False),
        ("ReplicaSet/checkout-1", "Pod/checkout-1-k2x9p", True),
        ("DaemonSet/agent", "Pod/agent-k2x9p", False),
    ],
)
def test_whose_an_event_is_under_other_controllers(
    controller: str,
    about: str,
    its: bool,  # noqa: FBT001 - expected
) -> None:
    assert is_about(about, replace(SERVICE, controller=controller), set()) is its


@given(counts=st.lists(st.integers(min_value=0, max_value=3), min_size=1, max_size=12))
def test_every_count_of_an_event_is_told_exactly_once(counts: list[int]) -> None:
    """Whatever it is counted up by between two looks, the newest count is told, and once."""
    api, clock = StandInApi(), HandClock()
    put_service(api)
    looks = looks_at(api, clock)
    looks.look()
    count, told = 0, []
    for more in counts:
        count += more
        if count:
            api.put("events", event("Deployment/checkout", "ScalingReplicaSet", count=count))
        seen = after(clock, looks).events
        assert bool(seen) is bool(more)
        told += [one.count for one in seen]
    assert told == sorted(set(told))
    assert (told[-1] if told else 0) == count


class Silent:
    """A transport whose API answers, or costs time and does not."""

    server = "https://silent:6443"

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.takes_ns = 0
        self.silent = False
        self.asked = 0

    def __call__(self, method: str, path: str, **_others: object) -> Answer:
        self.asked += 1
        self.clock.now_ns += self.takes_ns
        if self.silent:
            raise ConnectionBrokenError(f"{method} {path}: timed out")
        return Answer(200, b"{}")


class TestOneLook:
    def test_an_api_that_answers_is_asked_however_long_it_takes(self, clock: HandClock) -> None:
        silent = Silent(clock)
        silent.takes_ns = 5 * SECOND
        transport = OneLook(silent, clock, lasts_ns=SECOND)
        transport.begin()
        for _ in range(3):
            assert transport("GET", "/api").status == 200
        assert (silent.asked, transport.server) == (3, silent.server)

    def test_one_that_refuses_quickly_is_asked_again(self, clock: HandClock) -> None:
        silent = Silent(clock)
        silent.silent = True
        transport = OneLook(silent, clock, lasts_ns=SECOND)
        transport.begin()
        for _ in range(3):
            with pytest.raises(ConnectionBrokenError):
                transport("GET", "/api")
        assert silent.asked == 3

    def test_one_that_is_silent_is_asked_once_a_look(self, clock: HandClock) -> None:
        silent = Silent(clock)
        silent.silent, silent.takes_ns = True, 8 * SECOND
        transport = OneLook(silent, clock, lasts_ns=SECOND)
        for look in (1, 2):
            transport.begin()
            for _ in range(30):
                with pytest.raises(ConnectionBrokenError, match="timed out"):
                    transport("GET", "/api")
            assert silent.asked == look


def test_the_wall_clock_is_ours(api: StandInApi, clock: HandClock) -> None:
    api.put("horizontalpodautoscalers", autoscaler())
    seen = looks_at(api, clock).look()
    assert seen.wall == datetime(2026, 11, 26, 2, 0, 5, tzinfo=UTC)
