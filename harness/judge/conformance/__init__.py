"""Judges of a conformance check: whether a platform is set up as documented. Pure."""
