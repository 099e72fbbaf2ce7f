"""Judges of load tests: whether a service held what is promised while it scaled. Pure.

What a generator that was late or incomplete measured says nothing of the service: INCONCLUSIVE.
"""
