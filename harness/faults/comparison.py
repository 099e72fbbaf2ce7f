"""Decides what of a cluster is not as it was, from two snapshots. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator

from harness.model.cluster import Snapshot


def compare(before: Snapshot, after: Snapshot) -> tuple[str, ...]:
    """What differs, a line each: `Node/worker-2 spec.unschedulable: absent -> true`."""
    lines: list[str] = []
    for fact in sorted({*before.facts, *after.facts}):
        old, new = before.facts.get(fact), after.facts.get(fact)
        if old == new:
            continue
        lines += (
            f"{fact}{path}: {_short(was)} -> {_short(now)}"
            for path, was, now in _differences(_value(old), _value(new))
        )
    return tuple(lines)


class _Absent:
    """There is no such fact, which is not the same as `null`."""


_ABSENT = _Absent()


def _differences(old: object, new: object, path: str = "") -> Iterator[tuple[str, object, object]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _differences(old.get(key, _ABSENT), new.get(key, _ABSENT), f"{path}.{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _differences(one, other, f"{path}[{index}]")
    elif type(old) is not type(new) or old != new:
        yield path, old, new


def _value(text: str | None) -> object:
    return _ABSENT if text is None else json.loads(text)


def _short(value: object) -> str:
    if value is _ABSENT:
        return "absent"
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return text if len(text) <= 100 else f"{text[:97]}..."
