"""How far services may grow, as quotas count it, and what is said of what cannot be read."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes_api import Object, StandInApi
from scaled_service import (
    NAMESPACE,
    RESOURCES,
    autoscaler,
    deployment,
    limit_range,
    named,
    put_service,
    quota,
)

from harness.drivers.capacity_settings import INIT, OVERHEAD, read_capacity
from harness.drivers.kubernetes_connection import ConnectionBrokenError
from harness.model.autoscaling import ContainerResources, Resource, VerticalAutoscalerSettings
from harness.model.quota import CapacitySettings, Claim

CPU, MEMORY = Resource.CPU, Resource.MEMORY
MI = 2**20


@pytest.fixture
def api() -> StandInApi:
    made = StandInApi()
    put_service(made)
    return made


@pytest.fixture
def bare() -> StandInApi:
    """Nothing but a namespace."""
    made = StandInApi()
    made.put("namespaces", {"metadata": {"name": NAMESPACE}})
    return made


def read(api: StandInApi) -> CapacitySettings:
    return read_capacity(api.cluster())


def only_claim(api: StandInApi) -> Claim:
    (found,) = read(api).claims
    return found


def container(name: str = "c", **resources: Any) -> Object:  # noqa: ANN401 - requests, limits
    return {"name": name, "resources": resources}


def of_pods(*containers: Object, **spec: Any) -> Object:  # noqa: ANN401 - fields of a pod's spec
    """A Deployment of such pods."""
    template = {"metadata": {}, "spec": {"containers": list(containers), **spec}}
    return deployment(template=template)


def put_pods(api: StandInApi, *containers: Object, **spec: Any) -> Claim:  # noqa: ANN401 - as above
    api.put("deployments", of_pods(*containers, **spec))
    return only_claim(api)


def total(claim: Claim, resource: Resource, field: str = "requests") -> float:
    return sum(
        (one.requests if field == "requests" else one.limits).get(resource, 0.0)
        for one in claim.containers
    )


class TestReplicas:
    def test_an_empty_cluster_claims_nothing(self) -> None:
        assert read(StandInApi()) == CapacitySettings(claims=(), quotas=(), vertical_autoscalers=())

    def test_an_autoscalers_maximum_with_all_of_a_rollout(self, api: StandInApi) -> None:
        found = only_claim(api)
        assert (found.controller, found.scaled_by) == ("Deployment/checkout", "checkout")
        assert (found.minimum, found.replicas, found.surge) == (1, 10, 10)

    def test_as_many_as_its_spec_says_where_nothing_scales_it(self, bare: StandInApi) -> None:
        bare.put("deployments", deployment(replicas=3))
        found = only_claim(bare)
        assert (found.replicas, found.scaled_by, found.minimum) == (3, "", None)

    @pytest.mark.parametrize(
        ("strategy", "surge"),
        [
            ({}, 3),
            ({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}}, 3),
            ({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "20%"}}, 2),
            ({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 4}}, 4),
            ({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0}}, 0),
            ({"type": "Recreate"}, 0),
        ],
    )
    def test_the_surge_of_a_rollout_is_rounded_up(
        self, bare: StandInApi, strategy: Object, surge: int
    ) -> None:
        bare.put("deployments", deployment(replicas=10, strategy=strategy))
        assert only_claim(bare).surge == surge

    def test_a_stateful_set_has_no_surge(self, bare: StandInApi) -> None:
        bare.put("statefulsets", deployment(replicas=3))
        found = only_claim(bare)
        assert (found.controller, found.replicas, found.surge) == ("StatefulSet/checkout", 3, 0)

    def test_a_daemon_set_has_one_on_each_of_its_nodes(self, bare: StandInApi) -> None:
        made = deployment(updateStrategy={"rollingUpdate": {"maxSurge": "50%"}})
        bare.put("daemonsets", {**made, "status": {"desiredNumberScheduled": 3}})
        found = only_claim(bare)
        assert (found.controller, found.replicas, found.surge) == ("DaemonSet/checkout", 3, 2)

    def test_jobs_that_go_on(self, bare: StandInApi) -> None:
        bare.put("jobs", deployment(name="three", parallelism=5, completions=3))
        bare.put("jobs", deployment(name="off", suspend=True))
        over = {"conditions": [{"type": "Complete", "status": "True"}]}
        bare.put("jobs", {**deployment(name="over"), "status": over})
        found = only_claim(bare)
        assert (found.controller, found.replicas) == ("Job/three", 3)

    def test_a_scheduled_job_claims_once_whether_it_runs_or_not(self, bare: StandInApi) -> None:
        job = {"spec": deployment(parallelism=2)["spec"]}
        bare.put("cronjobs", named("backup", spec={"jobTemplate": job}))
        bare.put("cronjobs", named("off", spec={"jobTemplate": job, "suspend": True}))
        running = deployment(name="backup-1")
        running["metadata"]["ownerReferences"] = [
            {"kind": "CronJob", "name": "backup", "controller": True}
        ]
        bare.put("jobs", running)
        found = only_claim(bare)
        assert (found.controller, found.replicas) == ("CronJob/backup", 2)

    def test_an_autoscaler_of_another_namespace_is_not_its_own(self, bare: StandInApi) -> None:
        bare.put("deployments", deployment(replicas=3))
        other = autoscaler()
        other["metadata"]["namespace"] = "elsewhere"
        bare.put("horizontalpodautoscalers", other)
        assert only_claim(bare).replicas == 3


class TestContainers:
    def test_what_they_say_themselves(self, api: StandInApi) -> None:
        (found,) = only_claim(api).containers
        assert found == ContainerResources(
            name="checkout",
            requests={CPU: 0.05, MEMORY: 128 * MI},
            limits={CPU: 0.2, MEMORY: 512 * MI},
        )

    def test_where_they_say_nothing_there_is_nothing(self, bare: StandInApi) -> None:
        (found,) = put_pods(bare, container()).containers
        assert (found.requests, found.limits) == ({}, {})

    def test_a_limit_range_fills_in_what_is_missing(self, bare: StandInApi) -> None:
        bare.put("limitranges", limit_range())
        (found,) = put_pods(bare, container(requests={"cpu": "40m"})).containers
        assert found.requests == {CPU: 0.04, MEMORY: 128 * MI}
        assert found.limits == {CPU: 0.05, MEMORY: 256 * MI}

    def test_a_limit_range_of_another_namespace_does_not(self, bare: StandInApi) -> None:
        other = limit_range()
        other["metadata"]["namespace"] = "elsewhere"
        bare.put("limitranges", other)
        (found,) = put_pods(bare, container()).containers
        assert (found.requests, found.limits) == ({}, {})

    def test_a_limit_range_of_pods_gives_containers_nothing(self, bare: StandInApi) -> None:
        made = limit_range()
        made["spec"]["limits"][0]["type"] = "Pod"
        bare.put("limitranges", made)
        assert put_pods(bare, container()).containers[0].limits == {}

    def test_a_limit_is_a_request_before_any_default_is(self, bare: StandInApi) -> None:
        bare.put("limitranges", limit_range())
        (found,) = put_pods(bare, container(limits={"cpu": "1"})).containers
        assert found.requests == {CPU: 1.0, MEMORY: 128 * MI}

    def test_sidecars_count_as_long_as_the_pod_is_there(self, bare: StandInApi) -> None:
        proxy = {**container("proxy", requests={"cpu": "100m"}), "restartPolicy": "Always"}
        found = put_pods(bare, container("c", requests={"cpu": "1"}), initContainers=[proxy])
        assert [(one.name, one.sidecar) for one in found.containers] == [
            ("c", False),
            ("proxy", True),
        ]
        assert total(found, CPU) == pytest.approx(1.1)

    def test_an_init_container_that_asks_for_less_costs_nothing(self, bare: StandInApi) -> None:
        small = container("schema", requests={"cpu": "500m"})
        found = put_pods(bare, container("c", requests={"cpu": "1"}), initContainers=[small])
        assert [one.name for one in found.containers] == ["c"]

    def test_an_init_container_that_asks_for_more_costs_the_difference(
        self, bare: StandInApi
    ) -> None:
        """By the documentation's own rule: the highest init container, beside the sidecars that
        were started before it, against all that runs later.
        """
        init = [
            {**container("early", requests={"cpu": "200m"}), "restartPolicy": "Always"},
            container("schema", requests={"cpu": "2"}, limits={"memory": "64Mi"}),
            {**container("late", requests={"cpu": "300m"}), "restartPolicy": "Always"},
        ]
        found = put_pods(bare, container("c", requests={"cpu": "1"}), initContainers=init)
        assert found.containers[-1].name == INIT
        assert total(found, CPU) == pytest.approx(max(2 + 0.2, 1 + 0.2 + 0.3))
        assert total(found, MEMORY, "limits") == 64 * MI

    def test_the_overhead_of_a_runtime_class(self, bare: StandInApi) -> None:
        overhead = {"podFixed": {"cpu": "250m", "memory": "120Mi"}}
        bare.put("runtimeclasses", {"metadata": {"name": "vm"}, "overhead": overhead})
        limited = container(requests={"cpu": "1"}, limits={"cpu": "2"})
        found = put_pods(bare, limited, runtimeClassName="vm")
        assert found.containers[-1].name == OVERHEAD
        assert (total(found, CPU), total(found, MEMORY)) == (1.25, 120 * MI)
        assert (total(found, CPU, "limits"), total(found, MEMORY, "limits")) == (2.25, 0)

    def test_overhead_that_may_not_be_read_is_unknown(self, bare: StandInApi) -> None:
        bare.forbidden.add("get runtimeclasses")
        found = put_pods(bare, container(), runtimeClassName="vm")
        assert [one.name for one in found.containers] == ["c"]
        unknown = read(bare).unknown
        assert list(unknown) == [f"overhead of Deployment/checkout of {NAMESPACE}"]

    def test_what_a_pod_asks_for_as_a_whole_is_said_not_to_be_counted(
        self, bare: StandInApi
    ) -> None:
        put_pods(bare, container(), resources={"requests": {"cpu": "1"}})
        assert "spec.resources" in read(bare).unknown[f"Deployment/checkout of {NAMESPACE}"]


SAME = {"cpu": "1", "memory": "1Gi"}
BOTH: dict[str, Any] = {"requests": SAME, "limits": SAME}


class TestQualityOfService:
    """Kubernetes documentation, "Pod Quality of Service Classes"."""

    @pytest.mark.parametrize(
        ("resources", "qos"),
        [
            ({}, "BestEffort"),
            ({"requests": {"cpu": "0"}}, "BestEffort"),
            (BOTH, "Guaranteed"),
            ({"limits": SAME}, "Guaranteed"),
            ({"requests": SAME}, "Burstable"),
            ({"limits": {"cpu": "1"}}, "Burstable"),
            ({"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": SAME}, "Burstable"),
            (RESOURCES, "Burstable"),
        ],
    )
    def test_of_one_container(self, bare: StandInApi, resources: Object, qos: str) -> None:
        assert put_pods(bare, container(**resources)).qos == qos

    def test_one_container_of_two_is_not_enough(self, bare: StandInApi) -> None:
        assert put_pods(bare, container("a", **BOTH), container("b")).qos == "Burstable"

    def test_init_containers_count(self, bare: StandInApi) -> None:
        found = put_pods(bare, container(**BOTH), initContainers=[container("schema")])
        assert found.qos == "Burstable"

    def test_defaults_of_admission_count(self, bare: StandInApi) -> None:
        bare.put("limitranges", limit_range())
        assert put_pods(bare, container()).qos == "Burstable"


class TestQuotas:
    def test_hard_limits_and_nodes(self, api: StandInApi) -> None:
        made = api.get("nodes", "worker-3")
        made["status"]["allocatable"] = {"cpu": "1930m", "memory": "7Gi", "pods": "110", "x": "1"}
        found = read(api)
        (limit,) = found.quotas
        assert (limit.namespace, limit.name) == (NAMESPACE, "compute")
        assert limit.hard["limits.memory"] == 25 * 2**30
        assert found.allocatable == {"worker-3": {"cpu": 1.93, "memory": 7 * 2**30, "pods": 110}}
        assert found.unknown == {}

    def test_a_namespace_without_a_quota(self, api: StandInApi) -> None:
        del api.objects["resourcequotas", NAMESPACE, "compute"]
        assert read(api).quotas == ()

    def test_a_quota_of_some_pods_is_said_to_be_one(self, bare: StandInApi) -> None:
        made = quota(pods="5")
        made["spec"]["scopes"] = ["NotTerminating"]
        made["spec"]["scopeSelector"] = {"matchExpressions": [{"scopeName": "PriorityClass"}]}
        bare.put("resourcequotas", made)
        assert "NotTerminating, PriorityClass" in read(bare).unknown[f"quota {NAMESPACE}/compute"]


class TestRights:
    def test_what_is_hidden_is_unknown_and_not_none(self, api: StandInApi) -> None:
        api.forbidden |= {"get resourcequotas", "get horizontalpodautoscalers", "get nodes"}
        found = read(api)
        assert found.quotas == ()
        assert set(found.unknown) == {
            f"ResourceQuota of {NAMESPACE}",
            "ResourceQuota of kube-system",
            f"HorizontalPodAutoscaler of {NAMESPACE}",
            "HorizontalPodAutoscaler of kube-system",
            "Node",
        }
        assert (
            'cannot get resource "resourcequotas"' in found.unknown["ResourceQuota of kube-system"]
        )

    def test_who_may_see_some_namespaces_sees_those(self, api: StandInApi) -> None:
        """As with a Role in one namespace and nothing for all of them."""

        def rights() -> None:
            asked = api.requests[-1].removeprefix("GET ")
            refused = asked == "/api/v1/resourcequotas" or "/kube-system/" in asked
            (api.forbidden.add if refused else api.forbidden.discard)("get resourcequotas")

        api.lives = rights
        found = read(api)
        assert [one.namespace for one in found.quotas] == [NAMESPACE]
        assert set(found.unknown) == {"ResourceQuota of kube-system"}

    def test_who_may_see_no_namespaces_either(self, api: StandInApi) -> None:
        api.forbidden |= {"get limitranges", "get namespaces"}
        assert set(read(api).unknown) == {"LimitRange"}

    def test_an_api_that_does_not_answer_is_an_error(self, api: StandInApi) -> None:
        api.breaks = 100
        with pytest.raises(ConnectionBrokenError):
            read(api)


def test_nothing_is_changed(api: StandInApi) -> None:
    read(api)
    assert api.changes == []


class TestVerticalAutoscalers:
    """The fields of autoscaling.k8s.io/v1, as its API reference has them."""

    def vertical(self, **spec: Any) -> Object:  # noqa: ANN401 - fields of its spec
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}
        return named("checkout", spec={"targetRef": target, **spec})

    def only(self, api: StandInApi, **spec: Any) -> VerticalAutoscalerSettings:  # noqa: ANN401
        api.put("verticalpodautoscalers", self.vertical(**spec))
        (found,) = read(api).vertical_autoscalers or ()
        return found

    def test_without_more_it_sets_all_of_all_containers(self, api: StandInApi) -> None:
        found = self.only(api)
        assert (found.namespace, found.target) == (NAMESPACE, "Deployment/checkout")
        assert found.mode == "Auto"
        assert found.sets("checkout") == (CPU, MEMORY)

    def test_one_that_only_recommends_sets_nothing(self, api: StandInApi) -> None:
        assert self.only(api, updatePolicy={"updateMode": "Off"}).sets("checkout") == ()

    def test_a_policy_of_a_container_comes_before_that_of_all(self, api: StandInApi) -> None:
        policies = [
            {"containerName": "*", "controlledResources": ["memory"]},
            {"containerName": "proxy", "mode": "Off"},
            {"containerName": "main", "maxAllowed": {"cpu": "1"}},
        ]
        found = self.only(
            api,
            updatePolicy={"updateMode": "InPlaceOrRecreate"},
            resourcePolicy={"containerPolicies": policies},
        )
        assert found.sets("checkout") == (MEMORY,)
        assert found.sets("proxy") == ()
        assert found.sets("main") == (CPU, MEMORY)

    def test_those_that_may_not_be_read_are_unknown(self, api: StandInApi) -> None:
        api.put("verticalpodautoscalers", self.vertical())
        api.forbidden |= {"get verticalpodautoscalers", "get namespaces"}
        found = read(api)
        assert found.vertical_autoscalers == ()
        assert set(found.unknown) == {"VerticalPodAutoscaler"}
