"""Switches nodes off that are EC2 instances, as a power cut does; never terminates one.

`StopInstances` with Force and SkipOsShutdown ends the instance without a word to its operating
system; its volumes stay (EC2 API reference, StopInstances). The instance is named by the node's
spec.providerID: `aws:///eu-west-1a/i-0abc` (cloud-provider-aws).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from harness.drivers.clock import HostClock, wait_until
from harness.errors import RefusedError, SurroundingsError
from harness.model.cluster import Node
from harness.model.instant import Bracket
from harness.nodes.refusing import RefusingNodes

if TYPE_CHECKING:
    from mypy_boto3_ec2.client import EC2Client
    from mypy_boto3_ec2.type_defs import InstanceTypeDef

_CLOCK = HostClock()
_PROVIDER_ID = re.compile(r"aws:///(?P<zone>[a-z0-9-]+)/(?P<instance>i-[0-9a-f]+)")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d+")
"""Of a zone: `eu-west-1` of `eu-west-1a`, `us-west-2` of the local zone `us-west-2-lax-1a`."""

_GROUP = "aws:autoscaling:groupName"
"""Tag of an instance of an Auto Scaling group; a managed node group of EKS is one."""

_WITHIN_S = 300.0
_EVERY_S = 1.0
_OFF = ("stopping", "stopped", "shutting-down", "terminated")


class Instance(NamedTuple):
    """One node's."""

    region: str
    identity: str


class Ec2Nodes(RefusingNodes):
    """ports.NodeProvider of EC2 instances."""

    name = "ec2"

    def __init__(
        self,
        nodes: Callable[[], Sequence[Node]],
        client: Callable[[str], EC2Client] | None = None,
        every_s: float = _EVERY_S,
    ) -> None:
        """`nodes` reads the API's; `client` makes the client of a region (default: boto3's, with
        the credentials that it finds).
        """
        self._nodes = nodes
        self._make = client or _client
        self._every_s = every_s
        self._clients: dict[str, EC2Client] = {}
        self._known: dict[str, Instance] = {}

    def kill(self, nodes: Sequence[str]) -> tuple[Bracket, str]:
        """All instances of a region by one call; seen by their state `stopped`.

        Refused for members of an Auto Scaling group: it terminates and replaces what is stopped,
        and the node's disk with it.
        """
        by_region: dict[str, list[str]] = {}
        for node in nodes:
            instance = self._instance(node)
            by_region.setdefault(instance.region, []).append(instance.identity)
            self._refuse_group(node, self._describe(instance))
        for region, identities in by_region.items():
            self._refuse_without_rights(region, identities)
        before_ns = _CLOCK.monotonic_ns()
        for region, identities in by_region.items():
            with _told("StopInstances"):
                self._client(region).stop_instances(
                    InstanceIds=identities, Force=True, SkipOsShutdown=True
                )
        self._await(nodes, "stopped")
        return (
            Bracket(earliest_ns=before_ns, latest_ns=_CLOCK.monotonic_ns()),
            f"DescribeInstances: {', '.join(nodes)} stopped",
        )

    def start(self, node: str) -> str:
        """Seen by its state `running`. What is still stopping is awaited first: it cannot be
        started before (IncorrectInstanceState).
        """
        instance = self._instance(node)
        if self._state(instance) == "stopping":
            self._await([node], "stopped")
        if self._state(instance) == "stopped":
            with _told("StartInstances"):
                self._client(instance.region).start_instances(InstanceIds=[instance.identity])
        self._await([node], "running")
        since = self._describe(instance).get("LaunchTime")
        return f"DescribeInstances: {instance.identity} of {node} running since {since}"

    def is_off(self, node: str) -> bool:
        """Whether its state is none in which it runs."""
        return self._state(self._instance(node)) in _OFF

    def control_plane(self) -> tuple[str, ...]:
        """The nodes that the API calls control plane: none where EKS manages it."""
        return tuple(node.name for node in self._nodes() if node.control_plane)

    def replaced_by(self, node: str) -> str | None:
        """The Auto Scaling group that would replace the node; None: nobody would."""
        return _group(self._describe(self._instance(node)))

    def _refuse_group(self, node: str, found: InstanceTypeDef) -> None:
        group = _group(found)
        if group is not None:
            raise RefusedError(
                f"{node}: is of the Auto Scaling group {group}, which terminates and replaces an "
                "instance that is stopped, expected one that comes back with its disk",
                hint="use a node outside of a managed node group, or node-drain and node-partition "
                "of another provider",
            )

    def _refuse_without_rights(self, region: str, identities: Sequence[str]) -> None:
        """Asks with DryRun, which answers by an error in any case (EC2 API reference)."""
        from botocore.exceptions import ClientError

        try:
            self._client(region).stop_instances(
                InstanceIds=identities, Force=True, SkipOsShutdown=True, DryRun=True
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "DryRunOperation":
                raise RefusedError(
                    f"StopInstances of {', '.join(identities)}: {error}, expected to be allowed",
                    hint="allow ec2:StopInstances, ec2:StartInstances and ec2:DescribeInstances",
                ) from error

    def _await(self, nodes: Sequence[str], state: str) -> None:
        instances = [self._instance(node) for node in nodes]
        wait_until(
            lambda: all(self._state(one) == state for one in instances),
            within_s=_WITHIN_S,
            what=f"instances of {', '.join(nodes)} {state}",
            every_s=self._every_s,
        )

    def _state(self, instance: Instance) -> str:
        return str(self._describe(instance).get("State", {}).get("Name", ""))

    def _describe(self, instance: Instance) -> InstanceTypeDef:
        with _told("DescribeInstances"):
            answer = self._client(instance.region).describe_instances(
                InstanceIds=[instance.identity]
            )
        for reservation in answer["Reservations"]:
            for found in reservation.get("Instances", ()):
                return found
        raise SurroundingsError(f"DescribeInstances: {instance.identity} is not told, expected it")

    def _instance(self, name: str) -> Instance:
        """Remembered: a node that was stopped for long may be gone from the API."""
        if name not in self._known:
            self._known.update(_instances(self._nodes()))
        if name not in self._known:
            raise RefusedError(
                f"{name}: has no spec.providerID of EC2 (aws:///ZONE/i-...), expected a node that "
                "is an instance"
            )
        return self._known[name]

    def _client(self, region: str) -> EC2Client:
        if region not in self._clients:
            self._clients[region] = self._make(region)
        return self._clients[region]


@contextlib.contextmanager
def _told(call: str) -> Iterator[None]:
    """Turns botocore's errors into ours, naming the call."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise SurroundingsError(f"{call}: {error}") from error


def _instances(nodes: Sequence[Node]) -> Mapping[str, Instance]:
    found = {}
    for node in nodes:
        named = _PROVIDER_ID.fullmatch(node.provider_id)
        region = _REGION.match(named["zone"]) if named else None
        if named and region:
            found[node.name] = Instance(region[0], named["instance"])
    return found


def _group(found: InstanceTypeDef) -> str | None:
    for tag in found.get("Tags", ()):
        if tag.get("Key") == _GROUP:
            return tag.get("Value")
    return None


def _client(region: str) -> EC2Client:
    import boto3

    return boto3.client("ec2", region_name=region)
