"""Verifies sealed runs: names what was changed, added or removed, and whose signature it is.

It needs the files and public keys, and nothing else: no server, no network, no clock.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography.x509 import Certificate
from securesystemslib.signer import Key

from harness.errors import InputError
from harness.seal import bundle, timestamps
from harness.seal.chain import digest
from harness.seal.pruned import LOG, PrunedRun, read_pruned
from harness.seal.signing import Opened, open_envelope, read_statement
from harness.seal.statement import (
    STATEMENT,
    SUMS,
    TIMESTAMP,
    Statement,
    sums,
)


class About(enum.StrEnum):
    """What a fault is about, in the order in which they are told."""

    SEAL = "seal"
    """There is none, or it cannot be read."""

    SIGNATURE = "signature"
    KEY = "key"
    """It is signed by somebody whose key was not given."""

    CHANGED = "changed"
    MISSING = "missing"
    ADDED = "added"
    EVENT = "event"
    TIMESTAMP = "timestamp"
    LINK = "link"
    """The run before is another one, or is not there."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it was sealed."""

    about: About
    subject: str
    """A file of the run, or a run."""

    says: str


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """One run directory that was verified."""

    run: str
    """The name of its directory."""

    faults: tuple[Fault, ...]
    notes: tuple[str, ...] = ()
    signed_by: tuple[str, ...] = ()
    """Ids of the given keys whose signature is right."""

    statement: Statement | None = None
    """None where no signature of a given key is right: nothing that it says counts then."""

    sha256: str | None = None
    """Of the envelope's file."""

    timestamp: datetime | None = None
    """When a timestamp service that a given root vouches for saw it, UTC."""

    @property
    def holds(self) -> bool:
        """Whether nothing was changed since it was sealed."""
        return not self.faults and self.statement is not None


class ChainOfRuns(msgspec.Struct, frozen=True, kw_only=True):
    """All runs of a folder, in the order in which they were sealed."""

    runs: tuple[Verified, ...]
    faults: tuple[Fault, ...]
    """Of the links between them."""

    unbroken_since: str | None
    """The first run from which on every run holds, and names the one before it; None: not even the
    last does.
    """

    begins_after: str | None = None
    """That runs before the first one were pruned, by whom and when, as the folder's log says;
    nothing vouches for that log.
    """

    @property
    def holds(self) -> bool:
        """Whether nothing is changed or gone; of no run at all it cannot be said."""
        return bool(self.runs) and not self.faults and all(one.holds for one in self.runs)


def verify_run(
    run: Path,
    keys: Sequence[Key],
    roots: Sequence[Certificate] = (),
    known: Mapping[str, str] | None = None,
) -> Verified:
    """Verifies one run directory by itself; its link to the run before is for `verify_runs`.

    `roots`: of timestamp services; without one a timestamp is a note. `known`: SHA-256 -> the file
    of another run that has it, so that a file of another run is called so. Raises InputError where
    it is no directory or cannot be read.
    """
    if not run.is_dir():
        raise InputError(f"{run}: no such run directory", hint=f"ls {run.parent}")
    try:
        if not bundle.is_sealed(run):
            says = "is not sealed: whether it was changed cannot be told"
            return Verified(
                run=run.name, faults=(Fault(about=About.SEAL, subject=STATEMENT, says=says),)
            )
        content = (run / STATEMENT).read_bytes()
        return _verify(run, content, keys, roots, known or {})
    except OSError as error:
        raise InputError(f"{error.filename or run}: cannot be read: {error.strerror}") from error


def verify_runs(runs: Path, keys: Sequence[Key], roots: Sequence[Certificate] = ()) -> ChainOfRuns:
    """Verifies every run directory of a folder, and that none is missing between them.

    That the newest ones were removed no folder can show: a digest that was kept elsewhere, in a
    locked bucket or at the timestamp service, does. Raises InputError.
    """
    if not runs.is_dir():
        raise InputError(f"{runs}: no such folder")
    paths = [
        path
        for path in sorted(runs.iterdir())
        if path.is_dir()
        and not path.is_symlink()
        and (bundle.is_sealed(path) or (path / "plan.json").is_file())
    ]
    known = _known(paths, keys)
    verified = sorted(
        (verify_run(path, keys, roots, known) for path in paths),
        key=lambda one: one.statement.predicate.sequence if one.statement else -1,
    )
    pruned = read_pruned(runs)
    first = next((one for one in verified if one.statement is not None), None)
    begins_after = None if first is None else _begins_after(first, pruned)
    faults, since = _links(verified, begun=begins_after is not None)
    return ChainOfRuns(
        runs=tuple(verified),
        faults=tuple(faults),
        unbroken_since=since,
        begins_after=begins_after,
    )


def _verify(
    run: Path,
    content: bytes,
    keys: Sequence[Key],
    roots: Sequence[Certificate],
    known: Mapping[str, str],
) -> Verified:
    sha256 = digest(content)
    try:
        opened = open_envelope(content, keys)
    except ValueError as error:
        fault = Fault(about=About.SEAL, subject=STATEMENT, says=f"cannot be read: {error}")
        return Verified(run=run.name, faults=(fault,), sha256=sha256)
    signature = _signature(opened)
    if signature is not None:
        return Verified(run=run.name, faults=(signature,), sha256=sha256)
    try:
        statement = read_statement(opened)
    except ValueError as error:
        says = f"is signed, and says nothing of a run: {error}"
        fault = Fault(about=About.SEAL, subject=STATEMENT, says=says)
        return Verified(run=run.name, faults=(fault,), sha256=sha256)
    timestamp, notes, stamp_faults = _timestamp(run, content, roots, statement)
    faults = [
        *_name(run, statement),
        *_files(run, statement, known),
        *_events(run, statement),
        *stamp_faults,
    ]
    order = list(About)
    return Verified(
        run=run.name,
        faults=tuple(sorted(faults, key=lambda one: order.index(one.about))),
        notes=tuple(notes),
        signed_by=opened.valid_for,
        statement=statement,
        sha256=sha256,
        timestamp=timestamp,
    )


def _signature(opened: Opened) -> Fault | None:
    if opened.forged_for:
        return Fault(
            about=About.SIGNATURE,
            subject=STATEMENT,
            says=f"the signature is not that of key {_short(opened.forged_for)}: the seal was "
            "changed, or is forged",
        )
    if not opened.valid_for:
        by = f"by key {_short(opened.signed_by)}" if opened.signed_by else "by nobody"
        return Fault(
            about=About.KEY,
            subject=STATEMENT,
            says=f"is signed {by}, which is none of those given: whoever has it may have sealed "
            "anything",
        )
    return None


def _name(run: Path, statement: Statement) -> Iterator[Fault]:
    if statement.predicate.run != run.name:
        yield Fault(
            about=About.SEAL,
            subject=STATEMENT,
            says=f"is the seal of run {statement.predicate.run}, not of {run.name}",
        )


def _files(run: Path, statement: Statement, known: Mapping[str, str]) -> Iterator[Fault]:
    sealed = statement.files
    there = set(bundle.files(run))
    if (run / SUMS).exists():
        there.add(SUMS)
    for name in sorted(sealed.keys() - there):
        yield Fault(about=About.MISSING, subject=name, says="was sealed, and is not there")
    for name in sorted(there - sealed.keys()):
        yield Fault(about=About.ADDED, subject=name, says="is there, and was not sealed")
    for name in sorted(there & sealed.keys()):
        path = run / name
        if path.is_symlink() or not path.is_file():
            yield Fault(about=About.CHANGED, subject=name, says="is no file any more")
            continue
        found = bundle.digest_of(path)
        if found != sealed[name]:
            other = known.get(found)
            says = f"is {other}" if other else "was changed"
            yield Fault(
                about=About.CHANGED,
                subject=name,
                says=f"{says}: SHA-256 {found[:12]}…, sealed was {sealed[name][:12]}…",
            )
    listed = {name: found for name, found in sealed.items() if name != SUMS}
    if SUMS in sealed and sealed[SUMS] != digest(sums(listed)):
        says = "names other digests than the seal"
        yield Fault(about=About.CHANGED, subject=SUMS, says=says)


def _events(run: Path, statement: Statement) -> Iterator[Fault]:
    """Which events: a digest of the whole file says only that one was changed."""
    if not (run / "history.jsonl").is_file() or not (run / "plan.json").is_file():
        return
    sealed, found = statement.predicate.history, bundle.chain_of(run)
    for one in found.breaks:
        yield Fault(about=About.EVENT, subject="history.jsonl", says=one.says)
    if found.breaks or found.head == sealed.head:
        return
    if found.lines < sealed.lines:
        says = f"the last {sealed.lines - found.lines} of {sealed.lines} events are missing"
    elif found.lines > sealed.lines:
        says = f"{found.lines - sealed.lines} events stand after the last one that was sealed"
    else:
        says = f"the last event (line {found.lines}) is not the one that was sealed"
    yield Fault(about=About.EVENT, subject="history.jsonl", says=says)


def _timestamp(
    run: Path, envelope: bytes, roots: Sequence[Certificate], statement: Statement
) -> tuple[datetime | None, list[str], list[Fault]]:
    path = run / TIMESTAMP
    if not path.exists():
        by = f"{statement.predicate.user}@{statement.predicate.host}"
        return None, [f"no timestamp: when it was sealed, only the clock of {by} says"], []
    answer = path.read_bytes()
    if not roots:
        when = timestamps.claims(answer)
        said = f"it says {when:%Y-%m-%d %H:%M:%S} UTC" if when else "it cannot be read"
        return None, [f"timestamp not verified, as no --timestamp-root was given; {said}"], []
    try:
        return timestamps.check(answer, envelope, roots), [], []
    except ValueError as error:
        says = f"is not a timestamp of this seal: {error}"
        return None, [], [Fault(about=About.TIMESTAMP, subject=TIMESTAMP, says=says)]


def _known(paths: Sequence[Path], keys: Sequence[Key]) -> dict[str, str]:
    """SHA-256 -> `report.html of run X`, of all that was sealed with a known key."""
    found: dict[str, str] = {}
    for path in paths:
        if not bundle.is_sealed(path):
            continue
        try:
            opened = open_envelope((path / STATEMENT).read_bytes(), keys)
            statement = read_statement(opened) if opened.valid_for else None
        except ValueError:
            continue
        if statement is not None:
            for name, sha256 in statement.files.items():
                found.setdefault(sha256, f"{name} of run {statement.predicate.run}")
    return found


def _begins_after(first: Verified, pruned: Mapping[str, PrunedRun]) -> str | None:
    """What the log says of the run before the first one: that very run, by the digest of its seal.

    It explains a missing beginning; a run that is missing later is a fault whatever the log says.
    """
    named = None if first.statement is None else first.statement.predicate.before
    one = None if named is None else pruned.get(named.run)
    if named is None or one is None or one.sha256 != named.sha256:
        return None
    return (
        f"begins at {first.run}: {named.run} and what was sealed before it were pruned on "
        f"{one.at:%Y-%m-%d} by {one.user}@{one.host}, says {LOG}, which is not signed"
    )


def _links(verified: Sequence[Verified], *, begun: bool = False) -> tuple[list[Fault], str | None]:
    """Faults of the links, and from where on there is none. Runs are in the order of sealing.

    `begun`: the link of the first one leads to a run that was pruned.
    """
    faults: list[Fault] = []
    since: str | None = None
    before: Verified | None = None
    unknown = {one.run: one for one in verified if one.statement is None}
    for one in verified:
        if one.statement is None:
            since = None
            continue
        pruned = begun and before is None
        link = None if pruned else _link(one, one.statement, before, unknown)
        if link is not None:
            faults.append(link)
        if not one.holds:
            since = None
        elif link is not None or since is None:
            since = one.run
        before = one
    return faults, since


def _link(
    one: Verified,
    statement: Statement,
    before: Verified | None,
    unknown: Mapping[str, Verified],
) -> Fault | None:
    """`unknown`: runs whose own seal says nothing; a link to one may hold all the same."""
    named = statement.predicate.before
    says = None
    if named is None:
        if before is not None:
            says = f"names no run before it, and {before.run} was sealed before"
    else:
        there = unknown.get(named.run) or before
        if there is None or there.run != named.run:
            says = f"was sealed after run {named.run}, which is missing"
        elif there.sha256 != named.sha256:
            says = f"was sealed after another seal of run {named.run} than the one that is there"
    return None if says is None else Fault(about=About.LINK, subject=one.run, says=says)


def _short(keys: Sequence[str]) -> str:
    return ", ".join(f"{key[:12]}…" for key in keys)
