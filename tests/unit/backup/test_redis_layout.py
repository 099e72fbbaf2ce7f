"""Documents of the layout: what is written can be read, and nothing else is taken for it."""

from datetime import UTC, datetime

import pytest

from harness.backup.layout import (
    FORMAT,
    LayoutError,
    Snapshot,
    decode,
    encode,
    is_chain_key,
    is_manifest_key,
    label_at,
    time_of_label,
)

NOW = datetime(2026, 11, 24, 3, 39, 15, 123456, tzinfo=UTC)
SNAPSHOT = Snapshot(
    label=label_at(NOW), cluster=True, started=NOW, stopped=NOW, shards=(), tools={"redis": "7"}
)


def test_a_document_comes_back_as_it_was_written() -> None:
    """Equal values give equal bytes, and those bytes the value."""
    assert decode(encode(SNAPSHOT), Snapshot, "k") == SNAPSHOT
    assert encode(SNAPSHOT) == encode(decode(encode(SNAPSHOT), Snapshot, "k"))


def test_any_flipped_bit_of_a_document_is_found() -> None:
    """A digit that changed would otherwise be another backup."""
    content = encode(SNAPSHOT)
    for position in range(len(content) - 1):  # the line feed at the end means nothing
        damaged = bytearray(content)
        damaged[position] ^= 1
        with pytest.raises(LayoutError, match="k"):
            decode(bytes(damaged), Snapshot, "k")


def test_a_document_that_is_cut_is_found() -> None:
    """From empty to all but the brace."""
    content = encode(SNAPSHOT)
    for length in range(0, len(content) - 1, 7):
        with pytest.raises(LayoutError):
            decode(content[:length], Snapshot, "k")


def test_a_newer_format_is_refused_by_its_number() -> None:
    """Not by whatever field happens to be missing."""
    content = encode(SNAPSHOT).replace(b'"format":%d' % FORMAT, b'"format":%d' % (FORMAT + 1))
    with pytest.raises(LayoutError, match=f"format {FORMAT + 1}, expected {FORMAT}"):
        decode(content, Snapshot, "k")


def test_labels_sort_by_time_and_say_it() -> None:
    """A label is read back to the microsecond, with whatever follows it."""
    assert time_of_label(label_at(NOW)) == NOW
    assert time_of_label(f"{label_at(NOW)}-0a1b2c3d") == NOW
    assert time_of_label("latest") is None
    assert time_of_label("") is None


def test_documents_are_known_by_their_keys() -> None:
    """Objects are no documents, nor is what others put below the prefix."""
    assert is_manifest_key("snapshots/a/manifest.json")
    assert not is_manifest_key("snapshots/a/b/manifest.json")
    assert not is_manifest_key("snapshots/a/node.rdb")
    assert is_chain_key("aof/n/chains/a.json")
    assert not is_chain_key("aof/n/indexes/a.json")
