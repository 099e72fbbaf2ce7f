"""What was read of a document: its statements, each with its line, and what could not be read."""

from __future__ import annotations

import enum
import re

import msgspec


class Form(enum.StrEnum):
    """How a statement is written."""

    SETTING = "setting"
    """A key with its value: of YAML, or `**Key**: value`."""

    ITEM = "item"
    """Of a list."""

    CELL = "cell"
    """Of a table: below its column's heading, beside its row's label."""

    LINE = "line"
    """Of a block that is no YAML: a tree of folders, a picture, a program."""

    PROSE = "prose"


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the document says."""

    line: int
    """From 1."""

    section: str
    """The nearest heading above, without what is no letter or digit around it."""

    path: tuple[str, ...]
    """Keys from the root of its block, items of lists by their index; of a cell, row and column."""

    text: str
    """The value: without its key, its quotes and its comment."""

    whole: str
    """Its line as the document has it; of a cell, row, column and value."""

    form: Form
    block: int = 0
    """Line where its block begins."""

    @property
    def keys(self) -> tuple[str, ...]:
        """What it may be called: its key; of a cell, its column or its row."""
        if self.form is Form.CELL:
            return tuple(key_of(one) for one in self.path)
        if self.form is Form.SETTING:
            return (key_of(self.path[-1]),)
        return ()

    @property
    def key(self) -> str:
        """The words that tell what its number counts."""
        return " ".join(self.path) if self.form is Form.CELL else (self.path or ("",))[-1]


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """A block that was not read as what it is written as, and how it was read instead."""

    line: int
    lines: int
    why: str
    instead: str
    """`by indentation`, `line by line`, or `not at all`."""


class Heading(msgspec.Struct, frozen=True, kw_only=True):
    """Where a section begins."""

    line: int
    section: str


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """All that was read of a document."""

    statements: tuple[Statement, ...]
    headings: tuple[Heading, ...] = ()
    unread: tuple[Unread, ...] = ()
    damaged: tuple[int, ...] = ()
    """Lines with U+FFFD: bytes that are no UTF-8, here or where it was saved before."""


def section_of(heading: str) -> str:
    """A heading without emoji, U+FFFD, `*` and punctuation around it."""
    return re.sub(r"^[\W_]+|[\W_]+$", "", heading.replace("*", "").replace("`", ""))


def key_of(words: str) -> str:
    """One spelling of a key: small letters and `_`: `Recovery time` is `recovery_time`."""
    return re.sub(r"[\s_-]+", "_", re.sub(r"[*`]", "", words).strip()).casefold()


def value_of(words: str) -> str:
    """One spelling of a value: small letters, one space between words, no quotes or emphasis."""
    bare = words.strip().strip("\"'")
    return " ".join(re.sub(r"[*`]", "", bare).split()).casefold()
