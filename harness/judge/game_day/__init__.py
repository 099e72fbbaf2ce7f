"""Judges of game days: what a fault in a living cluster cost its clients. Pure.

Trials of one experiment are never pooled with those of another, and what came back only after our
rollback did not come back by itself.
"""
