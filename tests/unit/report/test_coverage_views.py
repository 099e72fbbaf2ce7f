"""Coverage as a table, a page and a picture: the whole output, and nothing that is not said."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from coverage_runs import (
    FAIL,
    INCONCLUSIVE,
    NOW,
    TARGETS,
    conformance_run,
    coverage,
    ended,
    finding,
    game_day_run,
    load_run,
    restore_run,
)
from judged_runs import expect

from harness.cli.coverage import command
from harness.coverage.compose import RunsRead
from harness.errors import InputError
from harness.model.coverage import Coverage, NotCounted, RunNotCounted
from harness.report.coverage_page import render_page
from harness.report.coverage_picture import as_file, draw_coverage
from harness.report.coverage_table import render_coverage

EXPECTED = Path(__file__).parent / "expected"
