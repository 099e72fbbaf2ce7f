"""The flags that a program of a cluster was started with, as the pod that it runs in says."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any


def flags(pod_spec: Mapping[str, Any]) -> dict[str, str]:
    """`--name=value` and `--name value` of all its containers: name -> value; `true` where none is
    given. Pure.
    """
    found: dict[str, str] = {}
    for container in pod_spec["containers"]:
        words = [*(container.get("command") or ()), *(container.get("args") or ())]
        for word, following in pairwise([*words, "--"]):
            if word.startswith("--"):
                name, equals, value = word.removeprefix("--").partition("=")
                given = value if equals else following
                found[name] = "true" if given.startswith("--") and not equals else given
    return found
