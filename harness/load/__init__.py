"""Sends load by an absolute schedule and writes down what came of every request; child processes.

The harness itself never imports Locust, gevent or uvloop: they patch what else is in a process.
"""
