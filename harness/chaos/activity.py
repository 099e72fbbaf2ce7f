"""What each action of ours begins and ends by: nothing is done after a failure, none is forgotten.

Chaos Toolkit goes on with the method after an action failed, and its journal keeps errors as text.
So the first failure is kept here, for the exit code, and every later action is refused by it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from harness.errors import HarnessError, SurroundingsError

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_failures: list[HarnessError] = []


def failures() -> tuple[HarnessError, ...]:
    """What went wrong in this process's actions, in order."""
    return tuple(_failures)


def failed(error: HarnessError) -> None:
    """Keeps a failure that no action of the method raised."""
    _failures.append(error)


def forget() -> None:
    """Begins anew: for one experiment after another in one process, as in tests."""
    _failures.clear()


def action(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Marks an action of a method: refused after a failure; its own failure is kept."""

    @functools.wraps(function)
    def performed(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        if _failures:
            raise SurroundingsError(f"{function.__name__}: not done, since {_failures[0]}")
        return _kept(function, *args, **kwargs)

    return performed


def rollback(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Marks an action of the rollbacks: done whatever failed before; its own failure is kept."""

    @functools.wraps(function)
    def performed(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        return _kept(function, *args, **kwargs)

    return performed


def _kept(
    function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    try:
        return function(*args, **kwargs)
    except HarnessError as error:
        _failures.append(error)
        raise
    except Exception as error:
        _failures.append(SurroundingsError(f"{function.__name__}: {error!r}"))
        raise
