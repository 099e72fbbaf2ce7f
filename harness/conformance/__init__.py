"""Looks at a running platform: what of it is as documented. Nothing is broken, nothing is kept."""
