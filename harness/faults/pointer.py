"""JSON pointers into objects of the API, and the patch that gives a part of one back. Pure."""

from __future__ import annotations

from typing import Any


class _Missing:
    """Nothing is there; `null` is something."""


MISSING = _Missing()


def steps_of(pointer: str) -> tuple[str, ...]:
    """The parts of a JSON pointer, unescaped (RFC 6901 section 4); none for the whole document."""
    if pointer and not pointer.startswith("/"):
        raise ValueError(f"got pointer {pointer!r}, expected it to begin with /")
    parts = pointer.split("/")[1:]
    return tuple(one.replace("~1", "/").replace("~0", "~") for one in parts)


def pointer_of(steps: tuple[str, ...]) -> str:
    """The opposite of `steps_of`."""
    return "".join("/" + one.replace("~", "~0").replace("/", "~1") for one in steps)


def at(document: object, pointer: str) -> Any:  # noqa: ANN401 - any JSON
    """What is there; MISSING where nothing is."""
    here = document
    for step in steps_of(pointer):
        if isinstance(here, dict) and step in here:
            here = here[step]
        elif isinstance(here, list) and step.isdecimal() and int(step) < len(here):
            here = here[int(step)]
        else:
            return MISSING
    return here


def restoring(document: object, pointer: str, before: object) -> tuple[dict[str, object], ...]:
    """The JSON patch (RFC 6902) that makes it `before` again, `None`: that nothing is there.

    Its first operation tests what was read, so that it fails where somebody else is changing the
    same. Empty where nothing is to be done.
    """
    steps = steps_of(pointer)
    if not steps:
        raise ValueError("a whole object is not restored, only a part of it")
    now = at(document, pointer)
    if now is MISSING:
        return () if before is None else (*_parents(document, steps), _add(pointer, before))
    if now == before:
        return ()
    test: dict[str, object] = {"op": "test", "path": pointer, "value": now}
    if before is None:
        return (test, {"op": "remove", "path": pointer})
    return (test, {"op": "replace", "path": pointer, "value": before})


def _parents(document: object, steps: tuple[str, ...]) -> tuple[dict[str, object], ...]:
    """The objects on the way there that are missing as well."""
    paths = [pointer_of(steps[:depth]) for depth in range(1, len(steps))]
    return tuple(_add(path, {}) for path in paths if at(document, path) is MISSING)


def _add(path: str, value: object) -> dict[str, object]:
    return {"op": "add", "path": path, "value": value}
