"""AOF manifests, and where an incremental file may be cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.backup.aof import AofFormatError, parse_manifest, scan, write_manifest

_WORDS = st.lists(st.binary(max_size=12), min_size=1, max_size=4)
_PLAIN = _WORDS.filter(lambda words: words[0].upper() not in (b"MULTI", b"EXEC"))


def _command(*words: bytes) -> bytes:
    lines = [b"*%d\r\n" % len(words)]
    lines += [b"$%d\r\n%s\r\n" % (len(word), word) for word in words]
    return b"".join(lines)


def _unit(words: list[bytes], stamp: int | None, *, transaction: bool) -> bytes:
    command = _command(*words)
    if transaction:
        command = _command(b"MULTI") + command + _command(b"exec")
    return (b"#TS:%d\r\n" % stamp if stamp is not None else b"") + command


_UNITS = st.lists(
    st.builds(_unit, _PLAIN, st.none() | st.integers(1, 2**33), transaction=st.booleans())
)


def test_an_empty_file_can_be_cut_at_its_beginning() -> None:
    """Nothing in it: nothing whole, no time."""
    found = scan(b"")
    assert (found.whole_bytes, found.commands, found.first_timestamp) == (0, 0, None)


@given(_UNITS, st.data())
def test_a_cut_is_never_within_a_command_or_a_transaction(
    units: list[bytes], data: st.DataObject
) -> None:
    """However much of a file was read, what is shipped ends where a unit ends, or its annotation;
    what follows can be scanned on from there.
    """
    whole = b"".join(units)
    ends = {0}
    position = 0
    for unit in units:
        if unit.startswith(b"#"):
            ends.add(position + unit.index(b"\n") + 1)
        position += len(unit)
        ends.add(position)
    length = data.draw(st.integers(0, len(whole)))
    found = scan(whole[:length])
    assert found.whole_bytes in ends
    assert found.whole_bytes == max(end for end in ends if end <= length)
    rest = scan(whole[found.whole_bytes :])
    assert found.whole_bytes + rest.whole_bytes == len(whole)


@given(_UNITS)
def test_timestamps_are_the_first_and_the_last_annotation(units: list[bytes]) -> None:
    """Only annotations count, never bytes of a value that look like one."""
    stamps = [int(unit[4 : unit.index(b"\r")]) for unit in units if unit.startswith(b"#TS:")]
    found = scan(b"".join(units))
    assert found.first_timestamp == (stamps[0] if stamps else None)
    assert found.last_timestamp == (stamps[-1] if stamps else None)


def test_an_open_transaction_is_left_for_the_next_part() -> None:
    """MULTI without EXEC would be dropped by Redis at the end of a file."""
    before = _command(b"SET", b"a", b"1")
    found = scan(before + _command(b"MULTI") + _command(b"SET", b"b", b"2"))
    assert found.whole_bytes == len(before)


def test_a_value_with_an_annotation_in_it_is_no_annotation() -> None:
    """The length of a word decides, not its content."""
    found = scan(_command(b"SET", b"a", b"\r\n#TS:5\r\n*1\r\n"))
    assert found.commands == 1
    assert found.last_timestamp is None


@pytest.mark.parametrize(
    "content",
    [b"SET a b\r\n", b"*x\r\n", b"*1\r\n+4\r\nPING\r\n", b"*1\r\n$4\r\nPINGxx", b"*" + b"1" * 40],
)
def test_what_cannot_become_right_is_an_error(content: bytes) -> None:
    """Damage is not taken for a command that is not finished yet."""
    with pytest.raises(AofFormatError):
        scan(content)


def test_a_manifest_names_files_in_the_order_they_are_loaded() -> None:
    """History files are no longer data; quoted names are read."""
    manifest = parse_manifest(
        'file "my aof.1.base.rdb" seq 1 type b\n'
        "file old.1.incr.aof seq 1 type h\n"
        "file appendonly.aof.2.incr.aof seq 2 type i\n"
        "file appendonly.aof.3.incr.aof seq 3 type i\n"
    )
    assert [entry.name for entry in manifest.entries] == [
        "my aof.1.base.rdb",
        "appendonly.aof.2.incr.aof",
        "appendonly.aof.3.incr.aof",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "file a seq 1 type b\nfile b seq 2 type b\n",
        "file a seq 2 type i\nfile b seq 2 type i\n",
        "file ../a seq 1 type b\n",
        "file a seq x type b\n",
        "file a seq 1 type z\n",
        "file a seq\n",
    ],
)
def test_a_manifest_that_redis_would_refuse_is_refused(text: str) -> None:
    """No file, two bases, falling numbers, a path, a number or a type that is none."""
    with pytest.raises(AofFormatError):
        parse_manifest(text)


def test_a_written_manifest_can_be_read() -> None:
    """Sequence numbers count each kind from 1."""
    text = write_manifest([("a.base.rdb", "b"), ("a.1", "i"), ("a.2", "i")])
    assert [(entry.name, entry.seq) for entry in parse_manifest(text).entries] == [
        ("a.base.rdb", 1),
        ("a.1", 1),
        ("a.2", 2),
    ]
