"""The hash chain of history.jsonl: each line names the digest of the line before it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec


def digest(content: bytes) -> str:
    """SHA-256 (FIPS 180-4) as 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


class Break(msgspec.Struct, frozen=True, kw_only=True):
    """One place where the chain does not hold."""

    line: int
    """Of history.jsonl, from 1."""

    says: str


class ChainRead(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of a chain."""

    lines: int
    """Whole lines; a torn last one, of a run that was killed, is none."""

    head: str
    """Digest of the last whole line; where there is none, of what the chain begins with."""

    chained: bool
    """False: its lines name nothing; they were written by a harness that did not chain yet."""

    breaks: tuple[Break, ...] = ()


class _Link(msgspec.Struct):
    sequence: int
    previous: str = ""


_DECODER = msgspec.json.Decoder(_Link)


def read_chain(lines: Iterable[bytes], begins_with: str) -> ChainRead:
    """Follows the chain, line by line: a million of them need no more memory than one.

    `lines`: with their line feeds, without which a line is torn. `begins_with`: what the first line
    names. A change is seen by the line after it, so that of the last line only the head tells:
    whoever has sealed it compares.
    """
    breaks: list[Break] = []
    count, expected, before, chained = 0, 0, begins_with, True
    for number, line in enumerate(lines, 1):
        content = line.removesuffix(b"\n")
        if content == line:
            break
        count = number
        try:
            link = _DECODER.decode(content)
        except msgspec.DecodeError:
            breaks.append(Break(line=number, says=f"line {number} is no event"))
            before = digest(content)
            expected += 1
            continue
        if not link.previous and number == 1:
            chained = False
        if link.sequence > expected:
            breaks.append(Break(line=number, says=_missing(expected, link.sequence, number)))
        elif link.sequence < expected:
            says = f"line {number} is event {link.sequence}, after event {expected - 1}: moved"
            breaks.append(Break(line=number, says=says))
        elif chained and link.previous != before:
            breaks.append(Break(line=max(number - 1, 1), says=_changed(link.sequence, number)))
        expected = link.sequence + 1
        before = digest(content)
    return ChainRead(lines=count, head=before, chained=chained, breaks=tuple(breaks))


def _missing(expected: int, found: int, line: int) -> str:
    if found - expected == 1:
        return f"event {expected} is missing before line {line}"
    return f"events {expected} to {found - 1} are missing before line {line}"


def _changed(sequence: int, line: int) -> str:
    if sequence == 0:
        return "the first event does not name plan.json: the plan, or that event, was changed"
    return (
        f"event {sequence - 1} (line {line - 1}) is not the one that event {sequence} names: "
        "it was changed, or that name was"
    )
