"""Machines under the API in memory: a provider of nodes whose kubelets renew their leases."""

from __future__ import annotations

from collections.abc import Sequence

from kubernetes_api import StandInApi, lease, node

from harness.errors import SurroundingsError
from harness.model.instant import Bracket


class StandInMachines:
    """ports.NodeProvider; each is a node of the API, unless it is a master."""

    name = "stand-in"

    def __init__(self, api: StandInApi, *nodes: str, masters: Sequence[str] = ()) -> None:
        self.api = api
        self.off: set[str] = set()
        self.cut: set[str] = set()
        self.down: set[str] = set()
        """Services that are kept down."""

        self.masters = tuple(masters)
        self.never_back: set[str] = set()
        self._boots = dict.fromkeys(nodes, 1)
        self._second = 0
        for name in nodes:
            api.put("nodes", node(name))
        self._kubelets_live()
        api.lives = self._kubelets_live

    def _kubelets_live(self) -> None:
        """Those that can renew their leases, each time that anybody looks."""
        self._second += 1
        for name in self._boots:
            if name not in self.off | self.cut:
                self.api.put("leases", lease(name, self._second))

    def _report(self, name: str, *, ready: bool) -> None:
        if name in self._boots:
            known = node(name, boot_id=f"boot-{self._boots[name]}", ready=ready)
            known["spec"] = self.api.get("nodes", name)["spec"]
            self.api.put("nodes", known)

    def kill(self, nodes: Sequence[str]) -> tuple[Bracket, str]:
        """As the port; the API notices at once."""
        for name in nodes:
            self.off.add(name)
            self._report(name, ready=False)
            self.api.changed(f"kill {name}")
        return Bracket(earliest_ns=0, latest_ns=1), "no heartbeat"

    def start(self, node: str) -> str:
        """As the port."""
        if node in self.never_back:
            raise SurroundingsError(f"{node}: no answer of its power supply")
        if node in self.off:
            self.off.remove(node)
            if node in self._boots:
                self._boots[node] += 1
            self._report(node, ready=True)
            self.api.changed(f"start {node}")
        return f"{node} runs"

    def partition(self, nodes: Sequence[str]) -> tuple[Bracket, str]:
        """As the port."""
        for name in nodes:
            self.cut.add(name)
            self._report(name, ready=False)
            self.api.changed(f"cut {name}")
        return Bracket(earliest_ns=0, latest_ns=1), "no answer"

    def heal(self, node: str) -> str:
        """As the port."""
        if node in self.cut:
            self.cut.remove(node)
            self._report(node, ready=True)
            self.api.changed(f"heal {node}")
        return f"{node} answers"

    def is_off(self, node: str) -> bool:
        """As the port."""
        return node in self.off

    def control_plane(self) -> tuple[str, ...]:
        """As the port."""
        return self.masters

    def control_plane_of(self, zone: str) -> tuple[str, ...]:
        """As the port."""
        return self.masters if zone == "zone-1" else ()

    def etcd_leader(self) -> str:
        """As the port."""
        return self.masters[0]

    def stop_service(self, node: str, service: str) -> tuple[Bracket, str]:
        """As the port."""
        self.down.add(f"{node}/{service}")
        self.api.changed(f"stop {service}")
        return Bracket(earliest_ns=0, latest_ns=1), "refuses"

    def start_service(self, node: str, service: str) -> str:
        """As the port."""
        if f"{node}/{service}" in self.down:
            self.down.remove(f"{node}/{service}")
            self.api.changed(f"start {service}")
        return f"{service} answers"

    def service_is_down(self, node: str, service: str) -> bool:
        """As the port."""
        return f"{node}/{service}" in self.down
