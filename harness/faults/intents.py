"""Intents on disk: each mutation of a system under test is written down before it is made.

An intent is a file of the state directory, fsynced, with its inverse and an expiry; it goes when
the inverse was seen to have worked. Where there is a mirror, the same intent is in the cluster
before anything breaks, for the watchdog there. A harness killed at any step leaves either nothing
or an intent from which the next one heals.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import msgspec

from harness.drivers.clock import HostClock
from harness.errors import HarnessError, InputError, RefusedError
from harness.faults import owners
from harness.faults.places import write_durably
from harness.model.cluster import ClusterAccess
from harness.model.codec import from_json, to_json
from harness.model.fault import Intent, Inverse
from harness.ports import Clock


class Mirror(Protocol):
    """Where an intent is written down a second time: in the cluster that it is about."""

    def write(self, intent: Intent) -> None:
        """Raises a HarnessError where it cannot; then nothing may be broken."""
        ...

    def remove(self, intent: Intent) -> None:
        """Where it is gone already, nothing is done."""
        ...


class Intents:
    """The intents under one state directory."""

    def __init__(
        self, state: Path, *, mirror: Mirror | None = None, clock: Clock | None = None
    ) -> None:
        """`state` is made if need be."""
        self._directory = state / "intents"
        self._clusters = state / "clusters"
        self._mirror = mirror
        self._clock = clock or HostClock()
        for directory in (state, self._directory, self._clusters):
            directory.mkdir(mode=0o755, parents=True, exist_ok=True)

    @staticmethod
    def are_at(state: Path) -> bool:
        """Whether any was ever declared there; makes nothing."""
        return (state / "intents").is_dir()

    def remember(self, access: ClusterAccess) -> None:
        """Writes down how a cluster is reached: `harness recover` needs no arguments then."""
        absolute = msgspec.structs.replace(access, kubeconfig=access.kubeconfig.absolute())
        path = self._clusters / f"{access.identity.uid}.json"
        content = to_json(absolute)
        if not path.exists() or path.read_bytes() != content:
            write_durably(path, content)

    def access(self, cluster_uid: str) -> ClusterAccess:
        """How that cluster is reached; InputError where it was not written down, or is torn."""
        path = self._clusters / f"{cluster_uid}.json"
        try:
            return from_json(path.read_bytes(), ClusterAccess)
        except (OSError, msgspec.DecodeError) as error:
            raise InputError(f"{path}: {error}") from error

    def kubeconfigs(self) -> frozenset[Path]:
        """Of all clusters that were written down; InputError where one is torn."""
        return frozenset(
            self.access(file.stem).kubeconfig for file in self._clusters.glob("*.json")
        )

    def declare(  # noqa: PLR0913 - what an intent consists of
        self,
        run: str,
        trial: str,
        environment: str,
        cluster_uid: str,
        action: str,
        inverse: Inverse,
        lasts: timedelta,
    ) -> Intent:
        """Writes down what is about to be broken by this process; returns when it is on disk, and
        in the mirror.

        `lasts`: after it, whoever finds the intent undoes it. Raises RefusedError where `remember`
        was not called for that cluster, so that nobody could heal it, or the mirror failed.
        """
        if not (self._clusters / f"{cluster_uid}.json").exists():
            raise RefusedError(f"{action}: how to reach cluster {cluster_uid} is not written down")
        now = self._clock.now()
        pid, started = owners.me()
        intent = Intent(
            id=f"{now.monotonic_ns:019d}-{secrets.token_hex(3)}",
            run=run,
            trial=trial,
            environment=environment,
            cluster_uid=cluster_uid,
            action=action,
            inverse=inverse,
            made=now.utc,
            expires=now.utc + lasts,
            owner_pid=pid,
            owner_started=started,
        )
        write_durably(self.path(intent), to_json(intent))
        self._write_in_mirror(intent)
        return intent

    def done(self, intent: Intent) -> None:
        """Forgets an intent whose inverse was seen to have worked; again does nothing.

        Its mirror goes first: what is left after a death in between is undone once more.
        """
        if self._mirror is not None:
            self._mirror.remove(intent)
        self.forget(intent)

    def forget(self, intent: Intent) -> None:
        """As `done`, where the cluster is gone for ever, and the mirror with it."""
        self.path(intent).unlink(missing_ok=True)
        directory = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def is_open(self, intent: Intent) -> bool:
        """Whether it was not undone yet."""
        return self.path(intent).exists()

    def open(self) -> tuple[Intent, ...]:
        """All that were not undone, by run and in the order of their mutations.

        A torn one is an InputError: it cannot come from us, so a person looks at it.
        """
        found, torn = self._read()
        if torn:
            raise torn[0]
        return found

    def readable(self) -> tuple[Intent, ...]:
        """As `open`, without the torn ones: they must not keep the others from being undone."""
        return self._read()[0]

    def expired(self, now: datetime) -> tuple[Intent, ...]:
        """The readable ones whose time is over, in the same order."""
        return tuple(one for one in self.readable() if one.expires <= now)

    def abandoned(self, now: datetime) -> tuple[Intent, ...]:
        """The readable ones whose owner is gone, and those that have expired, in the same order."""
        return tuple(
            one
            for one in self.readable()
            if one.expires <= now or not owners.lives(one.owner_pid, one.owner_started)
        )

    @contextmanager
    def undoing(self) -> Iterator[None]:
        """One process at a time undoes: the experiment itself, the watchdog, or `recover`."""
        with (self._directory / "lock").open("w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _write_in_mirror(self, intent: Intent) -> None:
        """Without its mirror nothing is broken, and so nothing is left to undo."""
        if self._mirror is None:
            return
        try:
            self._mirror.write(intent)
        except HarnessError as error:
            with contextlib.suppress(HarnessError):
                self.done(intent)
            raise RefusedError(
                f"{intent.action}: could not be written down in the cluster: {error}",
                hint=error.hint,
            ) from error

    def path(self, intent: Intent) -> Path:
        """Its file."""
        return self._directory / f"{intent.id}.json"

    def _read(self) -> tuple[tuple[Intent, ...], tuple[InputError, ...]]:
        found: list[Intent] = []
        torn: list[InputError] = []
        for path in self._directory.glob("*.json"):
            try:
                found.append(from_json(path.read_bytes(), Intent))
            except FileNotFoundError:
                continue  # undone just now
            except msgspec.DecodeError as error:
                torn.append(
                    InputError(
                        f"{path}: {error}: what was to be put back is not known",
                        hint=f"cat {path}  # put it back by hand, then remove the file",
                    )
                )
        return tuple(sorted(found, key=lambda one: (one.run, one.id))), tuple(torn)
