"""The platform of every environment but the practice one: nothing of it may be broken."""

from __future__ import annotations

from typing import NoReturn

from harness.errors import RefusedError
from harness.model.instant import Bracket
from harness.model.subject import Region


class StandingPlatform:
    """ports.Platform that refuses: losses are assumed, the subjects are left alone."""

    inflicts = False

    def lose(self, subject: str) -> tuple[Bracket, str]:
        """Refused."""
        self._refuse(subject)

    def give_back(self, subject: str) -> str:
        """Refused: nothing was taken."""
        self._refuse(subject)

    def lose_region(self, region: Region) -> tuple[Bracket, str]:
        """Refused."""
        self._refuse(f"region {region}")

    def give_back_region(self, region: Region) -> str:
        """Refused: nothing was taken."""
        self._refuse(f"region {region}")

    def _refuse(self, what: str) -> NoReturn:
        raise RefusedError(
            f"{what}: only the practice platform may be broken",
            hint="harness demo  # or set `loss: assumed` in the suite",
        )
