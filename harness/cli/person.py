"""Asks the person at the terminal to do and confirm a manual step; nobody where there is none."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from harness.model.game_day import ManualStep


class AtTerminal:
    """ports.Person: whoever sits at this terminal."""

    def __init__(self, participants: tuple[str, ...], before: Callable[[], None]) -> None:
        """`before` makes room on the terminal, before something is asked."""
        self._participants = participants
        self._before = before

    def confirm(self, step: ManualStep) -> tuple[str, str]:
        """Shows the instruction and waits for who did it, and a note."""
        self._before()
        click.echo(f"\nmanual step {step.id}: {step.instruction}", err=True)
        default = self._participants[0] if self._participants else ""
        who: str = click.prompt("  done by", default=default, err=True)
        note: str = click.prompt("  observed", default="", show_default=False, err=True)
        return who, note


class Nobody:
    """ports.Person of an unattended run: manual steps are recorded as not confirmed."""

    def confirm(self, step: ManualStep) -> tuple[str, str]:
        """Nobody does it."""
        del step
        return "", "unattended: not done"


def person(
    participants: tuple[str, ...], before: Callable[[], None], *, unattended: bool
) -> AtTerminal | Nobody:
    """Whoever can be asked: nobody where standard input is no terminal."""
    if unattended or not sys.stdin.isatty():
        return Nobody()
    return AtTerminal(participants, before)
