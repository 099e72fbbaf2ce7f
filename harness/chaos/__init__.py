"""Breaks things: Chaos Toolkit actions and probes, and the process that runs one experiment."""
