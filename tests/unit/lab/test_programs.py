"""When the Kubernetes programs are built, by which Go, and where they are kept; none is built."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.drivers import process
from harness.errors import InputError
from harness.lab import programs
from harness.lab.cache import cache_directory
from harness.lab.programs import CLUSTER, KWOK, build


def test_the_cache_directory_that_was_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """It wins over the user's."""
    monkeypatch.setenv("HARNESS_CACHE_DIR", "/large/cache")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_directory() == Path("/large/cache")


@pytest.mark.parametrize("chosen", [None, ""])
def test_the_user_s_cache_directory(monkeypatch: pytest.MonkeyPatch, chosen: str | None) -> None:
    """As the desktop's specification has it; an empty choice is none."""
    monkeypatch.setenv("HOME", "/home/user")
    for name in ("HARNESS_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
        if chosen is not None:
            monkeypatch.setenv(name, chosen)
    assert cache_directory() == Path("/home/user/.cache/harness")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_directory() == Path("/xdg/harness")


class Gos:
    """Stands in for the Go toolchains of a machine, by their paths; compiles into nothing."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.system = tmp_path / "usr" / "bin" / "go"
        self.beside_python = tmp_path / "venv" / "bin" / "go"
        self.versions: dict[str, str] = {}
        self.compiled = 0
        monkeypatch.setattr(
            shutil, "which", lambda _: str(self.system) if self.system.exists() else None
        )
        monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
        monkeypatch.setattr(process, "run", self._run)
        monkeypatch.setattr(programs, "_compile", self._compile)

    def install(self, path: Path, version: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self.versions[str(path)] = version

    def _run(
        self,
        argv: tuple[str | Path, ...],
        *,
        directory: Path,
        environment: Mapping[str, str],
        timeout_s: float,
    ) -> process.Completed:
        program, *words = (str(word) for word in argv)
        said = {
            "env": self.versions[program],
            "-m": "v1.34.4",
            "-deps": "a\nb",
        }
        key = next(word for word in words if word in said)
        return process.Completed(
            argv=(program, *words), returncode=0, stdout=f"{said[key]}\n", stderr=""
        )

    def _compile(self, _go: object, _source: Path, package: str, made: Path, *_: object) -> None:
        self.compiled += package.endswith("/pause")
        (made / package.rsplit("/", 1)[1]).touch()


@pytest.fixture
def gos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gos:
    """A machine without Go."""
    return Gos(tmp_path, monkeypatch)


@pytest.mark.parametrize("version", ["go1.24.0", "go1.26.8", "go1.100rc1", "go1.24.4 X:nocoverage"])
def test_the_system_s_go_is_taken_where_it_is_new_enough(gos: Gos, version: str) -> None:
    """Though there is another."""
    gos.install(gos.system, version)
    gos.install(gos.beside_python, "go1.99.0")
    found = programs._find_go(gos.system.parent)
    assert (found.program, found.version) == (gos.system, version)


@pytest.mark.parametrize("version", [None, "go1.23.12", "go1.9", "", "devel"])
def test_the_go_beside_this_python_is_taken_otherwise(gos: Gos, version: str | None) -> None:
    """Where the system has none, or one that is too old, or one that says no version."""
    if version is not None:
        gos.install(gos.system, version)
    gos.install(gos.beside_python, "go1.24.4")
    assert programs._find_go(gos.beside_python.parent).program == gos.beside_python


@pytest.mark.usefixtures("gos")
def test_no_go_is_refused() -> None:
    """With what installs one."""
    with pytest.raises(InputError) as caught:
        programs._find_go(Path("/"))
    assert str(caught.value).endswith("compiles Kubernetes for the lab; there is none")
    assert caught.value.hint == "make setup-lab"


def test_an_old_go_is_refused_by_its_version(gos: Gos) -> None:
    """And its place."""
    gos.install(gos.system, "go1.19.8")
    with pytest.raises(InputError, match=f"{gos.system} is go1.19.8$"):
        programs._find_go(gos.system.parent)


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """Sources of a lab, with programs to build."""
    folder = tmp_path / "lab"
    (folder / "kubernetes").mkdir(parents=True)
    (folder / "kubernetes" / "go.mod").write_text("module x\n")
    return folder


def test_programs_are_built_once(gos: Gos, tmp_path: Path, sources: Path) -> None:
    """All of them, where anybody can read them; nothing of the build is left beside them."""
    gos.install(gos.system, "go1.24.4")
    said: list[str] = []
    made = build(tmp_path / "cache", said.append, sources)
    assert {path.name for path in made.iterdir()} == set(CLUSTER.names)
    assert made.stat().st_mode & 0o777 == 0o755
    assert list(made.parent.iterdir()) == [made]
    assert said == ["building k8s.io/kubernetes v1.34.4: 2 packages; the first time takes minutes"]
    assert build(tmp_path / "cache", said.append, sources) == made
    assert (gos.compiled, len(said)) == (1, 1)


def test_programs_are_built_again_where_what_makes_them_changed(
    gos: Gos, tmp_path: Path, sources: Path
) -> None:
    """Their sources, or the compiler; what was built before stays."""
    gos.install(gos.system, "go1.24.4")
    first = build(tmp_path / "cache", print, sources)
    (sources / "kubernetes" / "go.mod").write_text("module y\n")
    second = build(tmp_path / "cache", print, sources)
    gos.install(gos.system, "go1.24.5")
    third = build(tmp_path / "cache", print, sources)
    assert len({first, second, third}) == gos.compiled == 3
    assert all(made.is_dir() for made in (first, second, third))


def test_a_failed_build_leaves_nothing(
    gos: Gos, tmp_path: Path, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or half a set of programs would be taken for a whole one."""
    gos.install(gos.system, "go1.24.4")

    def fail(_go: object, _source: Path, package: str, made: Path, *_: object) -> None:
        (made / package.rsplit("/", 1)[1]).touch()
        raise KeyboardInterrupt

    with monkeypatch.context() as failing:
        failing.setattr(programs, "_compile", fail)
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path / "cache", print, sources)
    assert list((tmp_path / "cache" / "programs").iterdir()) == []
    assert build(tmp_path / "cache", print, sources).is_dir()


def test_a_module_of_its_own_is_built_apart(gos: Gos, tmp_path: Path, sources: Path) -> None:
    """kwok, whose libraries are others: it is not built with the cluster's programs."""
    gos.install(gos.system, "go1.26.0")
    (sources / "kubernetes" / "kwok").mkdir()
    (sources / "kubernetes" / "kwok" / "go.mod").write_text("module y\n")
    cluster = build(tmp_path / "cache", print, sources)
    kwok = build(tmp_path / "cache", print, sources, KWOK)
    assert [path.name for path in kwok.iterdir()] == ["kwok"]
    assert "kwok" not in {path.name for path in cluster.iterdir()}
