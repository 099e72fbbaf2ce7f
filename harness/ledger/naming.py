"""Decides what ledgers may be called: a name is a table of PostgreSQL, and a prefix of Redis keys.

Ledgers of different names in one database do not see each other: neither holds the other's rows
for unexpected ones. `name:` begins no key of another name.
"""

from __future__ import annotations

import re

LEDGER = "ledger"
"""The one that is kept all the time."""

# No capital and no quote is needed in SQL; 63 bytes are an identifier there (NAMEDATALEN), and an
# index has a suffix.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,44}")


def check_name(name: str) -> str:
    """The name; ValueError where it is none."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"name: got {name!r}, expected a letter and up to 44 of a-z, 0-9 and _ after it"
        )
    return name


def key_prefix(name: str) -> str:
    """What each Redis key of a ledger begins with."""
    return f"{check_name(name)}:"


def key_of(name: str, client: int, seq: int) -> str:
    """The Redis key of one operation. It has no hash tag: keys spread over all slots."""
    return f"{key_prefix(name)}{client}:{seq}"
