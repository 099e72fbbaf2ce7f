"""Reads what pgBackRest prints: `info` as JSON, `verify` as text, the log of `restore`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from harness.errors import RestoreError, StoreError
from harness.model.history import Backup, Outcome
from harness.restore.postgres_recovery import tool_error
from harness.restore.postgres_verification import NAMED_AT_MOST, Found


class _Status(msgspec.Struct, frozen=True):
    code: int
    message: str = ""


class _Repository(msgspec.Struct, frozen=True):
    key: int
    status: _Status


class _Database(msgspec.Struct, frozen=True, rename="kebab"):
    id: int
    system_id: int | None = None
    version: str | None = None
    repo_key: int = 1


class _Archive(msgspec.Struct, frozen=True):
    database: _Database
    id: str
    max: str | None = None
    min: str | None = None


class _Range(msgspec.Struct, frozen=True):
    start: str | None = None
    stop: str | None = None


class _Times(msgspec.Struct, frozen=True):
    start: int
    stop: int


class _Stored(msgspec.Struct, frozen=True):
    delta: int | None = None
    size: int | None = None


class _Sizes(msgspec.Struct, frozen=True):
    size: int
    repository: _Stored = _Stored()


class _Backup(msgspec.Struct, frozen=True):
    label: str
    type: str
    archive: _Range
    database: _Database
    info: _Sizes
    timestamp: _Times
    reference: tuple[str, ...] | None = None
    error: bool | None = None


class Stanza(msgspec.Struct, frozen=True):
    """One stanza of `pgbackrest info --output=json` (user guide, "Information Command")."""

    name: str
    status: _Status
    archive: tuple[_Archive, ...] = ()
    backup: tuple[_Backup, ...] = ()
    db: tuple[_Database, ...] = ()
    repo: tuple[_Repository, ...] = ()

    def newest(self) -> _Backup:
        """The backup that ended last; there must be one."""
        return max(self.backup, key=lambda backup: backup.timestamp.stop)

    def find(self, label: str) -> _Backup:
        """The backup of that label."""
        return next(backup for backup in self.backup if backup.label == label)

    def archive_of(self, backup: _Backup) -> _Archive | None:
        """The archive with the backup's WAL."""
        for archive in self.archive:
            if archive.database.id == backup.database.id:
                return archive
        return None

    def database_of(self, backup: _Backup) -> _Database:
        """System identifier and version of the cluster that was backed up."""
        for database in self.db:
            if database.id == backup.database.id:
                return database
        raise RestoreError(f"stanza {self.name}: {backup.label} is of an unknown database")

    def backups(self) -> tuple[Backup, ...]:
        """As the history has them, oldest first."""
        ordered = sorted(self.backup, key=lambda backup: backup.timestamp.stop)
        return tuple(_as_backup(backup) for backup in ordered)


def _as_backup(backup: _Backup) -> Backup:
    stored = backup.info.repository
    return Backup(
        label=backup.label,
        kind=backup.type,
        started=datetime.fromtimestamp(backup.timestamp.start, UTC),
        stopped=datetime.fromtimestamp(backup.timestamp.stop, UTC),
        size_bytes=backup.info.size,
        # What a restore fetches; where it is not told, what this backup alone added.
        stored_bytes=stored.size if stored.size is not None else stored.delta,
        references=backup.reference or (),
        error="pgBackRest found page checksum errors while it was taken" if backup.error else None,
    )


def parse_info(text: str, stanza: str, hint: str) -> Stanza:
    """The stanza, whose repository must be in order.

    `info` exits with 0 whatever it found: the status counts. Raises StoreError where the store
    does not answer, RestoreError where there is no such stanza, no backup, or it cannot be read.
    """
    subject = f"stanza {stanza}"
    # An undecipherable file is quoted in the message, byte for byte: it need not be JSON.
    stated = re.search(r'"repo":\[\{.*?"status":\{"code":(\d+),"message":"(.*)', text, re.DOTALL)
    if stated is not None and int(stated[1]) != 0:
        raise _status_error(subject, int(stated[1]), stated[2], hint)
    try:
        found = msgspec.json.decode(text, type=tuple[Stanza, ...])
    except msgspec.DecodeError as error:
        raise RestoreError(f"{subject}: pgbackrest info: {error}", hint=hint) from error
    ours = [one for one in found if one.name == stanza]
    if not ours:
        names = ", ".join(one.name for one in found) or "none"
        raise RestoreError(f"{subject}: not in the repository, got {names}", hint=hint)
    for status in (*(repository.status for repository in ours[0].repo), ours[0].status):
        if status.code != 0:
            raise _status_error(subject, status.code, status.message, hint)
    return ours[0]


def _status_error(subject: str, code: int, message: str, hint: str) -> RestoreError | StoreError:
    meaning = {1: "missing stanza path", 2: "no backup found", 3: "missing stanza data"}
    first = message.split("\\n", maxsplit=1)[0].splitlines()[0] if message else ""
    said = "".join(letter for letter in first if letter.isprintable())[:200].strip('"}] ')
    if "CryptoError" in message or "FormatError" in message:
        said += " (wrong passphrase, or a damaged file)"
    return tool_error(
        f"{subject}: status {code}, expected 0", meaning.get(code, said or "unknown"), hint
    )


_MEANINGS = {
    26: "checksum error",
    29: "format error",
    39: "protocol error, as of a store that answers wrongly",
    41: "file cannot be opened",
    42: "file cannot be read",
    44: "archive mismatch",
    45: "archived twice",
    49: "host cannot be reached",
    50: "lock held by another pgBackRest",
    51: "backup mismatch",
    55: "file missing",
    64: "file cannot be written",
    73: "path missing",
    75: "backup set invalid",
    95: "crypto error: damaged, or another passphrase",
    101: "service error",
    103: "repository invalid",
    105: "access denied",
}


def meaning_of(code: int) -> str:
    """An exit code with its name (pgBackRest src/build/error/error.yaml): `95 (crypto error)`."""
    meaning = _MEANINGS.get(code)
    return f"{code} ({meaning})" if meaning else str(code)


# -- restore ------------------------------------------------------------------------------------

_SET = re.compile(r"restore backup set (\S+?),? ")
_RESTORED = re.compile(r"restore file .*, ([0-9.]+)%\)")
_ERROR = re.compile(r"ERROR: (\[\d+\]: .*)")


@dataclass(slots=True)
class RestoreLog:
    """What `restore --log-level-console=detail` has said so far."""

    backup: str | None = None
    percent: float = 0.0

    def read(self, line: str) -> None:
        """Takes in one line."""
        if match := _RESTORED.search(line):
            self.percent = max(self.percent, float(match[1]))
        elif self.backup is None and (match := _SET.search(line)):
            self.backup = match[1]


def last_error(text: str) -> str | None:
    """The last `ERROR: [029]: ...` of a log, with the lines that explain it."""
    lines = text.splitlines()
    at = [index for index, line in enumerate(lines) if _ERROR.search(line)]
    if not at:
        return None
    match = _ERROR.search(lines[at[-1]])
    said = match[1] if match else ""
    for line in lines[at[-1] + 1 : at[-1] + 3]:
        if line.startswith("    ") and not line.strip().startswith("HINT"):
            said += " " + line.strip()
    return said


_HASHED = re.compile(r"restore file .* checksum ([0-9a-f]{40})$")
_MANIFEST_FILE = re.compile(r"^(?P<name>pg_(?:data|tblspc)/[^=]+)=(?P<facts>\{.*\})$")


class _ManifestFile(msgspec.Struct, frozen=True):
    size: int = 0
    checksum: str | None = None


def compare_with_manifest(manifest: str, log: str) -> Found:
    """Whether `restore` hashed every file that the manifest names, and found the manifest's SHA-1.

    `manifest`: a backup.manifest (format 5, section [target:file]); `log`: that of `restore
    --log-level-console=detail`. Files are told by their checksums: their places are not those of
    the manifest where tablespaces and links were mapped. Empty files have nothing to hash.
    """
    expected: dict[str, list[str]] = {}
    for line in manifest.splitlines():
        if match := _MANIFEST_FILE.match(line):
            facts = msgspec.json.decode(match["facts"], type=_ManifestFile)
            if facts.size and facts.checksum:
                expected.setdefault(facts.checksum, []).append(match["name"])
    restored = Counter(match[1] for line in log.splitlines() if (match := _HASHED.search(line)))
    files = sum(map(len, expected.values()))
    # Of several files of one content it cannot be told which one is lacking: the last are named.
    lacking = [
        f"{name}: not restored with the manifest's checksum {checksum}"
        for checksum, names in expected.items()
        for name in names[restored[checksum] :]
    ]
    if files == 0:
        return Found(
            outcome=Outcome.INDETERMINATE, examined=0, detail="the manifest names no file with data"
        )
    if lacking:
        return Found(
            outcome=Outcome.FAIL,
            examined=files - len(lacking),
            detail=f"{len(lacking)} of {files} files of the manifest: {lacking[0]}",
            damage=tuple(lacking[:NAMED_AT_MOST]),
        )
    return Found(
        outcome=Outcome.OK,
        examined=files,
        detail=f"{files} files were read from the store and have the manifest's checksums",
    )


# -- verify -------------------------------------------------------------------------------------

_CHECKED = re.compile(
    r"^\s*(?:backup|archiveId): (?P<subject>[^,]+),(?: status: (?P<status>[^,\n]+),?)?"
    r"(?: total (?:files|WAL) checked: (?P<checked>\d+))?"
)
_COUNTS = re.compile(
    r"missing: (?P<missing>\d+), checksum invalid: (?P<checksum>\d+), "
    r"size invalid: (?P<size>\d+), other: (?P<other>\d+)"
)
_NOT_YET = ("in-progress",)


def read_verify(text: str, needed: Sequence[str]) -> Found:
    """The outcome of `verify --output=text --verbose`; its exit code says nothing.

    `needed`: the labels of the backup that was restored and of those it builds on; each must have
    been looked at. What is damaged in others is damage as well.
    """
    examined = 0
    seen: dict[str, int] = {}
    damage: list[str] = []
    subject = ""
    for line in text.splitlines():
        if match := _CHECKED.match(line):
            subject = match["subject"]
            checked = int(match["checked"] or 0)
            seen[subject] = checked
            examined += checked
            status = match["status"]
            if status not in {None, "valid", *_NOT_YET}:
                damage.append(f"{subject}: {status}")
        elif match := _COUNTS.search(line):
            wrong = {name: int(count) for name, count in match.groupdict().items() if int(count)}
            if wrong:
                told = ", ".join(f"{count} {name}" for name, count in wrong.items())
                damage.append(f"{subject}: {told}")
    damage += [
        line.strip() for line in text.splitlines() if re.match(r"^\s+No usable \S+ file", line)
    ]
    if damage or re.search(r"^status: error", text, re.MULTILINE):
        return Found(
            outcome=Outcome.FAIL,
            examined=examined,
            detail=f"pgbackrest verify: {'; '.join(damage[:3]) or 'status: error'}",
            damage=tuple(damage[:NAMED_AT_MOST]),
        )
    unseen = [label for label in needed if not seen.get(label)]
    if unseen:
        return Found(
            outcome=Outcome.INDETERMINATE,
            examined=examined,
            detail=f"pgbackrest verify looked at no file of {', '.join(unseen)}",
        )
    return Found(
        outcome=Outcome.OK,
        examined=examined,
        detail=f"pgbackrest verify: {examined} files and WAL segments are as the manifests say",
    )
