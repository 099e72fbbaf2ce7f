"""Which images the lab has, and what each is made from."""

from __future__ import annotations

from pathlib import Path

from harness.errors import InputError
from harness.lab.images import Image
from harness.lab.sources import SOURCES, source

_SYSTEM = ("pause", "coredns", "metrics-server", "local-path-provisioner")
_IN_THE_HARNESS = (
    *("harness", "targets", "controls", "suites", "experiments", "reports"),
    *("pyproject.toml", "requirements.lock"),
)
_BUSYBOX = Path("/bin/busybox")


def system_images(programs: Path) -> tuple[Image, ...]:
    """What the cluster itself runs: one static program each, and a shell for helper pods."""
    if not _BUSYBOX.exists():
        raise InputError(f"{_BUSYBOX}: absent", hint="apt-get install busybox-static")
    dockerfile = source("images", "system", "Dockerfile")
    busybox = source("images", "busybox", "Dockerfile")
    return (
        *(
            Image(
                name=name,
                dockerfile=dockerfile,
                context=programs,
                inputs=(dockerfile, programs / name),
                arguments={"PROGRAM": name},
                on_base=False,
            )
            for name in _SYSTEM
        ),
        Image(
            name="busybox",
            dockerfile=busybox,
            context=_BUSYBOX.parent,
            inputs=(busybox, _BUSYBOX),
            on_base=False,
        ),
    )


def platform_images() -> tuple[Image, ...]:
    """What the documented platform runs, and what backs it up and rehearses its restore."""
    return (
        *(
            Image(
                name=name,
                dockerfile=source("images", name, "Dockerfile"),
                context=source("images", name),
                inputs=(source("images", name),),
            )
            for name in ("postgres", "redis", "checkout", "monitoring")
        ),
        _harness_image(),
    )


def _harness_image() -> Image:
    checkout = SOURCES.parent
    deploy = checkout / "deploy"
    return Image(
        name="harness",
        dockerfile=deploy / "Dockerfile",
        context=checkout,
        # Not the whole context: tests and documents change more often, and are not in the image.
        inputs=(deploy, *(checkout / name for name in _IN_THE_HARNESS)),
        ignore=deploy / "Dockerfile.dockerignore",
    )
