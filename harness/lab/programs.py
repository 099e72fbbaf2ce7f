"""Builds Kubernetes' programs from the Go modules of lab/kubernetes, once; kept by content."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness.drivers import process
from harness.errors import InputError, SurroundingsError
from harness.lab.cache import renamed_when_done
from harness.lab.sources import SOURCES, digest_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """A Go module of the lab's sources, and what is built of it."""

    folder: str
    packages: tuple[str, ...]
    named_after: str
    """The module whose version is what is built."""

    @property
    def names(self) -> tuple[str, ...]:
        """The programs that a build makes."""
        return tuple(package.rsplit("/", 1)[1] for package in self.packages)


CLUSTER = Module(
    folder="kubernetes",
    packages=(
        "./cmd/kubernetes",
        "./cmd/coredns",
        "./cmd/pause",
        "sigs.k8s.io/metrics-server/cmd/metrics-server",
        "github.com/rancher/local-path-provisioner",
    ),
    named_after="k8s.io/kubernetes",
)
"""What every lab runs."""

KWOK = Module(
    folder="kubernetes/kwok",
    packages=("sigs.k8s.io/kwok/cmd/kwok",),
    named_after="sigs.k8s.io/kwok",
)
"""Nodes without machines, for quotas and autoscalers at sizes that no machine has."""

_BUILD_WITHIN_S = 3600.0
_REPORT_EVERY = 100
_LEAST_MINOR = 24
"""Of Go 1.x: what the modules of Kubernetes 1.34 ask for in their go.mod."""


def build(
    cache: Path,
    narrate: Callable[[str], None],
    sources: Path = SOURCES,
    module: Module = CLUSTER,
) -> Path:
    """The directory of a module's programs; builds them first where they were not yet built.

    An interrupted build leaves nothing in the way of the next one, which goes on from Go's own
    cache. Raises InputError where Go is missing, SurroundingsError with the compiler's last lines
    where the build fails.
    """
    source = sources / module.folder
    go = _find_go(source)
    key = hashlib.sha256(f"{digest_of(source)} {go.version}".encode()).hexdigest()[:16]
    programs = cache / "programs" / key
    if programs.is_dir():
        return programs
    version = go.said(source, "list", "-m", "-f", "{{.Version}}", module.named_after).strip()
    # One by one: two of them import one library by names that differ in case only.
    dependencies = {
        line
        for each in module.packages
        for line in go.said(source, "list", "-deps", each).splitlines()
    }
    total = len(dependencies)
    narrate(
        f"building {module.named_after} {version}: {total} packages; the first time takes minutes"
    )
    with renamed_when_done(programs, cache) as made:
        for package in module.packages:
            _compile(go, source, package, made, version, partial(_tell, narrate, package, total))
    return programs


def _tell(narrate: Callable[[str], None], package: str, total: int, compiled: int) -> None:
    narrate(f"{package}: {compiled} of at most {total} packages compiled")


def _compile(  # noqa: PLR0913 - what, where to, and how it is told
    go: _Go, source: Path, package: str, made: Path, version: str, tell: Callable[[int], None]
) -> None:
    """One program at a time: two links of this size at once would need twice the memory."""
    # Without a version the components call themselves v0.0.0 and refuse each other.
    major, minor = version.removeprefix("v").split(".")[:2]
    versions = " ".join(
        f"-X {owner}.{name}={value}"
        for owner in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
        for name, value in (("gitVersion", version), ("gitMajor", major), ("gitMinor", minor))
    )
    argv = (
        go.program,
        "-C",
        source,
        "build",
        "-v",
        "-trimpath",
        f"-ldflags=-s -w {versions}",
        "-o",
        made,
        package,
    )
    child = process.start(
        argv,
        directory=made.parent,
        environment=_ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    last: list[str] = []
    try:
        if child.stdout is not None:
            for compiled, line in enumerate(child.stdout, 1):
                last = [*last[-14:], line.decode("utf-8", "replace").rstrip()]
                if compiled % _REPORT_EVERY == 0:
                    tell(compiled)
        child.wait(_BUILD_WITHIN_S)
    finally:
        process.stop(child)
        if child.stdout is not None:
            child.stdout.close()
    process.raise_if_interrupted("building Kubernetes")
    if child.returncode != 0:
        raise SurroundingsError(
            f"{package}: go build ended with {child.returncode}:\n" + "\n".join(last),
            hint=f"cd {source} && go build {package}",
        )


_ENVIRONMENT = {
    "CGO_ENABLED": "0",
    "GOFLAGS": "-buildvcs=false",
    "GOTOOLCHAIN": "local",
    "GOWORK": "off",
}


@dataclass(frozen=True, slots=True)
class _Go:
    """A Go toolchain."""

    program: Path
    version: str
    """As it says it: go1.26.8."""

    def said(self, source: Path, *arguments: str) -> str:
        done = process.run(
            (self.program, *arguments),
            directory=source,
            environment=_ENVIRONMENT,
            timeout_s=_BUILD_WITHIN_S,
        )
        if done.returncode != 0:
            raise SurroundingsError(
                f"go {' '.join(arguments)}: {done.last_line()}",
                hint=f"cd {source} && go mod download",
            )
        return done.stdout


def _find_go(source: Path) -> _Go:
    """The system's Go where it is new enough, else the one beside this Python (setup.sh lab)."""
    found = []
    for program in (shutil.which("go"), str(Path(sys.prefix) / "bin" / "go")):
        if program is None or not Path(program).exists():
            continue
        done = process.run(
            (program, "env", "GOVERSION"),
            directory=source,
            environment={"GOTOOLCHAIN": "local"},
            timeout_s=60,
        )
        version = done.stdout.strip()
        numbers = re.match(r"go1\.(\d+)", version)
        if numbers and int(numbers[1]) >= _LEAST_MINOR:
            return _Go(Path(program), version)
        found.append(f"{program} is {version or done.last_line()}")
    raise InputError(
        f"Go 1.{_LEAST_MINOR} or newer compiles Kubernetes for the lab; "
        + ("; ".join(found) or "there is none"),
        hint="make setup-lab",
    )
