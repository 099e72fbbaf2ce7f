"""What is read of a cluster's settings, and what is told where it cannot be read."""

from __future__ import annotations

import json
from typing import Any

import kubernetes_api
import pytest
from cluster_facts import CARTS, CHECKOUT, EVENTS, ORDERS
from kubernetes_api import Object, StandInApi, node, pod

from harness.drivers.bounded_redis import ErrorReply, Reply
from harness.drivers.cluster_settings import patroni_settings, read_settings, redis_settings
from harness.errors import SurroundingsError
from harness.model.cluster_settings import ControlPlaneSettings, WorkloadSettings


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> StandInApi:
    for group, kind, plural, namespaced in (
        ("/api/v1", "Endpoints", "endpoints", True),
        ("/api/v1", "PersistentVolume", "persistentvolumes", False),
        ("/apis/apps/v1", "ReplicaSet", "replicasets", True),
    ):
        monkeypatch.setitem(kubernetes_api.KINDS[group], kind, (plural, namespaced))
    api = StandInApi()
    api.put("nodes", node("worker-1"))
    return api


def owned(kind: str, name: str) -> Object:
    return {"ownerReferences": [{"kind": kind, "name": name, "controller": True}]}


def named(namespace: str, name: str, **parts: Any) -> Object:  # noqa: ANN401 - parts of an object
    return {
        "metadata": {"namespace": namespace, "name": name, **parts.pop("metadata", {})},
        **parts,
    }


def put_checkout(api: StandInApi, **spec: Any) -> None:  # noqa: ANN401 - fields of a pod's spec
    api.put("deployments", named("shop", "checkout", spec={"replicas": 4}))
    api.put("replicasets", named("shop", "checkout-1", metadata=owned("Deployment", "checkout")))
    container = {"name": "checkout", "readinessProbe": {"initialDelaySeconds": 7}}
    api.put(
        "pods",
        pod(
            "shop",
            "checkout-1-a",
            metadata={"labels": {"app": "checkout"}, **owned("ReplicaSet", "checkout-1")},
            status={"containerStatuses": [{"name": "checkout", "restartCount": 2}]},
            **{"nodeName": "worker-1", "containers": [container], **spec},
        ),
    )


def checkout(api: StandInApi) -> WorkloadSettings:
    return read_settings(api.cluster(), [CHECKOUT]).of("checkout")


def put_orders(api: StandInApi, role: str = "primary", **spec: Any) -> None:  # noqa: ANN401 - as above
    api.put("statefulsets", named("infrastructure", "postgresql", spec={"replicas": 1}))
    api.put(
        "pods",
        pod(
            "infrastructure",
            "postgresql-0",
            metadata={
                "labels": {"app": "postgresql", "role": role, "cluster-name": "pg"},
                **owned("StatefulSet", "postgresql"),
            },
            **{"nodeName": "worker-1", "containers": [{"name": "postgresql"}], **spec},
        ),
    )


def put_patroni(api: StandInApi, plural: str = "endpoints", **config: object) -> None:
    annotations = {"config": json.dumps(config)}
    api.put(plural, named("infrastructure", "pg-config", metadata={"annotations": annotations}))


def orders(api: StandInApi) -> WorkloadSettings:
    return read_settings(api.cluster(), [ORDERS]).of("orders")


class TestCluster:
    def test_without_pods_nothing_is_known_and_it_says_so(self, api: StandInApi) -> None:
        found = checkout(api)
        assert found.pods is None
        assert found.members == ()
        assert found.unknown["pods"] == "no pod of shop has the labels app=checkout"

    def test_a_workload_that_was_not_asked_for(self, api: StandInApi) -> None:
        found = read_settings(api.cluster(), []).of("checkout")
        assert found.unknown == {"pods": "its settings were not read"}

    def test_nothing_is_changed(self, api: StandInApi) -> None:
        put_checkout(api)
        put_orders(api)
        read_settings(api.cluster(), [CHECKOUT, ORDERS, CARTS, EVENTS])
        assert api.changes == []

    def test_the_grace_of_nodes_by_the_version(self, api: StandInApi) -> None:
        found = read_settings(api.cluster(), [])
        assert (found.node_grace.low_s, found.node_grace.high_s) == (50, 50)
        assert found.node_grace.source == "the default of Kubernetes 1.34"
        assert not found.node_grace_known

    @pytest.mark.parametrize(
        ("flag", "seconds"), [("16s", 16), ("1m30s", 90), ("1h", 3600), ("500ms", 0.5)]
    )
    def test_the_grace_of_nodes_by_the_flag(
        self, api: StandInApi, flag: str, seconds: float
    ) -> None:
        command = ["kube-controller-manager", f"--node-monitor-grace-period={flag}"]
        labels = {"component": "kube-controller-manager"}
        api.put(
            "pods",
            pod(
                "kube-system",
                "controller-manager",
                metadata={"labels": labels},
                containers=[{"name": "it", "command": command}],
            ),
        )
        found = read_settings(api.cluster(), [])
        assert found.node_grace.low_s == seconds
        assert found.node_grace_known

    def test_the_state_is_part_of_it(self, api: StandInApi) -> None:
        found = read_settings(api.cluster(), [], control_plane=ControlPlaneSettings(members=3))
        assert found.state is not None
        assert [one.name for one in found.state.nodes] == ["worker-1"]
        assert found.control_plane == ControlPlaneSettings(members=3)


class TestPods:
    def test_by_their_controllers_template(self, api: StandInApi) -> None:
        put_checkout(api)
        found = checkout(api).pods
        assert found is not None
        assert (found.controller, found.replicas, found.restarts) == ("Deployment/checkout", 4, 2)
        assert (found.readiness_delay_s, found.readiness_period_s) == (7, 10)
        assert (found.grace_s, found.volume, found.autoscaler_minimum) == (30, "none", None)

    def test_members_say_where_they_are(self, api: StandInApi) -> None:
        put_checkout(api)
        (member,) = checkout(api).members
        assert (member.pod, member.node, member.zone) == ("checkout-1-a", "worker-1", "zone-1")

    @pytest.mark.parametrize(
        ("tolerations", "seconds"),
        [
            ([], 0),
            ([{"key": "node.kubernetes.io/unreachable", "tolerationSeconds": 30}], 30),
            ([{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}], None),
            ([{"operator": "Exists"}], None),
            (
                [
                    {"operator": "Exists"},
                    {"key": "node.kubernetes.io/unreachable", "tolerationSeconds": 300},
                ],
                300,
            ),
            ([{"key": "node.kubernetes.io/not-ready", "tolerationSeconds": 30}], 0),
            ([{"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"}], 0),
        ],
    )
    def test_how_long_a_node_that_is_away_is_tolerated(
        self, api: StandInApi, tolerations: list[Object], seconds: float | None
    ) -> None:
        put_checkout(api, tolerations=tolerations)
        found = checkout(api).pods
        assert found is not None
        assert found.unreachable_toleration_s == seconds

    @pytest.mark.parametrize(
        ("volume", "kind"),
        [
            ({"local": {"path": "/data"}}, "node"),
            ({"hostPath": {"path": "/data"}}, "node"),
            ({"csi": {}, "accessModes": ["ReadWriteOnce"]}, "attached"),
            ({"nfs": {}, "accessModes": ["ReadWriteMany"]}, "none"),
            (
                {
                    "csi": {},
                    "nodeAffinity": {
                        "required": {
                            "nodeSelectorTerms": [
                                {"matchExpressions": [{"key": "kubernetes.io/hostname"}]}
                            ]
                        }
                    },
                },
                "node",
            ),
            (
                {
                    "csi": {},
                    "nodeAffinity": {
                        "required": {
                            "nodeSelectorTerms": [
                                {"matchExpressions": [{"key": "topology.kubernetes.io/zone"}]}
                            ]
                        }
                    },
                },
                "attached",
            ),
        ],
    )
    def test_where_their_volume_may_go(self, api: StandInApi, volume: Object, kind: str) -> None:
        put_checkout(
            api, volumes=[{"emptyDir": {}}, {"persistentVolumeClaim": {"claimName": "data"}}]
        )
        api.put("persistentvolumeclaims", named("shop", "data", spec={"volumeName": "pv-1"}))
        api.put("persistentvolumes", {"metadata": {"name": "pv-1"}, "spec": volume})
        found = checkout(api).pods
        assert found is not None
        assert found.volume == kind

    def test_a_volume_that_cannot_be_read_is_not_guessed(self, api: StandInApi) -> None:
        put_checkout(api, volumes=[{"persistentVolumeClaim": {"claimName": "data"}}])
        found = checkout(api)
        assert found.pods is None
        assert found.unknown["pods"] == "the volume of claim shop/data is not there"
        assert found.members

    def test_the_autoscalers_minimum(self, api: StandInApi) -> None:
        put_checkout(api)
        target = {"kind": "Deployment", "name": "checkout"}
        api.put(
            "horizontalpodautoscalers",
            named("shop", "any", spec={"scaleTargetRef": target, "minReplicas": 2}),
        )
        found = checkout(api).pods
        assert found is not None
        assert found.autoscaler_minimum == 2

    def test_what_is_not_allowed_is_told(self, api: StandInApi) -> None:
        put_checkout(api)
        api.forbidden.add("get horizontalpodautoscalers")
        found = checkout(api)
        assert found.pods is None
        assert "not allowed" in found.unknown["pods"]


class TestPatroni:
    @pytest.mark.parametrize("plural", ["endpoints", "configmaps"])
    def test_is_read_where_it_keeps_its_configuration(self, api: StandInApi, plural: str) -> None:
        put_orders(api)
        put_patroni(api, plural, ttl=20, loop_wait=2, synchronous_mode=True)
        found = orders(api).patroni
        assert found is not None
        assert (found.ttl_s, found.loop_wait_s, found.synchronous_mode) == (20, 2, True)
        assert found.source.endswith("infrastructure/pg-config")
        assert found.service_selects is None

    @pytest.mark.parametrize(("spec", "selects"), [({}, False), ({"selector": {"a": "b"}}, True)])
    def test_how_the_service_finds_the_primary(
        self, api: StandInApi, spec: Object, *, selects: bool
    ) -> None:
        put_orders(api)
        put_patroni(api)
        api.put("services", named("infrastructure", ORDERS.service, spec=spec))
        found = orders(api).patroni
        assert found is not None
        assert found.service_selects is selects

    def test_that_is_not_there_is_told(self, api: StandInApi) -> None:
        put_orders(api)
        found = orders(api)
        assert found.patroni is None
        assert (
            "neither Endpoints nor ConfigMap infrastructure/pg-config" in found.unknown["patroni"]
        )

    def test_a_torn_configuration_is_told(self, api: StandInApi) -> None:
        put_orders(api)
        annotations = {"config": "{"}
        api.put(
            "endpoints", named("infrastructure", "pg-config", metadata={"annotations": annotations})
        )
        found = orders(api)
        assert found.patroni is None
        assert found.unknown["patroni"]

    @pytest.mark.parametrize(
        ("label", "role"), [("primary", "primary"), ("master", "primary"), ("replica", "replica")]
    )
    def test_roles_by_label(self, api: StandInApi, label: str, role: str) -> None:
        put_orders(api, label)
        assert [member.role for member in orders(api).members] == [role]

    def test_a_role_that_is_no_role_is_told(self, api: StandInApi) -> None:
        put_orders(api, "uninitialized")
        found = orders(api)
        assert found.members[0].role == ""
        assert found.unknown["roles"] == "a pod does not say its role"

    def test_defaults_are_patronis_own(self) -> None:
        found = patroni_settings({}, source="x", service_selects=None)
        assert (found.ttl_s, found.loop_wait_s, found.retry_timeout_s) == (30, 10, 10)
        assert (found.primary_start_timeout_s, found.maximum_lag_bytes) == (300, 1_048_576)
        assert (found.synchronous_mode, found.failsafe_mode) == (False, False)
        assert found.wal_sender_timeout_s == 60

    @pytest.mark.parametrize(
        ("written", "seconds"), [("5s", 5), (5000, 5), ("1min", 60), ("250", 0.25), ("2 h", 7200)]
    )
    def test_times_of_postgresql(self, written: object, seconds: float) -> None:
        config = {"postgresql": {"parameters": {"wal_sender_timeout": written}}}
        found = patroni_settings(config, source="x", service_selects=None)
        assert found.wal_sender_timeout_s == seconds

    def test_a_time_that_is_none(self) -> None:
        config = {"postgresql": {"parameters": {"wal_sender_timeout": "soon"}}}
        with pytest.raises(SurroundingsError, match="got 'soon', expected a time"):
            patroni_settings(config, source="x", service_selects=None)

    def test_the_former_name_of_the_start_timeout(self) -> None:
        found = patroni_settings({"master_start_timeout": 7}, source="x", service_selects=None)
        assert found.primary_start_timeout_s == 7


class TestRedis:
    def test_by_config_get(self) -> None:
        replies: list[Reply] = [
            [b"cluster-node-timeout", b"5000"],
            [b"cluster-require-full-coverage", b"no"],
        ]
        found = redis_settings(replies, source="redis-0")
        assert (found.node_timeout_s, found.require_full_coverage) == (5, False)

    @pytest.mark.parametrize("reply", [ErrorReply("NOPERM no permission"), [], None])
    def test_that_is_not_allowed_is_told(self, reply: Reply) -> None:
        with pytest.raises(SurroundingsError, match="expected a name and a value"):
            redis_settings([reply], source="redis-0")

    def test_whose_pods_have_no_address_is_told(self, api: StandInApi) -> None:
        api.put(
            "pods",
            pod(
                "infrastructure",
                "redis-0",
                metadata={"labels": {"app": "redis"}},
                nodeName="worker-1",
                containers=[{"name": "redis"}],
            ),
        )
        found = read_settings(api.cluster(), [CARTS]).of("carts")
        assert found.redis is None
        assert "redis-0: it has no address" in found.unknown["redis"]
        assert "no node told" in found.unknown["roles"]
        assert [member.role for member in found.members] == [""]
