"""Every way in which S3 can fail becomes a StoreError that says subject, got and what to type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import urllib3.exceptions
from boto3.exceptions import S3UploadFailedError
from botocore import exceptions as botocore_exceptions

from harness.drivers import s3
from harness.errors import StoreError
from harness.model.subject import ObjectStore

STORE = ObjectStore(
    bucket="backups",
    prefix="/pg/",
    endpoint_url="https://localhost:1",
    credentials_file=Path("/nowhere/credentials"),
    profile="drill",
)


def _answer(
    code: str, status: int, headers: dict[str, str] | None = None
) -> botocore_exceptions.ClientError:
    response: dict[str, Any] = {
        "Error": {"Code": code, "Message": "as the store says it"},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers or {}},
    }
    return botocore_exceptions.ClientError(response, "GetObject")  # type: ignore[arg-type] # a dict


def _mapped(error: Exception) -> StoreError:
    with pytest.raises(StoreError) as caught, s3.mapped_errors(STORE, "a/b"):
        raise error
    assert caught.value.__cause__ is error
    return caught.value


def test_nothing_raised_is_nothing_mapped() -> None:
    """A block that succeeds is left alone."""
    with s3.mapped_errors(STORE):
        pass


def test_a_fault_of_ours_is_not_the_stores() -> None:
    """Exceptions that have nothing to do with S3 pass as they are."""
    with pytest.raises(ZeroDivisionError), s3.mapped_errors(STORE):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (_answer("NoSuchBucket", 404), s3.BucketMissingError, "no bucket backups"),
        (_answer("NoSuchKey", 404), s3.ObjectMissingError, "no such object"),
        (_answer("404", 404), s3.ObjectMissingError, "no such object"),
        (_answer("ExpiredToken", 400), s3.StoreDeniedError, "have expired"),
        (_answer("InvalidAccessKeyId", 403), s3.StoreDeniedError, "does not accept"),
        (_answer("SignatureDoesNotMatch", 403), s3.StoreDeniedError, "does not accept"),
        (_answer("RequestTimeTooSkewed", 403), s3.StoreDeniedError, "clock"),
        (_answer("AccessDenied", 403), s3.StoreDeniedError, "may not do this"),
        (_answer("PermanentRedirect", 301), StoreError, "redirect to another endpoint"),
        (
            _answer("301", 301, {"x-amz-bucket-region": "eu-west-1"}),
            StoreError,
            "redirect to eu-west-1",
        ),
        (
            _answer("307", 307, {"location": "https://elsewhere.example/"}),
            StoreError,
            "redirect to https://elsewhere.example/",
        ),
        (_answer("PreconditionFailed", 412), StoreError, "changed while it was being read"),
        (_answer("InvalidObjectState", 403), StoreError, "must be thawed"),
        (_answer("SlowDown", 503), StoreError, "HTTP 503 SlowDown: as the store says it"),
        (_answer("InternalError", 500), StoreError, "HTTP 500 InternalError"),
        (
            botocore_exceptions.EndpointConnectionError(endpoint_url="https://localhost:1"),
            StoreError,
            "refused or unknown host",
        ),
        (
            botocore_exceptions.ConnectTimeoutError(endpoint_url="https://localhost:1"),
            StoreError,
            "no connection in time",
        ),
        (
            botocore_exceptions.ReadTimeoutError(endpoint_url="https://localhost:1"),
            StoreError,
            "timed out",
        ),
        (
            botocore_exceptions.ConnectionClosedError(endpoint_url="https://localhost:1"),
            StoreError,
            "reset or closed",
        ),
        (
            botocore_exceptions.SSLError(
                endpoint_url="https://localhost:1", error=ValueError("self-signed")
            ),
            StoreError,
            "TLS failed",
        ),
        (botocore_exceptions.NoCredentialsError(), s3.StoreDeniedError, "no credentials"),
        (
            botocore_exceptions.ProfileNotFound(profile="drill"),
            s3.StoreDeniedError,
            "no credentials of profile drill",
        ),
        (
            botocore_exceptions.IncompleteReadError(actual_bytes=1, expected_bytes=2),
            StoreError,
            "1 read, but total bytes expected is 2",
        ),
        (urllib3.exceptions.ProtocolError("broken"), StoreError, "broken"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_each_failure_names_place_and_reason(
    error: Exception, kind: type[StoreError], says: str
) -> None:
    """The message names bucket, key and endpoint and what was got; the hint is a command."""
    mapped = _mapped(error)
    assert type(mapped) is kind
    assert str(mapped).startswith("s3://backups/pg/a/b at https://localhost:1: ")
    assert says in str(mapped)
    assert mapped.hint


def _upload() -> None:
    """Fails as boto3's upload_file does: the code is only in the exception's context."""
    try:
        raise _answer("AccessDenied", 403)
    except botocore_exceptions.ClientError as error:
        raise S3UploadFailedError(f"Failed to upload: {error}")  # noqa: B904 - as boto3 does


def test_the_cause_of_a_failed_upload_is_found() -> None:
    """boto3 wraps an upload's error without its code; the code is what is explained."""
    with pytest.raises(s3.StoreDeniedError, match="may not do this"), s3.mapped_errors(STORE, "a"):
        _upload()


def test_a_missing_credentials_file_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    """Botocore would go on without it and look for other credentials."""
    store = ObjectStore(bucket="b", credentials_file=tmp_path / "absent")
    with pytest.raises(StoreError, match="absent does not exist"):
        s3.connect(store)


def test_a_missing_profile_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    """The message names the profile and the file that lacks it."""
    file = tmp_path / "credentials"
    file.write_text("[backup]\naws_access_key_id = A\naws_secret_access_key = S\n")
    store = ObjectStore(bucket="b", credentials_file=file, profile="drill")
    with pytest.raises(s3.StoreDeniedError, match=f"profile drill in {file}"):
        s3.connect(store)


def test_the_environment_does_not_override_the_named_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drill must not run with whatever key the shell happens to hold."""
    file = tmp_path / "credentials"
    file.write_text("[drill]\naws_access_key_id = FILE\naws_secret_access_key = S\n")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "ENVIRONMENT")
    client = s3.connect(ObjectStore(bucket="b", credentials_file=file, profile="drill"))
    used = client._request_signer._credentials  # type: ignore[attr-defined] # no public name
    assert used.access_key == "FILE"


@pytest.mark.parametrize("prefix", ["", "/", "pg", "/pg", "pg/", "/pg/"])
def test_keys_are_joined_the_same_however_the_prefix_is_written(prefix: str) -> None:
    """PgBackRest's paths begin with a slash, people's end with one; S3 keys do neither."""
    store = ObjectStore(bucket="b", prefix=prefix)
    expected = "pg/a/b" if prefix.strip("/") else "a/b"
    assert s3.full_key(store, "a/b") == expected
