"""Nodes that are EC2 instances, by answers of the form that the EC2 API reference gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.stub import ANY, Stubber

from harness.errors import DeadlineExceededError, RefusedError, SurroundingsError
from harness.model.cluster import Node
from harness.nodes import ec2
from harness.nodes.ec2 import Ec2Nodes

if TYPE_CHECKING:
    from mypy_boto3_ec2.client import EC2Client

IDENTITY = "i-0123456789abcdef0"


def node(name: str = "ip-10-0-0-1", provider_id: str = f"aws:///eu-west-1a/{IDENTITY}") -> Node:
    return Node(
        name=name,
        uid=name,
        boot_id="boot",
        ready=True,
        unschedulable=False,
        zone="eu-west-1a",
        control_plane=False,
        provider_id=provider_id,
    )


@pytest.fixture(scope="module")
def client() -> EC2Client:
    """Reaches nothing: each call is answered by a Stubber."""
    return boto3.client(
        "ec2",
        region_name="eu-west-1",
        aws_access_key_id="practice",
        aws_secret_access_key="practice",
    )


@pytest.fixture
def stubber(client: EC2Client) -> Iterator[Stubber]:
    with Stubber(client) as made:
        yield made
        made.assert_no_pending_responses()


@pytest.fixture
def nodes(client: EC2Client, stubber: Stubber) -> Ec2Nodes:
    del stubber
    return Ec2Nodes(lambda: [node()], lambda _region: client, every_s=0.001)


def described(stubber: Stubber, state: str, **more: object) -> None:
    stubber.add_response(
        "describe_instances",
        {
            "Reservations": [
                {"Instances": [{"InstanceId": IDENTITY, "State": {"Name": state}, **more}]}
            ]
        },
        {"InstanceIds": [IDENTITY]},
    )


def allowed(stubber: Stubber, code: str = "DryRunOperation") -> None:
    """DryRun answers by an error in any case."""
    stubber.add_client_error(
        "stop_instances",
        service_error_code=code,
        http_status_code=412,
        expected_params={
            "InstanceIds": [IDENTITY],
            "Force": True,
            "SkipOsShutdown": True,
            "DryRun": True,
        },
    )


def stopped(stubber: Stubber) -> None:
    change = {
        "InstanceId": IDENTITY,
        "CurrentState": {"Code": 64, "Name": "stopping"},
        "PreviousState": {"Code": 16, "Name": "running"},
    }
    stubber.add_response(
        "stop_instances",
        {"StoppingInstances": [change]},
        {"InstanceIds": [IDENTITY], "Force": True, "SkipOsShutdown": True},
    )


def test_an_instance_is_stopped_without_a_word_to_its_system(
    stubber: Stubber, nodes: Ec2Nodes
) -> None:
    described(stubber, "running")
    allowed(stubber)
    stopped(stubber)
    described(stubber, "stopping")
    described(stubber, "stopped")
    bracket, witness = nodes.kill(["ip-10-0-0-1"])
    assert bracket.earliest_ns < bracket.latest_ns
    assert witness == "DescribeInstances: ip-10-0-0-1 stopped"


def test_a_stop_that_is_never_seen_has_no_witness(
    stubber: Stubber, nodes: Ec2Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ec2, "_WITHIN_S", 0.0)
    described(stubber, "running")
    allowed(stubber)
    stopped(stubber)
    described(stubber, "stopping")
    with pytest.raises(DeadlineExceededError, match="ip-10-0-0-1 stopped"):
        nodes.kill(["ip-10-0-0-1"])


def test_a_member_of_an_auto_scaling_group_is_refused(stubber: Stubber, nodes: Ec2Nodes) -> None:
    tags = [{"Key": "aws:autoscaling:groupName", "Value": "workers"}]
    described(stubber, "running", Tags=tags)
    with pytest.raises(RefusedError, match="group workers, which terminates and replaces"):
        nodes.kill(["ip-10-0-0-1"])
    described(stubber, "running", Tags=tags)
    assert nodes.replaced_by("ip-10-0-0-1") == "workers"


def test_without_the_right_nothing_is_stopped(stubber: Stubber, nodes: Ec2Nodes) -> None:
    described(stubber, "running")
    allowed(stubber, code="UnauthorizedOperation")
    with pytest.raises(RefusedError, match="expected to be allowed"):
        nodes.kill(["ip-10-0-0-1"])


@pytest.mark.parametrize("provider_id", ["", "kind://docker/kind/kind-worker", "aws:///x/i-1"])
def test_a_node_that_is_no_instance_is_refused(client: EC2Client, provider_id: str) -> None:
    other = Ec2Nodes(lambda: [node("other", provider_id)], lambda _region: client)
    with pytest.raises(RefusedError, match=r"has no spec\.providerID of EC2"):
        other.kill(["other"])


@pytest.mark.parametrize(
    ("zone", "region"), [("eu-west-1a", "eu-west-1"), ("us-west-2-lax-1a", "us-west-2")]
)
def test_the_region_is_its_zones(
    client: EC2Client, stubber: Stubber, zone: str, region: str
) -> None:
    asked: list[str] = []

    def of_region(name: str) -> EC2Client:
        asked.append(name)
        return client

    described(stubber, "running")
    of_zone = Ec2Nodes(lambda: [node(provider_id=f"aws:///{zone}/{IDENTITY}")], of_region)
    assert not of_zone.is_off("ip-10-0-0-1")
    assert asked == [region]


@pytest.mark.parametrize(
    ("state", "off"),
    [("running", False), ("pending", False), ("stopping", True), ("stopped", True)],
)
def test_power(stubber: Stubber, nodes: Ec2Nodes, state: str, *, off: bool) -> None:
    described(stubber, state)
    assert nodes.is_off("ip-10-0-0-1") is off


def started(stubber: Stubber) -> None:
    stubber.add_response("start_instances", {"StartingInstances": []}, {"InstanceIds": ANY})


def test_started_when_it_has_stopped(stubber: Stubber, nodes: Ec2Nodes) -> None:
    described(stubber, "stopping")
    described(stubber, "stopping")
    described(stubber, "stopped")
    described(stubber, "stopped")
    started(stubber)
    described(stubber, "pending")
    described(stubber, "running")
    described(stubber, "running")
    assert IDENTITY in nodes.start("ip-10-0-0-1")


def test_what_runs_is_not_started(stubber: Stubber, nodes: Ec2Nodes) -> None:
    for _ in range(4):
        described(stubber, "running")
    nodes.start("ip-10-0-0-1")


def test_an_error_of_the_api_names_the_call(stubber: Stubber, nodes: Ec2Nodes) -> None:
    stubber.add_client_error("describe_instances", service_error_code="RequestLimitExceeded")
    with pytest.raises(SurroundingsError, match="DescribeInstances: .*RequestLimitExceeded"):
        nodes.is_off("ip-10-0-0-1")


def test_an_instance_that_is_not_told_of(stubber: Stubber, nodes: Ec2Nodes) -> None:
    stubber.add_response("describe_instances", {"Reservations": []}, {"InstanceIds": [IDENTITY]})
    with pytest.raises(SurroundingsError, match="is not told"):
        nodes.is_off("ip-10-0-0-1")


def test_a_stopped_node_that_left_the_api_is_still_known(
    client: EC2Client, stubber: Stubber
) -> None:
    there = [node()]
    nodes = Ec2Nodes(lambda: there, lambda _region: client)
    described(stubber, "stopped")
    assert nodes.is_off("ip-10-0-0-1")
    there.clear()
    described(stubber, "stopped")
    assert nodes.is_off("ip-10-0-0-1")


def test_what_ec2_does_not_do_here(nodes: Ec2Nodes) -> None:
    assert nodes.control_plane() == ()
    for refused in (
        lambda: nodes.partition(["ip-10-0-0-1"]),
        nodes.etcd_leader,
        lambda: nodes.stop_service("ip-10-0-0-1", "kubelet"),
    ):
        with pytest.raises(RefusedError, match="provider 'ec2' cannot do it"):
            refused()
