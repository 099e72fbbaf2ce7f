"""The hash chain of a history: each change of it is seen, and where."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.seal.chain import ChainRead, digest, read_chain

BEGIN = digest(b"the plan")


def chained(facts: list[str], begins_with: str = BEGIN) -> list[bytes]:
    """Lines as the recorder writes them."""
    lines: list[bytes] = []
    previous = begins_with
    for sequence, fact in enumerate(facts):
        line = json.dumps({"fact": fact, "previous": previous, "sequence": sequence}).encode()
        lines.append(line + b"\n")
        previous = digest(line)
    return lines


FACTS = ["begin", "kill", "heal", "end"]


def says(read: ChainRead) -> list[str]:
    return [one.says for one in read.breaks]


def test_an_empty_history_has_the_plan_for_its_head() -> None:
    assert read_chain([], BEGIN) == ChainRead(lines=0, head=BEGIN, chained=True)


def test_a_whole_chain_has_no_break_and_its_last_line_for_its_head() -> None:
    lines = chained(FACTS)
    found = read_chain(lines, BEGIN)
    assert found == ChainRead(lines=4, head=digest(lines[-1][:-1]), chained=True)


def test_a_changed_event_is_named() -> None:
    lines = chained(FACTS)
    lines[1] = lines[1].replace(b"kill", b"kiss")
    (said,) = says(read_chain(lines, BEGIN))
    assert said.startswith("event 1 (line 2) is not the one that event 2 names")


def test_a_changed_last_event_is_another_head() -> None:
    lines = chained(FACTS)
    before = read_chain(lines, BEGIN).head
    lines[-1] = lines[-1].replace(b"end", b"END")
    found = read_chain(lines, BEGIN)
    assert not found.breaks
    assert found.head != before


def test_a_removed_event_is_named() -> None:
    lines = chained(FACTS)
    del lines[1]
    assert says(read_chain(lines, BEGIN)) == ["event 1 is missing before line 2"]


def test_several_removed_events_are_named() -> None:
    lines = chained(FACTS)
    del lines[0:3]
    assert says(read_chain(lines, BEGIN)) == ["events 0 to 2 are missing before line 1"]


def test_swapped_events_are_named() -> None:
    lines = chained(FACTS)
    lines[1], lines[2] = lines[2], lines[1]
    said = says(read_chain(lines, BEGIN))
    assert said[0] == "event 1 is missing before line 2"
    assert said[1] == "line 3 is event 1, after event 2: moved"


def test_a_repeated_event_is_named() -> None:
    lines = chained(FACTS)
    lines.insert(2, lines[1])
    assert says(read_chain(lines, BEGIN))[0] == "line 3 is event 1, after event 1: moved"


def test_another_plan_is_named() -> None:
    (said,) = says(read_chain(chained(FACTS), digest(b"another plan")))
    assert "plan.json" in said


def test_a_line_that_is_no_event_is_named() -> None:
    lines = chained(FACTS)
    lines[2] = b"\x00\n"
    assert says(read_chain(lines, BEGIN))[0] == "line 3 is no event"


def test_a_torn_last_line_is_none() -> None:
    """A run that was killed; what was whole before it still is."""
    lines = chained(FACTS)
    found = read_chain([*lines[:-1], lines[-1][:9]], BEGIN)
    assert (found.lines, found.breaks) == (3, ())


def test_a_history_of_before_there_was_a_chain() -> None:
    lines = [b'{"sequence":0}\n', b'{"sequence":1}\n']
    found = read_chain(lines, BEGIN)
    assert (found.chained, found.breaks) == (False, ())
    assert says(read_chain(lines[1:], BEGIN)) == ["event 0 is missing before line 1"]


@given(
    st.lists(st.text(max_size=5), min_size=1, max_size=12),
    st.data(),
)
def test_any_other_order_or_choice_of_lines_breaks_it_or_has_another_head(
    facts: list[str], data: st.DataObject
) -> None:
    lines = chained(facts)
    other = data.draw(st.lists(st.sampled_from(lines), max_size=14))
    assume(other != lines)
    whole, found = read_chain(lines, BEGIN), read_chain(other, BEGIN)
    assert found.breaks or (found.lines, found.head) != (whole.lines, whole.head)


@pytest.mark.parametrize("count", [1, 1000])
def test_lines_are_read_one_by_one(count: int) -> None:
    """Nothing is kept of them: a generator will do."""
    assert read_chain((line for line in chained(["x"] * count)), BEGIN).lines == count
