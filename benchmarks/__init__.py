"""Measurements, never tests: each prints its numbers and asserts nothing about time."""
