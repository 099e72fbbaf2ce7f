"""The exit-code table: what a scheduler learns from a command without reading its output."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

if TYPE_CHECKING:  # msgspec is half of what `harness --help` would take
    from harness.model.verdict import Verdict

PASSED = 0
FAILED = 1
USAGE = 2
INCONCLUSIVE = 3
REFUSED = 4
NOT_HEALED = 5

TABLE = """\b
Exit codes:
  0    all PASS
  1    a target FAILED
  2    usage or input file
  3    INCONCLUSIVE, none failed
  4    refused for safety, nothing touched
  5    clean-up failed: something is left behind (wins over the others)
  130  interrupted by SIGINT, healed
  143  interrupted by SIGTERM, healed"""


def exit_code(verdict: Verdict) -> int:
    """The exit code of a run with that verdict."""
    from harness.model.verdict import Verdict

    match verdict:
        case Verdict.PASS:
            return PASSED
        case Verdict.FAIL:
            return FAILED
        case Verdict.INCONCLUSIVE:
            return INCONCLUSIVE
    assert_never(verdict)
