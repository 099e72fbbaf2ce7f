"""Probes a service over HTTP: the status that belongs to the request, and its own id in the answer.

Without the id an answer may be anybody's: a page of a proxy, or a cache's.
"""

from __future__ import annotations

import uuid

import msgspec

from harness.drivers.bounded_http import (
    ConnectionLostError,
    NotConnectedError,
    NotHttpError,
    Request,
    ask,
)
from harness.errors import DeadlineExceededError
from harness.model.history import Outcome
from harness.probes.config import HttpRequest

_ID = "{id}"


class HttpProbe:
    """One request on a new connection; see open_loop.Probe."""

    def __init__(self, asked: HttpRequest) -> None:
        self._asked = asked

    def __call__(self, _slot: int, deadline_ns: int) -> tuple[Outcome, str]:
        """One probe."""
        asked, name = self._asked, str(uuid.uuid4())
        body = None if asked.body is None else asked.body.replace(_ID, name).encode()
        try:
            answer = ask(
                Request(
                    address=asked.address,
                    method=asked.method,
                    path=asked.path.replace(_ID, name),
                    host=asked.host,
                    headers={} if body is None else {"Content-Type": "application/json"},
                    body=body,
                ),
                deadline_ns=deadline_ns,
            )
        except (NotConnectedError, NotHttpError) as error:
            return Outcome.FAIL, str(error)
        except (ConnectionLostError, DeadlineExceededError) as error:
            return Outcome.INDETERMINATE, str(error)
        if answer.status != asked.expect_status:
            said = answer.body[:80].decode("utf-8", "replace")
            return (
                Outcome.FAIL,
                f"got status {answer.status}, expected {asked.expect_status}: {said}",
            )
        named = _ID in (asked.body or "") or _ID in asked.path
        if named and name.encode() not in answer.body:
            return Outcome.FAIL, f"the answer does not contain the id {name}"
        return Outcome.OK, "" if asked.version_field is None else _version(asked, answer.body)


def _version(asked: HttpRequest, body: bytes) -> str:
    """Which version answered; empty where it does not say."""
    try:
        found = msgspec.json.decode(body, type=dict[str, object]).get(str(asked.version_field))
    except msgspec.MsgspecError:
        return ""
    return "" if found is None else str(found)
