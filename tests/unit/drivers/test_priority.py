"""A process that measures comes first: as far as the machine allows, and never with an error."""

import os

import pytest

from harness.drivers.priority import run_before_others


class Kernel:
    """Notes what is asked of it; refuses what it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *refused: str) -> None:
        self.asked: list[str] = []
        for name in ("sched_setscheduler", "setpriority"):

            def ask(*_arguments: object, name: str = name) -> None:
                self.asked.append(name)
                if name in refused:
                    raise PermissionError(name)

            monkeypatch.setattr(os, name, ask)


def test_real_time_where_it_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else is asked for then."""
    kernel = Kernel(monkeypatch)
    run_before_others()
    assert kernel.asked == ["sched_setscheduler"]


def test_a_nice_value_where_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """And none where that is refused, too."""
    kernel = Kernel(monkeypatch, "sched_setscheduler")
    run_before_others()
    assert kernel.asked == ["sched_setscheduler", "setpriority"]
    kernel = Kernel(monkeypatch, "sched_setscheduler", "setpriority")
    run_before_others()
    assert kernel.asked == ["sched_setscheduler", "setpriority"]
