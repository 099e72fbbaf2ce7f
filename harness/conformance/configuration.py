"""Reads the history of the Git repository that a platform is set up from; changes nothing in it."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path

from harness.conformance.ground import ActiveLook, Ground
from harness.drivers import process
from harness.errors import HarnessError, InputError
from harness.model.conformance import CommitsRead

_WITHIN_S = 20.0
_VERIFIED_WITHIN_S = 60.0

_QUIET = {
    # Nobody is there to be asked for a password.
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    # Replaced objects would show another history than the one that was signed.
    "GIT_NO_REPLACE_OBJECTS": "1",
    "LC_ALL": "C",
}
_GIT = ("git", "-c", "core.fsmonitor=false", "-c", "log.showSignature=false")

_GOOD = "GU"
"""Of %G?: good, and good by a key of unknown validity: what git verify-commit takes for good
(git log, PRETTY FORMATS; git verify-commit, EXIT STATUS).
"""

_NO_KEY = "E"


def read(repository: str) -> CommitsRead:
    """The commits of its current branch, by the committers' dates; why not, in `detail`."""
    try:
        return _read(repository, _existing(repository))
    except HarnessError as error:
        return CommitsRead(
            repository=repository,
            commits=0,
            oldest=None,
            newest=None,
            signed=0,
            detail=str(error),
        )


def _read(repository: str, directory: Path) -> CommitsRead:
    dates = sorted(_git(directory, _WITHIN_S, "log", "--format=%cI").split(), key=_moment)
    if not dates:
        raise InputError(f"{repository}: got no commit")
    files = _git(directory, _WITHIN_S, "ls-tree", "-r", "-z", "--name-only", "HEAD")
    detail = ""
    if _git(directory, _WITHIN_S, "rev-parse", "--is-shallow-repository").strip() == "true":
        detail = "the clone is shallow: git fetch --unshallow"
    try:
        states = Counter(_git(directory, _VERIFIED_WITHIN_S, "log", "--format=%G?").split())
    except HarnessError as error:
        states = Counter({_NO_KEY: len(dates)})
        detail = f"signatures were not verified: {error}"
    return CommitsRead(
        repository=repository,
        commits=len(dates),
        oldest=dates[0],
        newest=dates[-1],
        signed=sum(states[one] for one in _GOOD),
        unverifiable=states[_NO_KEY],
        files=tuple(filter(None, files.split("\0"))),
        detail=detail,
    )


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _existing(repository: str) -> Path:
    directory = Path(repository).expanduser()
    if not directory.is_dir():
        raise InputError(
            f"{repository}: is no directory, expected a clone of the Git repository",
            hint="git clone URL, and its directory as `repository` in the suite",
        )
    return directory


def _git(directory: Path, within_s: float, *words: str) -> str:
    done = process.run([*_GIT, *words], directory=directory, environment=_QUIET, timeout_s=within_s)
    if done.returncode != 0:
        raise InputError(f"git {words[0]} in {directory}: {done.last_line()}")
    return done.stdout


def look(ground: Ground) -> None:
    """Records one fact; none where the suite names no repository."""
    if ground.plan.repository is not None:
        ground.record(read(ground.plan.repository))


LOOK = ActiveLook(
    name="configuration",
    look=look,
    touches=("the Git repository that the suite names: its log is read, and signatures verified",),
    rights=(),
)
