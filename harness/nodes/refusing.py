"""A provider that can do nothing: what each other one begins from, and what `none` is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from harness.errors import RefusedError
from harness.model.instant import Bracket


class RefusingNodes:
    """ports.NodeProvider of machines that may not, or cannot, be touched."""

    name = "none"

    def kill(self, nodes: Sequence[str]) -> tuple[Bracket, str]:
        """Refused."""
        self._refuse(f"power cut of {', '.join(nodes)}")

    def start(self, node: str) -> str:
        """Refused."""
        self._refuse(f"start of {node}")

    def partition(self, nodes: Sequence[str]) -> tuple[Bracket, str]:
        """Refused."""
        self._refuse(f"partition of {', '.join(nodes)}")

    def heal(self, node: str) -> str:
        """Refused."""
        self._refuse(f"reconnection of {node}")

    def is_off(self, node: str) -> bool:
        """Refused: what cannot be asked is not guessed."""
        self._refuse(f"power of {node}")

    def control_plane(self) -> tuple[str, ...]:
        """None that may be killed."""
        return ()

    def control_plane_of(self, zone: str) -> tuple[str, ...]:  # noqa: ARG002 - the port's
        """None that may be killed."""
        return ()

    def etcd_leader(self) -> str:
        """Refused."""
        self._refuse("leader of etcd")

    def stop_service(self, node: str, service: str) -> tuple[Bracket, str]:
        """Refused."""
        self._refuse(f"stop of {service} on {node}")

    def start_service(self, node: str, service: str) -> str:
        """Refused."""
        self._refuse(f"start of {service} on {node}")

    def service_is_down(self, node: str, service: str) -> bool:
        """Refused."""
        self._refuse(f"{service} on {node}")

    def _refuse(self, what: str) -> NoReturn:
        raise RefusedError(
            f"{what}: machines of provider {self.name!r} cannot do it, expected one that can",
            hint="kubernetes.nodes of the environment in harness.toml: lab, docker or ec2",
        )
