"""Flags of programs that run in pods."""

from __future__ import annotations

from harness.model.program_arguments import flags


def test_no_words_are_no_flags() -> None:
    assert flags({"containers": [{"name": "c"}]}) == {}


def test_flags_of_command_and_arguments_in_every_form() -> None:
    container = {
        "name": "c",
        "command": ["program", "--period=15s", "-v", "2"],
        "args": ["--resolution", "30s", "--secure", "--set=a=b", "--last"],
    }
    assert flags({"containers": [container]}) == {
        "period": "15s",
        "resolution": "30s",
        "secure": "true",
        "set": "a=b",
        "last": "true",
    }
