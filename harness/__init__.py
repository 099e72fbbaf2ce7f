"""Rehearses disasters on a real platform and says, with evidence, which documented targets it met.

targets/ + suites/ + harness.toml --plan--> plan.json          drill.plan      pure
plan.json --conduct--> history.jsonl, ledger/, observations/    drill.conduct   all I/O
history --judge--> verdict.json                                 judge           pure
verdict.json --report--> report.html, junit.xml, metrics.prom   report          pure
"""

__version__ = "0.1.0"
