"""Tells people and programs that a run ended: metrics, webhooks, Slack, e-mail."""
