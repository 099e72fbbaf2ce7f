"""Reads what a Chaos Toolkit document does: its activities, with their arguments filled in. Pure.

Chaos Toolkit's own words: https://chaostoolkit.org/reference/api/experiment/.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from harness.errors import InputError

OURS = "harness.chaos"
"""The package of the actions and probes that the harness knows the rights and effects of."""

_NAME = re.compile(r"\$\{(?P<name>[^}]+)\}")


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """One action or probe of an experiment."""

    name: str
    part: str
    """`hypothesis`, `method` or `rollbacks`."""

    action: bool
    module: str
    """Python module; empty for another provider than Python."""

    function: str
    """Of the module; else what the provider is."""

    arguments: dict[str, str]
    """With the configuration filled in, as text; JSON of what is no single value."""

    @property
    def is_ours(self) -> bool:
        """Whether the harness knows what it does."""
        return self.module == OURS or self.module.startswith(f"{OURS}.")


def activities(
    document: Mapping[str, Any], configuration: Mapping[str, str], *, name: str
) -> tuple[Activity, ...]:
    """All activities in the order of the document: hypothesis, method, rollbacks.

    `configuration` overrides the document's own; `name` is for messages. Raises InputError where
    an override is not declared (Chaos Toolkit would ignore it) or an activity is not readable.
    """
    declared = document.get("configuration") or {}
    unknown = sorted(set(configuration) - set(declared))
    if unknown:
        raise InputError(
            f"experiment {name}: configuration: got {', '.join(unknown)}, expected of what it "
            f"declares: {', '.join(sorted(declared)) or 'nothing'}"
        )
    values = {key: _text(value) for key, value in declared.items()} | dict(configuration)
    return tuple(_all(document, values, name))


def declared_rights(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Rights that a document says its foreign actions need: of `extensions`, the one with the name
    `harness`: `rights: [create podchaos.chaos-mesh.org in shop]`.
    """
    return tuple(
        str(right)
        for extension in document.get("extensions") or ()
        if extension.get("name") == "harness"
        for right in extension.get("rights") or ()
    )


def _all(document: Mapping[str, Any], values: Mapping[str, str], name: str) -> Iterator[Activity]:
    hypothesis = document.get("steady-state-hypothesis") or {}
    for part, found in (
        ("hypothesis", hypothesis.get("probes")),
        ("method", document.get("method")),
        ("rollbacks", document.get("rollbacks")),
    ):
        for one in found or ():
            try:
                yield _activity(one, part, values)
            except (KeyError, TypeError, AttributeError) as error:
                raise InputError(
                    f"experiment {name}: {part}: an activity lacks {error}, expected one that "
                    "`chaos validate` accepts",
                    hint=f"chaos validate experiments/{name}.yaml",
                ) from error


def _activity(one: Mapping[str, Any], part: str, values: Mapping[str, str]) -> Activity:
    provider = one["provider"]
    python = provider["type"] == "python"
    return Activity(
        name=str(one["name"]),
        part=part,
        action=one["type"] == "action",
        module=str(provider["module"]) if python else "",
        function=str(provider["func"]) if python else f"{provider['type']} provider",
        arguments={
            key: _NAME.sub(lambda found: values.get(found["name"], found[0]), _argument(value))
            for key, value in (provider.get("arguments") or {}).items()
        }
        if python
        else {},
    )


def _argument(value: object) -> str:
    return json.dumps(value) if isinstance(value, dict | list) else _text(value)


def _text(value: object) -> str:
    """A configuration's value as text; of one from the environment its default: what it is there
    cannot be known before.
    """
    if isinstance(value, dict):
        return str(value.get("default", ""))
    return "" if value is None else str(value)
