"""Where a lab keeps its files, below the state directory. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Directories:
    """The folders and well-known files of one lab; a state directory has at most one."""

    root: Path

    @classmethod
    def below(cls, state: Path) -> Directories:
        """Of the lab of that state directory."""
        return cls(state.resolve() / "lab")

    @property
    def record(self) -> Path:
        """What was written down before the lab was made (harness.lab.layout.Record)."""
        return self.root / "lab.json"

    @property
    def pki(self) -> Path:
        """Certificates, keys and kubeconfigs."""
        return self.root / "pki"

    def certificate(self, name: str) -> Path:
        """PEM."""
        return self.pki / f"{name}.crt"

    def key(self, name: str) -> Path:
        """PEM, mode 0600."""
        return self.pki / f"{name}.key"

    def kubeconfig(self, user: str) -> Path:
        """How `user` reaches the API."""
        return self.pki / f"{user}.kubeconfig"

    @property
    def commands(self) -> Path:
        """Programs for who works in the lab: kubectl."""
        return self.root / "bin"

    @property
    def machines(self) -> Path:
        """One folder each."""
        return self.root / "machines"

    def machine(self, name: str) -> Path:
        """The disk of a machine, which outlives its power cut."""
        return self.machines / name

    def boot(self, name: str) -> Path:
        """What a machine's process 1 executes."""
        return self.machine(name) / "boot.sh"

    def boot_id(self, name: str) -> Path:
        """What identifies the machine's present boot, as the kernel's own does a host's."""
        return self.machine(name) / "boot-id"

    def services(self, name: str) -> Path:
        """One folder for each supervised process, as runit wants it."""
        return self.machine(name) / "services"

    def logs(self, name: str) -> Path:
        """What a machine's processes say."""
        return self.machine(name) / "var" / "log"
