"""The record of one run, run.json: who ran what, when, from which code and with which settings."""

from __future__ import annotations

from datetime import datetime

import msgspec

RUN_FORMAT = 1
"""Version of run.json; one that this harness does not know is refused, never guessed at."""


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Setting(_Value, frozen=True, kw_only=True):
    """One setting of a run and where its value came from; never a secret, only where one is."""

    name: str
    value: str
    origin: str
    """`default`, `harness.toml`, `HARNESS_ENVIRONMENT`, `--environment`: the place to change it
    (after nox's option provenance: default < file < environment variable < command line)."""


class RunRecord(_Value, frozen=True, kw_only=True):
    """The content of run.json: written when a run starts, and once more when it ends."""

    format: int
    """RUN_FORMAT of the harness that wrote it."""

    run: str
    """The run's id, and the name of its directory: `20261124T010203Z-weekly-restore-demo`."""

    suite: str
    environment: str

    started: datetime
    """UTC, by the wall clock of `host`."""

    ended: datetime | None = None
    """UTC; None while it runs, and for ever where the run was cut off."""

    user: str
    """Operating-system user who ran it."""

    on_behalf_of: str | None = None
    """The person that the environment names behind that user, and by which variable: `ada
    (SUDO_USER)`; an assertion, nobody has verified it."""

    host: str
    """Host that conducted and probed: the one clock of every interval."""

    argv: tuple[str, ...]
    """The command as typed; it repeats the run. A secret that stood in it is `[secret]`."""

    git_head: str | None = None
    """Commit of the working directory, 40 hex digits; None: not a git checkout."""

    git_dirty: bool | None = None
    """Whether tracked files differed from that commit; then it does not identify the input."""

    versions: dict[str, str]
    """Program -> version: `harness`, `python`, `postgresql`, `pgbackrest`, `redis-server`, ..."""

    settings: tuple[Setting, ...]

    practice: bool
    """Whether it ran against the practice platform: real servers, but nobody's production."""

    notes: tuple[str, ...] = ()
    """What a reader must know to judge the evidence, e.g. that the practice platform's past was
    made by setting the server's clock back. Printed under what the report does not show."""

    masked: dict[str, int] | None = None
    """Class -> how often something of it was masked in logs and messages (harness.masking); a class
    that is not named was switched off. None: while it runs, or nothing was masked at all."""

    participants: tuple[str, ...] = ()
    """Who took part in a game day: `Ada (conducts)`, as given by `--participant`."""

    seed: int
    """What every random choice of the plan was drawn from; with `argv` it repeats them."""

    def __post_init__(self) -> None:
        if self.format != RUN_FORMAT:
            raise ValueError(f"run.json: got format {self.format}, expected {RUN_FORMAT}")
        if self.ended is not None and self.ended < self.started:
            raise ValueError(f"run {self.run}: ended {self.ended} before it started {self.started}")
