"""Contradictions between documented targets, found by arithmetic and without a system. Pure."""
