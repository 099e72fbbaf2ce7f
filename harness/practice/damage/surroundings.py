"""Damages what a drill relies on beside the backups: its key, the replication, its own prober."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import psutil

from harness.drivers import postgres, process, s3
from harness.drivers.clock import HostClock, sleep_until, wait_until
from harness.errors import SurroundingsError
from harness.model.calibration import Sign
from harness.model.history import LedgerCopied, LedgerReadBack, Observation, Outcome
from harness.model.instant import nanoseconds, seconds
from harness.model.quantity import show_duration
from harness.model.subject import PgBackRest
from harness.model.verdict import Verdict
from harness.ports import Endpoint, Ledger, Prober
from harness.practice.damage.damage import NotPlantedError, Planted
from harness.practice.platform import BUCKET, Practice
from harness.practice.postgres import STANZA

LAG_ALLOWED = timedelta(minutes=1)
"""targets/disaster-recovery.yaml, backup-replication."""

STALL = timedelta(seconds=3)

_BEHIND_WITHIN_S = 150.0
_CAUGHT_UP_WITHIN_S = 120.0
_ANSWERS_WITHIN_S = 300.0


# -- the key --------------------------------------------------------------------------------------


@contextlib.contextmanager
def wrong_passphrase(practice: Practice) -> Iterator[Planted]:
    """The drill is given another passphrase than the backups were made with."""
    wrong = practice.postgres.configuration / "wrong-passphrase"
    descriptor = os.open(wrong, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(secrets.token_urlsafe(32))
    postgres.own(wrong, practice.postgres.user)
    try:
        subjects = tuple(
            _with_passphrase(one, wrong) if isinstance(one, PgBackRest) else one
            for one in practice.subjects
        )
        if subjects == practice.subjects:
            raise NotPlantedError("no subject has a passphrase")
        yield Planted(
            what=f"the passphrase is read from {wrong}, which holds another one",
            sign=Sign(check="restore", verdict=Verdict.FAIL, says=("passphrase",)),
            subjects=subjects,
        )
    finally:
        wrong.unlink()


def _with_passphrase(subject: PgBackRest, wrong: Path) -> PgBackRest:
    right = subject.primary.passphrase_file
    if right is None or right.read_bytes() == wrong.read_bytes():
        raise NotPlantedError(f"{subject.id}: the passphrase is no other one")
    return msgspec.structs.replace(
        subject,
        primary=msgspec.structs.replace(subject.primary, passphrase_file=wrong),
        replica=subject.replica and msgspec.structs.replace(subject.replica, passphrase_file=wrong),
    )


# -- replication ----------------------------------------------------------------------------------


@contextlib.contextmanager
def stopped_replication(practice: Practice) -> Iterator[Planted]:
    """Replication is killed, until the other region lacks something for longer than allowed."""
    replication = practice.regions.replication
    replication.kill()
    try:
        lacking = wait_until(
            lambda: _lacking(practice),
            within_s=_BEHIND_WITHIN_S,
            what=f"{STANZA}: the replica {show_duration(LAG_ALLOWED)} behind",
            every_s=1.0,
        )
        if replication.pid is not None:
            raise NotPlantedError("the replication runs")
        yield Planted(
            what=f"replication killed; {lacking}",
            sign=Sign(check="replication", verdict=Verdict.FAIL, says=("behind and lacks",)),
        )
    finally:
        replication.restart()
        replication.await_caught_up(BUCKET, _CAUGHT_UP_WITHIN_S)


def _lacking(practice: Practice) -> str | None:
    """Which archived segment the replica has lacked for too long; None as long as none has."""
    here = practice.regions.primary.store(BUCKET, STANZA, "drill")
    there = practice.regions.replica.store(BUCKET, STANZA, "drill")
    primary, replica = s3.connect(here), s3.connect(there)
    archive = f"archive/{STANZA}/"
    copied = {each.key for each in s3.list_objects(replica, there, archive)}
    lacked = [each for each in s3.list_objects(primary, here, archive) if each.key not in copied]
    if not lacked:
        return None
    oldest = min(lacked, key=lambda each: each.modified)
    age = s3.present(primary, here) - oldest.modified
    # A second more: the store dates objects by whole seconds.
    if age <= LAG_ALLOWED + timedelta(seconds=1):
        return None
    return f"the replica lacks {len(lacked)} segments, {oldest.key} for {show_duration(age)}"


# -- the prober -----------------------------------------------------------------------------------


@contextlib.contextmanager
def stalled_prober(_practice: Practice) -> Iterator[Planted]:
    """The harness's own prober stands still for 3 s, from the first right answer that it sees."""
    stalls: list[_Stall] = []

    def watch_over(ledger: Ledger) -> Ledger:
        return _StallingLedger(ledger, stalls.append)

    yield Planted(
        what=f"the prober stopped (SIGSTOP) for {show_duration(STALL)} at its first right answer",
        sign=Sign(
            check="recovery-time", verdict=Verdict.INCONCLUSIVE, says=("the prober did not look",)
        ),
        watch_over=watch_over,
    )
    for stall in stalls:
        stall.demand()
    if not stalls:
        raise NotPlantedError("no prober was started")


@dataclass(kw_only=True)
class _Stall:
    """Stops one prober, once, from a thread of its own."""

    directory: Path
    """Where the prober works, and nobody else."""

    output: Path
    _over: threading.Event = field(default_factory=threading.Event)
    _stopped_ns: int = 0
    _failure: str = "the prober saw no right answer"
    _thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="stall")
        self._thread.start()

    def end(self) -> None:
        """The prober is about to be ended: it must run for that."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def demand(self) -> None:
        """NotPlantedError unless it stood still, as the kernel said, for as long as it should."""
        if self._stopped_ns < nanoseconds(STALL):
            raise NotPlantedError(
                f"the prober stood still for {seconds(self._stopped_ns):g} s, expected "
                f"{show_duration(STALL)}: {self._failure}"
            )

    def _run(self) -> None:
        clock = HostClock()
        try:
            wait_until(
                lambda: self._over.is_set() or self._answered(),
                within_s=_ANSWERS_WITHIN_S,
                what="a right answer",
                every_s=0.005,
            )
            if self._over.is_set():
                return
            (prober,) = process.working_below(self.directory)
            prober.suspend()
            try:
                wait_until(
                    lambda: prober.status() == psutil.STATUS_STOPPED,
                    within_s=1.0,
                    what=f"process {prober.pid} stopped",
                    every_s=0.001,
                )
                began_ns = clock.monotonic_ns()
                sleep_until(began_ns + nanoseconds(STALL))
                if prober.status() == psutil.STATUS_STOPPED:
                    self._stopped_ns = clock.monotonic_ns() - began_ns
            finally:
                prober.resume()
        except (psutil.Error, ValueError, SurroundingsError) as error:
            self._failure = str(error)

    def _answered(self) -> bool:
        """Whether its file holds a right answer."""
        if not self.output.exists():
            return False
        content = self.output.read_bytes()
        return any(
            msgspec.json.decode(line, type=Observation).outcome is Outcome.OK
            for line in content[: content.rfind(b"\n") + 1].splitlines()
        )


class _StallingProber:
    """ports.Prober whose process is stopped by a stall."""

    def __init__(self, prober: Prober, stall: _Stall) -> None:
        self.probe_class = prober.probe_class
        self.interval_ns = prober.interval_ns
        self.timeout_ns = prober.timeout_ns
        self._prober = prober
        self._stall = stall

    def begun(self) -> bool:
        return self._prober.begun()

    def sustained(self, at_least: timedelta) -> bool:
        return self._prober.sustained(at_least)

    def stop(self) -> None:
        self._stall.end()
        self._prober.stop()


class _StallingLedger:
    """ports.Ledger whose probers stand still for a while."""

    def __init__(self, ledger: Ledger, began: Callable[[_Stall], None]) -> None:
        self._ledger = ledger
        self._began = began

    def begin_probing(
        self, endpoint: Endpoint, before: datetime | None, output: Path, directory: Path
    ) -> Prober:
        prober = self._ledger.begin_probing(endpoint, before, output, directory)
        stall = _Stall(directory=directory, output=output)
        self._began(stall)
        stall.start()
        return _StallingProber(prober, stall)

    def steady(self, window: timedelta) -> bool:
        return self._ledger.steady(window)

    def read_back(self, trial: str, endpoint: Endpoint, file: Path) -> LedgerReadBack:
        return self._ledger.read_back(trial, endpoint, file)

    def copy_journals(self, directory: Path) -> LedgerCopied | None:
        return self._ledger.copy_journals(directory)
