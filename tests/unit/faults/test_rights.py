"""The rights of exactly a plan, and the roles that grant them and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import yaml
from cluster_facts import CHECKOUT, ORDERS, WORKLOADS
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.drill.experiment_document import Activity
from harness.errors import InputError
from harness.faults.rights import Right, parse_rights, render_rbac, rights_of


def does(function: str, *, action: bool = True, module: str = "", **arguments: str) -> Activity:
    return Activity(
        name=f"does {function}",
        part="method",
        action=action,
        module=module or ("harness.chaos.actions.any" if action else "harness.chaos.probes"),
        function=function,
        arguments=arguments,
    )


def rights(*activities: Activity) -> set[str]:
    return {str(one) for one in rights_of({"one": activities}, WORKLOADS)}


READING = {str(one) for one in rights_of({}, WORKLOADS)}


def added(*activities: Activity) -> set[str]:
    """Beyond what every drill needs."""
    return rights(*activities) - rights()


def test_without_experiments_nothing_but_reading() -> None:
    assert READING
    assert {one.split()[0] for one in READING} == {"get", "list"}
    assert not any("secrets" in one for one in READING)
    assert rights_of({}, ()) != ()


def test_a_drill_keeps_its_lease_and_its_intents_in_a_namespace_of_its_own() -> None:
    assert rights() - READING == {
        "create leases.coordination.k8s.io in harness-drill",
        "get leases.coordination.k8s.io in harness-drill",
        "patch leases.coordination.k8s.io in harness-drill",
        "create configmaps in harness-drill",
        "delete configmaps in harness-drill",
        "list configmaps in harness-drill",
    }


HELPER_PODS = {
    "create pods in harness-drill",
    "delete pods in harness-drill",
    "get pods in harness-drill",
    "get pods/log in harness-drill",
}


@pytest.mark.parametrize(
    ("activity", "needs"),
    [
        (does("delete_pods", workload="checkout"), {"delete pods in shop"}),
        (does("kill_container", workload="checkout"), HELPER_PODS),
        (does("kill_process", workload="orders", process="postgres"), HELPER_PODS),
        (does("partition_pod", workload="orders"), HELPER_PODS),
        (does("black_hole_dependency", workload="checkout", dependency="carts"), HELPER_PODS),
        (
            does("drain_node"),
            {"patch nodes", "get pods", "create pods/eviction"},
        ),
        (does("kill_node"), {"get leases.coordination.k8s.io in kube-node-lease"}),
        (does("partition_node"), {"get leases.coordination.k8s.io in kube-node-lease"}),
        (does("kill_zone"), {"get leases.coordination.k8s.io in kube-node-lease"}),
        (
            does("kill_control_plane_member"),
            {"get leases.coordination.k8s.io in kube-node-lease"},
        ),
        (
            does("change_rollout", workload="checkout"),
            {
                "patch deployments.apps in shop",
                "list applications.argoproj.io",
                "patch applications.argoproj.io",
            },
        ),
        (does("stop_service", service="s3-primary"), set()),
        (
            does("rehearse", namespace="drills", cronjob="weekly", scenario="replica-region"),
            {
                "get cronjobs.batch in drills",
                *(f"{verb} jobs.batch in drills" for verb in ("create", "delete", "get")),
                "get pods/log in drills",
            },
        ),
        (does("hold"), set()),
        (does("undo_all"), set()),
        (does("nodes_ready", action=False), set()),
        (does("postgresql_replicates", action=False, workload="orders"), set()),
    ],
)
def test_what_each_needs(activity: Activity, needs: set[str]) -> None:
    assert added(activity) == needs


def test_a_right_everywhere_takes_the_place_of_the_same_in_one_namespace() -> None:
    both = rights(does("drain_node"), does("kill_container", workload="checkout"))
    assert "get pods" in both
    assert not any(one.startswith("get pods in") for one in both)


def test_an_unknown_action_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="the rights of action melt_node are not known"):
        rights(does("melt_node"))


def test_an_unknown_probe_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="the rights of probe guess are not known"):
        rights(does("guess", action=False))


def test_foreign_actions_are_refused_unless_the_experiment_says_their_rights() -> None:
    foreign = does("terminate_pods", module="chaosk8s.pod.actions")
    with pytest.raises(InputError, match=r"chaosk8s\.pod\.actions terminate_pods are not known"):
        rights(foreign)
    told = rights_of({"one": [foreign]}, WORKLOADS, {"one": ["delete,list pods in shop"]})
    assert "delete pods in shop" in map(str, told)
    elsewhere = {"other": ["delete pods in shop"]}
    with pytest.raises(InputError):
        rights_of({"one": [foreign]}, WORKLOADS, elsewhere)


def test_foreign_probes_need_nothing_of_ours() -> None:
    assert added(does("run_query", action=False, module="chaosprometheus.probes")) == set()


def test_a_workload_that_is_not_there() -> None:
    with pytest.raises(InputError, match="workload: got 'billing', expected one of"):
        rights(does("delete_pods", workload="billing"))
    with pytest.raises(InputError, match="dependency: got ''"):
        rights(does("black_hole_dependency", workload="checkout"))


def test_a_rollout_of_what_has_no_deployment() -> None:
    bare = (replace(CHECKOUT, deployment=None), ORDERS)
    for workload in ("checkout", "orders"):
        with pytest.raises(InputError, match="names no deployment"):
            rights_of({"one": [does("change_rollout", workload=workload)]}, bare)


class TestWriting:
    @pytest.mark.parametrize(
        "text",
        [
            "patch nodes",
            "create pods/eviction in shop",
            "get leases.coordination.k8s.io in kube-node-lease",
            "patch deployments.apps/scale in shop",
        ],
    )
    def test_a_right_is_read_as_it_is_shown(self, text: str) -> None:
        assert [str(one) for one in parse_rights(text)] == [text]

    def test_several_verbs_at_once(self) -> None:
        assert [str(one) for one in parse_rights("get,list pods in shop")] == [
            "get pods in shop",
            "list pods in shop",
        ]

    @pytest.mark.parametrize(
        "text", ["", "pods", "delete", "delete pods in", "delete pods of shop"]
    )
    def test_what_is_no_right(self, text: str) -> None:
        with pytest.raises(InputError, match="expected `VERB"):
            parse_rights(text)


class TestRoles:
    def documents(self, *given_rights: str, account: str = "ci/harness") -> list[dict[str, object]]:
        parsed = [right for text in given_rights for right in parse_rights(text)]
        return list(yaml.safe_load_all(render_rbac(parsed, account)))

    def test_no_rights_are_no_roles(self) -> None:
        assert render_rbac((), "ci/harness") == ""

    def test_one_role_for_each_namespace_and_one_for_the_cluster(self) -> None:
        found = self.documents("patch nodes", "delete pods in shop", "get pods in shop")
        assert [one["kind"] for one in found] == [
            "ClusterRole",
            "ClusterRoleBinding",
            "Role",
            "RoleBinding",
        ]
        assert found[2]["metadata"] == {"name": "harness-drill", "namespace": "shop"}
        assert found[2]["rules"] == [
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["delete", "get"]}
        ]

    def test_its_own_namespace_is_made_with_it(self) -> None:
        found = self.documents("create pods in harness-drill")
        assert found[0]["kind"] == "Namespace"

    def test_the_account(self) -> None:
        (_, binding) = self.documents("patch nodes")
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": "harness", "namespace": "ci"}
        ]
        (_, binding) = self.documents("patch nodes", account="ada")
        assert binding["subjects"] == [
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "ada"}
        ]

    names = st.sampled_from(["", "a", "b"])

    @given(
        st.lists(
            st.builds(
                Right,
                namespace=names,
                group=names,
                resource=st.sampled_from(["pods", "nodes"]),
                subresource=st.sampled_from(["", "log"]),
                verb=st.sampled_from(["get", "list", "patch"]),
            )
        ),
    )
    def test_grant_exactly_the_rights_in_one_order(self, given_rights: Sequence[Right]) -> None:
        text = render_rbac(given_rights, "ci/harness")
        assert text == render_rbac(list(reversed(given_rights)), "ci/harness")
        granted = {
            Right(
                namespace=role["metadata"].get("namespace", ""),
                group=group,
                resource=name.partition("/")[0],
                subresource=name.partition("/")[2],
                verb=verb,
            )
            for role in yaml.safe_load_all(text)
            for rule in role.get("rules", ())
            for group in rule["apiGroups"]
            for name in rule["resources"]
            for verb in rule["verbs"]
        }
        assert granted == set(given_rights)
