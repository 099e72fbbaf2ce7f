"""Ships the append-only file of a Redis master to S3 while it grows: bases, whole commands, head.

Works beside the server, in its own directory: the AOF's files are pinned by hard links, so that
what Redis deletes after a rewrite can still be shipped to its last byte.
"""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from harness import __version__
from harness.backup.aof import Manifest, ManifestEntry, parse_manifest, scan
from harness.backup.layout import (
    PARTS_PER_INDEX,
    Base,
    Chain,
    Increment,
    Part,
    PartIndex,
    Slots,
    Stored,
    base_key,
    chain_key,
    encode,
    index_key,
    label_at,
    part_key,
    time_of_label,
)
from harness.backup.rdb import read_aux
from harness.backup.reading import newest_chain, parts_of
from harness.backup.redis_snapshot import SINGLE
from harness.drivers import s3
from harness.drivers.redis import OPEN, Access, Address, ask, client, read_nodes, server_time
from harness.errors import RefusedError, RestoreError, SurroundingsError
from harness.model.subject import ObjectStore

_PINS = "aof-shipping"
_PART_BYTES = 64 * 1024 * 1024
_PIN_ATTEMPTS = 50
_BASE_WAIT_S = 1.0
_BUFFER_LOOKS = 5

# flushAppendOnlyFile (redis 7.0 src/aof.c) puts a write off for at most so long while an fsync is
# going on, under appendfsync everysec, although clients are answered meanwhile.
_WRITE_PUT_OFF = timedelta(seconds=2)


class Shipped(msgspec.Struct, frozen=True, kw_only=True):
    """One shipment of one node."""

    node_id: str
    chain: str
    until: datetime
    """What was acknowledged before it, by the server's clock, is in the store."""

    new_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Server:
    """What a master says of itself at the beginning of a shipment."""

    node_id: str
    run_id: str
    cluster: bool
    slots: Slots
    config_epoch: int
    until: datetime
    timestamps: bool
    manifest: Path
    version: str


@dataclass(slots=True, kw_only=True)
class _File:
    """An increment file and what is in the store of it."""

    name: str
    seq: int
    parts: list[Part] = field(default_factory=list)
    indexes: list[Stored] = field(default_factory=list)
    first_timestamp: int | None = None
    last_timestamp: int | None = None

    @property
    def size(self) -> int:
        return self.parts[-1].offset + self.parts[-1].size_bytes if self.parts else 0

    def increment(self) -> Increment:
        return Increment(
            name=self.name,
            seq=self.seq,
            indexes=tuple(self.indexes),
            parts=tuple(self.parts[len(self.indexes) * PARTS_PER_INDEX :]),
            first_timestamp=self.first_timestamp,
            last_timestamp=self.last_timestamp,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Upload:
    """A base on its way to the store, and the increments that the manifest named with it."""

    base: Future[Base]
    first: int
    last: int


class AofShipper:
    """Ships the AOF of one node; used by one thread. `ship` again and again, then `close`."""

    def __init__(
        self, address: Address, directory: Path, store: ObjectStore, access: Access = OPEN
    ) -> None:
        """`directory` is the server's own `dir`, as this process sees it."""
        self._address = address
        self._directory = directory
        self._pins = directory / _PINS
        self._store = store
        self._access = access
        self._client = s3.connect(store)
        self._uploads = ThreadPoolExecutor(1, thread_name_prefix="aof-base")
        self._run_id: str | None = None
        self._newest_id = ""
        self._forget()

    def _forget(self) -> None:
        """Begins anew: the next chain follows none."""
        self._files: dict[int, _File] = {}
        # Increments up to this one belong to the current chain. One that first shows together
        # with a new base does not: AOF may have been off and on again in between.
        self._joined = 0
        self._base: Base | None = None
        self._chain = ""
        self._follows: str | None = None
        self._timestamps = True
        self._until: datetime | None = None
        self._upload: _Upload | None = None

    def close(self) -> None:
        """Ends the thread that uploads bases, after the upload that is going on."""
        self._uploads.shutdown(wait=True)

    def ship(self) -> Shipped | None:
        """Ships what is new and commits it with the chain document; None of a replica.

        Parts are written first, then indexes, and the document last: killed at any step, the
        store's last committed document stays restorable. None too where nothing could be
        committed yet, because a base is still on its way. Raises StoreError, RefusedError where
        the server has no AOF, AofFormatError, SurroundingsError.
        """
        server = self._ask()
        if server is None:
            self._forget()
            self._run_id = None
            return None
        manifest = self._pin(server.manifest)
        if server.run_id != self._run_id:
            self._resume(server, manifest)
            self._run_id = server.run_id
        if not self._extend(manifest):
            self._forget()
            self._extend(manifest)
        self._timestamps = self._timestamps and server.timestamps
        new_bytes = self._ship_increments(server)
        new_bytes += self._begin_base(server, manifest)
        self._until = server.until
        self._finish_base(server, manifest)
        # While a new base is on its way, the chain so far goes on, unless it must not.
        if self._base is None or max(self._files, default=0) > self._joined:
            return None
        self._commit(server, server.until, closed=False)
        return Shipped(
            node_id=server.node_id, chain=self._chain, until=server.until, new_bytes=new_bytes
        )

    def rewrite_if_older(self, limit: timedelta) -> bool:
        """Asks for BGREWRITEAOF where the chain began longer ago; whether it did.

        Keeps replay short, and lets a lifecycle by age delete old chains whole.
        """
        began = time_of_label(self._chain)
        if self._upload is not None or began is None or self._until is None:
            return False
        if self._until - began < limit:
            return False
        with client(self._address, self._access) as connected:
            info = connected.info("persistence")
            if info["aof_rewrite_in_progress"] or info["aof_rewrite_scheduled"]:
                return False
            connected.bgrewriteaof()
        return True

    # -- the server and its files ---------------------------------------------------------------

    def _ask(self) -> _Server | None:
        where = f"redis {self._address[0]}:{self._address[1]}"
        with client(self._address, self._access) as connected:
            # Answers leave after the AOF has been written (beforeSleep): what was acknowledged
            # before this moment is in the files, unless the write was put off. It is there at the
            # latest when the buffer has been seen empty after it.
            now = server_time(connected)
            info = connected.info()
            written = any(
                not connected.info("persistence").get("aof_buffer_length")
                for _ in range(_BUFFER_LOOKS)
            )
            if info["role"] != "master":
                return None
            if not info["aof_enabled"]:
                raise RefusedError(
                    f"{where}: has no append-only file, nothing can be shipped",
                    hint="redis-cli CONFIG SET appendonly yes, and in redis.conf",
                )
            if info["aof_last_write_status"] != "ok" or info["loading"]:
                raise SurroundingsError(f"{where}: its last AOF write failed, or it is loading")
            settings = {
                name: ask(connected, "CONFIG", "GET", name)
                for name in ("appenddirname", "appendfilename", "aof-timestamp-enabled")
            }
            cluster = bool(info["cluster_enabled"])
            node_id, epoch = SINGLE, 0
            slots: Slots = ()
            if cluster:
                own = next(node for node in read_nodes(connected) if "myself" in node.flags)
                node_id, slots, epoch = own.id, own.slots, own.config_epoch
                if not slots:
                    return None
        text = {name: _setting(answer) for name, answer in settings.items()}
        return _Server(
            node_id=node_id,
            run_id=str(info["run_id"]),
            cluster=cluster,
            slots=slots,
            config_epoch=epoch,
            until=now if written else now - _WRITE_PUT_OFF,
            timestamps=text["aof-timestamp-enabled"] == "yes",
            manifest=self._directory / text["appenddirname"] / f"{text['appendfilename']}.manifest",
            version=str(info["redis_version"]),
        )

    def _pin(self, path: Path) -> Manifest:
        """Hard-links every file of the manifest, which is read again to see that it still holds."""
        self._pins.mkdir(mode=0o700, exist_ok=True)
        for _ in range(_PIN_ATTEMPTS):
            text = path.read_text(encoding="utf-8")
            manifest = parse_manifest(text)
            try:
                for entry in manifest.entries:
                    _link(path.parent / entry.name, self._pins / entry.name)
            except FileNotFoundError:
                continue  # a rewrite ended between reading and linking
            if path.read_text(encoding="utf-8") == text:
                return manifest
        raise SurroundingsError(f"{path}: changed {_PIN_ATTEMPTS} times while it was read")

    def _unpin(self, manifest: Manifest) -> None:
        """Gives up the files that no chain needs any more."""
        kept = {entry.name for entry in manifest.entries}
        kept |= {file.name for file in self._files.values()}
        for pin in self._pins.iterdir():
            if pin.name not in kept:
                pin.unlink()

    # -- what was shipped before ----------------------------------------------------------------

    def _resume(self, server: _Server, manifest: Manifest) -> None:
        """Goes on with the node's newest chain if every local file still begins with what was
        shipped of it; a server that was restarted may have cut its last file.
        """
        self._forget()
        chain = newest_chain(self._client, self._store, server.node_id)
        if chain is None:
            return
        self._newest_id = chain.id
        here = _is_same(manifest.base, chain.base)
        if here and _sha256(self._pins / chain.base.name) != chain.base.file.sha256:
            return  # the server's data was replaced: another base under the old name
        files: dict[int, _File] = {}
        for increment in chain.increments:
            parts = parts_of(self._client, self._store, increment)
            if not _begins_with(self._pins / increment.name, parts):
                return
            files[increment.seq] = _File(
                name=increment.name,
                seq=increment.seq,
                parts=list(parts),
                indexes=list(increment.indexes),
                first_timestamp=increment.first_timestamp,
                last_timestamp=increment.last_timestamp,
            )
        self._files, self._base = files, chain.base
        self._chain, self._follows = chain.id, chain.follows
        self._timestamps, self._until = chain.timestamps, chain.until
        self._joined = max(files, default=0)

    def _extend(self, manifest: Manifest) -> bool:
        """Takes on the manifest's new increments; False where one is missing in between."""
        for entry in manifest.increments:
            known = self._files.get(entry.seq)
            if known is not None:
                if known.name != entry.name or _size(self._pins / entry.name) < known.size:
                    return False
                continue
            if self._files and entry.seq != max(self._files) + 1:
                return False
            self._files[entry.seq] = _File(name=entry.name, seq=entry.seq)
        if _is_same(manifest.base, self._base):
            self._joined = max(self._files, default=0)
        return True

    # -- increments -----------------------------------------------------------------------------

    def _ship_increments(self, server: _Server) -> int:
        files = [self._files[seq] for seq in sorted(self._files)]
        new_bytes = 0
        for file in files:
            before = file.size
            last = file is files[-1]
            left = self._ship_file(server, file, last=last)
            new_bytes += file.size - before
            if left and not last:
                raise RestoreError(
                    f"{self._pins / file.name}: ends within a command {left} bytes before its end, "
                    "although Redis has gone on to the next file",
                    hint=f"redis-check-aof {server.manifest}",
                )
        return new_bytes

    def _ship_file(self, server: _Server, file: _File, *, last: bool) -> int:
        """Ships the whole commands that are new in a file; how many bytes are left over."""
        path = self._pins / file.name
        with path.open("rb") as content:
            end = os.fstat(content.fileno()).st_size
            length = _PART_BYTES
            while file.size < end:
                content.seek(file.size)
                piece = content.read(min(length, end - file.size))
                found = scan(piece)
                if not found.whole_bytes:
                    if len(piece) == end - file.size:
                        break
                    length *= 2  # one command, or one transaction, larger than a part
                    continue
                length = _PART_BYTES
                # Only the last part of a shipment makes the store as recent as the server.
                done = last and file.size + found.whole_bytes + _PART_BYTES > end
                until = server.until if done else self._until
                self._put_part(server, file, piece[: found.whole_bytes], until)
                if found.first_timestamp is not None:
                    file.first_timestamp = file.first_timestamp or found.first_timestamp
                    file.last_timestamp = found.last_timestamp
            return end - file.size

    def _put_part(
        self, server: _Server, file: _File, content: bytes, until: datetime | None
    ) -> None:
        digest = hashlib.sha256(content).hexdigest()
        part = Part(
            key=part_key(server.node_id, file.name, file.size, digest),
            offset=file.size,
            size_bytes=len(content),
            sha256=digest,
            until=until or datetime.fromtimestamp(0, UTC),
        )
        s3.put_bytes(self._client, self._store, part.key, content)
        file.parts.append(part)

    # -- bases and chains -----------------------------------------------------------------------

    def _begin_base(self, server: _Server, manifest: Manifest) -> int:
        """Uploads a base that is not in the store, aside: increments go on being shipped."""
        entry = manifest.base
        if entry is None:
            raise RestoreError(f"{server.manifest}: names no base")
        if self._upload is not None or _is_same(entry, self._base):
            return 0
        path = self._pins / entry.name
        self._upload = _Upload(
            base=self._uploads.submit(self._put_base, server, entry, path),
            first=min((each.seq for each in manifest.increments), default=0),
            last=max((each.seq for each in manifest.increments), default=0),
        )
        return _size(path)

    def _put_base(self, server: _Server, entry: ManifestEntry, path: Path) -> Base:
        with path.open("rb") as content:
            is_rdb = content.read(5) == b"REDIS"
        digest = _sha256(path)
        stored = Stored(
            key=base_key(server.node_id, entry.name, digest),
            size_bytes=_size(path),
            sha256=digest,
        )
        s3.put_file(s3.connect(self._store), self._store, stored.key, path)
        if is_rdb:
            forked = datetime.fromtimestamp(int(read_aux(path)["ctime"]), UTC)
        else:
            forked = server.until + _WRITE_PUT_OFF  # in AOF format it has no time: not later
        return Base(
            name=entry.name,
            seq=entry.seq,
            file=stored,
            first_point=forked.replace(microsecond=0) + timedelta(seconds=1),
        )

    def _finish_base(self, server: _Server, manifest: Manifest) -> None:
        """Begins a chain with the base whose upload has ended, if one has."""
        upload = self._upload
        if upload is None:
            return
        try:
            # Without any chain in the store there is nothing better to do than to wait.
            base = upload.base.result(None if self._base is None else _BASE_WAIT_S)
        except TimeoutError:
            if not upload.base.done():
                return
            self._upload = None
            raise
        except BaseException:
            self._upload = None  # begun anew with the next shipment
            raise
        self._upload = None
        if self._base is not None:
            joined = max(self._files, default=0) <= self._joined
            # The old increments end at the fork: all that was acknowledged before its second.
            until = server.until if joined else base.first_point - timedelta(seconds=1)
            self._commit(server, until, closed=True)
            self._follows = self._chain
        self._base = base
        self._files = {seq: file for seq, file in self._files.items() if seq >= upload.first}
        self._joined = upload.last
        self._chain = self._newest_id = self._next_id(server, base)
        self._timestamps = server.timestamps
        self._unpin(manifest)

    def _next_id(self, server: _Server, base: Base) -> str:
        """An id that sorts after every earlier one, also where the server's clock was set back."""
        now = server.until
        newest = time_of_label(self._newest_id)
        if newest is not None and newest >= now:
            now = newest + timedelta(microseconds=1)
        return f"{label_at(now)}-{base.file.sha256[:8]}"

    def _commit(self, server: _Server, until: datetime, *, closed: bool) -> None:
        assert self._base is not None  # noqa: S101 - for the type checker; ship() returns before
        files = [self._files[seq] for seq in sorted(self._files) if seq <= self._joined]
        for file in files:
            self._index(server, file)
        chain = Chain(
            id=self._chain,
            node_id=server.node_id,
            cluster=server.cluster,
            slots=server.slots,
            config_epoch=server.config_epoch,
            base=self._base,
            increments=tuple(file.increment() for file in files),
            until=until,
            timestamps=self._timestamps,
            follows=self._follows,
            closed=closed,
            tools={"redis": server.version, "harness": __version__},
        )
        s3.put_bytes(self._client, self._store, chain_key(server.node_id, chain.id), encode(chain))

    def _index(self, server: _Server, file: _File) -> None:
        """Moves parts out of the document, which is rewritten at every shipment, 256 at a time."""
        while len(file.parts) - len(file.indexes) * PARTS_PER_INDEX > PARTS_PER_INDEX:
            start = len(file.indexes) * PARTS_PER_INDEX
            parts = tuple(file.parts[start : start + PARTS_PER_INDEX])
            content = encode(PartIndex(parts=parts))
            digest = hashlib.sha256(content).hexdigest()
            stored = Stored(
                key=index_key(server.node_id, file.name, parts[0].offset, digest),
                size_bytes=len(content),
                sha256=digest,
            )
            s3.put_bytes(self._client, self._store, stored.key, content)
            file.indexes.append(stored)


def _setting(answer: object) -> str:
    """The value in the answer to CONFIG GET of one setting, as redis-py hands it over."""
    values = list(answer.values()) if isinstance(answer, dict) else answer
    value = values[-1] if isinstance(values, list) and values else b""
    return value.decode() if isinstance(value, bytes) else str(value)


def _link(source: Path, pin: Path) -> None:
    """Pins a file under its name; a pin of an earlier file of that name makes room."""
    if pin.exists():
        if pin.samefile(source):
            return
        pin.unlink()
    os.link(source, pin)


def _is_same(entry: ManifestEntry | None, base: Base | None) -> bool:
    return (
        entry is not None and base is not None and (entry.name, entry.seq) == (base.name, base.seq)
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _size(path: Path) -> int:
    return path.stat().st_size


def _begins_with(path: Path, parts: tuple[Part, ...]) -> bool:
    """Whether a local file is there and begins with what was shipped of it."""
    try:
        with path.open("rb") as content:
            return all(
                hashlib.sha256(content.read(part.size_bytes)).hexdigest() == part.sha256
                for part in parts
            )
    except FileNotFoundError:
        return False
