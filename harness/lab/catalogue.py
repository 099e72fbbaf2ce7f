"""Which images the lab has, and what each is made from."""

from __future__ import annotations

from pathlib import Path

from harness.errors import InputError
from harness.lab.images import Image
from harness.lab.sources import source

_SYSTEM = ("pause", "coredns", "metrics-server", "local-path-provisioner")
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
    """What the documented platform runs."""
    return tuple(
        Image(
            name=name,
            dockerfile=source("images", name, "Dockerfile"),
            context=source("images", name),
            inputs=(source("images", name),),
        )
        for name in ("postgres", "redis", "checkout")
    )
