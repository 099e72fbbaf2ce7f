"""Says of a target why no run could ever show it to be met or missed, where that is so. Pure."""

from __future__ import annotations

from harness.model.configuration import ReviewCycle, Unmeasured
from harness.model.target import Target, Volume


def no_check(target: Target) -> str | None:
    """Why, and what would be needed, in words; None: a run can show it."""
    match target.objective:
        case Volume():
            return "a size that restore times are extrapolated to, and no promise to keep"
        case ReviewCycle():
            return "no run reads the document: harness targets check --document FILE"
        case Unmeasured(why=why, needs=needs):
            return f"{why.rstrip('.')}; needs {needs}"
        case _:
            return None
