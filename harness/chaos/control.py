"""Our Chaos Toolkit control: keeps a run from beginning, and is missed where it is absent.

Chaos Toolkit (chaoslib 1.44) goes on without a control whose module it cannot import, and ignores
whatever a control raises but InterruptExecution. So the guard ends in that one exception, no action
of ours breaks anything before it has let the run begin (harness.chaos.context), and the process
does not enter the method without it (harness.chaos.process).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chaoslib.exceptions import InterruptExecution  # type: ignore[import-untyped]

from harness.chaos import context as drill
from harness.chaos.activity import failed, failures
from harness.chaos.injector import current
from harness.chaos.rollback import open_intents
from harness.drivers.clock import HostClock
from harness.errors import HarnessError, RecordError, RefusedError, SurroundingsError
from harness.model.codec import to_json


def before_experiment_control(context: dict[str, Any]) -> None:  # noqa: ARG001 - their name for it
    """Lets the run begin, or interrupts it: nothing is broken then."""
    try:
        _let_begin()
    except BaseException as error:
        failed(error if isinstance(error, HarnessError) else SurroundingsError(repr(error)))
        raise InterruptExecution(f"guard: {error}") from error


def before_activity_control(context: dict[str, Any]) -> None:
    """Says which activity begins. Where that cannot be said, no further action breaks anything;
    nothing is raised, since what begins may be the rollback.
    """
    try:
        beat(str(context.get("name", "")))
    except Exception as error:  # noqa: BLE001 - whatever it is, nothing more may be broken
        failed(RecordError(f"heartbeat: {error!r}"))


def after_activity_control(context: dict[str, Any]) -> None:
    """As before it: this process still does something."""
    before_activity_control(context)


def heartbeat_of(journal: Path) -> Path:
    """The file that says what an experiment's process does now, and since when."""
    return journal.with_suffix(".heartbeat")


def beat(doing: str) -> None:
    """Writes that file anew: one JSON object, whole whenever it is read. Whoever reads it asks
    whether this process lives: it need not outlive the host.
    """
    now = HostClock().now()
    file = heartbeat_of(drill.current().journal)
    partial = file.with_suffix(".part")
    partial.write_bytes(to_json({"doing": doing, "monotonic_ns": now.monotonic_ns, "utc": now.utc}))
    partial.rename(file)


def _let_begin() -> None:
    """All that must be so before anything is broken; raises where it is not."""
    injector = current()  # the planned cluster answers, or this raises
    left = open_intents(injector)
    if left:
        raise RefusedError(
            f"trial {injector.config.trial}: {left[0].action} of an earlier attempt is not put "
            "back, expected nothing open",
            hint="harness recover",
        )
    if failures():
        raise RefusedError(f"a failure before the beginning: {failures()[0]}")
    beat("begin")
    drill.guard_stands()
