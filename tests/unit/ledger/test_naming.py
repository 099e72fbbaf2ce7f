"""Names of ledgers: two of them never share a table or a key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import InputError
from harness.ledger.continuous import read_config
from harness.ledger.naming import LEDGER, check_name, key_of, key_prefix

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,44}", fullmatch=True)


def test_the_default_is_what_it_was() -> None:
    """Ledgers that were kept before have the same keys."""
    assert key_of(LEDGER, 3, 7) == "ledger:3:7"


@pytest.mark.parametrize("name", ["", "A", "1a", "a-b", "a b", "a;drop table x", "a:b", "a" * 46])
def test_what_is_no_name_is_refused(name: str) -> None:
    """What SQL would have to quote, or Redis would read as two words, is refused."""
    with pytest.raises(ValueError, match="name"):
        check_name(name)


@given(NAMES, NAMES, st.integers(1, 99), st.integers(1, 99))
def test_no_key_of_one_ledger_is_another_ones(one: str, other: str, client: int, seq: int) -> None:
    """The keys of a ledger begin with its prefix and with no other ledger's."""
    assert key_of(one, client, seq).startswith(key_prefix(one))
    assert one == other or not key_of(one, client, seq).startswith(key_prefix(other))


def test_a_writer_with_such_a_name_is_refused(tmp_path: Path) -> None:
    """The file of a writer is refused with the reason."""
    file = tmp_path / "ledger.json"
    file.write_text(
        '{"subject":"a","directory":"/d","name":"x;y",'
        '"endpoint":{"type":"redis","nodes":[],"cluster":true}}'
    )
    with pytest.raises(InputError, match="x;y"):
        read_config(file)
