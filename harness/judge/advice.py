"""The commands that a person types next, by subject and what is wrong. Pure text, no secrets."""

from __future__ import annotations

import shlex

from harness.model.subject import (
    BarmanCloud,
    BarmanRepository,
    ObjectStore,
    PgBackRest,
    PgBackRestRepository,
    RedisRepository,
    Region,
    Subject,
)

SHOW_REPORT = "harness report RUN"
RUN_AGAIN = "harness run SUITE"


def repository(
    subject: Subject, region: Region
) -> PgBackRestRepository | BarmanRepository | RedisRepository | None:
    """The subject's repository of one region; None where the environment names none."""
    return subject.primary if region is Region.PRIMARY else subject.replica


def list_backups(subject: Subject, region: Region = Region.PRIMARY) -> str:
    """Shows what the region holds, by the backup tool's own listing."""
    place = repository(subject, region)
    if place is None:
        return f"add a replica repository of {subject.id} to harness.toml"
    if isinstance(subject, PgBackRest) and isinstance(place, PgBackRestRepository):
        return _command(
            "pgbackrest", f"--config={place.config}", f"--stanza={subject.stanza}", "info"
        )
    if isinstance(subject, BarmanCloud) and isinstance(place, BarmanRepository):
        return _command(
            "barman-cloud-backup-list",
            *_endpoint(place.store, "--endpoint-url"),
            f"s3://{_path(place.store)}",
            place.server,
        )
    return list_objects(subject, region)


def check_archive(subject: Subject, region: Region) -> str:
    """Looks at the archive more closely; nothing of it changes the archive or the subject."""
    place = repository(subject, region)
    if isinstance(subject, PgBackRest) and isinstance(place, PgBackRestRepository):
        # verify's exit code says nothing (it is 0 on damage): its text does.
        return _command(
            "pgbackrest",
            f"--config={place.config}",
            f"--stanza={subject.stanza}",
            "verify",
            "--output=text",
            "--verbose",
        )
    return list_objects(subject, region)


def list_objects(subject: Subject, region: Region) -> str:
    """The raw listing of the repository."""
    place = repository(subject, region)
    if place is None:
        return f"add a replica repository of {subject.id} to harness.toml"
    return _command(
        "aws", *_endpoint(place.store), "s3", "ls", "--recursive", f"s3://{_path(place.store)}/"
    )


def ask_object(subject: Subject, region: Region, question: str, key: str | None) -> str:
    """`aws s3api QUESTION` of one object, such as head-object or get-object-retention."""
    place = repository(subject, region)
    if place is None or key is None:
        return list_objects(subject, region)
    return _command(
        "aws",
        *_endpoint(place.store),
        "s3api",
        question,
        "--bucket",
        place.store.bucket,
        "--key",
        key,
    )


def ask_bucket(subject: Subject, region: Region, question: str) -> str:
    """`aws s3api QUESTION` of the bucket, such as get-bucket-replication."""
    place = repository(subject, region)
    if place is None:
        return list_objects(subject, region)
    return _command(
        "aws", *_endpoint(place.store), "s3api", question, "--bucket", place.store.bucket
    )


def _endpoint(store: ObjectStore, option: str = "--endpoint-url") -> tuple[str, ...]:
    return () if store.endpoint_url is None else (option, store.endpoint_url)


def _path(store: ObjectStore) -> str:
    return "/".join(part for part in (store.bucket, store.prefix.strip("/")) if part)


def _command(*words: str) -> str:
    return shlex.join(words)
