"""The JSON schemas in reports/schema/ are those of the values."""

from pathlib import Path

import msgspec
import pytest
from judged_runs import expect

from harness.report.schema import SCHEMAS, render_schema

FOLDER = Path(__file__).parents[3] / "reports" / "schema"


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_the_schema_is_current(name: str) -> None:
    """A changed value needs a changed schema: UPDATE_EXPECTED=1 writes it."""
    expect(FOLDER / name, render_schema(name).decode())


def test_unknown_keys_are_refused() -> None:
    """The schema is as strict as the decoder."""
    schema = msgspec.json.decode(render_schema("verdict.schema.json"))
    assert schema["$defs"]["Judgement"]["additionalProperties"] is False
    assert "findings" in schema["$defs"]["Judgement"]["required"]
