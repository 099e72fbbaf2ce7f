"""What is read of how a service is scaled: its settings, its state, and what says when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from kubernetes_api import Object, StandInApi, pod
from scaled_service import (
    EXCEEDED,
    HASH,
    NAMESPACE,
    POD,
    autoscaler,
    deployment,
    endpoint,
    endpoint_slice,
    event,
    named,
    of_resource,
    put_service,
    quota,
    running_pod,
    unscheduled_pod,
)

from harness.drivers import autoscaling, autoscaling_objects
from harness.errors import InputError, RefusedError, SurroundingsError
from harness.model.autoscaling import (
    DEFAULT_DOWN,
    DEFAULT_UP,
    AutoscalerSettings,
    PolicyKind,
    Resource,
    ResourceTarget,
    ScalingPolicy,
    SelectPolicy,
    Timings,
)
from harness.model.workload import HttpWorkload

CHECKOUT = HttpWorkload(
    id="checkout",
    namespace=NAMESPACE,
    pods="app=checkout",
    service="checkout",
    deployment="checkout",
)
UNNAMED = HttpWorkload(id="checkout", namespace=NAMESPACE, pods="app=checkout", service="checkout")


@pytest.fixture
def api() -> StandInApi:
    made = StandInApi()
    put_service(made)
    return made


def settings(**spec: Any) -> AutoscalerSettings:  # noqa: ANN401 - fields of its spec
    return autoscaling_objects.autoscaler_settings(autoscaler(**spec))


class TestSettings:
    def test_a_service_without_an_autoscaler_has_none(self, api: StandInApi) -> None:
        del api.objects["horizontalpodautoscalers", NAMESPACE, "checkout"]
        assert autoscaling.read_autoscaler(api.cluster(), CHECKOUT) is None

    def test_the_autoscaler_of_another_is_not_its_own(self, api: StandInApi) -> None:
        other = {"kind": "Deployment", "name": "checkout-subscriber"}
        api.put("horizontalpodautoscalers", autoscaler(scaleTargetRef=other))
        assert autoscaling.read_autoscaler(api.cluster(), CHECKOUT) is None

    def test_all_that_its_spec_says(self, api: StandInApi) -> None:
        found = autoscaling.read_autoscaler(api.cluster(), CHECKOUT)
        assert found is not None
        assert (found.name, found.target) == ("checkout", "Deployment/checkout")
        assert (found.minimum, found.maximum) == (1, 10)
        assert found.metrics == (
            ResourceTarget(resource=Resource.CPU, utilization=70),
            ResourceTarget(resource=Resource.MEMORY, utilization=80),
        )
        assert (found.up.window_s, found.down.window_s) == (0, 300)
        assert found.up.policies == (
            ScalingPolicy(kind=PolicyKind.PERCENT, value=100, period_s=60),
            ScalingPolicy(kind=PolicyKind.PODS, value=4, period_s=60),
        )
        assert found.behavior_given

    def test_what_it_does_not_say_is_kubernetes_default(self) -> None:
        bare = autoscaler()
        for key in ("behavior", "metrics", "minReplicas"):
            del bare["spec"][key]
        found = autoscaling_objects.autoscaler_settings(bare)
        assert (found.minimum, found.up, found.down) == (1, DEFAULT_UP, DEFAULT_DOWN)
        assert found.metrics == (ResourceTarget(resource=Resource.CPU, utilization=80),)
        assert not found.behavior_given

    def test_each_field_of_a_direction_has_a_default_of_its_own(self) -> None:
        found = settings(
            behavior={"scaleUp": {"selectPolicy": "Disabled", "tolerance": "50m"}},
        )
        assert found.up.select is SelectPolicy.DISABLED
        assert found.up.tolerance == 0.05
        assert (found.up.policies, found.up.window_s) == (DEFAULT_UP.policies, 0)
        assert found.down == DEFAULT_DOWN

    def test_a_window_that_is_left_to_the_controller_manager(self, api: StandInApi) -> None:
        put_manager(api, "--horizontal-pod-autoscaler-downscale-stabilization=2m")
        api.put("horizontalpodautoscalers", autoscaler(behavior={}))
        found = autoscaling.read_autoscaler(api.cluster(), CHECKOUT)
        assert found is not None
        assert found.down.window_s == 120

    def test_metrics_of_other_kinds_are_named(self) -> None:
        by_average = {
            "type": "ContainerResource",
            "containerResource": {
                "name": "memory",
                "container": "checkout",
                "target": {"type": "AverageValue", "averageValue": "100Mi"},
            },
        }
        queue = {"type": "External", "external": {"metric": {"name": "queue-length"}}}
        found = settings(metrics=[by_average, queue, {"type": "Holographic"}])
        assert found.metrics == (
            ResourceTarget(
                resource=Resource.MEMORY, average_value=104_857_600.0, container="checkout"
            ),
        )
        assert found.other_metrics == (
            "External queue-length",
            "Holographic of a kind that is not known here",
        )

    def test_a_resource_that_is_not_known_is_another_metric(self) -> None:
        strange = of_resource("cpu", 70)
        strange["resource"]["name"] = "bandwidth"
        assert settings(metrics=[strange]).metrics == ()

    def test_hidden_is_not_absent(self, api: StandInApi) -> None:
        api.forbidden.add("get horizontalpodautoscalers")
        with pytest.raises(RefusedError, match="horizontalpodautoscalers"):
            autoscaling.read_autoscaler(api.cluster(), CHECKOUT)


class TestController:
    def test_the_one_that_the_environment_names(self, api: StandInApi) -> None:
        assert autoscaling.controller_of(api.cluster(), CHECKOUT) == "Deployment/checkout"

    def test_by_the_owners_of_its_pods(self, api: StandInApi) -> None:
        owner = {"kind": "Deployment", "name": "shop", "controller": True}
        api.put("replicasets", named(f"checkout-{HASH}", metadata={"ownerReferences": [owner]}))
        assert autoscaling.controller_of(api.cluster(), UNNAMED) == "Deployment/shop"

    def test_a_replica_set_of_its_own(self, api: StandInApi) -> None:
        assert autoscaling.controller_of(api.cluster(), UNNAMED) == f"ReplicaSet/checkout-{HASH}"

    def test_none_is_an_error_that_says_what_to_look_at(self, api: StandInApi) -> None:
        del api.objects["pods", NAMESPACE, POD]
        with pytest.raises(InputError, match="app=checkout has a controller") as raised:
            autoscaling.controller_of(api.cluster(), UNNAMED)
        assert (
            raised.value.hint == f"kubectl --namespace {NAMESPACE} get pods --selector app=checkout"
        )

    def test_its_version_is_its_label(self, api: StandInApi) -> None:
        assert autoscaling.version_of(api.cluster(), CHECKOUT) == "v1"

    def test_its_version_is_its_image_where_it_has_no_label(self, api: StandInApi) -> None:
        made = deployment()
        made["spec"]["template"]["metadata"] = {}
        api.put("deployments", made)
        assert autoscaling.version_of(api.cluster(), CHECKOUT) == "registry/checkout:1.2"

    def test_a_controller_that_is_not_there(self, api: StandInApi) -> None:
        del api.objects["deployments", NAMESPACE, "checkout"]
        with pytest.raises(InputError, match="Deployment/checkout is not in"):
            autoscaling.version_of(api.cluster(), CHECKOUT)


def put_manager(api: StandInApi, *words: str) -> None:
    labels = {"component": "kube-controller-manager"}
    container = {"name": "c", "command": ["kube-controller-manager", *words]}
    api.put(
        "pods",
        pod("kube-system", "manager-1", metadata={"labels": labels}, containers=[container]),
    )


def put_metrics_server(api: StandInApi, *words: str, name: str = "metrics-server") -> None:
    content = deployment(name=name)
    content["metadata"]["namespace"] = "kube-system"
    content["metadata"]["labels"] = {"app.kubernetes.io/name": "metrics-server"}
    content["spec"]["template"]["spec"]["containers"][0]["args"] = list(words)
    api.put("deployments", content)


class TestTimings:
    def test_where_nothing_is_visible_all_are_defaults_and_it_says_so(self) -> None:
        found = autoscaling.read_timings(StandInApi().cluster())
        assert found == Timings(
            source="metric resolution: its manifests' 15 s, for there is no metrics-server; the "
            "controller manager's: Kubernetes' defaults, for it is not visible"
        )

    def test_what_is_read_and_from_where(self) -> None:
        api = StandInApi()
        put_metrics_server(api, "--cert-dir=/tmp", "--metric-resolution=30s", name="metrics")
        put_manager(
            api,
            "--horizontal-pod-autoscaler-sync-period=10s",
            "--horizontal-pod-autoscaler-tolerance=0.2",
        )
        found = autoscaling.read_timings(api.cluster())
        assert (found.scrape_s, found.sync_s, found.tolerance) == (30, 10, 0.2)
        assert (found.cpu_initialization_s, found.initial_readiness_s) == (300, 30)
        assert found.source == (
            "--metric-resolution 30s of Deployment metrics; "
            "--horizontal-pod-autoscaler-sync-period 10s, --horizontal-pod-autoscaler-tolerance "
            "0.2 of the controller manager, its others are Kubernetes' defaults"
        )

    def test_a_metrics_server_that_is_told_nothing_has_a_default_of_its_own(self) -> None:
        api = StandInApi()
        put_metrics_server(api)
        put_manager(api, "--leader-elect")
        found = autoscaling.read_timings(api.cluster())
        assert found.scrape_s == 60
        assert found.source == (
            "metric resolution: 60 s, for Deployment metrics-server gives none; the controller "
            "manager's: Kubernetes' defaults, for it is given none"
        )

    def test_what_may_not_be_read_is_a_default_that_says_why(self) -> None:
        api = StandInApi()
        put_metrics_server(api, "--metric-resolution=30s")
        put_manager(api, "--horizontal-pod-autoscaler-sync-period=10s")
        api.forbidden |= {"get deployments", "get pods"}
        found = autoscaling.read_timings(api.cluster())
        assert (found.scrape_s, found.sync_s) == (15, 15)
        assert 'cannot get resource "deployments"' in found.source
        assert "for it is not visible" in found.source


class TestStatus:
    def test_all_that_it_says(self, api: StandInApi) -> None:
        found = autoscaling.read_status(api.cluster(), NAMESPACE, "checkout")
        assert (found.desired, found.current) == (1, 1)
        assert found.last_scaled == datetime(2026, 11, 26, 0, 36, 29, tzinfo=UTC)
        assert found.utilization == {"cpu": 6, "memory": 34}
        assert found.average == {"cpu": 0.003, "memory": 45_740_032.0}
        assert found.conditions["ScalingLimited"] == (
            "False DesiredWithinRange: the desired count is within the acceptable range"
        )

    def test_a_new_one_has_computed_nothing_yet(self) -> None:
        made = autoscaler()
        made["status"] = {"currentMetrics": None, "desiredReplicas": 0}
        found = autoscaling_objects.autoscaler_status(made)
        assert (found.desired, found.current, found.last_scaled) == (0, 0, None)
        assert (len(found.utilization), len(found.average), len(found.conditions)) == (0, 0, 0)

    def test_a_metric_that_could_not_be_computed_is_missing(self) -> None:
        made = autoscaler()
        made["status"]["currentMetrics"][0] = {"type": ""}
        assert autoscaling_objects.autoscaler_status(made).utilization == {"memory": 34}

    def test_a_metric_of_one_container_has_a_name_of_its_own(self) -> None:
        made = autoscaler()
        current = {"averageUtilization": 50}
        made["status"]["currentMetrics"] = [
            {
                "type": "ContainerResource",
                "containerResource": {"name": "cpu", "container": "proxy", "current": current},
            }
        ]
        found = autoscaling_objects.autoscaler_status(made)
        assert found.utilization == {"cpu of proxy": 50}
        assert found.average == {"cpu of proxy": None}

    def test_one_that_is_gone(self, api: StandInApi) -> None:
        with pytest.raises(SurroundingsError, match="HorizontalPodAutoscaler gone is not in"):
            autoscaling.read_status(api.cluster(), NAMESPACE, "gone")


def waiting(container: str, reason: str, message: str = "") -> Object:
    return {"name": container, "state": {"waiting": {"reason": reason, "message": message}}}


class TestPods:
    def test_one_that_is_ready(self, api: StandInApi) -> None:
        (found,) = autoscaling.read_pods(api.cluster(), NAMESPACE, "app=checkout")
        assert (found.name, found.phase, found.ready, found.terminating) == (
            POD,
            "Running",
            True,
            False,
        )
        assert (found.node, found.qos, found.waits_for) == ("worker-3", "Burstable", "")
        assert found.ready_changed == datetime(2026, 11, 26, 1, 56, 6, tzinfo=UTC)
        assert found.started == found.created == datetime(2026, 11, 26, 1, 56, tzinfo=UTC)
        (container,) = found.containers
        assert container.requests == {Resource.CPU: 0.05, Resource.MEMORY: 134_217_728.0}
        assert container.limits == {Resource.CPU: 0.2, Resource.MEMORY: 536_870_912.0}

    def test_one_that_fits_nowhere_says_why(self, api: StandInApi) -> None:
        api.put("pods", unscheduled_pod(POD))
        (found,) = autoscaling.read_pods(api.cluster(), NAMESPACE, "app=checkout")
        assert (found.phase, found.ready, found.node, found.started) == ("Pending", False, "", None)
        assert found.waits_for == "Unschedulable: 0/3 nodes are available: 3 Insufficient cpu."

    @pytest.mark.parametrize(
        ("status", "waits_for"),
        [
            (
                {"containerStatuses": [waiting("checkout", "CrashLoopBackOff", "back-off 10s")]},
                "checkout: CrashLoopBackOff: back-off 10s",
            ),
            (
                {
                    "phase": "Pending",
                    "initContainerStatuses": [waiting("schema", "ImagePullBackOff")],
                    "containerStatuses": [waiting("checkout", "PodInitializing")],
                },
                "schema: ImagePullBackOff",
            ),
            (
                {"phase": "Failed", "reason": "Evicted", "message": "low on memory"},
                "Evicted: low on memory",
            ),
        ],
    )
    def test_one_that_does_not_run_says_why(
        self, api: StandInApi, status: Object, waits_for: str
    ) -> None:
        api.put("pods", running_pod(**status))
        (found,) = autoscaling.read_pods(api.cluster(), NAMESPACE, "app=checkout")
        assert found.waits_for == waits_for

    def test_one_that_is_being_deleted(self, api: StandInApi) -> None:
        made = running_pod()
        made["metadata"]["deletionTimestamp"] = "2026-11-26T01:57:00Z"
        api.put("pods", made)
        (found,) = autoscaling.read_pods(api.cluster(), NAMESPACE, "app=checkout")
        assert found.terminating

    def test_sidecars_run_on_and_other_init_containers_do_not(self) -> None:
        spec = {
            "containers": [{"name": "checkout"}],
            "initContainers": [
                {"name": "schema"},
                {"name": "proxy", "restartPolicy": "Always"},
            ],
        }
        found = autoscaling_objects.running_containers(spec)
        assert [(one.name, one.sidecar) for one in found] == [("checkout", False), ("proxy", True)]


class TestUsages:
    def test_what_each_container_uses(self, api: StandInApi) -> None:
        (found,) = autoscaling.read_usages(api.cluster(), NAMESPACE, "app=checkout")
        assert (found.pod, found.window_s) == (POD, 12.409)
        assert found.measured == datetime(2026, 11, 26, 1, 56, 34, tzinfo=UTC)
        assert found.containers == {
            "checkout": {Resource.CPU: 0.002244053, Resource.MEMORY: 45_740_032.0}
        }

    def test_a_pod_that_was_not_measured_yet_has_none(self, api: StandInApi) -> None:
        del api.objects["podmetrics", NAMESPACE, POD]
        assert autoscaling.read_usages(api.cluster(), NAMESPACE, "app=checkout") == ()

    def test_an_api_without_metrics_is_an_error_and_not_a_service_that_uses_nothing(
        self, api: StandInApi
    ) -> None:
        api.absent.add("/apis/metrics.k8s.io/v1beta1")
        with pytest.raises(SurroundingsError, match=r"has no metrics\.k8s\.io/v1beta1"):
            autoscaling.read_usages(api.cluster(), NAMESPACE, "app=checkout")

    def test_metrics_that_are_down(self, api: StandInApi) -> None:
        api.away.add("/apis/metrics.k8s.io/v1beta1")
        with pytest.raises(SurroundingsError, match="unable to handle the request"):
            autoscaling.read_usages(api.cluster(), NAMESPACE, "app=checkout")


class TestEndpoints:
    def test_none(self) -> None:
        assert autoscaling_objects.ready_endpoints([]) == 0
        assert autoscaling_objects.ready_endpoints([endpoint_slice()]) == 0

    def test_those_that_are_sent_requests(self) -> None:
        found = endpoint_slice(
            endpoint("a"),
            endpoint("b", ready=False, terminating=True),
            endpoint("c", ready=None),
            endpoint("d", ready=False),
        )
        assert autoscaling_objects.ready_endpoints([found]) == 2

    def test_one_of_two_address_families_is_one(self) -> None:
        four, six = endpoint_slice(endpoint("a")), endpoint_slice(endpoint("a"), name="six")
        six["endpoints"][0]["addresses"] = ["fd00::1"]
        assert autoscaling_objects.ready_endpoints([four, six]) == 1

    def test_those_of_other_services_do_not_count(self, api: StandInApi) -> None:
        other = endpoint_slice(endpoint("b"), name="other")
        other["metadata"]["labels"]["kubernetes.io/service-name"] = "checkout-subscriber"
        api.put("endpointslices", other)
        assert autoscaling.read_endpoints(api.cluster(), NAMESPACE, "checkout") == 1


class TestQuotas:
    def test_a_namespace_without_any(self, api: StandInApi) -> None:
        del api.objects["resourcequotas", NAMESPACE, "compute"]
        assert autoscaling.read_quotas(api.cluster(), NAMESPACE) == ()

    def test_what_is_used_of_what_may_be(self, api: StandInApi) -> None:
        (found,) = autoscaling.read_quotas(api.cluster(), NAMESPACE)
        assert (found.namespace, found.name) == (NAMESPACE, "compute")
        assert (found.used["requests.cpu"], found.hard["requests.cpu"]) == (0.15, 5.0)
        assert (found.used["limits.memory"], found.hard["limits.memory"]) == (
            1.5 * 2**30,
            25 * 2**30,
        )

    def test_one_that_nobody_has_counted_yet(self, api: StandInApi) -> None:
        made = quota(pods="20")
        del made["status"]
        api.put("resourcequotas", made)
        (found,) = autoscaling.read_quotas(api.cluster(), NAMESPACE)
        assert (found.used, found.hard) == ({}, {"pods": 20.0})


class TestEvents:
    def test_a_refusal_by_a_quota(self, api: StandInApi) -> None:
        api.put("events", EXCEEDED)
        (found,) = autoscaling.read_events(api.cluster(), NAMESPACE)
        assert (found.about, found.reason) == (f"ReplicaSet/checkout-{HASH}", "FailedCreate")
        assert "exceeded quota: compute" in found.message
        assert (found.count, found.last) == (1, datetime(2026, 11, 26, 1, 56, 20, tzinfo=UTC))

    def test_one_that_counts_in_its_series(self) -> None:
        made = event("Pod/p", "FailedScheduling")
        del made["lastTimestamp"], made["firstTimestamp"], made["count"]
        made["eventTime"] = "2026-11-26T02:00:00.123456Z"
        alone = autoscaling_objects.cluster_event(made)
        assert (alone.count, alone.last) == (
            1,
            datetime(2026, 11, 26, 2, 0, 0, 123_456, tzinfo=UTC),
        )
        made["series"] = {"count": 7, "lastObservedTime": "2026-11-26T02:05:00.000001Z"}
        again = autoscaling_objects.cluster_event(made)
        assert (again.count, again.last) == (7, datetime(2026, 11, 26, 2, 5, 0, 1, tzinfo=UTC))


def test_replicas_of_a_controller_that_is_not_there(api: StandInApi) -> None:
    assert autoscaling.read_replicas(api.cluster(), NAMESPACE, "Deployment/checkout") == 1
    with pytest.raises(SurroundingsError, match="Deployment/gone is not in"):
        autoscaling.read_replicas(api.cluster(), NAMESPACE, "Deployment/gone")


def test_nothing_is_changed(api: StandInApi) -> None:
    cluster = api.cluster()
    autoscaling.read_autoscaler(cluster, CHECKOUT)
    autoscaling.read_timings(cluster)
    autoscaling.read_usages(cluster, NAMESPACE, "app=checkout")
    assert api.changes == []
