"""Explains what S3 and boto3 raise: every failure a StoreError that says what to do next."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from harness.errors import StoreError
from harness.model.subject import ObjectStore


class ObjectMissingError(StoreError):
    """The store answered: there is no such object (or version)."""


class BucketMissingError(StoreError):
    """The store answered: there is no such bucket."""


class StoreDeniedError(StoreError):
    """The store answered: these credentials are unknown, expired, or may not do this."""


def full_key(store: ObjectStore, key: str) -> str:
    """The key in the bucket of a key relative to the store's prefix."""
    prefix = store.prefix.strip("/")
    return f"{prefix}/{key}" if prefix else key


@contextlib.contextmanager
def mapped_errors(store: ObjectStore, key: str | None = None) -> Iterator[None]:
    """Turns what boto3 and what is below it raise into a StoreError about this place."""
    import urllib3.exceptions
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError, Boto3Error, urllib3.exceptions.HTTPError) as error:
        raise _explained(error, store, key) from error
    except Exception as error:
        # The Common Runtime has a hierarchy of its own; it is not imported unless it is used.
        if type(error).__module__.partition(".")[0] == "awscrt":
            raise _explained(error, store, key) from error
        raise


def place_of(store: ObjectStore, key: str | None = None) -> str:
    """`s3://bucket/prefix/key at https://endpoint`, as every message begins."""
    where = full_key(store, key) if key is not None else store.prefix.strip("/")
    endpoint = store.endpoint_url or f"AWS {store.region_name}"
    return f"s3://{store.bucket}/{where} at {endpoint}"


def by_hand(store: ObjectStore, command: str, key: str | None = None) -> str:
    """The same request by the AWS command line, for a person to try."""
    words = [
        f"AWS_SHARED_CREDENTIALS_FILE={store.credentials_file}" if store.credentials_file else "",
        "aws",
        f"--profile {store.profile}" if store.profile else "",
        f"--endpoint-url {store.endpoint_url}" if store.endpoint_url else "",
        f"--ca-bundle {store.ca_file}" if store.ca_file else "",
        command,
    ]
    where = full_key(store, key or "")
    if command.startswith("s3api list-"):
        words.append(f"--bucket {store.bucket} --prefix {where}")
    elif command.startswith("s3api "):
        words.append(f"--bucket {store.bucket} --key {where}")
    else:
        words.append(f"s3://{store.bucket}/{where}")
    return " ".join(word for word in words if word)


# Error codes of the S3 API reference ("List of error codes") and of STS.
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"}
_UNKNOWN = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthFailure"}
_REDIRECTS = {"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"}


def _explained(  # noqa: PLR0911 - one return for each thing that can happen
    error: BaseException, store: ObjectStore, key: str | None
) -> StoreError:
    """The one mapping of foreign exceptions: subject, got, expected, next command."""
    from botocore import exceptions as botocore_exceptions

    cause = error
    while not isinstance(cause, botocore_exceptions.ClientError) and cause.__context__ is not None:
        cause = cause.__context__
    if isinstance(cause, botocore_exceptions.ClientError):
        return _answered(cause.response, store, key)
    place, listing = place_of(store, key), by_hand(store, "s3 ls")
    if isinstance(
        error,
        botocore_exceptions.NoCredentialsError
        | botocore_exceptions.PartialCredentialsError
        | botocore_exceptions.ProfileNotFound
        | botocore_exceptions.CredentialRetrievalError
        | botocore_exceptions.TokenRetrievalError,
    ):
        where = store.credentials_file or "boto3's usual places"
        return StoreDeniedError(
            f"{place}: no credentials of profile {store.profile or 'default'} in {where}: "
            f"{in_short(error)}",
            hint=f"grep -n '^\\[' {store.credentials_file or '~/.aws/credentials'}",
        )
    if isinstance(error, botocore_exceptions.SSLError):
        host = (store.endpoint_url or "").partition("://")[2].split("/")[0]
        return StoreError(
            f"{place}: TLS failed: {in_short(error)}; expected a certificate of "
            f"{store.ca_file or 'a public authority'}",
            hint=f"openssl s_client -brief -connect {host or 's3.amazonaws.com:443'}"
            + (f" -CAfile {store.ca_file}" if store.ca_file else "")
            + " </dev/null",
        )
    if isinstance(error, botocore_exceptions.ConnectTimeoutError):
        return StoreError(f"{place}: got no connection in time", hint=listing)
    if isinstance(error, botocore_exceptions.ReadTimeoutError):
        return StoreError(f"{place}: timed out, the store accepted but sent nothing", hint=listing)
    if isinstance(error, botocore_exceptions.ConnectionClosedError) or "reset by peer" in str(
        error
    ):
        return StoreError(f"{place}: the connection was reset or closed", hint=listing)
    if isinstance(error, botocore_exceptions.EndpointConnectionError):
        return StoreError(f"{place}: refused or unknown host: {in_short(error)}", hint=listing)
    return StoreError(f"{place}: {type(error).__name__}: {in_short(error)}", hint=listing)


def _answered(  # noqa: PLR0911 - as above
    response: Mapping[str, Any], store: ObjectStore, key: str | None
) -> StoreError:
    """What an error answer of the store means."""
    detail = response.get("Error", {})
    code, text = str(detail.get("Code", "")), str(detail.get("Message", ""))
    about = response.get("ResponseMetadata", {})
    status, headers = int(about.get("HTTPStatusCode", 0)), about.get("HTTPHeaders", {})
    place, got = place_of(store, key), f"HTTP {status} {code}".rstrip()
    listing = by_hand(store, "s3 ls")
    who = f"profile {store.profile or 'default'} of {store.credentials_file or 'the usual chain'}"
    if code == "NoSuchBucket":
        return BucketMissingError(
            f"{place}: got {got}: there is no bucket {store.bucket}",
            hint=listing.replace(f"s3://{store.bucket}/{full_key(store, '')}", "").rstrip(),
        )
    if status == 404 or code in {"NoSuchKey", "NoSuchVersion"}:
        return ObjectMissingError(
            f"{place}: got {got}: no such object",
            hint=by_hand(store, "s3api list-object-versions", key),
        )
    if code in _EXPIRED:
        return StoreDeniedError(
            f"{place}: got {got}: the credentials ({who}) have expired, expected valid ones",
            hint=listing,
        )
    if code in _UNKNOWN:
        return StoreDeniedError(
            f"{place}: got {got}: the store does not accept the credentials ({who})", hint=listing
        )
    if code == "RequestTimeTooSkewed":
        return StoreDeniedError(
            f"{place}: got {got}: this host's clock and the store's differ by more than 15 min",
            hint="timedatectl status",
        )
    if 300 <= status < 400 or code in _REDIRECTS:
        to = headers.get("location") or headers.get("x-amz-bucket-region") or "another endpoint"
        return StoreError(
            f"{place}: got {got}, a redirect to {to}; expected the bucket to be at this endpoint "
            "and region: mend endpoint_url or region_name",
            hint=by_hand(store, "s3api get-bucket-location").rpartition(" --key")[0],
        )
    if code == "InvalidObjectState":
        return StoreError(
            f"{place}: got {got}: the object is in a cold storage class and must be thawed first",
            hint=by_hand(store, "s3api head-object", key),
        )
    if status == 403 or code == "AccessDenied":
        return StoreDeniedError(
            f"{place}: got {got}: the credentials ({who}) may not do this", hint=listing
        )
    if status == 412:
        return StoreError(
            f"{place}: got {got}: the object changed while it was being read",
            hint=by_hand(store, "s3api list-object-versions", key),
        )
    return StoreError(f"{place}: got {got}: {text or 'no explanation'}", hint=listing)


def in_short(error: BaseException) -> str:
    """The first line of an exception's text, at most 200 characters."""
    lines = str(error).splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]
