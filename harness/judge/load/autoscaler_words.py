"""Words that findings about an autoscaler have in common. Pure text."""

from __future__ import annotations

from harness.model.autoscaling import AutoscalerSettings
from harness.model.load_judgement import Decision


def name(settings: AutoscalerSettings) -> str:
    """Who it is about."""
    return f"autoscaler {settings.name}"


def describe(settings: AutoscalerSettings) -> str:
    """The command that shows its settings, its conditions and its events."""
    return f"kubectl -n {settings.namespace} describe hpa {settings.name}"


def brief(decision: Decision) -> str:
    """When, and from how many to how many."""
    when = f"{decision.low_s:.0f} to {decision.high_s:.0f} s"
    if decision.observed == decision.before:
        return f"{when}: kept {decision.before}"
    return f"{when}: {decision.before} -> {decision.observed}"
