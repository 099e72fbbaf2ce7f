"""Which labels a label selector of the Kubernetes API selects. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Labels = Mapping[str, str]


def labels_of(one: Mapping[str, Any]) -> dict[str, str]:
    """Of an object."""
    return dict(one["metadata"].get("labels") or {})


def selects(selector: Mapping[str, Any], labels: Labels) -> bool:
    """Whether a LabelSelector does: all of matchLabels and of matchExpressions; an empty one does
    all (Kubernetes API, LabelSelector).
    """
    return has(selector.get("matchLabels") or {}, labels) and all(
        _meets(one, labels) for one in selector.get("matchExpressions") or ()
    )


def is_particular(selector: Mapping[str, Any]) -> bool:
    """Whether it asks for a label at all, and does not select everything."""
    return bool(selector.get("matchLabels") or selector.get("matchExpressions"))


def has(wanted: Labels, labels: Labels) -> bool:
    """Whether these labels have those values."""
    return all(labels.get(key) == value for key, value in wanted.items())


def equalities(text: str) -> dict[str, str]:
    """`app=postgresql,role=primary` as labels."""
    return dict(part.split("=", 1) for part in text.split(",") if "=" in part)


def _meets(requirement: Mapping[str, Any], labels: Labels) -> bool:
    value, values = labels.get(requirement["key"]), requirement.get("values") or ()
    match requirement["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:  # DoesNotExist; the API takes no other.
            return value is None
