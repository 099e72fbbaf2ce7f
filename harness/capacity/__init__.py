"""Computes what autoscalers, quotas and services can do, from settings and looks. Pure."""
