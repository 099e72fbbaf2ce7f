"""Breaks nodes that are containers of this host, as kind and k3d make them, by Docker's or
Podman's command line.

The container is called like the node. A power cut is `kill --signal KILL` and never `stop`, which
would ask the node to end properly. Docker starts no container again that was killed by it, whatever
its restart policy says (Docker's manual, "Start containers automatically").
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from harness.drivers import process
from harness.drivers.clock import HostClock, wait_until
from harness.errors import InputError, RefusedError, SurroundingsError
from harness.faults.places import write_durably
from harness.model.cluster import Node
from harness.model.codec import from_json, to_json
from harness.model.instant import Bracket
from harness.nodes.refusing import RefusingNodes

_CLOCK = HostClock()
_PROGRAMS = ("docker", "podman")
_COMMAND_WITHIN_S = 60.0
_SEEN_WITHIN_S = 30.0
_ETCD_METRICS = "http://127.0.0.1:2381/metrics"
"""Where kubeadm (kind) and K3s (k3d) have their etcd tell its metrics, on the node itself."""

_LEADS = re.compile(r"^etcd_server_is_leader 1(\.0)?$", re.MULTILINE)


class Attachment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a container was connected to one network, written down before it is cut off."""

    network: str
    address: str
    """IPv4: a node that comes back with another one is lost to its cluster (kind, issue 2045)."""

    aliases: tuple[str, ...] = ()


class DockerNodes(RefusingNodes):
    """ports.NodeProvider of the containers that are nodes."""

    name = "docker"

    def __init__(self, state: Path, nodes: Callable[[], Sequence[Node]]) -> None:
        """`state` is the state directory; `nodes` reads the API's."""
        self._attachments = state / "docker-networks"
        self._nodes = nodes

    def kill(self, nodes: Sequence[str]) -> tuple[Bracket, str]:
        """All by one command; seen by the containers' states."""
        for node in nodes:
            self._state(node)  # there is no such container: refused before any is touched
        running = [node for node in nodes if not self.is_off(node)]
        before_ns = _CLOCK.monotonic_ns()
        if running:
            self._do("kill", "--signal", "KILL", *running)
        wait_until(
            lambda: all(self.is_off(node) for node in nodes),
            within_s=_SEEN_WITHIN_S,
            what=f"the end of {', '.join(nodes)}",
            every_s=0.1,
        )
        seen = f"containers {', '.join(nodes)} have no process any more"
        return Bracket(earliest_ns=before_ns, latest_ns=_CLOCK.monotonic_ns()), seen

    def start(self, node: str) -> str:
        """Seen by its container's state, with its start time.

        Its address is Docker's to give: a node that comes back with another one than the API has is
        never Ready again, and its rollback fails by that.
        """
        if self.is_off(node):
            self._do("start", node)
        wait_until(
            lambda: not self.is_off(node),
            within_s=_SEEN_WITHIN_S,
            what=f"container {node} running",
            every_s=0.1,
        )
        return f"container {node} runs since {self._state(node).get('StartedAt', 'now')}"

    def partition(self, nodes: Sequence[str]) -> tuple[Bracket, str]:
        """Disconnected from all their networks; seen by the networks that are left: none."""
        for node in nodes:
            if self.is_off(node):
                raise RefusedError(f"{node}: is off, expected a container that runs")
            self._write_down(node)
        before_ns = _CLOCK.monotonic_ns()
        for node in nodes:
            for one in self._written_down(node):
                if one.network in self._networks(node):
                    self._do("network", "disconnect", "--force", one.network, node)
        wait_until(
            lambda: not any(self._networks(node) for node in nodes),
            within_s=_SEEN_WITHIN_S,
            what=f"{', '.join(nodes)} without a network",
            every_s=0.1,
        )
        seen = f"containers {', '.join(nodes)} are in no network"
        return Bracket(earliest_ns=before_ns, latest_ns=_CLOCK.monotonic_ns()), seen

    def heal(self, node: str) -> str:
        """Connected again with the addresses that it had; SurroundingsError where it got others."""
        attachments = self._written_down(node)
        for one in attachments:
            there = self._networks(node).get(one.network)
            if there == one.address:
                continue
            if there is not None:
                self._do("network", "disconnect", "--force", one.network, node)
            self._connect(node, one)
        got = self._networks(node)
        for one in attachments:
            if got.get(one.network) != one.address:
                raise SurroundingsError(
                    f"{node}: has address {got.get(one.network)} in {one.network}, expected "
                    f"{one.address}: its cluster knows it by that one",
                    hint="free the address, then: harness recover",
                )
        self._file(node).unlink(missing_ok=True)
        return f"container {node} is in {', '.join(sorted(got)) or 'no network'} again"

    def is_off(self, node: str) -> bool:
        """Whether its container has no process."""
        return not self._state(node).get("Running")

    def control_plane(self) -> tuple[str, ...]:
        """The nodes that the API calls control plane: with one, nothing is left without it."""
        return tuple(node.name for node in self._nodes() if node.control_plane)

    def etcd_leader(self) -> str:
        """The node whose etcd says so in its metrics; RefusedError where none does: K3s with a
        single server has no etcd.
        """
        ask = f"curl --silent --fail {_ETCD_METRICS} || wget -q -O - {_ETCD_METRICS}"
        for node in self.control_plane():
            if self.is_off(node):
                continue
            done = self._run("exec", node, "sh", "-c", ask)
            if done.returncode == 0 and _LEADS.search(done.stdout):
                return node
        raise RefusedError("etcd: no node says in its metrics that it leads, expected one")

    def _connect(self, node: str, one: Attachment) -> None:
        """Docker takes `--ip` only in networks with a subnet that was configured; elsewhere it
        gives the lowest that is free, which `heal` compares.
        """
        aliases = [word for alias in one.aliases for word in ("--alias", alias)]
        wanted = ("network", "connect", *aliases, "--ip", one.address, one.network, node)
        if self._run(*wanted).returncode != 0 and one.network not in self._networks(node):
            self._do("network", "connect", *aliases, one.network, node)

    def _write_down(self, node: str) -> None:
        """Before the first disconnection; what was written down earlier is not overwritten, since
        part of it may be disconnected already.
        """
        if self._file(node).exists():
            return
        found = tuple(
            Attachment(
                network=network,
                address=settings.get("IPAddress") or "",
                aliases=tuple(settings.get("Aliases") or ()),
            )
            for network, settings in sorted(self._settings(node).items())
        )
        if not found:
            raise RefusedError(f"{node}: is in no network, expected one or more")
        self._attachments.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_durably(self._file(node), to_json(found))

    def _written_down(self, node: str) -> tuple[Attachment, ...]:
        try:
            return from_json(self._file(node).read_bytes(), tuple[Attachment, ...])
        except FileNotFoundError:
            return ()
        except msgspec.DecodeError as error:
            raise InputError(f"{self._file(node)}: {error}") from error

    def _file(self, node: str) -> Path:
        return self._attachments / f"{node}.json"

    def _networks(self, node: str) -> dict[str, str]:
        """Network -> address."""
        return {
            name: settings.get("IPAddress") or "" for name, settings in self._settings(node).items()
        }

    def _settings(self, node: str) -> dict[str, dict[str, Any]]:
        """Docker leaves a network that was disconnected out of NetworkSettings.Networks."""
        return dict(self._inspect(node).get("NetworkSettings", {}).get("Networks") or {})

    def _state(self, node: str) -> dict[str, Any]:
        return dict(self._inspect(node).get("State") or {})

    def _inspect(self, node: str) -> dict[str, Any]:
        done = self._run("container", "inspect", node)
        if done.returncode != 0 and "no such" in done.last_line().lower():
            raise RefusedError(
                f"{node}: no container of that name: {done.last_line()}", hint="docker ps --all"
            )
        if done.returncode != 0:  # no daemon, for one
            raise SurroundingsError(f"container inspect {node}: {done.last_line()}")
        try:
            (found,) = json.loads(done.stdout)
        except (ValueError, TypeError) as error:
            raise SurroundingsError(
                f"container inspect {node}: got {done.stdout[:80]!r}, expected one container"
            ) from error
        return dict(found)

    def _do(self, *words: str) -> None:
        done = self._run(*words)
        if done.returncode != 0:
            raise SurroundingsError(f"{' '.join(done.argv)}: {done.last_line()}")

    def _run(self, *words: str) -> process.Completed:
        for program in _PROGRAMS:
            if shutil.which(program):
                return process.run(
                    (program, *words), directory=Path("/"), timeout_s=_COMMAND_WITHIN_S
                )
        raise RefusedError(
            f"node provider docker: none of {', '.join(_PROGRAMS)} is in PATH, expected one"
        )
