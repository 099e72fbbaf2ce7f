"""Errors, grouped by who must act; each says subject, got, expected and the next command.

A missed target is a finding and never an exception; a timeout is an observation.
"""

from __future__ import annotations

import signal


class HarnessError(Exception):
    """Base of all errors that the command line shows without a traceback."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        """`message` names subject, got and expected; `hint` is the next command to type."""
        super().__init__(message)
        self.hint = hint


class InputError(HarnessError):
    """A file or an argument is wrong: its owner mends it. Nothing was touched."""


class RefusedError(HarnessError):
    """Refused for safety before anything was touched."""

    exit_code = 4


class SurroundingsError(HarnessError):
    """A system under test, or a tool, answered in a way that stops this step."""

    exit_code = 3


class StoreError(SurroundingsError):
    """The object store refused, timed out, redirected or reset."""


class RestoreError(SurroundingsError):
    """A backup could not be listed, fetched, decrypted or replayed."""


class DeadlineExceededError(SurroundingsError):
    """Something did not happen in its time; recorded as INDETERMINATE, never as a failure."""


class RecordError(HarnessError):
    """The history could not be written: the drill stops and heals."""

    exit_code = 5


class HealError(HarnessError):
    """Something that was broken could not be put back: printed last, loudest."""

    exit_code = 5


class Interrupted(BaseException):
    """The command was told to end; every `finally` heals on its way out."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.number = number

    @property
    def exit_code(self) -> int:
        """128 + the signal's number, as a shell says it."""
        return 128 + self.number
