"""Which images the lab has: each is made from files that are there, and none is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.lab import catalogue, worker
from harness.lab.catalogue import platform_images, system_images
from harness.lab.images import Image
from harness.lab.layout import DNS_SERVICE
from harness.lab.programs import CLUSTER
from harness.lab.sources import SOURCES, source

PROGRAMS = Path("/programs")


@pytest.fixture
def busybox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shell that is there."""
    path = tmp_path / "bin" / "busybox"
    path.parent.mkdir()
    path.touch()
    monkeypatch.setattr(catalogue, "_BUSYBOX", path)
    return path


def images() -> dict[str, Image]:
    """All, by their reference."""
    return {image.reference: image for image in (*system_images(PROGRAMS), *platform_images())}


def references(folder: Path) -> Iterator[tuple[str, str]]:
    """The files and the images that they name."""
    for path in sorted(folder.rglob("*.y*ml")):
        for reference in re.findall(r"harness\.local/[\w./-]+:?\w*", path.read_text("utf-8")):
            yield str(path.relative_to(SOURCES)), reference


@pytest.mark.usefixtures("busybox")
def test_the_names_of_all_images() -> None:
    """Each once, as manifests name it."""
    assert sorted(images()) == [
        f"harness.local/{name}:lab"
        for name in (
            *("busybox", "checkout", "coredns", "harness", "local-path-provisioner"),
            *("metrics-server", "monitoring", "pause", "postgres", "redis"),
        )
    ]
    assert worker.PAUSE_IMAGE in images()


@pytest.mark.usefixtures("busybox")
def test_every_image_that_an_addon_names_is_there() -> None:
    """They name some, and no registry is asked for another."""
    named = dict(references(SOURCES / "addons"))
    assert len(named) >= 3
    assert set(named.values()) <= set(images())


def test_a_system_image_is_one_program(busybox: Path) -> None:
    """One that the build makes; it is made anew where that changes."""
    for image in system_images(PROGRAMS):
        if image.name == "busybox":
            assert image.context == busybox.parent
            assert busybox in image.inputs
        else:
            assert image.name in CLUSTER.names
            assert image.arguments == {"PROGRAM": image.name}
            assert image.context == PROGRAMS
            assert PROGRAMS / image.name in image.inputs
        assert image.dockerfile in image.inputs
        assert not image.on_base


def copied(image: Image) -> set[Path]:
    """What its Dockerfile takes from the context."""
    found = set()
    for line in image.dockerfile.read_text("utf-8").splitlines():
        instruction, *words = line.split() or [""]
        if instruction == "COPY" and not any(word.startswith("--from") for word in words):
            *sources, _ = [word for word in words if not word.startswith("--")]
            found |= {image.context / word for word in sources}
    return found


@pytest.mark.parametrize("image", platform_images(), ids=lambda image: image.name)
def test_a_platform_image_is_made_anew_where_what_it_copies_changes(image: Image) -> None:
    """And where its Dockerfile or what it ignores does; each stands on the base."""
    used = {image.dockerfile, *copied(image)} | ({image.ignore} if image.ignore else set())
    for path in used:
        assert path.exists(), path
        assert any(path == one or one in path.parents for one in image.inputs), path
    assert len(used) > 1
    assert image.on_base


def test_a_platform_image_is_its_folder() -> None:
    """But the harness's own, which is made from the checkout without its tests and documents."""
    for image in platform_images():
        if image.name != "harness":
            assert image.context == source("images", image.name)
            assert image.inputs == (image.context,)
            assert image.dockerfile == image.context / "Dockerfile"
        else:
            assert image.context == SOURCES.parent
            assert not {SOURCES.parent / name for name in ("tests", "docs")} & set(image.inputs)


@pytest.mark.usefixtures("busybox")
def test_every_dockerfile_is_there() -> None:
    """And begins with the base that its image is said to have."""
    for image in images().values():
        text = image.dockerfile.read_text("utf-8")
        assert ("FROM scratch" in text) != image.on_base
        assert ("ARG PROGRAM" in text) == ("PROGRAM" in image.arguments)


def test_a_missing_shell_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the package that has it."""
    monkeypatch.setattr(catalogue, "_BUSYBOX", tmp_path / "busybox")
    with pytest.raises(InputError) as caught:
        system_images(PROGRAMS)
    assert str(caught.value) == f"{tmp_path / 'busybox'}: absent"
    assert caught.value.hint == "apt-get install busybox-static"


def test_the_dns_addon_has_the_address_that_machines_ask() -> None:
    """A constant of the layout and a line of a manifest."""
    text = (SOURCES / "addons" / "20-dns.yaml").read_text("utf-8")
    assert re.findall(r"clusterIP: (\S+)", text) == [DNS_SERVICE]
