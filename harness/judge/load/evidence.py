"""What the judges of a load test are given: plan, history, samples and timelines. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from harness.model.autoscaling import Sighting
from harness.model.history import History
from harness.model.load_test import LoadPlan

Samples = npt.NDArray[Any]
"""Of harness.model.sample.DTYPE."""


@dataclass(frozen=True, kw_only=True)
class LoadRun:
    """One run of a load test, as it was recorded."""

    plan: LoadPlan
    history: History
    samples: Mapping[str, Samples]
    """Name of a file of samples -> its array."""

    timelines: Mapping[str, tuple[Sighting, ...]]
    """Name of a timeline's file -> its looks."""

    before: LoadRun | None = None
    """The run of the version that this one is compared with; None: there is none."""
