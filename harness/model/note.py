"""Notes: what people saw or did while a run went on, in their own words, with the time."""

from __future__ import annotations

import enum

import msgspec

from harness.model.instant import Instant

MOST_CHARACTERS = 2_000
"""Of a note; it is a sentence or two, and the page shows all of it."""

MOST_CHARACTERS_OF_A_NAME = 100


class SignedIn(enum.StrEnum):
    """How it is known who wrote it."""

    TOKEN = "token"  # noqa: S105 - a word, not a password
    """Somebody with the page's token typed the name: nothing proves it."""

    PROXY = "proxy"
    """The proxy in front of the page signed the person in, and gave the name."""


class Note(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of notes.jsonl."""

    at: Instant
    """When the page had it; the monotonic clock is that of `host`."""

    host: str
    who: str
    signed_in: SignedIn
    text: str

    def __post_init__(self) -> None:
        for what, value, most in (
            ("text", self.text, MOST_CHARACTERS),
            ("who", self.who, MOST_CHARACTERS_OF_A_NAME),
        ):
            if not value.strip() or len(value) > most:
                raise ValueError(
                    f"note: {what}: got {len(value)} characters, expected 1 to {most:,}, not blank"
                )
