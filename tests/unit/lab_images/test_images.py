"""What all images of the lab have in common, and what Redis is told by its entry script."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
IMAGES = ROOT / "lab" / "images"
DOCKERFILES = sorted([*IMAGES.glob("*/Dockerfile"), ROOT / "deploy" / "Dockerfile"])


def instructions(dockerfile: Path) -> list[str]:
    """The Dockerfile's lines without comments."""
    return [line for line in dockerfile.read_text().splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
def test_every_image_runs_as_the_documented_user(dockerfile: Path) -> None:
    """65532, as a number: a node cannot tell whether a name is root. Busybox helps as root."""
    users = [line for line in instructions(dockerfile) if line.startswith("USER")]
    expected = [] if dockerfile.parent.name == "busybox" else ["USER 65532:65532"]
    assert users == expected


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
def test_every_image_starts_from_one_base(dockerfile: Path) -> None:
    """Which can be another than the public one; or from nothing."""
    lines = instructions(dockerfile)
    bases = {line.split()[1] for line in lines if line.startswith("FROM")}
    assert bases in ({"${BASE}"}, {"scratch"})
    assert ("ARG BASE=debian:12-slim" in lines) == (bases == {"${BASE}"})


@pytest.mark.parametrize("image", ["checkout", "postgres"])
def test_python_packages_are_pinned_by_their_hashes(image: str) -> None:
    """And every package that is asked for is among them."""
    text = (IMAGES / image / "requirements.txt").read_text()
    pins = re.findall(r"^([a-z0-9-]+)==\S+.* \\\n    --hash=sha256:", text, re.MULTILINE)
    assert len(pins) == text.count("==")
    asked = re.findall(
        r"^[a-z0-9-]+", (IMAGES / image / "requirements.in").read_text(), re.MULTILINE
    )
    assert set(asked) <= set(pins)


def redis_settings(tmp_path: Path, *arguments: str, **environment: str) -> list[str]:
    """What the entry script would have redis-server read, and its arguments as the last line."""
    stand_in = tmp_path / "redis-server"
    stand_in.write_text('#!/bin/sh\ncat\necho "$@"\n')
    stand_in.chmod(0o755)
    done = subprocess.run(
        ["sh", str(IMAGES / "redis" / "entry.sh"), *arguments],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout.splitlines()


def test_a_redis_of_the_cluster_announces_its_pod(tmp_path: Path) -> None:
    lines = redis_settings(tmp_path, POD_IP="10.0.0.7")
    assert {"cluster-enabled yes", "cluster-announce-ip 10.0.0.7"} <= set(lines)
    assert "cluster-config-file /data/nodes.conf" in lines


def test_a_redis_of_the_cluster_must_know_its_address(tmp_path: Path) -> None:
    """Announcing none, it could not be found again after a restart."""
    with pytest.raises(subprocess.CalledProcessError) as caught:
        redis_settings(tmp_path)
    assert "POD_IP" in caught.value.stderr


def test_the_broker_is_a_redis_alone(tmp_path: Path) -> None:
    lines = redis_settings(tmp_path, CLUSTER_ENABLED="no")
    assert "cluster-enabled no" in lines
    assert not any(line.startswith("cluster-announce") for line in lines)


def test_the_password_is_in_no_argument(tmp_path: Path) -> None:
    """Arguments are shown by `ps`; those that are given win over the settings."""
    *lines, arguments = redis_settings(
        tmp_path, "--save", "", CLUSTER_ENABLED="no", REDIS_PASSWORD="hush"
    )
    assert {'requirepass "hush"', 'masterauth "hush"'} <= set(lines)
    assert arguments.split() == ["-", "--save"]
