"""Seals the evidence of a run, so that a reviewer can tell that nothing of it was changed since."""
