"""What an experiment's actions are told: cluster, workloads, and where facts and intents go.

Chaos Toolkit passes only what stands in the experiment's file; the rest is here, one for each
process. Without it every action refuses: `chaos run` of an experiment by hand breaks nothing.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import msgspec

from harness.errors import RefusedError
from harness.model.cluster import ClusterAccess
from harness.model.game_day import Caps
from harness.model.workload import Workload


class ExperimentConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file that `harness experiment --config FILE` reads, written by the supervisor."""

    run: str
    trial: str
    environment: str
    experiment: Path
    """The Chaos Toolkit file."""

    digest: str
    """SHA-256 that it must have: what was planned is what runs."""

    configuration: dict[str, str]
    """Overrides of the experiment's `configuration`."""

    cluster: ClusterAccess
    workloads: tuple[Workload, ...]
    caps: Caps
    seed: int
    state: Path
    """State directory of intents (harness.faults.intents)."""

    facts: Path
    """Facts are appended here, one JSON line of model.history.Event each, fsynced."""

    journal: Path
    """Where Chaos Toolkit's journal is written, also where the experiment is interrupted."""

    release: Path
    """When this file is there, the action `hold` ends and the rollbacks begin: the supervisor has
    seen the recovery, or the watch is over."""

    deadline: timedelta
    """`hold` ends after it at the latest, whether or not the supervisor lives."""


_current: ExperimentConfig | None = None
_supervisor: int | None = None


def enter(config: ExperimentConfig) -> None:
    """Makes it this process's; there is one experiment a process, whose parent supervises it."""
    global _current, _supervisor  # noqa: PLW0603 - Chaos Toolkit calls actions by name, with no context
    _current = config
    _supervisor = os.getppid()


def is_supervised() -> bool:
    """Whether the supervisor lives: an orphan gets another parent (credentials(7))."""
    return os.getppid() == _supervisor


def current() -> ExperimentConfig:
    """This process's; RefusedError where there is none."""
    if _current is None:
        raise RefusedError(
            "no drill is going on: an action runs only under the harness's supervision",
            hint="harness run game-day -e ENVIRONMENT --only EXPERIMENT",
        )
    return _current


_guarded = False


def guard_stands(*, stands: bool = True) -> None:
    """Told by our Chaos Toolkit control, when it has looked and found that the run may begin."""
    global _guarded  # noqa: PLW0603 - as above
    _guarded = stands


def require_guarded() -> None:
    """RefusedError where our control was never called: Chaos Toolkit goes on without a control that
    it cannot import, and ignores what goes wrong in one.
    """
    if not _guarded:
        raise RefusedError(
            "no guard watches this experiment, expected the control harness.chaos.control",
            hint="harness run game-day -e ENVIRONMENT --only EXPERIMENT",
        )
