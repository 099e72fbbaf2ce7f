"""Builds the lab's container images by buildah, and the disk that workers start with.

An image is kept by the content of what it is made from. So is the disk: containerd's store with all
images unpacked, made once. Workers get it by hard links, in a second where an import would take
each of them half a minute; containerd never changes a file of an image, it removes or adds.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.drivers import process
from harness.drivers.clock import wait_until
from harness.errors import SurroundingsError
from harness.lab.cache import prune, renamed_when_done, work_directory
from harness.lab.sources import digest_of

REGISTRY = "harness.local"
"""No registry: the first part of the names of images that exist in the lab only."""

TAG = "lab"
_BASE = "localhost/harness/base:lab"
_WITHIN_S = 1800.0
_DATABASES = ("*.db",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image and what it is made from."""

    name: str
    dockerfile: Path
    context: Path
    inputs: tuple[Path, ...]
    """The files and folders that its content depends on, the Dockerfile included."""

    arguments: Mapping[str, str] = field(default_factory=dict)
    on_base: bool = True
    """Whether it is built on the local base (Debian)."""

    ignore: Path | None = None
    """What stays out of the context, where a file of the context does not say it."""

    @property
    def reference(self) -> str:
        """How manifests name it."""
        return f"{REGISTRY}/{self.name}:{TAG}"


class Builder:
    """Builds images into a cache directory."""

    def __init__(self, cache: Path, base: Path, narrate: Callable[[str], None]) -> None:
        """`base` is the folder with `build.sh`, which makes the base's file system."""
        self._cache = cache
        self._base = base
        self._narrate = narrate
        self._storage = cache / "buildah"
        self._archives = cache / "images"
        self._disks = cache / "disks"
        for directory in (self._storage, self._archives, self._disks):
            directory.mkdir(parents=True, exist_ok=True)

    def disk(self, images: Sequence[Image]) -> Path:
        """The worker disk with these images; what is missing is built first.

        Raises SurroundingsError with the last lines of what failed.
        """
        archives = [self.archive(image) for image in images]
        key = hashlib.sha256("\n".join(sorted(one.name for one in archives)).encode())
        disk = self._disks / key.hexdigest()[:16]
        if not disk.is_dir():
            self._narrate(f"unpacking {len(archives)} images onto the workers' disk")
            with renamed_when_done(disk, self._cache) as made:
                _import(archives, made)
        prune(self._disks, "*", disk)
        return disk

    def archive(self, image: Image) -> Path:
        """The image as a docker-archive; built first where its inputs were not built yet."""
        parts = [digest_of(*image.inputs), repr(sorted(image.arguments.items()))]
        if image.on_base:
            parts.append(digest_of(self._base))
        key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
        archive = self._archives / f"{image.name}-{key}.tar"
        if not archive.is_file():
            arguments = dict(image.arguments)
            if image.on_base:
                self._have_base()
                arguments["BASE"] = _BASE
            self._narrate(f"building image {image.name}")
            self._build(image, arguments)
            partial = archive.with_suffix(".part")
            partial.unlink(missing_ok=True)
            self._buildah(
                "push", "-q", _local(image), f"docker-archive:{partial}:{image.reference}"
            )
            partial.rename(archive)
            prune(self._archives, f"{image.name}-????????????????.tar", archive)
        return archive

    def _have_base(self) -> None:
        name = f"localhost/harness/base:{digest_of(self._base)[:16]}"
        if self._buildah("images", "-q", name, may_fail=True).returncode != 0:
            self._narrate("making the images' base: a minimal Debian")
            with tempfile.TemporaryDirectory(dir=work_directory(self._cache)) as directory:
                tar = Path(directory) / "base.tar"
                self._run("bash", self._base / "build.sh", tar)
                container = self._buildah("from", "scratch").stdout.strip()
                self._buildah("add", "-q", container, tar, "/")
                self._buildah("config", "--cmd", "/bin/bash", "--env", f"PATH={_PATH}", container)
                self._buildah("commit", "-q", "--rm", container, name)
        self._buildah("tag", name, _BASE)

    def _build(self, image: Image, arguments: Mapping[str, str]) -> None:
        mounts, more = _settings_of_this_host()
        words: list[str | Path] = ["bud", "--isolation", "chroot", "--pull-never", "--layers"]
        for name, value in {**arguments, **more}.items():
            words += ["--build-arg", f"{name}={value}"]
        for mount in mounts:
            words += ["-v", mount]
        if image.ignore is not None:
            words += ["--ignorefile", image.ignore]
        self._buildah(*words, "-t", _local(image), "-f", image.dockerfile, image.context)

    def _buildah(self, *words: str | Path, may_fail: bool = False) -> process.Completed:
        storage = ("--root", self._storage / "root", "--runroot", self._storage / "run")
        # A mount namespace of its own: what a killed build had mounted is gone with it.
        argv = ("unshare", "--mount", "buildah", *storage, *words)
        return self._run(*argv, may_fail=may_fail)

    def _run(self, *argv: str | Path, may_fail: bool = False) -> process.Completed:
        done = process.run(
            argv,
            directory=work_directory(self._cache),
            environment={"STORAGE_DRIVER": "overlay", "BUILDAH_HISTORY": "true"},
            timeout_s=_WITHIN_S,
        )
        if done.returncode != 0 and not may_fail:
            said = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
            raise SurroundingsError(
                f"{' '.join(map(str, argv[:3]))} ...: ended with {done.returncode}:\n{said}",
                hint=f"rm -r {self._storage}  # and again, from nothing",
            )
        return done


def give_disk(disk: Path, to: Path) -> None:
    """Fills an absent or empty directory with the disk: images linked, databases copied."""
    if to.is_dir() and any(to.iterdir()):
        return
    to.parent.mkdir(parents=True, exist_ok=True)
    for way in ("--link", "--reflink=auto"):  # another file system cannot link
        done = process.run(
            ("cp", "--archive", way, "--no-target-directory", disk, to),
            directory=to.parent,
            timeout_s=_WITHIN_S,
        )
        if done.returncode == 0:
            break
        shutil.rmtree(to, ignore_errors=True)
        to.mkdir()
    else:
        raise SurroundingsError(f"{to}: the disk could not be filled: {done.last_line()}")
    for pattern in _DATABASES:
        for database in disk.rglob(pattern):
            own = to / database.relative_to(disk)
            own.unlink()
            shutil.copy2(database, own)


def _import(archives: Sequence[Path], disk: Path) -> None:
    with tempfile.TemporaryDirectory(dir=disk.parent, prefix="import-") as directory:
        run = Path(directory)
        socket = run / "containerd.sock"
        (run / "containerd.toml").write_text(
            f'version = 2\nroot = "{disk}"\nstate = "{run / "state"}"\n'
            f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\n  address = "{socket}"\n'
            f'[plugins."io.containerd.internal.v1.opt"]\n  path = "{run / "opt"}"\n',
            encoding="utf-8",
        )
        # A mount namespace of its own: what it mounts while it unpacks is gone with it.
        child = process.start(
            ("unshare", "--mount", "containerd", "--config", run / "containerd.toml"),
            directory=run,
            log=run / "log",
        )
        try:
            wait_until(
                lambda: socket.exists() or child.poll() is not None,
                within_s=30,
                what="containerd's socket",
            )
            if child.poll() is not None:
                said = (run / "log").read_text("utf-8", "replace")[-2000:]
                raise SurroundingsError(f"containerd ended while starting:\n{said}")
            for archive in archives:
                done = process.run(
                    ("ctr", "-a", socket, "-n", "k8s.io", "images", "import", archive),
                    directory=run,
                    timeout_s=_WITHIN_S,
                )
                if done.returncode != 0:
                    raise SurroundingsError(f"{archive.name}: not imported: {done.last_line()}")
        finally:
            process.stop(child)


def _local(image: Image) -> str:
    return f"localhost/harness/{image.name}:{TAG}"


def _settings_of_this_host() -> tuple[tuple[str, ...], Mapping[str, str]]:
    """Mounts and build arguments by which package tools in a build reach what they reach here.

    Builds use the host's certificate authorities and apt settings; neither stays in the image.
    """
    mounts = []
    arguments = {}
    authorities = Path(
        os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE") or _AUTHORITIES
    )
    if authorities.is_file():
        mounts.append(f"{authorities}:/run/build-ca.crt:ro")
        arguments["PIP_CERT"] = "/run/build-ca.crt"
    # Hooks of the host's own packages call programs that a minimal image has not.
    mounts += [
        f"{settings}:/etc/apt/apt.conf.d/{settings.name}:ro"
        for settings in sorted(Path("/etc/apt/apt.conf.d").glob("*"))
        if settings.is_file() and "Acquire::" in settings.read_text("utf-8", "replace")
    ]
    return tuple(mounts), arguments


_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
