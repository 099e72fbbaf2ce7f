"""`python -m harness` is the `harness` program."""

from harness.cli.main import run

run()
