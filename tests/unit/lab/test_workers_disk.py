"""Images are built once for what they are made from; workers share their files, not databases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.drivers import process
from harness.errors import SurroundingsError
from harness.lab import images
from harness.lab.images import Builder, Image, give_disk


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A disk with an image's file, a link, an executable and two databases, one of them deep."""
    made = tmp_path / "disk"
    (made / "snapshots" / "1").mkdir(parents=True)
    (made / "snapshots" / "1" / "file").write_text("of an image")
    (made / "snapshots" / "1" / "program").write_text("#!/bin/sh\n")
    (made / "snapshots" / "1" / "program").chmod(0o4755)
    (made / "snapshots" / "1" / "link").symlink_to("file")
    (made / "meta.db").write_text("database")
    (made / "snapshots" / "metadata.db").write_text("deep")
    return made


def tree(root: Path) -> dict[str, str]:
    """The relative paths of all files, and what is in them."""
    return {
        str(path.relative_to(root)): path.read_text()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_image_files_are_shared_and_databases_are_copies(disk: Path, tmp_path: Path) -> None:
    """A worker that writes to its database changes neither the disk nor another worker."""
    workers = [tmp_path / name / "lib" / "containerd" for name in ("one", "two")]
    for worker in workers:
        give_disk(disk, worker)
        assert tree(worker) == tree(disk)
    one, two = workers
    for name in ("snapshots/1/file", "snapshots/1/program"):
        assert (one / name).stat().st_ino == (two / name).stat().st_ino
        assert (one / name).stat().st_ino == (disk / name).stat().st_ino
    assert (one / "snapshots/1/program").stat().st_mode & 0o7777 == 0o4755
    assert (one / "snapshots/1/link").readlink() == Path("file")
    for name in ("meta.db", "snapshots/metadata.db"):
        (one / name).write_text("changed")
        assert (disk / name).read_text() != "changed"
        assert (two / name).read_text() == (disk / name).read_text()


def test_an_empty_directory_is_filled(disk: Path, tmp_path: Path) -> None:
    """A mount point, for instance."""
    (tmp_path / "empty").mkdir()
    give_disk(disk, tmp_path / "empty")
    assert tree(tmp_path / "empty") == tree(disk)


def test_what_a_machine_has_stays(disk: Path, tmp_path: Path) -> None:
    """Its disk outlives a power cut."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "meta.db").write_text("of the machine")
    give_disk(disk, own)
    assert tree(own) == {"meta.db": "of the machine"}


def test_a_disk_that_cannot_be_filled_is_named(tmp_path: Path) -> None:
    """With what the copying said."""
    (tmp_path / "disk").write_text("no directory")
    (tmp_path / "to").mkdir()
    with pytest.raises(SurroundingsError, match=f"^{tmp_path / 'to'}: the disk could not be"):
        give_disk(tmp_path / "disk", tmp_path / "to")


class Buildah:
    """Stands in for buildah: notes what it was asked, and writes an archive on `push`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.fails_at = ""
        monkeypatch.setattr(Builder, "_run", self._run)

    def _run(self, *argv: str | Path, may_fail: bool = False) -> process.Completed:
        words = tuple(str(word) for word in argv)
        if words[:3] == ("unshare", "--mount", "buildah"):
            words = words[2:]  # what it mounts goes with it
        command = words[5:] if words[0] == "buildah" else words  # without where it stores
        self.calls.append(command)
        if command[0] == self.fails_at:
            raise SurroundingsError("failed")
        if command[0] == "push":
            Path(command[3].split(":")[1]).write_text("archive")
        return process.Completed(argv=words, returncode=0, stdout="container\n", stderr="")

    def told(self, command: str) -> list[tuple[str, ...]]:
        """The calls of one command."""
        return [call for call in self.calls if call[0] == command]


@pytest.fixture
def buildah(monkeypatch: pytest.MonkeyPatch) -> Buildah:
    """Nothing is built, and nothing of this host's settings is used."""
    monkeypatch.setattr(images, "_settings_of_this_host", lambda: ((), {}))
    return Buildah(monkeypatch)


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "build.sh").write_text("base\n")
    return Builder(tmp_path / "cache", tmp_path / "base", lambda _: None)


def image(tmp_path: Path, name: str = "one", **arguments: str) -> Image:
    """An image that stands on nothing, made from one folder."""
    context = tmp_path / "context"
    context.mkdir(exist_ok=True)
    if not (context / "Dockerfile").exists():
        (context / "Dockerfile").write_text("FROM scratch\n")
    return Image(
        name=name,
        dockerfile=context / "Dockerfile",
        context=context,
        inputs=(context,),
        arguments=arguments,
        on_base=False,
    )


def test_an_image_is_built_once(buildah: Buildah, builder: Builder, tmp_path: Path) -> None:
    """The archive has the name that manifests use; nothing half written is left."""
    archive = builder.archive(image(tmp_path, PROGRAM="x"))
    assert builder.archive(image(tmp_path, PROGRAM="x")) == archive
    (build,), (push,) = buildah.told("bud"), buildah.told("push")
    assert "--pull-never" in build
    assert build[build.index("--build-arg") + 1] == "PROGRAM=x"
    assert build[-3:] == ("-f", f"{tmp_path}/context/Dockerfile", f"{tmp_path}/context")
    assert push[3].endswith(":harness.local/one:lab")
    assert list(archive.parent.iterdir()) == [archive]
    assert archive.read_text() == "archive"


def test_an_image_is_built_again_where_what_it_is_made_from_changed(
    buildah: Buildah, builder: Builder, tmp_path: Path
) -> None:
    """Name, arguments and inputs; each is an archive of its own."""
    archives = {builder.archive(image(tmp_path))}
    archives.add(builder.archive(image(tmp_path, "two")))
    archives.add(builder.archive(image(tmp_path, PROGRAM="x")))
    archives.add(builder.archive(image(tmp_path, PROGRAM="y")))
    (tmp_path / "context" / "Dockerfile").write_text("FROM scratch\nUSER 1\n")
    archives.add(builder.archive(image(tmp_path)))
    assert len(archives) == len(buildah.told("bud")) == 5


def on_base(tmp_path: Path) -> Image:
    plain = image(tmp_path)
    return Image(
        name="based", dockerfile=plain.dockerfile, context=plain.context, inputs=plain.inputs
    )


def test_an_image_on_the_base_is_built_again_where_that_changed(
    buildah: Buildah, builder: Builder, tmp_path: Path
) -> None:
    """It is told the base by its local name; one that stands on nothing is not."""
    archives = {builder.archive(on_base(tmp_path)), builder.archive(image(tmp_path))}
    (tmp_path / "base" / "build.sh").write_text("another base\n")
    archives |= {builder.archive(on_base(tmp_path)), builder.archive(image(tmp_path))}
    assert len(archives) == 3
    told = ["BASE=localhost/harness/base:lab" in call for call in buildah.told("bud")]
    assert told == [True, False, True]
    assert len(buildah.told("tag")) == 2


@pytest.mark.parametrize("step", ["bud", "push"])
def test_a_build_that_failed_is_tried_again(
    buildah: Buildah, builder: Builder, tmp_path: Path, step: str
) -> None:
    """Nothing of it is taken for an archive."""
    buildah.fails_at = step
    with pytest.raises(SurroundingsError):
        builder.archive(image(tmp_path))
    buildah.fails_at = ""
    assert builder.archive(image(tmp_path)).is_file()
    assert len(buildah.told("bud")) == 2


def test_a_command_that_fails_is_shown_with_its_last_lines(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what to do; where it may fail, its exit code is the answer."""
    said = "\n".join(f"line {number}" for number in range(20))

    def run(argv: Sequence[str | Path], **_: object) -> process.Completed:
        words = tuple(str(word) for word in argv)
        return process.Completed(argv=words, returncode=125, stdout="", stderr=said)

    monkeypatch.setattr(process, "run", run)
    with pytest.raises(SurroundingsError) as caught:
        builder._buildah("bud")
    first, *last = str(caught.value).splitlines()
    assert first == "unshare --mount buildah ...: ended with 125:"
    assert last == [f"line {number}" for number in range(5, 20)]
    assert caught.value.hint is not None
    assert builder._buildah("images", may_fail=True).returncode == 125


@pytest.mark.usefixtures("buildah")
def test_a_disk_is_made_once_for_its_images(
    builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whatever order they are named; with another image it is another disk."""
    imported: list[list[str]] = []

    def unpack(archives: Sequence[Path], made: Path) -> None:
        imported.append([archive.name.rpartition("-")[0] for archive in archives])
        (made / "meta.db").touch()

    monkeypatch.setattr(images, "_import", unpack)
    one, two = image(tmp_path), image(tmp_path, "two")
    made = builder.disk([one, two])
    assert builder.disk([two, one]) == made
    assert (made / "meta.db").is_file()
    other = builder.disk([one])
    assert imported == [["one", "two"], ["one"]]
    assert (other / "meta.db").is_file()
    assert not made.exists()  # nobody asks for it any more


@pytest.mark.usefixtures("buildah")
def test_a_disk_that_failed_leaves_nothing(
    builder: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a disk would be taken for a whole one."""

    def fail(_archives: Sequence[Path], made: Path) -> None:
        (made / "half").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(images, "_import", fail)
    with pytest.raises(KeyboardInterrupt):
        builder.disk([image(tmp_path)])
    assert list((tmp_path / "cache" / "disks").iterdir()) == []
