"""The patch that gives a part of an object back does exactly that, whatever it is now."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes_api import StandInApi

from harness.faults.pointer import MISSING, at, pointer_of, restoring, steps_of

NAMES = st.sampled_from(["a", "b", "c/d", "e~f", ""])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=6,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=3)


def test_a_pointer_has_steps() -> None:
    """RFC 6901: `~1` is a slash, `~0` a tilde; the empty one is the whole document."""
    assert steps_of("") == ()
    assert steps_of("/a~1b/c~0d/0") == ("a/b", "c~d", "0")
    assert steps_of("/~01") == ("~1",)
    with pytest.raises(ValueError, match="begin with /"):
        steps_of("a")


@given(st.lists(st.text(max_size=3), max_size=4))
def test_steps_and_pointers_are_the_same(steps: list[str]) -> None:
    """There and back."""
    assert steps_of(pointer_of(tuple(steps))) == tuple(steps)


def test_null_is_something() -> None:
    """And what is not there is not."""
    assert at({"a": None}, "/a") is None
    assert at({"a": None}, "/b") is MISSING
    assert at({"a": [1]}, "/a/0") == 1
    assert at({"a": [1]}, "/a/1") is MISSING
    assert at({"a": 1}, "/a/b") is MISSING


def test_what_is_as_before_needs_nothing() -> None:
    """Undone by somebody else, or never done."""
    assert restoring({"spec": {"a": 1}}, "/spec/a", 1) == ()
    assert restoring({"spec": {}}, "/spec/a", None) == ()


def test_a_whole_object_is_not_restored() -> None:
    """It would take back what is not ours."""
    with pytest.raises(ValueError, match="only a part"):
        restoring({}, "", {})


@given(OBJECTS, VALUES, st.lists(NAMES, min_size=1, max_size=3))
def test_any_part_of_any_object_comes_back(now: Any, before: Any, steps: list[str]) -> None:  # noqa: ANN401 - any JSON
    """Also where its parents are gone; again it needs nothing."""
    pointer = pointer_of(("spec", *steps))
    document = {"metadata": {"name": "x", "namespace": "y"}, "spec": now}
    parents = [at(document, pointer_of(("spec", *steps[:depth]))) for depth in range(len(steps))]
    if not all(one is MISSING or isinstance(one, dict) for one in parents):
        return  # something of another shape is on the way: the API refuses that patch
    api = StandInApi()
    api.put("applications", document)
    which = ("argoproj.io/v1alpha1", "Application", "y", "x")
    cluster = api.cluster()
    operations = restoring(document, pointer, before)
    if operations:
        cluster.patch_object(*which, operations)
    found = cluster.get_object(*which)
    result = at(found, pointer)
    assert json.dumps(result if result is not MISSING else None) == json.dumps(before)
    assert restoring(found, pointer, before) == ()
