"""Calls the lab's API by its own kubectl, as the lab's administrator."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.drivers import process
from harness.errors import SurroundingsError
from harness.lab import network
from harness.lab.directories import Directories
from harness.lab.identities import ADMIN, INSIDE
from harness.lab.layout import API_PORT, Machine

_WITHIN_S = 60.0


def settings(directories: Directories) -> Mapping[str, str]:
    """Environment of every call: nothing is kept in the user's home, and no proxy is asked."""
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "")
    return {"KUBECACHEDIR": str(directories.root / "kubectl-cache"), **proxies}


@dataclass(frozen=True, slots=True)
class Kubectl:
    """`kubectl` with the kubeconfig that works where this process is."""

    programs: Path
    directories: Directories
    kubeconfig: str = ADMIN
    """ADMIN on the host, INSIDE within the lab's network."""

    def run(
        self, *words: str | Path, within_s: float = _WITHIN_S, stdin: bytes | None = None
    ) -> process.Completed:
        """One call, whatever its exit code."""
        return process.run(
            (self.programs / "kubernetes", "kubectl", *words),
            directory=self.directories.root,
            environment={
                "KUBECONFIG": str(self.directories.kubeconfig(self.kubeconfig)),
                **settings(self.directories),
            },
            timeout_s=within_s,
            stdin=stdin,
        )

    def call(
        self, *words: str | Path, within_s: float = _WITHIN_S, stdin: bytes | None = None
    ) -> str:
        """What it says; raises SurroundingsError with its last line where it fails."""
        done = self.run(*words, within_s=within_s, stdin=stdin)
        if done.returncode != 0:
            said = " ".join(str(word) for word in words)
            raise SurroundingsError(
                f"kubectl {said}: {done.last_line()}", hint="harness lab status"
            )
        return done.stdout

    def get(self, *words: str) -> Any:  # noqa: ANN401 - what the API answers
        """The answer of `kubectl get ... -o json`."""
        return json.loads(self.call("get", *words, "-o", "json"))

    def ready(self) -> bool:
        """Whether some API server answers that it is ready."""
        return self.run(*_READY).returncode == 0

    def is_ready(self, master: Machine) -> bool:
        """Whether the API server of this master does; asked inside, past the balancer."""
        outside = network.file_of(f"{network.PREFIX}outside")
        done = process.run(
            (
                *("nsenter", f"--net={outside}", self.programs / "kubernetes", "kubectl"),
                f"--kubeconfig={self.directories.kubeconfig(INSIDE)}",
                f"--server=https://{master.address}:{API_PORT}",
                *_READY,
            ),
            directory=self.directories.root,
            environment=settings(self.directories),
            timeout_s=_WITHIN_S,
        )
        return done.returncode == 0


_READY = ("get", "--raw", "/readyz", "--request-timeout=2s")
