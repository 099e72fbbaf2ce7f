"""What an environment has masked beside secrets: `[environments.NAME.masking]`."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

PersonalData = Literal["email", "address", "literal"]
"""Masked unless it is switched off: e-mail addresses, public IP addresses, values in SQL."""

BUILT_IN = ("secret", "email", "address", "private-address", "literal")
"""The classes that patterns of an environment may not be named by."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}\Z")


class Masking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Secrets are always masked; the rest is as set here."""

    off: tuple[PersonalData, ...] = ()
    """Classes of personal data that are left as they are."""

    private_addresses: bool = False
    """Whether addresses of private networks are masked too: they name the platform's own machines,
    which is what a reader of a log looks for, or its clients, where those come from inside."""

    patterns: dict[str, str] = {}
    """Class -> regular expression (Python's `re`) of what else is masked: `customer = 'C-\\d{6}'`.
    Where it has a group, only the first one is masked."""

    def __post_init__(self) -> None:
        for name, pattern in self.patterns.items():
            if _NAME.match(name) is None or name in BUILT_IN:
                raise ValueError(
                    f"masking.patterns: got class {name!r}, expected another name: a-z"
                )
            try:
                compiled = re.compile(pattern)
            except re.error as error:
                raise ValueError(f"masking.patterns.{name}: got {pattern!r}: {error}") from error
            if compiled.match("") is not None:
                raise ValueError(f"masking.patterns.{name}: got {pattern!r}, which matches nothing")
