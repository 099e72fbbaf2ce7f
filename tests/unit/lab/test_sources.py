"""What identifies the lab's sources: names and contents, nothing of where or in which order."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import InputError
from harness.lab.sources import SOURCES, digest_of, source

Tree = Mapping[str, bytes]
"""Relative name -> content."""

NAMES = st.from_regex(r"[ab]{1,2}(\.py)?|\.[ab]", fullmatch=True)
TREES = st.dictionaries(
    st.lists(st.sampled_from(("sub", "dir")), max_size=2).flatmap(
        lambda folders: NAMES.map(lambda name: "/".join((*folders, name)))
    ),
    st.binary(max_size=3),
    min_size=1,
    max_size=4,
)
ON_DISK = settings(deadline=None, max_examples=50)
"""A slow disk is no failure."""

CACHES = ("__pycache__", ".mypy_cache", ".pytest_cache", "sub/__pycache__", ".git/objects")


def written(directory: Path, tree: Tree) -> Path:
    """A folder with these files."""
    for name, content in tree.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)
    return directory


def digest(tree: Tree) -> str:
    """Of a folder with these files, wherever it is."""
    with tempfile.TemporaryDirectory() as directory:
        return digest_of(written(Path(directory) / "sources", tree))


@ON_DISK
@given(TREES, TREES)
def test_trees_have_one_digest_where_they_are_equal_and_only_there(one: Tree, other: Tree) -> None:
    """Names and contents count, the place does not."""
    assert digest(one) == digest(dict(reversed(list(one.items()))))
    assert (digest(one) == digest(other)) == (one == other)


@ON_DISK
@given(TREES, st.data())
def test_a_changed_content_is_another_digest(tree: Tree, data: st.DataObject) -> None:
    """Of any file, by a byte."""
    name = data.draw(st.sampled_from(sorted(tree)))
    assert digest({**tree, name: tree[name] + b"x"}) != digest(tree)


@ON_DISK
@given(TREES, st.data())
def test_a_changed_name_is_another_digest(tree: Tree, data: st.DataObject) -> None:
    """Though the content is the same."""
    name = data.draw(st.sampled_from(sorted(tree)))
    renamed = {(key if key != name else f"{key}-new"): content for key, content in tree.items()}
    assert digest(renamed) != digest(tree)


@ON_DISK
@given(TREES)
def test_contents_that_change_places_are_another_digest(tree: Tree) -> None:
    """Unless they are equal."""
    swapped = dict(zip(tree, reversed(list(tree.values())), strict=True))
    assert (digest(swapped) == digest(tree)) == (swapped == tree)


@ON_DISK
@given(TREES, st.sampled_from(CACHES), st.binary(max_size=3))
def test_what_tools_leave_behind_is_ignored(tree: Tree, cache: str, content: bytes) -> None:
    """Folders that begin with a dot and Python's caches, at any depth."""
    assert digest({**tree, f"{cache}/x/y.py": content}) == digest(tree)


def test_a_file_that_begins_with_a_dot_counts() -> None:
    """.dockerignore decides what is in an image."""
    tree = {"Dockerfile": b"FROM scratch\n"}
    assert digest({**tree, ".dockerignore": b"tests\n"}) != digest(tree)


@ON_DISK
@given(st.permutations(("one", "two", "three")))
def test_the_order_of_paths_does_not_matter(names: list[str]) -> None:
    """Files and folders."""
    with tempfile.TemporaryDirectory() as directory:
        folder = written(Path(directory), {"one": b"1", "two/x": b"2", "three/y/z": b"3"})
        paths = [folder / name for name in names]
        assert digest_of(*paths) == digest_of(folder / "one", folder / "two", folder / "three")


def test_each_path_counts(tmp_path: Path) -> None:
    """A file or a folder more is another digest."""
    folder = written(tmp_path, {"one": b"1", "two/x": b"2"})
    digests = {
        digest_of(),
        digest_of(folder / "one"),
        digest_of(folder / "two"),
        digest_of(folder / "one", folder / "two"),
    }
    assert len(digests) == 4


def test_a_source_is_found() -> None:
    """A file and a folder."""
    assert source("addons") == SOURCES / "addons"
    assert source("kubernetes", "go.mod").is_file()


def test_a_source_that_is_not_there_is_named() -> None:
    """The harness was installed without a checkout."""
    with pytest.raises(InputError) as caught:
        source("addons", "absent.yaml")
    assert str(caught.value).startswith(f"{SOURCES / 'addons' / 'absent.yaml'}: no such path")
