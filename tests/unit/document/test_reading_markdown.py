"""Every form in which a document says something, with its line; and what is named as not read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.document.markdown import read_markdown
from harness.document.statement import Form, section_of

FENCE = "```"


def said(text: str) -> list[tuple[int, tuple[str, ...], str, Form]]:
    """Line, path, text and form of each statement."""
    return [(one.line, one.path, one.text, one.form) for one in read_markdown(text).statements]


@pytest.mark.parametrize("text", ["", "\n\n", "---\n", "<!-- nothing -->\n", "# Only a heading\n"])
def test_a_document_that_says_nothing(text: str) -> None:
    found = read_markdown(text)
    assert found.statements == ()
    assert found.unread == ()


def test_settings_of_yaml_have_all_keys_above_them() -> None:
    text = (
        f"# Scaling\n\n{FENCE}yaml\nhpa:\n  min: 1\n  max: 10 # of each\nwaves: [0, 1]\n{FENCE}\n"
    )
    assert said(text) == [
        (5, ("hpa", "min"), "1", Form.SETTING),
        (6, ("hpa", "max"), "10", Form.SETTING),
        (7, ("waves",), "[0, 1]", Form.SETTING),
    ]


def test_yaml_that_is_none_is_read_by_its_indentation_and_named() -> None:
    text = f"{FENCE}yaml\nrollback:\n  - error_rate: > 5%\n    after: 5m\n{FENCE}\n"
    assert said(text) == [
        (3, ("rollback", "0", "error_rate"), "> 5%", Form.SETTING),
        (4, ("rollback", "0", "after"), "5m", Form.SETTING),
    ]
    (unread,) = read_markdown(text).unread
    assert (unread.line, unread.instead) == (1, "by indentation")
    assert "line 3" in unread.why


def test_yaml_with_a_tab_is_read_all_the_same() -> None:
    text = f"{FENCE}yaml\nrto: 5m\n\trpo: 1m\n{FENCE}\n"
    assert [(line, value) for line, _, value, _ in said(text)] == [(2, "5m"), (3, "1m")]
    assert len(read_markdown(text).unread) == 1


def test_cells_of_a_table_have_their_row_and_their_column() -> None:
    text = "| Service | Port |\n|---|--:|\n| **Checkout** | 8000 |\n| Order | |\n"
    assert said(text) == [(3, ("Checkout", "Port"), "8000", Form.CELL)]


def test_lists_and_bold_keys() -> None:
    text = (
        "- **Retention**: 30 days\n- `frequency`: Daily\n- tested weekly\n\n**Owner:** Platform\n"
    )
    assert said(text) == [
        (1, ("Retention",), "30 days", Form.SETTING),
        (2, (), "`frequency`: Daily", Form.ITEM),
        (3, (), "tested weekly", Form.ITEM),
        (5, ("Owner",), "Platform", Form.SETTING),
    ]


def test_a_list_within_a_list_is_below_its_item() -> None:
    text = "- Backups: nightly\n  - Kept: 30 days\n"
    assert said(text)[1] == (2, ("Backups", "Kept"), "30 days", Form.SETTING)


def test_a_drawing_is_read_line_by_line() -> None:
    text = f"{FENCE}\nbase\n\u251c\u2500\u2500 overlays\n{FENCE}\n"
    assert [(line, form) for line, _, _, form in said(text)] == [(2, Form.LINE), (3, Form.LINE)]
    assert read_markdown(text).unread[0].why == "it is drawn, not YAML"


def test_a_fence_that_is_never_closed_is_named() -> None:
    found = read_markdown(f"{FENCE}yaml\nrto: 5m\n")
    assert [one.text for one in found.statements] == ["5m"]
    assert "is never closed" in found.unread[-1].why


def test_front_matter_keeps_the_lines_below_it_where_they_are() -> None:
    text = "---\nowner: platform\n---\n\n- Retention: 30 days\n"
    assert said(text) == [
        (2, ("owner",), "platform", Form.SETTING),
        (5, ("Retention",), "30 days", Form.SETTING),
    ]


def test_a_heading_with_a_number_of_its_own_says_it() -> None:
    assert said("## 3. Keep 30 days\n") == [(1, (), "Keep 30 days", Form.PROSE)]
    assert said("## 3. Backups\n") == []


@pytest.mark.parametrize(
    "heading",
    ["Backup Strategy", "\U0001f4be Backup Strategy", "\ufffd\ufffd **Backup Strategy**:"],
)
def test_a_heading_is_what_is_left_without_ornaments(heading: str) -> None:
    assert section_of(heading) == "Backup Strategy"


def test_lost_characters_are_named_by_their_lines() -> None:
    assert read_markdown("fine\n\ufffd 5 minutes\n").damaged == (2,)


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
def test_the_ends_of_lines_do_not_move_a_statement(end: str) -> None:
    text = end.join(["# A", "", "- Retention: 30 days", ""])
    assert said(text) == [(3, ("Retention",), "30 days", Form.SETTING)]


def test_what_is_nested_too_deeply_is_named() -> None:
    text = "".join(f"{'  ' * depth}- level {depth} of it\n" for depth in range(60))
    (unread,) = read_markdown(text).unread
    assert (unread.why, unread.instead) == ("it is nested too deeply", "not at all")
    assert unread.line + unread.lines == 61


def test_a_line_of_brackets_does_not_end_the_program() -> None:
    found = read_markdown(f"{FENCE}yaml\nrto: {'[' * 50_000}\n{FENCE}\n")
    assert "levels" in found.unread[0].why


def test_aliases_are_not_multiplied() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)
    )
    assert len(read_markdown(f"{FENCE}yaml\n{bomb}{FENCE}\n").statements) < 50


@given(st.text(alphabet=st.sampled_from("ab1 -*#|:`\n\t[]{}&>%\ufffd\u2500"), max_size=300))
def test_no_markdown_is_too_odd_and_every_line_is_one_of_it(text: str) -> None:
    found = read_markdown(text)
    last = len(text.split("\n"))
    lines = [one.line for one in found.statements] + [one.line for one in found.headings]
    assert all(1 <= line <= last for line in lines)
